//! Asking an execution, and waiting for its answer.

mod answers;

use std::marker::PhantomData;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use uuid::Uuid;

use answers::{Answer, Answers};

use super::first::First;
use super::send::{SendError, update_item};
use super::{Client, Handle, HistoryError, StartError};
use crate::event::{Json, Reply, UnrecordableValue, error_text};
use crate::id::ExecutionId;
use crate::limits::{CLOCK_SKEW, UPDATE_WAIT};
use crate::store::Status;

/// Why an update has no answer, or not the one that was hoped for.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::client::UpdateError;
///
/// // This workflow never asks for updates: nobody answers.
/// match sale.update::<u64>("price", &3).id("click-17").wait(seconds(5)).await {
///     Err(UpdateError::NoAnswer { update_id, .. }) => assert_eq!(update_id, "click-17"),
///     other => panic!("{other:?}"),
/// }
/// // It is kept, so the same id asks for the same answer, until there can be none any more.
/// sale.signal("paid", &true).await?;
/// sale.result().await?;
/// match sale.update::<u64>("price", &3).id("click-17").await {
///     Err(UpdateError::Closed { name, .. }) => assert_eq!(name, "price"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The workflow rejected it. [`rejection`](Self::rejection) reads the workflow's own error.
    #[error("update {name:?} is rejected: {}", error_text(.error))]
    Rejected {
        /// The update's name.
        name: String,
        /// What the workflow rejected it with.
        error: Json,
    },
    /// The library answered for the workflow: the request is not of the type that the workflow
    /// reads, or the workflow dropped it without a reply.
    #[error("update {name:?} is refused: {reason}")]
    Refused {
        /// The update's name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The execution ended and has not answered.
    #[error("execution {id} has ended ({status}) without an answer to update {name:?}")]
    Closed {
        /// Whose.
        id: ExecutionId,
        /// How it ended.
        status: Status,
        /// The update's name.
        name: String,
        /// Whether its log has the update: then the same id is never answered, and another one is
        /// another update.
        taken: bool,
    },
    /// The execution is blocked. The update is kept: ask again with the same id after the fix.
    #[error("execution {id} is blocked and answers after a fix: {reason}")]
    Blocked {
        /// Whose.
        id: ExecutionId,
        /// Why.
        reason: String,
    },
    /// No answer came in time. The update is kept and may still be answered: ask again with the
    /// same id.
    #[error(
        "no answer to update {name:?} within {}: ask again with the id {update_id:?}",
        humantime::format_duration(*.waited)
    )]
    NoAnswer {
        /// The update's name.
        name: String,
        /// The update's id.
        update_id: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The answer is not of the expected type.
    #[error("the answer to update {name:?} is not a {expected}")]
    Unreadable {
        /// The update's name.
        name: String,
        /// The expected type.
        expected: &'static str,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// It was not sent; [`SendError::Unknown`] among the reasons.
    #[error("the update is not sent")]
    Send(#[source] SendError),
    /// The execution was not started.
    #[error("the execution is not started")]
    Start(#[from] StartError),
    /// The log cannot be had.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl UpdateError {
    /// The error that the workflow [rejected](crate::Update::reject) it with, if that is an `E`.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// #[workflow]
    /// async fn too_late(_input: ()) -> everstep::Result<()> {
    ///     update::<String, ()>("change").await.reject("it is on its way");
    ///     Ok(())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(too_late));
    /// let error = env.start(too_late, ()).update::<()>("change", "another house").unwrap_err();
    /// assert_eq!(error.rejection::<String>().as_deref(), Some("it is on its way"));
    /// ```
    #[must_use]
    pub fn rejection<E: DeserializeOwned>(&self) -> Option<E> {
        match self {
            Self::Rejected { error, .. } => error.read().ok(),
            _ => None,
        }
    }
}

/// An update that has not been sent; `.await` sends it, waits for the answer, and reads it as a
/// `Resp`.
///
/// Dropping the future does not take the update back: it may be answered, and whoever sends it
/// again with the same id gets that answer.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn quote(_input: ()) -> everstep::Result<()> {
/// #     let asked = update::<u64, u64>("price").await;
/// #     let price = *asked.request() * 120;
/// #     asked.reply(&price);
/// #     Ok(())
/// # }
/// # let env = everstep::testing::Env::new(App::new().workflow(quote));
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::Updating;
///
/// let quoting = client.start(quote, ()).await?;
/// let question: Updating<u64> = quoting.update("price", &3).id("click-17").wait(minutes(1));
/// assert_eq!(question.await?, 360);
///
/// // Its answer was lost on the way? The same id gets the same answer, though the workflow is over.
/// let price: u64 = quoting.update("price", &3).id("click-17").await?;
/// assert_eq!(price, 360);
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[must_use = "nothing is sent unless it is awaited"]
pub struct Updating<'a, Resp> {
    client: &'a Client,
    sent: Sent<'a>,
    id: String,
    /// Whether the id is the caller's: it may have been sent before, and its answer be there.
    known: bool,
    name: String,
    request: Result<Json, UnrecordableValue>,
    wait: Duration,
    response: PhantomData<fn() -> Resp>,
}

/// How an update comes to its execution.
enum Sent<'a> {
    To(&'a ExecutionId),
    /// With a start.
    With(Box<dyn FnOnce(First) -> Started<'a> + Send + 'a>),
}

type Started<'a> = BoxFuture<'a, Result<ExecutionId, StartError>>;

impl Client {
    /// Sends an update and waits for the execution's answer. The answer is looked for again and
    /// again, at first every 10 ms, later every second.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn quote(_input: ()) -> everstep::Result<()> {
    /// #     let asked = update::<u64, u64>("price").await;
    /// #     let price = *asked.request() * 120;
    /// #     asked.reply(&price);
    /// #     Ok(())
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(quote));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let quoting = client.start(quote, ()).await?;
    /// let price: u64 = client.update(quoting.id(), "price", &3).id("click-17").await?;
    /// assert_eq!(price, 360);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn update<'a, Resp: DeserializeOwned>(
        &'a self,
        to: &'a ExecutionId,
        name: impl Into<String>,
        request: &(impl Serialize + ?Sized),
    ) -> Updating<'a, Resp> {
        Updating::new(self, Sent::To(to), name.into(), Json::record(request))
    }
}

impl<T, E> Handle<T, E> {
    /// Sends an update and waits for the execution's answer; see [`Client::update`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn quote(_input: ()) -> everstep::Result<()> {
    /// #     let asked = update::<u64, u64>("price").await;
    /// #     let price = *asked.request() * 120;
    /// #     asked.reply(&price);
    /// #     Ok(())
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(quote));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let quoting = client.start(quote, ()).await?;
    /// let price: u64 = quoting.update("price", &3).await?;
    /// assert_eq!(price, 360);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn update<Resp: DeserializeOwned>(
        &self,
        name: impl Into<String>,
        request: &(impl Serialize + ?Sized),
    ) -> Updating<'_, Resp> {
        self.client().update(self.id(), name, request)
    }
}

impl<'a, Resp> Updating<'a, Resp> {
    fn new(
        client: &'a Client,
        sent: Sent<'a>,
        name: String,
        request: Result<Json, UnrecordableValue>,
    ) -> Self {
        let (id, known, wait) = (Uuid::new_v4().to_string(), false, UPDATE_WAIT);
        Self { client, sent, id, known, name, request, wait, response: PhantomData }
    }

    /// An update that comes with a start, which `start` makes.
    pub(super) fn with_start(
        client: &'a Client,
        start: impl FnOnce(First) -> Started<'a> + Send + 'a,
        name: String,
        request: Result<Json, UnrecordableValue>,
    ) -> Self {
        Self::new(client, Sent::With(Box::new(start)), name, request)
    }

    /// The update's id: a second update with the same id is the same update and gets the same
    /// answer, also after the execution's end. A random one by default.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn quote(_input: ()) -> everstep::Result<()> {
    /// #     let asked = update::<u64, u64>("price").await;
    /// #     let price = *asked.request() * 120;
    /// #     asked.reply(&price);
    /// #     Ok(())
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(quote));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let quoting = client.start(quote, ()).await?;
    /// let price: u64 = quoting.update("price", &3).id("question-1").await?;
    /// assert_eq!(price, 360);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self.known = true;
        self
    }

    /// Sends it with this id, which nobody has used before unless it is `known`.
    pub(crate) fn with_id(self, id: String, known: bool) -> Self {
        Self { id, known, ..self }
    }

    /// How long to wait for the answer; [`UPDATE_WAIT`] by default.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn quote(_input: ()) -> everstep::Result<()> {
    /// #     let asked = update::<u64, u64>("price").await;
    /// #     let price = *asked.request() * 120;
    /// #     asked.reply(&price);
    /// #     Ok(())
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(quote));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let quoting = client.start(quote, ()).await?;
    /// let price: u64 = quoting.update("price", &3).wait(minutes(2)).await?;
    /// assert_eq!(price, 360);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

impl<Resp> std::fmt::Debug for Updating<'_, Resp> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Updating").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a, Resp: DeserializeOwned + 'a> IntoFuture for Updating<'a, Resp> {
    type Output = Result<Resp, UpdateError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let Self { client, sent, id: update_id, known, name, request, wait, .. } = self;
            let request = request.map_err(|error| UpdateError::Send(error.into()))?;
            let bytes_max = client.payloads.value_bytes_max();
            let first = update_item(&update_id, name.clone(), request, bytes_max);
            let first = first.map_err(UpdateError::Send)?;
            let item = first.id.clone();
            let begun = Instant::now();
            let sent_at = client.clock.now();
            let to = match sent {
                Sent::To(to) => {
                    match client.send(to, first.id, first.message).await {
                        // A closed one may have answered before.
                        Ok(()) | Err(SendError::Closed { .. }) => {}
                        Err(error) => return Err(UpdateError::Send(error)),
                    }
                    to.clone()
                }
                Sent::With(start) => start(first).await?,
            };
            let since = sent_at.before(CLOCK_SKEW);
            let mut answers =
                Answers { client, to, item, known, since, first: None, seen: None, taken: false };
            let mut pause = Duration::from_millis(10);
            if !known {
                tokio::time::sleep(pause).await;
            }
            loop {
                match answers.look().await? {
                    Answer::None => {}
                    Answer::Reply(reply) => return read(name, reply),
                    Answer::Blocked(reason) => {
                        return Err(UpdateError::Blocked { id: answers.to, reason });
                    }
                    Answer::Closed(status) => {
                        let taken = answers.taken;
                        return Err(UpdateError::Closed { id: answers.to, status, name, taken });
                    }
                }
                let left = wait.saturating_sub(begun.elapsed());
                if left.is_zero() {
                    return Err(UpdateError::NoAnswer { name, update_id, waited: wait });
                }
                tokio::time::sleep(pause.min(left)).await;
                pause = (pause * 5 / 4).min(Duration::from_secs(1));
            }
        }
        .boxed()
    }
}

fn read<Resp: DeserializeOwned>(name: String, reply: Reply) -> Result<Resp, UpdateError> {
    match reply {
        Reply::Value(value) => value.read().map_err(|source| {
            let expected = std::any::type_name::<Resp>();
            UpdateError::Unreadable { name, expected, source }
        }),
        Reply::Rejected(error) => Err(UpdateError::Rejected { name, error }),
        Reply::Refused(reason) => Err(UpdateError::Refused { name, reason }),
    }
}
