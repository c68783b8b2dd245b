//! Steps with undos, that run, wait, are given up or have failed when it comes to undoing.

use std::panic::Location;

use super::*;
use crate::context::{Args, StepOptions, UndoneBy, call_step, compensate};

/// A step with an undo. Of the steps one in five fails for good, of the undos one in seven.
#[track_caller]
fn u(n: u64) -> StepFuture<u64, Error> {
    let body = async move || {
        bodies::begin().await;
        if n.is_multiple_of(5) { Err(Error::msg(n)) } else { Ok(n) }
    };
    let undo = move || {
        move |result: u64| async move {
            bodies::begin().await;
            assert_eq!(result, n, "it undoes something else");
            if n.is_multiple_of(7) { Err(Error::msg(n)) } else { Ok(()) }
        }
    };
    let options = StepOptions { retry: Some(retries(3)), ..StepOptions::default() };
    let undone_by = UndoneBy::new(undo, Some(retries(2)));
    let record = |args: &mut Args| {
        args.arg("n", &n);
    };
    call_step("u".into(), Location::caller(), options, record, || body, || (), undone_by)
}

fn by_hand(n: u64) {
    let undo = async move || {
        bodies::begin().await;
        Ok::<_, Error>(n)
    };
    compensate("u", undo).retry(retries(2));
}

programs! {
    undo_one_after_the_other(trace) * 2 {
        let mut sum = 0;
        for n in 1..5_u64 {
            sum += u(n).await?;
            by_hand(n);
            sum += s(n).await?;
            trace.note(format!("{n} {sum}"));
        }
        sleep(ms(30)).await;
        u(7).await?;
        u(10).await?;
        Ok(vec![sum])
    }

    undo_branches(trace) * 4 {
        let branch = async |from: u64| -> Result<u64> {
            let mut sum = 0;
            for n in from..from + 4 {
                sum += u(n).await?;
                trace.note(format!("{from} {n}"));
            }
            Ok(sum)
        };
        let (one, two, three) = tokio::join!(branch(1), branch(11), branch(21));
        trace.note(format!("{one:?} {two:?} {three:?}"));
        Err(Error::msg("enough"))
    }

    undo_what_was_given_up(trace) * 4 {
        let mut seen = Vec::new();
        for n in 0..6_u64 {
            let won = match race(u(n * 3 + 1), sleep(ms(20))).await {
                Either::Left(n) => n.unwrap_or(0),
                Either::Right(()) => 100,
            };
            trace.note(format!("{won}"));
            seen.push(won);
        }
        let mut begun = u(2);
        assert!(futures::poll!(&mut begun).is_pending());
        let never = u(3);
        seen.push(s(1).await?);
        drop(begun);
        drop(never);
        let won = race(u(4), next("s0")).await;
        trace.note(format!("{}", matches!(won, Either::Left(_))));
        Err(Error::msg("enough"))
    }

    undo_on_a_signal(trace) * 2 {
        let mut seen = vec![u(1).await?];
        let both = tokio::join!(u(2), next("s1"), s(3));
        trace.note(format!("{:?}", both.1.as_ref().ok()));
        seen.push(both.0?);
        let mut open: FuturesUnordered<_> = (11..16).map(u).collect();
        while let Some(n) = open.next().await {
            seen.push(n.unwrap_or(0));
            trace.note(format!("{:?}", seen.last()));
        }
        Ok(seen)
    }
}
