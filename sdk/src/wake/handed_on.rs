//! A wake on its way from one version of a function to another, and the way back: the event of an
//! invocation, and its answer.

#[cfg(any(feature = "aws", test))]
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{NotAWake, Wake};
use crate::time::Timestamp;

/// A wake whose turn another process is to take, while its message stays with whoever received it:
/// `{"take_turn":{"wake":{"everstep":1,"execution":"order-7","kind":"news"},"receives":1,"deadline":1735689660000}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandedOn {
    pub(crate) wake: Wake,
    /// How often its message was received.
    pub(crate) receives: u32,
    /// When whoever has the message must know what becomes of it.
    pub(crate) deadline: Timestamp,
}

#[cfg(any(feature = "lambda-invoke", test))]
#[derive(Serialize)]
struct Asked {
    take_turn: Sent,
}

/// As it is sent.
#[derive(Serialize, Deserialize)]
struct Sent {
    wake: Box<RawValue>,
    receives: u32,
    deadline: Timestamp,
}

impl HandedOn {
    /// The event of the invocation that has the turn taken.
    #[cfg(any(feature = "lambda-invoke", test))]
    pub(crate) fn to_event(&self) -> String {
        let wake = RawValue::from_string(self.wake.to_body()).expect("a wake is JSON");
        let Self { receives, deadline, .. } = *self;
        let event = Asked { take_turn: Sent { wake, receives, deadline } };
        serde_json::to_string(&event).expect("it is JSON")
    }

    /// Reads what such an event has under `take_turn`.
    ///
    /// # Errors
    /// It is none, or one that only a newer program can read.
    pub(crate) fn read(text: &str) -> Result<Self, NotAWake> {
        // The error's own words would quote what may be somebody's secret.
        let malformed = |_| NotAWake::Malformed { problem: "it names no wake to take".to_owned() };
        let Sent { wake, receives, deadline } = serde_json::from_str(text).map_err(malformed)?;
        Ok(Self { wake: Wake::from_body(wake.get())?, receives, deadline })
    }
}

/// What becomes of the message of a wake that was handed on: `"done"`, or
/// `{"comes_back":{"after_ms":5000}}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HandedBack {
    /// It is done with.
    Done,
    /// It must come again after this time.
    ComesBack { after_ms: u64 },
}

#[cfg(any(feature = "aws", test))]
impl HandedBack {
    pub(crate) fn after(time: Duration) -> Self {
        Self::ComesBack { after_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ExecutionId;

    #[test]
    fn a_wake_comes_as_it_was_handed_on_and_is_answered_in_a_word() {
        let wake = Wake::timer(ExecutionId::new("order-7").expect("an id"), Timestamp(5));
        let handed = HandedOn { wake, receives: 3, deadline: Timestamp(1_000) };
        let event = handed.to_event();
        let text = event.strip_prefix(r#"{"take_turn":"#).and_then(|rest| rest.strip_suffix('}'));
        let text = text.expect("the event");
        assert!(text.contains(r#""receives":3,"deadline":1000"#), "{text}");
        assert_eq!(HandedOn::read(text).expect("a wake"), handed);
        let newer = text.replace(r#""everstep":1"#, r#""everstep":2"#);
        assert!(matches!(HandedOn::read(&newer), Err(NotAWake::Newer { version: 2 })));
        assert!(matches!(HandedOn::read("{}"), Err(NotAWake::Malformed { .. })));
        let words = [HandedBack::Done, HandedBack::after(Duration::from_secs(5))]
            .map(|back| serde_json::to_string(&back).expect("JSON"));
        assert_eq!(words, [r#""done""#, r#"{"comes_back":{"after_ms":5000}}"#]);
    }
}
