//! A message of a queue: the turn for its wake, or what follows from what it says.

use std::time::Duration;

use crate::error::chain;
use crate::trigger::{Reading, Triggers};
use crate::turn::{Kitchen, Term, Verdict, Visit, come_back_after};
use crate::wake::NotAWake;

/// A message whose wake, if it is one, has been announced.
pub(super) struct Visitor {
    pub(super) id: String,
    pub(super) receipt: String,
    pub(super) receive_count: u32,
    pub(super) says: Says,
}

pub(super) enum Says {
    Wake(Visit),
    Newer(NotAWake),
    Business(Reading),
}

/// One message. The id of the message if it is done with.
pub(super) async fn serve(
    kitchen: &Kitchen,
    triggers: &Triggers,
    visitor: Visitor,
    term: &Term,
) -> Option<String> {
    let Visitor { id, receipt, receive_count, says } = visitor;
    match says {
        Says::Wake(visit) => {
            turn(kitchen, visit, &receipt, receive_count, term).await.then_some(id)
        }
        Says::Newer(error) => {
            // A rolling deploy: the next to receive it may be new.
            tracing::warn!(%error, message = id, "a wake is given back");
            come_back(kitchen, &receipt, come_back_after(receive_count)).await;
            None
        }
        Says::Business(reading) => match triggers.read(reading).await {
            Ok(_) => Some(id),
            Err(error) => {
                // It comes again after its queue's visibility time-out, and goes to its dead
                // letters in the end.
                tracing::error!(error = chain(&error), message = id, "a message is given back");
                None
            }
        },
    }
}

/// A turn for a wake. Whether the wake is done with.
async fn turn(kitchen: &Kitchen, visit: Visit, receipt: &str, receives: u32, term: &Term) -> bool {
    let id = visit.execution().clone();
    let later = match kitchen.take_turn(visit, receives, term).await {
        Ok(Verdict::Delete) => return true,
        Ok(Verdict::Return(after)) => after,
        Err(error) => {
            tracing::warn!(everstep.execution.id = %id, %error, "the turn ended; its wake comes back");
            come_back_after(receives)
        }
    };
    come_back(kitchen, receipt, later).await;
    false
}

/// The message is not done with and is to be seen again so soon.
async fn come_back(kitchen: &Kitchen, receipt: &str, later: Duration) {
    // Without it the message comes back after the queue's visibility time-out.
    if let Err(error) = kitchen.queue.keep(receipt, later).await {
        tracing::debug!(%error, "a wake comes back later");
    }
}
