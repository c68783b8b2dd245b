//! Items under a limit, the first that succeeds, and conditions that come true.

use super::*;
use crate::context::{Outcome, first_ok, map, poll_until};

/// What became of an item, as a number.
fn told(outcome: &Outcome<u64, Error>) -> u64 {
    match outcome {
        Outcome::Succeeded(n) => *n,
        Outcome::Failed(_) => 1_000,
        Outcome::Dropped => 2_000,
        Outcome::NotStarted => 3_000,
    }
}

programs! {
    a_map_in_order(trace) * 3 {
        let all = map(0..9, async |n| chain(&trace, "", n * 10, 1 + n % 3).await);
        let all = all.concurrency(3).await;
        let sums = (0..9).map(|n| (0..1 + n % 3).map(|k| n * 10 + k).sum::<u64>());
        assert!(all.as_ref().is_ok_and(|all| all.iter().copied().eq(sums)), "{all:?}");
        all
    }

    a_map_seen_from_inside(trace) * 3 {
        let at_once = std::sync::Mutex::new(0_u64);
        let change = |by: i64| {
            let mut at_once = at_once.lock().unwrap();
            *at_once = at_once.checked_add_signed(by).unwrap();
            assert!(*at_once <= 4);
        };
        map(0..14, async |n| {
            change(1);
            trace.note(format!("begins {n}"));
            if n % 3 == 0 { sleep(ms(n * 5)).await; }
            let got = s(n).await;
            trace.note(format!("ends {n}"));
            change(-1);
            got
        }).concurrency(4).await
    }

    a_map_that_fails_fast(trace) * 2 {
        let all = map(1..12, async |n| { trace.note(format!("{n}")); fails(n).await });
        match all.concurrency(2).await {
            Ok(all) => Ok(all),
            Err(error) => { trace.note(format!("{error}")); s(1_000).await.map(|n| vec![n]) }
        }
    }

    a_map_that_tolerates_some(trace) * 3 {
        let each = map(0..10, |n| { trace.note(format!("{n}")); fails(n) }).concurrency(3).tolerate(2).await;
        let (worked, outcomes) = match each {
            Ok(outcomes) => (0, outcomes),
            Err(too_many) => { assert_eq!(too_many.outcomes.failed(), 3); (1, too_many.outcomes) }
        };
        let mut told: Vec<u64> = outcomes.iter().map(told).collect();
        trace.note(format!("{told:?}"));
        told.push(s(worked).await?);
        Ok(told)
    }

    a_map_that_stops_when_it_has_enough(trace) * 3 {
        let each = map(0..12, async |n| chain(&trace, "", n, 1 + n % 2).await);
        let each = each.concurrency(5).stop_after(4).await;
        let outcomes = each.map_err(|too_many| Error::msg(too_many.outcomes.failed()))?;
        assert_eq!(outcomes.succeeded(), 4);
        assert_eq!(outcomes.not_started() + outcomes.iter().filter(|o| matches!(o, Outcome::Dropped)).count(), 8);
        let mut told: Vec<u64> = outcomes.iter().map(told).collect();
        trace.note(format!("{told:?}"));
        told.push(s(100).await?);
        Ok(told)
    }

    maps_in_a_map(trace) * 4 {
        let rows = map(0..4_u64, async |row| {
            let cells = map(0..3_u64, |cell| s(row * 10 + cell)).concurrency(2).await?;
            trace.note(format!("row {row}"));
            s(cells.iter().sum::<u64>() + 100).await
        });
        rows.concurrency(2).await
    }

    the_first_that_succeeds(trace) * 2 {
        let mut seen = Vec::new();
        for round in 0..4_u64 {
            let first = first_ok((round..round + 3).map(|n| {
                let trace = trace.clone();
                async move { let got = fails(n).await; trace.note(format!("{n} {got:?}")); got }
            })).await;
            seen.push(s(first.unwrap_or(50)).await?);
        }
        let none = first_ok([fails(0), fails(3)]).await.unwrap_err();
        seen.push(none.errors.len() as u64);
        seen.push(first_ok(std::iter::empty::<StepFuture<u64, Error>>()).await.unwrap_err().errors.len() as u64);
        Ok(seen)
    }

    conditions_that_come_true(trace) * 4 {
        let poll = async |from: u64| {
            let mut n = from;
            let done = poll_until(|| { n += 1; s(n) }, |n| n.is_multiple_of(3))
                .every(ms(20)).growing_to(ms(100)).await;
            trace.note(format!("{from} {done:?}"));
            done.unwrap_or(99)
        };
        let (a, b) = tokio::join!(poll(0), poll(4));
        Ok(vec![a, b])
    }

    conditions_that_do_not(trace) * 4 {
        let late = poll_until(|| s(1), |n| *n > 1).every(ms(30)).for_at_most(ms(70)).await;
        trace.note(format!("{late:?}"));
        let failed = poll_until(|| fails(3), |_| true).await;
        trace.note(format!("{failed:?}"));
        s(2).await.map(|n| vec![n])
    }
}
