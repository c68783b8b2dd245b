//! Two runs over the same events: whether both made the same calls.

use std::cmp::Ordering;

use super::call::{Call, Detail};
use super::engine::{Engine, side};

/// Compares the calls from the one at `from` on: how many both have made by now.
///
/// # Errors
/// The first call in which `again` differs from `first`.
pub(crate) fn compare(first: &Engine, again: &Engine, from: usize) -> Result<usize, String> {
    let (one, other) = (&first.calls, &again.calls);
    let both = one.iter().zip(other).skip(from);
    let same = from + both.take_while(|(a, b)| is_same(a, b)).count();
    if same == one.len().max(other.len()) {
        return Ok(same);
    }
    let (a, b) = (one.get(same), other.get(same));
    let of = |call: &Call| side(call.detail.kind(), &call.key, call.location);
    let detail = match (a, b) {
        (Some(a), Some(b)) if a.key == b.key => details(&a.detail, &b.detail),
        _ => String::new(),
    };
    let text = |call: Option<&Call>| call.map_or("nothing".to_owned(), |call| of(call).to_string());
    Err(format!(
        "run twice over the same log, the workflow asks for something else at call {}: first for \
         {}, then for {}{detail}",
        same + 1,
        text(a),
        text(b),
    ))
}

fn is_same(a: &Call, b: &Call) -> bool {
    let details = match (&a.detail, &b.detail) {
        (Detail::Step(a), Detail::Step(b)) => a.input.same(&b.input),
        (Detail::Timer { due: a, .. }, Detail::Timer { due: b, .. }) => a.cmp(b) == Ordering::Equal,
        (Detail::Child(a), Detail::Child(b)) => a.input().same(b.input()),
        (a, b) => a.kind() == b.kind(),
    };
    a.key == b.key && details
}

fn details(a: &Detail, b: &Detail) -> String {
    match (a, b) {
        (Detail::Step(a), Detail::Step(b)) => {
            format!("; its arguments were {} and then {}", a.input, b.input)
        }
        (Detail::Child(a), Detail::Child(b)) => {
            format!("; its input was {} and then {}", a.input(), b.input())
        }
        (Detail::Timer { due: a, .. }, Detail::Timer { due: b, .. }) => {
            format!("; it was due at {a} and then at {b}")
        }
        _ => String::new(),
    }
}
