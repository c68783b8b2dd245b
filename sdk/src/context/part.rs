//! Parts of a step that keep results of their own: what its transactions share, whatever the database.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::body::with_scope;
use super::execution::expect_step;
use super::record::record;
use crate::event::Json;
use crate::replay::IdempotencyKey;

/// Why a part does not begin.
pub(crate) enum NoPart {
    /// This attempt has begun it before.
    Twice,
    /// No step's body is being polled, so there is nothing to recognise it by.
    OutsideStep,
}

/// Begins `part` of the step whose body is being polled, and says which step that is.
///
/// # Panics
/// In a workflow's own code, with `what` it is that belongs in a step.
#[track_caller]
pub(crate) fn begin_part(what: &str, part: &str) -> Result<IdempotencyKey, NoPart> {
    expect_step(what);
    let begun = with_scope(|scope| {
        let part = format!("{what} {part}");
        let mut parts = scope.parts.borrow_mut();
        if parts.contains(&part) {
            return Err(NoPart::Twice);
        }
        parts.push(part);
        Ok(scope.key.clone())
    });
    begun.unwrap_or(Err(NoPart::OutsideStep))
}

/// A part's result as it reads from its recorded form, and that form: so it is the same for whoever
/// comes later, and what cannot be read back is never committed.
pub(crate) fn read_back<T: Serialize + DeserializeOwned>(result: &T) -> Result<(T, Json), String> {
    let json = record(result)?;
    let read = json.read().map_err(|error| format!("it cannot be read back: {error}"))?;
    Ok((read, json))
}

/// How long to wait after so many tries. Doubles, with chance in it: two that conflict do not meet
/// again.
pub(crate) fn pause(tries: u32) -> Duration {
    let chance = Uuid::new_v4().as_bytes()[0];
    Duration::from_millis(10 << tries).mul_f64(0.5 + f64::from(chance) / 255.0)
}
