//! When the first host of a world dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use everstep::testing::faults::{Call, Fate, Faults};
use tokio::sync::Notify;

/// In how many worlds a host dies, for one scenario.
const MOMENTS_MAX: u64 = 80;

/// The calls that change something. To die before or after another call is to die after the change
/// before it.
const CHANGES: [&str; 9] = [
    "create",
    "append",
    "append_with",
    "project",
    "send",
    "remove_items",
    "queue.send",
    "queue.delete",
    "queue.keep",
];

/// A moment to die.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    Before(u64),
    After(u64),
}

/// Counts what hosts change, and kills the first of them if that is the plan.
#[derive(Debug, Clone, Default)]
pub(super) struct Kills {
    changes: Arc<AtomicU64>,
    dead: Arc<AtomicBool>,
    /// The host has died.
    pub(super) killed: Arc<Notify>,
}

impl Kills {
    pub(super) fn faults(&self, plan: Option<Moment>) -> Faults {
        let this = self.clone();
        Faults::by(move |call| this.fate(call, plan))
    }

    fn fate(&self, call: &Call, plan: Option<Moment>) -> Fate {
        if !CHANGES.contains(&call.name) {
            return Fate::Proceed;
        }
        let number = self.changes.fetch_add(1, Ordering::SeqCst);
        let fate = match plan {
            Some(Moment::Before(at)) if at == number => Fate::Hang,
            Some(Moment::After(at)) if at == number => Fate::HangAfter,
            _ => return Fate::Proceed,
        };
        self.dead.store(true, Ordering::SeqCst);
        self.killed.notify_one();
        fate
    }

    /// Before and after each change that was counted; where those are too many, evenly chosen.
    pub(super) fn moments(&self) -> Vec<Moment> {
        let all = 2 * self.changes.load(Ordering::SeqCst);
        let count = all.min(MOMENTS_MAX);
        let chosen = (0..count).map(|n| n * all / count);
        let moment = |n: u64| match n % 2 {
            0 => Moment::Before(n / 2),
            _ => Moment::After(n / 2),
        };
        chosen.map(moment).collect()
    }

    /// Whether the host has died.
    pub(super) fn died(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }
}
