//! Workflows that use everything that could go differently on replay.

use std::future::Future;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, select_all, try_join_all};
use futures::stream::{self, FuturesOrdered, FuturesUnordered, StreamExt};
use tokio::sync::{Barrier, Mutex, Notify, RwLock, Semaphore, mpsc, oneshot, watch};

use super::trace::Trace;
use super::{bodies, fuzz};
use crate::context::{
    Either, Signal, StepFuture, WorkflowEnd, continue_as_new, execution_info, join_all, now,
    publish, race, random, set_tag, signal, signals, sleep, step, timeout, update, updates, uuid,
    version,
};
use crate::error::{Error, Result};
use crate::event::Json;
use crate::retry::Retry;

#[derive(Clone, Copy)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) make: fn(Trace) -> BoxFuture<'static, WorkflowEnd>,
    /// Whether its trace is the same in whatever order things end.
    pub(super) fixed: bool,
}

/// A step that returns `n`.
#[track_caller]
fn s(n: u64) -> StepFuture<u64, Error> {
    let body = async move || {
        bodies::begin().await;
        Ok::<_, Error>(n)
    };
    step("s", body).input("n", &n).into_future()
}

/// A step that fails for one in three.
#[track_caller]
fn fails(n: u64) -> StepFuture<u64, Error> {
    let body = async move || {
        bodies::begin().await;
        if n.is_multiple_of(3) { Err(Error::msg(n)) } else { Ok(n) }
    };
    step("fails", body).retry(retries(2)).input("n", &n).into_future()
}

/// A step that panics for one in three, and fails for another.
#[track_caller]
fn panics(n: u64) -> StepFuture<u64, Error> {
    let body = async move || {
        bodies::begin().await;
        assert!(!n.is_multiple_of(3), "{n}");
        if n % 3 == 1 { Err(Error::msg(n).terminal()) } else { Ok(n) }
    };
    step("panics", body).retry(retries(3)).input("n", &n).into_future()
}

/// A step whose attempts run at most once each.
#[track_caller]
fn once(n: u64, attempts: u32) -> StepFuture<u64, Error> {
    let body = async move || {
        bodies::begin().await;
        if n.is_multiple_of(5) { Err(Error::msg(n)) } else { Ok(n) }
    };
    step("once", body).at_most_once().retry(retries(attempts)).input("n", &n).into_future()
}

fn retries(attempts: u32) -> Retry {
    Retry::new().max_attempts(attempts).initial(ms(10)).jitter(false)
}

#[track_caller]
fn next(name: &'static str) -> Signal<u64> {
    signal(name)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Each is two tests: the pure middle alone, and in whole turns. The number says how many times as
/// long as a short one it takes.
macro_rules! programs {
    ($($(#[$fixed:ident])? $name:ident($trace:ident) * $cost:literal $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn body($trace: Trace) -> Result<Vec<u64>> $body

            fn make(trace: Trace) -> BoxFuture<'static, WorkflowEnd> {
                async move {
                    match body(trace).await {
                        Ok(output) => WorkflowEnd::Completed(Json::record(&output).unwrap()),
                        Err(error) => WorkflowEnd::Failed(Json::record(&error).unwrap()),
                    }
                }
                .boxed()
            }

            pub(super) const PROGRAM: Program = Program {
                name: stringify!($name),
                make,
                fixed: !concat!($(stringify!($fixed))?).is_empty(),
            };

            #[test]
            fn alone() {
                fuzz(&PROGRAM, $cost);
            }

            #[test]
            #[cfg(feature = "testing")]
            fn in_turns() {
                crate::turn::fuzz::turns::fuzz(&PROGRAM, $cost);
            }
        }
    )*};
}

async fn chain(trace: &Trace, name: &str, from: u64, len: u64) -> Result<u64> {
    let mut sum = 0;
    for n in from..from + len {
        sum += s(n).await?;
        trace.note(format!("{name} {n}"));
    }
    Ok(sum)
}

fn fib(n: u64) -> BoxFuture<'static, Result<u64>> {
    async move {
        if n < 2 {
            return s(n).await;
        }
        let (a, b) = tokio::join!(fib(n - 1), fib(n - 2));
        Ok(a? + b?)
    }
    .boxed()
}

/// Polls each of two once a poll, the second first every other time, as `join!` does.
async fn alternately(
    trace: &Trace,
    left: impl Future<Output = Result<u64>>,
    right: impl Future<Output = Result<u64>>,
) -> Result<u64> {
    let (mut left, mut right) = (Box::pin(left).fuse(), Box::pin(right).fuse());
    let (mut done, mut sum, mut polls) = (0, 0, 0_u64);
    std::future::poll_fn(|cx| {
        polls += 1;
        trace.note(format!("poll {polls}"));
        for turn in 0..2 {
            let polled =
                if (polls + turn) % 2 == 0 { left.poll_unpin(cx) } else { right.poll_unpin(cx) };
            if let std::task::Poll::Ready(output) = polled {
                done += 1;
                sum = sum * 7 + output.unwrap_or(1);
            }
        }
        if done == 2 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    Ok(sum + polls)
}

mod between;
pub(super) mod children;
mod continued;
mod failures;
mod given_up;
mod joins;
mod maps;
mod promises;
mod signals;
mod streams;
mod undo;
mod versions;

pub(super) use versions::CHANGES;
mod updates;
