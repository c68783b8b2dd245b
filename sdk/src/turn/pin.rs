//! Runs that are pinned to a published version of their function: whose turn it is, and how a wake
//! goes there. docs/adr/0088 has the reasons.
//!
//! A run belongs to the version of its last claim. A process of another one has the wake's turn taken
//! there, and waits: its message is deleted when that turn is over, and comes back as if the turn had
//! been its own. So to the rules of docs/protocol.md both are one host.
//!
//! Only what would run the workflow's code goes there. Whatever follows from the log alone (an end, a
//! block, a timer's hop) is done by whoever sees it.

use std::time::Duration;

use async_trait::async_trait;

use super::{Kitchen, Lease, TurnError, Verdict};
use crate::event::{Event, pinned_to};
use crate::wake::{HandedBack, HandedOn, Wake};

/// How long before the end of its own time a process wants to know what became of a wake that it has
/// handed on: the answer is a moment on its way.
const KNOW_BEFORE_DEADLINE: Duration = Duration::from_secs(1);

/// What the names of the library's own workflows begin with.
const OWN: &str = "everstep.";

/// The published version of a function that a process is of, and the way to the others.
pub(crate) struct Pin {
    pub(crate) version: u64,
    pub(crate) versions: Box<dyn Versions>,
}

/// The published versions of a function.
#[async_trait]
pub(crate) trait Versions: Send + Sync {
    /// Has a turn taken by `version`, and waits for what becomes of the wake. `None` if there is no such
    /// version any more.
    ///
    /// Dropping the future may leave the turn under way there.
    async fn hand_on(
        &self,
        version: u64,
        handed: &HandedOn,
    ) -> Result<Option<HandedBack>, HandOnError>;
}

/// Why nobody knows what became of a wake that was handed on: it comes back.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is pinned to version {version} of this function, which has not taken its turn: {reason}"
)]
pub(crate) struct HandOnError {
    pub(crate) version: u64,
    pub(crate) reason: String,
}

impl Kitchen {
    /// The version that a claim of a run of `workflow` is to record.
    pub(super) fn pins_to(&self, workflow: &str) -> Option<u64> {
        // The library's own go on for years, and what they have logged fits whatever follows.
        let pin = self.pin.as_ref().filter(|_| !workflow.starts_with(OWN))?;
        Some(pin.version)
    }

    /// What becomes of a wake whose turn is not to be taken here; `None` if it is. `events` are those of
    /// the current run.
    pub(super) async fn elsewhere(
        &self,
        wake: &Wake,
        handed_on: bool,
        events: &[Event],
        receives: u32,
        lease: Lease,
    ) -> Result<Option<Verdict>, TurnError> {
        let Some(pin) = &self.pin else { return Ok(None) };
        match (pinned_to(events), handed_on) {
            (Some(version), _) if version == pin.version => Ok(None),
            // Whoever is live begins a run, and goes on with one that nobody has pinned.
            (None, false) => Ok(None),
            (_, true) => {
                // What it came here for has continued as new, or has moved: it is no longer this version's.
                self.queue.send(wake, Duration::ZERO).await?;
                Ok(Some(Verdict::Delete))
            }
            (Some(version), false) => {
                let now = self.clock.now();
                let end = match lease {
                    Lease::Invocation { deadline, .. } => deadline,
                    Lease::Renewed(lease) => now.after(lease),
                };
                let deadline = end.before(KNOW_BEFORE_DEADLINE.min(end.since(now) / 4));
                let handed = HandedOn { wake: wake.clone(), receives, deadline };
                let id = &wake.execution;
                match pin.versions.hand_on(version, &handed).await? {
                    Some(HandedBack::Done) => Ok(Some(Verdict::Delete)),
                    Some(HandedBack::ComesBack { after_ms }) => {
                        Ok(Some(Verdict::Return(Duration::from_millis(after_ms))))
                    }
                    None => {
                        let to = pin.version;
                        tracing::warn!(everstep.execution.id = %id, from = version, to, "the version of the function that it was pinned to is gone: the execution moves");
                        Ok(None)
                    }
                }
            }
        }
    }
}
