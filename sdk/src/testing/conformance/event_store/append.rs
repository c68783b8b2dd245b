//! The one write that decides a race.

use super::sample::{
    Store, commit, is_too_large, item, of_size, sixteen_at_once, start, started, with_body,
};
use crate::id::WriterId;
use crate::limits::COMMIT_BYTES_MAX;
use crate::store::Appended;

/// The log is what was appended, byte for byte, and appending touches nothing else.
pub async fn commits_are_read_back_byte_for_byte_in_order(store: Store) {
    let record = super::sample::record("order-1");
    let mut log = vec![start(&store, &record).await];
    let bodies = ["{}", "[1, 2.50 ]", "\"\\u0000 \\n 🦀 ' -- \u{2028}\"", "null"];
    for (number, body) in (1..).zip(bodies) {
        let commit = with_body(number, body.into(), WriterId::random());
        assert_eq!(store.append(&record.id, &commit).await.unwrap(), Appended::Done);
        log.push(commit);
    }
    let loaded = store.load(&record.id).await.unwrap().unwrap();
    assert_eq!(loaded.commits, log);
    assert_eq!(loaded.record, record);
}

/// A writer learns whether it was itself who took the number.
pub async fn a_taken_number_stays_and_names_its_writer(store: Store) {
    let id = started(&store, "order-1").await;
    let first = commit(1);
    assert_eq!(store.append(&id, &first).await.unwrap(), Appended::Done);
    let taken = Appended::Taken { by: first.writer };
    assert_eq!(store.append(&id, &first).await.unwrap(), taken);
    assert_eq!(store.append(&id, &commit(1)).await.unwrap(), taken);
    assert_eq!(store.load(&id).await.unwrap().unwrap().commits[1..], [first]);
}

/// Commit 0 is taken by the start.
pub async fn the_first_commit_cannot_be_appended_over(store: Store) {
    let record = super::sample::record("order-1");
    let first = start(&store, &record).await;
    let taken = Appended::Taken { by: first.writer };
    assert_eq!(store.append(&record.id, &commit(0)).await.unwrap(), taken);
}

/// Sixteen writers fight for twenty numbers: each number has one winner, and the log agrees.
pub async fn a_number_has_exactly_one_winner(store: Store) {
    const NUMBERS: u64 = 20;
    let id = started(&store, "order-1").await;
    let won = sixteen_at_once(|_| {
        let (store, id) = (store.clone(), id.clone());
        async move {
            let mut won = Vec::new();
            for number in 1..=NUMBERS {
                let commit = commit(number);
                match store.append(&id, &commit).await.unwrap() {
                    Appended::Done => won.push(commit),
                    Appended::Taken { by } => assert_ne!(by, commit.writer),
                    Appended::Gone => panic!("nobody has deleted it"),
                }
            }
            won
        }
    })
    .await;
    let mut won: Vec<_> = won.into_iter().flatten().collect();
    won.sort_by_key(|commit| commit.number);
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert_eq!(loaded.commits[1..], won);
    assert_eq!(won.len() as u64, NUMBERS);
}

/// The same number of another execution is another number.
pub async fn logs_of_different_executions_do_not_meet(store: Store) {
    let (a, b) = (started(&store, "a").await, started(&store, "a1").await);
    let commits = [commit(1), commit(1)];
    for (id, commit) in [&a, &b].into_iter().zip(&commits) {
        assert_eq!(store.append(id, commit).await.unwrap(), Appended::Done);
    }
    for (id, commit) in [&a, &b].into_iter().zip(&commits) {
        assert_eq!(store.load(id).await.unwrap().unwrap().commits[1], *commit);
    }
}

/// The limit is the same on every store.
pub async fn the_largest_commit_is_accepted_and_a_larger_one_refused(store: Store) {
    let id = started(&store, "order-1").await;
    let largest = of_size(1, COMMIT_BYTES_MAX);
    assert_eq!(store.append(&id, &largest).await.unwrap(), Appended::Done);
    let result = store.append(&id, &of_size(2, COMMIT_BYTES_MAX + 1)).await;
    assert!(is_too_large(&result), "{result:?}");
    let next = commit(2);
    assert_eq!(store.append(&id, &next).await.unwrap(), Appended::Done, "the number is free");
    assert_eq!(store.load(&id).await.unwrap().unwrap().commits[1..], [largest, next]);
}

/// Several of the largest commits come back as well: more than one answer of DynamoDB holds.
pub async fn a_log_of_large_commits_comes_back_whole(store: Store) {
    let id = started(&store, "order-1").await;
    for number in 1..=8 {
        store.append(&id, &of_size(number, COMMIT_BYTES_MAX)).await.unwrap();
    }
    store.send(&id, &item("s", 1)).await.unwrap();
    let loaded = store.load(&id).await.unwrap().unwrap();
    let sizes: Vec<_> = loaded.commits[1..].iter().map(|commit| commit.body.len()).collect();
    assert_eq!(sizes, [COMMIT_BYTES_MAX; 8]);
    assert_eq!(loaded.inbox.len(), 1);
}

/// Thousands of commits come back, all of them, in the order of their numbers.
pub async fn a_log_of_thousands_of_commits_comes_back_in_order(store: Store) {
    const COMMITS: u64 = 2_000;
    let id = started(&store, "order-1").await;
    for number in 1..COMMITS {
        let appended = store.append(&id, &of_size(number, 1_400)).await.unwrap();
        assert_eq!(appended, Appended::Done);
    }
    let loaded = store.load(&id).await.unwrap().unwrap();
    assert!(loaded.commits.iter().map(|commit| commit.number).eq(0..COMMITS));
}
