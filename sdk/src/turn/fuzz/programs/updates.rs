//! Updates and their answers.

use super::*;

programs! {
    answers_between_steps(trace) * 3 {
        let mut asked = updates::<u64, u64>("u0");
        let mut seen = Vec::new();
        for round in 0..6_u64 {
            match race(asked.next(), s(round)).await {
                Either::Left(update) => {
                    let n = *update.request();
                    seen.push(n);
                    match n % 4 {
                        0 => update.reject("no"),
                        1 => drop(update),
                        2 => {
                            // Answered only after a step, perhaps by another host.
                            let got = s(n).await?;
                            update.reply(&got);
                        }
                        _ => update.reply(&n),
                    }
                }
                Either::Right(n) => seen.push(1_000 + n?),
            }
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }

    requests_that_are_none(trace) * 3 {
        let mut seen = Vec::new();
        for _ in 0..3 {
            // No number is a text: the library answers all of them, for ever.
            let refused = timeout(ms(120), update::<String, u64>("u1")).await;
            seen.push(u64::from(refused.is_ok()));
            let update = update::<u64, u64>("u2").await;
            seen.push(*update.request());
            update.answer(if seen.len() % 2 == 0 { Ok(1) } else { Err(2) });
            trace.note(format!("{seen:?}"));
        }
        Ok(seen)
    }

    updates_held_by_branches(trace) * 3 {
        let branch = |n: u64| {
            let trace = &trace;
            async move {
                let update = update::<u64, u64>(if n.is_multiple_of(2) { "u0" } else { "u1" }).await;
                let got = timeout(ms(20 * n), s(*update.request())).await;
                trace.note(format!("{n} {}", update.request()));
                if got.is_ok() { update.reply(&n); }
                n
            }
        };
        // Two of them are dropped where they stand, one with an update in hand perhaps.
        let first = race(branch(0), branch(1)).await;
        let both = tokio::join!(branch(2), branch(3), branch(4));
        trace.note(format!("{first:?} {both:?}"));
        Ok(vec![s(7).await?])
    }

    views_between_everything(trace) * 3 {
        let branch = |n: u64| {
            let trace = &trace;
            async move {
                let got = s(n).await.unwrap();
                // Every other time it is shown already, and nothing is written.
                publish(&(got / 2));
                set_tag("half", (got / 2).to_string());
                let update = update::<u64, u64>("u0").await;
                publish(update.request());
                update.reply(&got);
                trace.note(format!("{n}"));
                n
            }
        };
        let (a, b, c) = tokio::join!(branch(0), branch(1), branch(2));
        publish("all");
        publish("all");
        set_tag("stage", "all");
        set_tag("stage", "all");
        Ok(vec![a, b, c, s(9).await?])
    }
}
