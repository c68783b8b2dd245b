//! What an environment and its executions share.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;

use super::World;

/// What an [`Env`](super::Env) and its executions share.
pub(super) struct Inner {
    /// `None` while it is dropped.
    pub(super) runtime: Option<Runtime>,
    pub(super) world: Arc<World>,
    /// Whether somebody is in the runtime.
    pub(super) entered: AtomicBool,
    pub(super) started: AtomicU32,
    pub(super) sent: AtomicU32,
    pub(super) limit: Mutex<Duration>,
    /// Whether gaps in a compensation fail the test.
    pub(super) gaps_denied: AtomicBool,
}

impl Inner {
    pub(super) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is there until the drop")
    }

    pub(super) fn limit(&self) -> Duration {
        *self.limit.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn set_limit(&self, limit: Duration) {
        *self.limit.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = limit;
    }

    #[track_caller]
    pub(super) fn block_on<F: Future + Send>(&self, future: F) -> F::Output
    where
        F::Output: Send,
    {
        struct Leave<'a>(&'a AtomicBool);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        assert!(
            !self.entered.swap(true, Ordering::AcqRel),
            "an Env waits already: in Env::block_on use Env::client, and one thread for an Env"
        );
        let _leave = Leave(&self.entered);
        if tokio::runtime::Handle::try_current().is_err() {
            return self.runtime().block_on(future);
        }
        // A runtime cannot be driven on a thread that drives another.
        std::thread::scope(|scope| {
            let driven = scope.spawn(|| self.runtime().block_on(future));
            driven.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits for nothing: it may be in an async test.
            runtime.shutdown_background();
        }
    }
}
