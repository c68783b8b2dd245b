//! What the engine carries from a step's call to the turn that runs it, and never looks into.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::event::{Failure, Json};
use crate::retry::Retry;
use crate::writes::{Refusal, Writes};

/// How to run a step. Dropping the future of an attempt ends the attempt where it stands.
pub(crate) trait Body: Send {
    /// A new attempt.
    fn attempt(&self) -> BoxFuture<'static, Attempt>;

    /// What the step's attributes ask for.
    fn policy(&self) -> Policy;
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// It returned `Ok`.
    Completed(Json),
    /// It returned `Ok`, with writes that are to be one transaction with the commit of it.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "no body returns any"))]
    Together(Together),
    /// It did not; `retryable` if another attempt makes sense.
    Failed { failure: Failure, retryable: bool },
    /// It did nothing, and another is to begin after `delay`.
    Postponed { delay: Duration, reason: String },
}

/// A result, and the writes without which it is none.
pub(crate) struct Together {
    pub(crate) output: Json,
    pub(crate) writes: Writes,
    /// How the attempt has ended if the writes cannot be done. Runs code of the user.
    pub(crate) refused: Box<dyn FnOnce(Refusal) -> Attempt + Send>,
}

impl fmt::Debug for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together").field("output", &self.output).finish_non_exhaustive()
    }
}

/// A step's attributes, as far as they matter to who runs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) retry: Retry,
    /// Whether an attempt whose end is unknown is never run again on its own.
    pub(crate) at_most_once: bool,
    /// How long all attempts may take, from the call.
    pub(crate) total_timeout: Option<Duration>,
    /// Whether the step's error type has room for failures that are not its own errors.
    pub(crate) takes_failures: bool,
}
