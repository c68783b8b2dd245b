//! Ending an execution from outside: with its code, or without.

use super::{Client, SendError, ask};
use crate::event::Json;
use crate::id::ExecutionId;
use crate::limits::VALUE_BYTES_MAX;
use crate::store::{Message, Status};

/// What becomes of a [cancel](Client::cancel).
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::client::Cancelling;
///
/// assert_eq!(client.cancel(sale.id(), "no money").await?, Cancelling::Asked);
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cancelling {
    /// A host takes it at once.
    Asked,
    /// The execution is blocked: the cancel waits in its inbox until it can go on, after a fix and
    /// a [resume](Client::resume). To end it as it is, [terminate](Client::terminate) it.
    WaitsForResume,
}

impl Client {
    /// Asks for an execution to be cancelled: its workflow ends at its current await, what it did
    /// is undone where it says how, and its status is then `cancelled`. Asking twice is asking
    /// once.
    ///
    /// The answer says whether anything can come of it now: undoing is the workflow's own code, so
    /// a blocked execution is cancelled when it can go on.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// client.cancel(sale.id(), "no money").await?;
    /// assert!(sale.result().await.is_err());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// There is no such execution, it has ended, the reason is longer than [`VALUE_BYTES_MAX`], or
    /// store or queue failed.
    pub async fn cancel(
        &self,
        id: &ExecutionId,
        reason: impl Into<String>,
    ) -> Result<Cancelling, SendError> {
        let reason = checked(reason.into())?;
        let record = self.open(id).await?;
        // One cancel for one run: the next run of this execution is another one's to cancel.
        let item_id = format!("everstep/cancel/{}", record.started_at.0);
        self.send(id, item_id, Message::Cancel { reason }).await?;
        Ok(match record.projection.status {
            Status::Blocked => Cancelling::WaitsForResume,
            _ => Cancelling::Asked,
        })
    }

    /// Ends an open execution without its code, as soon as a host looks at it, and whatever state
    /// it is in: running, suspended, or blocked for good. **Nothing is undone**; its status is then
    /// `terminated`. A body that runs is stopped where it stands. Asking twice is asking once.
    ///
    /// This is for executions that cannot go on; [`cancel`](Self::cancel) every other one.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// client.terminate(sale.id(), "nobody can mend it").await?;
    /// assert!(sale.result().await.is_err());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// There is no such execution, it has ended, its log cannot be read (nothing is appended to
    /// such a one), the reason is longer than [`VALUE_BYTES_MAX`], or store or queue failed.
    pub async fn terminate(
        &self,
        id: &ExecutionId,
        reason: impl Into<String>,
    ) -> Result<(), SendError> {
        let reason = checked(reason.into())?;
        let record = self.open(id).await?;
        if record.projection.status == Status::Blocked
            && let Some(loaded) = ask(|| self.store.load(id)).await?
            && let (_, Some(corrupt)) = loaded.read()
        {
            let problem = corrupt.to_string();
            return Err(SendError::Corrupt { id: id.clone(), problem });
        }
        let item_id = format!("everstep/terminate/{}", record.started_at.0);
        self.send(id, item_id, Message::Terminate { reason }).await
    }
}

/// A reason is recorded, as a signal's payload is, and no larger.
fn checked(reason: String) -> Result<String, SendError> {
    let bytes = Json::record(&reason)?.as_str().len();
    let bytes_max = VALUE_BYTES_MAX;
    if bytes > bytes_max {
        Err(SendError::PayloadTooLarge { bytes, bytes_max })
    } else {
        Ok(reason)
    }
}
