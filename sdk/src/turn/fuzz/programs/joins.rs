//! Branches that are waited for together.

use super::*;

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

    #[fixed]
    recursion(trace) * 6 {
        let got = fib(5).await?;
        assert_eq!(got, 5);
        trace.note("done");
        Ok(vec![got])
    }

    futures_join_all_and_try_join_all(trace) * 3 {
        let mut seen = Vec::new();
        for round in 0..3_u64 {
            let few = futures::future::join_all((0..4).map(|n| chain(&trace, "few", n * 10, 1 + n % 2)));
            let many = futures::future::join_all((0..35).map(|n| s(100 + n)));
            let (few, many) = tokio::join!(few, many);
            for n in few.into_iter().chain(many) { seen.push(n?); }
            seen.extend(try_join_all((0..3).map(|n| s(n + round))).await?);
            trace.note(format!("{round}"));
        }
        Ok(seen)
    }

    branches_that_make_branches(trace) * 3 {
        fn grow(trace: &Trace, depth: u64, n: u64) -> BoxFuture<'_, Result<u64>> {
            async move {
                let width = s(n).await? % 3 + 1;
                trace.note(format!("{depth} {n}"));
                if depth == 0 { return Ok(1); }
                let all = join_all((0..width).map(|k| grow(trace, depth - 1, n * 3 + k))).await;
                let mut sum = 0;
                for n in all { sum += n?; }
                Ok(sum)
            }
            .boxed()
        }
        Ok(vec![grow(&trace, 3, 1).await?])
    }
}
