//! Weather from seeds: what is sound comes through, what is not is found with its seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use everstep::prelude::*;
use everstep::testing::{Env, explore};

use super::{charge, ok, panics, says, sell, shop};

fn env() -> Env {
    let env = Env::new(shop());
    env.mock(charge, |(_, card, cents)| Ok(format!("{cents} from {card}")));
    env
}

#[test]
fn a_sound_workflow_comes_through_any_weather() {
    let explored = explore(0..40, env, |env| {
        let sale = env.start(sell, 5);
        sale.signal_after(days(9), "approval", &true);
        sale
    });
    assert_eq!(explored.seeds, 40);
    assert!(explored.incidents > 40, "{explored:?}");
    assert!(!explored.repeated.is_empty(), "no host died with a result in its hands: {explored:?}");
}

/// A step that does more each time it runs, and a workflow that tells.
#[step]
async fn count(at: u64) -> everstep::Result<u64> {
    Err(everstep::Error::msg(format!("nobody counts {at}")))
}

#[workflow]
async fn counted(_: ()) -> everstep::Result<u64> {
    let mut sum = 0;
    for at in 0..6 {
        sum += count(at).await?;
        sleep(minutes(1)).await;
    }
    Ok(sum)
}

#[test]
fn a_body_that_does_not_bear_a_repetition_is_found_and_the_seed_is_named() {
    let counting = || {
        let env = Env::new(App::new().workflow(counted));
        let runs = Arc::new(AtomicU64::new(0));
        env.mock(count, move |_| ok(runs.fetch_add(1, Ordering::SeqCst)));
        env
    };
    let text = panics(|| explore(0..60, counting, |env| env.start(counted, ())));
    says(&text, &["seed ", " incidents: ", "count#", "to repeat it: EVERSTEP_EXPLORE_SEED="]);
    says(&text, &["cargo test kit::explore::a_body_that_does_not_bear"]);
}

#[test]
fn where_nothing_fails_a_body_runs_once() {
    let env = || {
        let env = Env::new(App::new().workflow(counted));
        env.mock(count, ok);
        env
    };
    // Even seeds are calm: only late, doubled and slow.
    for seed in [0, 2, 4, 6, 8, 10] {
        let explored = explore(seed..seed + 1, env, |env| env.start(counted, ()));
        assert_eq!((explored.incidents, explored.repeated.len()), (0, 0), "seed {seed}");
    }
}

#[test]
fn what_is_blocked_without_weather_fails_at_once() {
    #[workflow]
    async fn panics_always(_: ()) -> everstep::Result<u64> {
        panic!("always")
    }
    let env = || Env::new(App::new().workflow(panics_always));
    let text = panics(|| explore(0..5, env, |env| env.start(panics_always, ())));
    says(&text, &["in good weather the execution is blocked", "always"]);
}
