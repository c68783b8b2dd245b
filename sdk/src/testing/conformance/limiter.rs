//! What every limiter must do.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::LimiterFactory;
use crate::limiter::{Leased, Limiter, Rate, Taken};

const NOW: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(60);

/// Slack for calls that take their time, below any interval in the checks.
const SLACK: Duration = Duration::from_millis(250);

async fn take(limiter: &dyn Limiter, key: &str, rate: Rate, within: Duration) -> Taken {
    limiter.take(key, rate, within).await.expect("an answer")
}

async fn lease(limiter: &dyn Limiter, key: &str, at_once: u32, token: Uuid) -> bool {
    let leased = limiter.lease(key, at_once, LONG, token).await.expect("an answer");
    leased == Leased::Granted
}

async fn release(limiter: &dyn Limiter, key: &str, token: Uuid) {
    limiter.release(key, token, Duration::from_millis(10)).await.expect("an answer");
}

/// After a pause as many as the burst are due at once, and then one an interval.
pub async fn a_burst_is_due_at_once_and_the_next_an_interval_later(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let rate = Rate::new(1, Duration::from_secs(20)).burst(3);
    for _ in 0..3 {
        assert_eq!(take(&*limiter, "a", rate, NOW).await, Taken::Granted { wait: NOW });
    }
    let Taken::Refused { retry_after } = take(&*limiter, "a", rate, NOW).await else {
        panic!("a fourth was due")
    };
    assert!(retry_after <= Duration::from_secs(20), "{retry_after:?}");
    assert!(retry_after >= Duration::from_secs(15), "{retry_after:?}");
}

/// A caller who waits long enough gets the permit that is due then, and the next one a later one.
pub async fn a_permit_can_be_taken_before_it_is_due(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let rate = Rate::new(1, Duration::from_secs(10));
    let mut waits = Vec::new();
    for _ in 0..4 {
        match take(&*limiter, "a", rate, LONG).await {
            Taken::Granted { wait } => waits.push(wait),
            refused @ Taken::Refused { .. } => panic!("{refused:?}"),
        }
    }
    for (wait, ahead) in waits.into_iter().zip([0, 10, 20, 30].map(Duration::from_secs)) {
        assert!(wait <= ahead && wait + Duration::from_secs(5) >= ahead, "{wait:?} for {ahead:?}");
    }
}

/// A refusal takes nothing: whoever waits long enough still gets the next permit.
pub async fn a_refusal_takes_no_permit(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let rate = Rate::new(1, Duration::from_secs(30));
    take(&*limiter, "a", rate, NOW).await;
    for _ in 0..20 {
        assert!(matches!(take(&*limiter, "a", rate, NOW).await, Taken::Refused { .. }));
    }
    let Taken::Granted { wait } = take(&*limiter, "a", rate, LONG).await else {
        panic!("the next permit is gone")
    };
    assert!(wait <= Duration::from_secs(30), "{wait:?}");
}

/// Those who are refused are told to come back a permit apart, and never later than a minute after
/// the next one.
pub async fn the_refused_are_told_different_times(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let rate = Rate::new(1, Duration::from_secs(10));
    take(&*limiter, "a", rate, NOW).await;
    let mut told = Vec::new();
    for _ in 0..20 {
        match take(&*limiter, "a", rate, NOW).await {
            Taken::Refused { retry_after } => told.push(retry_after),
            granted @ Taken::Granted { .. } => panic!("{granted:?}"),
        }
    }
    let apart = |(one, two): (&Duration, &Duration)| *two > *one + Duration::from_secs(5);
    assert!(told.iter().zip(&told[1..6]).all(apart), "{told:?}");
    assert!(told.iter().all(|told| *told <= Duration::from_secs(70)), "{told:?}");
}

/// Sixteen callers at once get what one after the other would get.
pub async fn permits_are_taken_once_by_sixteen_at_once(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let rate = Rate::new(1, LONG).burst(5);
    let asking = (0..16).map(|_| {
        let limiter = Arc::clone(&limiter);
        tokio::spawn(async move { take(&*limiter, "a", rate, NOW).await })
    });
    let granted = join_all(asking).await.into_iter().map(Result::unwrap);
    assert_eq!(granted.filter(|taken| matches!(taken, Taken::Granted { .. })).count(), 5);
}

/// Permits become due as time goes by, and unused ones are no more than a burst.
pub async fn permits_come_back_with_time_up_to_the_burst(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let rate = Rate::new(2, Duration::from_secs(1)).burst(2);
    for _ in 0..2 {
        assert!(matches!(take(&*limiter, "a", rate, NOW).await, Taken::Granted { .. }));
    }
    assert!(matches!(take(&*limiter, "a", rate, NOW).await, Taken::Refused { .. }));
    sleep(Duration::from_secs(2)).await;
    let begun = Instant::now();
    let mut granted = 0;
    for _ in 0..6 {
        let taken = take(&*limiter, "a", rate, NOW).await;
        granted += u32::from(matches!(taken, Taken::Granted { .. }));
    }
    if begun.elapsed() < SLACK {
        assert_eq!(granted, 2, "four intervals went by and the burst is two");
    }
}

/// What is taken of one key is not missing of another, whatever their names are.
pub async fn keys_of_any_text_are_kept_apart(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let rate = Rate::new(1, LONG);
    for key in ["a", "b", "a:b", "{a}", "a b", "ü 🦀 \"'\\\n", ""] {
        assert_eq!(take(&*limiter, key, rate, NOW).await, Taken::Granted { wait: NOW }, "{key}");
        let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
        assert!(lease(&*limiter, key, 1, one).await, "{key}");
        assert!(!lease(&*limiter, key, 1, two).await, "{key}");
    }
}

/// No more have a place than there are, and one that is given back is free.
pub async fn a_place_is_free_again_when_it_is_given_back(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let tokens: Vec<Uuid> = (0..4).map(|_| Uuid::new_v4()).collect();
    for token in &tokens[..3] {
        assert!(lease(&*limiter, "a", 3, *token).await);
    }
    assert!(!lease(&*limiter, "a", 3, tokens[3]).await);
    release(&*limiter, "a", tokens[1]).await;
    assert!(lease(&*limiter, "a", 3, tokens[3]).await);
    assert!(!lease(&*limiter, "a", 3, tokens[1]).await);
}

/// A call that is made again, because its answer was lost, takes no second place.
pub async fn a_repeated_call_takes_no_second_place(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let (one, two, three) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    for _ in 0..3 {
        assert!(lease(&*limiter, "a", 2, one).await);
    }
    assert!(lease(&*limiter, "a", 2, two).await);
    // Kept, though there is no other.
    assert!(lease(&*limiter, "a", 2, one).await);
    assert!(!lease(&*limiter, "a", 2, three).await);
}

/// Who has lost a place, or never had one, gives back nobody else's.
pub async fn only_a_token_s_own_place_is_given_back(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    assert!(lease(&*limiter, "a", 1, one).await);
    release(&*limiter, "a", two).await;
    release(&*limiter, "b", one).await;
    assert!(!lease(&*limiter, "a", 1, two).await);
    release(&*limiter, "a", one).await;
    release(&*limiter, "a", one).await;
    assert!(lease(&*limiter, "a", 1, two).await);
    assert!(!lease(&*limiter, "a", 1, one).await);
}

/// A place whose lease is over is free, one that is kept is not.
pub async fn a_place_is_free_when_its_lease_is_over(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let short = Duration::from_millis(1_500);
    let (dead, kept, next) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    for token in [dead, kept] {
        let leased = limiter.lease("a", 2, short, token).await.expect("an answer");
        assert_eq!(leased, Leased::Granted);
    }
    assert!(!lease(&*limiter, "a", 2, next).await);
    assert!(lease(&*limiter, "a", 2, kept).await, "it is kept for long now");
    sleep(short + SLACK).await;
    assert!(lease(&*limiter, "a", 2, next).await, "a dead holder's place is free");
    assert!(!lease(&*limiter, "a", 2, dead).await, "and the dead one cannot take it back");
}

/// Those for whom there is no place are told different times, within a minute.
pub async fn those_without_a_place_are_told_different_times(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    assert!(lease(&*limiter, "a", 1, Uuid::new_v4()).await);
    let mut told = Vec::new();
    for _ in 0..10 {
        match limiter.lease("a", 1, LONG, Uuid::new_v4()).await.expect("an answer") {
            Leased::Refused { retry_after } => {
                told.push((Instant::now() + retry_after, retry_after))
            }
            Leased::Granted => panic!("there is one place"),
        }
    }
    assert!(told.windows(2).all(|two| two[0].0 < two[1].0 + SLACK), "{told:?}");
    let limits = Duration::from_millis(1)..=LONG + SLACK;
    assert!(told.iter().all(|(_, after)| limits.contains(after)), "{told:?}");
    assert!(told[9].0 > told[0].0, "{told:?}");
}

/// Of sixteen at once as many get a place as there are.
pub async fn places_are_taken_once_by_sixteen_at_once(factory: &dyn LimiterFactory) {
    let limiter = factory.limiter().await;
    let asking = (0..16).map(|_| {
        let limiter = Arc::clone(&limiter);
        tokio::spawn(async move { lease(&*limiter, "a", 5, Uuid::new_v4()).await })
    });
    let granted = join_all(asking).await.into_iter().filter(|leased| *leased.as_ref().unwrap());
    assert_eq!(granted.count(), 5);
}
