//! Changes: programs that ask which version they are on, and what they were before.

use super::*;

/// A program before a change, and after it.
pub(in super::super) struct Change {
    pub(in super::super) before: Program,
    pub(in super::super) after: Program,
}

/// Those that [`changes`](super::super::changes) deploys while executions are open.
pub(in super::super) const CHANGES: &[Change] = &[
    Change { before: unchanged_chain::PROGRAM, after: changed_in_a_chain::PROGRAM },
    Change { before: unchanged_branches::PROGRAM, after: changed_in_a_branch::PROGRAM },
    Change { before: unchanged_loop::PROGRAM, after: changed_in_a_loop::PROGRAM },
    Change { before: unchanged_wait::PROGRAM, after: changed_behind_a_wait::PROGRAM },
    Change { before: unchanged_chain::PROGRAM, after: changed_before_everything::PROGRAM },
];

programs! {
    versions_everywhere(trace) * 3 {
        let branch = |name: &'static str, n: u64| {
            let trace = &trace;
            async move {
                let mut seen = Vec::new();
                for round in 0..3 {
                    match version(name, 1..=3) {
                        3 => seen.push(s(n + round).await?),
                        other => panic!("{other} of a run that was never on any"),
                    }
                    trace.note(format!("{name} {round}"));
                }
                Ok::<_, Error>(seen)
            }
        };
        let (a, b, c) = tokio::join!(branch("x", 0), branch("y", 10), branch("x", 20));
        let mut all = a?;
        all.extend(b?);
        all.extend(c?);
        // One that nothing follows.
        all.push(version("last", 1..=2).into());
        Ok(all)
    }

    versions_beside_timers_and_signals(trace) * 3 {
        let mut seen = Vec::new();
        for round in 0..5_u64 {
            let waits = async {
                let got = next("s0").await.unwrap_or(0);
                got + u64::from(version(format!("signal {round}"), 1..=2))
            };
            match race(timeout(ms(40), waits), s(round)).await {
                Either::Left(got) => seen.push(1_000 + got.unwrap_or(0)),
                Either::Right(n) => seen.push(n? + u64::from(version("step", 1..=2))),
            }
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }

    #[fixed]
    unchanged_chain(trace) * 1 {
        Ok(vec![chain(&trace, "old", 0, 3).await?, chain(&trace, "old", 10, 3).await?])
    }

    #[fixed]
    changed_in_a_chain(trace) * 1 {
        let first = chain(&trace, "old", 0, 3).await?;
        let second = match version("chain", 1..=2) {
            1 => chain(&trace, "old", 10, 3).await?,
            _ => { sleep(ms(5)).await; chain(&trace, "new", 100, 2).await? }
        };
        Ok(vec![first, second])
    }

    #[fixed]
    changed_before_everything(trace) * 1 {
        if version("all", 1..=2) == 2 {
            return Ok(vec![fails(100).await.unwrap_or(0), s(200).await?]);
        }
        Ok(vec![chain(&trace, "old", 0, 3).await?, chain(&trace, "old", 10, 3).await?])
    }

    unchanged_branches(trace) * 2 {
        let left = async { chain(&trace, "left", 0, 4).await };
        let right = async { chain(&trace, "right", 10, 4).await };
        let (left, right) = tokio::join!(left, right);
        Ok(vec![left?, right?])
    }

    changed_in_a_branch(trace) * 2 {
        let left = async {
            let half = chain(&trace, "left", 0, 2).await?;
            Ok::<_, Error>(half + match version("left", 1..=2) {
                1 => chain(&trace, "left", 2, 2).await?,
                _ => fails(50).await.unwrap_or(0),
            })
        };
        let right = async { chain(&trace, "right", 10, 4).await };
        let (left, right) = tokio::join!(left, right);
        Ok(vec![left?, right?])
    }

    #[fixed]
    unchanged_loop(trace) * 2 {
        let mut seen = Vec::new();
        for n in 0..6_u64 {
            seen.push(s(n).await?);
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }

    #[fixed]
    changed_in_a_loop(trace) * 2 {
        let mut seen = Vec::new();
        for n in 0..6_u64 {
            match version("loop", 1..=2) {
                1 => seen.push(s(n).await?),
                _ => {
                    seen.push(s(n + 100).await?);
                    seen.push(s(n + 200).await?);
                }
            }
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }

    unchanged_wait(trace) * 2 {
        let mut seen = Vec::new();
        for n in 0..3_u64 {
            seen.push(next("s0").await.unwrap_or(0));
            seen.push(s(n).await?);
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }

    changed_behind_a_wait(trace) * 2 {
        let mut seen = Vec::new();
        for n in 0..3_u64 {
            seen.push(next("s0").await.unwrap_or(0));
            match version(format!("round {n}"), 1..=2) {
                1 => seen.push(s(n).await?),
                _ => {
                    sleep(ms(10)).await;
                    seen.push(s(n).await?);
                }
            }
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }
}
