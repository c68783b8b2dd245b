//! Changes of a DynamoDB table, from its stream.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::Malformed;
use super::read_payload;
use crate::event::Json;

/// An item of a DynamoDB table was changed
/// (<https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>).
///
/// Keys and items are plain JSON: `{"id": {"S": "a"}, "n": {"N": "7"}}` is `{"id": "a", "n": 7}`. A
/// set is a list, and bytes are their base64.
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::trigger::{Action, TableChange, TableRow};
/// # #[workflow] async fn greet(customer: Customer) -> everstep::Result<String> { Ok(format!("hello, {}", customer.name)) }
///
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct Customer { id: String, name: String }
///
/// /// Greets each new customer.
/// fn on_change(change: TableChange) -> everstep::Result<Option<Action>> {
///     match (&*change.table, &change.row) {
///         ("customers", TableRow::Inserted { .. }) => {
///             let customer: Customer = change.new_item()?;
///             let id = format!("greet/{}", customer.id);
///             Ok(Some(Action::start(greet, customer).id(id).into()))
///         }
///         _ => Ok(None),
///     }
/// }
///
/// let app = App::new().workflow(greet).on(on_change);
/// # let env = Env::new(app);
/// # let event = serde_json::json!({ "Records": [{
/// #     "eventID": "1", "eventName": "INSERT", "eventSource": "aws:dynamodb",
/// #     "eventSourceARN": "arn:aws:dynamodb:us-west-2:111122223333:table/customers/stream/2024-06-10T19:26:16.525",
/// #     "dynamodb": { "SequenceNumber": "111", "Keys": { "id": { "S": "7" } },
/// #         "NewImage": { "id": { "S": "7" }, "name": { "S": "Ada" } } },
/// # }] });
/// # env.block_on(env.triggers().deliver(&event.to_string(), "1")).unwrap();
/// # let greeting = env.client().handle(greet, ExecutionId::new("greet/7").unwrap());
/// # let result = env.block_on(greeting.result());
/// assert_eq!(result.unwrap(), "hello, Ada");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableChange {
    /// The change's own id: the same if it is delivered again.
    pub id: String,
    /// The table's name.
    pub table: String,
    /// What happened, with the item after and before it, as far as the stream has them.
    pub row: TableRow,
    /// The item's key.
    pub keys: Json,
    /// Later changes of one item have the greater one.
    pub sequence: String,
}

/// What happened to an item. A stream that keeps keys only has none of these items.
///
/// ```
/// use everstep::event::Json;
/// use everstep::trigger::TableRow;
///
/// /// Whether anything is different now, as far as the stream shows it.
/// fn is_change(row: &TableRow) -> bool {
///     match row {
///         TableRow::Inserted { .. } | TableRow::Removed { .. } => true,
///         TableRow::Modified { old, new } => old != new || old.is_none(),
///     }
/// }
///
/// let item = Some(Json::record(&7).unwrap());
/// assert!(!is_change(&TableRow::Modified { old: item.clone(), new: item }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableRow {
    /// It is new.
    Inserted {
        /// The item.
        new: Option<Json>,
    },
    /// It was changed.
    Modified {
        /// The item before.
        old: Option<Json>,
        /// The item now.
        new: Option<Json>,
    },
    /// It is gone: deleted, or expired.
    Removed {
        /// The item before.
        old: Option<Json>,
    },
}

impl TableChange {
    /// The item now, as a `T`.
    ///
    /// # Errors
    /// It is no `T`, or there is none: the item was removed, or the stream does not keep new items.
    pub fn new_item<T: DeserializeOwned>(&self) -> Result<T, Malformed> {
        match &self.row {
            TableRow::Inserted { new: Some(item) } | TableRow::Modified { new: Some(item), .. } => {
                read_payload("the new item", item.as_str())
            }
            TableRow::Removed { .. } => Err(Malformed::new("the new item", "the item was removed")),
            _ => Err(Malformed::new(
                "the new item",
                "the stream does not keep it: its view type is to be NEW_IMAGE or \
                 NEW_AND_OLD_IMAGES",
            )),
        }
    }
}

/// The name of what cannot be read.
const WHAT: &str = "a record of a DynamoDB stream";

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventID")]
    id: String,
    #[serde(rename = "eventName")]
    name: String,
    #[serde(rename = "eventSourceARN", default)]
    stream: String,
    dynamodb: Change,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    #[serde(default)]
    keys: Item,
    new_image: Option<Item>,
    old_image: Option<Item>,
    sequence_number: String,
}

type Item = BTreeMap<String, Value>;

/// A value with its type.
#[derive(Deserialize)]
enum Value {
    S(String),
    N(String),
    B(String),
    #[serde(rename = "BOOL")]
    Bool(bool),
    #[serde(rename = "NULL")]
    Null(bool),
    #[serde(rename = "SS")]
    Strings(Vec<String>),
    #[serde(rename = "NS")]
    Numbers(Vec<String>),
    #[serde(rename = "BS")]
    Bytes(Vec<String>),
    L(Vec<Value>),
    M(Item),
}

/// Reads one record of a stream.
pub(super) fn read_record(record: &str) -> Result<TableChange, Malformed> {
    let record: Record =
        serde_json::from_str(record).map_err(|error| Malformed::new(WHAT, error))?;
    let Change { keys, new_image, old_image, sequence_number } = record.dynamodb;
    let new = new_image.as_ref().map(plain).transpose()?;
    let old = old_image.as_ref().map(plain).transpose()?;
    let row = match &*record.name {
        "INSERT" => TableRow::Inserted { new },
        "MODIFY" => TableRow::Modified { old, new },
        "REMOVE" => TableRow::Removed { old },
        other => return Err(Malformed::new(WHAT, format_args!("its eventName is {other:?}"))),
    };
    // arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL
    let table = record.stream.split('/').nth(1).unwrap_or_default().to_owned();
    Ok(TableChange { id: record.id, table, row, keys: plain(&keys)?, sequence: sequence_number })
}

/// Where a record stands in its stream, if that much of it can be read.
pub(super) fn sequence_of(record: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Outline {
        dynamodb: Place,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Place {
        sequence_number: String,
    }
    serde_json::from_str::<Outline>(record).ok().map(|it| it.dynamodb.sequence_number)
}

/// An item as plain JSON. Numbers keep all their digits.
fn plain(item: &Item) -> Result<Json, Malformed> {
    let mut text = String::new();
    write_item(&mut text, item)?;
    Json::parse(text).map_err(|error| Malformed::new(WHAT, error))
}

fn write_item(out: &mut String, item: &Item) -> Result<(), Malformed> {
    out.push('{');
    for (index, (name, value)) in item.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(out, name)?;
        out.push(':');
        write_value(out, value)?;
    }
    out.push('}');
    Ok(())
}

fn write_value(out: &mut String, value: &Value) -> Result<(), Malformed> {
    match value {
        Value::S(text) | Value::B(text) => write_text(out, text),
        Value::N(number) => write_number(out, number),
        Value::Bool(value) => {
            out.push_str(if *value { "true" } else { "false" });
            Ok(())
        }
        Value::Null(true) => {
            out.push_str("null");
            Ok(())
        }
        Value::Null(false) => Err(Malformed::new(WHAT, "it has a NULL that is false")),
        Value::Strings(all) | Value::Bytes(all) => {
            write_list(out, all, |out, it| write_text(out, it))
        }
        Value::Numbers(all) => write_list(out, all, |out, it| write_number(out, it)),
        Value::L(all) => write_list(out, all, write_value),
        Value::M(item) => write_item(out, item),
    }
}

fn write_list<T>(
    out: &mut String,
    all: &[T],
    write: impl Fn(&mut String, &T) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    out.push('[');
    for (index, value) in all.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, value)?;
    }
    out.push(']');
    Ok(())
}

fn write_text(out: &mut String, text: &str) -> Result<(), Malformed> {
    out.push_str(&serde_json::to_string(text).map_err(|error| Malformed::new(WHAT, error))?);
    Ok(())
}

fn write_number(out: &mut String, number: &str) -> Result<(), Malformed> {
    let is_number = number.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && serde_json::from_str::<&RawValue>(number).is_ok();
    if !is_number {
        return Err(Malformed::new(WHAT, format_args!("{number:?} is no number")));
    }
    out.push_str(number);
    Ok(())
}
