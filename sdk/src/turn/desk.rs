//! Who in this process looks at which execution: of many wakes for one, few load its log.
//!
//! A wake says "look at this execution" and no more. If another wake of this process loads the log
//! after this one came, it sees all that this one would, and a turn that is under way asks for
//! arrivals before it is over. Such a wake is done with: it needs no load, and no substitute either
//! (rule 9), because the message of the other is one. That message is deleted only after its turn
//! has ended well and asked for arrivals (rule 14); if this process dies, it comes back.
//!
//! A timer's wake has a time of its own to see to, so no other stands for it but one for the same time
//! that loads after it came: two wakes for one timer find one look, and one of them goes on. Where one
//! is doubled, by a host that dies once it has sent the next hop, both would otherwise hop on for ever
//! and be doubled again.
//!
//! A sweep's wake is one only as long as no other counts on it: it is dropped where any other would
//! get a substitute. So its load answers for nobody, and once it is a turn it is news.
//!
//! Invariant: a turn leaves the desk with its last commit, before it hands over and before it writes
//! the record. What arrives later may be missed by the second look, so its wake must look for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedMutexGuard};

use crate::id::{ExecutionId, WriterId};
use crate::time::Timestamp;
use crate::wake::{Wake, WakeKind};

#[derive(Clone, Default)]
pub(super) struct Desk(Arc<Mutex<HashMap<ExecutionId, Visitors>>>);

/// Those who are at one execution.
#[derive(Default)]
struct Visitors {
    /// How many there are, turns and wakes.
    present: usize,
    /// How many wakes came, and how many of these before the latest load began.
    came: u64,
    seen: u64,
    /// How many wakes had come before the latest load for a timer that is due at this time.
    timers: HashMap<Timestamp, u64>,
    /// Only one decides at a time: what it decides may be all that the next needs.
    deciding: Arc<tokio::sync::Mutex<()>>,
    turns: Vec<(WriterId, Arc<Notify>)>,
}

impl Desk {
    /// `wake` has come.
    pub(super) fn visit(&self, wake: Wake) -> Visit {
        let mut all = self.all();
        let visitors = all.entry(wake.execution.clone()).or_default();
        visitors.present += 1;
        visitors.came += 1;
        let (number, deciding) = (visitors.came, Arc::clone(&visitors.deciding));
        drop(all);
        Visit {
            place: Place { desk: self.clone(), id: wake.execution.clone() },
            wake,
            number,
            deciding,
            handed_on: false,
        }
    }

    /// Marks `writer`'s turn as under way until the guard is dropped.
    pub(super) fn enter(&self, id: &ExecutionId, writer: WriterId) -> Active {
        let told = Arc::new(Notify::new());
        let mut all = self.all();
        let visitors = all.entry(id.clone()).or_default();
        visitors.present += 1;
        visitors.turns.push((writer, Arc::clone(&told)));
        Active { place: Place { desk: self.clone(), id: id.clone() }, writer, told }
    }

    /// Whether `writer`'s turn is under way in this process.
    pub(super) fn has(&self, id: &ExecutionId, writer: WriterId) -> bool {
        self.all().get(id).is_some_and(|visitors| visitors.turns.iter().any(|it| it.0 == writer))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<ExecutionId, Visitors>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visitors {
    /// Tells the turns under way that something may have arrived. Whether there is one.
    fn tell(&self) -> bool {
        self.turns.iter().for_each(|(_, told)| told.notify_one());
        !self.turns.is_empty()
    }
}

/// A wake that has come. Those that come together are announced together, so that the first of them
/// to load may answer for all.
pub(crate) struct Visit {
    wake: Wake,
    place: Place,
    /// It was this many-th to come.
    number: u64,
    deciding: Arc<tokio::sync::Mutex<()>>,
    /// Whether another version of this function has handed it on, since the run is pinned to this one.
    pub(super) handed_on: bool,
}

impl Visit {
    pub(crate) fn execution(&self) -> &ExecutionId {
        &self.wake.execution
    }

    /// Another version of this function has handed it on.
    #[cfg(feature = "aws")]
    pub(crate) fn handed_on(self) -> Self {
        Self { handed_on: true, ..self }
    }

    /// Waits until this wake may load the log. `None` if it need not: its message is done with.
    pub(super) async fn look(self) -> Option<(Wake, Look)> {
        let alone = self.deciding.lock_owned().await;
        let came = {
            let all = self.place.desk.all();
            let visitors = all.get(&self.place.id)?;
            let done_with = match self.wake.kind {
                WakeKind::Timer { due } => {
                    visitors.timers.get(&due).is_some_and(|seen| *seen >= self.number)
                }
                WakeKind::News | WakeKind::Sweep => visitors.seen >= self.number || visitors.tell(),
            };
            if done_with {
                return None;
            }
            // One that meets a live claim is dropped, and nothing else would point at the execution.
            if self.wake.kind == WakeKind::Sweep { 0 } else { visitors.came }
        };
        let due = match self.wake.kind {
            WakeKind::Timer { due } => Some(due),
            WakeKind::News | WakeKind::Sweep => None,
        };
        Some((self.wake, Look { came, due, place: self.place, _alone: alone }))
    }
}

/// The right to load an execution's log and to decide what to do; others wait until it is dropped.
pub(super) struct Look {
    /// It answers for this many wakes: for all that had come when it began, or for none.
    came: u64,
    /// The time of the timer whose wake it is for.
    due: Option<Timestamp>,
    place: Place,
    _alone: OwnedMutexGuard<()>,
}

impl Look {
    /// The log is loaded, and with it what the wakes of before the load came for.
    pub(super) fn loaded(&self) {
        let mut all = self.place.desk.all();
        if let Some(visitors) = all.get_mut(&self.place.id) {
            visitors.seen = visitors.seen.max(self.came);
            if let Some(due) = self.due {
                visitors.timers.insert(due, self.came);
            }
        }
    }
}

/// A turn under way.
pub(super) struct Active {
    place: Place,
    pub(super) writer: WriterId,
    /// Told when something may have arrived: a hint, which saves the turn the wait for its next
    /// look at the inbox.
    pub(super) told: Arc<Notify>,
}

impl Active {
    /// The turn is no longer under way: wakes that come from now on look for themselves.
    pub(super) fn leave(&self) {
        if let Some(visitors) = self.place.desk.all().get_mut(&self.place.id) {
            visitors.turns.retain(|(writer, _)| *writer != self.writer);
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A place at the desk. The execution is forgotten with the last.
struct Place {
    desk: Desk,
    id: ExecutionId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.desk.all();
        if let Some(visitors) = all.get_mut(&self.id) {
            visitors.present -= 1;
            if visitors.present == 0 {
                all.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
