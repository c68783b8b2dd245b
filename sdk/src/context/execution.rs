//! The execution that is being polled.

mod run;

use std::borrow::Cow;
use std::cell::RefCell;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake};

use tokio::sync::Notify;

pub(crate) use run::{Progress, Run};

use crate::limits::{NAME_RULE, is_name};
use crate::replay::{Engine, Fault, Note, Outcome, site};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Execution>>> = const { RefCell::new(None) };
}

/// What a workflow's operations share: the engine, and the workflow's waker.
pub(crate) struct Execution {
    engine: Mutex<Engine>,
    /// Woken from within its own poll or a delivery.
    woken: AtomicBool,
    /// Woken by anything else: something that is not durable moves it.
    foreign: AtomicBool,
    foreign_woke: Notify,
}

impl Execution {
    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        // A panic of user code never happens under this lock, and the engine is consistent
        // between any two of its methods.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when something that is not durable has woken the workflow.
    pub(crate) async fn foreign_wake(&self) {
        while !self.foreign.load(Ordering::Acquire) {
            self.foreign_woke.notified().await;
        }
    }

    /// Operation `seq` is polled.
    pub(super) fn poll_call(&self, seq: u32, cx: &Context<'_>) -> Poll<Outcome> {
        if !self.is_current() {
            self.foreign(|engine| engine.polled_elsewhere(seq));
            return Poll::Pending;
        }
        let (poll, _outdated) = self.engine().poll(seq, cx.waker());
        poll
    }

    /// The workflow leaves `note` in its log.
    pub(super) fn note(
        &self,
        name: Cow<'static, str>,
        location: &'static Location<'static>,
        note: Note,
    ) {
        if self.is_current() {
            self.engine().call_note(name, location, note);
        } else {
            self.polled_elsewhere(&format!("a reply to update {name} ({})", site(location)));
        }
    }

    /// The future of operation `seq` is dropped.
    pub(super) fn drop_call(&self, seq: u32) {
        let dropped = self.engine().drop_call(seq);
        if let Some(waker) = dropped.wake {
            waker.wake();
        }
    }

    /// `what` is called `name`, which must be a name: one of another kind nobody could send to.
    pub(super) fn check_name(&self, what: &str, name: &str) {
        if !is_name(name) {
            let what = format!("{what} \"{name:.64}\"");
            self.engine().fail(Fault::Value { what, problem: NAME_RULE.to_owned() });
        }
    }

    /// Whether this execution is being polled on this thread right now.
    pub(super) fn is_current(&self) -> bool {
        CURRENT.with_borrow(|current| {
            current.as_ref().is_some_and(|current| std::ptr::eq(Arc::as_ptr(current), self))
        })
    }

    /// `what`, which has no place among the calls, was polled where its workflow is not: in another
    /// task, thread or workflow.
    pub(super) fn polled_elsewhere(&self, what: &str) {
        self.foreign(|engine| engine.something_polled_elsewhere(what));
    }

    fn foreign(&self, fault: impl FnOnce(&Engine) -> Fault) {
        {
            let mut engine = self.engine();
            let fault = fault(&engine);
            engine.fail(fault);
        }
        self.foreign.store(true, Ordering::Release);
        self.foreign_woke.notify_one();
    }
}

impl std::fmt::Debug for Execution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Execution")
    }
}

impl Wake for Execution {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_current() {
            self.woken.store(true, Ordering::Relaxed);
        } else {
            self.foreign.store(true, Ordering::Release);
            self.foreign_woke.notify_one();
        }
    }
}

/// The execution that is being polled on this thread.
pub(super) fn current() -> Option<Arc<Execution>> {
    CURRENT.with_borrow(Clone::clone)
}

/// The execution that is being polled on this thread.
///
/// # Panics
/// There is none: `what` was called outside a workflow.
#[track_caller]
pub(super) fn expect_current(what: &str) -> Arc<Execution> {
    current().unwrap_or_else(|| {
        panic!("{what} works only in a workflow (an async fn with #[workflow]), and not in a step")
    })
}

/// # Panics
/// In a workflow's own code, with `what` it is that belongs in a step.
#[track_caller]
pub(crate) fn expect_step(what: &str) {
    assert!(current().is_none(), "{what} belongs in a step");
}

/// Runs `f` as code of `execution`.
fn within<T>(execution: &Arc<Execution>, f: impl FnOnce() -> T) -> T {
    struct Restore(Option<Arc<Execution>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT.replace(Some(Arc::clone(execution))));
    f()
}
