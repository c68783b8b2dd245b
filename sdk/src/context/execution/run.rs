//! A workflow under way, and the only way it is ever polled.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use futures::future::BoxFuture;
use tokio::runtime::{Runtime, RuntimeMetrics};
use tokio::sync::Notify;

use super::{Execution, within};
use crate::context::compensate::undo_all;
use crate::context::panics;
use crate::context::workflow::WorkflowEnd;
use crate::event::{CompensationCause, CompensationStarted, Event, Json};
use crate::replay::{Delivered, Engine, Fault};

thread_local! {
    /// A runtime that is entered while workflows are polled and never driven. On it tokio's
    /// timers and sockets fail at once, by name, instead of waking a workflow behind the log's
    /// back. One a thread, never dropped: a runtime must not be dropped inside another.
    static DISABLED: RefCell<Option<&'static Disabled>> = const { RefCell::new(None) };
}

struct Disabled {
    runtime: Runtime,
    metrics: RuntimeMetrics,
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
            let mut engine = self.engine();
            let fault = engine.foreign_task();
            engine.fail(fault);
        }
        match polled {
            Err(message) => {
                let mut engine = self.engine();
                let fault = if message.contains("A Tokio 1.x context was found, but") {
                    engine.foreign(format!("tokio's timers or sockets ({message})"))
                } else {
                    Fault::Panicked { message }
                };
                engine.fail(fault);
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
            let fault = engine.foreign(
                "something other than its own operations woke it (a channel, a timer, a socket or a \
                 task outside the workflow)",
            );
            engine.fail(fault);
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
