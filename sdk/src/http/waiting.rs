//! Requests that wait: how many at once, how long, and that they end when the server stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::problem::{Kind, Problem};
use crate::limits::{HTTP_WAIT_MAX, HTTP_WAITING_MAX};

/// Of a request that a function answers: the answer is given as a whole, and in this time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    pub(super) wait_max: Duration,
}

impl Whole {
    /// How long a request waits that asks for `wait`.
    pub(super) fn bound(whole: Option<&Self>, wait: Duration) -> Duration {
        wait.min(HTTP_WAIT_MAX).min(whole.map_or(HTTP_WAIT_MAX, |whole| whole.wait_max))
    }
}

/// Who waits.
#[derive(Clone)]
pub(super) struct Waiting {
    places: Arc<Semaphore>,
    stop: Option<watch::Receiver<bool>>,
}

impl Waiting {
    /// Until `stop` says `true`, or nobody is there to say it; without one, for as long as they ask.
    pub(super) fn new(stop: Option<watch::Receiver<bool>>) -> Self {
        Self { places: Arc::new(Semaphore::new(HTTP_WAITING_MAX)), stop }
    }

    /// A place to wait in, given back when it is dropped.
    pub(super) fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let full = |_| Problem::new(Kind::Unavailable, "too many wait here: ask again later");
        Arc::clone(&self.places).try_acquire_owned().map_err(full)
    }

    /// Ready when the server stops, or is gone: its connections are tasks of their own.
    pub(super) async fn stopped(&self) {
        let Some(mut stop) = self.stop.clone() else { return std::future::pending().await };
        // An error is the end of the server, too.
        let _ = stop.wait_for(|stop| *stop).await;
    }
}
