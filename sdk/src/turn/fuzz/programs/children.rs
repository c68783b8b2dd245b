//! Children beside steps, timers and signals.

use super::*;
use crate::context::{Child, Needs, States, WorkflowFuture, WorkflowSpec, child};

/// A workflow that returns what it was given, but for one in four.
pub(in crate::turn::fuzz) fn little(
    n: u64,
) -> WorkflowFuture<Little, BoxFuture<'static, Result<u64>>> {
    let result = if n % 4 == 3 { Err(Error::msg(n)) } else { Ok(n) };
    WorkflowFuture::new(async move { result }.boxed())
}

pub(in crate::turn::fuzz) struct Little;

impl WorkflowSpec for Little {
    const NAME: &'static str = "little";
    type Input = u64;
    type Output = u64;
    type Error = Error;

    fn needs(_: &mut Needs) {}

    fn run(_: &States, n: u64) -> BoxFuture<'static, Result<u64>> {
        little(n).into_inner()
    }
}

#[track_caller]
fn c(n: u64) -> Child<u64, Error> {
    child(little, n)
}

programs! {
    children_beside_steps(trace) * 2 {
        let mut seen = Vec::new();
        for round in 0..4_u64 {
            let children = join_all((0..3).map(|n| c(round * 3 + n)));
            let (children, step) = tokio::join!(children, s(round));
            seen.extend(children.into_iter().map(|n| n.unwrap_or(99)));
            seen.push(step?);
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }

    children_that_lose_races(trace) * 3 {
        let mut seen = Vec::new();
        for round in 0..6_u64 {
            seen.push(match race(c(round), race(s(round), next("s0"))).await {
                Either::Left(n) => n.unwrap_or(99),
                Either::Right(Either::Left(n)) => 100 + n?,
                Either::Right(Either::Right(n)) => 1_000 + n.unwrap_or(0),
            });
            trace.note(format!("{seen:?}"));
        }
        seen.push(c(40).await.unwrap_or(0));
        Ok(seen)
    }

    children_that_are_forgotten(trace) * 2 {
        let mut seen = Vec::new();
        for round in 0..4_u64 {
            let (started, waited) = tokio::join!(c(round).start(), timeout(ms(40), c(round)));
            let id = started.map_or(0, |id| id.as_str().len() as u64);
            seen.extend([id, waited.map_or(77, |n| n.unwrap_or(99))]);
            seen.push(s(round).await?);
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }
}
