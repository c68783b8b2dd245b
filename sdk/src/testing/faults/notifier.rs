//! The notifier that fails.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Faults, LOST, Written};
use crate::notify::{NotSent, Notification, Notifier, NotifyError};

/// A notifier around another one, with [`Faults`]: its calls are `notify`.
///
/// ```
/// # use std::sync::Arc;
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::notify::{Notifications, NotifierFn};
/// use everstep::testing::faults::{Fate, Faults, FaultyNotifier};
/// # #[workflow] async fn fulfil(order: u8) -> everstep::Result<u8> { sleep(days(1)).await; Ok(order) }
///
/// // The first call fails, and the host goes on without it.
/// let faults = Faults::by(|call| if call.index == 0 { Fate::FailBefore } else { Fate::Proceed });
/// let inner = NotifierFn::new(|told| println!("{} is {:?}", told.execution, told.status()));
/// let notifications = Notifications::to(FaultyNotifier::new(Arc::new(inner), &faults));
/// let env = Env::new(App::new().workflow(fulfil).notifications(notifications));
/// assert_eq!(env.run(fulfil, 7).unwrap(), 7);
/// assert!(faults.counts().of("notify") > 1);
/// ```
#[derive(Debug, Clone)]
pub struct FaultyNotifier {
    inner: Arc<dyn Notifier>,
    faults: Faults,
}

impl FaultyNotifier {
    /// A notifier that does what `inner` does, unless `faults` decide otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn Notifier>, faults: &Faults) -> Self {
        Self { inner, faults: faults.clone() }
    }
}

#[async_trait]
impl Notifier for FaultyNotifier {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        let call = self.inner.send(notifications);
        let answer = self.faults.call("notify", Written::default(), call).await;
        let lost = || NotSent::all(notifications.len(), &NotifyError::unavailable(LOST));
        answer.unwrap_or_else(lost)
    }
}
