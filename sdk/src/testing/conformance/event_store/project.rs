//! The record follows the log and never goes back.

use std::collections::BTreeMap;

use super::super::eventually;
use super::sample::{
    Store, at, commit, id, item, projection, record, sixteen_at_once, start, started,
};
use crate::event::Json;
use crate::id::{Born, Life};
use crate::store::{Created, ListQuery, ParentRun, Projection, Record, Status, Telling};
use crate::time::Timestamp;

/// What a turn found out replaces what was known before, whole.
pub async fn a_projection_of_more_of_the_log_replaces_the_record(store: Store) {
    let id = started(&store, "order-1").await;
    let before = store.record(&id).await.unwrap().unwrap();
    let newer = Projection {
        wake_at: Some(at(60_000)),
        updated_at: at(9),
        code: "v2".into(),
        reason: Some("because".into()),
        ..projection(3, Status::Suspended)
    };
    let after = store.project(&id, &newer).await.unwrap();
    assert_eq!(after.projection, newer);
    assert_eq!((after.workflow.clone(), after.started_at), (before.workflow, before.started_at));
    assert_eq!(store.record(&id).await.unwrap(), Some(after));
    // What is no longer so is gone.
    let last = projection(4, Status::Completed);
    assert_eq!(store.project(&id, &last).await.unwrap().projection, last);
    assert_eq!(store.record(&id).await.unwrap().unwrap().projection, last);
}

/// A host that is so late that its execution was deleted, and its id belongs to another one, changes
/// nothing of that one's record.
pub async fn a_record_of_another_life_stays_as_it_is(store: Store) {
    let id = started(&store, "order-1").await;
    let before = store.record(&id).await.unwrap().unwrap();
    let late = |life, status| Projection { life: Some(life), ..projection(9, status) };
    let another = Life::Since(Timestamp(before.started_at.0 - 1));
    for another in [another, Life::Born(Born::random())] {
        for status in [Status::Completed, Status::Blocked] {
            assert_eq!(store.project(&id, &late(another, status)).await.unwrap(), before);
        }
    }
    assert_eq!(store.record(&id).await.unwrap().as_ref(), Some(&before));
    let own = store.project(&id, &late(before.life(), Status::Completed)).await.unwrap();
    assert_eq!(own.projection, projection(9, Status::Completed));
    let born = Record { born: Some(Born::random()), ..record("order-2") };
    start(&store, &born).await;
    for another in [Life::Since(born.started_at), Life::Born(Born::random())] {
        let there = store.project(&born.id, &late(another, Status::Completed)).await.unwrap();
        assert_eq!(there, born);
    }
    let own = store.project(&born.id, &late(born.life(), Status::Completed)).await.unwrap();
    assert_eq!(own.projection, projection(9, Status::Completed));
}

/// What was untold may be told, or some of it: that changes the record at the same commit, but neither
/// lifts a block nor takes anything back.
pub async fn what_is_untold_changes_at_the_same_commit(store: Store) {
    let id = started(&store, "order-1").await;
    store.append(&id, &commit(1)).await.unwrap();
    let untold = |untold, updated| Projection {
        wake_at: Some(at(updated)),
        untold,
        updated_at: at(updated),
        ..projection(1, Status::Completed)
    };
    let stored = async || store.record(&id).await.unwrap().unwrap().projection;
    for step in [untold(Some(0), 5), untold(Some(0), 6), untold(Some(1), 7), untold(None, 8)] {
        assert_eq!(store.project(&id, &step).await.unwrap().projection, step);
        assert_eq!(stored().await, step);
    }
    // All is told: an older try changes nothing.
    store.project(&id, &untold(Some(1), 9)).await.unwrap();
    assert_eq!(stored().await, untold(None, 8));

    let blocked = Projection { untold: Some(2), ..projection(2, Status::Blocked) };
    store.append(&id, &commit(2)).await.unwrap();
    store.project(&id, &blocked).await.unwrap();
    store.project(&id, &projection(2, Status::Running)).await.unwrap();
    assert_eq!(stored().await, blocked, "a block is not lifted by who has not seen it");
    let told = projection(2, Status::Blocked);
    assert_eq!(store.project(&id, &told).await.unwrap().projection, told);
}

/// What of it is told all the same is replaced with it, and goes when all is told.
pub async fn what_is_told_all_the_same_comes_back_and_goes(store: Store) {
    let id = started(&store, "order-1").await;
    store.append(&id, &commit(1)).await.unwrap();
    let stuck = r#"{"commit": 0, "index": 3, "run": 1, "workflow": "f\u00fcllt \"auf\""}"#;
    let next = r#"{"commit": 1, "run": 1, "workflow": "w", "status": "suspended"}"#;
    for text in [
        format!(r#"{{"stuck": [{stuck}], "again": 1750000000007}}"#),
        format!(r#"{{"next": {next}}}"#),
        format!(r#"{{"next": {next}, "stuck": [{stuck}, {stuck}], "again": 1750000000009}}"#),
    ] {
        let telling: Telling = serde_json::from_str(&text).expect("it is how it is kept");
        let untold = telling.untold();
        let known =
            Projection { untold, telling: Some(telling), ..projection(1, Status::Suspended) };
        assert_eq!(store.project(&id, &known).await.unwrap().projection, known);
        assert_eq!(store.load(&id).await.unwrap().unwrap().record.projection, known);
    }
    let page = store.list(&ListQuery::default()).await.unwrap();
    assert!(page.records.iter().all(|record| record.projection.telling.is_none()));
    // By a program of before there was this.
    let old = Projection { untold: Some(0), ..projection(1, Status::Suspended) };
    assert_eq!(store.project(&id, &old).await.unwrap().projection, old);
    let told = projection(1, Status::Suspended);
    assert_eq!(store.project(&id, &told).await.unwrap().projection, told);
    assert_eq!(store.record(&id).await.unwrap().unwrap().projection, told);
    // A run that starts again takes it over.
    let ended = projection(1, Status::Completed);
    store.append(&id, &commit(2)).await.unwrap();
    store.project(&id, &Projection { commit: 2, ..ended }).await.unwrap();
    let telling = serde_json::from_str(&format!(r#"{{"stuck": [{stuck}]}}"#)).ok();
    let mut again = record("order-1");
    again.projection =
        Projection { untold: Some(0), telling, first: 3, ..projection(3, Status::Running) };
    assert_eq!(store.create(&again, &commit(3)).await.unwrap(), Created::New);
    assert_eq!(store.record(&id).await.unwrap().as_ref(), Some(&again));
}

/// Tags stay until a projection brings others, which are all of them then, and lists find an
/// execution by those it has. A projection that comes too late changes none.
pub async fn tags_stay_until_others_take_their_place(store: Store) {
    let tags = |tags: &[(&str, &str)]| -> BTreeMap<String, String> {
        tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    let record = Record { tags: tags(&[("customer", "ada")]), ..record("order-1") };
    store.create(&record, &commit(0)).await.unwrap();
    let shown = async || {
        let stored = store.record(&record.id).await.unwrap().unwrap();
        assert_eq!(store.load(&record.id).await.unwrap().unwrap().record.tags, stored.tags);
        assert_eq!(stored.projection.tags, None, "they are the record's");
        stored.tags
    };
    let with = |number, its: &[(&str, &str)]| Projection {
        tags: Some(tags(its)),
        ..projection(number, Status::Running)
    };
    store.append(&record.id, &commit(1)).await.unwrap();
    let both = [("customer", "ada"), ("stage", "packing = \"ä\"")];
    let after = store.project(&record.id, &with(1, &both)).await.unwrap();
    assert_eq!((after.tags, shown().await), (tags(&both), tags(&both)));
    // Older than what is there, and as old.
    store.project(&record.id, &with(0, &[("stage", "old")])).await.unwrap();
    store.project(&record.id, &with(1, &[("stage", "old")])).await.unwrap();
    assert_eq!(shown().await, tags(&both));
    store.append(&record.id, &commit(2)).await.unwrap();
    store.project(&record.id, &projection(2, Status::Suspended)).await.unwrap();
    assert_eq!(shown().await, tags(&both), "without tags of its own it keeps them");
    store.append(&record.id, &commit(3)).await.unwrap();
    store.project(&record.id, &with(3, &[("stage", "shipped")])).await.unwrap();
    assert_eq!(shown().await, tags(&[("stage", "shipped")]));
    for (value, count) in [("shipped", 1), ("packing = \"ä\"", 0)] {
        let query = ListQuery { tags: tags(&[("stage", value)]), ..ListQuery::default() };
        eventually(count, async || store.list(&query).await.unwrap().records.len()).await;
    }
}

/// A record knows whose child it is, whatever is written later; a run that is started again is
/// nobody's.
pub async fn a_record_names_the_parent_it_was_started_by(store: Store) {
    let parent = ParentRun { execution: id("parent/ä#1"), run: 7 };
    let record = Record { parent: Some(parent.clone()), ..record("order-1") };
    store.create(&record, &commit(0)).await.unwrap();
    let stored = async || store.record(&record.id).await.unwrap().unwrap().parent;
    assert_eq!(stored().await, Some(parent.clone()));
    store.append(&record.id, &commit(1)).await.unwrap();
    let after = store.project(&record.id, &projection(1, Status::Completed)).await.unwrap();
    assert_eq!(after.parent, Some(parent.clone()));
    assert_eq!(store.load(&record.id).await.unwrap().unwrap().record.parent, Some(parent));
    let lists = async || store.list(&ListQuery::default()).await.unwrap().records;
    eventually(1, async || lists().await.len()).await;
    assert_eq!(lists().await[0].parent, None, "not in lists");
    let mut again = Record { parent: None, ..record.clone() };
    again.projection.commit = 2;
    assert_eq!(store.create(&again, &commit(2)).await.unwrap(), Created::New);
    assert_eq!(stored().await, None);
}

/// A view stays until another takes its place, whatever else is written, and is not in lists. A
/// run that begins anew has none.
pub async fn a_view_stays_until_another_takes_its_place(store: Store) {
    let id = started(&store, "order-1").await;
    let with = |number, status, view: Option<&str>| {
        let view = view.map(|view| Json::parse(view.into()).expect("JSON"));
        Projection { view, ..projection(number, status) }
    };
    let large = format!("[{}1.50]", "\"Bär\\n\", ".repeat(1_000));
    let shown = async || {
        let view = store.record(&id).await.unwrap().unwrap().projection.view;
        assert_eq!(store.load(&id).await.unwrap().unwrap().record.projection.view, view);
        view.map(|view| view.to_string())
    };
    assert_eq!(shown().await, None);
    store.append(&id, &commit(1)).await.unwrap();
    let after = store.project(&id, &with(1, Status::Running, Some(&large))).await.unwrap();
    assert_eq!(after.projection.view.map(|view| view.to_string()), Some(large.clone()));
    for (number, status) in [(1, Status::Blocked), (2, Status::Suspended)] {
        let after = store.project(&id, &with(number, status, None)).await.unwrap();
        assert_eq!((after.projection.commit, after.projection.status), (number, status));
        assert_eq!(after.projection.view.map(|view| view.to_string()), Some(large.clone()));
    }
    assert_eq!(shown().await, Some(large.clone()));
    // Older than what is there.
    store.project(&id, &with(1, Status::Running, Some("1"))).await.unwrap();
    assert_eq!(shown().await, Some(large));
    store.append(&id, &commit(2)).await.unwrap();
    store.append(&id, &commit(3)).await.unwrap();
    store.project(&id, &with(3, Status::Completed, Some("null"))).await.unwrap();
    assert_eq!(shown().await.as_deref(), Some("null"));
    for record in store.list(&ListQuery::default()).await.unwrap().records {
        assert_eq!(record.projection.view, None);
    }
    let again = Record { projection: projection(4, Status::Running), ..record("order-1") };
    assert_eq!(store.create(&again, &commit(4)).await.unwrap(), Created::New);
    assert_eq!(shown().await, None);
}

/// An older update that lands last must not show a closed execution as open.
pub async fn a_projection_of_less_of_the_log_changes_nothing(store: Store) {
    let id = started(&store, "order-1").await;
    let newer = projection(5, Status::Completed);
    store.project(&id, &newer).await.unwrap();
    for older in [projection(4, Status::Running), projection(5, Status::Running)] {
        assert_eq!(store.project(&id, &older).await.unwrap().projection, newer);
        assert_eq!(store.record(&id).await.unwrap().unwrap().projection, newer);
    }
}

/// A block is news without a change of the log; it is lifted only with one, so that a slow host
/// cannot lift a block it has not seen.
pub async fn a_block_is_set_at_the_same_commit_and_lifted_by_a_later_one(store: Store) {
    let id = started(&store, "order-1").await;
    store.project(&id, &projection(2, Status::Running)).await.unwrap();
    let blocked = projection(2, Status::Blocked);
    assert_eq!(store.project(&id, &blocked).await.unwrap().projection, blocked);
    let again = Projection { reason: Some("another".into()), ..blocked.clone() };
    for same_log in [again, projection(2, Status::Running), projection(2, Status::Suspended)] {
        assert_eq!(store.project(&id, &same_log).await.unwrap().projection, blocked);
        assert_eq!(store.record(&id).await.unwrap().unwrap().projection, blocked);
    }
    let lifted = projection(3, Status::Suspended);
    assert_eq!(store.project(&id, &lifted).await.unwrap().projection, lifted);
    assert_eq!(store.record(&id).await.unwrap().unwrap().projection, lifted);
}

/// The record that comes back counts every item that was accepted before.
pub async fn a_projection_comes_back_with_the_arrivals(store: Store) {
    let id = started(&store, "order-1").await;
    for number in 1..=3 {
        store.send(&id, &item(&format!("item-{number}"), 1)).await.unwrap();
        let newer = projection(number, Status::Running);
        assert_eq!(store.project(&id, &newer).await.unwrap().arrivals, number);
        // Also when there is nothing to write.
        assert_eq!(store.project(&id, &newer).await.unwrap().arrivals, number);
    }
}

/// Whatever the order in which projections land, the one of the longest log stays.
pub async fn sixteen_projections_at_once_leave_the_newest(store: Store) {
    let id = started(&store, "order-1").await;
    for number in 1..=16 {
        store.append(&id, &commit(number)).await.unwrap();
    }
    let after = sixteen_at_once(|task| {
        let (store, id) = (store.clone(), id.clone());
        let number = task as u64 + 1;
        async move {
            let after = store.project(&id, &projection(number, Status::Suspended)).await.unwrap();
            assert!(after.projection.commit >= number);
        }
    })
    .await;
    assert_eq!(after.len(), 16);
    assert_eq!(store.record(&id).await.unwrap().unwrap().projection.commit, 16);
}
