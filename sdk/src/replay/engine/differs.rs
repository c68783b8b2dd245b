//! How a call of the code and what the log has in its place are told apart.

use std::panic::Location;

use crate::event::{OperationKey, Text};
use crate::replay::call::{Detail, Kind};
use crate::replay::fault::{Fault, Mismatch, Side};
use crate::replay::recorded::Expected;

/// How a call differs from what the log expects there; `None` if it does not. The text is empty
/// where the two sides speak for themselves.
pub(super) fn differs(
    expected: &Expected<'_>,
    kind: Kind,
    key: &OperationKey,
    detail: &Detail,
) -> Option<String> {
    if expected.kind != kind || expected.key != key {
        return Some(String::new());
    }
    match detail {
        Detail::Step(step) => {
            let recorded = expected.input.filter(|recorded| !recorded.same(&step.input))?;
            Some(format!("its arguments were {recorded} and are now {}", step.input))
        }
        Detail::Timer { due, .. } => {
            let recorded = expected.due.filter(|recorded| recorded != due)?;
            Some(format!("it was due at {recorded} and is now due at {due}"))
        }
        Detail::Child(child) => {
            let recorded = expected.input.filter(|recorded| !recorded.same(child.input()))?;
            Some(format!("its input was {recorded} and is now {}", child.input()))
        }
        // A promise's limits are not known when it is called.
        Detail::Signal | Detail::Update | Detail::Promise(_) => None,
        Detail::Note { note, .. } => note.as_ref()?.differs(expected.event),
    }
}

pub(in crate::replay) fn side(kind: Kind, key: &OperationKey, location: &Location<'_>) -> Side {
    Side { kind, key: key.to_string(), site: site(location) }
}

/// `file:line`, as events carry it.
pub(crate) fn site(location: &Location<'_>) -> Text {
    let mut site = String::with_capacity(location.file().len() + 8);
    site.push_str(location.file());
    site.push(':');
    site.push_str(itoa::Buffer::new().format(location.line()));
    site.into()
}

impl From<Mismatch> for Fault {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(Box::new(mismatch))
    }
}
