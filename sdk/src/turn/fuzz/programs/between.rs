//! Branches that talk to each other, and futures that several wait for.

use super::*;

programs! {
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

    shared_timers_and_signals(trace) * 3 {
        let (timer, payload) = (sleep(ms(60)).shared(), next("s0").map(Result::ok).shared());
        let branches = (0..5_u64).map(|n| {
            let (timer, payload, trace) = (timer.clone(), payload.clone(), trace.clone());
            async move {
                if n % 2 == 0 { s(n).await.unwrap(); }
                if n % 3 == 0 { timer.await; }
                let got = payload.await.unwrap_or(0);
                trace.note(format!("{n} {got}"));
                s(n + 10).await
            }
        });
        join_all(branches).await.into_iter().collect()
    }

    barriers_and_read_write_locks(trace) * 3 {
        let (gate, sum) = (Barrier::new(4), RwLock::new(Vec::new()));
        let branches = (0..4_u64).map(|n| {
            let (gate, sum, trace) = (&gate, &sum, &trace);
            async move {
                s(n).await.unwrap();
                if gate.wait().await.is_leader() { trace.note(format!("{n} leads")); }
                let len = { sum.read().await.len() as u64 };
                let got = s(10 * n + len).await.unwrap();
                let mut sum = sum.write().await;
                sum.push(got);
                sum.push(s(100 + n).await.unwrap());
            }
        });
        join_all(branches).await;
        Ok(sum.into_inner())
    }

    more_channels_than_a_task_has_budget_for(trace) * 3 {
        let (sender, mut receiver) = mpsc::unbounded_channel::<u64>();
        let sends = async {
            for round in 0..2_u64 {
                let n = s(round).await.unwrap();
                for k in 0..400 { sender.send(n + k).unwrap(); }
            }
            drop(sender);
        };
        let sends = async move { sends.await; };
        let receives = async {
            let mut sum = 0;
            while let Some(n) = receiver.recv().await { sum += n; }
            trace.note(format!("{sum}"));
            sum
        };
        let other = chain(&trace, "o", 10, 3);
        let ((), sum, other) = tokio::join!(sends, receives, other);
        Ok(vec![sum, other?])
    }
}
