//! Invocations in virtual time, on a store and a queue in memory.

#[cfg(feature = "lambda-invoke")]
mod pinned;

use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};

use lambda_runtime::Diagnostic;

use super::*;
use crate::archive::{Archive, ArchiveError, ArchiveFile, ArchiveStore, MemoryArchive};
use crate::context::{postpone, sleep, step};
use crate::event::{Event, Json, TurnEnd};
use crate::host::App;
use crate::id::ExecutionId;
use crate::limits::{
    CLOCK_SKEW, DELETE_PASS_MAX, PAYLOAD_CALL_MAX, QUEUE_RECEIVES_MAX, STRIKES_MAX,
};
use crate::memory::{MemoryQueue, MemoryStore};
use crate::payload::{
    BlobBytes, BlobName, Folder, MemoryPayloads, PayloadError, PayloadStore, Payloads, Put,
};
use crate::store::{EventStore, Status};
use crate::testing::faults::{Fate, Faults, FaultyStore};
use crate::trigger::{Action, DeliverError, S3Object, SqsMessage, TableChange};
use crate::turn::{Verdict, come_back_after};
use crate::wake::{Wake, WakeQueue};

/// One step that takes so many seconds.
#[crate::workflow(crate = "crate")]
async fn takes(seconds: u64) -> crate::Result<u64> {
    let time = Duration::from_secs(seconds);
    step("body", async move || {
        tokio::time::sleep(time).await;
        Ok::<u64, crate::Error>(seconds)
    })
    .await
}

/// Waits in code that cannot be waited for, the first time.
#[crate::workflow(crate = "crate")]
async fn broken(_: u64) -> crate::Result<u64> {
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    if LOOKS.fetch_add(1, Ordering::SeqCst) == 0 {
        pending::<()>().await;
    }
    sleep(Duration::from_secs(3_600)).await;
    Ok(1)
}

/// Asks for a place so many times before there is one.
#[crate::workflow(crate = "crate")]
async fn queues(times: u64) -> crate::Result<u64> {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    step("place", async move || {
        if u64::from(ASKED.fetch_add(1, Ordering::SeqCst)) < times {
            return Err(postpone(Duration::from_secs(1), "no place is free").await.into());
        }
        Ok::<u64, crate::Error>(times)
    })
    .await
}

/// A program that takes numbers from a queue, files from a bucket and rows from a table.
fn app() -> App {
    App::new()
        .workflow(takes)
        .workflow(broken)
        .workflow(queues)
        .on(|message: SqsMessage| {
            Ok::<_, crate::Error>(Action::start(takes, message.json()?).id(message.id))
        })
        .on(|file: S3Object| {
            assert_ne!(file.bucket, "odd", "a bug");
            (file.bucket == "numbers").then(|| Action::start(takes, 0))
        })
        .on(|change: TableChange| {
            let seconds = change.new_item::<Row>()?.seconds;
            Ok::<_, crate::Error>(Action::start(takes, seconds).id(change.id))
        })
}

#[derive(serde::Deserialize)]
struct Row {
    seconds: u64,
}

/// The messages of an event.
fn messages(records: Vec<serde_json::Value>) -> Vec<Message> {
    let event = serde_json::json!({ "Records": records }).to_string();
    match Invocation::recognise(&event, "invocation-1") {
        Ok(Invocation::Sqs(messages)) => messages,
        other => panic!("{other:?}"),
    }
}

/// A function, its table and its queue.
struct Function {
    host: Host,
    store: Arc<MemoryStore>,
    queue: MemoryQueue,
    clock: Clock,
}

const BEGINNING: Timestamp = Timestamp(1_700_000_000_000);

impl Function {
    fn new() -> Self {
        Self::with_faults(&Faults::none())
    }

    /// What its own calls to the store meet.
    fn with_faults(faults: &Faults) -> Self {
        Self::of(app(), faults)
    }

    fn of(app: App, faults: &Faults) -> Self {
        Self::with_payloads(app, faults, Payloads::none())
    }

    fn with_payloads(app: App, faults: &Faults, payloads: Payloads) -> Self {
        let (store, queue) = (Arc::new(MemoryStore::new()), MemoryQueue::new());
        let clock = Clock::virtual_from(BEGINNING);
        let faulty: Arc<dyn EventStore> = Arc::new(FaultyStore::new(store.clone(), faults));
        let backend = Backend::new(faulty, Arc::new(queue.clone()));
        let client = Client::of(&backend.store, &backend.queue, &clock);
        let triggers = app.triggers_of(client.clone());
        let registry = app.registry().expect("an app");
        let host = backend.host().expect("a host");
        let kitchen = Kitchen::new(backend.store, backend.queue, clock.clone(), host, registry);
        let kitchen = Arc::new(kitchen.with_payloads(payloads));
        let front = Front::default();
        let (swept, warm) = (Mutex::default(), AtomicBool::new(false));
        let host = Host { kitchen, client, triggers, swept, warm, front };
        Self { host, store, queue, clock }
    }

    /// Starts an execution, whatever its workflow, without the function.
    async fn start(&self, workflow: &str, id: &str, input: &str) {
        let store: Arc<dyn EventStore> = self.store.clone();
        let client = Client::of(&store, &(Arc::new(self.queue.clone()) as _), &self.clock);
        let input: Json = serde_json::from_str(input).expect("JSON");
        let _ = client.start_named(workflow, input).id(id).await.expect("it starts");
    }

    /// What the mapping makes of the messages that wait.
    async fn receive(&self) -> Vec<Message> {
        let deliveries = self.queue.receive(10, Duration::ZERO).await.expect("messages");
        let record = |delivery: crate::wake::Delivery| {
            serde_json::json!({
                "messageId": delivery.receipt,
                "receiptHandle": delivery.receipt,
                "body": delivery.body,
                "attributes": { "ApproximateReceiveCount": delivery.receive_count.to_string() },
                "eventSource": "aws:sqs",
            })
        };
        messages(deliveries.into_iter().map(record).collect())
    }

    /// An invocation with what waits and so much time. Which messages are to come again.
    async fn invoke(&self, time_out: Duration) -> Vec<String> {
        let records = self.receive().await;
        let receipts: Vec<_> = records.iter().map(|it| it.receipt.clone()).collect();
        let answer = self.host.batch(records, self.clock.now().after(time_out)).await;
        let failed = answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier);
        let failed: Vec<String> = failed.collect();
        // As Lambda does.
        for done in receipts.iter().filter(|receipt| !failed.contains(receipt)) {
            self.queue.delete(done).await.expect("deleted");
        }
        failed
    }

    async fn events(&self, id: &str) -> Vec<Event> {
        let id = ExecutionId::new(id).expect("an id");
        let history = self.host.client.history(&id).await.expect("a log");
        history.into_iter().flat_map(|commit| commit.events).collect()
    }

    async fn status(&self, id: &str) -> Status {
        let id = ExecutionId::new(id).expect("an id");
        let record = self.store.record(&id).await.expect("an answer").expect("a record");
        record.projection.status
    }

    fn elapsed(&self) -> Duration {
        self.clock.now().since(BEGINNING)
    }
}

const T: Duration = Duration::from_secs(60);

/// A message as the mapping hands it over.
fn message(id: &str, body: &str) -> serde_json::Value {
    serde_json::json!({
        "messageId": id, "receiptHandle": "r", "body": body, "eventSource": "aws:sqs",
    })
}

/// A row as a stream has it; its number is a text or not even that.
fn change(id: &str, row: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "eventID": id, "eventName": "INSERT", "eventSource": "aws:dynamodb",
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/Rows/stream/1",
        "dynamodb": { "Keys": { "id": { "S": id } }, "NewImage": row, "SequenceNumber": id },
    })
}

impl Function {
    /// What the function answers to an event.
    async fn answer(&self, event: &serde_json::Value) -> Result<serde_json::Value, Diagnostic> {
        let deadline = self.clock.now().after(T);
        let answer = self.host.invoke(&event.to_string(), "i-1", deadline).await?;
        Ok(serde_json::from_str(answer.get()).expect("JSON"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_answered_message_by_message() {
    let function = Function::new();
    function.start("takes", "good", "1").await;
    function.start("nobody's", "unknown", "1").await;
    let mut records = function.receive().await;
    assert_eq!(records.len(), 2);
    let comes_again = records[1].id.clone();
    records.extend(messages(vec![message("m", "no wake"), message("n", "0")]));
    let deadline = function.clock.now().after(T);
    let answer = function.host.batch(records, deadline).await;
    let failed: Vec<_> = answer.batch_item_failures.iter().map(|it| &it.item_identifier).collect();
    assert_eq!(failed, [&comes_again, "m"], "nobody takes the latter, and it is not lost");
    assert_eq!(function.status("good").await, Status::Completed);
    assert_eq!(function.status("n").await, Status::Running);
    assert_eq!(function.receive().await.len(), 1, "the wake of what was started");
    // Another version of the function may know it, and soon.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(function.receive().await.len(), 1);
}

/// A function with a batch that was received once already: an earlier process died of it.
async fn died_of(ids: [&str; 4]) -> Function {
    let function = Function::new();
    for id in ids {
        function.start("takes", id, "1").await;
    }
    for delivery in function.queue.receive(10, Duration::ZERO).await.expect("messages") {
        function.queue.keep(&delivery.receipt, Duration::ZERO).await.expect("it is given back");
    }
    function
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_that_comes_again_one_has_claimed_when_its_process_dies_once_more() {
    let ids = ["a", "b", "c", "d"];
    let function = died_of(ids).await;
    // Dropping it is a death.
    let short = tokio::time::timeout(Duration::from_millis(500), function.invoke(T)).await;
    short.expect_err("each takes a second");
    let mut claims = 0;
    for id in ids {
        let events = function.events(id).await;
        claims += events.iter().filter(|event| matches!(event, Event::TurnStarted(_))).count();
    }
    assert_eq!(claims, 1);

    let function = died_of(ids).await;
    assert_eq!(function.invoke(T).await, Vec::<String>::new());
    for id in ids {
        assert_eq!(function.status(id).await, Status::Completed);
    }
    assert_eq!(function.elapsed(), Duration::from_secs(4), "one after the other");
}

#[tokio::test(start_paused = true)]
async fn a_turn_hands_over_before_the_deadline_and_its_lease_outlasts_it() {
    let function = Function::new();
    function.start("takes", "x", "3600").await;
    assert_eq!(function.invoke(T).await, [""; 0]);
    assert_eq!(function.elapsed(), T - YIELD_BEFORE_DEADLINE);
    let events = function.events("x").await;
    let lease_end = events.iter().find_map(|event| match event {
        Event::TurnStarted(claim) => Some(claim.lease_end),
        _ => None,
    });
    assert_eq!(lease_end, Some(BEGINNING.after(T + CLOCK_SKEW)));
    let Some(Event::TurnEnded(end)) = events.last() else { panic!("{events:#?}") };
    assert_eq!(end.reason, TurnEnd::Yielded);
    // Its own message is deleted; the other is the next turn's.
    assert_eq!(function.queue.len(), 1);
}

/// It has waited, and nothing has died: were it handed over, each turn would be a strike.
#[tokio::test(start_paused = true)]
async fn a_turn_that_only_waits_for_a_back_off_suspends_when_its_time_is_up() {
    let function = Function::new();
    function.start("queues", "x", "50").await;
    let mut invocations = 0;
    while function.status("x").await != Status::Completed {
        assert_eq!(function.invoke(Duration::from_secs(10)).await, [""; 0]);
        assert_ne!(function.status("x").await, Status::Blocked, "after {invocations} invocations");
        tokio::time::sleep(Duration::from_secs(1)).await;
        invocations += 1;
    }
    assert!(invocations > STRIKES_MAX, "{invocations} are too few to show it");
    let events = function.events("x").await;
    let yields = |event: &&Event| match event {
        Event::TurnEnded(end) => end.reason == TurnEnd::Yielded,
        _ => false,
    };
    assert_eq!(events.iter().filter(yields).count(), 0);
}

/// A claim under which no body can start would count as a strike, of an execution that is well.
#[tokio::test(start_paused = true)]
async fn an_invocation_whose_time_is_over_claims_nothing() {
    let function = Function::new();
    function.start("takes", "x", "1").await;
    for receives in 1..QUEUE_RECEIVES_MAX {
        assert_eq!(function.invoke(Duration::ZERO).await.len(), 1, "receive {receives}");
        tokio::time::sleep(function.queue.visibility()).await;
    }
    assert_eq!(function.events("x").await.len(), 1);
    assert_eq!(function.invoke(T).await, [""; 0]);
    assert_eq!(function.status("x").await, Status::Completed);
}

/// The same between the time to hand over and the deadline: a slow load may end there.
#[tokio::test(start_paused = true)]
async fn an_invocation_that_has_to_hand_over_claims_nothing() {
    let function = Function::new();
    function.start("takes", "x", "1").await;
    let wake = Wake::news(ExecutionId::new("x").expect("an id"));
    let now = function.clock.now();
    let lease = Lease::Invocation { deadline: now.after(T), hand_over: now };
    let (_stop, stop) = watch::channel(None);
    let kitchen = &function.host.kitchen;
    let verdict = kitchen.take_turn(kitchen.visit(wake), 2, &Term { lease, stop }).await;
    assert!(matches!(verdict, Ok(Verdict::Return(after)) if after.is_zero()));
    assert_eq!(function.events("x").await.len(), 1, "only its start");
}

#[tokio::test(start_paused = true)]
async fn a_function_with_a_short_time_out_works_for_three_quarters_of_it() {
    let function = Function::new();
    function.start("takes", "x", "3600").await;
    assert_eq!(function.invoke(Duration::from_secs(8)).await, [""; 0]);
    assert_eq!(function.elapsed(), Duration::from_secs(6));
}

/// The store never answers the turn's last commit. The answer to Lambda is given in time, the
/// message comes again, and nothing of the turn goes on.
#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_stopped_and_comes_again() {
    let appends = AtomicU32::new(0);
    let faults = Faults::by(move |call| {
        let last = call.name == "append" && appends.fetch_add(1, Ordering::SeqCst) == 1;
        if last { Fate::Hang } else { Fate::Proceed }
    });
    let function = Function::with_faults(&faults);
    function.start("takes", "x", "1").await;
    let open = function.invoke(T).await;
    assert_eq!(open.len(), 1);
    assert_eq!(function.elapsed(), T - ANSWER_BEFORE_DEADLINE);
    let calls = faults.counts().total();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(faults.counts().total(), calls, "a thawed function goes on");
    // One with a second has an eighth of it for the answer.
    let begun = function.elapsed();
    let short = Function::with_faults(&Faults::by(|call| match call.name {
        "load" => Fate::Hang,
        _ => Fate::Proceed,
    }));
    short.start("takes", "x", "1").await;
    assert_eq!(short.invoke(Duration::from_secs(1)).await.len(), 1);
    assert_eq!(short.elapsed(), Duration::from_millis(875));
    assert!(begun >= T);
}

/// Takes what is as small as a probe, and never answers for anything else while it is told to.
#[derive(Debug, Default)]
struct Narrow {
    blobs: MemoryPayloads,
    hangs: AtomicBool,
}

#[async_trait::async_trait]
impl PayloadStore for Narrow {
    async fn put(&self, name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError> {
        if bytes.len() > 100 && self.hangs.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        self.blobs.put(name, bytes).await
    }

    async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError> {
        self.blobs.get(name).await
    }

    async fn remove(&self, name: &BlobName) -> Result<(), PayloadError> {
        self.blobs.remove(name).await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<BlobName>, PayloadError> {
        self.blobs.list(folder).await
    }
}

/// Returns a large value.
#[crate::workflow(crate = "crate")]
async fn scans(bytes: usize) -> crate::Result<usize> {
    let whole = step("scan", async move || Ok::<String, crate::Error>("x".repeat(bytes))).await?;
    Ok(whole.len())
}

/// A function cannot renew its claim, and is killed at its deadline: before that its turn gives up,
/// and says so, and no number of such turns is taken for poison.
#[tokio::test(start_paused = true)]
async fn a_turn_gives_up_what_it_cannot_store_before_the_deadline_and_counts_no_strike() {
    // The bound of one call is not what ends it.
    let time = PAYLOAD_CALL_MAX.min(T) / 2;
    let line = Arc::new(Narrow { hangs: AtomicBool::new(true), ..Narrow::default() });
    let payloads = Payloads::of(Arc::clone(&line) as _);
    let function = Function::with_payloads(App::new().workflow(scans), &Faults::none(), payloads);
    function.start("scans", "x", "100000").await;
    for number in 1..=STRIKES_MAX + 1 {
        let begun = function.elapsed();
        assert_eq!(function.invoke(time).await.len(), 1, "its wake comes again");
        assert!(function.elapsed() - begun < time - ANSWER_BEFORE_DEADLINE, "it was killed");
        let events = function.events("x").await;
        let Some(Event::TurnEnded(end)) = events.last() else { panic!("{events:#?}") };
        assert_eq!(end.reason, TurnEnd::GaveUp, "invocation {number}");
        tokio::time::sleep(come_back_after(number)).await;
    }
    line.hangs.store(false, Ordering::SeqCst);
    assert_eq!(function.invoke(T).await, [""; 0]);
    assert_eq!(function.status("x").await, Status::Completed);
}

/// A store that does not answer is no reason to wait for the queue's visibility time-out.
#[tokio::test(start_paused = true)]
async fn a_wake_whose_store_did_not_answer_comes_again_soon() {
    let faults = Faults::by(|call| match call.name {
        "load" => Fate::FailBefore,
        _ => Fate::Proceed,
    });
    let function = Function::with_faults(&faults);
    function.start("takes", "x", "1").await;
    assert_eq!(function.invoke(T).await.len(), 1);
    assert_eq!(function.receive().await.len(), 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    faults.set(|_| Fate::Proceed);
    assert_eq!(function.invoke(T).await, [""; 0]);
    assert_eq!(function.status("x").await, Status::Completed);
}

/// The first sweep of a process may be that of the fix: blocked executions are asked to go on,
/// once.
#[tokio::test(start_paused = true)]
async fn the_first_sweep_of_a_process_resumes_what_is_blocked() {
    let function = Function::new();
    function.start("broken", "x", "1").await;
    assert_eq!(function.invoke(T).await, [""; 0]);
    assert_eq!(function.status("x").await, Status::Blocked);
    let _ = function.host.sweep(Timestamp::MAX).await.expect("a sweep");
    assert_eq!(function.invoke(T).await, [""; 0]);
    assert_eq!(function.status("x").await, Status::Suspended);
    function.start("takes", "late", "1").await;
    let _ = function.receive().await;
    assert_eq!(
        function.host.sweep(Timestamp::MAX).await.expect("a sweep").woken,
        0,
        "it is not overdue yet"
    );
    tokio::time::sleep(LAMBDA_SWEEP_GRACE + Duration::from_millis(1)).await;
    assert_eq!(function.host.sweep(Timestamp::MAX).await.expect("a sweep").woken, 1);
}

/// While its alias points elsewhere nobody asks a process to sweep, and what is blocked then may be for it.
#[tokio::test(start_paused = true)]
async fn a_process_that_comes_back_resumes_what_is_blocked_once_more() {
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    #[crate::workflow(crate = "crate")]
    async fn stuck(_: u64) -> crate::Result<u64> {
        LOOKS.fetch_add(1, Ordering::SeqCst);
        pending::<()>().await;
        Ok(1)
    }
    let function = Function::of(App::new().workflow(stuck), &Faults::none());
    let looks_after = async |pause| {
        tokio::time::sleep(pause).await;
        let before = LOOKS.load(Ordering::SeqCst);
        let _ = function.host.sweep(Timestamp::MAX).await.expect("a sweep");
        assert_eq!(function.invoke(T).await, [""; 0]);
        assert_eq!(function.status("x").await, Status::Blocked);
        LOOKS.load(Ordering::SeqCst) - before
    };
    function.start("stuck", "x", "1").await;
    assert_eq!(function.invoke(T).await, [""; 0]);
    assert_eq!(looks_after(Duration::ZERO).await, 1, "a process that is new");
    assert_eq!(looks_after(Duration::from_secs(60)).await, 0, "one that is busy");
    assert_eq!(looks_after(AWAY_AFTER + Duration::from_millis(1)).await, 1, "one that is back");
}

/// What is more than one pass deletes does not wait for the next sweep.
#[tokio::test(start_paused = true)]
async fn a_sweep_deletes_what_it_has_time_for() {
    const COUNT: usize = DELETE_PASS_MAX + 10;
    let day = Duration::from_secs(86_400);
    let function = Function::of(app().retention(day), &Faults::none());
    for number in 0..COUNT {
        function.start("takes", &format!("order-{number}"), "0").await;
    }
    for _ in 0..COUNT / 10 {
        assert_eq!(function.invoke(T).await, [""; 0]);
    }
    tokio::time::sleep(2 * day).await;
    // There is no time for any.
    let sweep = |time: Duration| function.host.sweep(function.clock.now().after(time));
    assert_eq!(sweep(Duration::ZERO).await.expect("a sweep").deleted, Some(0));
    assert_eq!(sweep(T).await.expect("a sweep").deleted, Some(COUNT));
}

/// Its history is larger than what is archived from memory.
#[crate::workflow(crate = "crate")]
async fn large(bytes: usize) -> crate::Result<usize> {
    for _ in 0..2 {
        step("fetch", async move || Ok::<_, crate::Error>("x".repeat(bytes))).await?;
    }
    Ok(bytes)
}

/// An archive that does not come to an end, and the files that it was given.
#[derive(Debug, Clone, Default)]
struct Hangs(Arc<std::sync::Mutex<Vec<std::path::PathBuf>>>);

#[async_trait::async_trait]
impl ArchiveStore for Hangs {
    async fn put(&self, _name: &str, _bytes: &[u8]) -> Result<(), ArchiveError> {
        pending().await
    }

    async fn get(&self, _name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        pending().await
    }

    async fn put_file(&self, _name: &str, file: &ArchiveFile) -> Result<(), ArchiveError> {
        assert!(file.path().exists());
        self.0.lock().expect("no panic").push(file.path().to_owned());
        pending().await
    }
}

/// What it had in the folder for temporary files would stay there, if it were killed.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_outlasts_the_invocation_is_given_up_before_its_end() {
    let day = Duration::from_secs(86_400);
    let app = App::new().workflow(large).workflow(takes).retention(day);
    let mut function = Function::of(app, &Faults::none());
    for (workflow, id, input) in
        [("large", "a", "180000"), ("large", "b", "180000"), ("takes", "c", "0")]
    {
        function.start(workflow, id, input).await;
    }
    assert_eq!(function.invoke(T).await, [""; 0]);
    tokio::time::sleep(2 * day).await;
    let client = |archive| {
        let (store, queue) = (function.store.clone(), Arc::new(function.queue.clone()));
        Client::on(&Backend::new(store, queue).with_archive(archive), &function.clock)
    };
    let (hangs, memory) = (Hangs::default(), MemoryArchive::new());
    let clients = [client(Archive::new(hangs.clone())), client(Archive::new(memory.clone()))];
    for (client, deleted) in clients.into_iter().zip([0, 3]) {
        function.host.client = client;
        let began = function.clock.now();
        let sweep = function.host.sweep(began.after(T)).await.expect("a sweep");
        assert_eq!(sweep.deleted, Some(deleted));
        assert!(function.clock.now().since(began) < T - ANSWER_BEFORE_DEADLINE);
        for id in ["a", "b", "c"] {
            let id = ExecutionId::new(id).expect("an id");
            let record = function.store.record(&id).await.expect("an answer");
            assert_eq!(record.is_some(), deleted == 0, "it is there as it was, or gone");
        }
    }
    let files = hangs.0.lock().expect("no panic").clone();
    assert!(files.len() == 1 && !files[0].exists(), "{files:?}");
    assert_eq!(memory.objects().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_cannot_run_here_stores_nothing() {
    let function = Function::new();
    for (start, says) in [
        (r#"{"start": {"workflow": "take", "id": "x", "input": 1}}"#, "broken, queues, takes"),
        (r#"{"start": {"workflow": "takes", "id": "x", "input": "one"}}"#, "takes cannot read"),
    ] {
        let refused = function.host.invoke(start, "i", BEGINNING.after(T)).await;
        let refused = Diagnostic::from(refused.expect_err(start));
        assert!(refused.error_message.contains(says), "{}", refused.error_message);
        let id = ExecutionId::new("x").expect("an id");
        assert_eq!(function.store.record(&id).await.expect("an answer"), None);
    }
    assert_eq!(function.queue.len(), 0);
}

/// The front of an app is asked for requests, and for nothing else.
#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn a_request_goes_to_the_front_and_wakes_to_the_turns() {
    let mut function = Function::new();
    let router = crate::http::Front::new().router(&function.host.client);
    function.host.front = Front { router: Some(router) };
    let deadline = function.clock.now().after(Duration::from_secs(10));
    let request = |method: &str, path: &str, body: &str| {
        let context = serde_json::json!({ "http": { "method": method }, "stage": "$default" });
        let event = serde_json::json!({
            "version": "2.0", "rawPath": path, "requestContext": context,
            "headers": { "content-type": "application/json" }, "body": body,
        });
        event.to_string()
    };
    let start = request("POST", "/executions", r#"{"workflow": "takes", "id": "t", "input": 1}"#);
    let answer = function.host.invoke(&start, "i", deadline).await.expect("an answer");
    assert!(answer.get().contains(r#""statusCode":201"#), "{}", answer.get());
    let failures = function.invoke(Duration::from_secs(60)).await;
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(function.status("t").await, Status::Completed);
    let deadline = function.clock.now().after(Duration::from_secs(10));
    let look = request("GET", "/executions/t/result", "");
    let answer = function.host.invoke(&look, "i", deadline).await.expect("an answer");
    assert!(answer.get().contains("completed"), "{}", answer.get());
    let sweep = function.host.invoke(r#"{"sweep": {}}"#, "i", deadline).await.expect("an answer");
    assert_eq!(sweep.get(), r#"{"woken":0}"#);
    // A function without a front says what it takes.
    function.host.front = Front::default();
    let refused = function.host.invoke(&look, "i", deadline).await.expect_err("no front");
    assert!(refused.to_string().contains("answers no HTTP requests"), "{refused}");
}

/// Twice the same: an event is delivered at least once.
#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_starts_nothing_again() {
    let function = Function::new();
    let object = serde_json::json!({ "key": "one+and%2Fhalf", "sequencer": "0A" });
    let file = serde_json::json!({
        "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "numbers" }, "object": object },
    });
    let event = serde_json::json!({ "Records": [file] });
    let id = "takes/s3/numbers/one and/half#0A";
    for new in [true, false] {
        let answer = function.answer(&event).await.expect("it starts");
        assert_eq!(answer, serde_json::json!([{ "id": id, "new": new }]));
    }
    // The same notification by a queue.
    let queued = serde_json::json!({ "Records": [message("m", &event.to_string())] });
    let answer = function.answer(&queued).await.expect("it is there");
    assert_eq!(answer, serde_json::json!({ "batchItemFailures": [] }));
    assert_eq!(function.events(id).await.len(), 1);
}

/// Lambda tries an asynchronous invocation again, under its id; another invocation is another start.
#[tokio::test(start_paused = true)]
async fn a_start_without_an_id_that_is_tried_again_is_one_start() {
    let function = Function::new();
    let start = r#"{"start": {"workflow": "takes", "input": 1}}"#;
    for (invocation, new) in [("i-1", true), ("i-1", false), ("i-2", true)] {
        let deadline = function.clock.now().after(T);
        let answer = function.host.invoke(start, invocation, deadline).await.expect("an answer");
        let expected = format!(r#"{{"id":"takes/invoke/{invocation}","new":{new}}}"#);
        assert_eq!(answer.get(), expected);
    }
}

/// Whoever sends asynchronously can only send the whole event again: what is well is done, and the
/// error says that something is not.
#[tokio::test(start_paused = true)]
async fn an_event_of_which_a_part_fails_comes_again_as_a_whole() {
    let function = Function::new();
    let file = |bucket: &str, key: &str| {
        serde_json::json!({
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": bucket }, "object": { "key": key, "sequencer": "1" } },
        })
    };
    let good = serde_json::json!({ "Records": [file("numbers", "a"), file("others", "b")] });
    let done = function.answer(&good).await.expect("both are well");
    assert_eq!(done[1], "ignored", "the closure does not want it: {done}");
    let notification = |id: &str, message: String| {
        serde_json::json!({
            "EventSource": "aws:sns",
            "Sns": { "Type": "Notification", "MessageId": id, "TopicArn": "t", "Message": message },
        })
    };
    let event = serde_json::json!({ "Records": [
        notification("1", "nothing that anybody takes".into()),
        notification("2", serde_json::json!({ "Records": [file("numbers", "c")] }).to_string()),
    ] });
    let failed = function.answer(&event).await.expect_err("one fails");
    assert_eq!(failed.error_type, "Everstep.NoHandler");
    for says in ["1 of 2 records", "an SnsMessage", "SqsMessage, S3Object"] {
        assert!(failed.error_message.contains(says), "{}", failed.error_message);
    }
    assert_eq!(function.status("takes/s3/numbers/c#1").await, Status::Running);
    let odd = serde_json::json!({ "Records": [file("numbers", "100%")] });
    let failed = function.answer(&odd).await.expect_err("no key");
    assert_eq!(failed.error_type, "Everstep.Malformed");
    let among = serde_json::json!({ "Records": [file("numbers", "100%"), file("numbers", "d")] });
    let failed = function.answer(&among).await.expect_err("one has no key");
    assert_eq!(failed.error_type, "Everstep.Malformed");
    assert!(failed.error_message.contains("1 of 2 records"), "{}", failed.error_message);
    assert_eq!(function.status("takes/s3/numbers/d#1").await, Status::Running);
    let buggy = serde_json::json!({ "Records": [file("odd", "a"), file("numbers", "e")] });
    let failed = function.answer(&buggy).await.expect_err("the closure panics");
    assert_eq!(failed.error_type, "Everstep.Refused");
    assert!(failed.error_message.contains("a bug"), "{}", failed.error_message);
    assert_eq!(function.status("takes/s3/numbers/e#1").await, Status::Running);
}

#[tokio::test(start_paused = true)]
async fn changes_of_a_table_are_done_in_order_until_one_fails() {
    let function = Function::new();
    let row = |seconds: serde_json::Value| serde_json::json!({ "seconds": seconds });
    let good = row(serde_json::json!({ "N": "7" }));
    let bad = row(serde_json::json!({ "S": "seven" }));
    let event = serde_json::json!({ "Records": [
        change("101", &good), change("102", &bad), change("103", &good),
    ] });
    let answer = function.answer(&event).await.expect("an answer");
    let failures = serde_json::json!([{ "itemIdentifier": "102" }]);
    assert_eq!(answer, serde_json::json!({ "batchItemFailures": failures }));
    assert_eq!(function.status("101").await, Status::Running);
    let id = ExecutionId::new("103").expect("an id");
    assert_eq!(function.store.record(&id).await.expect("an answer"), None, "it comes after 102");
    // Without the host, too.
    let failed = function.host.triggers.deliver(&event.to_string(), "d-1").await;
    assert!(matches!(failed, Err(DeliverError::Trigger(_))), "{failed:?}");
    assert_eq!(function.store.record(&id).await.expect("an answer"), None, "it comes after 102");
    // A value of no known type is a record that cannot be read, and has its place all the same.
    let event =
        serde_json::json!({ "Records": [change("104", &row(serde_json::json!({ "X": 1 })))] });
    let answer = function.answer(&event).await.expect("an answer");
    assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], "104");
}

/// The store does not answer; the deadline comes nearer.
#[tokio::test(start_paused = true)]
async fn changes_that_are_not_done_in_time_come_again() {
    let function = Function::with_faults(&Faults::by(|call| match call.name {
        "create" => Fate::Hang,
        _ => Fate::Proceed,
    }));
    let row = serde_json::json!({ "seconds": { "N": "7" } });
    let event = serde_json::json!({ "Records": [change("101", &row), change("102", &row)] });
    let answer = function.answer(&event).await.expect("an answer");
    let failures = serde_json::json!([{ "itemIdentifier": "101" }]);
    assert_eq!(answer, serde_json::json!({ "batchItemFailures": failures }));
    assert_eq!(function.elapsed(), T - ANSWER_BEFORE_DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_request_over_http_is_refused_by_a_program_that_answers_none() {
    let function = Function::new();
    let event = serde_json::json!({
        "version": "2.0", "requestContext": { "http": { "method": "GET", "path": "/" } },
    });
    let refused = function.answer(&event).await.expect_err("no front");
    assert_eq!(refused.error_type, "Everstep.NoHttpFront");
    assert!(refused.error_message.contains("a function URL"), "{}", refused.error_message);
    let unknown = function.answer(&serde_json::json!({ "hello": 1 })).await.expect_err("unknown");
    assert_eq!(unknown.error_type, "Everstep.UnknownEvent");
    assert!(unknown.error_message.contains("\"hello\""), "{}", unknown.error_message);
}
