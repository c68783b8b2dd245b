//! News for a turn that is under way: at once where its own process receives the wake, at its next
//! look at the inbox otherwise, and never only when it waits.

use std::time::Duration;

use everstep::client::ResultError;
use everstep::event::Event;
use everstep::prelude::*;
use everstep::testing::Env;

/// A body that never lets its turn wait.
#[step]
async fn look_for_a_carrier(_parcel: u32) -> everstep::Result<()> {
    std::thread::sleep(Duration::from_millis(20));
    Ok(())
}

#[workflow]
async fn look_once() -> everstep::Result<()> {
    look_for_a_carrier(1).await
}

#[workflow]
async fn look_on_and_on() -> everstep::Result<()> {
    publish("looking");
    for parcel in 0..10_000 {
        look_for_a_carrier(parcel).await?;
    }
    Ok(())
}

#[test]
fn a_cancel_that_this_process_hears_of_does_not_wait_for_the_next_look() {
    let env = Env::new(App::new().workflow(look_once));
    env.mock_async(look_for_a_carrier, async |_| {
        tokio::time::sleep(hours(1)).await;
        Ok(())
    });
    let work = env.start(look_once, ());
    work.cancel_after(seconds(11), "enough");
    work.result().unwrap_err();
    let events = work.events();
    let after = events[events.len() - 1].at().since(events[0].at());
    assert!(after < seconds(12), "{after:?}");
}

/// And it shows what it has to show.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_never_waits_looks_at_its_inbox_all_the_same() {
    let backend = Backend::memory();
    let client = Client::new(&backend);
    let work = client.start(look_on_and_on, ()).await.unwrap();
    let (begun, begins) = tokio::sync::watch::channel(());
    let app = App::new().workflow(look_on_and_on).backend(backend).observe(move |_, event| {
        if event.kind() == "StepCompleted" {
            begun.send_replace(());
        }
    });
    let cancelled = async {
        let mut begins = begins;
        begins.changed().await.unwrap();
        while work.view::<String>().await.unwrap().is_none() {
            begins.changed().await.unwrap();
        }
        work.cancel("enough").await.unwrap();
        work.result().await
    };
    let result = app.worker().await.unwrap().run_until(cancelled).await.unwrap();
    assert!(matches!(result, Err(ResultError::Cancelled { .. })), "{result:?}");
    let commits = client.history(work.id()).await.unwrap();
    let kinds: Vec<_> = commits.iter().flat_map(|commit| &commit.events).map(Event::kind).collect();
    let last = ["CancelRequested", "WorkflowCancelled"];
    assert_eq!(kinds.last_chunk(), Some(&last), "no step starts once the cancel is known");
}
