//! What is overdue, and lists. Both may lag behind.

use std::collections::BTreeSet;

use super::super::eventually;
use super::sample::{
    Store, at, commit, item, life, projection, record, seen, show, start, started,
};
use crate::id::{ExecutionId, HostId};
use crate::store::{ListQuery, Projection, Record, Status};
use crate::time::Timestamp;

async fn overdue(store: &Store, before: i64) -> BTreeSet<String> {
    let ids = store.overdue(at(before), 1_000).await.unwrap();
    let set: BTreeSet<_> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(set.len(), ids.len(), "an execution comes twice");
    set
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

async fn project_wake(store: &Store, id: &ExecutionId, number: u64, wake_at: Option<i64>) {
    store.append(id, &commit(number)).await.unwrap();
    let waits = Projection { wake_at: wake_at.map(at), ..projection(number, Status::Suspended) };
    store.project(id, &waits).await.unwrap();
}

/// An execution is overdue from after its `wake_at` until a turn has moved it.
pub async fn an_execution_is_overdue_after_its_wake_time(store: Store) {
    let mut due = record("due");
    due.projection.wake_at = Some(at(100));
    start(&store, &due).await;
    started(&store, "waits-for-messages").await;
    eventually(names(["due"]), async || overdue(&store, 101).await).await;
    assert_eq!(overdue(&store, 100).await, names([]), "at its time it is not yet overdue");
    project_wake(&store, &due.id, 1, Some(500)).await;
    eventually(names([]), async || overdue(&store, 500).await).await;
    eventually(names(["due"]), async || overdue(&store, 501).await).await;
    project_wake(&store, &due.id, 2, None).await;
    eventually(names([]), async || overdue(&store, 1_000_000).await).await;
}

/// A time comes back as it was written, however far away, and is ordered as a number: of a few digits
/// long ago, of more than today's in a hundred years.
pub async fn a_wake_time_of_any_length_is_kept_and_in_order(store: Store) {
    let century = at(100 * 365 * 86_400_000);
    let times = [Timestamp(0), Timestamp(999), at(0), century, Timestamp::MAX];
    for (number, time) in times.into_iter().enumerate() {
        let mut running = record(&format!("by-start-{number}"));
        running.projection.wake_at = Some(time);
        start(&store, &running).await;
        let suspended = started(&store, &format!("by-turn-{number}")).await;
        store.append(&suspended, &commit(1)).await.unwrap();
        let waits = Projection { wake_at: Some(time), ..projection(1, Status::Suspended) };
        store.project(&suspended, &waits).await.unwrap();
        for id in [&running.id, &suspended] {
            let shown = store.record(id).await.unwrap().unwrap().projection.wake_at;
            let loaded = store.load(id).await.unwrap().unwrap().record.projection.wake_at;
            assert_eq!((shown, loaded), (Some(time), Some(time)), "{id}");
        }
    }
    for (passed, time) in times.into_iter().enumerate() {
        for (before, passed) in [(time, passed), (Timestamp(time.0 + 1), passed + 1)] {
            let of = |number| [format!("by-start-{number}"), format!("by-turn-{number}")];
            let expected: BTreeSet<_> = (0..passed).flat_map(of).collect();
            eventually(expected, async || {
                let ids = store.overdue(before, 1_000).await.unwrap();
                ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>()
            })
            .await;
        }
    }
}

/// A sender that dies before its wake is heard all the same.
pub async fn an_execution_with_an_old_item_is_overdue(store: Store) {
    let id = started(&store, "order-1").await;
    store.send(&id, &item("a", 100)).await.unwrap();
    store.send(&id, &item("b", 200)).await.unwrap();
    eventually(names(["order-1"]), async || overdue(&store, 101).await).await;
    assert_eq!(overdue(&store, 100).await, names([]));
    store.remove_items(&id, life(), &[seen("a", 1)]).await.unwrap();
    eventually(names([]), async || overdue(&store, 101).await).await;
    eventually(names(["order-1"]), async || overdue(&store, 201).await).await;
    store.remove_items(&id, life(), &[seen("b", 2)]).await.unwrap();
    eventually(names([]), async || overdue(&store, 201).await).await;
}

/// What waits for a fix, or has ended, is left alone, whatever lies in its inbox.
pub async fn blocked_and_closed_executions_are_never_overdue(store: Store) {
    started(&store, "open").await;
    let others =
        [Status::Blocked, Status::Completed, Status::Failed, Status::Cancelled, Status::Terminated];
    for status in others {
        let mut record = record(&status.to_string());
        record.projection.wake_at = Some(at(1));
        start(&store, &record).await;
        store.send(&record.id, &item("s", 1)).await.unwrap();
        show(&store, &record.id, status).await;
    }
    let blocked: ExecutionId = "blocked".parse().unwrap();
    store.send(&blocked, &item("t", 2)).await.unwrap();
    store.send(&"open".parse().unwrap(), &item("s", 1)).await.unwrap();
    eventually(names(["open"]), async || overdue(&store, 1_000).await).await;
    // Lifted, its items count again.
    store.append(&blocked, &commit(2)).await.unwrap();
    store.project(&blocked, &projection(2, Status::Suspended)).await.unwrap();
    eventually(names(["blocked", "open"]), async || overdue(&store, 1_000).await).await;
}

/// What is untold is overdue at its time, whatever the status, until it has been told.
pub async fn what_is_untold_is_overdue_whatever_its_status(store: Store) {
    for status in Status::ALL {
        let id = started(&store, &status.to_string()).await;
        store.send(&id, &item("s", 700)).await.unwrap();
        store.append(&id, &commit(1)).await.unwrap();
        let untold =
            Projection { wake_at: Some(at(100)), untold: Some(1), ..projection(1, status) };
        assert_eq!(store.project(&id, &untold).await.unwrap().projection, untold);
        let loaded = store.load(&id).await.unwrap().unwrap();
        assert_eq!(loaded.record.projection, untold);
    }
    let all: BTreeSet<_> = Status::ALL.map(|status| status.to_string()).into();
    eventually(all.clone(), async || overdue(&store, 101).await).await;
    assert_eq!(overdue(&store, 100).await, names([]));
    // Also where a message in the inbox is older, which wakes only those that it can move.
    eventually(all, async || overdue(&store, 1_000).await).await;
    for status in Status::ALL {
        let id: ExecutionId = status.to_string().parse().unwrap();
        store.project(&id, &projection(1, status)).await.unwrap();
    }
    eventually(names([]), async || overdue(&store, 700).await).await;
    let page = store.list(&ListQuery::default()).await.unwrap();
    assert!(page.records.iter().all(|record| record.projection.untold.is_none()));
}

/// A pass takes a bounded number, and a larger one finds the rest.
pub async fn no_more_are_overdue_than_asked_for(store: Store) {
    let mut all = BTreeSet::new();
    for number in 0..30 {
        let mut record = record(&format!("order-{number}"));
        record.projection.wake_at = Some(at(number));
        start(&store, &record).await;
        all.insert(record.id.to_string());
    }
    eventually(all.clone(), async || overdue(&store, 1_000).await).await;
    let some = store.overdue(at(1_000), 7).await.unwrap();
    assert_eq!(some.len(), 7);
    assert!(some.iter().all(|id| all.contains(id.as_str())));
}

/// All records of all pages. A page may be short, or empty, and not the last.
async fn all_pages(store: &Store, query: &ListQuery) -> Vec<Record> {
    let (mut query, mut records) = (query.clone(), Vec::new());
    loop {
        let page = store.list(&query).await.unwrap();
        assert!(query.limit == 0 || page.records.len() <= query.limit);
        records.extend(page.records);
        query.after = page.next;
        if query.after.is_none() {
            return records;
        }
    }
}

async fn listed(store: &Store, query: &ListQuery) -> BTreeSet<String> {
    all_pages(store, query).await.iter().map(|record| record.id.to_string()).collect()
}

fn by(workflow: Option<&str>, status: Option<Status>) -> ListQuery {
    ListQuery { workflow: workflow.map(Into::into), status, ..ListQuery::default() }
}

/// Lists can be narrowed by workflow, by status and by both.
pub async fn lists_are_filtered_by_workflow_and_status(store: Store) {
    for (name, workflow, status) in [
        ("a1", "a", Status::Completed),
        ("a2", "a", Status::Suspended),
        ("b1", "b#a", Status::Completed),
        ("b2", "b#a", Status::Blocked),
    ] {
        let record = Record { workflow: workflow.into(), ..record(name) };
        start(&store, &record).await;
        show(&store, &record.id, status).await;
    }
    let completed = Some(Status::Completed);
    for (query, expected) in [
        (by(None, None), names(["a1", "a2", "b1", "b2"])),
        (by(Some("a"), None), names(["a1", "a2"])),
        (by(Some("b#a"), None), names(["b1", "b2"])),
        (by(None, completed), names(["a1", "b1"])),
        (by(Some("a"), completed), names(["a1"])),
        (by(Some("b#a"), Some(Status::Blocked)), names(["b2"])),
        (by(Some("a"), Some(Status::Blocked)), names([])),
        (by(Some("b"), None), names([])),
        (by(None, Some(Status::Running)), names([])),
    ] {
        eventually(expected, async || listed(&store, &query).await).await;
    }
}

/// Lists can be narrowed by the time of start, also page by page and with other conditions.
pub async fn lists_are_filtered_by_the_time_of_start(store: Store) {
    for (name, workflow, started) in
        [("a", "x", 100), ("b", "y", 200), ("c", "x", 200), ("d", "x", 201), ("e", "y", 300)]
    {
        let workflow = workflow.into();
        start(&store, &Record { workflow, started_at: at(started), ..record(name) }).await;
    }
    let when = |from: Option<i64>, before: Option<i64>| ListQuery {
        started_from: from.map(at),
        started_before: before.map(at),
        ..ListQuery::default()
    };
    for (query, expected) in [
        (when(None, None), names(["a", "b", "c", "d", "e"])),
        (when(Some(200), None), names(["b", "c", "d", "e"])),
        (when(Some(201), None), names(["d", "e"])),
        (when(None, Some(200)), names(["a"])),
        (when(None, Some(201)), names(["a", "b", "c"])),
        (when(Some(200), Some(201)), names(["b", "c"])),
        (when(Some(101), Some(300)), names(["b", "c", "d"])),
        (when(Some(201), Some(201)), names([])),
        (when(Some(300), Some(200)), names([])),
        (when(Some(301), None), names([])),
        (when(None, Some(100)), names([])),
        (when(Some(i64::MIN), Some(i64::MIN)), names([])),
    ] {
        eventually(expected, async || listed(&store, &query).await).await;
    }
    // Page by page, and with another condition.
    for (query, expected) in [
        (when(Some(101), Some(300)), names(["c", "d"])),
        (when(Some(201), None), names(["d"])),
        (when(None, Some(200)), names(["a"])),
    ] {
        let query = ListQuery { workflow: Some("x".into()), limit: 1, ..query };
        eventually(expected, async || listed(&store, &query).await).await;
    }
}

/// Pages follow one another without a gap or a repetition, newest start first.
pub async fn pages_visit_every_record_once_newest_first(store: Store) {
    let mut all = BTreeSet::new();
    for number in 0..25 {
        // Some start at the same time.
        let mut record = Record { started_at: at(number / 3), ..record(&format!("o-{number}")) };
        record.projection.code = format!("v{number}");
        start(&store, &record).await;
        all.insert(record.id.to_string());
    }
    eventually(all.clone(), async || listed(&store, &by(None, None)).await).await;
    for query in [by(None, None), by(Some("fulfil_order"), None), by(None, Some(Status::Running))] {
        let records = all_pages(&store, &ListQuery { limit: 4, ..query }).await;
        assert!(records.is_sorted_by(|a, b| a.started_at >= b.started_at));
        let seen: BTreeSet<_> = records.iter().map(|record| record.id.to_string()).collect();
        assert_eq!((seen, records.len()), (all.clone(), 25));
        let one = records.iter().find(|record| record.id.as_str() == "o-7").unwrap();
        assert_eq!(Some(one.clone()), store.record(&one.id).await.unwrap(), "a whole record");
    }
}

/// A list shows the record as the last projection left it.
pub async fn a_list_follows_the_record(store: Store) {
    let id = started(&store, "order-1").await;
    let running = by(None, Some(Status::Running));
    eventually(names(["order-1"]), async || listed(&store, &running).await).await;
    show(&store, &id, Status::Failed).await;
    eventually(names([]), async || listed(&store, &running).await).await;
    let failed = by(None, Some(Status::Failed));
    eventually(names(["order-1"]), async || listed(&store, &failed).await).await;
    let record = store.record(&id).await.unwrap().unwrap();
    assert_eq!(all_pages(&store, &failed).await, [record]);
}

/// In doubt, a host lives.
pub async fn a_host_that_nobody_knows_is_not_known_to_be_gone(store: Store) {
    for host in ["somebody", "", "../..", "lambda:2026/11/26[$LATEST]abc"] {
        assert!(!store.is_gone(&HostId(host.into())).await.unwrap(), "{host:?}");
    }
}
