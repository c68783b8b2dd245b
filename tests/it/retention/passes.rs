//! What a pass deletes, what it leaves, and what it costs.

use everstep::client::DeleteError;
use everstep::host::Retention;
use everstep::payload::{Encryption, LocalKeys, PayloadError};
use everstep::store::{Buried, Grave, Projection, Record, Status};
use everstep::testing::faults::Fate;
use everstep::testing::{Recorded, replay};

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_past_its_time_is_archived_and_then_gone_whole() {
    let place = Place::new();
    let id = place.ended("order/7", 10_000).await;
    let client = place.client();
    let exported = place.exported(&id).await;
    assert_eq!(place.blobs_of(&id).await, 1);

    pass_by(hours(23)).await;
    let early = client.delete_expired().await.unwrap();
    assert!(early.deleted.is_empty() && early.kept.is_empty(), "{early:?}");
    assert!(client.describe(&id).await.is_ok());

    pass_by(hours(2)).await;
    let dry = client.delete_expired().dry_run().await.unwrap();
    assert_eq!(dry.deleted.len(), 1);
    assert!(client.describe(&id).await.is_ok() && place.archive.objects().is_empty());

    let pass = client.delete_expired().await.unwrap();
    let (deleted, how) = &pass.deleted[0];
    assert_eq!((pass.deleted.len(), deleted, pass.more), (1, &id, false));
    let objects = place.archive.objects();
    let name = how.archived_as.as_deref().unwrap();
    assert!(name.starts_with("order/2030/01/01/order%2F7.") && name.ends_with(".jsonl"), "{name}");
    let archived = String::from_utf8(objects[name].clone()).unwrap();
    assert_eq!(archived, exported, "the whole history, payloads opened");
    replay(&app(), &Recorded::parse(&archived).unwrap()).unwrap();
    assert!(client.describe(&id).await.is_err(), "its blobs are gone, and it is there for nobody");
    assert_eq!(place.blobs_of(&id).await, 0);

    // Whoever was starting the id at that moment may count on a blob that is gone.
    assert!(!how.is_free);
    pass_by(minutes(7)).await;
    assert_eq!(client.delete_expired().await.unwrap().freed, 1);
    assert!(place.is_gone(&id).await);
    let nothing = client.delete_expired().await.unwrap();
    assert!(nothing.deleted.is_empty() && nothing.freed == 0, "{nothing:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_retention_everything_is_kept_and_a_workflow_may_have_its_own() {
    let place = Place::bare();
    let forever = App::new().workflow(order);
    let own = App::new().workflow(order).retention(days(1)).retention_of(order, days(9));
    let never = App::new().workflow(order).retention(days(1));
    let never = never.retention_of(order, Retention::Forever);
    for (name, app) in [("forever", forever), ("own", own), ("never", never)] {
        let handle = place.client().start(order, 1).id(name).await.unwrap();
        place.host(app, handle.result()).await.unwrap();
    }
    pass_by(days(8)).await;
    let pass = place.client().delete_expired().await.unwrap();
    assert!(pass.deleted.is_empty(), "{pass:?}");
    pass_by(days(2)).await;
    let pass = place.client().delete_expired().await.unwrap();
    let deleted: Vec<_> = pass.deleted.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(deleted, ["own"]);
    pass_by(days(9_000)).await;
    assert!(place.client().delete_expired().await.unwrap().deleted.is_empty());
}

/// Simultaneous passes have the same list: one that began at its head would do what others do.
#[tokio::test(start_paused = true)]
async fn a_pass_begins_anywhere_in_its_list() {
    let place = Place::bare();
    for number in 0..40 {
        place.ended(&format!("order-{number}"), 1).await;
    }
    let client = place.client();
    pass_by(days(2)).await;
    let mut heads = 0;
    for _ in 0..4 {
        let dry = client.delete_expired().limit(10).dry_run().await.unwrap();
        let pass = client.delete_expired().limit(10).await.unwrap();
        assert_eq!((pass.deleted.len(), pass.kept.len()), (10, 0), "{pass:?}");
        heads += usize::from(pass.deleted[0].0 == dry.deleted[0].0);
        pass_by(Duration::from_millis(137)).await;
    }
    assert!(heads < 4, "each began with the oldest");
}

/// However overdue they are.
#[tokio::test(start_paused = true)]
async fn open_and_blocked_executions_are_never_deleted() {
    let place = Place::new();
    let client = place.client();
    let waiting = client.start(waits, ()).id("waiting").await.unwrap();
    let stuck = client.start(broken, ()).id("stuck").await.unwrap();
    let slow = client.start(order, 1).id("slow").await.unwrap();
    let settled = async {
        let status = async |id| client.describe(id).await.unwrap().projection.status;
        while status(stuck.id()).await != Status::Blocked
            || status(waiting.id()).await != Status::Suspended
            || status(slow.id()).await != Status::Suspended
        {
            pass_by(seconds(1)).await;
        }
    };
    place.host(app(), settled).await;
    pass_by(days(400)).await;
    let pass = client.delete_expired().await.unwrap();
    assert!(pass.deleted.is_empty() && pass.kept.is_empty(), "{pass:?}");
    for id in [waiting.id(), stuck.id(), slow.id()] {
        let error = client.delete(id).await.unwrap_err();
        assert!(matches!(error, DeleteError::Open { .. }), "{error}");
        assert!(client.history(id).await.is_ok());
    }
    assert!(place.archive.objects().is_empty());
    assert_eq!(client.sweep(None).await.unwrap(), 1, "the sweeper still finds what is overdue");
    place.host(app(), slow.result()).await.unwrap();
}

/// Whoever is to be told of it is told first.
#[tokio::test(start_paused = true)]
async fn what_is_untold_is_not_deleted() {
    let place = Place::bare();
    let id = place.ended("order-7", 1).await;
    let record = place.store.record(&id).await.unwrap().unwrap();
    let start = place.store.load_all(&id).await.unwrap().unwrap().commits.remove(0);
    let untold = ExecutionId::new("untold").unwrap();
    let projection = Projection { commit: 0, untold: Some(0), ..record.projection.clone() };
    let record = Record { id: untold.clone(), projection, ..record };
    place.store.create(&record, &start).await.unwrap();
    pass_by(days(2)).await;
    let pass = place.client().delete_expired().await.unwrap();
    assert_eq!((pass.deleted.len(), pass.kept.len()), (1, 0), "{pass:?}");
    let error = place.client().delete(&untold).await.unwrap_err();
    assert!(matches!(error, DeleteError::Untold { .. }), "{error}");
    assert_eq!(place.store.record(&untold).await.unwrap(), Some(record));
}

/// A stale list may name what was started again meanwhile.
#[tokio::test(start_paused = true)]
async fn what_starts_again_while_it_is_archived_is_not_deleted() {
    let place = Place::new();
    let id = place.ended("order-7", 10).await;
    pass_by(days(2)).await;
    let restart = place.client();
    // While the pass puts the object into the archive, somebody starts the execution again.
    let (started, starting) = tokio::sync::oneshot::channel();
    let (started, hook) = (std::sync::Mutex::new(Some(started)), "archive.get");
    place.faults.set(move |call| {
        if call.name == hook
            && let Some(started) = started.lock().unwrap().take()
        {
            started.send(()).unwrap();
            return Fate::Slow(seconds(5));
        }
        Fate::Proceed
    });
    let client = place.client();
    let pass = async { client.delete_expired().await.unwrap() };
    let again = async {
        starting.await.unwrap();
        let start = restart.start(order, 10).id("order-7");
        start.on_conflict(OnConflict::Restart).await.unwrap()
    };
    let (pass, handle) = tokio::join!(pass, again);
    assert!(matches!(&pass.kept[..], [(_, DeleteError::Changed { .. })]), "{pass:?}");
    assert_eq!(place.host(app(), handle.result()).await.unwrap().len(), 10);
    assert_eq!(place.client().history(&id).await.unwrap()[0].number, 0, "both runs are there");
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_deleted_does_not_keep_the_others() {
    let place = Place::new();
    let (bad, good) = (place.ended("bad", 1_000).await, place.ended("good", 1_000).await);
    let blob = place.blobs.list(&Folder::of(&bad)).await.unwrap().remove(0);
    let bytes = place.blobs.get(&blob).await.unwrap().unwrap();
    place.blobs.remove(&blob).await.unwrap();
    pass_by(days(2)).await;
    let pass = place.client().delete_expired().await.unwrap();
    assert_eq!(pass.deleted[0].0, good);
    let [(kept, DeleteError::Payloads { source, .. })] = &pass.kept[..] else { panic!("{pass:?}") };
    assert!(*kept == bad && matches!(source, PayloadError::Missing { .. }), "{source}");
    assert!(place.client().history(&bad).await.is_ok());
    // It comes first in each pass, and is not in the way of those after it.
    pass_by(minutes(7)).await;
    assert_eq!(place.client().delete_expired().await.unwrap().freed, 1);
    let later = place.ended("later", 10).await;
    pass_by(days(2)).await;
    let pass = place.client().delete_expired().limit(1).await.unwrap();
    assert_eq!((pass.deleted[0].0.clone(), pass.kept[0].0.clone()), (later, bad.clone()));
    // Somebody has put it back.
    place.blobs.put(&blob, &bytes.into()).await.unwrap();
    assert_eq!(place.client().delete_expired().await.unwrap().deleted[0].0, bad);
}

/// Nobody may have their key any more.
#[tokio::test(start_paused = true)]
async fn however_many_cannot_be_read_with_the_key_the_others_are_deleted() {
    let mut place = Place::new();
    for (key, names) in [(7, 0..40), (8, 40..41)] {
        let payloads = Payloads::of(Arc::new(place.blobs.clone()));
        let payloads = payloads.codec(Encryption::new(LocalKeys::new([key; 32])));
        place.backend = place.backend.with_payloads(payloads);
        for name in names {
            place.ended(&format!("order-{name}"), 1).await;
        }
    }
    pass_by(days(2)).await;
    let pass = place.client().delete_expired().await.unwrap();
    let deleted: Vec<_> = pass.deleted.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!((deleted, pass.kept.len()), (vec!["order-40"], 40), "{pass:?}");
}

/// They come first in each pass, and it leaps over what is left of them.
#[tokio::test(start_paused = true)]
async fn a_pass_comes_to_the_others_however_many_of_a_time_cannot_be_deleted() {
    const COUNT: usize = 1_200;
    let mut place = Place::new();
    let (whole, client) = (place.backend.clone(), place.client());
    let payloads = Payloads::of(Arc::new(place.blobs.clone()));
    place.backend =
        whole.clone().with_payloads(payloads.codec(Encryption::new(LocalKeys::new([7; 32]))));
    let sealed = place.client();
    for number in 0..COUNT {
        sealed.start(thrice, 3).id(format!("bad-{number}")).await.unwrap();
    }
    let before = place.clock.now().after(days(3));
    let all_closed = async {
        while place.store.expired(Timestamp(0), before, COUNT).await.unwrap().len() < COUNT {
            pass_by(seconds(1)).await;
        }
    };
    place.host(app(), all_closed).await;
    // Nobody has their key any more.
    place.backend = whole;
    pass_by(days(30)).await;
    let good = place.ended("good", 10).await;
    pass_by(days(1) + minutes(10)).await;
    let mut passes = 0;
    while client.describe(&good).await.is_ok() {
        passes += 1;
        assert!(passes < 5, "it is never come to");
        let pass = client.delete_expired().limit(100).await.unwrap();
        assert!(pass.more && pass.kept.len() < COUNT, "{}", pass.kept.len());
        pass_by(Duration::from_millis(7)).await;
    }
}

/// Nor do those that it could not delete make it delete more.
#[tokio::test(start_paused = true)]
async fn a_pass_deletes_no_more_than_it_may() {
    let place = Place::new();
    let bad = place.ended("bad", 1_000).await;
    let blob = place.blobs.list(&Folder::of(&bad)).await.unwrap().remove(0);
    place.blobs.remove(&blob).await.unwrap();
    for number in 0..5 {
        place.ended(&format!("order-{number}"), 1).await;
    }
    pass_by(days(2)).await;
    for (deleted, more) in [(2, true), (2, true), (1, false)] {
        let pass = place.client().delete_expired().limit(2).await.unwrap();
        assert_eq!(
            (pass.kept.len(), pass.deleted.len(), pass.more),
            (1, deleted, more),
            "{pass:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_erased_is_archived_as_it_is_and_deleted() {
    let place = Place::new();
    let id = place.ended("order-7", 1_000).await;
    place.client().erase(&id).await.unwrap();
    let deleted = place.client().delete(&id).await.unwrap();
    let archived = place.archive.objects()[&deleted.archived_as.unwrap()].clone();
    let archived = String::from_utf8(archived).unwrap();
    assert!(archived.contains("StepCompleted") && !archived.contains("xxxx"), "{archived}");
    pass_by(minutes(7)).await;
    assert_eq!(place.client().delete_expired().await.unwrap().freed, 1);
    assert!(place.is_gone(&id).await, "what says that it was erased, too");
}

/// The blobs would stay for ever.
#[tokio::test(start_paused = true)]
async fn a_program_without_the_payload_store_deletes_nothing_that_is_in_one() {
    let place = Place::without_archive();
    let id = place.ended("order-7", 1_000).await;
    let bare = Backend::new(Arc::new(place.store.clone()), Arc::new(MemoryQueue::new()));
    let bare = Client::new(&bare).clock(place.clock.clone());
    let error = bare.delete(&id).await.unwrap_err();
    assert!(matches!(error, DeleteError::Payloads { .. }), "{error}");
    assert!(place.client().history(&id).await.is_ok() && place.blobs_of(&id).await == 1);
    // Nor does it go on with what another one has begun.
    let grave = Grave { look_at: place.clock.now(), emptied: false };
    let ended = place.store.record(&id).await.unwrap().unwrap();
    assert_eq!(place.store.bury(&ended, &grave).await.unwrap(), Buried::Done);
    pass_by(minutes(1)).await;
    assert!(matches!(bare.delete(&id).await, Err(DeleteError::Payloads { .. })));
    place.client().delete(&id).await.unwrap_err();
    assert_eq!(place.blobs_of(&id).await, 0);
}

#[tokio::test(start_paused = true)]
async fn all_runs_of_an_execution_are_archived() {
    let place = Place::new();
    let handle = place.client().start(thrice, 1).id("x").await.unwrap();
    assert_eq!(place.host(app(), handle.result()).await.unwrap(), 3);
    place.until_closed(handle.id()).await;
    let exported = place.exported(handle.id()).await;
    assert_eq!(exported.matches("\"kind\":\"WorkflowStarted\"").count(), 3);
    let deleted = place.client().delete(handle.id()).await.unwrap();
    assert!(deleted.is_free, "it had no blobs");
    let archived = &place.archive.objects()[&deleted.archived_as.unwrap()];
    assert_eq!(String::from_utf8_lossy(archived), exported);
    assert!(place.is_gone(handle.id()).await);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_and_a_sender_learn_that_it_is_gone() {
    let place = Place::bare();
    let id = place.ended("order-7", 1).await;
    let client = place.client();
    let waiter = client.handle(order, id.clone());
    client.delete(&id).await.unwrap();
    assert!(waiter.result().await.is_err());
    assert!(waiter.signal("go", &1).await.is_err());
    assert!(waiter.cancel("late").await.is_err());
    assert!(matches!(
        client.delete(&id).await,
        Err(DeleteError::History(HistoryError::Unknown { .. }))
    ));
}

/// One call each, and one for the list; with a payload store one more to look for blobs, and with an
/// archive two.
#[tokio::test(start_paused = true)]
async fn a_pass_costs_a_list_and_three_calls_an_execution() {
    for (place, blobs, archive) in [(Place::bare(), 0, 0), (Place::new(), 1, 2)] {
        place.faults.take_counts();
        place.client().delete_expired().await.unwrap();
        assert_eq!(place.faults.take_counts().total(), 1, "nothing is to be deleted");
        for number in 0..5 {
            place.ended(&format!("order-{number}"), 1).await;
        }
        pass_by(days(2)).await;
        place.faults.take_counts();
        let pass = place.client().delete_expired().limit(3).await.unwrap();
        assert_eq!((pass.deleted.len(), pass.more), (3, true));
        let counts = place.faults.take_counts();
        for (name, each) in [
            ("load_page", 1),
            ("bury", 1),
            ("remove", 1),
            ("payloads.list", blobs),
            ("archive.put", archive / 2),
            ("archive.get", archive / 2),
        ] {
            assert_eq!(counts.of(name), 3 * each, "{name}: {counts:?}");
        }
        assert_eq!(counts.of("expired"), 1);
        assert_eq!(counts.total(), 1 + 3 * (3 + blobs + archive), "{counts:?}");
        let pass = place.client().delete_expired().await.unwrap();
        assert_eq!((pass.deleted.len(), pass.more), (2, false));
    }
}

/// Each is put together in a file, and a pass has one such file at a time.
#[tokio::test(start_paused = true)]
async fn large_histories_are_archived_one_after_the_other() {
    let place = Place::new();
    for id in ["one", "two"] {
        // In the step's event and in that of the end.
        place.ended(id, 6 * 1024 * 1024).await;
    }
    pass_by(days(2)).await;
    let puts = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (clock, put) = (place.clock.clone(), Arc::clone(&puts));
    place.faults.take_counts();
    place.faults.set(move |call| {
        if call.name != "archive.put" {
            return Fate::Proceed;
        }
        put.lock().unwrap().push(clock.now());
        Fate::Slow(seconds(5))
    });
    let pass = place.client().delete_expired().await.unwrap();
    assert_eq!(pass.deleted.len(), 2, "{:?}", pass.kept);
    let times = puts.lock().unwrap().clone();
    assert!(times.len() == 2 && times[1].since(times[0]) >= seconds(5), "{times:?}");
    assert_eq!(place.faults.take_counts().of("load_page"), 2, "each is read once");
    for id in ["one", "two"] {
        assert!(place.archive.objects().keys().any(|name| name.contains(id)), "{id}");
    }
}

/// Of a log of some megabytes no more is read at once than a page, and the archive has it whole.
#[tokio::test(start_paused = true)]
async fn a_long_history_is_archived_page_by_page() {
    #[workflow]
    async fn volumes(count: u32) -> everstep::Result<u32> {
        for _ in 0..count {
            fetch(180_000).await?;
        }
        Ok(count)
    }
    let place = Place::bare();
    let archive = Archive::new(place.archive.clone());
    let place = Place { backend: place.backend.clone().with_archive(archive), ..place };
    let handle = place.client().start(volumes, 14).id("order-7").await.unwrap();
    place.host(app().workflow(volumes), handle.result()).await.unwrap();
    place.until_closed(handle.id()).await;
    let exported = place.exported(handle.id()).await;
    assert!(exported.len() > 2_500_000, "{} bytes", exported.len());
    let pages = 3..=6;
    place.faults.take_counts();
    let client = place.client();
    let (mut read, mut log) = (0, client.history_pages(handle.id()).sealed());
    while let Some(commits) = log.next().await.unwrap() {
        let bytes: usize = commits.iter().map(|commit| commit.events.len() * 180_000).sum();
        assert!(commits.len() > 1 && bytes < 3_000_000, "{} commits", commits.len());
        read += 1;
    }
    assert!(pages.contains(&read), "{read} pages");
    assert_eq!(place.faults.take_counts().of("load_page"), read);
    let name = place.client().delete(handle.id()).await.unwrap().archived_as.unwrap();
    let counts = place.faults.take_counts();
    assert_eq!((counts.of("load_page"), counts.of("load_all"), counts.of("load")), (read, 0, 0));
    assert_eq!(String::from_utf8(place.archive.objects()[&name].clone()).unwrap(), exported);
}

/// Payloads that stand elsewhere are opened a few at a time for who reads a long log.
#[tokio::test(start_paused = true)]
async fn who_reads_a_history_has_few_large_payloads_in_memory() {
    let place = Place::new();
    let id = place.ended("order-7", 6 * 1024 * 1024).await;
    place.faults.take_counts();
    let (client, mut large) = (place.client(), 0);
    let mut log = client.history_pages(&id);
    while let Some(commits) = log.next().await.unwrap() {
        let fetched = place.faults.take_counts().of("payloads.get");
        assert!(fetched <= 1, "{fetched} of {} commits", commits.len());
        large += fetched;
    }
    assert_eq!(large, 2, "that of the step, and that of the end");
    assert!(log.unopened().is_none());
}

/// An archive that does not answer is not asked a thousand times.
#[tokio::test(start_paused = true)]
async fn a_pass_whose_archive_is_down_stops_and_deletes_nothing() {
    let place = Place::new();
    for number in 0..40 {
        let id = format!("order-{number}");
        place.client().start(thrice, 3).id(id).await.unwrap();
    }
    let all_closed = async {
        while place
            .client()
            .list()
            .status(Status::Completed)
            .limit(50)
            .page()
            .await
            .unwrap()
            .records
            .len()
            < 40
        {
            pass_by(seconds(1)).await;
        }
    };
    place.host(app(), all_closed).await;
    pass_by(days(2)).await;
    place
        .faults
        .set(|call| if call.name == "archive.put" { Fate::FailBefore } else { Fate::Proceed });
    let pass = place.client().delete_expired().await.unwrap();
    assert!(pass.deleted.is_empty() && pass.more, "{pass:?}");
    assert!(pass.kept.len() < 40, "{}", pass.kept.len());
    assert!(pass.kept.iter().all(|(_, error)| matches!(error, DeleteError::Archive { .. })));
    place.faults.heal();
    assert_eq!(place.client().delete_expired().await.unwrap().deleted.len(), 40);
}
