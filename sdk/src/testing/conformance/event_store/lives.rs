//! Executions that have had one id, one after the other: who is late with one touches no other.

use super::pages::all_pages;
use super::sample::{Store, at, commit, item, projection, record, seen, start};
use crate::event::StoredCommit;
use crate::id::{Born, CommitNumber, Life};
use crate::store::{Appended, Buried, Created, Grave, Projection, Record, Sent, Status};

const GRAVE: Grave = Grave { look_at: at(9), emptied: true };

/// A new life of an execution.
fn new() -> Record {
    Record { born: Some(Born::random()), ..record("order-1") }
}

/// The record of `of` once it has ended at this commit.
fn closed(of: &Record, commit: CommitNumber) -> Record {
    Record { projection: projection(commit, Status::Completed), ..of.clone() }
}

fn of_life(number: CommitNumber, life: Life) -> StoredCommit {
    StoredCommit { life: Some(life), ..commit(number) }
}

/// What is read of a commit.
fn read(commit: &StoredCommit) -> StoredCommit {
    StoredCommit { life: None, ..commit.clone() }
}

/// Appends the commit, which is done.
async fn append(store: &Store, of: &Record, number: CommitNumber) -> StoredCommit {
    let commit = of_life(number, of.life());
    assert_eq!(store.append(&of.id, &commit).await.unwrap(), Appended::Done, "{number}");
    read(&commit)
}

/// Ends it at commit 1.
async fn end(store: &Store, of: &Record) {
    append(store, of, 1).await;
    close(store, of, 1).await;
}

async fn close(store: &Store, of: &Record, commit: CommitNumber) {
    let life = Some(of.life());
    let last = Projection { life, ..projection(commit, Status::Completed) };
    assert!(store.project(&of.id, &last).await.unwrap().projection.status.is_closed());
}

/// Deletes it, which has ended at this commit.
async fn delete(store: &Store, of: &Record, commit: CommitNumber) {
    assert_eq!(store.bury(&closed(of, commit), &GRAVE).await.unwrap(), Buried::Done);
    store.remove(&of.id, &GRAVE).await.unwrap();
}

/// An execution that was deleted, and the next one with its id and first commit.
async fn twice(store: &Store) -> (Record, Record, StoredCommit) {
    let (earlier, later) = (new(), new());
    start(store, &earlier).await;
    end(store, &earlier).await;
    delete(store, &earlier, 1).await;
    let first = start(store, &later).await;
    (earlier, later, first)
}

/// What a late host writes, and is told.
async fn late(store: &Store, of: &Record, number: CommitNumber) {
    let commit = of_life(number, of.life());
    let appended = store.append(&of.id, &commit).await.unwrap();
    let is_own = appended == Appended::Taken { by: commit.writer };
    assert!(!is_own, "commit {number}: {appended:?}");
}

async fn check_log(store: &Store, of: &Record, log: &[StoredCommit]) {
    for limit in 1..=log.len() + 1 {
        assert_eq!(all_pages(store, &of.id, limit).await, log, "in pages of {limit}");
    }
    for loaded in [store.load(&of.id).await, store.load_all(&of.id).await] {
        let loaded = loaded.unwrap().unwrap();
        assert_eq!(loaded.record.born, of.born);
        assert_eq!(loaded.commits, log);
    }
}

/// On a number that is free, on one that is taken, and beyond the end; and it is in nobody's way.
pub async fn what_an_earlier_life_appends_late_is_seen_by_nobody(store: Store) {
    let (earlier, later, first) = twice(&store).await;
    let mut log = vec![first];
    for number in [0, 1, 3] {
        late(&store, &earlier, number).await;
        check_log(&store, &later, &log).await;
    }
    for number in 1..5 {
        log.push(append(&store, &later, number).await);
        check_log(&store, &later, &log).await;
        late(&store, &earlier, number).await;
        check_log(&store, &later, &log).await;
    }
    let taken = Appended::Taken { by: log[3].writer };
    assert_eq!(store.append(&later.id, &of_life(3, later.life())).await.unwrap(), taken);
    late(&store, &Record { born: None, started_at: at(-1), ..earlier }, 3).await;
    check_log(&store, &later, &log).await;
}

/// Nor page by page.
pub async fn pages_have_nothing_of_another_life(store: Store) {
    let (earlier, later, first) = twice(&store).await;
    let second = append(&store, &later, 1).await;
    for number in [0, 1, 2, 5] {
        late(&store, &earlier, number).await;
    }
    let (mut read, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        let page = store.load_page(&later.id, at, 9).await.unwrap().unwrap();
        read.extend(page.commits);
        from = page.next;
    }
    assert_eq!(read, [first, second.clone()]);
    let page = store.load_page(&later.id, 1, 9).await.unwrap().unwrap();
    assert_eq!(page.commits, [second]);
}

/// Its id is as free as before, and what was written is in nobody's way.
pub async fn an_append_to_what_was_deleted_is_seen_by_nobody(store: Store) {
    let (earlier, later) = (new(), new());
    start(&store, &earlier).await;
    end(&store, &earlier).await;
    assert_eq!(store.bury(&closed(&earlier, 1), &GRAVE).await.unwrap(), Buried::Done);
    late(&store, &earlier, 2).await;
    assert!(store.load(&earlier.id).await.unwrap().is_none());
    store.remove(&earlier.id, &GRAVE).await.unwrap();
    for number in [1, 2] {
        late(&store, &earlier, number).await;
        assert!(store.load(&earlier.id).await.unwrap().is_none());
        assert!(store.load_all(&earlier.id).await.unwrap().is_none());
        assert_eq!(store.record(&earlier.id).await.unwrap(), None);
    }
    let first = start(&store, &later).await;
    check_log(&store, &later, std::slice::from_ref(&first)).await;
    let second = append(&store, &later, 1).await;
    check_log(&store, &later, &[first, second]).await;
}

/// A run that begins after the one before writes its commit as an append does.
pub async fn a_restart_takes_a_number_on_which_an_earlier_life_wrote(store: Store) {
    let (earlier, later, first) = twice(&store).await;
    end(&store, &later).await;
    late(&store, &earlier, 2).await;
    let again = Record { projection: projection(2, Status::Running), ..later.clone() };
    let restart = commit(2);
    assert_eq!(store.create(&again, &restart).await.unwrap(), Created::New);
    let all = store.load_all(&later.id).await.unwrap().unwrap();
    assert_eq!((all.commits.len(), &all.commits[0], &all.commits[2]), (3, &first, &restart));
    // And once more: it is a repeated call.
    let Created::Exists { by, .. } = store.create(&again, &restart).await.unwrap() else {
        panic!("it is there")
    };
    assert_eq!(by, Some(restart.writer));
}

/// Both have ended at the same commit.
pub async fn a_restart_of_an_earlier_life_is_refused(store: Store) {
    let (earlier, later, _) = twice(&store).await;
    end(&store, &later).await;
    let before = store.load_all(&later.id).await.unwrap().unwrap();
    for born in [earlier.born, None] {
        let again = Record { projection: projection(2, Status::Running), born, ..earlier.clone() };
        let exists = Created::Exists { by: None, record: before.record.clone().into() };
        assert_eq!(store.create(&again, &commit(2)).await.unwrap(), exists);
        // Also where an earlier life has written.
        late(&store, &earlier, 2).await;
    }
    let after = store.load_all(&later.id).await.unwrap().unwrap();
    assert_eq!((after.record, after.commits), (before.record, before.commits));
}

/// Both have ended at the same commit: nothing of the later one was archived.
pub async fn a_burial_of_an_earlier_life_is_refused(store: Store) {
    let (earlier, later, _) = twice(&store).await;
    end(&store, &later).await;
    let there = store.record(&later.id).await.unwrap().unwrap();
    let refused = Buried::Refused { record: Box::new(there.clone()) };
    for late in [closed(&earlier, 1), Record { born: None, ..closed(&later, 1) }] {
        assert_eq!(store.bury(&late, &GRAVE).await.unwrap(), refused);
    }
    assert_eq!(store.record(&later.id).await.unwrap(), Some(there));
    delete(&store, &later, 1).await;
    // Of executions without numbers, too.
    let since = |millis| Record { started_at: at(millis), ..record("order-1") };
    start(&store, &since(5)).await;
    end(&store, &since(5)).await;
    let buried = store.bury(&closed(&since(4), 1), &GRAVE).await.unwrap();
    assert!(matches!(buried, Buried::Refused { .. }), "{buried:?}");
    delete(&store, &since(5), 1).await;
}

/// Its sender uses the same id in both.
pub async fn items_of_a_later_life_are_not_removed(store: Store) {
    let (earlier, later, _) = twice(&store).await;
    assert_eq!(store.send(&later.id, &item("go", 3)).await.unwrap(), Sent::New);
    let there = [seen("go", 1)];
    for life in [earlier.life(), Life::Since(earlier.started_at)] {
        store.remove_items(&later.id, life, &there).await.unwrap();
    }
    let inbox = store.load(&later.id).await.unwrap().unwrap().inbox;
    assert_eq!(inbox, [item("go", 3).arrived(1)]);
    store.remove_items(&later.id, later.life(), &there).await.unwrap();
    assert_eq!(store.load(&later.id).await.unwrap().unwrap().inbox, []);
}

/// It came too late for the run that had ended, and its sender tries again: who removes the first one is
/// late by a whole start, and the second one stays.
pub async fn an_item_that_is_sent_again_after_a_restart_is_not_removed(store: Store) {
    let numbered = new();
    for record in [record("order-2"), numbered] {
        start(&store, &record).await;
        assert_eq!(store.send(&record.id, &item("go", 3)).await.unwrap(), Sent::New);
        let first = store.load(&record.id).await.unwrap().unwrap().inbox;
        end(&store, &record).await;
        let life = record.life();
        store.remove_items(&record.id, life, &[first[0].seen()]).await.unwrap();
        let projection = Projection { first: 2, ..projection(2, Status::Running) };
        // Those without a number are told apart by their start, which is another one by then.
        let again = Record { projection, ..record.clone() };
        assert_eq!(store.create(&again, &commit(2)).await.unwrap(), Created::New);
        assert_eq!(store.send(&record.id, &item("go", 3)).await.unwrap(), Sent::New);
        for late in 0..=first[0].arrival {
            store.remove_items(&record.id, life, &[seen("go", late)]).await.unwrap();
        }
        let inbox = store.load(&record.id).await.unwrap().unwrap().inbox;
        assert_eq!(inbox, [item("go", 3).arrived(2)]);
        store.remove_items(&record.id, life, &[inbox[0].seen()]).await.unwrap();
        assert_eq!(store.load(&record.id).await.unwrap().unwrap().inbox, []);
    }
}

/// Else it would come to light with the third.
pub async fn what_an_earlier_life_wrote_is_removed_with_the_later_one(store: Store) {
    let (earlier, later, _) = twice(&store).await;
    end(&store, &later).await;
    for number in [2, 7] {
        late(&store, &earlier, number).await;
    }
    delete(&store, &later, 1).await;
    let third = new();
    let first = start(&store, &third).await;
    let mut log = vec![first];
    for number in 1..4 {
        log.push(append(&store, &third, number).await);
    }
    check_log(&store, &third, &log).await;
}

/// So a host that has read the run before is no stranger, and only loses its number.
pub async fn a_life_is_kept_when_it_starts_again(store: Store) {
    let life = new();
    start(&store, &life).await;
    end(&store, &life).await;
    let again =
        Record { started_at: at(50), projection: projection(2, Status::Running), ..life.clone() };
    let restart = commit(2);
    assert_eq!(store.create(&again, &restart).await.unwrap(), Created::New);
    assert_eq!(store.record(&life.id).await.unwrap().unwrap().born, life.born);
    let taken = Appended::Taken { by: restart.writer };
    assert_eq!(store.append(&life.id, &of_life(2, life.life())).await.unwrap(), taken);
    append(&store, &life, 3).await;
    assert_eq!(store.load_all(&life.id).await.unwrap().unwrap().commits.len(), 4);
}
