//! Completing promises from outside.

use std::cmp::Ordering;

use serde::Serialize;
use uuid::Uuid;

use super::{Client, HistoryError, SendError};
use crate::event::{Event, Json, PromiseResult, UnrecordableValue};
use crate::id::PromiseToken;
use crate::replay::History;
use crate::store::Message;
use crate::time::Timestamp;

/// A promise, from outside.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
/// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
/// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
/// # }
/// # let env = everstep::testing::Env::new(App::new().workflow(asks));
/// # let question = env.start(asks, ());
/// # let token = question.promise("answer").unwrap();
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::PromiseClient;
///
/// let promise: PromiseClient = client.promise(&token);
/// promise.heartbeat().await?; // somebody looks for the answer
/// promise.complete(&7).await?;
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// # assert_eq!(question.result().unwrap(), "7");
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use = "it does nothing by itself"]
pub struct PromiseClient<'a> {
    client: &'a Client,
    token: &'a PromiseToken,
}

/// What became of a result that was sent.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
/// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
/// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
/// # }
/// # let env = everstep::testing::Env::new(App::new().workflow(asks));
/// # let question = env.start(asks, ());
/// # let token = question.promise("answer").unwrap();
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::Resolution;
///
/// let promise = client.promise(&token);
/// assert_eq!(promise.fail("nobody knows").await?, Resolution::First);
/// assert_eq!(promise.fail("nobody knows").await?, Resolution::Repeated); // a web hook that comes twice
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It is the promise's result now.
    First,
    /// The promise had this very result before: this call was repeated, or somebody else said the
    /// same.
    Repeated,
}

/// Why a promise was not completed, failed or kept alive.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
/// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
/// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
/// # }
/// # let env = everstep::testing::Env::new(App::new().workflow(asks));
/// # let question = env.start(asks, ());
/// # let token = question.promise("answer").unwrap();
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::PromiseSendError;
///
/// let promise = client.promise(&token);
/// promise.complete(&7).await?;
/// match promise.complete(&8).await {
///     Err(PromiseSendError::Resolved { result, .. }) => assert_eq!(result.summary(), "completed"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromiseSendError {
    /// The execution that the token names has made no such promise; nothing is stored.
    #[error("there is no promise {token}")]
    NoPromise {
        /// The token.
        token: PromiseToken,
    },
    /// The run that the promise belongs to has ended, or is being undone, and the promise with it,
    /// without a result; nothing is stored.
    #[error("the run of promise {token} has ended")]
    RunEnded {
        /// The token.
        token: PromiseToken,
    },
    /// It has another result already, or its time was up, or the workflow has given it up. What was
    /// sent now changes nothing.
    #[error("promise {token} is over since {at}: {}", result.summary())]
    Resolved {
        /// The token.
        token: PromiseToken,
        /// How it ended.
        result: PromiseResult,
        /// When.
        at: Timestamp,
    },
    /// The value cannot be recorded.
    #[error("the value cannot be recorded: {0}")]
    Value(#[from] UnrecordableValue),
    /// Value or reason are too large.
    #[error(
        "the result has {bytes} bytes and at most {bytes_max} can be recorded: store it elsewhere and send where it is"
    )]
    TooLarge {
        /// The size.
        bytes: usize,
        /// The largest size: a payload store raises it.
        bytes_max: usize,
    },
    /// The log cannot be had, or there is no such execution. If it was sent before that, it is
    /// stored: send it again to know what became of it.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// It was not sent, or nobody was told.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Client {
    /// The promise that `token` names. Nothing is looked up.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
    /// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
    /// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(asks));
    /// # let question = env.start(asks, ());
    /// # let token = question.promise("answer").unwrap();
    /// # let client = env.client();
    /// # env.block_on(async {
    /// client.promise(&token).complete(&7).await?;
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// # assert_eq!(question.result().unwrap(), "7");
    /// ```
    pub fn promise<'a>(&'a self, token: &'a PromiseToken) -> PromiseClient<'a> {
        PromiseClient { client: self, token }
    }
}

impl PromiseClient<'_> {
    /// Completes the promise. Of several results the first that is stored counts, whoever sent it;
    /// so a call whose answer was lost can be repeated.
    ///
    /// `Ok` means that the result is stored as the promise's only one. Only its time-out can still
    /// be first, if it becomes due before the workflow sees the result: ask again to know.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
    /// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
    /// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(asks));
    /// # let question = env.start(asks, ());
    /// # let token = question.promise("answer").unwrap();
    /// # let client = env.client();
    /// # env.block_on(async {
    /// use everstep::client::Resolution;
    ///
    /// let promise = client.promise(&token);
    /// assert_eq!(promise.complete(&7).await?, Resolution::First);
    /// assert_eq!(promise.complete(&7).await?, Resolution::Repeated);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// # assert_eq!(question.result().unwrap(), "7");
    /// ```
    ///
    /// # Errors
    /// The promise is over, or there is none; its execution has ended; or it could not be sent.
    pub async fn complete<T: Serialize + ?Sized>(
        &self,
        value: &T,
    ) -> Result<Resolution, PromiseSendError> {
        self.resolve(PromiseResult::Completed { value: Json::record(value)? }).await
    }

    /// Fails the promise: the workflow gets
    /// [`PromiseError::Failed`](crate::PromiseError::Failed) with this reason. Otherwise as
    /// [`complete`](Self::complete).
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
    /// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
    /// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(asks));
    /// # let question = env.start(asks, ());
    /// # let token = question.promise("answer").unwrap();
    /// # let client = env.client();
    /// # env.block_on(async {
    /// client.promise(&token).fail("nobody knows").await?;
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// # assert!(question.result().unwrap().ends_with("nobody knows"));
    /// ```
    ///
    /// # Errors
    /// See [`complete`](Self::complete).
    pub async fn fail(&self, reason: impl Into<String>) -> Result<Resolution, PromiseSendError> {
        self.resolve(PromiseResult::Failed { reason: reason.into() }).await
    }

    /// Says that somebody works on the promise: its limit for heartbeats counts from when the
    /// execution hears of it. Of no consequence if it has no such limit.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
    /// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
    /// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(asks));
    /// # let question = env.start(asks, ());
    /// # let token = question.promise("answer").unwrap();
    /// # let client = env.client();
    /// # env.block_on(async {
    /// client.promise(&token).heartbeat().await?; // another hour
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// See [`complete`](Self::complete). [`Resolved`](PromiseSendError::Resolved) tells who works
    /// on it to stop.
    pub async fn heartbeat(&self) -> Result<(), PromiseSendError> {
        if let Some((at, result)) = self.look().await?.resolved {
            return Err(self.over(at, result));
        }
        let (run, key) = (self.token.run(), self.token.key().clone());
        let id = format!("everstep/heartbeat/{run}/{key}/{}", Uuid::new_v4());
        self.send(id, Message::Heartbeat { run, key }).await
    }

    async fn resolve(&self, result: PromiseResult) -> Result<Resolution, PromiseSendError> {
        let bytes = match &result {
            PromiseResult::Completed { value } => value.as_str().len(),
            PromiseResult::Failed { reason } => Json::record(reason)?.as_str().len(),
            _ => 0,
        };
        let bytes_max = self.client.payloads.value_bytes_max();
        if bytes > bytes_max {
            return Err(PromiseSendError::TooLarge { bytes, bytes_max });
        }
        let before = self.look().await?;
        let again = self.is_same(&before, &result)?;
        if before.resolved.is_some() {
            return Ok(Resolution::Repeated);
        }
        // One id for one promise: the store takes the first result that comes, and no other. It is
        // sent again if it is there, since its first sender may have died before the wake.
        let (run, key) = (self.token.run(), self.token.key().clone());
        self.send(self.item_id(), Message::Promise { run, key, result: result.clone() }).await?;
        // Whether it was ours that the store took, and whether the promise was over by then, is for
        // log and inbox to say.
        let after = self.look().await?;
        if !self.is_same(&after, &result)? {
            // The run ended in between, and what it had not taken was removed.
            return Err(PromiseSendError::RunEnded { token: self.token.clone() });
        }
        Ok(if again { Resolution::Repeated } else { Resolution::First })
    }

    /// Whether the promise has this very result. That it has another one is an error.
    fn is_same(&self, seen: &Seen, result: &PromiseResult) -> Result<bool, PromiseSendError> {
        match seen.resolved.as_ref().or(seen.sent.as_ref()) {
            None => Ok(false),
            Some((_, known)) if known == result => Ok(true),
            Some((at, known)) => Err(self.over(*at, known.clone())),
        }
    }

    fn item_id(&self) -> String {
        format!("everstep/promise/{}/{}", self.token.run(), self.token.key())
    }

    fn over(&self, at: Timestamp, result: PromiseResult) -> PromiseSendError {
        PromiseSendError::Resolved { token: self.token.clone(), result, at }
    }

    async fn send(&self, id: String, message: Message) -> Result<(), PromiseSendError> {
        match self.client.send(self.token.execution(), id, message).await {
            Err(SendError::Closed { .. }) => {
                Err(PromiseSendError::RunEnded { token: self.token.clone() })
            }
            sent => Ok(sent?),
        }
    }

    /// What log and inbox say of the promise.
    async fn look(&self) -> Result<Seen, PromiseSendError> {
        let id = self.token.execution();
        let loaded = self.client.load(id).await?;
        let history = History::read(&loaded.commits, loaded.from).map_err(|source| {
            let (id, readable) = (id.clone(), loaded.read().0);
            HistoryError::Corrupt { id, readable, source }
        })?;
        let token = || self.token.clone();
        let run = history.start().run;
        let undone = |event: &Event| matches!(event, Event::CompensationStarted(_));
        let ended = history.ended || history.events.iter().any(undone);
        let mut seen = Seen::default();
        for event in history.events.iter().filter(|event| event.key() == Some(self.token.key())) {
            match event {
                Event::PromiseCreated(_) => seen.created = true,
                Event::PromiseResolved(e) if e.run == run && seen.resolved.is_none() => {
                    seen.resolved = Some((e.at, self.opened(e.result.clone()).await?));
                }
                _ => {}
            }
        }
        match run.cmp(&self.token.run()) {
            Ordering::Greater => {
                let resolved = self.resolved_before().await?;
                let resolved =
                    resolved.ok_or_else(|| PromiseSendError::RunEnded { token: token() })?;
                return Ok(Seen { created: true, resolved: Some(resolved), sent: None });
            }
            Ordering::Less => return Err(PromiseSendError::NoPromise { token: token() }),
            Ordering::Equal if !seen.created => {
                return Err(PromiseSendError::NoPromise { token: token() });
            }
            Ordering::Equal if seen.resolved.is_none() && ended => {
                return Err(PromiseSendError::RunEnded { token: token() });
            }
            Ordering::Equal => {}
        }
        let id = self.item_id();
        for item in loaded.inbox.into_iter().filter(|item| item.id == id) {
            if let Message::Promise { result, .. } = item.message {
                seen.sent = Some((item.arrived_at, self.opened(result).await?));
            }
        }
        Ok(seen)
    }

    /// A result as it was sent.
    async fn opened(&self, mut result: PromiseResult) -> Result<PromiseResult, HistoryError> {
        if let PromiseResult::Completed { value } = &mut result {
            self.client.open_payload(self.token.execution(), value).await?;
        }
        Ok(result)
    }

    /// How the promise ended within its own run, which is over: a workflow may well continue as new
    /// because of the very result that somebody has just sent.
    async fn resolved_before(&self) -> Result<Option<Ending>, PromiseSendError> {
        let mut pages = self.client.history_pages(self.token.execution()).sealed();
        let (of, key) = (self.token.run(), self.token.key());
        let mut run = 0;
        while let Some(commits) = pages.next().await? {
            for event in commits.into_iter().flat_map(|commit| commit.events) {
                match event {
                    Event::WorkflowStarted(start) => run = start.run,
                    Event::PromiseResolved(e) if run == of && e.run == of && e.key == *key => {
                        return Ok(Some((e.at, self.opened(e.result).await?)));
                    }
                    _ => {}
                }
            }
        }
        Ok(None)
    }
}

/// When and how a promise ended.
type Ending = (Timestamp, PromiseResult);

/// What log and inbox say of a promise, each with its time.
#[derive(Default)]
struct Seen {
    created: bool,
    /// In the log.
    resolved: Option<Ending>,
    /// In the inbox.
    sent: Option<Ending>,
}
