//! Notifications by a URL: that of `EVERSTEP_NOTIFY`.

use super::{JsonLines, LogNotifier, Notifications};

/// The environment variable that names where notifications go, for apps that do not say so.
///
/// ```
/// use everstep::notify::NOTIFY_VARIABLE;
///
/// let mut host = std::process::Command::new("orders");
/// host.env(NOTIFY_VARIABLE, "jsonl:told.jsonl?steps=on");
/// assert_eq!(NOTIFY_VARIABLE, "EVERSTEP_NOTIFY");
/// ```
pub const NOTIFY_VARIABLE: &str = "EVERSTEP_NOTIFY";

/// Why there are no [`Notifications`].
///
/// ```
/// use everstep::notify::{Notifications, NotificationsError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// match Notifications::from_url("kafka:orders").await {
///     Err(NotificationsError::Url { problem, .. }) => assert_eq!(problem, "the scheme is unknown"),
///     other => panic!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationsError {
    /// The URL is not one: correct it.
    #[error(
        "{url:?} names nobody to notify ({problem}): use `sns:TOPIC_ARN`, `eventbridge:BUS`, \
         `jsonl:FILE` or `log:`, and `?steps=on`, `&views=on`, `&payloads=on` and `&source=NAME` \
         behind it where they are wanted"
    )]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// This program was built without what the URL names: build it again with the feature.
    #[error(
        "{url} needs the feature {feature:?} of everstep, and this program is built without it"
    )]
    NotBuiltIn {
        /// The URL.
        url: String,
        /// The cargo feature.
        feature: &'static str,
    },
}

impl Notifications {
    /// What the variable `EVERSTEP_NOTIFY` names; `None` without it.
    ///
    /// ```
    /// # use everstep::notify::NOTIFY_VARIABLE;
    /// use everstep::notify::Notifications;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let notifications = Notifications::from_env().await?;
    /// # if std::env::var_os(NOTIFY_VARIABLE).is_none() {
    /// assert!(notifications.is_none()); // nobody is told
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// See [`from_url`](Self::from_url).
    pub async fn from_env() -> Result<Option<Self>, NotificationsError> {
        match std::env::var(NOTIFY_VARIABLE) {
            Ok(url) if !url.is_empty() => Self::from_url(&url).await.map(Some),
            Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(url)) => {
                let (url, problem) = (url.to_string_lossy().into(), "it is not UTF-8".to_owned());
                Err(NotificationsError::Url { url, problem })
            }
        }
    }

    /// What `url` names.
    ///
    /// | URL | goes to |
    /// |---|---|
    /// | `eventbridge:BUS` | an event bus of EventBridge, by name or ARN; the feature `notifications` |
    /// | `sns:TOPIC_ARN` | a topic of SNS; the feature `notifications` |
    /// | `jsonl:FILE` | a file, a line of JSON each |
    /// | `log:` | the program's own log |
    ///
    /// Behind a `?`, with `&` between them: `steps=on`, `views=on`, `payloads=on` and
    /// `source=NAME`, as the methods of these names.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::notify::Notifications;
    /// # #[workflow] async fn fulfil(order: u8) -> everstep::Result<u8> { Ok(order) }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let notifications = Notifications::from_url("log:?steps=on&source=/shop").await?;
    /// let app = App::new().workflow(fulfil).notifications(notifications);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// It is not such a URL, or this program is built without the feature that it needs.
    pub async fn from_url(url: &str) -> Result<Self, NotificationsError> {
        let wrong = |problem: &str| NotificationsError::Url {
            url: url.to_owned(),
            problem: problem.to_owned(),
        };
        let (place, options) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, name) = place.split_once(':').ok_or_else(|| wrong("it has no scheme"))?;
        let mut notifications = match (scheme, name) {
            ("log", "") => Self::to(LogNotifier),
            ("jsonl" | "sns" | "eventbridge", "") => {
                return Err(wrong("nothing follows the colon"));
            }
            ("jsonl", file) => Self::to(JsonLines::append_to(file)),
            ("sns" | "eventbridge", name) => away(url, scheme, name).await?,
            _ => return Err(wrong("the scheme is unknown")),
        };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            notifications = match option.split_once('=') {
                Some(("steps", "on")) => notifications.steps(),
                Some(("views", "on")) => notifications.views(),
                Some(("payloads", "on")) => notifications.payloads(),
                Some(("steps" | "views" | "payloads", "off")) => notifications,
                Some(("source", source)) if !source.is_empty() => notifications.source(source),
                _ => return Err(wrong(&format!("{option:?} is no option"))),
            };
        }
        Ok(notifications)
    }
}

#[cfg(feature = "notifications")]
async fn away(url: &str, scheme: &str, name: &str) -> Result<Notifications, NotificationsError> {
    use crate::aws::{EventBridgeNotifier, SnsNotifier, load_config};
    let config = load_config().await;
    let wrong = |problem: super::NotifyError| NotificationsError::Url {
        url: url.to_owned(),
        problem: problem.to_string(),
    };
    if scheme == "eventbridge" {
        let bus = EventBridgeNotifier::new(&config, name).map_err(wrong)?;
        return Ok(Notifications::to(bus));
    }
    Ok(Notifications::to(SnsNotifier::new(&config, name).map_err(wrong)?))
}

#[cfg(not(feature = "notifications"))]
async fn away(url: &str, _: &str, _: &str) -> Result<Notifications, NotificationsError> {
    Err(NotificationsError::NotBuiltIn { url: url.to_owned(), feature: "notifications" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Notifications, NotificationsError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Notifications::from_url(url))
    }

    #[test]
    fn a_url_says_where_notifications_go_and_what_is_told() {
        let told = read("log:").unwrap().choice;
        assert_eq!((told.steps, told.views, told.payloads), (false, false, false));
        let told = read("jsonl:/tmp/told.jsonl?steps=on&views=off&source=/shop").unwrap().choice;
        assert_eq!((told.steps, told.views, told.payloads), (true, false, false));
        assert_eq!(&*told.source, "/shop");
    }

    #[test]
    fn what_is_no_such_url_is_refused_with_the_ways_out() {
        for url in
            ["", "log", "log:x", "jsonl:", "kafka:topic", "log:?steps=yes", "log:?colour=red"]
        {
            let error = read(url).unwrap_err().to_string();
            assert!(error.contains("sns:TOPIC_ARN"), "{url}: {error}");
        }
    }
}
