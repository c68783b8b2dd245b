//! The execution that is being polled, and the only way it is ever polled.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;
use tokio::runtime::{Runtime, RuntimeMetrics};
use tokio::sync::Notify;

use super::compensate::undo_all;
use super::panics;
use super::workflow::WorkflowEnd;
use crate::event::{CompensationCause, CompensationStarted, Event, Json};
use crate::limits::{NAME_RULE, is_name};
use crate::replay::{Delivered, Engine, Fault, Note, Outcome};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Execution>>> = const { RefCell::new(None) };
    /// A runtime that is entered while workflows are polled and never driven. On it tokio's
    /// timers and sockets fail at once, by name, instead of waking a workflow behind the log's
    /// back. One a thread, never dropped: a runtime must not be dropped inside another.
    static DISABLED: RefCell<Option<&'static Disabled>> = const { RefCell::new(None) };
}

struct Disabled {
    runtime: Runtime,
    metrics: RuntimeMetrics,
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
    pub(super) fn poll_call(&self, seq: u32, what: &str, cx: &Context<'_>) -> Poll<Outcome> {
        if !self.is_current() {
            self.polled_elsewhere(what);
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
            self.polled_elsewhere("a reply");
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

    /// An operation was polled where its workflow is not: in another task, thread or workflow.
    pub(super) fn polled_elsewhere(&self, what: &str) {
        self.engine().fail(Fault::ForeignAwait {
            what: format!("{what} was polled outside its workflow, in a task or thread of its own"),
        });
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

/// A workflow under way: its future and its engine.
pub(crate) struct Run {
    execution: Arc<Execution>,
    waker: Waker,
    future: Option<Pin<Box<dyn Future<Output = WorkflowEnd> + Send>>>,
    /// The error it returned, if it did.
    failed: Option<Json>,
}

/// Where a poll to quiescence has led.
#[derive(Debug)]
pub(crate) enum Progress {
    /// The workflow waits.
    Waits,
    /// It has returned.
    Ended(WorkflowEnd),
    /// It cannot go on.
    Faulted(Fault),
}

impl Run {
    /// A run of the workflow that `start` makes. Nothing of the workflow's has run when this
    /// returns: it is first polled by [`poll`](Self::poll).
    pub(crate) fn new(engine: Engine, future: BoxFuture<'static, WorkflowEnd>) -> Self {
        let execution = Arc::new(Execution {
            engine: Mutex::new(engine),
            woken: AtomicBool::new(false),
            foreign: AtomicBool::new(false),
            foreign_woke: Notify::new(),
        });
        let waker = Waker::from(Arc::clone(&execution));
        // Without a task budget: else many ready channels look like something foreign that wakes.
        let future = Box::pin(tokio::task::coop::unconstrained(future));
        Self { execution, waker, future: Some(future), failed: None }
    }

    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.execution.engine()
    }

    pub(crate) fn execution(&self) -> &Arc<Execution> {
        &self.execution
    }

    /// Delivers one event and polls the workflow until it wakes itself no more. `None` if the
    /// event does not concern it.
    pub(crate) fn deliver(&mut self, event: &Event) -> Option<Progress> {
        if let Event::CompensationStarted(started) = event {
            return Some(self.compensate(started, event));
        }
        let delivered = self.engine().deliver(event);
        match delivered {
            Err(fault) => Some(Progress::Faulted(fault)),
            Ok(Delivered::Quiet) => None,
            Ok(Delivered::Moves(None)) => Some(self.advance()),
            Ok(Delivered::Moves(Some(waker))) => {
                // Wakers are user code (a combinator's): outside the lock, inside the workflow.
                within(&self.execution, || waker.wake());
                Some(self.advance())
            }
        }
    }

    /// Polls the workflow until it wakes itself no more.
    pub(crate) fn poll(&mut self) -> Progress {
        self.fault().map_or_else(|| self.advance(), Progress::Faulted)
    }

    /// The same, of a run that had no fault a moment ago.
    fn advance(&mut self) -> Progress {
        let Some(future) = &mut self.future else { return Progress::Waits };
        let disabled = disabled();
        let polled = {
            let _entered = disabled.runtime.enter();
            let mut context = Context::from_waker(&self.waker);
            let execution = &self.execution;
            panics::catch(|| {
                within(execution, || {
                    loop {
                        execution.woken.store(false, Ordering::Relaxed);
                        let poll = future.as_mut().poll(&mut context);
                        if poll.is_ready() || !execution.woken.load(Ordering::Relaxed) {
                            return poll;
                        }
                    }
                })
            })
        };
        if disabled.metrics.num_alive_tasks() > 0 {
            DISABLED.set(None);
            let what = "it spawned a task on tokio's runtime".to_owned();
            self.engine().fail(Fault::ForeignAwait { what });
        }
        match polled {
            Err(message) => {
                let fault = if message.contains("A Tokio 1.x context was found, but") {
                    Fault::ForeignAwait { what: format!("tokio's timers or sockets ({message})") }
                } else {
                    Fault::Panicked { message }
                };
                self.engine().fail(fault);
            }
            Ok(Poll::Ready(end)) if self.fault().is_none() => {
                self.drop_future();
                let continued = self.engine().continues().cloned();
                let end = continued.map_or(end, WorkflowEnd::Continued);
                if let WorkflowEnd::Failed(error) = &end {
                    self.failed = Some(error.clone());
                }
                return Progress::Ended(end);
            }
            Ok(_) => {}
        }
        let (fault, continued) = {
            let engine = self.checked_engine();
            (engine.fault().cloned(), engine.continues().cloned())
        };
        match (fault, continued) {
            (Some(fault), _) => Progress::Faulted(fault),
            (None, Some(input)) => {
                self.drop_future();
                Progress::Ended(WorkflowEnd::Continued(input))
            }
            (None, None) => Progress::Waits,
        }
    }

    /// The workflow's future is dropped, if it has not ended, and what undoes it takes its place.
    fn compensate(&mut self, started: &CompensationStarted, event: &Event) -> Progress {
        if let CompensationCause::Failed { error } = &started.cause
            && !self.failed.as_ref().is_some_and(|failed| failed.same(error))
        {
            let now = self.failed.as_ref().map(|failed| format!("it failed with {failed}"));
            self.engine().fail(Fault::OtherEnd {
                recorded: format!("it failed with {error}"),
                now: now.unwrap_or_else(|| "it has not failed".to_owned()),
            });
        }
        self.drop_future();
        let delivered = self.engine().deliver(event);
        if let Err(fault) = delivered {
            return Progress::Faulted(fault);
        }
        let undoing = undo_all(Arc::clone(&self.execution), started.cause.clone());
        self.future = Some(Box::pin(tokio::task::coop::unconstrained(undoing)));
        self.poll()
    }

    /// What went wrong, if anything did.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.checked_engine().fault().cloned()
    }

    /// The engine, told of what else has woken the workflow.
    fn checked_engine(&self) -> MutexGuard<'_, Engine> {
        let mut engine = self.engine();
        if self.is_woken_by_others() {
            engine.fail(Fault::ForeignAwait {
                what: "something other than its own operations woke it (a channel, a timer, a \
                       socket or a task outside the workflow)"
                    .into(),
            });
        }
        engine
    }

    /// Puts what the workflow has asked for since this was last called in the place of what `asked`
    /// holds, and says whether it has decided a version; or what went wrong, and then nothing of it.
    pub(crate) fn take_asked(&self, asked: &mut Vec<u32>) -> Result<bool, Fault> {
        if self.is_woken_by_others() {
            self.fault().map_or(Ok(()), Err)?;
        }
        let mut engine = self.engine();
        if let Some(fault) = engine.fault() {
            return Err(fault.clone());
        }
        engine.take_asked(asked);
        Ok(engine.decides())
    }

    fn is_woken_by_others(&self) -> bool {
        self.execution.foreign.load(Ordering::Acquire)
    }

    /// Drops the workflow where it stands, as a cancel does.
    pub(crate) fn drop_future(&mut self) {
        if let Some(future) = self.future.take() {
            // Destructors are the workflow's own code and may panic; there is nobody to tell.
            let _ = panics::catch(|| within(&self.execution, || drop(future)));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.drop_future();
    }
}

fn disabled() -> &'static Disabled {
    DISABLED.with_borrow_mut(|slot| {
        *slot.get_or_insert_with(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime without drivers needs nothing of the system");
            let metrics = runtime.metrics();
            Box::leak(Box::new(Disabled { runtime, metrics }))
        })
    })
}
