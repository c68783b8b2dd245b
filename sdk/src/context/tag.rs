//! What an execution is found by, set while it runs.

use std::panic::Location;

use super::execution::expect_current;
use crate::limits::{TAG_RULE, TAGS_MAX, is_tag};
use crate::replay::{Fault, Note};

/// Gives the execution a tag, or an old one another value, from here on: what a
/// [start](crate::client::Start::tag) does for tags that are known before. Executions are
/// [listed](crate::client::List::tag) by tags, with `everstep list --tag` too.
///
/// It is seen soon after it is in the log, stays after the end, and goes along when the execution
/// [continues as new](super::continue_as_new()). Setting what is set already writes nothing. A tag
/// cannot be taken away: give it a value that says so.
///
/// An execution has at most [`TAGS_MAX`](crate::limits::TAGS_MAX) tags, each a name without `=` and
/// a value, [`TAG_BYTES_MAX`](crate::limits::TAG_BYTES_MAX) bytes together at most and without
/// control characters. What goes beyond blocks the execution.
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn pack(order: u32) -> everstep::Result<()> { let _ = order; Ok(()) }
/// #[workflow]
/// async fn fulfil(order: u32) -> everstep::Result<()> {
///     set_tag("stage", "packing");
///     pack(order).await?;
///     set_tag("stage", "shipped");
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = Backend::memory();
/// # let app = App::new().workflow(fulfil).backend(backend.clone());
/// # let client = Client::new(&backend);
/// let handle = client.start(fulfil, 7).tag("customer", "ada").await?;
/// # app.worker().await?.run_until(handle.result()).await??;
/// let shipped = client.list().tag("customer", "ada").tag("stage", "shipped").page().await?;
/// assert_eq!(shipped.records.len(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn set_tag(name: impl Into<String>, value: impl Into<String>) {
    let (name, value) = (name.into(), value.into());
    let execution = expect_current("everstep::set_tag()");
    let mut engine = execution.engine();
    if engine.is_tagged(&name, &value) {
        return;
    }
    let problem = if !is_tag(&name, &value) {
        TAG_RULE.to_owned()
    } else if !engine.has_room_for_tag(&name) {
        format!("an execution has at most {TAGS_MAX} tags, and it has so many")
    } else {
        engine.call_note("tag".into(), Location::caller(), Note::Tag { name, value });
        return;
    };
    let what = format!("the tag \"{name:.64}\"");
    engine.fail(Fault::Value { what, problem });
}
