//! A message of the wake queue, from its receipt to its deletion.

use std::convert::Infallible;

use super::{store_usable, usable};
use crate::host::error::RunError;
use crate::limits::QUEUE_RECEIVES_MAX;
use crate::turn::{Kitchen, Term, TurnError, Verdict, Visit, come_back_after};
use crate::wake::{Delivery, NotAWake};

/// One message from its receipt to its deletion.
pub(super) async fn serve(
    kitchen: &Kitchen,
    wake: Result<Visit, NotAWake>,
    delivery: &Delivery,
    term: &Term,
) -> Result<(), RunError> {
    let visit = match wake {
        Ok(visit) => visit,
        Err(error) => {
            // The next to receive it may take it: a newer program, in a rolling deploy, or a function
            // with closures for messages. If nobody does, it goes to the queue's dead letters; one
            // that has none must not carry it for ever.
            let is_newer = matches!(error, NotAWake::Newer { .. });
            if is_newer || delivery.receive_count <= QUEUE_RECEIVES_MAX {
                tracing::warn!(%error, length = delivery.body.len(), "a message is given back");
                let later = come_back_after(delivery.receive_count);
                return usable(kitchen.queue.keep(&delivery.receipt, later).await);
            }
            let length = delivery.body.len();
            tracing::error!(%error, length, "a message on the wake queue is dropped");
            return usable(kitchen.queue.delete(&delivery.receipt).await);
        }
    };
    let receipt = &*delivery.receipt;
    let id = visit.execution().clone();
    let verdict = tokio::select! {
        biased;
        verdict = kitchen.take_turn(visit, delivery.receive_count, term) => verdict,
        never = keep_invisible(kitchen, receipt) => match never {},
    };
    match verdict {
        Ok(Verdict::Delete) => usable(kitchen.queue.delete(receipt).await),
        Ok(Verdict::Return(after)) => usable(kitchen.queue.keep(receipt, after).await),
        Err(error) => {
            tracing::warn!(everstep.execution.id = %id, %error, "the turn ended; its wake comes back");
            let come_back =
                kitchen.queue.keep(receipt, come_back_after(delivery.receive_count)).await;
            match error {
                TurnError::Store(error) if !error.is_retryable() => store_usable(error)?,
                TurnError::Queue(error) if !error.is_retryable() => return Err(error.into()),
                _ => {}
            }
            usable(come_back)
        }
    }
}

/// Keeps a message invisible while its turn goes on.
async fn keep_invisible(kitchen: &Kitchen, receipt: &str) -> Infallible {
    let visibility = kitchen.queue.visibility();
    loop {
        tokio::time::sleep(visibility / 3).await;
        if let Err(error) = kitchen.queue.keep(receipt, visibility).await {
            tracing::debug!(%error, "a wake may come twice");
        }
    }
}
