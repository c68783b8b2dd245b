//! Loads of executions that have had several runs, and tags.

use std::collections::BTreeMap;

use super::super::eventually;
use super::load::no_item_is_missed;
use super::sample::{Store, commit, item, projection, record, show, start, started};
use crate::event::StoredCommit;
use crate::id::{CommitNumber, ExecutionId};
use crate::store::{Created, ListQuery, Loaded, Projection, Record, Status};

fn numbers(commits: &[StoredCommit]) -> Vec<CommitNumber> {
    commits.iter().map(|commit| commit.number).collect()
}

/// The record learns that the run that reaches to commit `last` begins at `first`.
pub(super) async fn run_begins(
    store: &Store,
    id: &ExecutionId,
    first: CommitNumber,
    last: CommitNumber,
) {
    let projection = Projection { first, ..projection(last, Status::Running) };
    let record = store.project(id, &projection).await.unwrap();
    assert_eq!(record.projection, projection);
}

async fn load(store: &Store, id: &ExecutionId) -> Loaded {
    store.load(id).await.unwrap().unwrap()
}

/// A load reads the log from the commit on that the record names, one of everything reads it all.
pub async fn a_load_reads_from_where_the_run_begins(store: Store) {
    let id = started(&store, "order-1").await;
    let other = started(&store, "order-10").await;
    store.send(&id, &item("a", 3)).await.unwrap();
    let mut log = load(&store, &id).await.commits;
    for number in 1..=5 {
        log.push(commit(number));
        store.append(&id, &log[number as usize]).await.unwrap();
    }
    for first in [1, 3, 5] {
        run_begins(&store, &id, first, first).await;
        // Twice: a store may find its way by what it saw before.
        for _ in 0..2 {
            let loaded = load(&store, &id).await;
            assert_eq!((loaded.from, &*loaded.commits), (first, &log[first as usize..]));
            assert_eq!(loaded.inbox, [item("a", 3).arrived(1)]);
            assert_eq!(loaded.record.projection.first, first);
        }
        let all = store.load_all(&id).await.unwrap().unwrap();
        assert_eq!((all.from, &all.commits), (0, &log));
        assert_eq!(all.inbox.len(), 1);
    }
    assert_eq!(numbers(&load(&store, &other).await.commits), [0]);
    assert!(store.load_all(&ExecutionId::random()).await.unwrap().is_none());
}

/// A closed execution that starts again is loaded from its new start.
pub async fn a_restart_is_loaded_from_its_start(store: Store) {
    let id = started(&store, "order-1").await;
    show(&store, &id, Status::Completed).await;
    let mut again = record("order-1");
    again.projection = Projection { first: 2, untold: Some(1), ..projection(2, Status::Running) };
    let restart = commit(2);
    assert_eq!(store.create(&again, &restart).await.unwrap(), Created::New);
    let loaded = load(&store, &id).await;
    assert_eq!((loaded.from, loaded.commits, loaded.record), (2, vec![restart], again));
    let all = store.load_all(&id).await.unwrap().unwrap();
    assert_eq!(numbers(&all.commits), [0, 1, 2]);
}

/// A record that lags names an older run, and the load has all from there on.
pub async fn a_record_that_is_behind_shows_more(store: Store) {
    let id = started(&store, "order-1").await;
    for number in 1..=4 {
        store.append(&id, &commit(number)).await.unwrap();
    }
    run_begins(&store, &id, 3, 4).await;
    // A late writer, who has seen less.
    let older = Projection { first: 1, ..projection(3, Status::Running) };
    assert_eq!(store.project(&id, &older).await.unwrap().projection.first, 3);
    assert_eq!(numbers(&load(&store, &id).await.commits), [3, 4]);
    store.append(&id, &commit(5)).await.unwrap();
    assert_eq!(numbers(&load(&store, &id).await.commits), [3, 4, 5]);
}

/// A commit that a later run lacks is shown to be missing, at its end too.
pub async fn a_hole_in_a_later_run_is_refused_or_shown(store: Store) {
    let id = started(&store, "order-1").await;
    store.append(&id, &commit(1)).await.unwrap();
    run_begins(&store, &id, 1, 1).await;
    let refused = store.append(&id, &commit(3)).await.is_err();
    let loaded = load(&store, &id).await;
    assert_eq!(numbers(&loaded.commits), if refused { vec![1] } else { vec![1, 3] });
    let id = started(&store, "order-2").await;
    store.append(&id, &commit(1)).await.unwrap();
    run_begins(&store, &id, 1, 2).await;
    let loaded = load(&store, &id).await;
    assert_eq!(numbers(&loaded.commits), [1]);
    assert_eq!(loaded.check_end().unwrap_err().number, 2);
}

/// An item that is taken by one run after the other is in the inbox or in the log that is read.
pub async fn an_item_on_its_way_is_never_missed_whatever_run_takes_it(store: Store) {
    no_item_is_missed(&store, 60, |number| number).await;
}

/// Tags stay with the record, and a list can be narrowed by them.
pub async fn lists_are_filtered_by_tags(store: Store) {
    let tags = |tags: &[(&str, &str)]| -> BTreeMap<String, String> {
        tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    for (name, its) in [
        ("a", &[("customer", "42"), ("tier", "gold")][..]),
        ("b", &[("customer", "42=\"ä'%")]),
        ("c", &[("customer", "4"), ("42", "customer")]),
        ("d", &[]),
    ] {
        let record = Record { tags: tags(its), ..record(name) };
        start(&store, &record).await;
        show(&store, &record.id, Status::Suspended).await;
        let stored = store.record(&record.id).await.unwrap().unwrap();
        assert_eq!(stored.tags, record.tags, "a projection does not change them");
    }
    for (wanted, expected) in [
        (&[][..], vec!["a", "b", "c", "d"]),
        (&[("customer", "42")], vec!["a"]),
        (&[("customer", "42=\"ä'%")], vec!["b"]),
        (&[("customer", "42"), ("tier", "gold")], vec!["a"]),
        (&[("customer", "4"), ("tier", "gold")], vec![]),
        (&[("42", "customer")], vec!["c"]),
        (&[("customer", "")], vec![]),
    ] {
        let query = ListQuery { tags: tags(wanted), ..ListQuery::default() };
        eventually(
            expected.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(),
            async || {
                let page = store.list(&query).await.unwrap();
                let mut names: Vec<_> =
                    page.records.iter().map(|record| record.id.to_string()).collect();
                names.sort();
                names
            },
        )
        .await;
    }
    // The next run has its own.
    let ends = Projection { commit: 2, ..projection(1, Status::Completed) };
    store.append(&record("a").id, &commit(2)).await.unwrap();
    store.project(&record("a").id, &ends).await.unwrap();
    let mut again = Record { tags: tags(&[("tier", "tin")]), ..record("a") };
    again.projection.commit = 3;
    assert_eq!(store.create(&again, &commit(3)).await.unwrap(), Created::New);
    assert_eq!(store.record(&again.id).await.unwrap().unwrap().tags, again.tags);
}
