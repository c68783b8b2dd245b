//! Sending to executions: signals and resume requests.

use futures::future::{BoxFuture, FutureExt};
use serde::Serialize;
use uuid::Uuid;

use super::first::First;
use super::{Client, ask};
use crate::event::{Json, UnrecordableValue};
use crate::id::ExecutionId;
use crate::limits::{NAME_BYTES_MAX, RETRY_WINDOW, is_name};
use crate::store::{Message, NewItem, Record, Sent, Status, StoreError};
use crate::wake::{QueueError, Wake};

/// Why a message was not sent.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::client::SendError;
///
/// let unknown = ExecutionId::new("sale-8")?;
/// let sent = client.signal(&unknown, "paid", &true).await;
/// assert!(matches!(sent, Err(SendError::Unknown { .. })));
///
/// sale.signal("paid", &true).await?;
/// sale.result().await?;
/// match sale.cancel("too late").await {
///     Err(SendError::Closed { status, .. }) => assert!(status.has_returned()),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no such execution; nothing is stored.
    #[error("there is no execution {id}")]
    Unknown {
        /// The id.
        id: ExecutionId,
    },
    /// The execution has ended; nothing is stored.
    #[error("execution {id} has ended ({status})")]
    Closed {
        /// The id.
        id: ExecutionId,
        /// How.
        status: Status,
    },
    /// The log of the execution cannot be read, and nothing is appended to such a one; nothing is
    /// stored.
    #[error("execution {id} cannot be ended: {problem}. Restore its log from a backup")]
    Corrupt {
        /// The id.
        id: ExecutionId,
        /// What is wrong with the log.
        problem: String,
    },
    /// A name or id breaks its rule.
    #[error("{what} has 1 to {NAME_BYTES_MAX} bytes and no control characters: {text:?}")]
    Invalid {
        /// What was refused.
        what: &'static str,
        /// The refused text.
        text: String,
    },
    /// The payload cannot be recorded.
    #[error("the payload cannot be recorded: {0}")]
    Payload(#[from] UnrecordableValue),
    /// The payload is too large.
    #[error(
        "the payload has {bytes} bytes and at most {bytes_max} can be recorded: store it elsewhere and send where it is"
    )]
    PayloadTooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size: a payload store raises it.
        bytes_max: usize,
    },
    /// The store failed. The message may or may not be sent: send it again with the same id.
    #[error("the message may or may not be sent: send it again with the same id")]
    Store(#[from] StoreError),
    /// The message is stored, but nobody was told. A sweeper will; sending it again does at once.
    #[error(
        "the message is stored, but its wake was not sent: send it again with the same id or wait for a sweeper"
    )]
    Wake(#[from] QueueError),
}

/// A signal that has not been sent; `.await` sends it.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::client::Sending;
///
/// for _ in 0..2 {
///     let payment: Sending = client.signal(sale.id(), "paid", &true).id("payment-3");
///     payment.await?;
/// }
/// assert_eq!(client.describe(sale.id()).await?.arrivals, 1); // it was one signal
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[must_use = "nothing is sent unless it is awaited"]
#[derive(Debug)]
pub struct Sending<'a> {
    client: &'a Client,
    to: &'a ExecutionId,
    id: String,
    name: String,
    payload: Result<Json, UnrecordableValue>,
}

impl Client {
    /// Sends a signal. It is kept until the workflow takes it, whether or not it waits already.
    /// Without an [`id`](Sending::id) of the caller's it gets a random one, and a repeated call
    /// sends a second signal.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// client.signal(sale.id(), "paid", &true).await?;
    /// assert_eq!(sale.result().await?, "4242");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn signal<'a, P: Serialize + ?Sized>(
        &'a self,
        to: &'a ExecutionId,
        name: impl Into<String>,
        payload: &P,
    ) -> Sending<'a> {
        let id = Uuid::new_v4().to_string();
        Sending { client: self, to, id, name: name.into(), payload: Json::record(payload) }
    }

    /// Asks a blocked execution to go on, after whatever blocked it was fixed. An execution that
    /// is not blocked takes no notice.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// client.resume(sale.id()).await?; // it is not blocked, and takes no notice
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// There is no such execution, it has ended, or store or queue failed.
    pub async fn resume(&self, id: &ExecutionId) -> Result<(), SendError> {
        let record = self.open(id).await?;
        // One resume for one place where it is blocked: whoever repeats it sends the same one.
        let item_id = format!("everstep/resume/{}", record.projection.commit);
        self.send(id, item_id, Message::Resume).await
    }

    /// Asks every blocked execution of `workflow` to go on; returns how many there were.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert_eq!(client.resume_blocked("sell").await?, 0);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Store or queue failed; those asked before are asked.
    pub async fn resume_blocked(&self, workflow: &str) -> Result<usize, SendError> {
        let mut asked = 0;
        let mut after: Option<String> = None;
        loop {
            let mut list = self.list().workflow(workflow).status(Status::Blocked);
            if let Some(after) = after {
                list = list.after(after);
            }
            let page = list.page().await?;
            for record in &page.records {
                match self.resume(&record.id).await {
                    Ok(()) => asked += 1,
                    Err(SendError::Unknown { .. } | SendError::Closed { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(asked);
            }
        }
    }

    /// The record of an execution that takes messages.
    pub(super) async fn open(&self, id: &ExecutionId) -> Result<Record, SendError> {
        let record = ask(|| self.store.record(id)).await?;
        let record = record.ok_or_else(|| SendError::Unknown { id: id.clone() })?;
        let status = record.projection.status;
        if status.is_closed() {
            return Err(SendError::Closed { id: id.clone(), status });
        }
        Ok(record)
    }

    pub(super) async fn send(
        &self,
        to: &ExecutionId,
        id: String,
        message: Message,
    ) -> Result<(), SendError> {
        let mut item = NewItem { id, arrived_at: self.clock.now(), message };
        if self.payloads.seals_message(&item.message) {
            // It would be refused with a blob left behind, perhaps of an execution that was erased.
            self.open(to).await?;
        }
        // What it names is there before the item that names it.
        let sealed = self.payloads.seal_message(to, &mut item.message).await;
        sealed.map_err(StoreError::from)?;
        let try_once = || async {
            // Rule 19: from here on its id may be forgotten. A laptop was closed over this send.
            if self.clock.now().since(item.arrived_at) >= RETRY_WINDOW {
                let remedy = "this send was tried first a day ago: look whether its message \
                              arrived, and send it anew if not"
                    .to_owned();
                return Err(StoreError::Unusable { remedy, source: None });
            }
            self.store.send(to, &item).await
        };
        match ask(try_once).await? {
            // Rule 3: the first sender may have died before its wake.
            Sent::New | Sent::Known => {}
            Sent::NoExecution => return Err(SendError::Unknown { id: to.clone() }),
            Sent::Closed { status } => return Err(SendError::Closed { id: to.clone(), status }),
        }
        self.wake(&Wake::news(to.clone())).await?;
        Ok(())
    }
}

impl Sending<'_> {
    /// The signal's id: a second signal with the same id is the same signal, as long as the run
    /// lasts that took it, and a day over the runs that [continue](crate::continue_as_new) it.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// for _ in 0..2 {
    ///     client.signal(sale.id(), "note", "call first").id("note-3").await?; // one signal
    /// }
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }
}

impl<'a> IntoFuture for Sending<'a> {
    type Output = Result<(), SendError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let bytes_max = self.client.payloads.value_bytes_max();
            let item = signal_item(&self.id, self.name, self.payload?, bytes_max)?;
            let First { id, message } = item;
            self.client.send(self.to, id, message).await
        }
        .boxed()
    }
}

/// The inbox item of a signal, checked.
pub(super) fn signal_item(
    id: &str,
    name: String,
    payload: Json,
    bytes_max: usize,
) -> Result<First, SendError> {
    check_message(["a signal's name", "a signal's id"], id, &name, &payload, bytes_max)?;
    // Signals have a space of their own: no id of theirs can stand in for a cancel.
    Ok(First { id: format!("signal/{id}"), message: Message::Signal { name, payload } })
}

/// The inbox item of an update, checked. Updates have a space of their own, too.
pub(super) fn update_item(
    id: &str,
    name: String,
    request: Json,
    bytes_max: usize,
) -> Result<First, SendError> {
    check_message(["an update's name", "an update's id"], id, &name, &request, bytes_max)?;
    Ok(First { id: format!("update/{id}"), message: Message::Update { name, request } })
}

fn check_message(
    [a_name, an_id]: [&'static str; 2],
    id: &str,
    name: &str,
    payload: &Json,
    bytes_max: usize,
) -> Result<(), SendError> {
    check(a_name, name)?;
    check(an_id, id)?;
    let bytes = payload.as_str().len();
    if bytes > bytes_max { Err(SendError::PayloadTooLarge { bytes, bytes_max }) } else { Ok(()) }
}

fn check(what: &'static str, text: &str) -> Result<(), SendError> {
    if is_name(text) { Ok(()) } else { Err(SendError::Invalid { what, text: text.to_owned() }) }
}
