//! Races: the recorded winner wins in every replay, and the loser changes nothing (M4).

use std::time::Duration;

use everstep::prelude::*;
use everstep::store::Status;
use everstep::time::{Clock, Timestamp};

#[step]
async fn one() -> everstep::Result<u32> {
    Ok(1)
}

#[workflow]
async fn races(_input: ()) -> everstep::Result<Vec<String>> {
    let mut won = Vec::new();
    won.push(match race(one(), sleep(hours(1))).await {
        Either::Left(n) => format!("step {}", n?),
        Either::Right(()) => "timer".into(),
    });
    won.push(match race(signal::<u32>("never"), sleep(seconds(5))).await {
        Either::Left(n) => format!("signal {}", n?),
        Either::Right(()) => "timer".into(),
    });
    won.push(match race(signal::<u32>("a"), signal::<u32>("b")).await {
        Either::Left(n) => format!("a {}", n?),
        Either::Right(n) => format!("b {}", n?),
    });
    // What comes for the loser is there for the next wait.
    sleep(seconds(10)).await;
    won.push(format!("late {}", signal::<u32>("a").await?));
    Ok(won)
}

#[tokio::test(start_paused = true)]
async fn the_winner_of_a_race_wins_in_every_replay_and_the_loser_changes_nothing() {
    let backend = Backend::memory();
    let clock = Clock::virtual_from(Timestamp(1_700_000_000_000));
    let client = Client::new(&backend).clock(clock.clone());
    let handle = client.start(races, ()).await.unwrap();
    handle.signal("b", &2).await.unwrap();
    // Each worker goes on from the log alone.
    for late_signal in [false, true] {
        let app = App::new().workflow(races).backend(backend.clone());
        let worker = app.worker().await.unwrap().clock(clock.clone());
        if late_signal {
            handle.signal("a", &1).await.unwrap();
            let result = worker.run_until(handle.result()).await.unwrap().unwrap();
            assert_eq!(result, ["step 1", "timer", "b 2", "late 1"]);
        } else {
            worker.run_until(tokio::time::sleep(Duration::from_secs(7))).await.unwrap();
            let record = handle.describe().await.unwrap();
            assert_eq!(record.projection.status, Status::Suspended);
        }
    }
}
