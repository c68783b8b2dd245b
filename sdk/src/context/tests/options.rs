//! Options that make no sense are refused where they are said.

use std::time::Duration;

use super::*;
use crate::error::Error;
use crate::id::PromiseToken;
use crate::retry::Retry;

/// The workflow that does this is blocked with a text that has `part` in it.
#[track_caller]
fn refused(part: &str, code: fn()) {
    let (_, seen) = run(async move { code() });
    check_fault(&seen, part);
}

#[test]
fn a_time_out_of_zero_is_refused_in_every_operation_that_takes_one() {
    async fn one() -> Result<u32, Error> {
        Ok(1)
    }
    async fn ask(_token: PromiseToken) -> Result<(), Error> {
        Ok(())
    }
    let zero = Duration::ZERO;
    refused("step(...).timeout(0)", || drop(step("a", one).timeout(Duration::ZERO)));
    refused("step(...).total_timeout(0)", || drop(step("a", one).total_timeout(Duration::ZERO)));
    refused("step(...).heartbeat_timeout(0)", || {
        drop(step("a", one).heartbeat_timeout(Duration::ZERO));
    });
    refused("callback(...).timeout(0)", || {
        drop(callback::<u32, _, _, _>("a", ask).timeout(Duration::ZERO))
    });
    refused("callback(...).heartbeat(0)", || {
        drop(callback::<u32, _, _, _>("a", ask).heartbeat(Duration::ZERO));
    });
    refused("callback(...).submit_timeout(0)", || {
        drop(callback::<u32, _, _, _>("a", ask).submit_timeout(Duration::ZERO));
    });
    refused("promise(...).timeout(0)", || drop(promise::<u32>("a").timeout(Duration::ZERO)));
    refused("promise(...).heartbeat(0)", || drop(promise::<u32>("a").heartbeat(Duration::ZERO)));
    // A wait of zero is no mistake: a loop may have computed it.
    let (_, seen) = run(async move { drop((sleep(zero), timeout(zero, sleep(zero)))) });
    assert_eq!(seen, ended(()));
}

#[test]
fn pauses_limits_and_policies_that_make_no_sense_are_refused_with_the_way_out() {
    async fn one() -> Result<u32, Error> {
        Ok(1)
    }
    refused("poll_until(...).every(0) would never pause", || {
        drop(poll_until(one, |_| true).every(Duration::ZERO));
    });
    refused("poll_until(...).growing_to(0)", || {
        drop(poll_until(one, |_| true).growing_to(Duration::ZERO));
    });
    refused("map(...).concurrency(0) would never begin", || {
        drop(map([1], async |_: u32| one().await).concurrency(0));
    });
    refused("Retry::max_attempts(0)", || drop(step("a", one).retry(Retry::new().max_attempts(0))));
    refused("Retry::factor()", || drop(step("a", one).retry(Retry::new().factor(f64::NAN))));
}

#[test]
fn what_belongs_into_a_step_says_so_in_a_workflow() {
    refused("everstep::attempt() belongs in a step", || {
        let _ = attempt();
    });
    refused("everstep::last_heartbeat() belongs in a step", || {
        let _ = last_heartbeat::<u32>();
    });
    refused("everstep::heartbeat() belongs in a step", || heartbeat(&1));
    refused("everstep::cancelled() belongs in a step", || drop(cancelled()));
    refused("everstep::idempotency_key() belongs in a step", || drop(idempotency_key()));
}
