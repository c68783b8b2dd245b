//! The backend's URL, parsed: what it names, or the one thing that is wrong with it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What a backend's URL names.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::backend::BackendUrl;
///
/// let url: BackendUrl = "sqlite:/var/lib/orders.db?synchronous=full".parse()?;
/// let path = "/var/lib/orders.db".into();
/// assert_eq!(url, BackendUrl::Sqlite { path, synchronous_full: true });
/// assert_eq!(url.to_string(), "sqlite:/var/lib/orders.db?synchronous=full");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendUrl {
    /// `memory:`
    Memory,
    /// `sqlite:PATH`
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Whether every write is flushed to the disk: `?synchronous=full`. The default is
        /// `normal`.
        synchronous_full: bool,
    },
    /// `dynamodb://TABLE?queue=QUEUE`
    Dynamodb {
        /// The table's name.
        table: String,
        /// The queue's URL or name.
        queue: String,
        /// `&scheduler=GROUP&scheduler_role=ARN`: who keeps timers of more than 15 minutes. The
        /// queue does, if it is absent.
        scheduler: Option<SchedulerUrl>,
    },
}

/// Where timers of more than 15 minutes are kept: EventBridge Scheduler.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::backend::{BackendUrl, SchedulerUrl};
///
/// let role = "arn:aws:iam::123456789012:role/wakes";
/// let scheduler = SchedulerUrl::new("orders", Some(role))?;
/// let url = format!("dynamodb://orders?queue=wakes&scheduler=orders&scheduler_role={role}");
/// let (table, queue) = ("orders".to_owned(), "wakes".to_owned());
/// assert_eq!(url.parse(), Ok(BackendUrl::Dynamodb { table, queue, scheduler: Some(scheduler) }));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchedulerUrl {
    /// The name of the group that the schedules are in.
    pub group: String,
    /// The ARN of the role with which Scheduler sends to the queue. Without one no schedule can be
    /// made, and timers hop through the queue.
    pub role: Option<String>,
}

/// Longest name of a schedule group
/// (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateScheduleGroup.html>).
const GROUP_BYTES_MAX: usize = 64;

impl SchedulerUrl {
    /// The group with the role.
    ///
    /// # Errors
    /// Neither can be one: what it may be.
    pub fn new(group: &str, role: Option<&str>) -> Result<Self, &'static str> {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if !(1..=GROUP_BYTES_MAX).contains(&group.len()) || !group.bytes().all(is_name) {
            return Err(
                "the name of a schedule group has 1 to 64 letters, digits, '-', '_' and '.'",
            );
        }
        if role.is_some_and(|arn| !arn.starts_with("arn:") || !arn.contains(":role/")) {
            return Err("a role is given by its ARN, as `arn:aws:iam::123456789012:role/NAME`");
        }
        Ok(Self { group: group.to_owned(), role: role.map(str::to_owned) })
    }
}

/// Why a text is no [`BackendUrl`].
///
/// ```
/// use everstep::backend::{BackendUrl, InvalidBackendUrl};
///
/// let error = "dynamodb://orders".parse::<BackendUrl>().unwrap_err();
/// assert!(matches!(error, InvalidBackendUrl::NoQueue { .. }));
/// assert!(error.to_string().ends_with("for example `dynamodb://orders?queue=orders`"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBackendUrl {
    /// It begins like none of ours.
    #[error(
        "{url:?} is no backend URL: use `sqlite:PATH`, `memory:` or `dynamodb://TABLE?queue=QUEUE`"
    )]
    UnknownScheme {
        /// The text.
        url: String,
    },
    /// A SQLite URL names no file.
    #[error("{url:?} names no file: write `sqlite:PATH`, for example `sqlite:everstep.db`")]
    NoPath {
        /// The text.
        url: String,
    },
    /// Something follows `memory:`.
    #[error("{url:?} says more than `memory:`, which has neither a name nor parameters")]
    MemoryHasNothing {
        /// The text.
        url: String,
    },
    /// A DynamoDB URL names no table, or more than a table.
    #[error("{url:?} names no table: write `dynamodb://TABLE?queue=QUEUE`")]
    NoTable {
        /// The text.
        url: String,
    },
    /// A DynamoDB URL names no queue.
    #[error(
        "{url:?} names no queue: add `?queue=` with the URL or the name of an SQS queue, for \
         example `dynamodb://{table}?queue={table}`"
    )]
    NoQueue {
        /// The text.
        url: String,
        /// The table it names.
        table: String,
    },
    /// A parameter is not known.
    #[error("{url:?} has the unknown parameter {name:?}: known is {known}")]
    UnknownParameter {
        /// The text.
        url: String,
        /// The parameter.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A parameter is there twice.
    #[error("{url:?} has the parameter {name:?} twice")]
    RepeatedParameter {
        /// The text.
        url: String,
        /// The parameter.
        name: &'static str,
    },
    /// A parameter has a value it cannot have.
    #[error("{url:?} has {name}={value}: {expected}")]
    InvalidValue {
        /// The text.
        url: String,
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
}

impl FromStr for BackendUrl {
    type Err = InvalidBackendUrl;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let whole = || url.to_owned();
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        match scheme {
            "memory" if url == "memory:" => Ok(Self::Memory),
            "memory" if url.contains(':') => {
                Err(InvalidBackendUrl::MemoryHasNothing { url: whole() })
            }
            "sqlite" => {
                let (path, [synchronous]) = split(url, rest, ["synchronous"])?;
                // Others write `sqlite://PATH`.
                let path = path.strip_prefix("//").unwrap_or(path);
                if path.is_empty() {
                    return Err(InvalidBackendUrl::NoPath { url: whole() });
                }
                let synchronous_full = match synchronous {
                    None | Some("normal") => false,
                    Some("full") => true,
                    Some(value) => {
                        return Err(InvalidBackendUrl::InvalidValue {
                            url: whole(),
                            name: "synchronous",
                            value: value.to_owned(),
                            expected: "it is `normal` or `full`",
                        });
                    }
                };
                Ok(Self::Sqlite { path: path.into(), synchronous_full })
            }
            "dynamodb" => {
                let (table, [queue, group, role]) =
                    split(url, rest, ["queue", "scheduler", "scheduler_role"])?;
                let table = table.strip_prefix("//").unwrap_or_default();
                if table.is_empty() || table.contains(['/', ':', '@', '#']) {
                    return Err(InvalidBackendUrl::NoTable { url: whole() });
                }
                let Some(queue) = queue.filter(|queue| !queue.is_empty()) else {
                    return Err(InvalidBackendUrl::NoQueue { url: whole(), table: table.into() });
                };
                let invalid = |name, value: &str, expected| InvalidBackendUrl::InvalidValue {
                    url: whole(),
                    name,
                    value: value.to_owned(),
                    expected,
                };
                let decoded = |name, value| {
                    let expected = "a `%` is followed by two hexadecimal digits";
                    percent_decoded(value).ok_or_else(|| invalid(name, value, expected))
                };
                let queue = decoded("queue", queue)?;
                let role = role.map(|role| decoded("scheduler_role", role)).transpose()?;
                let scheduler = match (group, role) {
                    (Some(group), role) => {
                        let of_group = |expected| invalid("scheduler", group, expected);
                        SchedulerUrl::new(group, None).map_err(of_group)?;
                        let role = role.as_deref();
                        let of_role = |expected| {
                            invalid("scheduler_role", role.unwrap_or_default(), expected)
                        };
                        Some(SchedulerUrl::new(group, role).map_err(of_role)?)
                    }
                    (None, None) => None,
                    (None, Some(role)) => {
                        let expected = "it goes with `scheduler=` and the name of a schedule group";
                        return Err(invalid("scheduler_role", &role, expected));
                    }
                };
                Ok(Self::Dynamodb { table: table.to_owned(), queue, scheduler })
            }
            _ => Err(InvalidBackendUrl::UnknownScheme { url: whole() }),
        }
    }
}

/// What stands before the `?`, and the values of the parameters there are.
fn split<'a, const N: usize>(
    url: &str,
    rest: &'a str,
    known: [&'static str; N],
) -> Result<(&'a str, [Option<&'a str>; N]), InvalidBackendUrl> {
    let (before, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let mut found = [None; N];
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let url = url.to_owned();
        let Some(number) = known.iter().position(|known| *known == name) else {
            let known = known.map(|name| format!("`{name}`")).join(", ");
            return Err(InvalidBackendUrl::UnknownParameter { url, name: name.into(), known });
        };
        if found[number].replace(value).is_some() {
            return Err(InvalidBackendUrl::RepeatedParameter { url, name: known[number] });
        }
    }
    Ok((before, found))
}

/// `text` with each `%41` as the byte it stands for; `None` if that is not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite { path, synchronous_full } => {
                let full = if *synchronous_full { "?synchronous=full" } else { "" };
                write!(f, "sqlite:{}{full}", path.display())
            }
            Self::Dynamodb { table, queue, scheduler } => {
                write!(f, "dynamodb://{table}?queue={queue}")?;
                let Some(SchedulerUrl { group, role }) = scheduler else { return Ok(()) };
                write!(f, "&scheduler={group}")?;
                role.iter().try_for_each(|role| write!(f, "&scheduler_role={role}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: BackendUrl) {
        let parsed: BackendUrl = url.parse().expect("a URL");
        assert_eq!(parsed, expected);
        assert_eq!(parsed.to_string().parse(), Ok(parsed));
    }

    #[track_caller]
    fn check_refused(url: &str, says: &str) {
        let error = url.parse::<BackendUrl>().expect_err(url).to_string();
        assert!(error.contains(says) && error.contains(url), "{error:?} does not say {says:?}");
    }

    fn sqlite(path: &str, synchronous_full: bool) -> BackendUrl {
        BackendUrl::Sqlite { path: path.into(), synchronous_full }
    }

    fn dynamodb(queue: &str) -> BackendUrl {
        BackendUrl::Dynamodb { table: "orders".into(), queue: queue.into(), scheduler: None }
    }

    fn scheduled(group: &str, role: Option<&str>) -> BackendUrl {
        let scheduler = Some(SchedulerUrl::new(group, role).expect("a group"));
        BackendUrl::Dynamodb { table: "orders".into(), queue: "wakes".into(), scheduler }
    }

    #[test]
    fn every_backend_has_a_url() {
        check("memory:", BackendUrl::Memory);
        check("sqlite:everstep.db", sqlite("everstep.db", false));
        check("sqlite:/var/lib/a b%20c:d.db", sqlite("/var/lib/a b%20c:d.db", false));
        check("sqlite:///var/lib/e.db", sqlite("/var/lib/e.db", false));
        check("sqlite:e.db?synchronous=full", sqlite("e.db", true));
        check("sqlite:e.db?synchronous=normal", sqlite("e.db", false));
        check("dynamodb://orders?queue=wakes", dynamodb("wakes"));
        let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/wakes";
        check(&format!("dynamodb://orders?queue={queue}"), dynamodb(queue));
        let encoded = queue.replace(':', "%3A").replace('/', "%2f");
        check(&format!("dynamodb://orders?queue={encoded}"), dynamodb(queue));
        check("dynamodb://orders?queue=wakes&scheduler=g.1", scheduled("g.1", None));
        let role = "arn:aws:iam::123456789012:role/wakes";
        let url = format!("dynamodb://orders?scheduler_role={role}&scheduler=g&queue=wakes");
        check(&url, scheduled("g", Some(role)));
    }

    #[test]
    fn every_mistake_has_a_sentence_of_its_own() {
        check_refused("", "sqlite:PATH");
        check_refused("everstep.db", "sqlite:PATH");
        check_refused("memory", "`memory:`");
        check_refused("postgres://host/db", "dynamodb://TABLE?queue=QUEUE");
        check_refused("SQLITE:x", "sqlite:PATH");
        check_refused("memory:x", "neither a name nor parameters");
        check_refused("sqlite:", "names no file");
        check_refused("sqlite://", "names no file");
        check_refused("sqlite:?synchronous=full", "names no file");
        check_refused("sqlite:e.db?synchronous=off", "`normal` or `full`");
        check_refused("sqlite:e.db?mode=ro", "unknown parameter \"mode\"");
        check_refused("dynamodb:orders?queue=q", "names no table");
        check_refused("dynamodb://?queue=q", "names no table");
        check_refused("dynamodb://a/b?queue=q", "names no table");
        check_refused("dynamodb://orders", "?queue=orders");
        check_refused("dynamodb://orders?queue=", "names no queue");
        check_refused("dynamodb://orders?queue=a&region=b", "unknown parameter \"region\"");
        check_refused("dynamodb://orders?queue=a&queue=b", "twice");
        check_refused("dynamodb://orders?queue=a%2", "hexadecimal");
        check_refused(
            "dynamodb://orders?queue=a&region=b",
            "`queue`, `scheduler`, `scheduler_role`",
        );
        check_refused("dynamodb://orders?queue=a&scheduler=", "1 to 64 letters");
        check_refused("dynamodb://orders?queue=a&scheduler=a/b", "1 to 64 letters");
        check_refused(
            "dynamodb://orders?queue=a&scheduler=g&scheduler_role=me",
            "scheduler_role=me",
        );
        check_refused(
            "dynamodb://orders?queue=a&scheduler_role=arn:role",
            "goes with `scheduler=`",
        );
        check_refused("dynamodb://orders?queue=a%é", "hexadecimal");
    }
}
