//! What is told, and to whom.

use std::fmt;
use std::sync::Arc;

use super::Notifier;

/// What an app tells of its executions, and to whom: see [`App::notifications`](crate::App::notifications).
///
/// Changes of status are always told. All hosts of an app should tell the same: what one that tells
/// nothing brings to its end is told by nobody.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::notify::{LogNotifier, Notifications};
/// # #[workflow] async fn fulfil(order: u8) -> everstep::Result<u8> { Ok(order) }
///
/// let notifications: Notifications =
///     Notifications::to(LogNotifier).steps().views().payloads().source("/shop");
/// let app = App::new().workflow(fulfil).notifications(notifications);
/// ```
#[derive(Clone)]
pub struct Notifications {
    pub(crate) notifier: Arc<dyn Notifier>,
    pub(crate) choice: Choice,
}

/// What is told beside changes of status.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) steps: bool,
    pub(crate) views: bool,
    pub(crate) payloads: bool,
    pub(crate) source: Arc<str>,
}

impl Notifications {
    /// The name of the notifier's type, for the program's log: what it is made of is nobody's to read.
    pub(crate) fn kind(&self) -> String {
        let made_of = format!("{:?}", self.notifier);
        let name = |character: &char| character.is_alphanumeric() || *character == '_';
        made_of.chars().take_while(name).collect()
    }

    /// Changes of status, to `notifier`.
    pub fn to(notifier: impl Notifier) -> Self {
        let choice =
            Choice { steps: false, views: false, payloads: false, source: "/everstep".into() };
        Self { notifier: Arc::new(notifier), choice }
    }

    /// Tells also how each attempt of a step has ended.
    #[must_use]
    pub fn steps(mut self) -> Self {
        self.choice.steps = true;
        self
    }

    /// Tells also each view that a workflow [publishes](crate::publish), with what it shows.
    #[must_use]
    pub fn views(mut self) -> Self {
        self.choice.views = true;
        self
    }

    /// Tells also what executions return, and their errors; with [`steps`](Self::steps), those of
    /// steps too. Values that are encrypted or compressed, or stand in a payload store, are left out
    /// all the same.
    #[must_use]
    pub fn payloads(mut self) -> Self {
        self.choice.payloads = true;
        self
    }

    /// Who tells it: the `source` of the CloudEvents, a URI reference; `/everstep` by default.
    #[must_use]
    pub fn source(mut self, source: impl Into<Arc<str>>) -> Self {
        self.choice.source = source.into();
        self
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications")
            .field("notifier", &self.notifier)
            .field("choice", &self.choice)
            .finish()
    }
}
