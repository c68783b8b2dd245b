//! Passes that die, archives that fail, and answers that are lost.

use everstep::archive::{Archive, FileArchive};
use everstep::client::DeleteError;
use everstep::limits::PAYLOAD_CALL_MAX;
use everstep::testing::faults::Fate;
use futures::FutureExt;

use super::*;

/// Before and after each call: it is there whole, or it is in the archive and there for nobody, and
/// the next passes come to the end.
#[tokio::test(start_paused = true)]
async fn a_pass_may_die_before_and_after_each_of_its_calls() {
    for bytes in [10, 1_000] {
        for fate in [Fate::Hang, Fate::HangAfter] {
            let mut dies_at = 0;
            loop {
                let place = Place::new();
                let id = place.ended("order-7", bytes).await;
                let exported = place.exported(&id).await;
                pass_by(days(2)).await;
                place.faults.take_counts();
                place.faults.set(
                    move |call| {
                        if call.index == dies_at { fate } else { Fate::Proceed }
                    },
                );
                // Less than a payload store has for an answer: nothing gives up by itself.
                let time = PAYLOAD_CALL_MAX / 2;
                let done = tokio::time::timeout(time, place.client().delete_expired()).await;
                place.faults.heal();
                let there = place.client().describe(&id).await.is_ok();
                if there {
                    assert_eq!(place.exported(&id).await, exported, "{fate:?} at {dies_at}");
                } else {
                    let archived = place.archive.objects().into_values().next();
                    let archived = archived.expect("nothing is deleted that is not archived");
                    assert_eq!(String::from_utf8(archived).unwrap(), exported);
                    assert!(place.client().history(&id).await.is_err());
                }
                for _ in 0..3 {
                    pass_by(minutes(7)).await;
                    let pass = place.client().delete_expired().await.unwrap();
                    assert!(pass.kept.is_empty(), "{fate:?} at {dies_at}: {pass:?}");
                }
                assert!(place.is_gone(&id).await, "{fate:?} at {dies_at}");
                assert_eq!(place.archive.objects().len(), 1, "one object however often");
                assert_eq!(place.ended("order-7", bytes).await, id, "the id is free");
                if done.is_ok() {
                    break;
                }
                dies_at += 1;
            }
            assert!(dies_at >= 7, "{dies_at} calls");
        }
    }
}

/// Every call fails once, done or not: a try that is repeated is known.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_of_any_call_is_made_up_for_by_the_next_try() {
    for fate in [Fate::FailBefore, Fate::FailAfter] {
        let place = Place::new();
        let id = place.ended("order-7", 1_000).await;
        pass_by(days(2)).await;
        let calls = std::sync::atomic::AtomicU32::new(0);
        place.faults.set(move |_| {
            let odd = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 == 1;
            if odd { Fate::Proceed } else { fate }
        });
        let pass = place.client().delete_expired().await.unwrap();
        assert_eq!((pass.deleted.len(), pass.kept.len()), (1, 0), "{pass:?}");
        pass_by(minutes(7)).await;
        assert_eq!(place.client().delete_expired().await.unwrap().freed, 1);
        assert!(place.is_gone(&id).await);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_that_the_archive_has_not_shown_to_have() {
    let place = Place::new();
    let id = place.ended("order-7", 1_000).await;
    for name in ["archive.put", "archive.get"] {
        place
            .faults
            .set(move |call| if call.name == name { Fate::FailBefore } else { Fate::Proceed });
        let error = place.client().delete(&id).await.unwrap_err();
        assert!(matches!(error, DeleteError::Archive { .. }), "{error}");
        assert!(place.client().history(&id).await.is_ok() && place.blobs_of(&id).await == 1);
    }
    place.faults.heal();
    place.client().delete(&id).await.unwrap();
}

/// Something else stands where its object would: it was cut, or another program's.
#[tokio::test]
async fn a_damaged_object_in_the_archive_keeps_the_execution() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::bare();
    place.clock = Clock::system();
    place.backend = place.backend.with_archive(Archive::new(FileArchive::new(folder.path())));
    let handle = place.client().start(thrice, 3).id("x").await.unwrap();
    place.host(app(), handle.result()).await.unwrap();
    place.until_closed(handle.id()).await;
    // Where its object goes is seen by a deletion that dies before the next step.
    place.faults.set(|call| if call.name == "bury" { Fate::Hang } else { Fate::Proceed });
    let client = place.client();
    let mut deletion = client.delete(handle.id()).boxed();
    let object = loop {
        let wait = tokio::time::timeout(std::time::Duration::from_millis(20), &mut deletion);
        assert!(wait.await.is_err());
        if let Some(object) = files_in(folder.path()).into_iter().next() {
            break object;
        }
    };
    drop(deletion);
    place.faults.heal();
    let whole = std::fs::read(&object).unwrap();
    assert_eq!(String::from_utf8_lossy(&whole), place.exported(handle.id()).await);
    std::fs::write(&object, &whole[..whole.len() / 2]).unwrap();
    let error = client.delete(handle.id()).await.unwrap_err();
    let DeleteError::Archive { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains("move it away"), "{source}");
    assert!(client.history(handle.id()).await.is_ok());
    std::fs::remove_file(&object).unwrap();
    client.delete(handle.id()).await.unwrap();
    assert_eq!(std::fs::read(&object).unwrap(), whole);
    assert!(place.is_gone(handle.id()).await);
}

fn files_in(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => files_in(&path),
            path => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .collect()
}
