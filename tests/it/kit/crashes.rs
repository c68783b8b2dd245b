//! A crash at every boundary.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use everstep::prelude::*;
use everstep::testing::{Env, crash_everywhere};

use super::{charge, panics, says, sell, shop};

#[test]
fn a_sound_workflow_survives_a_crash_at_every_boundary() {
    let env = || {
        let env = Env::new(shop());
        env.mock(charge, |(_, card, cents)| Ok(format!("{cents} from {card}")));
        env.fail(charge, 1..=1, super::Refusal::Busy);
        env
    };
    let crashes = crash_everywhere(env, |env| {
        let sale = env.start(sell, 5);
        sale.signal_after(days(9), "approval", &true);
        sale
    });
    assert!(crashes.crashes >= 40, "{crashes:?}");
    let repeated: Vec<_> = crashes.repeated.iter().map(String::as_str).collect();
    assert_eq!(repeated, ["charge#1", "ship#1"], "a body's end is not yet its result");
    assert_eq!(crashes.interrupted, 0);
}

#[test]
fn a_step_that_cannot_bear_to_run_twice_is_found_with_the_boundary() {
    #[step(retry = none)]
    async fn pay(paid: Arc<AtomicBool>) -> everstep::Result<()> {
        if paid.swap(true, Ordering::SeqCst) {
            return Err(everstep::Error::msg("paid already"));
        }
        Ok(())
    }
    #[workflow]
    async fn pays(State(paid): State<Arc<AtomicBool>>, _: ()) -> everstep::Result<()> {
        step("pay", async move || pay(paid).await).retry(everstep::Retry::none()).await
    }
    let env = || Env::new(App::new().workflow(pays).state(Arc::<AtomicBool>::default()));
    let text = panics(|| crash_everywhere(env, |env| env.start(pays, ())));
    says(
        &text,
        &[
            "a crash before append (call ",
            "pay#1 is attempt 1 of {} returned null without it",
            "attempt 1 of {} failed (paid already) with it",
        ],
    );
}

#[test]
fn a_workflow_that_differs_between_runs_is_found_before_any_crash() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    #[step]
    async fn note(run: u64) -> everstep::Result<u64> {
        Ok(run)
    }
    #[workflow]
    async fn fickle(_: ()) -> everstep::Result<()> {
        note(RUNS.fetch_add(1, Ordering::SeqCst)).await?;
        Ok(())
    }
    let env = || {
        RUNS.store(0, Ordering::SeqCst);
        Env::new(App::new().workflow(fickle))
    };
    let text = panics(|| crash_everywhere(env, |env| env.start(fickle, ())));
    says(
        &text,
        &["without any crash", "the replay check", "note#1", r#"{"run":0} and then {"run":1}"#],
    );
}

#[test]
fn a_workflow_that_is_blocked_without_any_crash_says_so() {
    #[workflow]
    async fn broken(_: ()) -> everstep::Result<()> {
        panic!("nothing works")
    }
    let env = || Env::new(App::new().workflow(broken));
    let text = panics(|| crash_everywhere(env, |env| env.start(broken, ())));
    says(&text, &["without any crash the execution is blocked", "nothing works"]);
}

#[test]
fn what_interrupts_an_at_most_once_step_is_counted_and_not_compared() {
    #[step(at_most_once)]
    async fn pay() -> everstep::Result<u64> {
        Ok(5)
    }
    #[workflow]
    async fn pays(_: ()) -> everstep::Result<u64> {
        pay().await
    }
    let env = || Env::new(App::new().workflow(pays));
    let crashes = crash_everywhere(env, |env| env.start(pays, ()));
    assert!((1..4).contains(&crashes.interrupted), "{crashes:?}");
    assert!(crashes.repeated.is_empty(), "{crashes:?}");
}
