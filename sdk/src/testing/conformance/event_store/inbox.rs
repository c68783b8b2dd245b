//! What others send.

use super::sample::{
    Store, at, commit, id, is_too_large, item, life, projection, seen, show, sixteen_at_once,
    started,
};
use crate::event::Json;
use crate::limits::COMMIT_BYTES_MAX;
use crate::store::{InboxItem, Message, NewItem, Sent, Status};

/// An item is in the inbox and counted.
pub async fn a_sent_item_is_in_the_inbox_and_counted(store: Store) {
    let id = started(&store, "order-1").await;
    for number in 1..=3 {
        let sent = store.send(&id, &item(&format!("item-{number}"), 1)).await.unwrap();
        assert_eq!(sent, Sent::New);
        let loaded = store.load(&id).await.unwrap().unwrap();
        assert_eq!((loaded.inbox.len() as u64, loaded.record.arrivals), (number, number));
    }
}

/// Every message comes back as it was sent; payloads keep their text.
pub async fn every_kind_of_message_comes_back_equal(store: Store) {
    let id = started(&store, "order-1").await;
    let payload = Json::parse("{ \"z\":1.50, \"a\":[18446744073709551615,\"\\u00e4 🦀\"] }".into());
    let messages = [
        Message::Signal { name: "a#b/ü".into(), payload: payload.unwrap() },
        Message::Signal { name: "n".into(), payload: Json::null() },
        Message::Cancel { reason: "the customer said \"no\"\n".into() },
        Message::Resume,
    ];
    let mut sent = Vec::new();
    for (number, message) in (0..).zip(messages) {
        let item = NewItem { id: format!("i{number}"), arrived_at: at(1), message };
        store.send(&id, &item).await.unwrap();
        sent.push(item.arrived(number + 1));
    }
    assert_eq!(store.load(&id).await.unwrap().unwrap().inbox, sent);
}

/// A retry is the same item; the first one stands.
pub async fn an_item_sent_again_is_known_and_not_counted(store: Store) {
    let id = started(&store, "order-1").await;
    let first = item("same", 1);
    assert_eq!(store.send(&id, &first).await.unwrap(), Sent::New);
    assert_eq!(store.send(&id, &first).await.unwrap(), Sent::Known);
    let other = NewItem { message: Message::Resume, ..item("same", 9) };
    assert_eq!(store.send(&id, &other).await.unwrap(), Sent::Known);
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert_eq!((loaded.inbox, loaded.record.arrivals), (vec![first.arrived(1)], 1));
}

/// A race of retries is one item.
pub async fn an_item_sent_sixteen_times_at_once_is_one(store: Store) {
    let id = started(&store, "order-1").await;
    let sent = sixteen_at_once(|_| {
        let (store, id) = (store.clone(), id.clone());
        async move { store.send(&id, &item("same", 1)).await.unwrap() }
    })
    .await;
    assert_eq!(sent.iter().filter(|sent| **sent == Sent::New).count(), 1);
    assert_eq!(sent.iter().filter(|sent| **sent == Sent::Known).count(), 15);
    assert_eq!(store.record(&id).await.unwrap().unwrap().arrivals, 1);
}

/// Different items sent at once all arrive.
pub async fn sixteen_items_sent_at_once_all_arrive(store: Store) {
    let id = started(&store, "order-1").await;
    let sent = sixteen_at_once(|task| {
        let (store, id) = (store.clone(), id.clone());
        async move { store.send(&id, &item(&format!("item-{task}"), 1)).await.unwrap() }
    })
    .await;
    assert_eq!(sent, [const { Sent::New }; 16]);
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert_eq!((loaded.inbox.len(), loaded.record.arrivals), (16, 16));
}

/// What ended takes nothing more.
pub async fn a_closed_execution_takes_nothing(store: Store) {
    for status in [Status::Completed, Status::Failed, Status::Cancelled, Status::Terminated] {
        let id = started(&store, &format!("order-{status}")).await;
        show(&store, &id, status).await;
        let sent = store.send(&id, &item("late", 1)).await.unwrap();
        assert_eq!(sent, Sent::Closed { status });
        let loaded = store.load(&id).await.unwrap().unwrap();
        assert_eq!((loaded.inbox.len(), loaded.record.arrivals), (0, 0));
    }
}

/// What is open takes everything, also while it is blocked: a resume is an item too.
pub async fn an_open_execution_takes_items_whatever_its_status(store: Store) {
    for status in [Status::Running, Status::Suspended, Status::Blocked] {
        let id = started(&store, &format!("order-{status}")).await;
        show(&store, &id, status).await;
        assert_eq!(store.send(&id, &item("s", 1)).await.unwrap(), Sent::New, "{status}");
    }
}

/// Sending to nobody leaves nothing behind for a later start.
pub async fn an_execution_that_does_not_exist_takes_nothing(store: Store) {
    let sent = store.send(&id("order-1"), &item("early", 1)).await.unwrap();
    assert_eq!(sent, Sent::NoExecution);
    let id = started(&store, "order-1").await;
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert_eq!((loaded.inbox.len(), loaded.record.arrivals), (0, 0));
}

/// A send that races the end is either in the inbox or refused.
pub async fn a_send_that_races_the_end_is_taken_or_refused(store: Store) {
    let id = started(&store, "order-1").await;
    store.append(&id, &commit(1)).await.unwrap();
    let sent = sixteen_at_once(|task| {
        let (store, id) = (store.clone(), id.clone());
        async move {
            if task == 7 {
                store.project(&id, &projection(1, Status::Completed)).await.unwrap();
                return None;
            }
            Some(store.send(&id, &item(&format!("item-{task}"), 1)).await.unwrap())
        }
    })
    .await;
    let new = sent.iter().flatten().filter(|sent| **sent == Sent::New).count();
    let closed = Sent::Closed { status: Status::Completed };
    let refused = sent.iter().flatten().filter(|sent| **sent == closed).count();
    assert_eq!(new + refused, 15);
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert_eq!((loaded.inbox.len(), loaded.record.arrivals), (new, new as u64));
    assert_eq!(loaded.record.projection.status, Status::Completed);
}

/// Taken items go, and only they; arrivals stay counted.
pub async fn removed_items_are_gone_and_only_they(store: Store) {
    let (a, b) = (started(&store, "a").await, started(&store, "b").await);
    for id in [&a, &b] {
        for name in ["1", "2", "3"] {
            store.send(id, &item(name, 1)).await.unwrap();
        }
    }
    store.remove_items(&a, life(), &[seen("1", 1), seen("3", 3), seen("none", 4)]).await.unwrap();
    store.remove_items(&a, life(), &[seen("1", 1)]).await.unwrap();
    store.remove_items(&a, life(), &[]).await.unwrap();
    let loaded = store.load(&a).await.unwrap().unwrap();
    assert_eq!((loaded.inbox, loaded.record.arrivals), (vec![item("2", 1).arrived(2)], 3));
    assert_eq!(store.load(&b).await.unwrap().unwrap().inbox.len(), 3);
    store.remove_items(&id("never-started"), life(), &[seen("1", 1)]).await.unwrap();
}

/// More items than one request of DynamoDB takes are removed by one call all the same.
pub async fn many_items_are_removed_at_once(store: Store) {
    let id = started(&store, "order-1").await;
    let names: Vec<String> = (0..120).map(|number| format!("item-{number:03}")).collect();
    for name in &names {
        store.send(&id, &item(name, 1)).await.unwrap();
    }
    let inbox = store.load(&id).await.unwrap().unwrap().inbox;
    assert_eq!(inbox.len(), 120);
    let most: Vec<_> = inbox[..119].iter().map(InboxItem::seen).collect();
    store.remove_items(&id, life(), &most).await.unwrap();
    assert_eq!(store.load(&id).await.unwrap().unwrap().inbox, [item("item-119", 1).arrived(120)]);
}

/// Item ids are texts like any other.
pub async fn item_ids_of_any_text_are_kept_apart(store: Store) {
    let id = started(&store, "order-1").await;
    let long = "i".repeat(500);
    let names = ["a", "A", "a#", "#", "L#0", "/", "%", "é", "e\u{301}", "🦀", "'", &long, "a b"];
    for name in names {
        assert_eq!(store.send(&id, &item(name, 1)).await.unwrap(), Sent::New, "{name:?}");
    }
    for (arrival, name) in (1..).zip(names) {
        assert_eq!(store.send(&id, &item(name, 1)).await.unwrap(), Sent::Known, "{name:?}");
        store.remove_items(&id, life(), &[seen(name, arrival)]).await.unwrap();
    }
    assert_eq!(store.load(&id).await.unwrap().unwrap().inbox, []);
}

/// An item has to fit into a commit.
pub async fn an_item_that_no_commit_can_hold_is_refused(store: Store) {
    let id = started(&store, "order-1").await;
    let text = Json::parse(format!("\"{}\"", "x".repeat(COMMIT_BYTES_MAX))).unwrap();
    let message = Message::Signal { name: "approval".into(), payload: text };
    let large = NewItem { id: "large".into(), arrived_at: at(1), message };
    let result = store.send(&id, &large).await;
    assert!(is_too_large(&result), "{result:?}");
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert_eq!((loaded.inbox.len(), loaded.record.arrivals), (0, 0));
}
