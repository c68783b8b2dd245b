//! The order in which items come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::sample::{
    Store, at, commit, item, life, projection, seen, show, sixteen_at_once, started,
};
use crate::event::StoredCommit;
use crate::id::ExecutionId;
use crate::store::{Created, InboxItem, NewItem, Record, Sent, Status};

/// How many items a sender sends, one after the other.
const ITEMS: u64 = 8;

/// Items that a sender sends one after the other come in this order, though they arrive within
/// one millisecond and the order of their ids is the opposite.
pub async fn items_sent_one_after_the_other_come_in_this_order(store: Store) {
    let id = started(&store, "order-1").await;
    for name in ["z", "y", "é", "b", "B", "a", "A"] {
        store.send(&id, &item(name, 5)).await.unwrap();
    }
    assert_eq!(inbox(&store, &id).await, ["z", "y", "é", "b", "B", "a", "A"]);
}

/// No clock of a sender decides: what was acknowledged comes before what is sent after it.
pub async fn items_of_senders_with_skewed_clocks_come_in_the_order_they_were_sent(store: Store) {
    let id = started(&store, "order-1").await;
    for (name, clock) in [("c", 0), ("b", 3_600_000), ("d", -3_600_000), ("a", 1)] {
        store.send(&id, &item(name, clock)).await.unwrap();
    }
    assert_eq!(inbox(&store, &id).await, ["c", "b", "d", "a"]);
}

/// A retry changes nothing: neither what the item says nor its place.
pub async fn an_item_sent_again_keeps_its_place(store: Store) {
    let id = started(&store, "order-1").await;
    let first = item("z", 5);
    for item in [&first, &item("y", 5)] {
        assert_eq!(store.send(&id, item).await.unwrap(), Sent::New);
    }
    let later = NewItem { arrived_at: at(9), ..first.clone() };
    for again in [first.clone(), later] {
        assert_eq!(store.send(&id, &again).await.unwrap(), Sent::Known);
    }
    store.send(&id, &item("x", 5)).await.unwrap();
    let items = store.load(&id).await.unwrap().unwrap().inbox;
    assert_eq!(items[0], first.arrived(1));
    assert_eq!(names(&items), ["z", "y", "x"]);
}

/// The order goes on where it was when earlier items are gone, and when the execution has ended
/// and starts again.
pub async fn items_come_after_those_that_were_taken(store: Store) {
    let id = started(&store, "order-1").await;
    for name in ["z", "y"] {
        store.send(&id, &item(name, 5)).await.unwrap();
    }
    store.remove_items(&id, life(), &[seen("z", 1)]).await.unwrap();
    store.send(&id, &item("x", 5)).await.unwrap();
    assert_eq!(inbox(&store, &id).await, ["y", "x"]);
    show(&store, &id, Status::Completed).await;
    let record = store.record(&id).await.unwrap().unwrap();
    let again = Record { projection: projection(2, Status::Running), arrivals: 0, ..record };
    let start: StoredCommit = commit(2);
    assert_eq!(store.create(&again, &start).await.unwrap(), Created::New);
    store.send(&id, &item("a", 5)).await.unwrap();
    assert_eq!(inbox(&store, &id).await, ["y", "x", "a"]);
}

/// Sixteen send at once, each one item after the other: each one's own come in its order.
pub async fn each_of_sixteen_senders_keeps_its_own_order(store: Store) {
    let id = started(&store, "order-1").await;
    sixteen_at_once(|task| {
        let (store, id) = (store.clone(), id.clone());
        async move {
            for number in 0..ITEMS {
                // The ids descend, and the sender's clock goes backwards.
                let item =
                    item(&format!("{}-{task}", ITEMS - number), -i64::try_from(number).unwrap());
                // A store may be too busy with the others, and says so.
                while let Err(error) = store.send(&id, &item).await {
                    assert!(error.is_retryable(), "{error}");
                }
            }
        }
    })
    .await;
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert_eq!(loaded.record.arrivals, 16 * ITEMS);
    for task in 0..16 {
        let of = |name: &&str| name.split_once('-').unwrap().1 == task.to_string();
        let own: Vec<&str> = names(&loaded.inbox).into_iter().filter(of).collect();
        let sent: Vec<String> = (0..ITEMS).map(|n| format!("{}-{task}", ITEMS - n)).collect();
        assert_eq!(own, sent);
    }
}

/// Who sees an item sees every item that was acknowledged before it was sent, and nothing that
/// was acknowledged before the load is missing.
pub async fn no_load_sees_a_later_item_without_the_earlier(store: Store) {
    let id = started(&store, "order-1").await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let sender = tokio::spawn({
        let (store, id, acknowledged) = (store.clone(), id.clone(), Arc::clone(&acknowledged));
        async move {
            // The ids alternate between the two ends of every order of keys.
            for number in 0..60_usize {
                let end = if number % 2 == 0 { 'z' } else { 'a' };
                store.send(&id, &item(&format!("{end}-{number}"), 5)).await.unwrap();
                acknowledged.store(number + 1, Ordering::SeqCst);
            }
        }
    });
    loop {
        let ended = sender.is_finished();
        let before = acknowledged.load(Ordering::SeqCst);
        let inbox = inbox(&store, &id).await;
        let numbers = inbox.iter().map(|name| name[2..].parse::<usize>().unwrap());
        assert!(numbers.eq(0..inbox.len()), "not those that were sent first: {inbox:?}");
        assert!(inbox.len() >= before, "{before} were acknowledged: {inbox:?}");
        if ended {
            return sender.await.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

async fn inbox(store: &Store, id: &ExecutionId) -> Vec<String> {
    let items = store.load(id).await.unwrap().unwrap().inbox;
    names(&items).into_iter().map(str::to_owned).collect()
}

fn names(items: &[InboxItem]) -> Vec<&str> {
    items.iter().map(|item| item.id.as_str()).collect()
}
