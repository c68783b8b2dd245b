//! Waits for signals.

use super::*;

programs! {
    races_of_two_signals(trace) * 3 {
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(match race(next("s0"), next("s1")).await {
                Either::Left(n) => n.unwrap_or(0),
                Either::Right(n) => 1_000 + n.unwrap_or(0),
            });
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }

    signals_taken_late(trace) * 2 {
        let mut seen = Vec::new();
        for n in 0..3 { seen.push(s(n).await?); }
        for name in ["s2", "s0", "s0", "s1"] { seen.push(next(name).await.unwrap_or(0)); }
        trace.note(format!("{seen:?}"));
        let (a, b) = tokio::join!(next("s1"), next("s1"));
        assert!(a.as_ref().ok() < b.as_ref().ok(), "served in the order of waiting");
        Ok(seen)
    }

    dropped_signal_waits_give_back(trace) * 3 {
        let mut seen = Vec::new();
        let mut last = 0;
        for round in 0..6_u64 {
            // The wait is dropped by its step, perhaps with a signal in hand.
            let waits = async { tokio::join!(next("s0"), next("s1")) };
            match race(s(round), waits).await {
                Either::Left(n) => seen.push(n?),
                Either::Right((a, b)) => seen.push(a.unwrap_or(0) * 1_000 + b.unwrap_or(0)),
            }
            let in_order = next("s2").await.unwrap_or(0);
            assert!(in_order > last, "a signal came out of order");
            last = in_order;
            trace.note(format!("{seen:?} {in_order}"));
        }
        Ok(seen)
    }

    timers_beside_signals(trace) * 3 {
        let mut seen = Vec::new();
        for round in 0..6_u64 {
            let got = timeout(ms(30 + 10 * round), next("s0")).await;
            let got = got.map_or(0, |got| got.unwrap_or(0));
            let (a, ()) = tokio::join!(timeout(ms(50), next("s1")), sleep(ms(20)));
            seen.push(got * 1_000 + a.map_or(0, |a| a.unwrap_or(0)));
            trace.note(format!("{seen:?}"));
        }
        seen.push(s(1).await?);
        Ok(seen)
    }

    a_wait_that_is_kept_over_a_loop(trace) * 3 {
        let mut waiting = Box::pin(next("s0"));
        let mut seen = Vec::new();
        for round in 0..8_u64 {
            tokio::select! {
                biased;
                n = s(round) => seen.push(n?),
                n = &mut waiting => {
                    seen.push(1_000 + n.unwrap_or(0));
                    waiting = Box::pin(next("s0"));
                }
            }
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }

    streams_of_signals(trace) * 3 {
        let (mut first, mut second) = (signals::<u64>("s0"), signals::<u64>("s1"));
        let mut seen = Vec::new();
        for round in 0..8_u64 {
            tokio::select! {
                biased;
                n = first.next() => seen.push(n.unwrap_or(0)),
                Some(n) = StreamExt::next(&mut second) => seen.push(1_000 + n.unwrap_or(0)),
                n = s(round) => seen.push(n?),
            }
            if round == 4 { second = signals("s1"); }
            trace.note(format!("{seen:?}"));
        }
        drop((first, second));
        let (a, b) = tokio::join!(next("s0"), next("s1"));
        seen.extend([a.unwrap_or(0), b.unwrap_or(0)]);
        assert!(seen.iter().filter(|n| **n > 1_000).is_sorted(), "out of order: {seen:?}");
        Ok(seen)
    }
}
