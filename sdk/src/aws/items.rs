//! The table's items and our types: what stands in which attribute.
//!
//! ```text
//! pk                sk                      attributes
//! x#<execution>     #                       the record
//! x#<execution>     L#<number, 20 digits>   a commit: writer, hash, body, born
//! x#<execution>     S#<sender's id>         an inbox item: arrival, arrived_at, message, born
//! ```
//! `born` is the number of the life that it is of, in the record too; see [`lives`](super::lives).
//!
//! A record of an execution that is being deleted is its grave: `status` is `buried`.
//!
//! Records and inbox items that the sweeper must see carry `due_shard` and `due_at`, the keys of
//! the index `due`; what is to be deleted is in the same index, in shards of its own; records carry
//! `status_shard` and `newest_key`, those of `by_status`. Bodies and messages are strings, so that the
//! console shows them.

mod reader;

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use sha2::{Digest, Sha256};

use reader::Reader;

use crate::event::StoredCommit;
use crate::id::{Born, CommitNumber, ExecutionId, Life, WriterId};
use crate::store::{Grave, InboxItem, ListCursor, NewItem, Projection, Record, Status, StoreError};
use crate::time::Timestamp;

/// One item of the table.
pub(super) type Item = HashMap<String, AttributeValue>;

/// How many parts each index key is spread over, so that no one partition of the index takes
/// every write (1,000 write units a second at most:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>).
/// Part of the stored format: a smaller number would hide the higher shards. `docs/scale.md` says
/// what this many are enough for; a sweep is so many queries.
pub(super) const SHARDS: Shards = Shards(64);

/// The sort key of the record: before every commit, so that a query reads it first.
pub(super) const RECORD: &str = "#";

/// The attribute of a record with what its workflow shows: not in any index.
pub(super) const VIEW: &str = "view";

/// The attribute of a record with its tags, each `name=value`.
pub(super) const TAGS: &str = "tags";

/// The attribute of a record with the first commit that is not wholly told: not in any index.
pub(super) const UNTOLD: &str = "untold";

/// The attribute of a record with what of that is told all the same, as JSON: not in any index.
pub(super) const TELLING: &str = "telling";

/// The attribute of a record, a commit and an inbox item that tells executions of one id apart: not in
/// any index.
pub(super) const BORN: &str = "born";

/// The status of a record that is a grave: none that an execution has.
pub(super) const BURIED: &str = "buried";

/// The attributes of a child's record that name its parent: not in any index.
const PARENT: &str = "parent";
const PARENT_RUN: &str = "parent_run";

/// The attributes of a record that lists show, beside the keys of table and index.
pub(super) const LISTED: [&str; 11] = [
    "workflow",
    "started_at",
    "arrivals",
    "commit",
    "status",
    "wake_at",
    "updated_at",
    "code",
    "reason",
    "first",
    TAGS,
];

/// Largest item, in bytes, names included
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
const ITEM_BYTES_MAX: usize = 409_600;

/// Longest sort key, in bytes; the same page.
const SORT_KEY_BYTES_MAX: usize = 1_024;

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("it is always JSON")
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn pk(id: &ExecutionId) -> AttributeValue {
    text(format!("x#{id}"))
}

/// The execution a partition key names, if it is one of ours.
pub(super) fn execution_of(item: &Item) -> Option<ExecutionId> {
    let pk = item.get("pk")?.as_s().ok()?;
    ExecutionId::new(pk.strip_prefix("x#")?).ok()
}

pub(super) fn commit_sk(number: CommitNumber) -> AttributeValue {
    text(format!("L#{number:020}"))
}

pub(super) fn inbox_sk(sender_id: &str) -> AttributeValue {
    text(format!("S#{sender_id}"))
}

/// Whether an inbox item with this id can be stored at all.
pub(super) fn is_storable_id(sender_id: &str) -> bool {
    sender_id.len() + 2 <= SORT_KEY_BYTES_MAX
}

pub(super) fn key(id: &ExecutionId, sk: AttributeValue) -> Item {
    HashMap::from([("pk".into(), pk(id)), ("sk".into(), sk)])
}

/// Over how many parts the indexes are spread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shards(pub(super) u8);

impl Shards {
    /// Which of them an execution is in.
    fn of(self, id: &ExecutionId) -> u8 {
        Sha256::digest(id.as_str().as_bytes())[0] % self.0
    }
}

pub(super) fn due_shard(shard: u8) -> AttributeValue {
    text(format!("due#{shard}"))
}

/// The shard of what is to be deleted, in the same index.
pub(super) fn expired_shard(shard: u8) -> AttributeValue {
    text(format!("expired#{shard}"))
}

pub(super) fn status_shard(status: Status, shard: u8) -> AttributeValue {
    text(format!("{status}#{shard}"))
}

/// The place of a record in the list: the newest start first, then in the order of ids, so that
/// no two share one.
pub(super) fn newest_key(started_at: Timestamp, id: &str) -> String {
    let from_the_end = Timestamp::MAX.0.saturating_sub(started_at.0).max(0);
    format!("{from_the_end:020}#{id}")
}

/// The place in the list that a `newest_key` says.
pub(super) fn read_newest_key(key: &str) -> Option<ListCursor<'_>> {
    let (from_the_end, id) = key.split_once('#')?;
    let from_the_end: i64 = from_the_end.parse().ok()?;
    Some(ListCursor { started_at: Timestamp(Timestamp::MAX.0 - from_the_end), id })
}

/// The attributes of a projection but the tags, which are the record's; one without a value must not
/// be there.
pub(super) fn projected(
    id: &ExecutionId,
    projection: &Projection,
    shards: Shards,
) -> [(&'static str, Option<AttributeValue>); 13] {
    let Projection {
        commit,
        first,
        status,
        wake_at,
        untold,
        telling,
        updated_at,
        code,
        reason,
        view,
        tags: _,
        life: _,
    } = projection;
    let shard = shards.of(id);
    let due = wake_at.filter(|_| projection.is_swept() || projection.expires());
    let due_shard = if projection.expires() { expired_shard(shard) } else { due_shard(shard) };
    [
        ("commit", Some(number(commit))),
        ("first", (*first > 0).then(|| number(first))),
        ("status", Some(text(status.as_str()))),
        ("status_shard", Some(status_shard(*status, shard))),
        ("wake_at", wake_at.map(|at| number(at.0))),
        ("due_shard", due.map(|_| due_shard)),
        ("due_at", due.map(|at| number(at.0))),
        (UNTOLD, untold.map(number)),
        (TELLING, telling.as_ref().map(|telling| text(to_json(telling)))),
        ("updated_at", Some(number(updated_at.0))),
        ("code", Some(text(code))),
        ("reason", reason.as_ref().map(text)),
        (VIEW, view.as_ref().map(|view| text(view.as_str()))),
    ]
}

/// The attributes of a grave, beside its status.
pub(super) fn grave(
    id: &ExecutionId,
    grave: &Grave,
    shards: Shards,
) -> [(&'static str, AttributeValue); 4] {
    let Grave { look_at, emptied } = grave;
    [
        ("look_at", number(look_at.0)),
        ("emptied", AttributeValue::Bool(*emptied)),
        ("due_shard", expired_shard(shards.of(id))),
        ("due_at", number(look_at.0)),
    ]
}

/// Whether a record is a grave.
pub(super) fn is_grave(record: &Item) -> bool {
    record.get("status").and_then(|status| status.as_s().ok()).is_some_and(|it| it == BURIED)
}

pub(super) fn read_grave(id: &ExecutionId, item: Item) -> Result<Grave, StoreError> {
    let mut item = Reader { id, what: "its grave".into(), item };
    let look_at = Timestamp(item.number("look_at")?);
    match item.item.remove("emptied") {
        Some(AttributeValue::Bool(emptied)) => Ok(Grave { look_at, emptied }),
        _ => Err(item.corrupt("does not say whether it is \"emptied\"")),
    }
}

/// The record, unless the execution is being deleted.
pub(super) fn find_record(id: &ExecutionId, item: Item) -> Result<Option<Record>, StoreError> {
    if is_grave(&item) { Ok(None) } else { read_record(id, item).map(Some) }
}

/// The attributes of a record that a run's start sets; of these a projection changes the tags alone.
pub(super) fn identity(record: &Record) -> [(&'static str, Option<AttributeValue>); 7] {
    let parent = record.parent.as_ref();
    [
        ("workflow", Some(text(&record.workflow))),
        ("started_at", Some(number(record.started_at.0))),
        (BORN, record.born.map(born_value)),
        ("newest_key", Some(text(newest_key(record.started_at, record.id.as_str())))),
        (TAGS, tag_set(&record.tags)),
        (PARENT, parent.map(|parent| text(parent.execution.as_str()))),
        (PARENT_RUN, parent.map(|parent| number(parent.run))),
    ]
}

/// The number of a life.
pub(super) fn born_value(born: Born) -> AttributeValue {
    text(born.to_string())
}

/// Tags as a set, which cannot be empty.
pub(super) fn tag_set(tags: &BTreeMap<String, String>) -> Option<AttributeValue> {
    let tags: Vec<_> = tags.iter().map(|(name, value)| tag(name, value)).collect();
    (!tags.is_empty()).then_some(AttributeValue::Ss(tags))
}

/// A tag as a member of the set: a name has no `=`.
pub(super) fn tag(name: &str, value: &str) -> String {
    format!("{name}={value}")
}

pub(super) fn record_item(record: &Record, shards: Shards) -> Result<Item, StoreError> {
    let mut item = key(&record.id, text(RECORD));
    item.insert("arrivals".into(), number(record.arrivals));
    for (name, value) in
        identity(record).into_iter().chain(projected(&record.id, &record.projection, shards))
    {
        item.extend(value.map(|value| (name.to_owned(), value)));
    }
    check_size(item, || format!("the record of execution {}", record.id))
}

/// What a commit is written as, in the log of the life `born`.
pub(super) fn commit_item(
    id: &ExecutionId,
    commit: &StoredCommit,
    born: Option<Born>,
) -> Result<Item, StoreError> {
    StoreError::check_commit(commit)?;
    let mut item = key(id, commit_sk(commit.number));
    item.insert("writer".into(), text(commit.writer.to_string()));
    item.insert("hash".into(), text(to_hex(&commit.hash)));
    item.insert("body".into(), text(&*commit.body));
    item.extend(born.map(|born| (BORN.to_owned(), born_value(born))));
    check_size(item, || format!("commit {}", commit.number))
}

pub(super) fn inbox_item(
    id: &ExecutionId,
    item: &NewItem,
    arrival: u64,
    born: Option<Born>,
    shards: Shards,
) -> Result<Item, StoreError> {
    if !is_storable_id(&item.id) {
        return Err(StoreError::TooLarge {
            what: format!("the id of inbox item {}", item.id),
            bytes: item.id.len(),
            bytes_max: SORT_KEY_BYTES_MAX - 2,
        });
    }
    let message = to_json(&item.message);
    let mut attributes = key(id, inbox_sk(&item.id));
    attributes.insert("arrival".into(), number(arrival));
    attributes.insert("arrived_at".into(), number(item.arrived_at.0));
    attributes.insert("message".into(), text(message));
    attributes.extend(born.map(|born| (BORN.to_owned(), born_value(born))));
    attributes.insert("due_shard".into(), due_shard(shards.of(id)));
    attributes.insert("due_at".into(), number(item.arrived_at.0));
    check_size(attributes, || format!("inbox item {}", item.id))
}

/// Refuses an item that DynamoDB would refuse. Strings count their bytes and so do names; a number
/// has at most 21. A set of tags is small beside these.
fn check_size(item: Item, what: impl FnOnce() -> String) -> Result<Item, StoreError> {
    let bytes = item
        .iter()
        .map(|(name, value)| name.len() + value.as_s().map_or(21, String::len))
        .sum::<usize>();
    if bytes > ITEM_BYTES_MAX {
        return Err(StoreError::TooLarge { what: what(), bytes, bytes_max: ITEM_BYTES_MAX });
    }
    Ok(item)
}

/// What a sort key says an item is.
pub(super) enum Kind {
    Record,
    Commit,
    Inbox,
    /// Of a newer version of this program.
    Unknown,
}

pub(super) fn kind(item: &Item) -> Kind {
    match item.get("sk").and_then(|sk| sk.as_s().ok()) {
        Some(sk) if sk == RECORD => Kind::Record,
        Some(sk) if sk.starts_with("L#") => Kind::Commit,
        Some(sk) if sk.starts_with("S#") => Kind::Inbox,
        _ => Kind::Unknown,
    }
}

pub(super) fn read_record(id: &ExecutionId, item: Item) -> Result<Record, StoreError> {
    let mut item = Reader { id, what: "its record".into(), item };
    let status = item.text("status")?;
    let Some(status) = Status::parse(&status) else {
        return Err(item.corrupt(&format!("has the unknown status {status:?}")));
    };
    Ok(Record {
        id: id.clone(),
        workflow: item.text("workflow")?,
        started_at: Timestamp(item.number("started_at")?),
        born: item.born()?,
        arrivals: item.number("arrivals")?,
        tags: item.tags()?,
        parent: item.parent()?,
        projection: Projection {
            commit: item.number("commit")?,
            first: item.maybe_number("first")?.unwrap_or_default(),
            status,
            wake_at: item.maybe_number("wake_at")?.map(Timestamp),
            untold: item.maybe_number(UNTOLD)?,
            // What cannot be read is as if it had never been known.
            telling: item.maybe_text(TELLING)?.and_then(|text| serde_json::from_str(&text).ok()),
            updated_at: Timestamp(item.number("updated_at")?),
            code: item.text("code")?,
            reason: item.maybe_text("reason")?,
            view: item.maybe_json(VIEW)?,
            tags: None,
            life: None,
        },
    })
}

/// The writer of a commit, without the rest of it.
pub(super) fn read_writer(id: &ExecutionId, item: Item) -> Result<WriterId, StoreError> {
    Reader { id, what: "a commit of it".into(), item }.writer()
}

/// Of which life a commit is.
pub(super) fn read_born(id: &ExecutionId, item: &Item) -> Result<Option<Born>, StoreError> {
    let item = item.get(BORN).map(|born| (BORN.to_owned(), born.clone()));
    Reader { id, what: "a commit of it".into(), item: item.into_iter().collect() }.born()
}

/// A commit with the life that it says it is of.
pub(super) fn read_commit(id: &ExecutionId, item: Item) -> Result<StoredCommit, StoreError> {
    let mut item = Reader { id, what: "a commit of it".into(), item };
    let sk = item.text("sk")?;
    let Some(number) = sk.strip_prefix("L#").and_then(|number| number.parse().ok()) else {
        return Err(item.corrupt(&format!("has the sort key {sk:?}, which is no number")));
    };
    item.what = format!("commit {number} of it");
    let writer = item.writer()?;
    let Some(hash) = from_hex(&item.text("hash")?) else {
        return Err(item.corrupt("has a hash that is not 64 hexadecimal digits"));
    };
    let life = item.born()?.map(Life::Born);
    Ok(StoredCommit { number, writer, hash, body: item.text("body")?.into(), life })
}

pub(super) fn read_inbox(id: &ExecutionId, item: Item) -> Result<InboxItem, StoreError> {
    let mut item = Reader { id, what: "an item of its inbox".into(), item };
    let sk = item.text("sk")?;
    item.what = format!("the item {sk:?} of its inbox");
    let message = serde_json::from_str(&item.text("message")?).map_err(|error| {
        item.corrupt(&format!(
            "is not understood by this program (a newer one may have sent it): {error}"
        ))
    })?;
    Ok(InboxItem {
        arrival: item.number("arrival")?,
        id: sk.strip_prefix("S#").unwrap_or_default().to_owned(),
        arrived_at: Timestamp(item.number("arrived_at")?),
        message,
    })
}

fn to_hex(bytes: &[u8; 32]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn from_hex(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Json;
    use crate::store::{ParentRun, Telling};

    #[test]
    fn a_list_shows_all_of_a_record_but_its_view_its_parent_its_life_and_what_is_untold() {
        let projection = Projection {
            commit: 1,
            first: 1,
            status: Status::Suspended,
            wake_at: Some(Timestamp(1)),
            untold: Some(1),
            telling: Some(Telling::default()),
            updated_at: Timestamp(1),
            code: "1".into(),
            reason: Some("because".into()),
            view: Some(Json::null()),
            tags: None,
            life: None,
        };
        let (workflow, started_at) = ("order".to_owned(), Timestamp(1));
        let id = ExecutionId::new("order-1").expect("an id");
        let tags = [("customer".to_owned(), "ada".to_owned())].into();
        let parent = Some(ParentRun { execution: id.clone(), run: 1 });
        let born = Some(Born::random());
        let record =
            Record { id, workflow, started_at, born, arrivals: 1, tags, parent, projection };
        let item = record_item(&record, SHARDS).expect("it fits");
        let keys = [
            "pk",
            "sk",
            "status_shard",
            "newest_key",
            "due_shard",
            "due_at",
            VIEW,
            UNTOLD,
            TELLING,
            BORN,
            PARENT,
            PARENT_RUN,
        ];
        let mut shown: Vec<&str> = item.keys().map(String::as_str).collect();
        shown.retain(|name| !keys.contains(name));
        shown.sort_unstable();
        let mut listed = LISTED;
        listed.sort_unstable();
        assert_eq!(shown, listed);
    }
}
