//! The notifier that fails.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Faults, LOST, Written};
use crate::notify::{NotSent, Notification, Notifier, NotifyError};

/// A notifier around another one, with [`Faults`]: its calls are `notify`.
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
