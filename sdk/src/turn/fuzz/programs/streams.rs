//! Whatever ends first comes first.

use super::*;

programs! {
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

    #[fixed]
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
    futures_ordered(trace) * 2 {
        let mut open: FuturesOrdered<_> = (0..6).map(s).collect();
        let mut seen = Vec::new();
        while let Some(n) = open.next().await {
            let n = n?;
            trace.note(format!("{n}"));
            seen.push(n);
            if n < 3 { open.push_back(s(n + 10)); open.push_front(s(n + 20)); }
        }
        Ok(seen)
    }

    for_each_concurrent(trace) * 3 {
        let seen = std::sync::Mutex::new(Vec::new());
        stream::iter(0..12_u64).for_each_concurrent(4, |n| {
            let (seen, trace) = (&seen, &trace);
            async move {
                let got = chain(trace, "each", n * 10, 1 + n % 3).await.unwrap_or(99);
                seen.lock().unwrap().push(got);
            }
        }).await;
        Ok(seen.into_inner().unwrap())
    }

    merged_streams(trace) * 3 {
        let steps = stream::iter(0..5_u64).then(s).map(|n| n.unwrap_or(99));
        let ticks = stream::iter(0..5_u64).then(|n| async move { sleep(ms(30)).await; 100 + n });
        let signals = stream::iter(0..3_u64).then(|_| async { 1_000 + next("s0").await.unwrap_or(0) });
        let merged = stream::select(stream::select(steps, ticks), signals);
        Ok(merged.inspect(|n| trace.note(format!("{n}"))).collect().await)
    }
}
