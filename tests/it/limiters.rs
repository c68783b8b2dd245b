//! Limiters in one process, and what they do to steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use everstep::client::ResultError;
use everstep::event::{Event, TurnEnd};
use everstep::limiter::{
    AcquireError, ConcurrencyLimiter, InProcessLimiter, Leased, Limiter, Rate, RateLimiter, Taken,
    Unavailable,
};
use everstep::prelude::*;
use everstep::testing::conformance::LimiterFactory;
use everstep::testing::{Env, Execution};
use tokio::time::Instant;
use uuid::Uuid;

struct InProcess;

#[async_trait]
impl LimiterFactory for InProcess {
    async fn limiter(&self) -> Arc<dyn Limiter> {
        Arc::new(InProcessLimiter::new())
    }
}

everstep::limiter_suite!(in_process, InProcess);

/// What steps take permits of, and how many run.
#[derive(Clone)]
struct Shop {
    calls: RateLimiter,
    seats: ConcurrencyLimiter,
    inside: Arc<AtomicU32>,
    most: Arc<AtomicU32>,
}

impl Shop {
    fn new(rate: Rate, seats: u32) -> Self {
        let limiter = InProcessLimiter::new();
        let calls = RateLimiter::new(limiter.clone(), "calls", rate);
        let seats = ConcurrencyLimiter::new(limiter, "seats", seats);
        let (inside, most) = (Arc::default(), Arc::default());
        Self { calls, seats, inside, most }
    }
}

#[step(skip(shop), retry(max_attempts = 1))]
async fn call(shop: &Shop, who: &str) -> everstep::Result<()> {
    shop.calls.acquire("bank").await?;
    println!("{who}");
    Ok(())
}

#[step(skip(shop), at_most_once)]
async fn sit(shop: &Shop, for_seconds: u64) -> everstep::Result<()> {
    let _permit = shop.seats.acquire("table").await?;
    let inside = shop.inside.fetch_add(1, Ordering::SeqCst) + 1;
    shop.most.fetch_max(inside, Ordering::SeqCst);
    tokio::time::sleep(seconds(for_seconds)).await;
    shop.inside.fetch_sub(1, Ordering::SeqCst);
    Ok(())
}

#[workflow]
async fn visit(State(shop): State<Shop>, who: String) -> everstep::Result<()> {
    call(&shop, &who).await
}

#[workflow]
async fn dine(State(shop): State<Shop>, for_seconds: u64) -> everstep::Result<()> {
    sit(&shop, for_seconds).await
}

#[workflow]
async fn rash(State(shop): State<Shop>, of_rate: bool) -> everstep::Result<()> {
    if of_rate {
        shop.calls.acquire("bank").await?;
    } else {
        drop(shop.seats.acquire("table").await?);
    }
    Ok(())
}

/// When the one step of each execution was done, in order.
fn done_at(visits: &[Execution<(), everstep::Error>]) -> Vec<i64> {
    let done = |events: Vec<Event>| {
        events.into_iter().find_map(|event| match event {
            Event::StepCompleted(done) => Some(done.at.0),
            _ => None,
        })
    };
    let mut times: Vec<i64> = visits.iter().filter_map(|one| done(one.events())).collect();
    times.sort_unstable();
    times
}

fn number_of(visit: &Execution<(), everstep::Error>, kind: &str) -> usize {
    visit.events().iter().filter(|event| event.kind() == kind).count()
}

#[test]
fn steps_that_get_no_permit_are_suspended_until_there_is_one_whatever_their_attempts_are() {
    let shop = Shop::new(Rate::new(1, minutes(10)), 1);
    let env = Env::new(App::new().state(shop).workflow(visit));
    let visits: Vec<_> = (0..12).map(|n| env.start(visit, format!("visitor {n}"))).collect();
    for visit in &visits {
        visit.result().unwrap();
        assert_eq!(number_of(visit, "StepAttemptFailed"), 0);
    }
    let times = done_at(&visits);
    assert_eq!(times.len(), 12);
    assert!(times.windows(2).all(|two| two[1] - two[0] >= 599_900), "{times:?}");
    // They come one after the other, and do not all ask each time.
    let asked: usize = visits.iter().map(|visit| number_of(visit, "StepPostponed")).sum();
    assert!((11..=150).contains(&asked), "{asked}");
}

#[test]
fn steps_hold_no_more_permits_at_once_than_there_are() {
    let shop = Shop::new(Rate::per_second(1), 3);
    let env = Env::new(App::new().state(shop.clone()).workflow(dine));
    let guests: Vec<_> = (0..10).map(|_| env.start(dine, 60)).collect();
    for guest in &guests {
        guest.result().unwrap();
    }
    assert_eq!(shop.most.load(Ordering::SeqCst), 3);
    assert!(guests.iter().any(|guest| number_of(guest, "StepPostponed") > 0));
}

#[test]
fn steps_that_wait_for_a_place_which_is_held_for_long_do_not_wait_awake() {
    let shop = Shop::new(Rate::per_second(1), 1);
    let env = Env::new(App::new().state(shop).workflow(dine));
    let guests: Vec<_> = (0..2).map(|_| env.start(dine, 600)).collect();
    for guest in &guests {
        guest.result().unwrap();
    }
    let asked: usize = guests.iter().map(|guest| number_of(guest, "StepPostponed")).sum();
    // Each time it waits for two seconds where it runs, and for five as a suspended execution.
    assert!((20..=90).contains(&asked), "{asked}");
    let suspended =
        |event: &Event| matches!(event, Event::TurnEnded(end) if end.reason == TurnEnd::Suspended);
    let ends = guests.iter().flat_map(|guest| guest.events()).filter(suspended);
    assert!(ends.count() >= asked, "it is suspended each time");
}

#[test]
fn a_permit_that_is_due_soon_is_waited_for_where_the_step_runs() {
    let shop = Shop::new(Rate::per_second(1), 1);
    let env = Env::new(App::new().state(shop).workflow(visit));
    let visits: Vec<_> = (0..3).map(|n| env.start(visit, format!("visitor {n}"))).collect();
    for visit in &visits {
        visit.result().unwrap();
        assert_eq!(number_of(visit, "StepPostponed"), 0);
    }
    let times = done_at(&visits);
    assert!(times.windows(2).all(|two| two[1] - two[0] >= 990), "{times:?}");
}

#[test]
fn a_workflow_that_takes_a_permit_itself_is_told_that_this_belongs_in_a_step() {
    let shop = Shop::new(Rate::per_second(1), 1);
    let env = Env::new(App::new().state(shop).workflow(rash));
    for (of_rate, limiter) in [(true, "RateLimiter"), (false, "ConcurrencyLimiter")] {
        let Err(ResultError::Blocked { reason }) = env.run(rash, of_rate) else {
            panic!("it got its permit")
        };
        assert!(reason.contains(&format!("{limiter}::acquire() belongs in a step")), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_called_by_hand_is_told_when_to_come_back() {
    let shop = Shop::new(Rate::new(1, minutes(1)), 1);
    call(&shop, "Ada").await.unwrap();
    let error = shop.calls.acquire("bank").await.unwrap_err();
    let AcquireError::Limited { what, retry_after } = &error else { panic!("{error:?}") };
    assert_eq!((what.as_str(), *retry_after), ("calls/bank", minutes(1)));
    assert_eq!(error.to_string(), "calls/bank is at its limit, try again in 1m");
    let error = call(&shop, "Bob").await.unwrap_err();
    assert!(error.to_string().starts_with("calls/bank is at its limit"), "{error}");
}

/// A limiter that answers as it is told.
#[derive(Debug, Clone, Default)]
struct Moody {
    inner: InProcessLimiter,
    silent: Arc<std::sync::atomic::AtomicBool>,
    leases: Arc<AtomicU32>,
}

impl Moody {
    fn is_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    fn answers(&self) -> Result<(), Unavailable> {
        let silent = self.silent.load(Ordering::SeqCst);
        if silent { Err(Unavailable::new("it is silent")) } else { Ok(()) }
    }
}

#[async_trait]
impl Limiter for Moody {
    async fn take(&self, key: &str, rate: Rate, within: Duration) -> Result<Taken, Unavailable> {
        self.answers()?;
        self.inner.take(key, rate, within).await
    }

    async fn lease(
        &self,
        key: &str,
        at_once: u32,
        lease: Duration,
        token: Uuid,
    ) -> Result<Leased, Unavailable> {
        self.leases.fetch_add(1, Ordering::SeqCst);
        self.answers()?;
        self.inner.lease(key, at_once, lease, token).await
    }

    async fn release(&self, key: &str, token: Uuid, held: Duration) -> Result<(), Unavailable> {
        self.answers()?;
        self.inner.release(key, token, held).await
    }
}

#[test]
fn options_that_make_no_sense_are_refused_where_they_are_made() {
    fn seats(name: &str, at_once: u32) -> ConcurrencyLimiter {
        ConcurrencyLimiter::new(InProcessLimiter::new(), name, at_once)
    }
    for make in [
        || drop(seats("seats", 0)),
        || drop(seats("seats/a", 1)),
        || drop(RateLimiter::new(InProcessLimiter::new(), "calls/a", Rate::per_second(1))),
        || drop(seats("seats", 1).lease(Duration::from_millis(999))),
        || drop(seats("seats", 1).lease(Duration::MAX)),
    ] {
        assert!(std::panic::catch_unwind(make).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_ever_gets_a_permit_in_the_end() {
    let limiter = InProcessLimiter::new();
    let rate = RateLimiter::new(limiter.clone(), "calls", Rate::new(1, days(1)));
    let rate = rate.wait_at_most(Duration::MAX);
    let seats = ConcurrencyLimiter::new(limiter, "seats", 1).wait_at_most(Duration::MAX);
    rate.acquire("a").await.unwrap();
    rate.acquire("a").await.unwrap();
    let permit = seats.acquire("a").await.unwrap();
    let next = tokio::spawn(async move { seats.acquire("a").await.map(drop) });
    tokio::time::sleep(minutes(10)).await;
    drop(permit);
    next.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_limiter_that_does_not_answer_is_an_error_unless_it_may_fail_open() {
    let moody = Moody::default();
    moody.is_silent(true);
    let rate = RateLimiter::new(moody.clone(), "calls", Rate::per_second(1));
    let seats = ConcurrencyLimiter::new(moody.clone(), "seats", 1);
    for error in [rate.acquire("a").await.unwrap_err(), seats.acquire("a").await.unwrap_err()] {
        let AcquireError::Unavailable { source, .. } = error else { panic!("{error:?}") };
        assert_eq!(source.to_string(), "the limiter does not answer");
    }
    rate.fail_open().acquire("a").await.unwrap();
    let permit = seats.fail_open().acquire("a").await.unwrap();
    assert!(tokio::time::timeout(hours(1), permit.lost()).await.is_err(), "there is none to lose");
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_renewed_as_long_as_it_is_kept_and_free_at_once_when_it_is_dropped() {
    let seats = ConcurrencyLimiter::new(InProcessLimiter::new(), "seats", 1);
    let permit = seats.acquire("a").await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(seconds(30)).await;
        assert!(seats.acquire("a").await.is_err());
    }
    drop(permit);
    seats.acquire("a").await.unwrap().release().await.unwrap();
    let _ = seats.acquire("a").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_cannot_be_renewed_is_lost_when_its_lease_is_over_and_not_before() {
    let moody = Moody::default();
    let seats = ConcurrencyLimiter::new(moody.clone(), "seats", 1);
    let begun = Instant::now();
    let permit = seats.acquire("a").await.unwrap();
    moody.is_silent(true);
    assert!(tokio::time::timeout(seconds(29), permit.lost()).await.is_err());
    permit.lost().await;
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert!(moody.leases.load(Ordering::SeqCst) > 3, "it was tried again");
    // A short silence costs nothing.
    moody.is_silent(false);
    let permit = seats.acquire("b").await.unwrap();
    moody.is_silent(true);
    tokio::time::sleep(seconds(25)).await;
    moody.is_silent(false);
    assert!(tokio::time::timeout(minutes(5), permit.lost()).await.is_err());
    assert!(seats.acquire("b").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_was_paused_past_its_lease_is_told_though_nobody_has_its_place() {
    let seats = ConcurrencyLimiter::new(InProcessLimiter::new(), "seats", 1);
    let permit = seats.acquire("a").await.unwrap();
    tokio::time::advance(seconds(31)).await;
    tokio::time::timeout(seconds(1), permit.lost()).await.expect("it is told");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_what_is_held_for_long_are_told_to_come_back_in_a_minute() {
    let limiter = InProcessLimiter::new();
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    limiter.lease("a", 1, minutes(1), one).await.unwrap();
    limiter.release("a", one, hours(1)).await.unwrap();
    limiter.lease("a", 1, minutes(1), one).await.unwrap();
    for _ in 0..2 {
        let refused = limiter.lease("a", 1, minutes(1), two).await.unwrap();
        assert_eq!(refused, Leased::Refused { retry_after: minutes(1) });
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_leaves_nothing_taken() {
    let seats = ConcurrencyLimiter::new(InProcessLimiter::new(), "seats", 1).wait_at_most(hours(1));
    let permit = seats.acquire("a").await.unwrap();
    {
        let waiting = seats.acquire("a");
        assert!(tokio::time::timeout(seconds(10), waiting).await.is_err());
    }
    let other = tokio::spawn({
        let seats = seats.clone();
        async move { seats.acquire("a").await.unwrap() }
    });
    tokio::time::sleep(seconds(10)).await;
    drop(permit);
    let _permit = other.await.unwrap();
}
