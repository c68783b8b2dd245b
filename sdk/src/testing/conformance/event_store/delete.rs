//! Deleting: burials, graves, and what is removed.

use std::sync::Arc;

use super::super::eventually;
use super::sample::{
    Store, at, commit, id, item, projection, record, seen, show, sixteen_at_once, start, started,
};
use crate::id::{CommitNumber, ExecutionId};
use crate::store::{
    Buried, Created, Grave, ListQuery, Projection, Record, Sent, Status, StoreError,
};

fn grave(look_at: i64) -> Grave {
    Grave { look_at: at(look_at), emptied: false }
}

/// An execution that has ended at commit 1.
async fn ended(store: &Store, name: &str) -> ExecutionId {
    let id = started(store, name).await;
    show(store, &id, Status::Completed).await;
    id
}

async fn bury(store: &Store, id: &ExecutionId, grave: &Grave) {
    assert_eq!(store.bury(&closed(id, 1), grave).await.unwrap(), Buried::Done);
}

/// The record of an execution that has ended at this commit.
fn closed(id: &ExecutionId, commit: CommitNumber) -> Record {
    Record { projection: projection(commit, Status::Completed), ..record(id.as_str()) }
}

async fn expired(store: &Store, before: i64, limit: usize) -> Vec<String> {
    let found = store.expired(at(0), at(before), limit).await.unwrap();
    found.iter().map(|(_, id)| id.to_string()).collect()
}

/// From one moment on no call finds anything of it, its log and its inbox neither.
pub async fn a_buried_execution_is_there_for_nobody(store: Store) {
    let other = ended(&store, "order-10").await;
    let id = started(&store, "order-1").await;
    store.send(&id, &item("a", 3)).await.unwrap();
    show(&store, &id, Status::Failed).await;
    bury(&store, &id, &grave(9)).await;
    assert_eq!(store.record(&id).await.unwrap(), None);
    assert!(store.load(&id).await.unwrap().is_none());
    assert!(store.load_all(&id).await.unwrap().is_none());
    for from in [0, 1] {
        assert!(store.load_page(&id, from, 10).await.unwrap().is_none());
    }
    assert_eq!(store.send(&id, &item("b", 4)).await.unwrap(), Sent::NoExecution);
    assert!(store.project(&id, &projection(2, Status::Running)).await.is_err());
    assert!(store.project(&id, &projection(1, Status::Blocked)).await.is_err());
    assert_eq!(store.grave(&id).await.unwrap(), Some(grave(9)));
    assert_eq!(store.grave(&other).await.unwrap(), None);
    store.remove_items(&id, record("order-1").life(), &[seen("a", 1)]).await.unwrap();
    eventually(vec![other.clone()], async || {
        let page = store.list(&ListQuery::default()).await.unwrap();
        page.records.into_iter().map(|record| record.id).collect::<Vec<_>>()
    })
    .await;
    eventually(Vec::new(), async || store.overdue(at(1_000), 10).await.unwrap()).await;
    assert_eq!(store.load(&other).await.unwrap().unwrap().commits.len(), 2);
}

/// It is closed, and at the commit that the caller has seen.
pub async fn nothing_open_or_changed_is_buried(store: Store) {
    for status in Status::ALL.into_iter().filter(|status| !status.is_closed()) {
        let id = started(&store, status.as_str()).await;
        show(&store, &id, status).await;
        let there = store.record(&id).await.unwrap().unwrap();
        let refused = Buried::Refused { record: Box::new(there.clone()) };
        assert_eq!(store.bury(&closed(&id, 1), &grave(9)).await.unwrap(), refused);
        assert_eq!(store.record(&id).await.unwrap(), Some(there));
    }
    let id = ended(&store, "order-1").await;
    for commit in [0, 2] {
        let buried = store.bury(&closed(&id, commit), &grave(9)).await.unwrap();
        assert!(matches!(buried, Buried::Refused { .. }), "{buried:?}");
    }
    assert!(store.load(&id).await.unwrap().is_some());
    let nobody = ExecutionId::random();
    assert_eq!(store.bury(&closed(&nobody, 0), &grave(9)).await.unwrap(), Buried::NoExecution);
    assert_eq!(store.grave(&nobody).await.unwrap(), None);
}

/// A try whose answer was lost is recognised, and is told from somebody else's.
pub async fn a_burial_that_is_repeated_is_done_and_anothers_is_not(store: Store) {
    let id = ended(&store, "order-1").await;
    bury(&store, &id, &grave(9)).await;
    bury(&store, &id, &grave(9)).await;
    assert_eq!(store.bury(&closed(&id, 1), &grave(8)).await.unwrap(), Buried::NoExecution);
    assert_eq!(store.grave(&id).await.unwrap(), Some(grave(9)));
}

/// Until then no start is made, and then it is one of a new execution.
pub async fn the_id_of_a_buried_execution_is_free_when_its_remains_are_removed(store: Store) {
    let id = started(&store, "order-1").await;
    store.send(&id, &item("a", 3)).await.unwrap();
    show(&store, &id, Status::Completed).await;
    bury(&store, &id, &grave(9)).await;
    for number in [0, 2] {
        let refused = store.create(&record("order-1"), &commit(number)).await;
        assert!(matches!(&refused, Err(StoreError::Buried { id: buried }) if *buried == id));
    }
    store.remove(&id, &grave(9)).await.unwrap();
    store.remove(&id, &grave(9)).await.unwrap();
    assert_eq!(store.grave(&id).await.unwrap(), None);
    let first = start(&store, &record("order-1")).await;
    let all = store.load_all(&id).await.unwrap().unwrap();
    assert_eq!((all.record, all.commits, all.inbox), (record("order-1"), vec![first], vec![]));
    assert_eq!(store.send(&id, &item("a", 4)).await.unwrap(), Sent::New, "it is not known");
}

/// A grave is another's once it was replaced.
pub async fn only_who_holds_the_grave_goes_on_with_it(store: Store) {
    let id = ended(&store, "order-1").await;
    bury(&store, &id, &grave(9)).await;
    let mine = Grave { look_at: at(20), emptied: true };
    assert!(!store.rebury(&id, &grave(8), &mine).await.unwrap());
    assert!(store.rebury(&id, &grave(9), &mine).await.unwrap());
    assert!(store.rebury(&id, &grave(9), &mine).await.unwrap(), "a try that is repeated");
    assert!(!store.rebury(&id, &grave(9), &grave(30)).await.unwrap());
    store.remove(&id, &grave(9)).await.unwrap();
    assert_eq!(store.grave(&id).await.unwrap(), Some(mine));
    store.remove(&id, &mine).await.unwrap();
    assert_eq!(store.grave(&id).await.unwrap(), None);
    assert!(!store.rebury(&id, &mine, &grave(40)).await.unwrap());
    assert_eq!(store.grave(&id).await.unwrap(), None);
}

/// Whoever was paused before it removes what it had buried finds another execution there.
pub async fn a_removal_that_comes_late_touches_nothing_of_the_next_execution(store: Store) {
    let id = ended(&store, "order-1").await;
    bury(&store, &id, &grave(9)).await;
    store.remove(&id, &grave(9)).await.unwrap();
    let first = start(&store, &record("order-1")).await;
    store.send(&id, &item("a", 3)).await.unwrap();
    store.remove(&id, &grave(9)).await.unwrap();
    let there = store.load(&id).await.unwrap().unwrap();
    assert_eq!((there.commits, there.inbox), (vec![first], vec![item("a", 3).arrived(1)]));
    show(&store, &id, Status::Completed).await;
    bury(&store, &id, &grave(10)).await;
    store.remove(&id, &grave(9)).await.unwrap();
    assert_eq!(store.grave(&id).await.unwrap(), Some(grave(10)));
}

/// Of starts one wins as soon as the id is free, and whatever is still removed is not of it.
pub async fn removals_that_race_starts_leave_the_winner_whole(store: Store) {
    for round in 0..3 {
        let name = format!("order-{round}");
        let id = started(&store, &name).await;
        store.send(&id, &item("a", 3)).await.unwrap();
        for number in 1..=30 {
            store.append(&id, &commit(number)).await.unwrap();
        }
        store.project(&id, &projection(30, Status::Completed)).await.unwrap();
        assert_eq!(store.bury(&closed(&id, 30), &grave(9)).await.unwrap(), Buried::Done);
        let winners = sixteen_at_once(|task| {
            let (store, id, name) = (Arc::clone(&store), id.clone(), name.clone());
            async move {
                if task % 2 == 0 {
                    store.remove(&id, &grave(9)).await.unwrap();
                    return None;
                }
                let first = commit(0);
                loop {
                    match store.create(&record(&name), &first).await {
                        Err(StoreError::Buried { .. }) => tokio::task::yield_now().await,
                        Ok(Created::New) => break,
                        Ok(Created::Exists { .. }) => return None,
                        Err(error) => panic!("{error}"),
                    }
                }
                let second = commit(1);
                store.append(&id, &second).await.unwrap();
                assert_eq!(store.send(&id, &item("a", 3)).await.unwrap(), Sent::New);
                Some(vec![first, second])
            }
        })
        .await;
        let winners: Vec<_> = winners.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        let all = store.load_all(&id).await.unwrap().unwrap();
        assert_eq!(all.commits, winners[0]);
        assert_eq!(all.inbox, [item("a", 3).arrived(1)]);
    }
}

/// A closed execution is either started again or deleted.
pub async fn a_burial_and_a_restart_at_once_have_one_winner(store: Store) {
    for round in 0..5 {
        let name = format!("order-{round}");
        let id = ended(&store, &name).await;
        let won = sixteen_at_once(|task| {
            let (store, id, name) = (Arc::clone(&store), id.clone(), name.clone());
            async move {
                if task % 2 == 0 {
                    return store.bury(&closed(&id, 1), &grave(9)).await.unwrap() == Buried::Done;
                }
                let again = Record { projection: projection(2, Status::Running), ..record(&name) };
                matches!(store.create(&again, &commit(2)).await, Ok(Created::New))
            }
        })
        .await;
        let is_buried = store.grave(&id).await.unwrap().is_some();
        let buried = won.iter().step_by(2).filter(|won| **won).count();
        let restarted = won.iter().skip(1).step_by(2).filter(|won| **won).count();
        assert_eq!((buried > 0, restarted), (is_buried, usize::from(!is_buried)));
        assert_eq!(store.load(&id).await.unwrap().is_some(), !is_buried);
    }
}

/// However many pages and batches it takes.
pub async fn a_long_log_and_a_full_inbox_are_removed_whole(store: Store) {
    let (id, other) = (started(&store, "order-1").await, started(&store, "order-10").await);
    for number in 1..=150 {
        store.append(&id, &commit(number)).await.unwrap();
    }
    for number in 0..30 {
        store.send(&id, &item(&format!("{number}"), number)).await.unwrap();
    }
    store.project(&id, &projection(150, Status::Terminated)).await.unwrap();
    assert_eq!(store.bury(&closed(&id, 150), &grave(9)).await.unwrap(), Buried::Done);
    store.remove(&id, &grave(9)).await.unwrap();
    let first = start(&store, &record("order-1")).await;
    let all = store.load_all(&id).await.unwrap().unwrap();
    assert_eq!((all.commits, all.inbox), (vec![first], vec![]));
    assert_eq!(store.load(&other).await.unwrap().unwrap().commits.len(), 1);
}

/// What is kept for ever, open or not yet at its time is not in the list; nor what was started again,
/// nor what is untold.
pub async fn what_is_closed_and_past_its_time_is_expired_and_graves_are_too(store: Store) {
    for (name, status, wake_at) in [
        ("late", Status::Completed, Some(30)),
        ("early", Status::Failed, Some(10)),
        ("kept", Status::Completed, None),
        ("young", Status::Cancelled, Some(50)),
        ("open", Status::Suspended, Some(10)),
        ("blocked", Status::Blocked, Some(10)),
        ("buried", Status::Terminated, Some(5)),
        ("again", Status::Completed, Some(10)),
    ] {
        let id = started(&store, name).await;
        store.append(&id, &commit(1)).await.unwrap();
        let closed = Projection { wake_at: wake_at.map(at), ..projection(1, status) };
        store.project(&id, &closed).await.unwrap();
    }
    bury(&store, &id("buried"), &grave(20)).await;
    let told = Projection { wake_at: Some(at(70)), ..projection(1, Status::Completed) };
    let untold = Projection { wake_at: Some(at(10)), untold: Some(0), ..told.clone() };
    let owing = started(&store, "owing").await;
    store.append(&owing, &commit(1)).await.unwrap();
    store.project(&owing, &untold).await.unwrap();
    let projection = Projection { wake_at: Some(at(10)), ..projection(2, Status::Running) };
    let again = Record { projection, ..record("again") };
    assert_eq!(store.create(&again, &commit(2)).await.unwrap(), Created::New);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    eventually(names(&["early", "buried", "late"]), async || expired(&store, 50, 10).await).await;
    assert_eq!(expired(&store, 50, 2).await, ["early", "buried"]);
    assert_eq!(expired(&store, 20, 10).await, ["early"]);
    assert!(expired(&store, 50, 0).await.is_empty());
    // Each with its time, from a moment on that counts and before one that does not.
    let from = async |from| store.expired(at(from), at(50), 10).await.unwrap();
    let buried = from(20).await.remove(0);
    assert_eq!(buried, (at(20), id("buried")));
    let later: Vec<_> = from(21).await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(later, [id("late")]);
    assert!(from(50).await.is_empty());
    let overdue = store.overdue(at(50), 10).await.unwrap();
    let open = ["open", "again", "owing"];
    assert!(overdue.iter().all(|id| open.contains(&id.as_str())), "{overdue:?}");
    assert!(store.rebury(&id("buried"), &grave(20), &grave(60)).await.unwrap());
    eventually(names(&["early", "late"]), async || expired(&store, 50, 10).await).await;
    store.remove(&id("buried"), &grave(60)).await.unwrap();
    eventually(names(&["early", "late", "young"]), async || expired(&store, 90, 10).await).await;
    store.project(&owing, &told).await.unwrap();
    let all = names(&["early", "late", "young", "owing"]);
    eventually(all, async || expired(&store, 90, 10).await).await;
}
