//! What a load sees while others write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::runs::run_begins;
use super::sample::{Store, commit, item, life, projection, seen, started, with_body};
use crate::id::{CommitNumber, ExecutionId, WriterId};
use crate::store::{Appended, Loaded, Status};

/// An item is deleted only when a commit has taken it; a load that misses it in the inbox must
/// have it in the log. (The log is read first: the other way round it can be missing in both.)
pub async fn an_item_on_its_way_into_the_log_is_never_missed(store: Store) {
    no_item_is_missed(&store, 100, |_| 0).await;
}

/// Sends so many items, each of which a commit takes before it is deleted, and loads meanwhile. By
/// a commit's number, `first` tells where the run begins that is the current one then.
pub(super) async fn no_item_is_missed(
    store: &Store,
    items: u64,
    first: fn(CommitNumber) -> CommitNumber,
) {
    let id = started(store, "order-1").await;
    let sent = Arc::new(AtomicU64::new(0));
    let mover = tokio::spawn({
        let (store, id, sent) = (store.clone(), id.clone(), Arc::clone(&sent));
        async move {
            for number in 1..=items {
                let item = item(&format!("item-{number}"), 1);
                store.send(&id, &item).await.unwrap();
                sent.store(number, Ordering::SeqCst);
                let takes = with_body(number, format!("{:?}", item.id), WriterId::random());
                assert_eq!(store.append(&id, &takes).await.unwrap(), Appended::Done);
                if first(number) > 0 {
                    run_begins(&store, &id, first(number), number).await;
                }
                store.remove_items(&id, life(), &[seen(&item.id, number)]).await.unwrap();
            }
        }
    });
    while !mover.is_finished() {
        let sent = sent.load(Ordering::SeqCst);
        let Loaded { from, commits, inbox, record } = store.load(&id).await.unwrap().unwrap();
        let next = from + commits.len() as u64;
        assert!(commits.iter().map(|commit| commit.number).eq(from..next));
        assert_eq!(from, record.projection.first);
        for number in next..=sent {
            let id = format!("item-{number}");
            assert!(inbox.iter().any(|item| item.id == id), "{id} is in neither");
        }
        tokio::task::yield_now().await;
    }
    mover.await.unwrap();
}

/// A load that runs beside appends and projections sees a log without gaps, and a record that
/// is not ahead of it.
pub async fn a_load_beside_writes_is_consistent(store: Store) {
    beside_writes(&store, 200, async |id| {
        let Loaded { record, commits, .. } = store.load(id).await.unwrap().unwrap();
        assert!(commits.iter().map(|commit| commit.number).eq(0..commits.len() as u64));
        assert!(record.projection.commit < commits.len() as u64, "the record is ahead of the log");
        commits.len()
    })
    .await;
}

/// Appends and projects so many commits behind the first, and meanwhile has `look` count those that it
/// sees, again and again: never fewer than before, and all of them in the end.
pub(super) async fn beside_writes(
    store: &Store,
    commits: u64,
    mut look: impl AsyncFnMut(&ExecutionId) -> usize,
) {
    let id = started(store, "order-1").await;
    let writer = tokio::spawn({
        let (store, id) = (store.clone(), id.clone());
        async move {
            for number in 1..=commits {
                store.append(&id, &commit(number)).await.unwrap();
                store.project(&id, &projection(number, Status::Running)).await.unwrap();
            }
        }
    });
    let mut seen = 0;
    while !writer.is_finished() {
        let sees = look(&id).await;
        assert!(sees >= seen, "an earlier look saw more");
        seen = sees;
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    assert_eq!(look(&id).await as u64, commits + 1);
}

/// A commit that is missing is never passed over in silence: a store refuses to leave a hole, or
/// shows it.
pub async fn a_hole_in_a_log_is_refused_or_shown(store: Store) {
    let id = started(&store, "order-1").await;
    let refused = store.append(&id, &commit(2)).await.is_err();
    let loaded = store.load(&id).await.unwrap().unwrap();
    let numbers: Vec<_> = loaded.commits.iter().map(|commit| commit.number).collect();
    assert_eq!(numbers, if refused { vec![0] } else { vec![0, 2] });
}

/// A record that knows of more than the log has is shown with what there is, so that whoever
/// reads it sees that the end is lost.
pub async fn a_log_shorter_than_its_record_is_shown(store: Store) {
    let id = started(&store, "order-1").await;
    store.project(&id, &projection(1, Status::Suspended)).await.unwrap();
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert_eq!((loaded.commits.len(), loaded.record.projection.commit), (1, 1));
    assert_eq!(loaded.check_end().unwrap_err().number, 1);
    assert!(loaded.read().1.is_some());
}

/// What was acknowledged is seen by the very next read, whoever asks.
pub async fn a_read_sees_every_write_before_it(store: Store) {
    let id = started(&store, "order-1").await;
    for number in 1..=50 {
        store.append(&id, &commit(number)).await.unwrap();
        let seen = store.load(&id).await.unwrap().unwrap().commits.len() as u64;
        assert_eq!(seen, number + 1);
        store.project(&id, &projection(number, Status::Suspended)).await.unwrap();
        let seen = store.record(&id).await.unwrap().unwrap().projection.commit;
        assert_eq!(seen, number);
    }
}
