//! Executions of one id on DynamoDB, where an append does not look at the record: it lands, and is out
//! of sight and in nobody's way.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use everstep::event::Event;
use everstep::id::Born;
use everstep::memory::MemoryQueue;
use everstep::prelude::*;
use everstep::store::{Buried, Grave};
use everstep::{Backend, Client};
use everstep_tests::proxy::Hook;

use super::*;

const GRAVE: Grave = Grave { look_at: Timestamp(9_000), emptied: true };

/// A new life of the execution `x`, as it is when it stands at `commit`.
fn life_at(commit: u64, born: Born, status: Status) -> Record {
    let projection = Projection { life: Some(Life::Born(born)), ..projection(commit, status) };
    Record { born: Some(born), projection, ..record("x", 0) }
}

fn of_life(number: u64, born: Born) -> StoredCommit {
    StoredCommit { life: Some(Life::Born(born)), ..commit(number, WriterId::random()) }
}

/// Starts it.
async fn start(store: &DynamoStore, born: Born) {
    let record = life_at(0, born, Status::Running);
    let first = commit(0, WriterId::random());
    assert_eq!(store.create(&record, &first).await.unwrap(), Created::New);
}

/// Ends and deletes it, which is at `commit`.
async fn delete(store: &DynamoStore, born: Born, commit: u64) {
    let ended = life_at(commit, born, Status::Completed);
    store.project(&id("x"), &ended.projection).await.unwrap();
    assert_eq!(store.bury(&ended, &GRAVE).await.unwrap(), Buried::Done);
    store.remove(&id("x"), &GRAVE).await.unwrap();
}

/// An execution that was deleted, and the next one with its id.
async fn twice(store: &DynamoStore) -> [Born; 2] {
    let [earlier, later] = [Born::random(), Born::random()];
    start(store, earlier).await;
    assert_eq!(store.append(&id("x"), &of_life(1, earlier)).await.unwrap(), Appended::Done);
    delete(store, earlier, 1).await;
    start(store, later).await;
    [earlier, later]
}

/// How many commits of `x` the table has.
async fn commits_in(store: &DynamoStore, url: &str) -> usize {
    let client = aws_sdk_dynamodb::Client::new(&config_at(url).await);
    let found = client.scan().table_name(store.table_name()).consistent_read(true).send().await;
    let items = found.unwrap().items.unwrap_or_default();
    let is = |item: &&HashMap<String, AttributeValue>, name, begins| {
        item[name].as_s().is_ok_and(|text: &String| text.starts_with(begins))
    };
    items.iter().filter(|item| is(item, "pk", "x#x") && is(item, "sk", "L#")).count()
}

async fn log_of(store: &DynamoStore) -> Vec<WriterId> {
    let all = store.load_all(&id("x")).await.unwrap().unwrap();
    all.commits.into_iter().map(|commit| commit.writer).collect()
}

/// One call, as ever; what lies on a number that is asked for costs a transaction, once.
#[tokio::test]
async fn an_append_is_one_call_and_two_where_a_late_one_lies() {
    let faulty = Faulty::start().await;
    let store = &faulty.store;
    let [earlier, later] = twice(store).await;
    let count = || ["PutItem", "TransactWriteItems"].map(|operation| faulty.proxy.calls(operation));
    let before = count();
    assert_eq!(store.append(&id("x"), &of_life(1, earlier)).await.unwrap(), Appended::Done);
    assert_eq!(count(), [before[0] + 1, before[1]], "nothing else is looked at");
    let own = of_life(1, later);
    assert_eq!(store.append(&id("x"), &own).await.unwrap(), Appended::Done);
    assert_eq!(count(), [before[0] + 2, before[1] + 1]);
    assert_eq!(store.append(&id("x"), &of_life(2, later)).await.unwrap(), Appended::Done);
    assert_eq!(count(), [before[0] + 3, before[1] + 1]);
    assert_eq!(log_of(store).await[1], own.writer);
}

/// The writer's id decides, as for every append.
#[tokio::test]
async fn an_append_over_a_late_one_whose_answer_is_lost_is_recognised() {
    let faulty = Faulty::start().await;
    let store = &faulty.store;
    let [earlier, later] = twice(store).await;
    store.append(&id("x"), &of_life(1, earlier)).await.unwrap();
    faulty.proxy.fail("TransactWriteItems", TRIES, Fault::AnswerLost);
    let own = of_life(1, later);
    check_unavailable(store.append(&id("x"), &own).await);
    let taken = Appended::Taken { by: own.writer };
    assert_eq!(store.append(&id("x"), &own).await.unwrap(), taken);
    assert_eq!(log_of(store).await[1..], [own.writer]);
}

/// While one puts its commit over a late one, the execution is deleted and started anew: it is late
/// itself now, and what it would put its commit over is out of its reach.
#[tokio::test(flavor = "multi_thread")]
async fn who_becomes_late_while_it_puts_its_commit_over_a_late_one_writes_nothing() {
    let faulty = Faulty::start().await;
    let calm = store_at(faulty._db.url(), faulty.store.table_name()).await;
    for third_is_there in [false, true] {
        let [earlier, later] = twice(&faulty.store).await;
        faulty.store.append(&id("x"), &of_life(1, earlier)).await.unwrap();
        let third = Born::random();
        let overtaken = {
            let calm = calm.clone();
            async move || {
                let calm = &calm;
                let ended = life_at(0, later, Status::Blocked);
                calm.project(&id("x"), &ended.projection).await.unwrap();
                let over = of_life(1, later);
                assert_eq!(calm.append(&id("x"), &over).await.unwrap(), Appended::Done);
                delete(calm, later, 1).await;
                // It lies there again, and is as late as before.
                calm.append(&id("x"), &of_life(1, earlier)).await.unwrap();
                if third_is_there {
                    start(calm, third).await;
                }
            }
        };
        faulty.proxy.fail("TransactWriteItems", 1, Fault::Instead(Hook::awaiting(overtaken)));
        let appended = faulty.store.append(&id("x"), &of_life(1, later)).await.unwrap();
        assert_eq!((appended, faulty.proxy.faults_left()), (Appended::Gone, 0));
        if !third_is_there {
            assert!(faulty.store.load(&id("x")).await.unwrap().is_none());
            start(&calm, third).await;
        }
        assert_eq!(log_of(&faulty.store).await.len(), 1);
        assert_eq!(calm.append(&id("x"), &of_life(1, third)).await.unwrap(), Appended::Done);
        assert_eq!(log_of(&faulty.store).await.len(), 2);
        delete(&calm, third, 1).await;
    }
}

/// A late one is gone when another one has its number at last: it is looked for again.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_put_their_commits_over_a_late_one_the_first_wins() {
    let faulty = Faulty::start().await;
    let calm = store_at(faulty._db.url(), faulty.store.table_name()).await;
    let [earlier, later] = twice(&faulty.store).await;
    faulty.store.append(&id("x"), &of_life(1, earlier)).await.unwrap();
    let first = of_life(1, later);
    let overtaken = {
        let (calm, first) = (calm.clone(), first.clone());
        async move || {
            let (calm, first) = (&calm, &first);
            assert_eq!(calm.append(&id("x"), first).await.unwrap(), Appended::Done);
        }
    };
    faulty.proxy.fail("TransactWriteItems", 1, Fault::Instead(Hook::awaiting(overtaken)));
    let appended = faulty.store.append(&id("x"), &of_life(1, later)).await.unwrap();
    assert_eq!(appended, Appended::Taken { by: first.writer });
    assert_eq!(log_of(&faulty.store).await[1..], [first.writer]);
}

/// All of it goes with the execution in whose log it lies.
#[tokio::test]
async fn late_commits_are_deleted_with_what_they_lie_in() {
    let db = DynamoDb::start();
    let store = db.store().await;
    let [earlier, later] = twice(&store).await;
    for number in [1, 2, 9] {
        assert_eq!(
            store.append(&id("x"), &of_life(number, earlier)).await.unwrap(),
            Appended::Done
        );
    }
    assert_eq!((log_of(&store).await.len(), commits_in(&store, db.url()).await), (1, 4));
    assert_eq!(store.append(&id("x"), &of_life(1, later)).await.unwrap(), Appended::Done);
    delete(&store, later, 1).await;
    assert_eq!(commits_in(&store, db.url()).await, 0);
}

/// One look: nobody waits for a record and a commit 0 that are written as one.
#[tokio::test]
async fn late_commits_of_what_was_deleted_are_no_log_that_lacks_something() {
    let faulty = Faulty::start().await;
    let store = &faulty.store;
    let born = Born::random();
    start(store, born).await;
    assert_eq!(store.append(&id("x"), &of_life(1, born)).await.unwrap(), Appended::Done);
    delete(store, born, 1).await;
    assert_eq!(store.append(&id("x"), &of_life(2, born)).await.unwrap(), Appended::Done);
    let before = faulty.proxy.calls("Query");
    assert!(store.load(&id("x")).await.unwrap().is_none());
    assert_eq!(faulty.proxy.calls("Query") - before, 1);
}

/// A sender that has looked before the execution was deleted: its item would come after a hundred that
/// nobody sends any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_item_has_its_place_in_the_inbox_it_comes_into() {
    let faulty = Faulty::start().await;
    let calm = store_at(faulty._db.url(), faulty.store.table_name()).await;
    let [earlier, later] = [Born::random(), Born::random()];
    start(&calm, earlier).await;
    for number in 0..5 {
        calm.send(&id("x"), &item(&format!("s{number}"))).await.unwrap();
    }
    let overtaken = {
        let calm = calm.clone();
        async move || {
            let calm = &calm;
            calm.append(&id("x"), &of_life(1, earlier)).await.unwrap();
            delete(calm, earlier, 1).await;
            start(calm, later).await;
        }
    };
    faulty.proxy.fail("TransactWriteItems", 1, Fault::Instead(Hook::awaiting(overtaken)));
    assert_eq!(faulty.store.send(&id("x"), &item("late")).await.unwrap(), Sent::New);
    assert_eq!(faulty.proxy.faults_left(), 0);
    let inbox = calm.load(&id("x")).await.unwrap().unwrap().inbox;
    assert_eq!(inbox, [item("late").arrived(1)]);
}

/// A sender that has looked before the execution ended: its item would have the place of one that came
/// too late for that run, and who is late to remove that one would remove it.
#[tokio::test(flavor = "multi_thread")]
async fn an_item_has_its_place_in_the_run_it_comes_into() {
    let faulty = Faulty::start().await;
    let calm = store_at(faulty._db.url(), faulty.store.table_name()).await;
    let born = Born::random();
    start(&calm, born).await;
    let overtaken = {
        let calm = calm.clone();
        async move || {
            let calm = &calm;
            assert_eq!(calm.send(&id("x"), &item("again")).await.unwrap(), Sent::New);
            calm.append(&id("x"), &of_life(1, born)).await.unwrap();
            let ended = life_at(1, born, Status::Completed);
            calm.project(&id("x"), &ended.projection).await.unwrap();
            let life = Life::Born(born);
            calm.remove_items(&id("x"), life, &[seen("again", 1)]).await.unwrap();
            let mut next = life_at(2, born, Status::Running);
            next.projection.first = 2;
            let first = commit(2, WriterId::random());
            assert_eq!(calm.create(&next, &first).await.unwrap(), Created::New);
        }
    };
    faulty.proxy.fail("TransactWriteItems", 1, Fault::Instead(Hook::awaiting(overtaken)));
    assert_eq!(faulty.store.send(&id("x"), &item("again")).await.unwrap(), Sent::New);
    assert_eq!(faulty.proxy.faults_left(), 0);
    let inbox = calm.load(&id("x")).await.unwrap().unwrap().inbox;
    assert_eq!(inbox, [item("again").arrived(2)]);
}

/// Programs of before there were lives and those of after them work on one table while they are
/// exchanged: a commit without a number is of whatever execution is there.
#[tokio::test]
async fn commits_of_a_program_of_before_are_read_in_every_life() {
    let db = DynamoDb::start();
    let store = db.store().await;
    let born = Born::random();
    start(&store, born).await;
    let before = commit(1, WriterId::random());
    assert_eq!(store.append(&id("x"), &before).await.unwrap(), Appended::Done);
    let taken = Appended::Taken { by: before.writer };
    assert_eq!(store.append(&id("x"), &of_life(1, born)).await.unwrap(), taken);
    assert_eq!(store.append(&id("x"), &of_life(2, born)).await.unwrap(), Appended::Done);
    assert_eq!(log_of(&store).await.len(), 3);
}

#[step]
async fn work(life: u32) -> everstep::Result<u32> {
    Ok(10 * life)
}

/// The second life waits before it does anything.
#[workflow]
async fn again(life: u32) -> everstep::Result<u32> {
    let add = if life == 2 { signal("go").await? } else { 0 };
    Ok(work(life).await? + add)
}

/// A host hangs right before it writes what its body has returned. Meanwhile the execution is ended,
/// deleted and started anew, and that one waits for a signal. Then the write lands, on a number that is
/// free.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_late_by_a_whole_life_leaves_the_next_one_alone() {
    let faulty = Faulty::start().await;
    let calm = store_at(faulty._db.url(), faulty.store.table_name()).await;
    let backend =
        |store: &DynamoStore| Backend::new(Arc::new(store.clone()), Arc::new(MemoryQueue::new()));
    let (late, other) = (backend(&faulty.store), backend(&calm));
    let before = Client::new(&late).start(again, 1).id("x").await.unwrap();
    let overtaken = {
        let (calm, other) = (calm.clone(), other.clone());
        async move || {
            let (calm, other) = (&calm, &other);
            let there = calm.load(&id("x")).await.unwrap().unwrap();
            let (life, last) = (Some(there.record.life()), there.commits.last().unwrap());
            let end = serde_json::json!({"WorkflowTerminated": {
                "at": there.record.started_at, "id": "terminate/1", "reason": "its host hangs",
            }});
            let end: Event = serde_json::from_value(end).unwrap();
            let number = last.number + 1;
            let end = StoredCommit::encode(number, WriterId::random(), Some(last.hash), &[end]);
            let end = StoredCommit { life, ..end };
            assert_eq!(calm.append(&id("x"), &end).await.unwrap(), Appended::Done);
            let ended = Projection { life, ..projection(number, Status::Terminated) };
            calm.project(&id("x"), &ended).await.unwrap();
            let client = Client::new(other);
            assert!(client.delete(&id("x")).await.unwrap().is_free);
            let after = client.start(again, 2).id("x").await.unwrap();
            let waits = async {
                while after.describe().await.unwrap().projection.status != Status::Suspended {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let app = App::new().workflow(again).backend(other.clone());
            app.worker().await.unwrap().run_until(waits).await.unwrap();
        }
    };
    // Its claim, and then the result.
    faulty.proxy.fail("PutItem", 1, Fault::Pass);
    faulty.proxy.fail("PutItem", 1, Fault::Instead(Hook::awaiting(overtaken)));
    let goes_on = async {
        while faulty.proxy.faults_left() > 0 || commits_in(&calm, faulty._db.url()).await < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let app = App::new().workflow(again).backend(late.clone());
    app.worker().await.unwrap().run_until(goes_on).await.unwrap();
    drop(before);
    assert_eq!(log_of(&calm).await.len(), 2, "what landed late is not in the log");

    let client = Client::new(&other);
    let after = client.handle(again, id("x"));
    after.signal("go", &7).await.unwrap();
    let app = App::new().workflow(again).backend(other.clone());
    let result = app.worker().await.unwrap().run_until(after.result()).await.unwrap();
    assert_eq!(result.unwrap(), 27);
    let log = client.history(&id("x")).await.unwrap();
    let events = log.iter().flat_map(|commit| &commit.events);
    let results = events.filter(|event| matches!(event, Event::StepCompleted(_)));
    assert_eq!((results.count(), log.len()), (1, commits_in(&calm, faulty._db.url()).await));
}
