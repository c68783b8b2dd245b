//! Results that others give, when they like or never.

use super::*;
use crate::context::{Promise, callback, promise};

#[track_caller]
fn given(name: &'static str) -> Promise<u64> {
    promise(name)
}

programs! {
    promises_in_any_order(trace) * 3 {
        let (a, b) = (given("p"), given("p"));
        let n = s(1).await?;
        let (b, a) = (b.await, a.await);
        trace.note(format!("{a:?} {b:?}"));
        Ok(vec![n, a.unwrap_or(50), b.unwrap_or(60)])
    }

    promises_with_limits(trace) * 4 {
        let wait = async |n: u64| {
            let limits = given("p").timeout(ms(90 + n * 20)).heartbeat(ms(40));
            let got = limits.await;
            trace.note(format!("{n} {got:?} at {}", now()));
            s(n).await
        };
        let (a, b) = tokio::join!(wait(0), wait(1));
        Ok(vec![a?, b?])
    }

    promises_that_are_given_up(trace) * 3 {
        let mut kept = given("kept").timeout(ms(500));
        let raced = race(given("raced"), s(1)).await;
        trace.note(format!("{raced:?}"));
        let in_time = timeout(ms(30), &mut kept).await;
        trace.note(format!("{in_time:?}"));
        drop(given("unheard of"));
        let made = given("dropped");
        s(2).await?;
        drop(made);
        if in_time.is_err() {
            let late = kept.await;
            trace.note(format!("late {late:?}"));
        }
        s(3).await.map(|n| vec![n])
    }

    callbacks_beside_steps(trace) * 3 {
        let asked = callback("ask", async move |token: crate::id::PromiseToken| {
            bodies::begin().await;
            if token.key().count == 0 { return Err(Error::msg("no such count")); }
            Ok(())
        }).timeout(ms(200));
        let asked: (std::result::Result<u64, _>, _) = tokio::join!(asked.into_future(), chain(&trace, "b", 0, 3));
        trace.note(format!("{asked:?}"));
        Ok(vec![asked.0.unwrap_or(70), asked.1?])
    }
}
