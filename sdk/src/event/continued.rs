//! One run after the other: what an execution takes along, and how much of a log an event is.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::commit::Hex;
use super::{ChildOutcome, Event, Failure, Json, PromiseResult};
use crate::time::Timestamp;

/// See [`Event::Carried`]. Counts only if [`WorkflowStarted`](super::WorkflowStarted) follows,
/// with nothing between but more of these and [`ContinuedAsNew`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Carried {
    /// When.
    pub at: Timestamp,
    /// What the run received and did not consume, in order: the events that brought it. They
    /// happen again in the next run, before everything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Event>,
    /// What was taken from the inbox and may be sent again, item by item: the form of the first
    /// logs, which is read only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Taken>,
    /// The same, hour by hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<TakenHour>,
}

/// An inbox item that was taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Taken {
    /// When.
    pub at: Timestamp,
    /// The sender's id of it.
    pub id: String,
}

/// The inbox items that were taken in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TakenHour {
    /// When it began.
    pub at: Timestamp,
    /// Their ids, in short.
    pub ids: ShortIds,
}

/// Ids of inbox items in the order in which they were taken, each as the first 80 bits of its
/// SHA-256 in hexadecimal. Each run of a long life hands on thousands of them, and all that is asked
/// is whether one is there; by chance a new id is among 2,000 once in 6 * 10^20 times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ShortIds(String);

/// See [`Event::ContinuedAsNew`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContinuedAsNew {
    /// When.
    pub at: Timestamp,
}

/// The SHA-256 of an input, whatever the order in which its maps were written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InputHash([u8; 32]);

impl TakenHour {
    pub(crate) fn new(at: Timestamp, ids: ShortIds) -> Self {
        Self { at, ids }
    }
}

impl ShortIds {
    /// How many bytes an id takes.
    pub(crate) const WIDTH: usize = 20;

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / Self::WIDTH
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `id`, in short.
    pub(crate) fn short(id: &str) -> String {
        let mut text = String::with_capacity(64);
        Hex(Sha256::digest(id.as_bytes()).into()).push_to(&mut text);
        text.truncate(Self::WIDTH);
        text
    }

    /// Adds a [short](Self::short) id.
    pub(crate) fn push(&mut self, short: &str) {
        debug_assert_eq!(short.len(), Self::WIDTH);
        self.0.push_str(short);
    }

    /// Adds those of `others` that are not there.
    pub(crate) fn add(&mut self, others: &Self) {
        let new: Vec<&str> = {
            let known: HashSet<&str> = self.iter().collect();
            others.iter().filter(|short| !known.contains(short)).collect()
        };
        new.iter().for_each(|short| self.push(short));
    }

    /// The short ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|at| &self.0[at * Self::WIDTH..(at + 1) * Self::WIDTH])
    }

    /// Whether this [short](Self::short) id is there.
    pub(crate) fn contains(&self, short: &str) -> bool {
        self.0.as_bytes().chunks_exact(Self::WIDTH).any(|one| one == short.as_bytes())
    }
}

impl TryFrom<String> for ShortIds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let sound = text.is_ascii() && text.len().is_multiple_of(Self::WIDTH);
        sound.then_some(Self(text)).ok_or_else(|| {
            format!(
                "ids in short are {} hexadecimal digits each, without anything between",
                Self::WIDTH
            )
        })
    }
}

impl InputHash {
    /// The hash of `input`.
    #[must_use]
    pub fn of(input: &Json) -> Self {
        let mut text = String::new();
        match input.read() {
            Ok(value) => push_sorted(&value, &mut text),
            Err(_) => text.push_str(input.as_str()),
        }
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

/// Writes `value` with the members of its objects in the order of their names.
fn push_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            out.push('{');
            for (name, value) in members {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                push_sorted(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                push_sorted(item, out);
                out.push(',');
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

impl fmt::Debug for InputHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(64);
        Hex(self.0).push_to(&mut text);
        f.write_str(&text)
    }
}

impl Serialize for InputHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Hex(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for InputHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Hex::deserialize(deserializer).map(|hex| Self(hex.0))
    }
}

/// What an event takes in a log beside the values and names it holds, more or less.
const FRAME: usize = 128;

impl Event {
    /// About how many bytes of a log the event is: its values as they are, the rest by a rule of
    /// thumb. The same live and on replay, and quick. Workflows see the sum and may decide by it:
    /// an event's weight is never changed once it was released.
    #[must_use]
    pub fn weight(&self) -> usize {
        let held = match self {
            Self::WorkflowStarted(e) => e.input.as_str().len(),
            Self::StepStarted(e) => e.site.len() + e.input.as_str().len(),
            Self::StepAttemptFailed(e) => {
                e.site.len() + e.input.as_str().len() + weight_of(&e.failure)
            }
            Self::StepPostponed(e) => e.site.len() + e.input.as_str().len() + e.reason.len(),
            Self::StepCompleted(e) => {
                e.site.len() + e.input.as_str().len() + e.output.as_str().len()
            }
            Self::StepFailed(e) => e.site.len() + e.input.as_str().len() + weight_of(&e.failure),
            Self::SignalReceived(e) => e.id.len() + e.name.len() + e.payload.as_str().len(),
            Self::UpdateReceived(e) => e.id.len() + e.name.len() + e.request.as_str().len(),
            Self::UpdateReplied(e) => e.site.len() + e.update.len() + e.reply.bytes(),
            Self::ViewPublished(e) => e.site.len() + e.view.as_str().len(),
            Self::TagSet(e) => e.site.len() + e.name.len() + e.value.len(),
            Self::WorkflowCompleted(e) => e.output.as_str().len(),
            Self::WorkflowFailed(e) => e.error.as_str().len(),
            Self::TurnEnded(e) => 16 * e.armed.len(),
            Self::StepHeartbeat(e) => e.site.len() + e.details.as_str().len(),
            Self::ChildRequested(e) => e.site.len() + e.input.as_str().len(),
            Self::ChildCompleted(e) => weight_of_outcome(&e.outcome),
            Self::PromiseResolved(e) => match &e.result {
                PromiseResult::Completed { value } => value.as_str().len(),
                PromiseResult::Failed { reason } => reason.len(),
                _ => 0,
            },
            _ => 0,
        };
        FRAME + held
    }
}

fn weight_of_outcome(outcome: &ChildOutcome) -> usize {
    match outcome {
        ChildOutcome::Completed { output: value } | ChildOutcome::Failed { error: value } => {
            value.as_str().len()
        }
        ChildOutcome::Cancelled { reason } | ChildOutcome::Terminated { reason } => reason.len(),
        ChildOutcome::NotStarted { problem } => problem.len(),
    }
}

fn weight_of(failure: &Failure) -> usize {
    match failure {
        Failure::Error { value } => value.as_str().len(),
        Failure::Panicked { message }
        | Failure::Interrupted { message }
        | Failure::Unrecordable { message } => message.len(),
        Failure::TimedOut { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> InputHash {
        InputHash::of(&Json::parse(text.to_owned()).expect("JSON"))
    }

    #[test]
    fn an_inputs_hash_does_not_depend_on_the_order_of_its_maps() {
        assert_eq!(
            hash(r#"{"a":[{"x":1,"y":2}],"b":1.0}"#),
            hash(r#"{"b":1.0,"a":[{"y":2,"x":1}]}"#)
        );
        assert_ne!(hash("[1,2]"), hash("[2,1]"));
        assert_ne!(hash(r#"{"a":1}"#), hash(r#"{"a":2}"#));
        assert_ne!(hash("null"), hash("{}"));
    }

    #[test]
    fn a_value_weighs_what_it_takes_whatever_event_holds_it() {
        let value = format!("\"{}\"", "x".repeat(1_000));
        for (kind, fields) in [
            ("StepHeartbeat", r#""key":"a#1","site":"","attempt":1,"details":VALUE"#),
            (
                "ChildRequested",
                r#""key":"a#1","site":"","child":"c","input":VALUE,"waits":true,"on_close":"leave""#,
            ),
            (
                "ChildCompleted",
                r#""key":"a#1","child":"c","outcome":{"completed":{"output":VALUE}}"#,
            ),
            ("ChildCompleted", r#""key":"a#1","child":"c","outcome":{"failed":{"error":VALUE}}"#),
            ("PromiseResolved", r#""run":1,"key":"a#1","result":{"completed":{"value":VALUE}}"#),
        ] {
            let fields = fields.replace("VALUE", &value);
            let text = format!("{{\"{kind}\":{{\"at\":0,\"seq\":0,{fields}}}}}");
            let event: Event = serde_json::from_str(&text).expect("an event");
            assert!(event.weight() > 1_000, "{kind}");
        }
    }

    #[test]
    fn an_inputs_hash_is_stored_as_hexadecimal_digits() {
        let hash = hash("7");
        let text = serde_json::to_string(&hash).expect("JSON");
        assert_eq!(text, "\"7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451\"");
        assert_eq!(serde_json::from_str::<InputHash>(&text).expect("a hash"), hash);
    }
}
