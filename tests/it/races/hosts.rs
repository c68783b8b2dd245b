//! The same for real: hosts on threads of their own, each with a runtime, a connection and a name of its
//! own, in real time, so that they interleave within the calls of a store as well.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use everstep::aws::DynamoStore;
use everstep::client::{Handle, SendError};
use everstep::event::{Commit, Event};
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::memory::MemoryQueue;
use everstep::prelude::*;
use everstep::store::{EventStore, Status};
use everstep::time::Clock;
use everstep::wake::{Delivery, QueueError, Wake, WakeQueue};
use everstep::{Error, Retry};
use everstep_tests::dynamodb::{DynamoDb, FEW_SHARDS, new_table, store_at};
use everstep_tests::sim::programs::{Report, act};
use everstep_tests::sim::{Dice, Ledger, check_log};
use futures::future::BoxFuture;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::watch;

use super::turns;

/// How soon after the first one the second of two wakes comes, where each comes twice: in the middle of
/// the turn that the first one has led to.
const SECOND_AFTER: Duration = Duration::from_millis(15);

/// On a machine of two cores that does other things too, a race takes some seconds.
const STUCK_AFTER: Duration = Duration::from_secs(240);

/// No wake is delayed for longer. One may come at any time, and so none is left at the end that was only
/// there for a claim's end.
const DELAY_MAX: Duration = Duration::from_secs(1);

/// More than the clocks of hosts may differ, and than a claim holds: who is so far ahead sees every claim
/// of the others expired, while its owner is at work.
const AHEAD_MILLIS: i64 = 60_000;

/// One step after the other, one that fails first, two at once, one that runs at most once, a timer, and
/// signals.
#[workflow]
async fn errand(State(ledger): State<Ledger>, id: String) -> everstep::Result<Report> {
    let (ledger, id) = (&ledger, &*id);
    let mut total = act(ledger, id, "first", &[], Duration::ZERO).await?;
    total += flaky(ledger, id).await?;
    let left = act(ledger, id, "left", &["first", "flaky"], Duration::from_millis(3));
    let right = act(ledger, id, "right", &["first", "flaky"], Duration::from_millis(12));
    let (left, right) = tokio::join!(left, right);
    total += left? + right?;
    let charged = charge(ledger, id).await.is_ok();
    sleep(Duration::from_millis(150)).await;
    let signals = vec![signal::<u64>("go").await?, signal::<u64>("go").await?];
    total += act(ledger, id, "last", &["left", "right"], Duration::ZERO).await?;
    Ok(Report { total, charged, signals })
}

async fn flaky(ledger: &Ledger, id: &str) -> everstep::Result<u64> {
    let (ledger, of) = (ledger.clone(), id.to_owned());
    step("flaky", async move || {
        ledger.begin(&of, "flaky", &["first"], false).await;
        match everstep::attempt() {
            1 => Err(Error::msg("not yet")),
            _ => Ok(5),
        }
    })
    .input("of", id)
    .retry(Retry::new().max_attempts(4).initial(Duration::from_millis(20)).jitter(false))
    .await
}

async fn charge(ledger: &Ledger, id: &str) -> everstep::Result<u64> {
    let (ledger, of) = (ledger.clone(), id.to_owned());
    step("charge", async move || {
        ledger.begin(&of, "charge", &["left", "right"], true).await;
        Ok::<_, Error>(1)
    })
    .input("of", id)
    .at_most_once()
    .await
}

type Order = Handle<Report, Error>;

/// What the steps of [`errand`] add up to.
fn errand_total() -> u64 {
    ["first", "left", "right", "last"].iter().map(|name| name.len() as u64).sum::<u64>() + 5
}

/// How a race is run.
#[derive(Debug, Clone, Copy)]
struct Race {
    hosts: usize,
    /// Whether a wake that is to come soon is sent twice.
    twice: bool,
    /// Whether every other host's clock is so far ahead that it respects no claim of the rest.
    ahead: bool,
}

impl Race {
    /// A backend of its own for whoever asks.
    async fn open(self, place: &impl Place) -> Backend {
        let mut backend = place.open().await;
        backend.queue = Arc::new(Hasty { inner: backend.queue, twice: self.twice });
        backend
    }
}

/// A queue whose wakes come twice, if they are to, and soon.
#[derive(Debug)]
struct Hasty {
    inner: Arc<dyn WakeQueue>,
    twice: bool,
}

#[async_trait]
impl WakeQueue for Hasty {
    async fn setup(&self) -> Result<(), QueueError> {
        self.inner.setup().await
    }

    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        // What is sent for a claim's end, or again for a time that is far, would double with each hop.
        if self.twice && delay < DELAY_MAX {
            self.inner.send(wake, delay + SECOND_AFTER).await?;
        }
        self.inner.send(wake, delay.min(DELAY_MAX)).await
    }

    async fn receive(&self, _: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        // Who is first does not take them all.
        self.inner.receive(1, wait).await
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.inner.delete(receipt).await
    }

    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        self.inner.keep(receipt, visibility).await
    }

    fn visibility(&self) -> Duration {
        self.inner.visibility()
    }
}

/// Where a race is held: everybody opens it anew.
trait Place: Clone + Send + 'static {
    /// How many executions run at once.
    const EXECUTIONS: usize;

    /// Opens it.
    fn open(&self) -> BoxFuture<'static, Backend>;

    /// How many wakes are left.
    fn wakes(&self) -> usize;
}

#[derive(Clone)]
struct OnSqlite(Arc<TempDir>);

impl OnSqlite {
    fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn file(&self) -> impl AsRef<Path> + use<> {
        self.0.path().join("everstep.db")
    }
}

impl Place for OnSqlite {
    const EXECUTIONS: usize = 50;

    fn open(&self) -> BoxFuture<'static, Backend> {
        let opened = SqliteBackend::open(self.file(), &SqliteOptions::new()).unwrap();
        let backend = Backend::new(Arc::new(opened.store()), Arc::new(opened.queue()));
        Box::pin(std::future::ready(backend))
    }

    fn wakes(&self) -> usize {
        let by_hand = Connection::open(self.file()).unwrap();
        by_hand.query_row("SELECT count(*) FROM wakes", [], |row| row.get(0)).unwrap()
    }
}

/// The emulator and the queue are in this process; each host has its own connections.
#[derive(Clone)]
struct OnDynamoDb {
    database: Arc<DynamoDb>,
    table: String,
    queue: MemoryQueue,
}

impl OnDynamoDb {
    fn new() -> Self {
        Self {
            database: Arc::new(DynamoDb::start()),
            table: new_table(),
            queue: MemoryQueue::new(),
        }
    }
}

impl Place for OnDynamoDb {
    /// The emulator takes one call at a time.
    const EXECUTIONS: usize = 24;

    fn open(&self) -> BoxFuture<'static, Backend> {
        let this = self.clone();
        Box::pin(async move {
            let store: DynamoStore = store_at(this.database.url(), &this.table).await;
            Backend::new(Arc::new(store.with_shards(FEW_SHARDS)), Arc::new(this.queue))
        })
    }

    fn wakes(&self) -> usize {
        self.queue.len()
    }
}

/// A host in a thread of its own, until it is told to stop.
fn host(
    place: &impl Place,
    race: Race,
    number: usize,
    ledger: &Ledger,
    mut stop: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let (place, ledger) = (place.clone(), ledger.clone());
    let ahead = if race.ahead && number % 2 == 1 { AHEAD_MILLIS } else { 0 };
    let clock = Clock::system().skewed(ahead);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async move {
            let backend = race.open(&place).await;
            let app = App::new().workflow(errand).state(ledger).backend(backend);
            let worker = app.worker().await.unwrap().clock(clock);
            worker.run_until(async { drop(stop.wait_for(|stop| *stop).await) }).await.unwrap();
        });
    })
}

/// Sends both signals of an execution, each of them twice, at moments of their own.
async fn signals(order: &Order, mut pauses: Dice) {
    for number in 0..2_u64 {
        tokio::time::sleep(pauses.time(Duration::from_millis(300))).await;
        for _ in 0..2 {
            match order.signal("go", &number).id(number.to_string()).await {
                // The first of the two was all that it waited for.
                Ok(()) | Err(SendError::Closed { .. }) => {}
                Err(error) => panic!("{}: {error:?}", order.id()),
            }
        }
    }
}

/// Waits until `done`, however long that takes, but not for ever.
async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < STUCK_AFTER, "stuck: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a race to its end and checks what must hold of it.
async fn run<P: Place>(place: P, race: Race) {
    let backend = race.open(&place).await;
    backend.setup().await.unwrap();
    let (client, store) = (Client::new(&backend), Arc::clone(&backend.store));
    let ledger = Ledger::new(Arc::clone(&store));
    let (stop, stopped) = watch::channel(false);
    let hosts: Vec<_> =
        (0..race.hosts).map(|n| host(&place, race, n, &ledger, stopped.clone())).collect();
    let mut dice = Dice::new(1);
    let orders = futures::future::join_all((0..P::EXECUTIONS).map(|number| {
        let (client, pauses) = (&client, dice.split());
        async move {
            let id = format!("order-{number}");
            let order = client.start(errand, id.clone()).id(id).await.unwrap();
            signals(&order, pauses).await;
            order
        }
    }))
    .await;
    let mut all = Outcome::default();
    for order in &orders {
        ends(order, &store).await;
        all.look(order, &ledger).await;
    }
    until("wakes go round for ever", async || place.wakes() == 0).await;
    stop.send(true).unwrap();
    for host in hosts {
        host.join().expect("a host does not panic");
    }
    if race.ahead {
        assert!(all.overtaken > 0, "no claim was overtaken: {all:?}");
        return;
    }
    assert!(all.claims > P::EXECUTIONS, "{all:?}");
    // Of bodies of executions whose claims all held: what they saw was durable, and nothing was repeated.
    ledger.check();
}

/// What the executions of a race were like together.
#[derive(Debug, Default)]
struct Outcome {
    claims: usize,
    overtaken: usize,
}

impl Outcome {
    /// Checks an execution that has ended.
    async fn look(&mut self, order: &Order, ledger: &Ledger) {
        let id = order.id();
        let report = order.result().await.unwrap();
        let log: Vec<Commit> = order.history().await.unwrap();
        check_log(&log);
        let (claims, overtaken) = turns(&log);
        assert_eq!((report.total, &*report.signals), (errand_total(), &[0, 1][..]), "{id}");
        assert!(report.charged || overtaken > 0, "{id} was not charged");
        let results = |event: &&Event| matches!(event, Event::StepCompleted(_));
        let results = log.iter().flat_map(|commit| &commit.events).filter(results).count();
        assert_eq!(results, if report.charged { 6 } else { 5 }, "{id}");
        let of_it = format!("{id}/");
        let mut times: HashMap<String, usize> = HashMap::new();
        for body in ledger.all_runs().into_iter().filter(|body| body.starts_with(&of_it)) {
            *times.entry(body).or_default() += 1;
        }
        for (body, times) in &times {
            let may_repeat = overtaken > 0 && !body.contains("/charge ");
            assert!(*times == 1 || may_repeat, "{body} ran {times} times: {log:#?}");
        }
        // Each step once, and the one that fails once more.
        let bodies = times.len();
        assert!(bodies == 7 || overtaken > 0, "{id}: {times:?}");
        self.claims += claims;
        self.overtaken += overtaken;
    }
}

/// Waits until nothing of an execution is left to do, and its record and inbox say so.
async fn ends(order: &Order, store: &Arc<dyn EventStore>) {
    let id = order.id();
    until(id.as_str(), async || {
        let loaded = store.load(id).await.unwrap().unwrap();
        let record = &loaded.record.projection;
        assert_ne!(record.status, Status::Blocked, "{record:?}");
        let last = loaded.commits.last().map(|commit| commit.number);
        record.status.is_closed() && Some(record.commit) == last && loaded.inbox.is_empty()
    })
    .await;
}

const TWO: Race = Race { hosts: 2, twice: false, ahead: false };
const EIGHT: Race = Race { hosts: 8, ..TWO };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_on_one_file_write_one_history() {
    run(OnSqlite::new(), TWO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_hosts_on_one_file_write_one_history() {
    run(OnSqlite::new(), EIGHT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_on_one_table_write_one_history() {
    run(OnDynamoDb::new(), TWO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_hosts_on_one_table_write_one_history() {
    run(OnDynamoDb::new(), EIGHT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_hosts_that_get_every_wake_twice_on_one_file_repeat_nothing() {
    run(OnSqlite::new(), Race { twice: true, ..EIGHT }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_hosts_that_get_every_wake_twice_on_one_table_repeat_nothing() {
    run(OnDynamoDb::new(), Race { twice: true, ..EIGHT }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_that_expire_under_their_owners_on_one_file_leave_one_result_a_step() {
    run(OnSqlite::new(), Race { twice: true, ahead: true, ..EIGHT }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_that_expire_under_their_owners_on_one_table_leave_one_result_a_step() {
    run(OnDynamoDb::new(), Race { twice: true, ahead: true, ..EIGHT }).await;
}
