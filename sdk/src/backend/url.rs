//! The backend's URL, parsed: what it names, or the one thing that is wrong with it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What a backend's URL names.
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
    },
}

/// Why a text is no [`BackendUrl`].
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
    #[error("{url:?} has the unknown parameter {name:?}: the only one is `{known}`")]
    UnknownParameter {
        /// The text.
        url: String,
        /// The parameter.
        name: String,
        /// The one there is.
        known: &'static str,
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
                let (path, synchronous) = split(url, rest, "synchronous")?;
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
                let (table, queue) = split(url, rest, "queue")?;
                let table = table.strip_prefix("//").unwrap_or_default();
                if table.is_empty() || table.contains(['/', ':', '@', '#']) {
                    return Err(InvalidBackendUrl::NoTable { url: whole() });
                }
                let Some(queue) = queue.filter(|queue| !queue.is_empty()) else {
                    return Err(InvalidBackendUrl::NoQueue { url: whole(), table: table.into() });
                };
                let Some(queue) = percent_decoded(queue) else {
                    return Err(InvalidBackendUrl::InvalidValue {
                        url: whole(),
                        name: "queue",
                        value: queue.to_owned(),
                        expected: "a `%` is followed by two hexadecimal digits",
                    });
                };
                Ok(Self::Dynamodb { table: table.to_owned(), queue })
            }
            _ => Err(InvalidBackendUrl::UnknownScheme { url: whole() }),
        }
    }
}

/// What stands before the `?`, and the value of the one parameter there is.
fn split<'a>(
    url: &str,
    rest: &'a str,
    known: &'static str,
) -> Result<(&'a str, Option<&'a str>), InvalidBackendUrl> {
    let (before, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let mut found = None;
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let url = url.to_owned();
        if name != known {
            return Err(InvalidBackendUrl::UnknownParameter { url, name: name.into(), known });
        }
        if found.replace(value).is_some() {
            return Err(InvalidBackendUrl::RepeatedParameter { url, name: known });
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
            Self::Dynamodb { table, queue } => write!(f, "dynamodb://{table}?queue={queue}"),
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
        BackendUrl::Dynamodb { table: "orders".into(), queue: queue.into() }
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
        check_refused("dynamodb://orders?queue=a%é", "hexadecimal");
    }
}
