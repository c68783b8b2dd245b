//! The environment of a workflow's test.

mod execution;
mod inner;
mod promises;
mod queue;
mod stands;
mod steps;
mod weather;
mod world;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};

pub use execution::Execution;
use inner::Inner;
pub(super) use stands::{AttemptOf, Runs, Stands};
pub(super) use weather::Weather;
pub(super) use world::{Death, World};

use crate::client::{Client, ResultError};
use crate::context::{Probe, Workflow, WorkflowSpec};
use crate::error::chain;
use crate::host::App;
use crate::trigger::Triggers;

/// How far virtual time may go before an execution that has not ended fails its test.
const LIMIT: Duration = Duration::from_secs(1_000 * 86_400);

/// A store, a queue and a host in this process, in virtual time: a flow of ten days takes
/// milliseconds.
///
/// Time begins at 2024-01-01T00:00:00Z and moves only in calls that wait, as
/// [`run`](Self::run), [`Execution::result`] and [`advance`](Self::advance): it leaps as soon as
/// nothing else is to be done. While a body waits for a socket nothing else is to be done either, so
/// [mock](Self::mock) the steps that talk to others.
///
/// The calls block, and work in a plain `#[test]`. In an async test they block too, on a runtime of
/// the `Env`'s own: what else runs in that test stands still meanwhile.
/// [`block_on`](Self::block_on) runs any future beside the executions, in their time.
pub struct Env {
    inner: Arc<Inner>,
}

impl Env {
    /// An environment for the workflows of `app`, with its states. Its backend is not used.
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
    /// let env = Env::new(App::new().workflow(sell));
    /// assert_eq!(env.run(sell, "4242".to_owned()).unwrap(), "5 from 4242");
    /// ```
    ///
    /// # Panics
    /// The app cannot run: a state is missing, two workflows have one name, or there is none.
    #[track_caller]
    pub fn new(app: App) -> Self {
        let stands = Arc::new(Stands::default());
        let probe: Arc<dyn Probe> = Arc::clone(&stands) as _;
        let app = app.probe(&probe).replay_check(true);
        if let Err(error) = app.clone().registry() {
            panic!("this app cannot run: {error}");
        }
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let built = builder.enable_all().start_paused(true).build();
        let runtime = built.unwrap_or_else(|error| panic!("there is no runtime: {error}"));
        let world = {
            let _entered = runtime.enter();
            Arc::new(World::new(app, stands))
        };
        runtime.spawn(Arc::clone(&world).hosts());
        let inner = Inner {
            runtime: Some(runtime),
            world,
            entered: AtomicBool::new(false),
            started: AtomicU32::new(0),
            sent: AtomicU32::new(0),
            limit: Mutex::new(LIMIT),
            gaps_denied: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// How far virtual time may go in one call that waits for an execution; 1,000 days by default.
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
    /// // Whatever does not end in twenty days fails the test.
    /// let env = Env::new(App::new().workflow(sell)).limit(days(20));
    /// assert!(env.run(sell, "4242".to_owned()).is_ok());
    /// ```
    #[must_use]
    pub fn limit(self, limit: Duration) -> Self {
        self.inner.set_limit(limit);
        self
    }

    /// From now on [`Execution::result`] fails the test if something was undone and a step that
    /// completed says nothing of its undoing: its [gaps](Execution::gaps) become a lint of all
    /// tests that have this environment.
    ///
    /// ```should_panic
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// #[step]
    /// async fn tell(who: &str) -> everstep::Result<()> {
    ///     println!("dear {who}");
    ///     Ok(())
    /// }
    /// # #[step(undo = release)] async fn book(what: &str) -> everstep::Result<String> { Ok(what.to_owned()) }
    /// # async fn release(_what: &str, _booking: &str) -> everstep::Result<()> { Ok(()) }
    ///
    /// #[workflow]
    /// async fn trip(who: String) -> everstep::Result<()> {
    ///     book("flight").await?;
    ///     tell(&who).await?; // who takes that back?
    ///     Err(everstep::Error::msg("there is no car"))
    /// }
    ///
    /// let env = Env::new(App::new().workflow(trip)).deny_gaps();
    /// let _ = env.run(trip, "Ada".to_owned());
    /// ```
    #[must_use]
    pub fn deny_gaps(self) -> Self {
        self.inner.gaps_denied.store(true, Ordering::Relaxed);
        self
    }

    /// Starts an execution. The first has the id `e-1`, the next `e-2`.
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
    /// assert_eq!(sale.id().as_str(), "e-1");
    /// ```
    ///
    /// # Panics
    /// It does not start: the workflow is not in the app, or its input cannot be recorded.
    #[track_caller]
    pub fn start<A, W: Workflow<A>>(
        &self,
        workflow: W,
        input: <W::Spec as WorkflowSpec>::Input,
    ) -> Execution<<W::Spec as WorkflowSpec>::Output, <W::Spec as WorkflowSpec>::Error> {
        let number = self.inner.started.fetch_add(1, Ordering::Relaxed) + 1;
        self.start_as(format!("e-{number}"), workflow, input)
    }

    /// Starts an execution with an id.
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
    /// let sale = env.start_as("sale-7", sell, "4242".to_owned());
    /// assert_eq!(sale.id().as_str(), "sale-7");
    /// ```
    ///
    /// # Panics
    /// It does not start; or one with this id and another input is there.
    #[track_caller]
    pub fn start_as<A, W: Workflow<A>>(
        &self,
        id: impl Into<String>,
        workflow: W,
        input: <W::Spec as WorkflowSpec>::Input,
    ) -> Execution<<W::Spec as WorkflowSpec>::Output, <W::Spec as WorkflowSpec>::Error> {
        let name = <W::Spec as WorkflowSpec>::NAME;
        if !self.inner.world.app.has(name) {
            panic!("workflow {name} is not in the app of this Env: add it with App::workflow(...)");
        }
        let client = self.client();
        let start = client.start(workflow, input).id(id.into());
        match self.inner.block_on(async { start.await }) {
            Ok(handle) => Execution::new(&self.inner, handle),
            Err(error) => panic!("workflow {name} does not start: {}", chain(&error)),
        }
    }

    /// Starts an execution and waits for its result, however long that takes in virtual time.
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
    /// assert_eq!(env.run(sell, "4242".to_owned()).unwrap(), "5 from 4242"); // ten days later
    /// ```
    ///
    /// # Errors
    /// See [`Execution::result`].
    ///
    /// # Panics
    /// See [`start`](Self::start) and [`Execution::result`].
    #[track_caller]
    pub fn run<A, W: Workflow<A>>(
        &self,
        workflow: W,
        input: <W::Spec as WorkflowSpec>::Input,
    ) -> Result<<W::Spec as WorkflowSpec>::Output, ResultError<<W::Spec as WorkflowSpec>::Error>>
    {
        self.start(workflow, input).result()
    }

    /// How many items of the store were written, starts and signals included: 2 by a start, 1 by
    /// each commit, 1 by each turn's update of the record, and 3 for each signal (2 to send it, 1
    /// to remove it). A sequential workflow of n steps that waits m times needs at most
    /// `n + 2 * m + 4`, and its signals.
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
    /// assert!(env.run(sell, "4242".to_owned()).is_ok());
    /// assert!(env.writes() >= 4); // start, claim, end, record
    /// ```
    #[must_use]
    pub fn writes(&self) -> u64 {
        // What follows the end of an execution costs too, and takes no time.
        self.advance(Duration::from_millis(1));
        self.inner.world.counts.counts().items_written
    }

    /// Checks that there were at most so many [`writes`](Self::writes).
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
    /// assert!(env.run(sell, "4242".to_owned()).is_ok());
    /// env.assert_cost(9);
    /// ```
    ///
    /// # Panics
    /// There were more.
    #[track_caller]
    pub fn assert_cost(&self, writes_max: u64) {
        let writes = self.writes();
        let counts = self.inner.world.counts.counts();
        let [starts, commits, records, sent, removals] =
            ["create", "append", "project", "send", "remove_items"].map(|call| counts.of(call));
        assert!(
            writes <= writes_max,
            "{writes} items were written, and at most {writes_max} should be: {starts} starts (2 \
             each), {commits} commits, {records} updates of records, {sent} signals or cancels (2 \
             each), which {removals} calls removed"
        );
    }

    /// Lets so much virtual time pass.
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
    /// env.advance(days(9));
    /// assert!(!sale.status().is_closed());
    /// env.advance(days(2));
    /// assert!(sale.status().is_closed());
    /// ```
    pub fn advance(&self, duration: Duration) {
        self.block_on(async { tokio::time::sleep(duration).await });
    }

    /// What time it is here.
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
    /// let began = env.now();
    /// env.advance(days(1));
    /// assert_eq!((env.now() - began).num_days(), 1);
    /// ```
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let _entered = self.inner.runtime().enter();
        self.inner.world.clock.now().into()
    }

    /// A client of this environment, for [`block_on`](Self::block_on): list, describe, whatever a
    /// test needs beyond an [`Execution`].
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
    /// let client = env.client();
    /// let record = env.block_on(client.describe(sale.id())).unwrap();
    /// assert_eq!(record.workflow, "sell");
    /// ```
    #[must_use]
    pub fn client(&self) -> Client {
        self.inner.world.client()
    }

    /// What the app's closures do with events of AWS, here: for [`block_on`](Self::block_on). See
    /// docs/guide/triggers.md.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(name) }
    /// use everstep::trigger::{Action, Done, Invoke};
    ///
    /// let app = App::new().workflow(greet).on(|invoke: Invoke| -> everstep::Result<_> {
    ///     Ok(Action::start(greet, invoke.json()?))
    /// });
    /// let env = Env::new(app);
    /// let done = env.block_on(env.triggers().deliver("\"Ada\"", "invocation-1")).unwrap();
    /// assert!(matches!(&done[..], [Done::Started { new: true, .. }]));
    /// ```
    #[must_use]
    pub fn triggers(&self) -> Triggers {
        self.inner.world.app.triggers_of(self.client())
    }

    /// Runs a future beside the executions and in their time, until it is ready.
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
    /// let (client, id) = (env.client(), sale.id().clone());
    /// env.block_on(async {
    ///     tokio::time::sleep(days(3)).await;
    ///     client.signal(&id, "approval", &true).await
    /// })
    /// .unwrap();
    /// assert!(sale.result().is_ok());
    /// ```
    ///
    /// # Panics
    /// It is called in such a future.
    pub fn block_on<F: Future + Send>(&self, future: F) -> F::Output
    where
        F::Output: Send,
    {
        self.inner.block_on(future)
    }

    pub(super) fn world(&self) -> &Arc<World> {
        &self.inner.world
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("app", &self.inner.world.app).finish_non_exhaustive()
    }
}
