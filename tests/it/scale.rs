//! The figures of docs/scale.md: what an order does is counted here, and what follows is computed.

use std::fmt::Write as _;
use std::sync::Arc;

use everstep::event::{Commit, Event, StoredCommit};
use everstep::id::WriterId;
use everstep::prelude::*;
use everstep::testing::faults::Counts;
use everstep_tests::sim::{Fates, Host, HostOptions, World};
use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("../../docs/scale.md");

/// Over how many parts the indexes are spread.
const SHARDS: f64 = 64.0;

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

#[workflow]
async fn fulfil_order(order: Order) -> everstep::Result<String> {
    let reservation = reserve(&order).await?;
    let charged = charge(&order, &reservation).await?;
    let (label, invoice) = tokio::join!(print_label(&order), send_invoice(&order, &charged));
    sleep(seconds(30)).await;
    confirm(&order.number, &label?, &invoice?).await
}

async fn one_order() -> (Vec<Commit>, Counts, u64) {
    let world = World::new();
    let fates = Fates::good(&world, "all");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let options = HostOptions { sweeps: false, ..HostOptions::default() };
    let host =
        Host::start(&world, App::new().workflow(fulfil_order), backend.clone(), &fates, &options);
    let client = Client::new(&backend).clock(world.clock.clone());
    let order = Order {
        number: "order-2".into(),
        customer: "Ada".into(),
        article: "teapot".into(),
        pieces: 2,
        price: 3_490,
        card: "4242".into(),
    };
    client.start(fulfil_order, order).id("order-2").await.unwrap();
    world.until("order-2", hours(1), |record| record.projection.status.is_closed()).await;
    world.until_no_wake_is_left(hours(1)).await;
    let (counts, log) = (fates.faults().counts(), world.log("order-2").await);
    host.kill().await;
    let turns = log.iter().flat_map(|commit| &commit.events);
    let turns = turns.filter(|event| matches!(event, Event::TurnStarted(_))).count();
    (log, counts, turns as u64)
}

/// What an item of the table weighs beside a commit's body or a record's texts: keys, writer, hash,
/// and the names of all these.
const ITEM_FRAME: usize = 190;

/// A write unit is 1 KB, a read unit 4 KB.
fn units(bytes: usize, unit: usize) -> f64 {
    bytes.div_ceil(unit) as f64
}

/// What one order takes of everything.
struct Bill {
    table_writes: f64,
    index_writes: f64,
    reads: f64,
    messages: f64,
    invocations: f64,
    stored_bytes: f64,
}

async fn bill() -> Bill {
    let (log, counts, turns) = one_order().await;
    let bytes: Vec<usize> = log
        .iter()
        .scan(None, |hash, commit| {
            let stored =
                StoredCommit::encode(commit.number, WriterId::random(), *hash, &commit.events);
            *hash = Some(stored.hash);
            Some(stored.body.len() + ITEM_FRAME)
        })
        .collect();
    assert_eq!((turns, counts.of("load"), counts.of("project")), (2, 2, 2), "{counts:#?}");
    // The start's wake, and the timer's.
    assert_eq!((counts.of("queue.send"), counts.of("queue.keep")), (2, 0), "{counts:#?}");
    let commits: f64 = bytes.iter().map(|bytes| units(*bytes, 1_024)).sum();
    let first = units(bytes[0], 1_024);
    let record = 1.0;
    let all: usize = bytes.iter().sum();
    Bill {
        // The start is a transaction of record and first commit, at twice the price.
        table_writes: commits + first + 2.0 * record + 2.0 * record,
        // by_status: put; moved twice. due: put; moved; removed.
        index_writes: (1.0 + 2.0 + 2.0) + (1.0 + 2.0 + 1.0),
        reads: 2.0 * units(all, 4_096),
        messages: counts.of("queue.send") as f64 * 3.0,
        invocations: turns as f64,
        stored_bytes: (all + 3 * 700) as f64,
    }
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
    let lines = [
        ("write units of the table", bill.table_writes, WRITE_UNITS),
        ("write units of the indexes", bill.index_writes, WRITE_UNITS),
        ("read units", bill.reads, READ_UNITS),
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
            rate * bill.table_writes,
            "40,000 a table, until it is raised",
        ),
        ("write units of `by_status`", rate * 5.0, "the same"),
        ("write units of `due`", rate * 4.0, "the same"),
        ("of one key of `by_status`", rate * 2.0 / SHARDS, "1,000"),
        ("of one key of `due`", rate * 4.0 / SHARDS, "1,000"),
        ("read units of the table", rate * bill.reads, "40,000 a table, until it is raised"),
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
    let sweeps = month * SHARDS * 0.5 / 1e6;
    let stored = bill.stored_bytes * 1e6 / 1e9;
    let hops = 1e6 * month / 15.0 / 1e6;
    let hop = 3.0 * MESSAGES + INVOCATIONS + units(bill.stored_bytes as usize, 4_096) * READ_UNITS;
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

/// The tables stand on the page between two comments.
#[tokio::test(start_paused = true)]
async fn the_page_of_scale_says_what_is_counted_here() {
    let expected = tables(&bill().await);
    let shown = PAGE.split("<!-- computed -->\n").nth(1).unwrap_or_default();
    assert_eq!(shown.trim(), expected.trim(), "docs/scale.md is not up to date:\n{expected}");
}
