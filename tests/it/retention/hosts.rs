//! Hosts that delete by themselves.

use everstep::host::{AppError, InvalidRetention, Retention};
use everstep::store::Status;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_worker_deletes_what_its_app_no_longer_keeps() {
    let place = Place::new();
    let id = place.ended("order-7", 1_000).await;
    let gone = async {
        while !place.is_gone(&id).await {
            pass_by(minutes(1)).await;
        }
        place.clock.now().since(BEGINNING)
    };
    let after = place.host(app(), gone).await;
    // A day after its end, and two passes.
    assert!(after >= days(1) && after < days(1) + minutes(30), "{after:?}");
    assert_eq!(place.archive.objects().len(), 1);
}

#[workflow]
async fn quick(number: u32) -> everstep::Result<u32> {
    Ok(number)
}

/// What is more than one pass deletes does not wait until a worker looks again.
#[tokio::test(start_paused = true)]
async fn a_worker_goes_on_as_long_as_there_is_more_to_delete() {
    const COUNT: usize = 1_050;
    let place = Place::bare();
    let client = place.client();
    for number in 0..COUNT {
        client.start(quick, 1).id(format!("quick-{number}")).await.unwrap();
    }
    let app = || App::new().workflow(quick).retention(days(1));
    let kept = async || {
        let before = place.clock.now().after(days(2));
        place.store.expired(Timestamp(0), before, 2 * COUNT).await.unwrap().len()
    };
    let closed = async {
        while kept().await < COUNT {
            pass_by(seconds(1)).await;
        }
    };
    place.host(app(), closed).await;
    pass_by(days(2)).await;
    let began = place.clock.now();
    let gone = async {
        while kept().await > 0 {
            pass_by(seconds(1)).await;
        }
        place.clock.now().since(began)
    };
    let took = place.host(app(), gone).await;
    assert!(took < minutes(5), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_of_an_app_that_keeps_everything_does_not_even_look() {
    let place = Place::new();
    let id = place.ended("order-7", 1).await;
    place.faults.take_counts();
    let app = App::new().workflow(order).retention(Retention::Forever);
    place.host(app, pass_by(hours(2))).await;
    assert_eq!(place.faults.take_counts().of("expired"), 0);
    assert!(place.client().describe(&id).await.is_ok());
}

/// Whoever writes its record last: the host that ended it, one that finds it ended, one that ended it
/// without its code.
#[tokio::test(start_paused = true)]
async fn every_end_is_dated() {
    let place = Place::bare();
    let client = place.client();
    for (id, end) in [("cancelled", Status::Cancelled), ("terminated", Status::Terminated)] {
        let handle = client.start(waits, ()).id(id).await.unwrap();
        match end {
            Status::Cancelled => drop(handle.cancel("enough").await.unwrap()),
            _ => handle.terminate("enough").await.unwrap(),
        }
        place.until_closed(handle.id()).await;
        let projection = client.describe(handle.id()).await.unwrap().projection;
        assert_eq!(projection.status, end);
        let log = client.history(handle.id()).await.unwrap();
        let ended_at = log.last().unwrap().events.last().unwrap().at();
        assert_eq!(projection.wake_at, Some(ended_at.after(days(1))));
    }
}

#[tokio::test]
async fn a_retention_of_less_than_an_hour_is_refused() {
    for app in [
        App::new().workflow(order).retention(minutes(59)),
        App::new().workflow(order).retention_of(order, seconds(0)),
    ] {
        let refused = app.backend(Backend::memory()).worker().await.unwrap_err();
        let AppError::Retention(InvalidRetention::TooShort(_)) = refused else {
            panic!("{refused}")
        };
    }
    let hour = App::new().workflow(order).retention(hours(1)).backend(Backend::memory());
    assert!(hour.worker().await.is_ok());
}
