//! What executions show of themselves: soon after it is in the log, and after the end.

use std::time::Duration;

use everstep::client::{HistoryError, OnConflict, ResultError, ViewError};
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{ALL, Effects, Profile, WARM, check};

/// Ten parts, of which each takes a minute.
#[workflow]
async fn works(State(effects): State<Effects>, parts: u32) -> everstep::Result<u32> {
    for part in 0..parts {
        publish(&format!("{part} of {parts}"));
        let effects = effects.clone();
        step("part", async move || {
            tokio::time::sleep(Duration::from_secs(60)).await;
            effects.note("part");
            Ok::<_, everstep::Error>(())
        })
        .await?;
    }
    publish("done");
    publish("done");
    Ok(parts)
}

#[test]
fn a_view_is_seen_while_its_turn_goes_on_and_stays_after_the_end() {
    // Where hosts live as long as their steps.
    check(
        &[Profile::Warm, Profile::Twice, Profile::Pages, Profile::TwoHosts],
        || App::new().workflow(works),
        async |world| {
            let handle = world.start(works, 3).await;
            assert_eq!(handle.view::<String>().await.unwrap(), None);
            let seen = world.until(async {
                let shows = |text: &'static str| {
                    let is = move |view: &everstep::event::Json| view.as_str().contains(text);
                    let handle = &handle;
                    async move {
                        world
                            .record_is(handle.id(), |record| {
                                record.projection.view.as_ref().is_some_and(is)
                            })
                            .await;
                        world.effects().count("part")
                    }
                };
                [shows("0 of 3").await, shows("1 of 3").await, shows("2 of 3").await]
            });
            assert_eq!(seen.await, [0, 1, 2], "each is seen before its part is done");
            assert_eq!(world.result(&handle).await.unwrap(), 3);
            assert_eq!(handle.view::<String>().await.unwrap().as_deref(), Some("done"));
            assert_eq!(world.number_of(handle.id(), "ViewPublished").await, 4);
            // A run that begins anew has shown nothing yet.
            let client = world.client();
            let again = client.start(works, 0).id(handle.id().clone());
            again.on_conflict(OnConflict::Restart).await.unwrap();
            assert_eq!(handle.view::<String>().await.unwrap(), None);
            world.result(&handle).await.unwrap();
            assert_eq!(handle.view::<String>().await.unwrap().as_deref(), Some("done"));
        },
    );
}

#[workflow]
async fn shows_and_waits(_input: ()) -> everstep::Result<u32> {
    publish(&1);
    let more = signal::<u32>("more").await?;
    publish(&more);
    panic!("after {more}");
}

/// Whoever dies, and where: the record shows what the log does.
#[test]
fn the_record_shows_the_view_of_the_log_whoever_dies() {
    check(
        ALL,
        || App::new().workflow(shows_and_waits),
        async |world| {
            let handle = world.start(shows_and_waits, ()).await;
            world.until(world.status_is(handle.id(), Status::Suspended)).await;
            assert_eq!(handle.view::<u32>().await.unwrap(), Some(1));
            handle.signal("more", &2).await.unwrap();
            world.until(world.status_is(handle.id(), Status::Blocked)).await;
            // What led to the panic is not in the log.
            assert_eq!(handle.view::<u32>().await.unwrap(), Some(1));
            let error = handle.view::<String>().await.unwrap_err();
            assert!(matches!(error, ViewError::Unreadable { .. }), "{error:?}");
        },
    );
}

#[test]
fn a_view_of_nobody_and_a_view_that_is_too_large_are_errors() {
    #[workflow]
    async fn shows_much(bytes: usize) -> everstep::Result<()> {
        publish(&"x".repeat(bytes));
        Ok(())
    }
    check(
        WARM,
        || App::new().workflow(shows_much),
        async |world| {
            let nobody = ExecutionId::new("nobody").unwrap();
            let error = world.client().view::<u32>(&nobody).await.unwrap_err();
            assert!(matches!(error, ViewError::History(HistoryError::Unknown { .. })), "{error:?}");
            let most = everstep::limits::VIEW_BYTES_MAX - 2; // its quotes
            let handle = world.start(shows_much, most).await;
            world.result(&handle).await.unwrap();
            let shown = handle.view::<String>().await.unwrap().unwrap();
            assert_eq!(shown.len(), most);
            let handle = world.start(shows_much, most + 1).await;
            let error = world.result(&handle).await.unwrap_err();
            let ResultError::Blocked { reason } = error else { panic!("{error:?}") };
            assert!(reason.contains("the published view: it has 16385 bytes"), "{reason}");
        },
    );
}
