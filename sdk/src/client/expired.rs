//! One pass of retention: deleting what is closed and no longer kept.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt};

use super::delete::{DeleteError, Deleted, Deletion, Shared};
use super::{Client, ask};
use crate::error::chain;
use crate::id::ExecutionId;
use crate::limits::{DELETE_AT_ONCE, DELETE_PASS_MAX};
use crate::store::{Record, StoreError};
use crate::time::{Clock, Timestamp};

/// After so many failures that are not about an execution, a pass leaves the rest to the next one.
const FAILURES_MAX: usize = 8;

/// After so many executions that it could not delete, a pass leaves those that follow, and leaps.
const LEAP_AFTER: usize = 1_000;

/// After so many it ends.
const KEPT_MAX: usize = 10_000;

/// What a pass did.
///
/// ```
/// use everstep::client::Pass;
///
/// /// What an operator reads in the morning.
/// fn report(pass: &Pass) -> String {
///     let more = if pass.more { ", and there are more" } else { "" };
///     format!("{} deleted, {} not: {:?}{more}", pass.deleted.len(), pass.kept.len(), pass.kept)
/// }
/// assert_eq!(report(&Pass::default()), "0 deleted, 0 not: []");
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Pass {
    /// What it deleted; of a dry run, what it would delete.
    pub deleted: Vec<(ExecutionId, Deleted)>,
    /// Of how many executions that were deleted before the ids are free now.
    pub freed: usize,
    /// What it did not delete though it is time, and why. The next pass tries again.
    pub kept: Vec<(ExecutionId, DeleteError)>,
    /// Whether there is more to delete than it looked at.
    pub more: bool,
}

impl Pass {
    /// Whether another pass right after this one would do more than fail again.
    pub(crate) fn goes_on(&self) -> bool {
        self.more && self.deleted.len() + self.freed > self.kept.len()
    }

    /// Tells whoever reads the log of a host.
    pub(crate) fn report(&self) {
        for (id, error) in &self.kept {
            tracing::warn!(everstep.execution.id = %id, error = chain(error), "not deleted");
        }
        if !self.deleted.is_empty() || self.freed > 0 {
            let (deleted, freed, more) = (self.deleted.len(), self.freed, self.more);
            tracing::info!(deleted, freed, more, "deleted what is no longer kept");
        }
    }
}

/// A pass that has not been made; `.await` makes it.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::time::Clock;
///
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = Backend::memory();
/// # let client = Client::new(&backend);
/// let app = App::new().workflow(sell).retention(hours(1)).backend(backend);
/// let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// app.worker().await?.run_until(sale.result()).await??;
///
/// // A day later:
/// let client = client.clock(Clock::virtual_from(Clock::system().now().after(days(1))));
/// let pass = client.delete_expired().dry_run().await?;
/// assert_eq!(pass.deleted[0].0, *sale.id());
/// assert!(client.describe(sale.id()).await.is_ok()); // nothing has happened
/// let pass = client.delete_expired().limit(100).await?;
/// assert_eq!(pass.deleted.len(), 1);
/// assert!(client.describe(sale.id()).await.is_err());
/// # Ok(()) }
/// ```
#[must_use = "nothing is deleted unless it is awaited"]
#[derive(Debug)]
pub struct DeleteExpired<'a> {
    client: &'a Client,
    limit: usize,
    until: Option<Timestamp>,
    dry: bool,
}

impl Client {
    /// One pass of retention: [deletes](Self::delete) closed executions whose time is up, and goes
    /// on with what an earlier pass has begun. Hosts of apps with a
    /// [retention](crate::App::retention) do it by themselves.
    ///
    /// Several at once are harmless. One that fails for an execution goes on with the others; one
    /// whose store, payload store or archive fails again and again stops, and leaves the rest to the
    /// next. Dropping the future is like a crash: the next pass goes on.
    ///
    /// # Errors
    /// The store does not list what is to be deleted. What fails for one execution is in
    /// [`Pass::kept`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::new(&Backend::memory());
    /// let pass = client.delete_expired().limit(100).await?;
    /// assert_eq!((pass.deleted.len(), pass.kept.len(), pass.more), (0, 0, false)); // nothing is there
    /// # Ok(()) }
    /// ```
    pub fn delete_expired(&self) -> DeleteExpired<'_> {
        DeleteExpired { client: self, limit: DELETE_PASS_MAX, until: None, dry: false }
    }
}

impl DeleteExpired<'_> {
    /// Deletes so many executions at the most; [`DELETE_PASS_MAX`] by default. Those that cannot be
    /// deleted do not count.
    pub fn limit(mut self, executions: usize) -> Self {
        self.limit = executions;
        self
    }

    /// Deletes nothing, and says what would be deleted, as far as the records say it.
    pub fn dry_run(mut self) -> Self {
        self.dry = true;
        self
    }

    /// Is over at this time: begins with nothing more, and gives up what goes on then, as a crash would.
    #[cfg(feature = "aws")]
    pub(crate) fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    async fn pass(self) -> Result<Pass, StoreError> {
        let Self { client, limit, until, dry } = self;
        let clock = &client.clock;
        let now = clock.now();
        let mut pass = Pass::default();
        // The index may be stale: the record decides.
        let is_expired = |record: &Record| {
            let projection = &record.projection;
            projection.expires() && projection.wake_at.is_some_and(|at| at < now)
        };
        let shared = Shared::new();
        let one = |id: ExecutionId| {
            let shared = &shared;
            async move {
                let done = match dry {
                    true => client.would_delete(&id, is_expired).await,
                    false => client.delete_if(&id, is_expired, shared).await,
                };
                (id, done)
            }
        };
        let in_time = || until.is_none_or(|until| clock.now() < until);
        let (mut failures, mut seen) = (0, HashMap::<ExecutionId, Timestamp>::new());
        let (mut from, mut leapt_at) = (Timestamp(0), 0);
        loop {
            // What an earlier pass could not delete comes first, and must not hide the rest.
            let left = limit.saturating_sub(pass.deleted.len() + pass.freed);
            let come_again = seen.values().filter(|at| **at == from).count();
            let looks = left.saturating_add(come_again);
            let listed = ask(|| client.store.expired(from, now, looks.saturating_add(1))).await?;
            let is_full = listed.len() > looks;
            let mut listed: Vec<_> =
                listed.into_iter().filter(|(_, id)| !seen.contains_key(id)).collect();
            pass.more = leapt_at > 0 || is_full || listed.len() > left;
            listed.truncate(left);
            let Some((last, _)) = listed.last() else { break };
            from = *last;
            seen.extend(listed.iter().map(|(at, id)| (id.clone(), *at)));
            let mut ids: Vec<_> = listed.into_iter().map(|(_, id)| id).collect();
            // Passes that are made at about the same time have the same list, and share it.
            if !dry {
                let begins_at = begins_at(now, ids.len());
                ids.rotate_left(begins_at);
            }
            let mut ids = ids.into_iter().take_while(|_| in_time());
            let begun: Vec<_> = ids.by_ref().take(DELETE_AT_ONCE).collect();
            let mut under_way: HashSet<_> = begun.iter().cloned().collect();
            let mut running: stream::FuturesUnordered<_> =
                begun.into_iter().map(|id| one(id).boxed()).collect();
            let kept = pass.kept.len();
            loop {
                let next = tokio::select! {
                    biased;
                    next = running.next() => next,
                    () = time_is_up(clock, until) => {
                        for id in &under_way {
                            tracing::warn!(
                                everstep.execution.id = %id,
                                "no time was left to delete it: a later pass goes on"
                            );
                        }
                        break;
                    }
                };
                let Some((id, done)) = next else { break };
                under_way.remove(&id);
                match done {
                    Ok(Deletion::Deleted(deleted)) => pass.deleted.push((id, deleted)),
                    Ok(Deletion::Freed) => pass.freed += 1,
                    Ok(Deletion::NotNow) => {}
                    Err(error) => {
                        failures += usize::from(error.is_of_place());
                        pass.kept.push((id, error));
                    }
                }
                if failures < FAILURES_MAX
                    && let Some(id) = ids.next()
                {
                    under_way.insert(id.clone());
                    running.push(one(id).boxed());
                }
            }
            let goes_on = pass.more && in_time() && failures < FAILURES_MAX;
            if !goes_on || pass.kept.len() == kept || pass.kept.len() >= KEPT_MAX {
                break;
            }
            // However many of a time cannot be deleted, some pass comes to those after them.
            if pass.kept.len() >= leapt_at + LEAP_AFTER {
                leapt_at = pass.kept.len();
                from = leap(from, now);
            }
        }
        pass.more |= failures >= FAILURES_MAX || !in_time();
        Ok(pass)
    }
}

async fn time_is_up(clock: &Clock, until: Option<Timestamp>) {
    match until {
        Some(until) => clock.sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Where in a list of so many executions a pass begins that is made at `now`: far from where another one
/// begins some milliseconds before or after.
fn begins_at(now: Timestamp, count: usize) -> usize {
    usize::try_from(spread(now, count as u64)).unwrap_or(0)
}

/// A moment between these two, and in another pass another one.
fn leap(from: Timestamp, now: Timestamp) -> Timestamp {
    let millis = u64::try_from(now.since(from).as_millis()).unwrap_or(0);
    from.after(Duration::from_millis(spread(now, millis)))
}

/// A number below `below`, or 0.
fn spread(now: Timestamp, below: u64) -> u64 {
    // Multiples of the golden ratio are spread over a circle.
    let place = now.0.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((u128::from(place) * u128::from(below)) >> 64) as u64
}

impl Client {
    async fn would_delete(
        &self,
        id: &ExecutionId,
        is_expired: impl Fn(&Record) -> bool,
    ) -> Result<Deletion, DeleteError> {
        let record = ask(|| self.store.record(id)).await?;
        Ok(match record.filter(is_expired) {
            Some(_) => Deletion::Deleted(Deleted { archived_as: None, is_free: false }),
            None => Deletion::NotNow,
        })
    }
}

impl<'a> IntoFuture for DeleteExpired<'a> {
    type Output = Result<Pass, StoreError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.pass().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_at_about_the_same_time_begin_far_from_each_other() {
        let begins = (0..8).map(|ms| begins_at(Timestamp(1_893_456_000_000 + ms), 1_000));
        let mut begins: Vec<_> = begins.collect();
        begins.sort_unstable();
        assert!(begins.windows(2).all(|two| two[1] - two[0] > 50), "{begins:?}");
    }

    #[test]
    fn a_pass_begins_within_its_list() {
        for ms in [i64::MIN, -1, 0, 1, 1_893_456_000_000, i64::MAX] {
            for count in [1, 2, 3, 1_000, 1 << 20] {
                assert!(begins_at(Timestamp(ms), count) < count, "{ms} {count}");
            }
        }
    }

    #[test]
    fn a_leap_ends_between_and_others_end_elsewhere() {
        let from = Timestamp(1_893_456_000_000);
        let leaps = |days: i64| {
            (0..8).map(move |ms| leap(from, Timestamp(from.0 + days * 86_400_000 + ms)))
        };
        for days in [1, 30, 3_650] {
            let mut ends: Vec<_> = leaps(days).collect();
            let now = Timestamp(from.0 + days * 86_400_000);
            assert!(ends.iter().all(|end| from <= *end && *end < now), "{ends:?}");
            ends.sort_unstable();
            ends.dedup();
            assert_eq!(ends.len(), 8, "{ends:?}");
        }
        assert_eq!(leap(from, from), from);
    }
}
