//! Stores and queues that fail when they are told to, and count what they are asked for.
//!
//! ```
//! use std::sync::Arc;
//! use everstep::memory::{MemoryQueue, MemoryStore};
//! use everstep::testing::faults::{Fate, Faults, FaultyQueue, FaultyStore};
//!
//! // The host dies when it is about to make its third call.
//! let faults = Faults::by(|call| if call.index == 2 { Fate::Hang } else { Fate::Proceed });
//! let store = FaultyStore::new(Arc::new(MemoryStore::new()), &faults);
//! let queue = FaultyQueue::new(Arc::new(MemoryQueue::new()), &faults);
//! ```
//!
//! What becomes of calls can change while a test runs, and can be left to a seed:
//!
//! ```
//! # use std::sync::Arc;
//! # use everstep::prelude::*;
//! use everstep::memory::MemoryStore;
//! use everstep::store::{EventStore, StoreError};
//! use everstep::testing::faults::{Call, Counts, Fate, Faults, FaultyStore, Rates};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let faults = Faults::none();
//! let store = FaultyStore::new(Arc::new(MemoryStore::new()), &faults);
//! let id = ExecutionId::new("order-7")?;
//! store.load(&id).await?;
//!
//! faults.set(|call: &Call| if call.name == "load" { Fate::FailBefore } else { Fate::Proceed });
//! assert!(matches!(store.load(&id).await, Err(StoreError::Unavailable { .. })));
//! let counts: Counts = faults.counts(); // also of what was not made
//! assert_eq!((counts.of("load"), counts.total()), (2, 2));
//!
//! faults.heal();
//! store.load(&id).await?;
//! assert_eq!(faults.take_counts().total(), 3);
//! assert_eq!(faults.counts().total(), 0);
//!
//! // A fifth of all calls fails: the same ones, whenever the seed is 7.
//! let rates = Rates { before_per_million: 200_000, after_per_million: 0 };
//! let mut seen = Vec::new();
//! for _ in 0..2 {
//!     let store = FaultyStore::new(Arc::new(MemoryStore::new()), &Faults::seeded(7, rates));
//!     let mut failed = Vec::new();
//!     for index in 0..100 {
//!         if store.load(&id).await.is_err() {
//!             failed.push(index);
//!         }
//!     }
//!     seen.push(failed);
//! }
//! assert!(!seen[0].is_empty() && seen[0] == seen[1]);
//! # Ok(()) }
//! ```

mod alarms;
mod archive;
mod notifier;
mod payloads;
mod queue;
mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use alarms::FaultyAlarmClock;
pub use archive::FaultyArchive;
pub use notifier::FaultyNotifier;
pub use payloads::FaultyPayloads;
pub use queue::FaultyQueue;
pub use store::FaultyStore;

/// Decides what becomes of each call of the stores and queues it is given to, and counts them. A
/// clone is another handle to the same.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<State>>);

struct State {
    hook: Arc<Hook>,
    counts: Counts,
}

type Hook = dyn Fn(&Call) -> Fate + Send + Sync;

/// A call that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Its place among all calls of the stores and queues with the same [`Faults`], from 0.
    pub index: u64,
    /// The method of the store, such as `append`; of the queue with a prefix: `queue.send`; and of the
    /// payload store: `payloads.put`.
    pub name: &'static str,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is made.
    Proceed,
    /// It is not made, and is reported as unavailable.
    FailBefore,
    /// It is made, and its answer is lost: reported as unavailable.
    FailAfter,
    /// It is made after so long.
    Slow(Duration),
    /// It is made at once, and answered after so long.
    SlowAfter(Duration),
    /// It is not made and never answers: what a host leaves behind that dies before the call.
    Hang,
    /// It is made and never answers: what a host leaves behind that dies after the call.
    HangAfter,
}

/// How many of a million calls fail, decided by a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Before they are made.
    pub before_per_million: u64,
    /// After they were made.
    pub after_per_million: u64,
}

/// What was asked for since the beginning, or since [`Faults::take_counts`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls by name, whatever became of them.
    pub calls: BTreeMap<&'static str, u64>,
    /// Items of the store that calls wrote or tried to write: a start or a sent item 2 (a
    /// transaction), a commit or a record 1, and 1 for each inbox item removed. A call that was not
    /// made counts nothing; a condition that did not hold counts, as it does on DynamoDB's bill.
    pub items_written: u64,
    /// The bytes of bodies and messages among them.
    pub bytes_written: u64,
}

impl Counts {
    /// How often the call `name` was made.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.calls.get(name).copied().unwrap_or(0)
    }

    /// How many calls there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }
}

impl Faults {
    /// No faults, only counts.
    #[must_use]
    pub fn none() -> Self {
        Self::by(|_| Fate::Proceed)
    }

    /// What becomes of each call is decided by `hook`, which must not make calls itself.
    #[must_use]
    pub fn by(hook: impl Fn(&Call) -> Fate + Send + Sync + 'static) -> Self {
        Self(Arc::new(Mutex::new(State { hook: Arc::new(hook), counts: Counts::default() })))
    }

    /// Calls fail at random. The same seed fails the calls with the same indexes.
    #[must_use]
    pub fn seeded(seed: u64, rates: Rates) -> Self {
        Self::by(move |call| {
            let drawn = mix(seed ^ mix(call.index)) % 1_000_000;
            if drawn < rates.before_per_million {
                Fate::FailBefore
            } else if drawn < rates.before_per_million + rates.after_per_million {
                Fate::FailAfter
            } else {
                Fate::Proceed
            }
        })
    }

    /// From now on `hook` decides.
    pub fn set(&self, hook: impl Fn(&Call) -> Fate + Send + Sync + 'static) {
        self.state().hook = Arc::new(hook);
    }

    /// From now on everything proceeds.
    pub fn heal(&self) {
        self.set(|_| Fate::Proceed);
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// The counts so far; they begin anew. The indexes of calls do too.
    pub fn take_counts(&self) -> Counts {
        std::mem::take(&mut self.state().counts)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and asks for its fate.
    fn fate(&self, name: &'static str) -> Fate {
        let (hook, call) = {
            let mut state = self.state();
            let index = state.counts.total();
            *state.counts.calls.entry(name).or_default() += 1;
            (Arc::clone(&state.hook), Call { index, name })
        };
        hook(&call) // without the lock: it may look at the counts
    }

    /// Makes the call, or not. `None` is an answer that is not given.
    async fn call<T>(
        &self,
        name: &'static str,
        written: Written,
        call: impl Future<Output = T>,
    ) -> Option<T> {
        let fate = self.fate(name);
        match fate {
            Fate::FailBefore => return None,
            Fate::Hang => return std::future::pending().await,
            Fate::Slow(time) => tokio::time::sleep(time).await,
            Fate::Proceed | Fate::FailAfter | Fate::SlowAfter(_) | Fate::HangAfter => {}
        }
        {
            let counts = &mut self.state().counts;
            counts.items_written += written.items as u64;
            counts.bytes_written += written.bytes as u64;
        }
        let answer = call.await;
        match fate {
            Fate::FailAfter => return None,
            Fate::HangAfter => return std::future::pending().await,
            Fate::SlowAfter(time) => tokio::time::sleep(time).await,
            _ => {}
        }
        Some(answer)
    }
}

/// What a call writes.
#[derive(Default)]
struct Written {
    items: usize,
    bytes: usize,
}

/// The finaliser of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014).
pub(in crate::testing) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

const LOST: &str = "a fault of this test";

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.counts()).finish()
    }
}
