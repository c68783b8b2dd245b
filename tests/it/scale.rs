//! The figures of docs/scale.md: what an order does is counted and metered here, and what follows is
//! computed.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client as Database;
use everstep::event::Event;
use everstep::limits::QUEUE_DELAY_MAX;
use everstep::memory::MemoryQueue;
use everstep::prelude::*;
use everstep::store::{EventStore, Status};
use everstep::testing::faults::Counts;
use everstep_tests::dynamodb::{DynamoDb, config_at, new_table, store_at};
use everstep_tests::meter::{Consumed, Meter, Units};
use everstep_tests::scenario::{beside, finished};
use everstep_tests::sim::{Fates, Host, HostOptions, World};
use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("../../docs/scale.md");

/// Over how many parts the indexes are spread.
const SHARDS: f64 = 64.0;

/// An order's entries in `due` have one key. Those in `by_status` have one for each status: there an
/// entry comes once and goes once.
const IN_AND_OUT: f64 = 2.0;

/// The order of examples/order: five steps of which two are parallel, and a short timer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    number: String,
    customer: String,
    article: String,
    pieces: u32,
    price: u64,
    card: String,
}

async fn does(what: &str) -> everstep::Result<String> {
    Ok(format!("{what}-7"))
}

#[step]
async fn reserve(order: &Order) -> everstep::Result<String> {
    does(&order.article).await
}

#[step]
async fn charge(order: &Order, reservation: &str) -> everstep::Result<String> {
    does(&format!("{reservation} {}", order.card)).await
}

#[step]
async fn print_label(order: &Order) -> everstep::Result<String> {
    does(&order.customer).await
}

#[step]
async fn send_invoice(order: &Order, charge: &str) -> everstep::Result<String> {
    does(&format!("{charge} {}", order.customer)).await
}

#[step]
async fn confirm(number: &str, label: &str, invoice: &str) -> everstep::Result<String> {
    does(&format!("{number} {label} {invoice}")).await
}

/// How long an order waits in the middle.
#[derive(Debug, Clone)]
struct Rest(Duration);

const ID: &str = "order-2";

#[workflow]
async fn fulfil_order(State(rest): State<Rest>, order: Order) -> everstep::Result<String> {
    let reservation = reserve(&order).await?;
    let charged = charge(&order, &reservation).await?;
    let (label, invoice) = tokio::join!(print_label(&order), send_invoice(&order, &charged));
    sleep(rest.0).await;
    confirm(&order.number, &label?, &invoice?).await
}

/// An order on DynamoDB, with a meter between it and whoever works on it.
struct Ordered {
    world: World,
    fates: Fates,
    host: Host,
    meter: Meter,
    /// What looks on is not counted.
    onlooker: Database,
    table: String,
    _db: DynamoDb,
}

impl Ordered {
    /// Starts one that rests for so long after its label is printed, and waits until it does.
    async fn resting(rest: Duration) -> Self {
        let db = DynamoDb::emulate();
        let meter = Meter::before(db.url());
        let table = new_table();
        let [onlooker, ours] = [db.url(), meter.url()].map(|url| {
            let (url, table) = (url.to_owned(), table.clone());
            finished(async move {
                let store = store_at(&url, &table).await;
                store.setup().await.expect("a table");
                (store, Database::new(&config_at(&url).await))
            })
        });
        let queue = MemoryQueue::new();
        let waiting = queue.clone();
        let world = World::on(beside(onlooker.0), Arc::new(queue), move || waiting.len());
        let fates = Fates::good(&world, "all");
        let backend = fates.backend(beside(ours.0), Arc::clone(&world.queue));
        let options = HostOptions { sweeps: false, ..HostOptions::default() };
        let app = App::new().workflow(fulfil_order).state(Rest(rest));
        let host = Host::start(&world, app, backend.clone(), &fates, &options);
        let client = Client::new(&backend).clock(world.clock.clone());
        let order = Order {
            number: ID.into(),
            customer: "Ada".into(),
            article: "teapot".into(),
            pieces: 2,
            price: 3_490,
            card: "4242".into(),
        };
        client.start(fulfil_order, order).id(ID).await.unwrap();
        world.until(ID, hours(1), |it| it.projection.status == Status::Suspended).await;
        Self { world, fates, host, meter, onlooker: onlooker.1, table, _db: db }
    }

    fn counts(&self) -> Counts {
        self.fates.faults().counts()
    }

    /// What was taken of the table since the last time.
    fn take(&self) -> Consumed {
        self.meter.take(&self.table)
    }

    /// How many bytes are stored, with what each item and each entry of an index is billed beside its own
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>).
    fn stored(&self) -> f64 {
        let call = self.onlooker.describe_table().table_name(&self.table).send();
        let table = finished(call).unwrap().table.unwrap();
        let mut all = vec![(table.table_size_bytes, table.item_count)];
        let indexes = table.global_secondary_indexes().iter();
        all.extend(indexes.map(|index| (index.index_size_bytes, index.item_count)));
        let bytes = all.into_iter().map(|(bytes, items)| bytes.unwrap() + 100 * items.unwrap());
        bytes.sum::<i64>() as f64
    }
}

/// What one order takes of everything.
struct Bill {
    /// Of the table and its indexes.
    units: Consumed,
    messages: f64,
    invocations: f64,
    /// Of a timer that is far: what a wake takes that comes too early.
    hop: Units,
    /// Read units of a look for what is overdue.
    sweep: f64,
    /// Bytes, while it rests and when it has ended.
    stored: [f64; 2],
}

async fn bill() -> Bill {
    let order = Ordered::resting(seconds(30)).await;
    let rests = order.stored();
    order.world.until(ID, hours(1), |it| it.projection.status.is_closed()).await;
    order.world.until_no_wake_is_left(hours(1)).await;
    let (counts, log) = (order.counts(), order.world.log(ID).await);
    let turns = log.iter().flat_map(|commit| &commit.events);
    let turns = turns.filter(|event| matches!(event, Event::TurnStarted(_))).count();
    assert_eq!((turns, counts.of("load"), counts.of("project")), (2, 2, 2), "{counts:#?}");
    // The start's wake, and the timer's.
    assert_eq!((counts.of("queue.send"), counts.of("queue.keep")), (2, 0), "{counts:#?}");
    let (units, ended) = (order.take(), order.stored());
    // A host that starts looks for what is overdue, and for what may be deleted. Nobody else reads an
    // index.
    let looks = counts.of("overdue") + counts.of("expired");
    assert!(looks > 0, "{counts:#?}");
    let sweep = units.of("due").reads / looks as f64;
    order.host.kill().await;
    Bill {
        units,
        messages: counts.of("queue.send") as f64 * 3.0,
        invocations: turns as f64,
        hop: hop().await,
        sweep,
        stored: [rests, ended],
    }
}

/// What a wake takes that a queue delivers before its time, since it cannot keep it for so long.
async fn hop() -> Units {
    let order = Ordered::resting(QUEUE_DELAY_MAX + minutes(10)).await;
    let sent = order.counts().of("queue.send");
    let _ = order.take();
    tokio::time::sleep(QUEUE_DELAY_MAX + minutes(1)).await;
    assert_eq!(order.counts().of("queue.send"), sent + 1, "it is sent once more");
    let hop = order.take().all();
    order.host.kill().await;
    hop
}

/// Dollars for a million, in us-east-1.
const WRITE_UNITS: f64 = 0.625;
const READ_UNITS: f64 = 0.125;
const MESSAGES: f64 = 0.40;
const INVOCATIONS: f64 = 0.20;
/// A GB-second on arm64, in millionths of a dollar.
const GB_SECOND: f64 = 13.3334;
const TRANSITIONS: f64 = 25.0;
const DURABLE_OPERATIONS: f64 = 8.0;

/// How long both turns take together, in seconds, and the function's memory, in GB.
const SECONDS: f64 = 0.3;
const MEMORY: f64 = 0.25;

fn tables(bill: &Bill) -> String {
    let mut page = String::new();
    let mut row = |cells: &[String]| writeln!(page, "| {} |", cells.join(" | ")).unwrap();
    let text = ToString::to_string;
    let per_million = |count: f64, price: f64| format!("{:.2}", count * price);
    row(&["one order".into(), "count".into(), "dollars a million orders".into()]);
    row(&["---".into(), "---".into(), "---".into()]);
    let compute = SECONDS * MEMORY;
    let [by_status, due] = ["by_status", "due"].map(|index| bill.units.of(index).writes);
    let lines = [
        ("write units of the table", bill.units.table.writes, WRITE_UNITS),
        ("write units of its index `by_status`", by_status, WRITE_UNITS),
        ("write units of its index `due`", due, WRITE_UNITS),
        ("read units", bill.units.table.reads, READ_UNITS),
        ("SQS requests", bill.messages, MESSAGES),
        ("Lambda invocations", bill.invocations, INVOCATIONS),
        ("GB-seconds", compute, GB_SECOND),
    ];
    let mut total = 0.0;
    for (what, count, price) in lines {
        total += count * price;
        row(&[what.into(), text(&count), per_million(count, price)]);
    }
    row(&["**all**".into(), String::new(), format!("**{total:.2}**")]);
    writeln!(page).unwrap();
    let mut row = |cells: &[String]| writeln!(page, "| {} |", cells.join(" | ")).unwrap();
    row(&["a million orders".into(), "billed".into(), "dollars, without compute".into()]);
    row(&["---".into(), "---".into(), "---".into()]);
    let ours = total - compute * GB_SECOND - bill.invocations * INVOCATIONS;
    row(&["Everstep".into(), "what is above".into(), format!("{ours:.2}")]);
    let others = [
        ("Lambda durable functions", "7 operations", 7.0 * DURABLE_OPERATIONS),
        ("Step Functions, standard", "7 transitions", 7.0 * TRANSITIONS),
    ];
    for (name, billed, dollars) in others {
        row(&[name.into(), billed.into(), format!("{dollars:.2}")]);
    }
    writeln!(page).unwrap();
    let mut row = |cells: &[String]| writeln!(page, "| {} |", cells.join(" | ")).unwrap();
    let rate = 10_000.0;
    row(&["at 10,000 starts a second".into(), "a second".into(), "limit".into()]);
    row(&["---".into(), "---".into(), "---".into()]);
    let wakes = rate * 2.0;
    for (what, load, limit) in [
        (
            "write units of the table",
            rate * bill.units.table.writes,
            "40,000 a table, until it is raised",
        ),
        ("write units of `by_status`", rate * by_status, "the same"),
        ("write units of `due`", rate * due, "the same"),
        ("of one key of `by_status`", rate * IN_AND_OUT / SHARDS, "1,000"),
        ("of one key of `due`", rate * due / SHARDS, "1,000"),
        (
            "read units of the table",
            rate * bill.units.table.reads,
            "40,000 a table, until it is raised",
        ),
        ("wakes", wakes, "none"),
        ("wakes in flight", wakes * SECONDS / 2.0, "120,000"),
        (
            "function instances, 10 wakes at a time each",
            wakes * SECONDS / 2.0 / 10.0,
            "1,000 an account, until it is raised; 1,250 a queue",
        ),
    ] {
        row(&[what.into(), format!("{load:.0}"), limit.into()]);
    }
    writeln!(page).unwrap();
    let mut row = |cells: &[String]| writeln!(page, "| {} |", cells.join(" | ")).unwrap();
    row(&["with a million open executions".into(), "a month".into(), "dollars".into()]);
    row(&["---".into(), "---".into(), "---".into()]);
    let month = 30.0 * 24.0 * 60.0;
    let sweeps = month * bill.sweep / 1e6;
    // By the tenth: a host's name, which is in the log, is longer here than there.
    let stored = (bill.stored[0] * 1e6 / 1e8).round() / 10.0;
    let hops = 1e6 * month / 15.0 / 1e6;
    let hop =
        3.0 * MESSAGES + INVOCATIONS + bill.hop.reads * READ_UNITS + bill.hop.writes * WRITE_UNITS;
    row(&["stored, GB".into(), format!("{stored:.1}"), format!("{:.2}", stored * 0.25)]);
    row(&[
        "sweeps, a minute each, in million read units".into(),
        format!("{sweeps:.2}"),
        format!("{:.2}", sweeps * READ_UNITS),
    ]);
    row(&[
        "timers of a month that hop by SQS delays, in million hops".into(),
        format!("{hops:.0}"),
        format!("{:.0}", hops * hop),
    ]);
    row(&[
        "the same timers by EventBridge Scheduler, in millions".into(),
        "1".into(),
        "1.00".into(),
    ]);
    page
}

/// What the text below the tables says of them.
fn sentences(bill: &Bill) -> [String; 2] {
    let orders = SHARDS * 1_000.0 / bill.units.of("due").writes;
    let terabytes = 10_000.0 * 86_400.0 * bill.stored[1] / 1e12;
    [
        format!("enough for about {:.0},000 orders a second", orders / 1_000.0),
        format!("that is about {terabytes:.0} terabytes a day"),
    ]
}

/// The tables stand on the page between two comments.
#[tokio::test(start_paused = true)]
async fn the_page_of_scale_says_what_is_counted_here() {
    let bill = bill().await;
    let expected = tables(&bill);
    let shown = PAGE.split("<!-- computed -->\n").nth(1).unwrap_or_default();
    assert_eq!(shown.trim(), expected.trim(), "docs/scale.md is not up to date:\n{expected}");
    for sentence in sentences(&bill) {
        assert!(PAGE.contains(&sentence), "docs/scale.md does not say: {sentence}");
    }
}
