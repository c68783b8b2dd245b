//! Workflows that use everything that could go differently on replay.

use std::future::Future;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, select_all, try_join_all};
use futures::stream::{self, FuturesUnordered, StreamExt};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot, watch};

use super::driver::Trace;
use super::fuzz;
use crate::context::{
    Either, Signal, StepFuture, WorkflowEnd, join_all, now, race, random, signal, sleep, step,
    timeout, uuid,
};
use crate::error::{Error, Result};
use crate::event::Json;
use crate::retry::Retry;

pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) make: fn(Trace) -> BoxFuture<'static, WorkflowEnd>,
    /// Whether its trace is the same in whatever order things end.
    pub(super) fixed: bool,
}

/// A step that returns `n`.
#[track_caller]
fn s(n: u64) -> StepFuture<u64, Error> {
    step("s", async move || Ok::<_, Error>(n)).input("n", &n).into_future()
}

/// A step that fails for one in three.
#[track_caller]
fn fails(n: u64) -> StepFuture<u64, Error> {
    let body = async move || if n.is_multiple_of(3) { Err(Error::msg(n)) } else { Ok(n) };
    step("fails", body).retry(Retry::new().max_attempts(2)).input("n", &n).into_future()
}

#[track_caller]
fn next(name: &'static str) -> Signal<u64> {
    signal(name)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Each is a test of its own. The number says how many times as long as a short one it takes.
macro_rules! programs {
    ($($(#[$fixed:ident])? $name:ident($trace:ident) * $cost:literal $body:block)*) => {$(
        #[test]
        fn $name() {
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
            let fixed = concat!($(stringify!($fixed))?) == "fixed";
            fuzz(&Program { name: stringify!($name), make, fixed }, $cost);
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

programs! {
    #[fixed]
    sequence(trace) * 1 {
        Ok(vec![chain(&trace, "a", 0, 5).await?])
    }

    helper_branches_under_join(trace) * 1 {
        let (a, b, c) = tokio::join!(
            chain(&trace, "a", 0, 4),
            chain(&trace, "b", 10, 3),
            chain(&trace, "c", 20, 5)
        );
        Ok(vec![a?, b?, c?])
    }

    join_rotates_its_children(trace) * 1 {
        let mut order = Vec::new();
        let seen = std::sync::Mutex::new(&mut order);
        let look = |n: u64| { seen.lock().unwrap().push(n); };
        let a = async { for n in 0..3 { look(n); s(n).await?; } Result::<()>::Ok(()) };
        let b = async { for n in 10..13 { look(n); s(n).await?; } Result::<()>::Ok(()) };
        let c = async { sleep(ms(100)).await; look(20); s(20).await.map(drop) };
        let _ = tokio::join!(a, b, c);
        trace.note(format!("{order:?}"));
        Ok(order)
    }

    alternating_polls(trace) * 1 {
        let sum = alternately(&trace, chain(&trace, "l", 0, 3), chain(&trace, "r", 5, 4)).await?;
        Ok(vec![sum])
    }

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
    join_all_over_a_growing_list(trace) * 4 {
        let mut list = vec![1_u64];
        for round in 0..4 {
            list = join_all(list.into_iter().flat_map(|n| [s(n * 2), s(n * 2 + 1)]))
                .await.into_iter().collect::<Result<_>>()?;
            trace.note(format!("{round} {list:?}"));
            assert!(list.is_sorted());
        }
        Ok(list)
    }

    join_all_of_many(trace) * 6 {
        let branches = (0..40_u64).map(|n| {
            let trace = trace.clone();
            async move { let got = s(n).await; trace.note(format!("got {n}")); got }
        });
        let all: Result<Vec<u64>> = join_all(branches).await.into_iter().collect();
        let all = all?;
        assert!(all.is_sorted());
        Ok(all)
    }

    futures_unordered(trace) * 2 {
        let mut open: FuturesUnordered<_> = (0..5).map(s).collect();
        let mut seen = Vec::new();
        while let Some(n) = open.next().await {
            let n = n?;
            trace.note(format!("{n}"));
            seen.push(n);
            if n < 10 {
                open.push(s(n + 10));
            }
        }
        Ok(seen)
    }

    unordered_chains(trace) * 3 {
        let mut open: FuturesUnordered<_> =
            (0..4).map(|n| chain(&trace, "c", n * 10, 1 + n)).collect();
        let mut seen = Vec::new();
        while let Some(sum) = open.next().await { seen.push(sum?); }
        Ok(seen)
    }

    buffer_unordered(trace) * 3 {
        let seen: Vec<Result<u64>> = stream::iter(0..12).map(s).buffer_unordered(3).collect().await;
        trace.note(format!("{seen:?}"));
        seen.into_iter().collect()
    }

    buffered_streams(trace) * 3 {
        let seen: Vec<u64> = stream::iter(0..10)
            .map(|n| async move { sleep(ms(n * 13 % 7 * 10)).await; s(n).await.unwrap_or(99) })
            .buffered(4)
            .inspect(|n| trace.note(format!("{n}")))
            .collect().await;
        assert!(seen.is_sorted());
        Ok(seen)
    }

    #[fixed]
    a_stream_that_unfolds(trace) * 2 {
        let unfolded = stream::unfold(1_u64, |n| async move {
            if n > 60 { return None; }
            let (a, b) = tokio::join!(s(n), s(n + 1));
            Some((a.ok()?, n + b.ok()?))
        });
        let seen: Vec<u64> = unfolded.collect().await;
        trace.note(format!("{seen:?}"));
        Ok(seen)
    }

    shared_steps(trace) * 2 {
        let shared = s(7).shared();
        let branches = (0..4_u64).map(|n| {
            let (shared, trace) = (shared.clone(), trace.clone());
            async move {
                if n % 2 == 1 { s(n).await?; }
                let got = shared.await?;
                trace.note(format!("{n}"));
                s(got + n).await
            }
        });
        join_all(branches).await.into_iter().collect()
    }

    semaphores_between_branches(trace) * 3 {
        let permits = Semaphore::new(2);
        let branches = (0..7_u64).map(|n| {
            let (permits, trace) = (&permits, &trace);
            async move {
                let _permit = permits.acquire().await.unwrap();
                trace.note(format!("in {n}"));
                let got = s(n).await;
                trace.note(format!("out {n}"));
                got
            }
        });
        join_all(branches).await.into_iter().collect()
    }

    mutexes_between_branches(trace) * 2 {
        let order = Mutex::new(Vec::new());
        let branch = |n: u64| { let order = &order; async move {
            s(n).await.unwrap();
            let mut order = order.lock().await;
            order.push(n);
            order.push(s(n + 50).await.unwrap());
        }};
        tokio::join!(branch(0), branch(1), branch(2), branch(3));
        trace.note("all");
        Ok(order.into_inner())
    }

    channels_between_branches(trace) * 3 {
        let (sender, mut receiver) = mpsc::channel::<u64>(2);
        let produce = |from: u64| { let sender = sender.clone(); async move {
            for n in from..from + 4 { sender.send(s(n).await.unwrap()).await.unwrap(); }
        }};
        let producers = async { tokio::join!(produce(0), produce(10), produce(20)); };
        let producers = async move { producers.await; };
        let consume = async {
            let mut seen = Vec::new();
            while seen.len() < 12 {
                let n = receiver.recv().await.unwrap();
                trace.note(format!("{n}"));
                seen.push(s(n + 100).await.unwrap());
            }
            seen
        };
        let ((), seen) = tokio::join!(producers, consume);
        Ok(seen)
    }

    oneshots_notifies_and_watches(trace) * 2 {
        let (sender, receiver) = oneshot::channel::<u64>();
        let (shown, mut seen) = watch::channel(0_u64);
        let notify = Notify::new();
        let a = async { let n = s(1).await.unwrap(); sender.send(n).unwrap(); s(2).await.unwrap(); notify.notify_one(); };
        let b = async { let n = receiver.await.unwrap(); shown.send(n + s(3).await.unwrap()).unwrap(); n };
        let c = async { notify.notified().await; trace.note("notified"); s(4).await.unwrap() };
        let d = async { seen.changed().await.unwrap(); let n = *seen.borrow(); trace.note("changed"); s(n).await.unwrap() };
        let ((), b, c, d) = tokio::join!(a, b, c, d);
        Ok(vec![b, c, d])
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

    #[fixed]
    recursion(trace) * 6 {
        let got = fib(5).await?;
        assert_eq!(got, 5);
        trace.note("done");
        Ok(vec![got])
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

    nested_joins(trace) * 3 {
        let pair = |n: u64| { let trace = &trace; async move {
            let (a, b) = tokio::join!(s(n), chain(trace, "p", n * 10, 2));
            Ok::<u64, Error>(a? + b?)
        }};
        let ((a, b), c) = tokio::join!(
            async { tokio::join!(pair(1), pair(2)) },
            join_all([pair(3), pair(4), pair(5)])
        );
        let mut all = vec![a?, b?];
        for n in c { all.push(n?); }
        Ok(all)
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

    select_all_and_keep_the_rest(trace) * 3 {
        let mut open: Vec<StepFuture<u64, Error>> = (0..7).map(s).collect();
        let mut seen = Vec::new();
        while !open.is_empty() {
            let (n, index, rest) = select_all(open).await;
            trace.note(format!("{index}"));
            seen.push(n?);
            open = rest;
            if seen.len() == 3 { open.push(s(50)); }
        }
        Ok(seen)
    }

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
}
