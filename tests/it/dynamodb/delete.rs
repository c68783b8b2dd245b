//! What of deleting only DynamoDB has: a log is removed item by item, and every call may be cut off.

use everstep::store::{Buried, Grave};
use everstep_tests::proxy::Hook;

use super::*;

const COMMITS: u64 = 5;

const GRAVE: Grave = Grave { look_at: Timestamp(9_000), emptied: true };

/// An execution `name` that has ended after so many commits, with an item that came too late.
async fn ended(store: &DynamoStore, name: &str) -> ExecutionId {
    let (id, writer) = (id(name), WriterId::random());
    store.create(&record(name, 0), &commit(0, writer)).await.unwrap();
    store.send(&id, &item("late")).await.unwrap();
    for number in 1..COMMITS {
        store.append(&id, &commit(number, writer)).await.unwrap();
    }
    store.project(&id, &projection(COMMITS - 1, Status::Completed)).await.unwrap();
    id
}

async fn bury(store: &DynamoStore, id: &ExecutionId) {
    assert_eq!(store.bury(&record(id.as_str(), COMMITS - 1), &GRAVE).await.unwrap(), Buried::Done);
}

/// Starts it anew, and finds what it has written and nothing else.
async fn starts_anew(store: &DynamoStore, name: &str) {
    let first = commit(0, WriterId::random());
    assert_eq!(store.create(&record(name, 0), &first).await.unwrap(), Created::New, "{name}");
    let all = store.load_all(&id(name)).await.unwrap().unwrap();
    assert_eq!((all.commits, all.inbox), (vec![first], vec![]), "{name}");
}

/// At each of its calls, done or not: nobody finds anything, no start is made, and the next removal
/// comes to the end.
#[tokio::test]
async fn a_removal_that_is_cut_off_anywhere_is_gone_on_with() {
    let faulty = Faulty::start().await;
    let (proxy, store) = (&faulty.proxy, &faulty.store);
    let mut cut_off = 0;
    for (operation, calls) in [
        ("Query", vec![0]),
        ("GetItem", vec![0]),
        ("TransactWriteItems", vec![0]),
        ("DeleteItem", vec![0, 2, COMMITS as usize]),
    ] {
        for fault in [Fault::RequestLost, Fault::AnswerLost] {
            for &call in &calls {
                let name = format!("{operation} {fault:?} {call}");
                let id = ended(store, &name).await;
                bury(store, &id).await;
                proxy.fail(operation, call, Fault::Pass);
                // All that run at once, with all tries of each.
                proxy.fail(operation, 10 * TRIES, fault.clone());
                let removed = store.remove(&id, &GRAVE).await;
                proxy.heal();
                // The last deletion is the grave's: its answer may be lost when all is done.
                if store.grave(&id).await.unwrap().is_some() {
                    cut_off += 1;
                    assert!(removed.unwrap_err().is_retryable(), "{name}");
                    assert!(store.load_all(&id).await.unwrap().is_none(), "{name}");
                    assert_eq!(store.record(&id).await.unwrap(), None);
                    assert_eq!(store.send(&id, &item("x")).await.unwrap(), Sent::NoExecution);
                    let refused =
                        store.create(&record(&name, 0), &commit(0, WriterId::random())).await;
                    assert!(matches!(refused, Err(StoreError::Buried { .. })), "{refused:?}");
                    let before = Timestamp(10_000);
                    let expired = store.expired(Timestamp(0), before, 10).await.unwrap();
                    let ids: Vec<_> = expired.iter().map(|(_, id)| id).collect();
                    assert_eq!(ids, [&id], "the next pass finds it");
                    store.remove(&id, &GRAVE).await.unwrap();
                }
                starts_anew(store, &name).await;
            }
        }
    }
    assert!(cut_off >= 10, "{cut_off}");
}

/// A burial whose answer is lost is recognised by the SDK's next try, and by the caller's.
#[tokio::test]
async fn a_burial_without_an_answer_is_recognised() {
    let faulty = Faulty::start().await;
    let id = ended(&faulty.store, "b").await;
    faulty.proxy.fail("UpdateItem", 1, Fault::AnswerLost);
    bury(&faulty.store, &id).await;
    faulty.proxy.fail("UpdateItem", TRIES, Fault::AnswerLost);
    let mine = Grave { look_at: Timestamp(20_000), emptied: true };
    check_unavailable(faulty.store.rebury(&id, &GRAVE, &mine).await);
    faulty.proxy.heal();
    assert!(faulty.store.rebury(&id, &GRAVE, &mine).await.unwrap());
    assert_eq!(faulty.store.grave(&id).await.unwrap(), Some(mine));
}

/// One that is paused right before a call, while another one removes all and the id starts anew: the
/// call lands, and touches nothing of the new execution.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_is_overtaken_by_a_start_removes_nothing_of_it() {
    let faulty = Faulty::start().await;
    let calm = store_at(faulty._db.url(), faulty.store.table_name()).await;
    for operation in ["Query", "GetItem", "DeleteItem", "TransactWriteItems"] {
        for last in [false, true] {
            let name = format!("{operation} {last}");
            let id = ended(&faulty.store, &name).await;
            bury(&faulty.store, &id).await;
            let second = commit(1, WriterId::random());
            let overtaken = {
                let (calm, id, name, second) =
                    (calm.clone(), id.clone(), name.clone(), second.clone());
                async move || {
                    let (calm, id, name, second) = (&calm, &id, &name, &second);
                    calm.remove(id, &GRAVE).await.unwrap();
                    starts_anew(calm, name).await;
                    calm.append(id, second).await.unwrap();
                    assert_eq!(calm.send(id, &item("late")).await.unwrap(), Sent::New);
                }
            };
            if last && operation == "DeleteItem" {
                faulty.proxy.fail(operation, COMMITS as usize, Fault::Pass);
            }
            faulty.proxy.fail(operation, 1, Fault::Instead(Hook::awaiting(overtaken)));
            faulty.store.remove(&id, &GRAVE).await.unwrap();
            assert_eq!(faulty.proxy.faults_left(), 0, "{name}");
            let all = faulty.store.load_all(&id).await.unwrap().unwrap();
            assert_eq!(all.commits.len(), 2, "{name}");
            assert_eq!(all.commits[1], second);
            assert_eq!(all.inbox, [item("late").arrived(1)], "{name}");
        }
    }
}

/// Of a child's first commit only the content is another one when its parent makes it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_comes_late_tells_commits_of_one_writer_apart() {
    let faulty = Faulty::start().await;
    let calm = store_at(faulty._db.url(), faulty.store.table_name()).await;
    let (id, writer) = (id("child"), WriterId::random());
    let ended = Record { projection: projection(0, Status::Completed), ..record("child", 0) };
    faulty.store.create(&ended, &commit(0, writer)).await.unwrap();
    assert_eq!(faulty.store.bury(&ended, &GRAVE).await.unwrap(), Buried::Done);
    let anew = commit_of(0, writer, "{\"anew\":true}");
    let overtaken = {
        let (calm, id, anew) = (calm.clone(), id.clone(), anew.clone());
        async move || {
            let (calm, id, anew) = (&calm, &id, &anew);
            calm.remove(id, &GRAVE).await.unwrap();
            assert_eq!(calm.create(&record("child", 0), anew).await.unwrap(), Created::New);
        }
    };
    faulty.proxy.fail("DeleteItem", 1, Fault::Instead(Hook::awaiting(overtaken)));
    faulty.store.remove(&id, &GRAVE).await.unwrap();
    assert_eq!(faulty.proxy.faults_left(), 0);
    assert_eq!(faulty.store.load_all(&id).await.unwrap().unwrap().commits, [anew]);
}

/// A query, a look at the grave, a deletion for each commit, and one for the grave.
#[tokio::test]
async fn a_deletion_costs_a_call_for_each_commit_and_four_more() {
    let faulty = Faulty::start().await;
    let id = ended(&faulty.store, "b").await;
    faulty.store.remove_items(&id, life(), &[seen("late", 1)]).await.unwrap();
    let count = |operation| faulty.proxy.calls(operation);
    let operations = ["UpdateItem", "Query", "GetItem", "DeleteItem", "TransactWriteItems"];
    let before = operations.map(count);
    bury(&faulty.store, &id).await;
    faulty.store.remove(&id, &GRAVE).await.unwrap();
    let after = operations.map(count);
    let made: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!(made, [1, 1, 1, COMMITS as usize + 1, 0]);
    let before = count("Query");
    faulty.store.expired(Timestamp(0), Timestamp(1), 10).await.unwrap();
    assert_eq!(count("Query") - before, 64, "a shard each");
}

/// No other policy than what it takes.
#[tokio::test]
async fn a_missing_permission_to_delete_is_a_sentence() {
    let faulty = Faulty::start().await;
    let id = ended(&faulty.store, "b").await;
    bury(&faulty.store, &id).await;
    faulty.store.remove_items(&id, life(), &[seen("late", 1)]).await.unwrap();
    faulty.proxy.fail("DeleteItem", 16, Fault::error(400, "AccessDeniedException"));
    check_unusable(faulty.store.remove(&id, &GRAVE).await, &["allow dynamodb:DeleteItem"]);
    faulty.proxy.heal();
    faulty.store.remove(&id, &GRAVE).await.unwrap();
}
