//! A meter of DynamoDB: how many units its calls take of a table and of each of the table's indexes.
//!
//! It stands in front of the emulator and has it say with each answer what DynamoDB would bill. The
//! rules, which `tests/it/units.rs` goes through case by case:
//!
//! - A write takes a unit for each kilobyte of the old item or the new one, whichever is larger; a
//!   read one for each 4 KB, or half of one if it need not be consistent. Each item is rounded up by
//!   itself, but a query rounds the sum of all that it reads
//!   (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>).
//! - A transaction takes twice as many of its tables
//!   (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html>), and of
//!   indexes as many as any other write: those are brought up to date after it, once.
//! - An index takes units for each of its entries that is put, changed or deleted, by the size of the
//!   entry. One whose key changes is deleted and put; one of whose attributes nothing changes takes
//!   none (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html>, "Write Capacity
//!   Units").
//! - A write that is refused, since its condition does not hold, takes as many units of the table as
//!   if it had been done, and none of an index (the first of these pages). No answer says so, so the
//!   meter adds them itself. How large an update would have left its item is not known here; it is
//!   counted by what is there. What a cancelled transaction takes AWS does not say; each of its
//!   writes is counted as a refused one, twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::apart::{Apart, serve_apart};

const TARGET: &str = "x-amz-target";

/// Units of reading and writing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Units {
    /// Of 4 KB, read consistently; half of one if not.
    pub reads: f64,
    /// Of 1 KB.
    pub writes: f64,
}

/// What was taken of a table and of its indexes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Consumed {
    /// Of the table itself.
    pub table: Units,
    /// Of each index that anything was taken of, by name.
    pub indexes: BTreeMap<String, Units>,
}

impl Consumed {
    /// What was taken of this index.
    #[must_use]
    pub fn of(&self, index: &str) -> Units {
        self.indexes.get(index).copied().unwrap_or_default()
    }

    /// What was taken of all of them and of the table.
    #[must_use]
    pub fn all(&self) -> Units {
        self.indexes.values().fold(self.table, |all, more| all.and(*more))
    }
}

impl Units {
    fn and(self, more: Self) -> Self {
        Self { reads: self.reads + more.reads, writes: self.writes + more.writes }
    }
}

/// The meter. It ends when this is dropped.
#[derive(Debug)]
pub struct Meter {
    apart: Apart,
    ledger: Ledger,
}

/// What was taken, by table.
#[derive(Debug, Clone, Default)]
struct Ledger(Arc<Mutex<BTreeMap<String, Consumed>>>);

impl Meter {
    /// A meter in front of the emulator at `upstream` (`http://127.0.0.1:8000`). What is asked of the
    /// emulator directly is not counted.
    ///
    /// # Panics
    /// There is no free port.
    #[must_use]
    pub fn before(upstream: &str) -> Self {
        let ledger = Ledger::default();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let front = Front { upstream: upstream.to_owned(), http, ledger: ledger.clone() };
        let apart = serve_apart(async move |listener| {
            let app = Router::new().fallback(answer).with_state(front);
            axum::serve(listener, app).await.expect("a listener that listens");
        });
        Self { apart, ledger }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        self.apart.url()
    }

    /// What was taken of `table` since the last time that this was asked.
    ///
    /// # Panics
    /// Whatever counts has panicked.
    #[must_use]
    pub fn take(&self, table: &str) -> Consumed {
        self.ledger.0.lock().expect("to count does not panic").remove(table).unwrap_or_default()
    }
}

impl Ledger {
    fn add(&self, table: &str, index: Option<&str>, units: Units) {
        let mut ledger = self.0.lock().expect("to count does not panic");
        let consumed = ledger.entry(table.to_owned()).or_default();
        let place = match index {
            None => &mut consumed.table,
            Some(index) => consumed.indexes.entry(index.to_owned()).or_default(),
        };
        *place = place.and(units);
    }
}

/// What an operation does, if it takes units.
#[derive(Debug, Clone, Copy)]
enum Access {
    Read,
    Write,
}

impl Access {
    fn of(operation: &str) -> Option<Self> {
        match operation {
            "GetItem" | "BatchGetItem" | "TransactGetItems" | "Query" | "Scan" => Some(Self::Read),
            "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems" => {
                Some(Self::Write)
            }
            _ => {
                assert!(!operation.contains("Execute"), "{operation} is not counted");
                None
            }
        }
    }

    /// The units that an answer names. That of a transaction says itself which they are: one that
    /// repeats what was done is a read.
    fn units(self, named: &Value) -> Units {
        let (reads, writes) = (&named["ReadCapacityUnits"], &named["WriteCapacityUnits"]);
        let [reads, writes] = match self {
            _ if reads.is_number() || writes.is_number() => [reads, writes],
            Self::Read => [&named["CapacityUnits"], &Value::Null],
            Self::Write => [&Value::Null, &named["CapacityUnits"]],
        };
        let count = |units: &Value| units.as_f64().unwrap_or_default();
        Units { reads: count(reads), writes: count(writes) }
    }
}

#[derive(Clone)]
struct Front {
    upstream: String,
    http: reqwest::Client,
    ledger: Ledger,
}

async fn answer(State(front): State<Front>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit_once('.').map_or(target, |(_, operation)| operation);
    let mut request: Value = serde_json::from_slice(&body).expect("a request of an SDK is JSON");
    let Some(access) = Access::of(operation) else {
        let (status, answer) = front.ask(&headers, target, &request).await;
        return reply(status, &answer);
    };
    let wanted = request["ReturnConsumedCapacity"].take();
    request["ReturnConsumedCapacity"] = "INDEXES".into();
    let (status, mut answer) = front.ask(&headers, target, &request).await;
    if status == StatusCode::OK {
        front.count(access, &answer);
        show(&mut answer, wanted.as_str());
    } else if is_refusal(&answer) {
        front.count_refused(&headers, &request).await;
    }
    reply(status, &answer)
}

fn reply(status: StatusCode, answer: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], answer.to_string()).into_response()
}

impl Front {
    /// Asks the emulator, in the name of whoever sent `headers`.
    async fn ask(&self, headers: &HeaderMap, target: &str, body: &Value) -> (StatusCode, Value) {
        let mut call = self.http.post(&self.upstream).header(TARGET, target);
        for name in ["authorization", "content-type", "x-amz-date"] {
            if let Some(value) = headers.get(name) {
                call = call.header(name, value);
            }
        }
        let answer = call.body(body.to_string()).send().await.expect("the emulator answers");
        let status = answer.status();
        (status, answer.json().await.expect("an answer of DynamoDB is JSON"))
    }

    async fn look(&self, headers: &HeaderMap, operation: &str, body: Value) -> Value {
        let target = format!("DynamoDB_20120810.{operation}");
        let (status, answer) = self.ask(headers, &target, &body).await;
        assert_eq!(status, StatusCode::OK, "{operation} of {body}: {answer}");
        answer
    }

    fn count(&self, access: Access, answer: &Value) {
        for consumed in each(&answer["ConsumedCapacity"]) {
            let table = consumed["TableName"].as_str().expect("what is consumed is of a table");
            self.ledger.add(table, None, access.units(&consumed["Table"]));
            let indexes = consumed["GlobalSecondaryIndexes"].as_object();
            for (index, named) in indexes.into_iter().flatten() {
                self.ledger.add(table, Some(index), access.units(named));
            }
        }
    }

    async fn count_refused(&self, headers: &HeaderMap, request: &Value) {
        let transaction = &request["TransactItems"];
        let (writes, times): (Vec<&Value>, f64) = match transaction {
            Value::Null => (vec![request], 1.0),
            items => {
                let kinds = each(items).iter().filter_map(Value::as_object);
                (kinds.flat_map(serde_json::Map::values).collect(), 2.0)
            }
        };
        for write in writes {
            let table = write["TableName"].as_str().expect("a write is to a table");
            let key = match &write["Key"] {
                Value::Null => self.key_of(headers, table, &write["Item"]).await,
                key => key.clone(),
            };
            let get = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
            let there = self.look(headers, "GetItem", get).await;
            let bytes = size_of(&there["Item"]).max(size_of(&write["Item"]));
            let writes = times * bytes.div_ceil(1_024).max(1) as f64;
            self.ledger.add(table, None, Units { reads: 0.0, writes });
        }
    }

    /// The key's attributes of an item.
    async fn key_of(&self, headers: &HeaderMap, table: &str, item: &Value) -> Value {
        let table = self.look(headers, "DescribeTable", json!({ "TableName": table })).await;
        let names = each(&table["Table"]["KeySchema"]).iter();
        let names = names.filter_map(|key| key["AttributeName"].as_str());
        names.map(|name| (name.to_owned(), item[name].clone())).collect()
    }
}

/// One for each table, or the only one.
fn each(values: &Value) -> &[Value] {
    match values {
        Value::Null => &[],
        Value::Array(values) => values,
        value => std::slice::from_ref(value),
    }
}

/// Leaves of what the emulator said as much as the caller asked for.
fn show(answer: &mut Value, wanted: Option<&str>) {
    let Some(shown) = answer.as_object_mut() else { return };
    let consumed = match (wanted, shown.get_mut("ConsumedCapacity")) {
        (Some("INDEXES"), _) => return,
        (Some("TOTAL"), Some(consumed)) => consumed,
        _ => {
            shown.remove("ConsumedCapacity");
            return;
        }
    };
    let all = match consumed {
        Value::Array(all) => all.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for one in all.iter_mut().filter_map(Value::as_object_mut) {
        one.remove("Table");
        one.remove("GlobalSecondaryIndexes");
    }
}

/// Whether a condition did not hold.
fn is_refusal(answer: &Value) -> bool {
    let kind = answer["__type"].as_str().and_then(|kind| kind.rsplit('#').next());
    matches!(kind, Some("ConditionalCheckFailedException" | "TransactionCanceledException"))
}

/// How large an item is, if it is there
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>).
fn size_of(item: &Value) -> usize {
    let item: Option<dynoxide::Item> = serde_json::from_value(item.clone()).expect("an item");
    item.as_ref().map_or(0, dynoxide::types::item_size)
}
