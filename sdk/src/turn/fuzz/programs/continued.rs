//! Runs that go on as new runs. Alone, the first of them ends there.

use super::*;

/// How many runs there are.
const RUNS: u32 = 4;

/// Notes what the execution knows of itself.
fn info(trace: &Trace) -> u32 {
    let info = execution_info();
    trace.note(format!("run {}: {} events, {} bytes", info.run, info.events, info.bytes));
    info.run
}

programs! {
    signals_over_runs(trace) * 4 {
        let mut seen = Vec::new();
        for n in 0..2 {
            seen.push(s(n).await?);
            info(&trace);
        }
        seen.push(match race(next("s0"), next("s1")).await {
            Either::Left(n) => n.unwrap_or(0),
            Either::Right(n) => 1_000 + n.unwrap_or(0),
        });
        trace.note(format!("{seen:?} {}", uuid()));
        if info(&trace) < RUNS {
            // With what came meanwhile.
            return continue_as_new(&()).await;
        }
        Ok(seen)
    }

    a_run_that_ends_beside_others(trace) * 4 {
        // A wait, a step and a timer that nobody waits for any more: a signal in hand is kept.
        let waits = async { tokio::join!(next("s2"), next("s2"), next("s2")) };
        let works = async {
            let first = tokio::join!(s(1), s(2), sleep(ms(10)));
            trace.note(format!("{:?}", (first.0.ok(), first.1.ok())));
            if info(&trace) < RUNS {
                return continue_as_new(&()).await;
            }
            Ok::<_, Error>(vec![s(3).await?])
        };
        match race(works, waits).await {
            Either::Left(seen) => seen,
            Either::Right((a, b, c)) if info(&trace) == RUNS => {
                Ok([a, b, c].into_iter().map(|n| n.unwrap_or(0)).collect())
            }
            Either::Right(_) => continue_as_new(&()).await,
        }
    }
}
