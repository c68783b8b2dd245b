//! Pages of docs/ that state facts of the code, and the logs that must stay readable for ever.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use everstep::event::{Commit, Event, StoredCommit};
use everstep::id::{ExecutionId, WriterId};
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::prelude::*;
use everstep::store::{Appended, Created, EventStore, Projection, Record, Status};
use everstep::time::Timestamp;
use everstep::wake::{Wake, WakeKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Logs as version 1 of the stored form has them. Never edited: what is new gets a new file, which
/// begins with the same `log-v1`.
const FIXTURE: &str = include_str!("../fixtures/log-v1.json");

const PAGE: &str = include_str!("../../docs/event-log.md");

/// The newer files.
pub(crate) fn newer_files() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let newer = files.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("log-v1-"))
    });
    newer.collect()
}

/// The log in a newer file, which shows the kinds of events that are new in it.
fn newer_log(path: &Path) -> Vec<Line> {
    #[derive(Deserialize)]
    struct Newer {
        every_event: Vec<Line>,
    }
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str::<Newer>(&text).unwrap().every_event
}

/// The log in `log-v1-<name>.json`.
pub(crate) fn log(name: &str) -> Vec<Commit> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    commits(&newer_log(&folder.join(format!("log-v1-{name}.json"))))
}

/// The log of the order example.
pub(crate) fn order() -> Vec<Commit> {
    commits(&fixture().order)
}

fn commits(log: &[Line]) -> Vec<Commit> {
    let mut previous = None;
    log.iter()
        .map(|line| {
            let stored = line.stored();
            let commit = stored.decode(previous).unwrap();
            previous = Some(stored.hash);
            commit
        })
        .collect()
}

/// The events of all fixtures that show kinds of events.
fn every_event() -> Vec<Event> {
    let mut events = check_readable(&fixture().every_event);
    events.extend(newer_files().iter().flat_map(|path| check_readable(&newer_log(path))));
    events
}

#[derive(Deserialize)]
struct Fixture {
    every_event: Vec<Line>,
    order: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    number: u64,
    writer: WriterId,
    hash: String,
    body: String,
}

fn fixture() -> Fixture {
    serde_json::from_str(FIXTURE).unwrap()
}

impl Line {
    fn stored(&self) -> StoredCommit {
        let mut hash = [0; 32];
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&self.hash[at..at + 2], 16).unwrap();
        }
        StoredCommit {
            number: self.number,
            writer: self.writer,
            hash,
            body: self.body.as_str().into(),
            life: None,
        }
    }
}

/// Every commit verifies, and writing it again gives the same bytes.
#[track_caller]
fn check_readable(log: &[Line]) -> Vec<Event> {
    let mut previous = None;
    let mut events = Vec::new();
    for line in log {
        let stored = line.stored();
        let commit = stored.decode(previous).unwrap();
        let again = StoredCommit::encode(stored.number, stored.writer, previous, &commit.events);
        assert_eq!(again.body, stored.body, "what is read is written again byte for byte");
        assert_eq!(again.hash, stored.hash);
        previous = Some(stored.hash);
        events.extend(commit.events);
    }
    events
}

#[test]
fn logs_of_version_1_are_read_and_verified_for_ever() {
    check_readable(&fixture().order);
    let events = every_event();
    let kinds: BTreeSet<&str> = events.iter().map(Event::kind).collect();
    for row in event_rows() {
        assert!(kinds.contains(&*row), "the fixture has no {row}");
    }
}

#[test]
fn a_changed_byte_or_a_missing_commit_is_found() {
    let log = fixture().order;
    let mut edited = log[2].stored();
    edited.body = edited.body.replace("reserve-6", "reserve-7").into();
    assert!(edited.decode(Some(log[1].stored().hash)).is_err());
    assert!(log[3].stored().decode(Some(log[1].stored().hash)).is_err());
}

#[test]
fn the_page_of_the_event_log_shows_what_is_stored() {
    let fixture = fixture();
    let lines: Vec<&Line> = fixture.order.iter().chain(&fixture.every_event).collect();
    let mut shown = 0;
    for block in PAGE.split("```json\n").skip(1) {
        let block = block.split("\n```").next().unwrap();
        assert!(lines.iter().any(|line| line.body == block), "not in the fixture:\n{block}");
        shown += 1;
    }
    assert!(shown >= 3, "the page shows commits");
    assert!(PAGE.contains(&fixture.order[0].hash), "and a hash of one");
}

#[test]
fn the_page_of_the_event_log_names_every_event_and_field() {
    let events = every_event();
    let rows = event_rows();
    for event in events {
        let json = serde_json::to_value(&event).unwrap();
        let fields = json[event.kind()].as_object().unwrap().keys().cloned();
        let named = rows.iter().position(|kind| kind == event.kind());
        assert!(named.is_some(), "the page does not name {}", event.kind());
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{}` ", event.kind())));
        for field in fields {
            assert!(row.unwrap().contains(&format!("`{field}`")), "{}: {field}", event.kind());
        }
    }
}

#[test]
fn the_page_of_the_event_log_shows_a_wake_and_its_kinds() {
    let id = ExecutionId::new("order-7").unwrap();
    assert!(PAGE.contains(&Wake::news(id).to_body()));
    let kinds = [WakeKind::News, WakeKind::Sweep, WakeKind::Timer { due: Timestamp(5) }];
    for kind in kinds {
        let stored = serde_json::to_string(&kind).unwrap().replace(":5}", ":…}");
        assert!(PAGE.contains(&format!("`{stored}`")), "the page has no {stored}");
    }
}

/// The kinds that the page's table names.
pub(crate) fn event_rows() -> Vec<String> {
    let table = PAGE.split("## Events").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    // The second table, of fields, has no capitals.
    rows.filter(|name| name.starts_with(char::is_uppercase)).map(str::to_owned).collect()
}

#[test]
fn the_page_of_the_event_log_has_the_tables_of_sqlite() {
    let source = include_str!("../../sdk/src/local/schema.rs");
    let tables = source.split("const TABLES: &str = \"\n").nth(1).unwrap();
    let tables = tables.split("\";").next().unwrap().trim();
    assert!(PAGE.contains(tables), "docs/event-log.md must show:\n{tables}");
}

#[test]
fn the_page_of_data_has_the_table_of_postgresql() {
    let page = include_str!("../../docs/guide/data.md");
    assert!(page.contains(everstep::postgres::SCHEMA), "docs/guide/data.md must show SCHEMA");
}

#[test]
fn the_page_of_limits_is_the_source() {
    let mut table = String::new();
    let mut doc: Vec<&str> = Vec::new();
    for line in include_str!("../../sdk/src/limits.rs").lines() {
        if let Some(text) = line.strip_prefix("/// ") {
            doc.push(text);
            continue;
        }
        if let Some(constant) = line.strip_prefix("pub const ") {
            let (name, rest) = constant.split_once(": ").unwrap();
            let value = rest.split_once(" = ").unwrap().1.trim_end_matches(';');
            let value = [("secs", "s"), ("millis", "ms")]
                .iter()
                .find_map(|(call, unit)| {
                    let number = value.strip_prefix(&format!("Duration::from_{call}("))?;
                    Some(format!("{} {unit}", number.trim_end_matches(')')))
                })
                .unwrap_or_else(|| value.to_owned());
            let text = doc.join(" ").replace("[`", "`").replace("`]", "`");
            writeln!(table, "| `{name}` | {value} | {text} |").unwrap();
        }
        doc.clear();
    }
    let page = include_str!("../../docs/limits.md");
    assert!(page.contains(&table), "docs/limits.md must have:\n{table}");
}

// The order example as it was when the fixture was written.

#[step]
async fn reserve(order: &Value) -> everstep::Result<String> {
    panic!("recorded, so not run: {order}")
}

#[step]
async fn charge(order: &Value) -> everstep::Result<String> {
    panic!("recorded, so not run: {order}")
}

#[step]
async fn print_label(order: &Value) -> everstep::Result<String> {
    panic!("recorded, so not run: {order}")
}

#[step]
async fn send_invoice(order: &Value, charge: &str) -> everstep::Result<String> {
    panic!("recorded, so not run: {order} {charge}")
}

#[step]
async fn confirm(order: &Value, label: &str) -> everstep::Result<()> {
    assert_eq!((order["number"].as_str(), label), (Some("order-2"), "label-9"));
    Ok(())
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    charge: String,
    label: String,
    invoice: String,
}

#[workflow]
pub(crate) async fn fulfil_order(order: Value) -> everstep::Result<Receipt> {
    reserve(&order).await?;
    let charge = charge(&order).await?;
    let (label, invoice) = tokio::join!(print_label(&order), send_invoice(&order, &charge));
    let (label, invoice) = (label?, invoice?);
    sleep(seconds(2)).await;
    confirm(&order, &label).await?;
    Ok(Receipt { charge, label, invoice })
}

#[tokio::test]
async fn a_log_of_version_1_is_replayed_and_goes_on_from_any_commit() {
    let log = fixture().order;
    // From commit 5 on the timer has been started; before, the parallel steps would run.
    for kept in [6, 7, 8] {
        let store = Arc::new(MemoryStore::new());
        let backend = Backend::new(store.clone(), Arc::new(MemoryQueue::new()));
        let id = ExecutionId::new("order-2").unwrap();
        let started = Timestamp(1_735_689_600_000);
        let record = Record {
            id: id.clone(),
            workflow: "fulfil_order".to_owned(),
            started_at: started,
            born: None,
            arrivals: 0,
            tags: std::collections::BTreeMap::new(),
            parent: None,
            projection: Projection {
                commit: 0,
                first: 0,
                status: Status::Running,
                wake_at: Some(started),
                untold: None,
                updated_at: started,
                code: String::new(),
                reason: None,
                view: None,
                tags: None,
                life: None,
            },
        };
        assert_eq!(store.create(&record, &log[0].stored()).await.unwrap(), Created::New);
        for line in &log[1..kept] {
            assert_eq!(store.append(&id, &line.stored()).await.unwrap(), Appended::Done);
        }
        let client = Client::new(&backend);
        let input: Value = serde_json::json!({
            "number": "order-2", "customer": "Ada", "article": "teapot", "pieces": 2,
            "price": 3490, "card": "4242"
        });
        let handle = client.start(fulfil_order, input).id("order-2").await.unwrap();
        assert!(!handle.is_new());
        let worker = App::new().workflow(fulfil_order).backend(backend).worker().await.unwrap();
        let receipt = worker.run_until(handle.result()).await.unwrap().unwrap();
        let expected = Receipt {
            charge: "charge-7".to_owned(),
            label: "label-9".to_owned(),
            invoice: "invoice-8".to_owned(),
        };
        assert_eq!(receipt, expected, "from commit {}", kept - 1);
    }
}

/// What a workflow calls, and what may be said of it before it is awaited: every public function in
/// `context/` but those that only macros use.
#[test]
fn every_operation_and_option_has_an_example() {
    const OF_MACROS: [&str; 4] = ["args.rs", "compensate.rs", "step_fn.rs", "workflow.rs"];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk/src/context");
    let (mut functions, mut without) = (0, Vec::new());
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() || OF_MACROS.contains(&&*name) {
            continue;
        }
        let (mut has_example, mut hidden) = (false, false);
        for line in std::fs::read_to_string(&path).unwrap().lines().map(str::trim_start) {
            let function = ["pub fn ", "pub async fn ", "pub const fn "]
                .iter()
                .find_map(|start| line.strip_prefix(*start));
            if let Some(function) = function {
                functions += 1;
                if !has_example && !hidden {
                    let end = function.find(['(', '<']).unwrap_or(function.len());
                    without.push(format!("{name}: {}", &function[..end]));
                }
            }
            has_example = (has_example && line.starts_with(['/', '#'])) || line == "/// ```";
            hidden = (hidden && line.starts_with(['/', '#'])) || line == "#[doc(hidden)]";
        }
    }
    assert!(functions > 60, "the source is not read as it is meant: {functions}");
    assert!(without.is_empty(), "without an example: {without:#?}");
}
