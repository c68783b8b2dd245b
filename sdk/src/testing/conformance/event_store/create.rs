//! Starting an execution, and starting a closed one again.

use super::sample::{
    Store, commit, id, is_too_large, item, of_size, projection, record, show, sixteen_at_once,
    start, started,
};
use crate::limits::COMMIT_BYTES_MAX;
use crate::store::{Created, Record, Status};

/// What was written is what is read, and nothing else.
pub async fn a_start_writes_the_record_and_the_first_commit(store: Store) {
    let mut record = record("order-1");
    record.projection.wake_at = Some(super::sample::at(5));
    record.projection.reason = Some("because".into());
    let first = start(&store, &record).await;
    let loaded = store.load(&record.id).await.unwrap().expect("it exists");
    assert_eq!(loaded.record, record);
    assert_eq!(loaded.commits, [first]);
    assert_eq!(loaded.inbox, []);
    assert_eq!(store.record(&record.id).await.unwrap(), Some(record));
}

/// Asking for an execution that was never started is no error.
pub async fn an_execution_that_was_never_started_is_not_there(store: Store) {
    started(&store, "order-1").await;
    assert!(store.load(&id("order-2")).await.unwrap().is_none());
    assert_eq!(store.record(&id("order-2")).await.unwrap(), None);
}

/// The first start stands.
pub async fn a_second_start_changes_nothing_and_says_who_was_first(store: Store) {
    let first_record = record("order-1");
    let first = start(&store, &first_record).await;
    let second_record = Record { workflow: "another".into(), ..first_record.clone() };
    let exists = Created::Exists { by: Some(first.writer), record: first_record.clone().into() };
    assert_eq!(store.create(&second_record, &commit(0)).await.unwrap(), exists);
    // An earlier try of the same call is told by its writer.
    assert_eq!(store.create(&first_record, &first).await.unwrap(), exists);
    let loaded = store.load(&first_record.id).await.unwrap().unwrap();
    assert_eq!((loaded.record, loaded.commits), (first_record, vec![first]));
}

/// A race of starts has one winner, and everybody agrees on it.
pub async fn sixteen_starts_at_once_have_one_winner(store: Store) {
    let results = sixteen_at_once(|_| {
        let (store, start) = (store.clone(), commit(0));
        async move { (start.writer, store.create(&record("order-1"), &start).await.unwrap()) }
    })
    .await;
    let loaded = store.load(&id("order-1")).await.unwrap().unwrap();
    let winner = loaded.commits[0].writer;
    for (writer, created) in results {
        match created {
            Created::New => assert_eq!(writer, winner),
            Created::Exists { by, .. } => assert!(by == Some(winner) && writer != winner),
        }
    }
}

/// A closed execution goes on as a new one in the same log.
pub async fn a_closed_execution_starts_again_after_its_last_commit(store: Store) {
    for status in [Status::Completed, Status::Failed, Status::Cancelled, Status::Terminated] {
        let name = format!("order-{status}");
        let id = started(&store, &name).await;
        store.send(&id, &item("late", 3)).await.unwrap();
        show(&store, &id, status).await;
        let mut again = Record { workflow: "another".into(), ..record(&name) };
        again.projection.commit = 2;
        let restart = commit(2);
        assert_eq!(store.create(&again, &restart).await.unwrap(), Created::New);
        let loaded = store.load(&id).await.unwrap().unwrap();
        assert_eq!(loaded.commits.len(), 3);
        assert_eq!(loaded.commits[2], restart);
        assert_eq!(
            loaded.inbox,
            [item("late", 3).arrived(1)],
            "the inbox belongs to the execution"
        );
        let stays = Record { arrivals: 1, ..again };
        assert_eq!(loaded.record, stays);
        // And once more: it is a repeated call.
        let exists = Created::Exists { by: Some(restart.writer), record: stays.into() };
        assert_eq!(store.create(&record(&name), &restart).await.unwrap(), exists);
    }
}

/// An open execution, and one closed at another commit, cannot be started again.
pub async fn a_restart_is_refused_unless_the_execution_ended_right_before_it(store: Store) {
    for status in [Status::Running, Status::Suspended, Status::Blocked] {
        let id = started(&store, &format!("open-{status}")).await;
        show(&store, &id, status).await;
        let stored = store.record(&id).await.unwrap().unwrap();
        let exists = Created::Exists { by: None, record: stored.clone().into() };
        assert_eq!(store.create(&record(id.as_str()), &commit(2)).await.unwrap(), exists);
        assert_eq!(store.load(&id).await.unwrap().unwrap().commits.len(), 2);
    }
    let id = started(&store, "closed").await;
    show(&store, &id, Status::Completed).await;
    let stored = store.record(&id).await.unwrap().unwrap();
    for number in [1, 3] {
        let created = store.create(&record("closed"), &commit(number)).await.unwrap();
        assert!(matches!(created, Created::Exists { .. }), "{created:?} at {number}");
    }
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert_eq!((loaded.record, loaded.commits.len()), (stored, 2));
}

/// A race of restarts has one winner too.
pub async fn sixteen_restarts_at_once_have_one_winner(store: Store) {
    let id = started(&store, "order-1").await;
    show(&store, &id, Status::Failed).await;
    let results = sixteen_at_once(|_| {
        let (store, restart) = (store.clone(), commit(2));
        let mut record = record("order-1");
        record.projection = projection(2, Status::Running);
        async move { (restart.writer, store.create(&record, &restart).await.unwrap()) }
    })
    .await;
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert_eq!(loaded.commits.len(), 3);
    let winners = results.iter().filter(|(_, created)| *created == Created::New);
    let winners: Vec<_> = winners.map(|(writer, _)| *writer).collect();
    assert_eq!(winners, [loaded.commits[2].writer]);
}

/// The limit is the same on every store, and nothing is left behind.
pub async fn a_start_that_is_too_large_writes_nothing(store: Store) {
    let result = store.create(&record("order-1"), &of_size(0, COMMIT_BYTES_MAX + 1)).await;
    assert!(is_too_large(&result), "{result:?}");
    assert_eq!(store.record(&id("order-1")).await.unwrap(), None);
    let largest = of_size(0, COMMIT_BYTES_MAX);
    assert_eq!(store.create(&record("order-1"), &largest).await.unwrap(), Created::New);
    assert_eq!(store.load(&id("order-1")).await.unwrap().unwrap().commits, [largest]);
}

/// Setting up again touches nothing.
pub async fn setup_may_be_repeated(store: Store) {
    let id = started(&store, "order-1").await;
    store.setup().await.unwrap();
    store.setup().await.unwrap();
    assert!(store.record(&id).await.unwrap().is_some());
}

/// Ids are compared byte for byte and mean nothing to the store.
pub async fn ids_of_any_text_are_kept_apart(store: Store) {
    let longest = "ä".repeat(256);
    let nearly = format!("{}b", "ä".repeat(255));
    let mut names: Vec<&str> = vec![
        "a",
        "A",
        "ab",
        "a#",
        "#",
        "##",
        "a#1",
        "x#a",
        "L#0",
        "L#00000000000000000000",
        "S#s",
        "a/b",
        "/",
        "a/",
        "..",
        "%",
        "_",
        "a%",
        "\\",
        "'; DROP TABLE commits; --",
        "\"",
        "a b",
        "é",
        "e\u{301}",
        "🦀",
        "🦀🦀",
        "\u{10ffff}",
        "0",
        "00",
        "null",
        ":",
        "1:a",
    ];
    names.extend([longest.as_str(), nearly.as_str()]);
    for name in &names {
        let mut record = record(name);
        record.workflow = format!("workflow of {name}");
        let first = super::sample::with_body(0, format!("{name:?}"), commit(0).writer);
        assert_eq!(store.create(&record, &first).await.unwrap(), Created::New, "{name:?}");
        store.send(&id(name), &item(name, 1)).await.unwrap();
    }
    for name in &names {
        let loaded = store.load(&id(name)).await.unwrap().expect("it exists");
        assert_eq!(loaded.record.id.as_str(), *name);
        assert_eq!(loaded.record.workflow, format!("workflow of {name}"));
        assert_eq!(loaded.commits.len(), 1, "{name:?}");
        assert_eq!(*loaded.commits[0].body, format!("{name:?}"));
        assert_eq!(loaded.inbox, [item(name, 1).arrived(1)], "{name:?}");
    }
}
