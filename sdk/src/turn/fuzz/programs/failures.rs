//! Steps that fail, time and chance.

use super::*;

programs! {
    #[fixed]
    try_join_and_errors(trace) * 2 {
        let mut seen = Vec::new();
        for round in 0..4_u64 {
            match try_join_all((round..round + 3).map(fails)).await {
                Ok(all) => seen.extend(all),
                Err(error) => { trace.note(error.to_string()); seen.push(9_999); }
            }
            let tried = tokio::try_join!(fails(round + 1), fails(round + 2), s(round));
            trace.note(format!("{tried:?}"));
        }
        fails(3).await?;
        Ok(seen)
    }

    time_and_chance(trace) * 2 {
        let mut seen = Vec::new();
        for _ in 0..5 {
            let (a, b) = tokio::join!(s(random::<u64>() % 10), sleep(ms(random::<u64>() % 100)));
            let () = b;
            seen.push(a? + now().timestamp_millis().cast_unsigned() + u64::from(uuid().as_fields().0));
            if random() { seen.push(s(42).await?); }
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }

    retries_panics_and_terminal_errors(trace) * 2 {
        let mut seen = Vec::new();
        for round in 0..3_u64 {
            let all = join_all((0..4).map(|n| panics(round + n))).await;
            for (n, got) in all.into_iter().enumerate() {
                trace.note(format!("{n} {got:?}"));
                seen.push(got.unwrap_or(77));
            }
            let (a, b) = tokio::join!(fails(round), timeout(ms(100), panics(round)));
            trace.note(format!("{a:?} {b:?}"));
        }
        Ok(seen)
    }

    attempts_that_run_at_most_once(trace) * 2 {
        let mut seen = Vec::new();
        for round in 0..3_u64 {
            let (a, b, c) = tokio::join!(once(round, 1), once(round + 3, 3), s(round));
            trace.note(format!("{a:?} {b:?} {c:?}"));
            seen.push(a.unwrap_or(100) + b.unwrap_or(200) + c?);
            // One that is given up while it runs.
            if let Either::Left(n) = race(once(round + 1, 2), s(50)).await {
                seen.push(n.unwrap_or(300));
            }
        }
        Ok(seen)
    }
}
