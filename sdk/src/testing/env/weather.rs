//! Rough weather from a seed: wakes that come twice and late, calls that fail or are slow, hosts
//! that die, race and have clocks of their own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::testing::faults::{Call, Fate, Faults, mix};
use crate::wake::{Delivery, QueueError, Wake, WakeQueue};

/// How late a wake comes at most, beside what was asked for.
const LATE_MAX: Duration = Duration::from_secs(30);

/// How long a slow call takes at most.
const SLOW_MAX: Duration = Duration::from_millis(300);

/// How far a host's clock is wrong at most: two may differ by twice as much, which is less than
/// [`CLOCK_SKEW`](crate::limits::CLOCK_SKEW).
const SKEW_MAX_MILLIS: u64 = 2_000;

/// After so many calls a host has good weather: every story comes to an end.
const ROUGH_CALLS: u64 = 150;

/// How many hosts one after the other may die.
const DEATHS_MAX: u32 = 2;

/// The weather of one run.
#[derive(Clone)]
pub(in crate::testing) struct Weather {
    dice: Arc<Mutex<Dice>>,
    /// Whether calls fail and hosts die. Else no body may run twice.
    rough: bool,
    incidents: Arc<AtomicUsize>,
}

/// When a host dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    AtCall(u64),
    /// Where most is at stake: a body has ended, and its result is not durable or not known to be.
    AtAppend(u64),
}

impl Death {
    fn draw(dice: &mut Dice) -> Self {
        if dice.chance(70) { Self::AtAppend(dice.below(4)) } else { Self::AtCall(dice.below(40)) }
    }
}

/// Random numbers from a seed.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn time(&mut self, end: Duration) -> Duration {
        Duration::from_millis(self.below(end.as_millis().try_into().unwrap_or(u64::MAX)))
    }
}

impl Weather {
    /// The weather of `seed`; every other one is rough.
    pub(in crate::testing) fn new(seed: u64) -> Self {
        let dice = Dice(mix(seed).wrapping_mul(0xff51_afd7_ed55_8ccd));
        Self { dice: Arc::new(Mutex::new(dice)), rough: seed % 2 == 1, incidents: Arc::default() }
    }

    /// How many calls failed and hosts died so far.
    pub(in crate::testing) fn incidents(&self) -> usize {
        self.incidents.load(Ordering::Relaxed)
    }

    fn throw<T>(&self, dice: impl FnOnce(&mut Dice) -> T) -> T {
        dice(&mut self.dice.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn incident(&self, fate: Fate) -> Fate {
        self.incidents.fetch_add(1, Ordering::Relaxed);
        fate
    }

    /// How wrong the clock of a new host is.
    pub(super) fn skew_millis(&self) -> i64 {
        let wrong = self.throw(|dice| dice.below(2 * SKEW_MAX_MILLIS + 1));
        i64::try_from(wrong).unwrap_or(0) - i64::try_from(SKEW_MAX_MILLIS).unwrap_or(0)
    }

    /// What becomes of the calls of the `number`th host in a place. `dies` is told when it is dead.
    pub(super) fn host(&self, number: u32, dies: &Arc<Notify>) -> Faults {
        let (this, dies) = (self.clone(), Arc::clone(dies));
        let death = (self.rough && number < DEATHS_MAX && self.throw(|dice| dice.chance(80)))
            .then(|| self.throw(Death::draw));
        let life = Mutex::new((false, 0_u64));
        Faults::by(move |call: &Call| {
            let mut life = life.lock().unwrap_or_else(PoisonError::into_inner);
            let (dead, appends) = &mut *life;
            if *dead {
                return Fate::Hang;
            }
            let is_append = call.name == "append";
            let now = match death {
                Some(Death::AtCall(index)) => call.index == index,
                Some(Death::AtAppend(index)) => is_append && *appends == index,
                None => false,
            };
            *appends += u64::from(is_append);
            if now {
                *dead = true;
                dies.notify_one();
                let after = this.throw(|dice| dice.chance(50));
                return this.incident(if after { Fate::HangAfter } else { Fate::Hang });
            }
            if call.index >= ROUGH_CALLS {
                return Fate::Proceed;
            }
            match this.throw(|dice| dice.below(100)) {
                0..6 if this.rough => this.incident(Fate::FailBefore),
                6..12 if this.rough => this.incident(Fate::FailAfter),
                12..40 => Fate::Slow(this.throw(|dice| dice.time(SLOW_MAX))),
                _ => Fate::Proceed,
            }
        })
    }
}

/// A queue that sends wakes late, and some of them twice.
#[derive(Debug)]
pub(super) struct Restless {
    pub(super) inner: Arc<dyn WakeQueue>,
    pub(super) weather: Weather,
}

#[async_trait]
impl WakeQueue for Restless {
    async fn setup(&self) -> Result<(), QueueError> {
        self.inner.setup().await
    }

    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        let copies: Vec<Duration> = self.weather.throw(|dice| {
            let count = if dice.chance(25) { 2 } else { 1 };
            let mut late = || {
                if dice.chance(30) { dice.time(LATE_MAX) } else { Duration::ZERO }
            };
            (0..count).map(|_| late()).collect()
        });
        for late in copies {
            self.inner.send(wake, delay + late).await?;
        }
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.inner.receive(max, wait).await
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.inner.delete(receipt).await
    }

    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        self.inner.keep(receipt, visibility).await
    }

    fn visibility(&self) -> Duration {
        self.inner.visibility()
    }
}

impl std::fmt::Debug for Weather {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Weather").field("rough", &self.rough).finish_non_exhaustive()
    }
}
