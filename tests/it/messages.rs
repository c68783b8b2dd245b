//! Messages from clients that die: whatever call one dies at, and however often it begins anew,
//! the execution is started once and gets each message once.

use std::sync::Arc;
use std::time::Duration;

use everstep::client::{PromiseSendError, StartError};
use everstep::event::OperationKey;
use everstep::prelude::*;
use everstep_tests::sim::{Death, Fates, Host, HostOptions, World};

/// Everything that comes within a minute of the last.
#[workflow]
async fn letters(_input: ()) -> everstep::Result<Vec<String>> {
    let mut letters = signals::<String>("letter");
    let mut all = Vec::new();
    while let Ok(letter) = timeout(seconds(60), letters.next()).await {
        all.push(letter?);
    }
    Ok(all)
}

/// A client dies at `death` and another does all of it again; returns how many calls one makes.
async fn clients(
    world: &World,
    app: App,
    death: Option<Death>,
    outside: impl AsyncFn(&Client),
) -> u64 {
    let fates = Fates::good(world, "host0");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let host = Host::start(world, app, backend, &fates, &HostOptions::default());
    for (number, death) in [death, None].into_iter().enumerate() {
        let fates = Fates::dying(world, &format!("client{number}"), death);
        let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
        let client = Client::new(&backend).clock(world.clock.clone());
        fates.run(outside(&client)).await;
    }
    let closed = |record: &everstep::store::Record| record.projection.status.is_closed();
    world.until("e", Duration::from_secs(3_600), closed).await;
    world.until_no_wake_is_left(Duration::from_secs(600)).await;
    world.check_closed("e").await;
    host.kill().await;
    world.calls_of("client1")
}

/// A story in which no client dies, and one for each death in each of the calls that one makes.
fn with_every_death(story: impl Fn(Option<Death>) -> u64) {
    let calls = story(None);
    assert!(calls >= 4, "{calls} calls are too few");
    for at in 0..calls {
        story(Some(Death { at, after: false }));
        story(Some(Death { at, after: true }));
    }
}

fn in_virtual_time<T>(story: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(story)
}

/// G8
#[test]
fn a_client_that_dies_in_a_start_with_signals_loses_and_doubles_none() {
    let story = |death: Option<Death>| {
        in_virtual_time(async {
            let world = World::new();
            let app = App::new().workflow(letters);
            let calls = clients(&world, app, death, async |client| {
                // The second is a start of what is there.
                for letter in ["one", "two"] {
                    let start = client.start(letters, ()).id("e");
                    match start.signal("letter", letter).signal_id(letter).await {
                        Ok(_) | Err(StartError::Send { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            let calls = calls.await;
            let handle = world.client().start(letters, ()).id("e").await.unwrap();
            assert_eq!(handle.result().await.unwrap(), ["one", "two"], "{death:?}");
            calls
        })
    };
    with_every_death(story);
}

/// Answers with the double, and then waits for what is promised.
#[workflow]
async fn asked(_input: ()) -> everstep::Result<(u64, u64)> {
    let promised = promise::<u64>("promised");
    let asked = update::<u64, u64>("ask").await;
    let double = *asked.request() * 2;
    asked.reply(&double);
    Ok((double, promised.await?))
}

async fn asks_and_keeps_a_promise(client: &Client) {
    let handle = client.start(asked, ()).id("e").await.unwrap();
    let ask = handle.update::<u64>("ask", &4).id("ask").wait(Duration::from_secs(3_600));
    assert_eq!(ask.await.unwrap(), 8);
    let key = OperationKey { name: "promised".into(), count: 1 };
    let token = PromiseToken::new(handle.id().clone(), 1, key);
    match client.promise(&token).complete(&7).await {
        // What the dead client sent may end the run while this one looks.
        Ok(_) | Err(PromiseSendError::RunEnded { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_client_that_dies_in_an_update_or_with_a_result_in_its_hands_loses_and_doubles_none() {
    let story = |death: Option<Death>| {
        in_virtual_time(async {
            let world = World::new();
            let app = App::new().workflow(asked);
            let calls = clients(&world, app, death, asks_and_keeps_a_promise).await;
            let handle = world.client().start(asked, ()).id("e").await.unwrap();
            assert_eq!(handle.result().await.unwrap(), (8, 7), "{death:?}");
            let log = world.log("e").await;
            for kind in ["UpdateReceived", "UpdateReplied", "PromiseCreated", "PromiseResolved"] {
                let events = log.iter().flat_map(|commit| &commit.events);
                assert_eq!(events.filter(|it| it.kind() == kind).count(), 1, "{kind}: {death:?}");
            }
            calls
        })
    };
    with_every_death(story);
}
