//! What a workflow can ask about its own execution.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::execution::expect_current;
use crate::id::ExecutionId;
use crate::limits::{CONTINUE_BYTES, CONTINUE_EVENTS};

/// What [`execution_info`] tells. Comes out the same on replay.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn listen(mut heard: u32) -> everstep::Result<u32> {
///     loop {
///         let info: everstep::ExecutionInfo = execution_info();
///         if info.continue_suggested() {
///             return continue_as_new(&heard).await; // the log has grown long
///         }
///         if !signal::<bool>("more").await? {
///             return Ok(heard);
///         }
///         heard += 1;
///         publish(&format!("run {} of {}, {} events", info.run, info.id, info.events));
///     }
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(listen));
/// let listener = env.start(listen, 0);
/// listener.signal("more", &true);
/// listener.signal("more", &false);
/// assert_eq!(listener.result().unwrap(), 1);
/// assert!(listener.view::<String>().unwrap().starts_with("run 1 of e-1"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExecutionInfo {
    /// The execution's id.
    pub id: ExecutionId,
    /// The name of its workflow.
    pub workflow: String,
    /// Which run of it this is, from 1: one more each time it
    /// [continues as new](super::continue_as_new()) or is started again.
    pub run: u32,
    /// When this run was started.
    pub started_at: DateTime<Utc>,
    /// How many events the log of this run has, up to the last one the workflow has seen.
    pub events: u64,
    /// About how many bytes these have.
    pub bytes: u64,
}

impl ExecutionInfo {
    /// Whether the log of this run has grown so long that it had better
    /// [continue as new](super::continue_as_new()): every turn reads all of it. `true` from
    /// [`CONTINUE_EVENTS`] events or [`CONTINUE_BYTES`] bytes on. Nothing happens if a run goes on
    /// beyond that, but for the time and the reads it costs.
    ///
    /// ```
    /// use everstep::prelude::*;
    ///
    /// #[workflow]
    /// async fn count(from: u64) -> everstep::Result<u64> {
    ///     let mut next = from;
    ///     while !execution_info().continue_suggested() {
    ///         if signal::<bool>("next").await? {
    ///             next += 1;
    ///         } else {
    ///             return Ok(next);
    ///         }
    ///     }
    ///     continue_as_new(&next).await
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(count));
    /// # let counts = env.start(count, 5);
    /// # counts.signal("next", &true);
    /// # counts.signal("next", &false);
    /// # assert_eq!(counts.result().unwrap(), 6);
    /// ```
    #[must_use]
    pub fn continue_suggested(&self) -> bool {
        self.events >= CONTINUE_EVENTS || self.bytes >= CONTINUE_BYTES
    }
}

/// What is known of the execution this code runs in. Costs no write.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn about(_input: ()) -> everstep::Result<String> {
///     let info = execution_info();
///     Ok(format!("run {} of {} {}", info.run, info.workflow, info.id))
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(about));
/// # assert_eq!(env.run(about, ()).unwrap(), "run 1 of about e-1");
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
#[must_use]
pub fn execution_info() -> ExecutionInfo {
    let execution = expect_current("everstep::execution_info()");
    let engine = execution.engine();
    let (size, start) = (engine.size(), engine.start());
    ExecutionInfo {
        id: engine.execution().clone(),
        workflow: start.workflow.clone(),
        run: start.run,
        started_at: start.at.into(),
        events: size.events,
        bytes: size.bytes,
    }
}
