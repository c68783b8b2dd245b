//! Counting in memory, for the tasks of one process.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Leased, Limiter, Rate, Taken, Unavailable};
use crate::limits::LIMITER_RETRY_MAX;

/// A [`Limiter`] in this process: for one host, and for tests (it lives in tokio's time, virtual
/// too). A clone counts with the original.
#[derive(Debug, Clone)]
pub struct InProcessLimiter {
    counts: Arc<Mutex<Counts>>,
    /// Times are microseconds from here.
    epoch: Instant,
}

#[derive(Debug, Default)]
struct Counts {
    rates: HashMap<String, Due>,
    places: HashMap<String, Places>,
    /// How many keys there may be before those that say nothing any more are dropped.
    keys_max: usize,
}

/// When the permits of a key are due.
#[derive(Debug, Clone, Copy, Default)]
struct Due {
    /// When the next one would be due without any burst ("theoretical arrival time").
    next_us: u64,
    /// When the last caller that was refused is to ask again.
    told_us: u64,
}

/// Who has the places of a key.
#[derive(Debug, Default)]
struct Places {
    /// Until when.
    tokens: HashMap<Uuid, u64>,
    /// When the last caller that was refused is to ask again.
    told_us: u64,
    /// For how long places are held, on average.
    held_us: Option<u64>,
}

impl InProcessLimiter {
    /// One that has given no permit.
    #[must_use]
    pub fn new() -> Self {
        Self { counts: Arc::default(), epoch: Instant::now() }
    }

    fn now_us(&self) -> u64 {
        // From one, so that nothing is due at zero.
        us(self.epoch.elapsed()) + 1
    }

    fn counts(&self, now: u64) -> MutexGuard<'_, Counts> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.rates.len() + counts.places.len() > counts.keys_max.max(1_000) {
            counts.rates.retain(|_, due| due.next_us.max(due.told_us) > now);
            counts.places.retain(|_, places| {
                places.told_us > now || places.tokens.values().any(|until| *until > now)
            });
            counts.keys_max = 2 * (counts.rates.len() + counts.places.len());
        }
        counts
    }
}

impl Default for InProcessLimiter {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Limiter for InProcessLimiter {
    async fn take(&self, key: &str, rate: Rate, within: Duration) -> Result<Taken, Unavailable> {
        let now = self.now_us();
        let mut counts = self.counts(now);
        let due = counts.rates.entry(key.to_owned()).or_default();
        let interval = us(rate.interval());
        let next = due.next_us.max(now);
        let ahead = u64::from(rate.burst_size() - 1).saturating_mul(interval);
        let at = next.saturating_sub(ahead).max(now);
        if at - now <= us(within) {
            due.next_us = next.saturating_add(interval);
            return Ok(Taken::Granted { wait: Duration::from_micros(at - now) });
        }
        due.told_us = queue(due.told_us, interval, at..=at.saturating_add(us(LIMITER_RETRY_MAX)));
        Ok(Taken::Refused { retry_after: Duration::from_micros(due.told_us - now) })
    }

    async fn lease(
        &self,
        key: &str,
        at_once: u32,
        lease: Duration,
        token: Uuid,
    ) -> Result<Leased, Unavailable> {
        let now = self.now_us();
        let mut counts = self.counts(now);
        let places = counts.places.entry(key.to_owned()).or_default();
        places.tokens.retain(|_, until| *until > now);
        if places.tokens.contains_key(&token) || places.tokens.len() < at_once as usize {
            places.tokens.insert(token, now.saturating_add(us(lease)));
            return Ok(Leased::Granted);
        }
        let (held, line) = (places.held_us.unwrap_or(HELD_US), us(LIMITER_RETRY_MAX));
        let each = (held / u64::from(at_once)).clamp(1_000, line);
        places.told_us = queue(places.told_us, each, now + each..=now + line);
        Ok(Leased::Refused { retry_after: Duration::from_micros(places.told_us - now) })
    }

    async fn release(&self, key: &str, token: Uuid, held: Duration) -> Result<(), Unavailable> {
        let now = self.now_us();
        let mut counts = self.counts(now);
        let Some(places) = counts.places.get_mut(key) else { return Ok(()) };
        if places.tokens.remove(&token).is_some() {
            let before = places.held_us.unwrap_or_else(|| us(held));
            places.held_us = Some(before.saturating_mul(4).saturating_add(us(held)) / 5);
        }
        Ok(())
    }
}

/// What is assumed of how long places are held, until one was given back.
const HELD_US: u64 = 100_000;

/// When to ask again: `each` after the last one that was told, if that is one of `times`. Once the
/// line is too long it begins anew, so that nobody waits behind those who never come.
fn queue(told: u64, each: u64, times: RangeInclusive<u64>) -> u64 {
    let next = told.saturating_add(each);
    if times.contains(&next) { next } else { *times.start() }
}

fn us(time: Duration) -> u64 {
    time.as_micros().try_into().unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}
