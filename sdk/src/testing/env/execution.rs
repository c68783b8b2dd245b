//! An execution in a test.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Inner, chain};
use crate::client::{Handle, ResultError, UpdateError};
use crate::event::{Commit, Event, Json};
use crate::id::ExecutionId;
use crate::replay::REPLAY_CHECK;
use crate::store::Status;
use crate::testing::replay::{Recorded, replay};

/// An execution that a test has started, and the types of its result.
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::store::Status;
/// # use everstep::testing::Env;
/// use everstep::testing::Execution;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
/// #     Ok(if signal::<bool>("approval").await? { card } else { "nothing".to_owned() })
/// # }
///
/// fn approve<T, E>(sale: &Execution<T, E>) {
///     assert_eq!(sale.status(), Status::Suspended);
///     sale.signal("approval", &true);
/// }
///
/// let env = Env::new(App::new().workflow(sell));
/// let sale = env.start(sell, "4242".to_owned());
/// env.advance(minutes(1));
/// approve(&sale);
/// assert_eq!(sale.result().unwrap(), "4242");
/// ```
pub struct Execution<T, E> {
    pub(super) inner: Arc<Inner>,
    handle: Handle<T, E>,
}

impl<T, E> Execution<T, E> {
    pub(super) fn new(inner: &Arc<Inner>, handle: Handle<T, E>) -> Self {
        Self { inner: Arc::clone(inner), handle }
    }

    /// Its id.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// let sale = env.start(sell, "4242".to_owned());
    /// assert_eq!(sale.id().as_str(), "e-1");
    /// ```
    #[must_use]
    pub fn id(&self) -> &ExecutionId {
        self.handle.id()
    }

    /// Sends a signal now.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// let sale = env.start(sell, "4242".to_owned());
    /// sale.signal("approval", &true);
    /// assert!(sale.result().is_ok());
    /// ```
    ///
    /// # Panics
    /// It cannot be sent: the execution has ended, or the payload cannot be recorded.
    #[track_caller]
    pub fn signal<P: Serialize + ?Sized>(&self, name: &str, payload: &P) {
        let (payload, id) = (recorded(payload), self.next_signal());
        let client = self.inner.world.client();
        let sending = client.signal(self.id(), name, &payload).id(id);
        if let Err(error) = self.inner.block_on(async { sending.await }) {
            panic!("signal {name} was not sent: {}", chain(&error));
        }
    }

    /// Sends a signal when so much virtual time has passed; to nobody if the execution has ended
    /// by then. Time passes while the test waits, as in [`result`](Self::result).
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// let sale = env.start(sell, "4242".to_owned());
    /// sale.signal_after(days(9), "approval", &true);
    /// assert!(sale.result().is_ok());
    /// ```
    ///
    /// # Panics
    /// The payload cannot be recorded.
    #[track_caller]
    pub fn signal_after<P: Serialize + ?Sized>(&self, after: Duration, name: &str, payload: &P) {
        let (payload, signal_id) = (recorded(payload), self.next_signal());
        let (client, id, name) = (self.inner.world.client(), self.id().clone(), name.to_owned());
        self.inner.runtime().spawn(async move {
            tokio::time::sleep(after).await;
            if let Err(error) = client.signal(&id, &*name, &payload).id(signal_id).await {
                tracing::warn!(%error, name, "a signal of this test was not sent");
            }
        });
    }

    /// Sends an update now and waits for its answer.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// #[workflow]
    /// async fn quote(_input: ()) -> everstep::Result<()> {
    ///     let asked = update::<u64, u64>("price").await;
    ///     let price = *asked.request() * 120;
    ///     asked.reply(&price);
    ///     Ok(())
    /// }
    ///
    /// let env = Env::new(App::new().workflow(quote));
    /// let price: u64 = env.start(quote, ()).update("price", &3).unwrap();
    /// assert_eq!(price, 360);
    /// ```
    ///
    /// # Errors
    /// It was rejected, or is not answered: see [`UpdateError`].
    #[track_caller]
    pub fn update<Resp: DeserializeOwned + Send>(
        &self,
        name: &str,
        request: &(impl Serialize + ?Sized),
    ) -> Result<Resp, UpdateError> {
        let (request, id) = (recorded(request), self.next_signal());
        let client = self.inner.world.client();
        let updating = client.update::<Resp>(self.id(), name, &request).id(id);
        self.inner.block_on(async { updating.await })
    }

    /// Signals and updates have the same ids whenever the test is run.
    fn next_signal(&self) -> String {
        format!("test-{}", self.inner.sent.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Asks for the execution to be cancelled, now.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// let sale = env.start(sell, "4242".to_owned());
    /// sale.cancel("no money");
    /// assert!(sale.result().is_err());
    /// assert_eq!(sale.status(), everstep::store::Status::Cancelled);
    /// ```
    ///
    /// # Panics
    /// It has ended.
    #[track_caller]
    pub fn cancel(&self, reason: &str) {
        if let Err(error) = self.inner.block_on(self.handle.cancel(reason)) {
            panic!("the cancel was not sent: {}", chain(&error));
        }
    }

    /// Ends it without its code, now.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// let sale = env.start(sell, "4242".to_owned());
    /// sale.terminate("no money");
    /// assert!(sale.result().is_err());
    /// assert_eq!(sale.status(), everstep::store::Status::Terminated);
    /// ```
    ///
    /// # Panics
    /// It has ended.
    #[track_caller]
    pub fn terminate(&self, reason: &str) {
        if let Err(error) = self.inner.block_on(self.handle.terminate(reason)) {
            panic!("the terminate was not sent: {}", chain(&error));
        }
    }

    /// Asks for the execution to be cancelled when so much virtual time has passed.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// let sale = env.start(sell, "4242".to_owned());
    /// sale.cancel_after(days(9), "no money");
    /// assert!(sale.result().is_err());
    /// ```
    pub fn cancel_after(&self, after: Duration, reason: &str) {
        let (client, id, reason) =
            (self.inner.world.client(), self.id().clone(), reason.to_owned());
        self.inner.runtime().spawn(async move {
            tokio::time::sleep(after).await;
            if let Err(error) = client.cancel(&id, reason).await {
                tracing::warn!(%error, "a cancel of this test was not sent");
            }
        });
    }

    /// Where it stands, when all that can be done now is done.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// let sale = env.start(sell, "4242".to_owned());
    /// assert_eq!(sale.status(), everstep::store::Status::Suspended);
    /// ```
    #[must_use]
    pub fn status(&self) -> Status {
        let record = self.inner.block_on(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.handle.describe().await
        });
        record.expect("it is in memory").projection.status
    }

    /// What it shows, when all that can be done now is done; `None` if it has published nothing.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// let sale = env.start(sell, "4242".to_owned());
    /// assert_eq!(sale.view::<String>().as_deref(), Some("charged"));
    /// ```
    ///
    /// # Panics
    /// The view is not a `V`.
    #[must_use]
    #[track_caller]
    pub fn view<V: DeserializeOwned + Send>(&self) -> Option<V> {
        let view = self.inner.block_on(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.handle.view().await
        });
        view.unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// Its log.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// let sale = env.start(sell, "4242".to_owned());
    /// assert!(sale.result().is_ok());
    /// assert_eq!(sale.history()[0].number, 0);
    /// ```
    #[must_use]
    pub fn history(&self) -> Vec<Commit> {
        self.inner.block_on(self.handle.history()).expect("it is in memory")
    }

    /// The events of its log.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// let sale = env.start(sell, "4242".to_owned());
    /// assert!(sale.result().is_ok());
    /// assert!(sale.events().iter().any(|event| event.kind() == "TimerFired"));
    /// ```
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.history().into_iter().flat_map(|commit| commit.events).collect()
    }

    /// The gaps in its compensation: the keys of steps that completed before it started to undo,
    /// and that say neither how they are undone nor, by `#[step(undo = none)]` or
    /// [`no_undo`](crate::InlineStep::no_undo), that there is nothing to undo. None if nothing was
    /// undone. Only steps that ran in this `Env` are known.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn tell(who: &str) -> everstep::Result<()> { let _ = who; Ok(()) }
    /// # #[step(undo = release)] async fn book(what: &str) -> everstep::Result<String> { Ok(what.to_owned()) }
    /// # async fn release(_what: &str, _booking: &str) -> everstep::Result<()> { Ok(()) }
    /// #[workflow]
    /// async fn trip(who: String) -> everstep::Result<()> {
    ///     book("flight").await?;
    ///     tell(&who).await?;
    ///     Err(everstep::Error::msg("there is no car"))
    /// }
    ///
    /// let env = Env::new(App::new().workflow(trip));
    /// let failing = env.start(trip, "Ada".to_owned());
    /// assert!(failing.result().is_err());
    /// assert_eq!(failing.gaps(), ["tell#1"]);
    /// ```
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let events = self.events();
        let undoes = |event: &Event| matches!(event, Event::CompensationStarted(_));
        let Some(started) = events.iter().position(undoes) else { return Vec::new() };
        let covered = |name: &str| self.inner.world.stands.is_covered(name);
        let done = events[..started].iter().filter_map(|event| match event {
            Event::StepCompleted(done) if !covered(&done.key.name) => Some(done.key.to_string()),
            _ => None,
        });
        done.collect()
    }

    /// Waits until it has ended or is blocked.
    ///
    /// # Panics
    /// It does neither within the [limit](super::Env::limit).
    #[track_caller]
    pub(in crate::testing) fn settle(&self) {
        let limit = self.inner.limit();
        if let Err(stuck) = self.inner.block_on(self.inner.world.settled(self.id(), limit)) {
            panic!("{stuck}");
        }
    }

    /// Why it is blocked, if it is.
    pub(in crate::testing) fn blocked(&self) -> Option<String> {
        let described = self.inner.block_on(self.handle.describe());
        let at = described.expect("it is in memory").projection;
        (at.status == Status::Blocked).then(|| at.reason.unwrap_or_default())
    }
}

impl<T, E> Execution<T, E>
where
    T: DeserializeOwned + Send,
    E: DeserializeOwned + Send,
{
    /// Waits for its end, however long that takes in virtual time, and returns its result.
    ///
    /// Code that would do something else the next time is found: each turn runs the workflow a
    /// second time beside it (see [`App::replay_check`](crate::App::replay_check)), and at last the
    /// whole log is replayed.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// let sale = env.start(sell, "4242".to_owned());
    /// assert_eq!(sale.result().unwrap(), "5 from 4242");
    /// ```
    ///
    /// # Errors
    /// The workflow failed, was cancelled or is blocked.
    ///
    /// # Panics
    /// - It does not end within the [limit](super::Env::limit): nothing moves it any more.
    /// - The workflow depends on something that differs between runs: it asks for something else
    ///   when it is run again.
    /// - A [mock by name](super::Env::mock_named) names no step that was called.
    /// - It was undone with [gaps](Self::gaps), and the environment
    ///   [denies](super::Env::deny_gaps) them.
    #[track_caller]
    pub fn result(&self) -> Result<T, ResultError<E>> {
        self.settle();
        let result = self.inner.block_on(self.handle.result());
        if let Err(ResultError::Blocked { reason }) = &result {
            assert!(!reason.starts_with(REPLAY_CHECK), "execution {}: {reason}", self.id());
            return result;
        }
        let recorded = Recorded::from_events(self.events());
        let replayed = recorded.and_then(|recorded| replay(&self.inner.world.app, &recorded));
        if let Err(error) = replayed {
            panic!("the log of execution {} does not replay: {error}", self.id());
        }
        if let Some(problem) = self.inner.world.stands.without_a_step() {
            panic!("{problem}");
        }
        if self.inner.gaps_denied.load(Ordering::Relaxed) {
            let (id, gaps) = (self.id(), self.gaps().join(", "));
            assert!(
                gaps.is_empty(),
                "execution {id} was undone, and these steps say nothing of their undoing: {gaps}. \
                 Give them `undo = ...`, or `undo = none` where there is nothing to undo"
            );
        }
        result
    }
}

impl<T, E> fmt::Debug for Execution<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").field("id", self.id()).finish_non_exhaustive()
    }
}

/// `value` as it will be recorded.
#[track_caller]
pub(super) fn recorded<P: Serialize + ?Sized>(value: &P) -> Json {
    match Json::record(value) {
        Ok(json) => json,
        Err(problem) => panic!("the payload cannot be recorded: {problem}"),
    }
}
