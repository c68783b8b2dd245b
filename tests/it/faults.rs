//! Fault injection does what it says, or nothing that is tested with it means anything.

use std::sync::Arc;
use std::time::Duration;

use everstep::event::{Json, StoredCommit};
use everstep::id::{ExecutionId, WriterId};
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::store::{Appended, EventStore, Message, NewItem, Projection, SeenItem, StoreError};
use everstep::testing::faults::{Fate, Faults, FaultyQueue, FaultyStore, Rates};
use everstep::time::Timestamp;
use everstep::wake::{QueueError, Wake, WakeQueue};
use everstep_tests::record::just_started;

fn id() -> ExecutionId {
    ExecutionId::new("order-1").unwrap()
}

fn commit(number: u64) -> StoredCommit {
    StoredCommit {
        number,
        writer: WriterId::random(),
        hash: [0; 32],
        body: "{}".into(),
        life: None,
    }
}

fn projection(commit: u64) -> Projection {
    Projection { commit, ..just_started(id()).projection }
}

async fn started(faults: &Faults) -> FaultyStore {
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), faults);
    let record = just_started(id());
    store.create(&record, &commit(0)).await.unwrap();
    store
}

fn is_lost<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable { .. }))
}

#[tokio::test]
async fn a_call_that_fails_before_is_not_made_and_one_that_fails_after_is() {
    let faults = Faults::none();
    let store = started(&faults).await;
    let commit = commit(1);
    faults.set(|_| Fate::FailBefore);
    assert!(is_lost(&store.append(&id(), &commit).await));
    faults.heal();
    assert_eq!(store.load(&id()).await.unwrap().unwrap().commits.len(), 1);
    faults.set(|call| if call.name == "append" { Fate::FailAfter } else { Fate::Proceed });
    assert!(is_lost(&store.append(&id(), &commit).await));
    faults.heal();
    let again = store.append(&id(), &commit).await.unwrap();
    assert_eq!(again, Appended::Taken { by: commit.writer });
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_never_answers_and_is_made_only_if_it_is_to_hang_after() {
    for (fate, expected) in [(Fate::Hang, 1), (Fate::HangAfter, 2)] {
        let faults = Faults::none();
        let store = started(&faults).await;
        faults.set(move |call| if call.index == 1 { fate } else { Fate::Proceed });
        let append = async { store.append(&id(), &commit(1)).await };
        let answer = tokio::time::timeout(Duration::from_secs(3_600), append).await;
        assert!(answer.is_err(), "{answer:?}");
        assert_eq!(store.load(&id()).await.unwrap().unwrap().commits.len(), expected);
    }
}

#[tokio::test]
async fn a_seed_fails_the_same_calls_every_time() {
    let rates = Rates { before_per_million: 200_000, after_per_million: 300_000 };
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let faults = Faults::none();
        let store = started(&faults).await;
        faults.take_counts();
        let seeded = Faults::seeded(seed, rates);
        let store = FaultyStore::new(Arc::new(store), &seeded);
        let mut lost = Vec::new();
        for _ in 0..1_000 {
            lost.push(is_lost(&store.record(&id()).await));
        }
        let made = faults.counts().of("record");
        let failed = lost.iter().filter(|lost| **lost).count();
        assert!((400..600).contains(&failed), "{failed} of 1000 failed, about 500 should");
        assert!((700..900).contains(&made), "{made} of 1000 were made, about 800 should");
        runs.push(lost);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn items_and_bytes_are_counted_as_a_table_would() {
    let faults = Faults::none();
    let store = started(&faults).await;
    assert_eq!((faults.counts().items_written, faults.counts().bytes_written), (2, 2));
    let message = Message::Signal { name: "go".into(), payload: Json::null() };
    let item = NewItem { id: "s1".into(), arrived_at: Timestamp(0), message };
    store.send(&id(), &item).await.unwrap();
    store.append(&id(), &commit(1)).await.unwrap();
    store.project(&id(), &projection(1)).await.unwrap();
    let (life, seen) = (
        just_started(id()).life(),
        ["s1", "s2", "s3"].map(|id| SeenItem { id: id.into(), arrival: 1 }),
    );
    store.remove_items(&id(), life, &seen).await.unwrap();
    store.load(&id()).await.unwrap();
    faults.set(|_| Fate::FailBefore);
    assert!(is_lost(&store.append(&id(), &commit(2)).await));
    let counts = faults.take_counts();
    assert_eq!(counts.items_written, 2 + 2 + 1 + 1 + 3);
    assert_eq!(counts.bytes_written, 2 + 8 + 2);
    assert_eq!((counts.of("append"), counts.of("load"), counts.total()), (2, 1, 7));
    assert_eq!(faults.counts().total(), 0);
}

#[tokio::test]
async fn store_and_queue_share_one_order_of_calls() {
    let faults = Faults::none();
    let store = started(&faults).await;
    let queue = FaultyQueue::new(Arc::new(MemoryQueue::new()), &faults);
    faults.set(|call| match (call.index, call.name) {
        (1, "queue.send") => Fate::FailAfter,
        (2, "load") | (3, "queue.receive") => Fate::FailBefore,
        _ => Fate::Proceed,
    });
    let lost = |result: Result<(), QueueError>| {
        assert!(matches!(result, Err(QueueError::Unavailable { .. })), "{result:?}");
    };
    lost(queue.send(&Wake::news(id()), Duration::ZERO).await);
    assert!(is_lost(&store.load(&id()).await));
    lost(queue.receive(1, Duration::ZERO).await.map(drop));
    let delivery = queue.receive(1, Duration::ZERO).await.unwrap().remove(0);
    assert_eq!(delivery.receive_count, 1);
    queue.delete(&delivery.receipt).await.unwrap();
    assert_eq!(faults.counts().of("queue.receive"), 2);
}
