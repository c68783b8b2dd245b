//! Futures that are polled late, dropped, or lose a race.

use super::*;

programs! {
    biased_select_loop(trace) * 20 {
        let mut seen = Vec::new();
        let mut tick = Box::pin(sleep(ms(40)));
        let mut work = s(0);
        for round in 1..=100_u64 {
            tokio::select! {
                biased;
                () = &mut tick => { seen.push(1_000 + round); tick = Box::pin(sleep(ms(30))); }
                n = &mut work => { seen.push(n?); work = s(round); }
                n = next("s0") => { seen.push(2_000 + n.unwrap_or(0)); }
            }
            trace.note(format!("{round} {:?}", seen.last()));
        }
        Ok(seen)
    }

    #[fixed]
    late_polled_futures(trace) * 1 {
        let (a, b, c) = (s(1), s(2), sleep(ms(500)));
        let first = s(3).await?;
        let b = b.await?;
        trace.note("b");
        let (_, a) = tokio::join!(c, a);
        Ok(vec![first, b, a?])
    }

    dropped_futures(trace) * 2 {
        let (never, later) = (s(1), s(2));
        drop(never);
        let mut begun = s(3);
        assert!(futures::poll!(&mut begun).is_pending());
        let slow = Box::pin(sleep(ms(5_000)));
        let got = match race(later, slow).await { Either::Left(n) => n?, Either::Right(()) => 77 };
        trace.note(format!("{got}"));
        drop(begun);
        let mut open: FuturesUnordered<_> = (10..16).map(s).collect();
        let first = open.next().await.unwrap()?;
        drop(open);
        Ok(vec![got, first, s(20).await?])
    }

    races_of_step_timer_and_signal(trace) * 3 {
        let mut seen = Vec::new();
        for round in 0..8_u64 {
            let won = match race(race(s(round), sleep(ms(60))), next("s1")).await {
                Either::Left(Either::Left(n)) => n?,
                Either::Left(Either::Right(())) => 100,
                Either::Right(n) => 1_000 + n.unwrap_or(0),
            };
            trace.note(format!("{won}"));
            seen.push(won);
        }
        Ok(seen)
    }

    timeouts_around_several_operations(trace) * 3 {
        let mut seen = Vec::new();
        for round in 0..5_u64 {
            let several = async {
                let (a, b) = tokio::join!(s(round), fails(round));
                sleep(ms(20)).await;
                a.unwrap_or(1) + b.unwrap_or(2) + next("s2").await.unwrap_or(3)
            };
            seen.push(timeout(ms(120), several).await.unwrap_or(u64::from(u32::MAX)));
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }

    running_steps_are_dropped(trace) * 3 {
        let mut seen = Vec::new();
        for round in 0..6_u64 {
            // Some of these run when the first is done; their results come late, to nobody.
            let others = async { join_all((0..3).map(|n| s(10 * round + n))).await; };
            match race(timeout(ms(40), others), s(round)).await {
                Either::Left(Ok(())) => seen.push(100),
                Either::Left(Err(_)) => seen.push(200),
                Either::Right(n) => seen.push(n?),
            }
            trace.note(format!("{seen:?}"));
        }
        seen.push(s(99).await?);
        Ok(seen)
    }

    futures_that_move_between_combinators(trace) * 2 {
        let (mut work, mut tick) = (Box::pin(chain(&trace, "w", 0, 4)), Box::pin(sleep(ms(70))));
        let mut seen = Vec::new();
        for n in 0..3_u64 {
            tokio::select! {
                biased;
                got = s(n) => seen.push(got?),
                () = &mut tick => { seen.push(777); tick = Box::pin(sleep(ms(50))); }
            }
            // Polled by one, then by the other, and by nobody in between.
            if n == 1 { let _ = futures::poll!(&mut work); }
        }
        let (sum, ()) = futures::future::join(work, tick).await;
        seen.push(sum?);
        Ok(seen)
    }

    branches_aborted_by_others(trace) * 2 {
        let (work, abort) = futures::future::abortable(chain(&trace, "w", 0, 6));
        let stopper = async {
            let n = s(50).await?;
            sleep(ms(60)).await;
            trace.note("abort");
            abort.abort();
            Result::<u64>::Ok(n)
        };
        let (work, n) = tokio::join!(work, stopper);
        Ok(vec![n?, work.unwrap_or(Ok(1_000))?])
    }

    destructors_that_wake_others(trace) * 2 {
        let (sender, mut receiver) = mpsc::unbounded_channel::<u64>();
        struct Tell(mpsc::UnboundedSender<u64>, u64);
        impl Drop for Tell {
            fn drop(&mut self) { let _ = self.0.send(self.1); }
        }
        let work = async {
            for n in 0..4_u64 {
                let tell = Tell(sender.clone(), n);
                let _ = race(async { let _tell = tell; chain(&trace, "w", n, 2).await }, s(10 + n)).await;
            }
            drop(sender);
        };
        let listen = async {
            let mut seen = Vec::new();
            while let Some(n) = receiver.recv().await {
                trace.note(format!("told {n}"));
                seen.push(s(20 + n).await.unwrap());
            }
            seen
        };
        // `work` owns the last sender but one.
        let work = async move { work.await; };
        let ((), seen) = tokio::join!(work, listen);
        Ok(seen)
    }
}
