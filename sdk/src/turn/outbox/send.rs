//! Sending what waits, and what is stuck.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use tokio::time::Instant;

use super::Outbox;
use crate::limits::{NOTIFY_PAUSE, NOTIFY_STUCK_MAX, NOTIFY_WAIT};
use crate::notify::{Notification, Notifications};
use crate::turn::{Kitchen, Lease};

/// How many notifications are given to the notifier at a time.
const SENT_AT_ONCE: usize = 100;

/// Whether a notifier answers: one that does not is left alone for a while, by all turns of a process.
#[derive(Debug, Default)]
pub(in crate::turn) struct Quiet(Mutex<Option<Instant>>);

impl Quiet {
    fn lasts(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn set(&self, failed: bool) {
        let until = failed.then(|| Instant::now() + NOTIFY_PAUSE);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Until when a turn waits for its notifier.
#[derive(Clone, Copy)]
struct Patience {
    seconds: f32,
    until: Instant,
}

/// Of each of a batch, why it was not sent; `None` if it was, or if it never will be.
type Problems = Vec<Option<String>>;

impl Outbox {
    /// So many, the first, were tried. Those that did not go through stay: the last of them in their
    /// order, and those that others have overtaken by themselves, as long as there is room for that.
    fn sent(&mut self, problems: &[Option<String>]) {
        let last_sent = problems.iter().rposition(Option::is_none);
        let mut room = NOTIFY_STUCK_MAX.saturating_sub(self.stuck.len() + self.held.len());
        let mut kept = Vec::new();
        let tried = self.waiting.drain(..problems.len()).zip(problems).enumerate();
        for (index, (told, problem)) in tried {
            // Behind one that cannot be noted nothing can: it is sent again, though it was sent.
            let is_behind = !kept.is_empty();
            match problem {
                None if !is_behind => {}
                Some(_) if !is_behind && room > 0 && last_sent > Some(index) => {
                    room -= 1;
                    self.stuck.push(told);
                }
                _ => kept.push(told),
            }
        }
        kept.into_iter().rev().for_each(|told| self.waiting.push_front(told));
    }
}

impl Kitchen {
    /// Sends what waits, and what is stuck and has waited long enough, for [`NOTIFY_WAIT`] at most.
    /// What is not sent stays, and is never the execution's trouble.
    pub(in crate::turn) async fn tell(&self, outbox: Option<&mut Outbox>, lease: Lease) {
        let Some((outbox, notifications, patience)) = self.begin_to_tell(outbox, lease) else {
            return;
        };
        // What gets stuck now is not tried again at once.
        let stuck = outbox.stuck.len();
        if outbox.is_full() {
            self.send_stuck(outbox, stuck, notifications, patience).await;
            self.send_waiting(outbox, notifications, patience).await;
        } else if self.send_waiting(outbox, notifications, patience).await {
            self.send_stuck(outbox, stuck, notifications, patience).await;
        }
    }

    /// The same while the turn goes on: what is stuck is tried once a turn, at its end.
    pub(in crate::turn) async fn tell_meanwhile(&self, outbox: Option<&mut Outbox>, lease: Lease) {
        if let Some((outbox, notifications, patience)) = self.begin_to_tell(outbox, lease) {
            self.send_waiting(outbox, notifications, patience).await;
        }
    }

    fn begin_to_tell<'a>(
        &self,
        outbox: Option<&'a mut Outbox>,
        lease: Lease,
    ) -> Option<(&'a mut Outbox, &Notifications, Patience)> {
        let outbox = outbox.filter(|outbox| !outbox.is_empty())?;
        let notifications = self.registry.notifications()?;
        let wait = match lease {
            Lease::Invocation { deadline, .. } => {
                NOTIFY_WAIT.min(deadline.since(self.clock.now()) / 2)
            }
            Lease::Renewed(_) => NOTIFY_WAIT,
        };
        outbox.failed = wait.is_zero() || self.quiet.lasts();
        if outbox.failed {
            return None;
        }
        let patience = Patience { seconds: wait.as_secs_f32(), until: Instant::now() + wait };
        Some((outbox, notifications, patience))
    }

    /// `false` if the notifier does not answer.
    async fn send_waiting(
        &self,
        outbox: &mut Outbox,
        notifications: &Notifications,
        patience: Patience,
    ) -> bool {
        while !outbox.waiting.is_empty() && !outbox.failed && !outbox.is_full() {
            let count = outbox.waiting.len().min(SENT_AT_ONCE);
            let batch = &outbox.waiting.make_contiguous()[..count];
            let problems = match self.send(batch, notifications, patience).await {
                Ok(problems) => problems,
                Err(problem) => {
                    self.not_told(&batch[0], count, notifications, &problem);
                    outbox.failed = true;
                    return false;
                }
            };
            let all = problems.iter().all(Option::is_some);
            if let Some((first, problem)) = first_of(batch, &problems) {
                outbox.failed = true;
                if all {
                    self.not_told(first, count, notifications, problem);
                    return false;
                }
                still_untold(first, problem, &problems, notifications);
            } else {
                self.quiet.set(false);
            }
            outbox.sent(&problems);
        }
        if outbox.waiting.is_empty() {
            outbox.stood.clear();
        }
        true
    }

    /// Tries so many of those that are stuck, the first. That they still are says nothing of the
    /// notifier.
    async fn send_stuck(
        &self,
        outbox: &mut Outbox,
        count: usize,
        notifications: &Notifications,
        patience: Patience,
    ) {
        if count == 0 {
            return;
        }
        let batch = &outbox.stuck[..count];
        let sending = self.send(batch, notifications, patience).await;
        let problems = sending.unwrap_or_else(|problem| vec![Some(problem); count]);
        if let Some((first, problem)) = first_of(batch, &problems) {
            still_untold(first, problem, &problems, notifications);
        }
        let mut problems = problems.into_iter();
        outbox.stuck.retain(|_| problems.next().is_none_or(|problem| problem.is_some()));
    }

    /// Gives a batch to the notifier. `Err` if it panics or does not answer in time.
    async fn send(
        &self,
        batch: &[Notification],
        notifications: &Notifications,
        patience: Patience,
    ) -> Result<Problems, String> {
        // What it panics of is its own affair, and no strike of the execution.
        let sending = AssertUnwindSafe(notifications.notifier.send(batch)).catch_unwind();
        let not_sent = match tokio::time::timeout_at(patience.until, sending).await {
            Ok(Ok(not_sent)) => not_sent,
            Ok(Err(_)) => return Err("the notifier panicked".to_owned()),
            Err(_) => return Err(format!("no answer within {} s", patience.seconds)),
        };
        let mut problems: Problems = vec![None; batch.len()];
        for failed in not_sent {
            let (told, problem) = (batch.get(failed.index), problems.get_mut(failed.index));
            let (Some(told), Some(problem)) = (told, problem) else { continue };
            if failed.error.is_final() {
                tracing::error!(
                    everstep.execution.id = %told.execution,
                    id = %told.id,
                    notifier = notifications.kind(),
                    error = %failed.error,
                    "a notification is dropped"
                );
            } else {
                *problem = Some(failed.error.to_string());
            }
        }
        Ok(problems)
    }

    /// Nothing of a batch could be sent.
    fn not_told(
        &self,
        first: &Notification,
        count: usize,
        notifications: &Notifications,
        problem: &str,
    ) {
        self.quiet.set(true);
        tracing::error!(
            everstep.execution.id = %first.execution,
            id = %first.id,
            notifier = notifications.kind(),
            error = %problem,
            count,
            "notifications are not sent; they are tried again, and executions go on meanwhile"
        );
    }
}

/// The first of a batch that was not sent, and why not.
fn first_of<'a>(
    batch: &'a [Notification],
    problems: &'a [Option<String>],
) -> Option<(&'a Notification, &'a str)> {
    let mut all = batch.iter().zip(problems);
    all.find_map(|(told, problem)| Some((told, problem.as_deref()?)))
}

/// Others go through, and it may be only this one that never does: whoever reads it must know which it
/// is.
fn still_untold(
    first: &Notification,
    problem: &str,
    problems: &[Option<String>],
    notifications: &Notifications,
) {
    tracing::warn!(
        everstep.execution.id = %first.execution,
        id = %first.id,
        notifier = notifications.kind(),
        error = %problem,
        failed = problems.iter().filter(|problem| problem.is_some()).count(),
        of = problems.len(),
        "notifications are sent again later, this one first"
    );
}
