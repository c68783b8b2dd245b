//! A program's workflows and what they need, on the way to becoming a host or a client.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use super::error::{AppError, RunError};
use super::registry::{Observer, Registry};
use super::retention::{RETENTION_VARIABLE, Retention, Retentions};
use super::worker::Worker;
use crate::archive::Archive;
use crate::backend::{Backend, BackendError};
use crate::client::{Client, Workflows};
use crate::context::{Erased, States, Workflow, WorkflowSpec, erase};
use crate::event::Event;
use crate::id::ExecutionId;
use crate::notify::{Notifications, NotificationsError};
use crate::payload::Payloads;
use crate::telemetry::{METRICS_VARIABLE, Metrics, Watchers};
use crate::time::Clock;
use crate::trigger::{Handlers, IntoAction, Source, Triggers};

/// A program's workflows, and what they need. A clone has clones of the states.
///
/// ```no_run
/// # use everstep::prelude::*;
/// # #[workflow] async fn fulfil_order(State(shop): State<u8>, order: u8) -> everstep::Result<u8> { Ok(shop + order) }
/// # #[tokio::main] async fn main() -> Result<(), everstep::host::RunError> { let shop = 1_u8;
/// App::new().workflow(fulfil_order).state(shop).run().await?;
/// # Ok(()) }
/// ```
#[must_use = "an app does nothing until it is run or makes a worker"]
#[derive(Clone)]
pub struct App {
    workflows: BTreeMap<&'static str, Erased>,
    twice: Option<&'static str>,
    states: States,
    code: String,
    backend: Option<Backend>,
    payloads: Option<Payloads>,
    observers: Vec<Observer>,
    notifications: Option<Notifications>,
    replay_check: Option<bool>,
    pins: bool,
    watchers: Watchers,
    archive: Option<Archive>,
    retentions: Retentions,
    handlers: Handlers,
    source_twice: Option<&'static str>,
    #[cfg(feature = "http")]
    pub(super) front: Option<crate::http::Front>,
}

/// The variable that says whether turns check themselves, where the program does not.
const REPLAY_CHECK: &str = "EVERSTEP_REPLAY_CHECK";

impl App {
    /// An app without workflows.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// let app = App::new().workflow(sell);
    /// ```
    pub fn new() -> Self {
        Self {
            workflows: BTreeMap::new(),
            twice: None,
            states: States::default(),
            code: "0".to_owned(),
            backend: None,
            payloads: None,
            observers: Vec::new(),
            notifications: None,
            replay_check: None,
            pins: false,
            watchers: Watchers::default(),
            archive: None,
            retentions: Retentions::default(),
            handlers: Handlers::default(),
            source_twice: None,
            #[cfg(feature = "http")]
            front: None,
        }
    }

    /// Adds a workflow.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// let app = App::new().workflow(sell);
    /// ```
    pub fn workflow<A, W: Workflow<A>>(mut self, workflow: W) -> Self {
        // The function is known by its type; its value has nothing in it.
        let _ = workflow;
        let name = <W::Spec as WorkflowSpec>::NAME;
        if self.workflows.insert(name, erase::<W::Spec>()).is_some() {
            self.twice.get_or_insert(name);
        }
        self
    }

    /// Serves [schedules](crate::schedule): their own workflow is one of this app's. Any host of the
    /// backend that meets a schedule must serve them; one that does not blocks it, until it is
    /// [resumed](Client::resume) where one does.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// let app = App::new().workflow(sell).schedules();
    /// ```
    #[cfg(feature = "schedules")]
    pub fn schedules(mut self) -> Self {
        let life = erase::<crate::schedule::Life>();
        self.workflows.insert(life.name, life);
        self.states.put(crate::schedule::Starter::default());
        self
    }

    /// Gives workflows their `State<S>`. A second state of the same type replaces the first.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// #[derive(Clone)]
    /// struct Shop;
    ///
    /// #[workflow]
    /// async fn sell(State(_shop): State<Shop>, card: String) -> everstep::Result<String> {
    ///     Ok(card)
    /// }
    ///
    /// let app = App::new().workflow(sell).state(Shop);
    /// ```
    pub fn state<S: Clone + Send + Sync + 'static>(mut self, state: S) -> Self {
        self.states.put(state);
        self
    }

    /// The version of this code, recorded with each claim: a release number or a commit. By
    /// default `"0"`.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// let app = App::new().workflow(sell).version("2.4.1");
    /// ```
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.code = version.into();
        self
    }

    /// Pins each run to the published version of the Lambda function that begins it: that version takes
    /// all its turns, with its own code, whatever the alias points to by then. By default open executions
    /// move: the version that is live takes their next turns.
    ///
    /// It needs the permission `lambda:InvokeFunction` on the versions of the function (`PinVersions` of
    /// the template), and versions that are published: `$LATEST` pins nothing. Anywhere else than in
    /// Lambda it does nothing.
    ///
    /// A run that [continues as new](crate::continue_as_new) goes on with the version that is live, and so
    /// does one whose version was deleted: that is how a fix comes to it. A run that was begun without
    /// this is not pinned before its next turn. [Schedules](crate::schedule) are never pinned. docs/guide/versions.md says when to use it, docs/deploy.md
    /// how to roll out and back with it.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// let app = App::new().workflow(sell).pin_to_version();
    /// ```
    #[cfg(feature = "lambda-invoke")]
    pub fn pin_to_version(mut self) -> Self {
        self.pins = true;
        self
    }

    /// Whether each turn also runs its workflow a second time over the same events, beside itself
    /// and without steps, compares after every event, and blocks the execution if that asks for
    /// anything else: for development. What depends on the order of a hash map, a clock or a global
    /// is found in the first turn, with both places in the source, and not when the process has
    /// died. It takes about as long as three replays of the log. Where it is on, turns also warn of
    /// steps that leave a gap where they say nothing of their undoing, once for each step.
    ///
    /// By default what the variable `EVERSTEP_REPLAY_CHECK` says (`1` or `0`). Without it: a
    /// [`Worker`] checks in a build with debug assertions, as `cargo run` and `cargo test` make it;
    /// in a release build it does not, and Lambda never does. `testing::Env` always checks.
    ///
    /// The workflow's own code runs more often then. Its lines of `tracing` are shown once all the
    /// same; those of `println!` are not, as with every replay, and a count that it keeps in a global
    /// is no count.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// let app = App::new().workflow(sell).replay_check(true); // in a release build too
    /// ```
    pub fn replay_check(mut self, check: bool) -> Self {
        self.replay_check = Some(check);
        self
    }

    /// The store and queue to use; by default what `EVERSTEP_URL` names.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// let app = App::new().workflow(sell).backend(Backend::memory());
    /// ```
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Where large payloads go, and what is done to payloads on the way; by default what the backend
    /// says, and of one from the environment `EVERSTEP_PAYLOADS`.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::payload::{MemoryPayloads, Payloads};
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    ///
    /// let app = App::new().workflow(sell).payloads(Payloads::new(MemoryPayloads::new()));
    /// ```
    pub fn payloads(mut self, payloads: Payloads) -> Self {
        self.payloads = Some(payloads);
        self
    }

    /// How long executions that close here are kept, from then on; then this app's hosts delete them.
    /// An hour at least: a shorter time is [`AppError::Retention`] when a host starts. By default for
    /// ever, unless the variable `EVERSTEP_RETENTION` says otherwise (`30d`, `12h`, `90m`).
    /// docs/guide/retention.md has more.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::host::Retention;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[workflow] async fn refund(card: String) -> everstep::Result<String> { Ok(card) }
    /// let app = App::new().workflow(sell).retention(days(30));
    /// let app = app.workflow(refund).retention_of(refund, Retention::Forever);
    /// ```
    pub fn retention(mut self, retention: impl Into<Retention>) -> Self {
        self.retentions.set_all(retention.into());
        self
    }

    /// The same of the executions of one workflow.
    pub fn retention_of<A, W: Workflow<A>>(
        mut self,
        workflow: W,
        retention: impl Into<Retention>,
    ) -> Self {
        let _ = workflow;
        self.retentions.set(<W::Spec as WorkflowSpec>::NAME, retention.into());
        self
    }

    /// Where histories go before their executions are deleted. By default it is the backend's, and of
    /// a backend from the environment the one that `EVERSTEP_ARCHIVE` names. Without one, what is
    /// deleted is gone.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::archive::{Archive, MemoryArchive};
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    ///
    /// let app = App::new().workflow(sell).archive(Archive::new(MemoryArchive::new()));
    /// ```
    pub fn archive(mut self, archive: Archive) -> Self {
        self.archive = Some(archive);
        self
    }

    /// Calls `observer` with every event of this host's turns once it is durable, in the order of
    /// the log, on the turn's own task: it should return at once. Replay calls nothing.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// let app = App::new().workflow(sell).observe(|id, event| println!("{id}: {}", event.kind()));
    /// ```
    pub fn observe(
        mut self,
        observer: impl Fn(&ExecutionId, &Event) + Send + Sync + 'static,
    ) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Where the metrics of this host go; a second one gets them too. By default what the variable
    /// `EVERSTEP_METRICS` says: `emf`, or `emf:NAMESPACE`, for [`Metrics::emf`]; without it nowhere,
    /// and nothing is measured.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::telemetry::Metrics;
    /// # #[workflow] async fn sell(_: ()) -> everstep::Result<()> { Ok(()) }
    ///
    /// let app = App::new().workflow(sell).metrics(Metrics::emf("Shop"));
    /// ```
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.watchers.add(metrics);
        self
    }

    /// Calls `flush` at the end of each invocation of a function, and when a worker has stopped:
    /// here exporters send what they have, before the process is frozen or ends. It may block, on a
    /// thread of its own; nobody waits for it longer than two seconds.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// let app = App::new().workflow(sell).flush(|| eprintln!("the exporter sends what it has"));
    /// ```
    pub fn flush(mut self, flush: impl Fn() + Send + Sync + 'static) -> Self {
        self.watchers.add_flush(flush);
        self
    }

    /// Tells others what happens to this app's executions: each change of status, and by choice more,
    /// at least once, after it is in the log; see [`notify`](crate::notify).
    ///
    /// By default what the variable `EVERSTEP_NOTIFY` [names](Notifications::from_url); without it,
    /// nobody is told, and nothing is done or stored for it.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::notify::{LogNotifier, Notifications};
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    ///
    /// let app = App::new().workflow(sell).notifications(Notifications::to(LogNotifier));
    /// ```
    pub fn notifications(mut self, notifications: Notifications) -> Self {
        self.notifications = Some(notifications);
        self
    }

    /// Says what follows from an event of AWS: `decide` gets what happened, and returns what to do.
    /// Which events it is asked about is the type it takes: one
    /// [source](crate::trigger::Source)'s, or [`Trigger`](crate::trigger::Trigger) for all that no
    /// other closure takes.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::trigger::{Action, S3Object};
    /// # #[workflow] async fn resize(key: String) -> everstep::Result<String> { Ok(key) }
    ///
    /// let app = App::new().workflow(resize).on(|upload: S3Object| Action::start(resize, upload.key));
    /// ```
    ///
    /// It may be asked about one event several times, and must say the same each time: no clock,
    /// no chance, nothing from outside. docs/guide/triggers.md has more.
    pub fn on<S: Source, A: IntoAction>(
        mut self,
        decide: impl Fn(S) -> A + Send + Sync + 'static,
    ) -> Self {
        if let Some(twice) = self.handlers.add(decide) {
            self.source_twice.get_or_insert(twice);
        }
        self
    }

    /// What this app's closures do with events of AWS, without being a Lambda function: for programs
    /// that get events otherwise, and for tests.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::trigger::{Action, Done, Invoke};
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut app = App::new()
    ///     .workflow(sell)
    ///     .on(|sold: Invoke| -> everstep::Result<_> {
    ///         Ok(Action::start(sell, sold.json::<String>()?))
    ///     })
    ///     .backend(Backend::memory());
    /// let triggers = app.triggers().await?;
    /// let done = triggers.deliver("\"4242\"", "delivery-1").await?;
    /// assert!(matches!(&done[..], [Done::Started { new: true, .. }]));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The backend cannot be reached.
    pub async fn triggers(&mut self) -> Result<Triggers, BackendError> {
        let client = self.client().await?;
        Ok(Triggers::new(client, self.handlers.clone()))
    }

    /// The same, with a client of somebody else's backend.
    #[cfg(feature = "testing")]
    pub(crate) fn triggers_of(&self, client: Client) -> Triggers {
        Triggers::new(client.knowing(self.accepts()), self.handlers.clone())
    }

    /// Its workflows, and what each can read.
    fn accepts(&self) -> Workflows {
        self.workflows.iter().map(|(name, it)| (*name, it.accepts)).collect()
    }

    /// A client of this app's backend. It knows the workflows that were added before: a start
    /// [by name](Client::start_named) of another one, or with an input that its workflow cannot
    /// read, is refused and stores nothing.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut app = App::new().workflow(sell).backend(Backend::memory());
    /// let client = app.client().await?;
    /// client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The backend cannot be reached.
    pub async fn client(&mut self) -> Result<Client, BackendError> {
        let client = Client::new(&self.connect().await?);
        Ok(client.knowing(self.accepts()))
    }

    /// A worker: takes turns in this process until it is told to stop.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let backend = Backend::memory();
    /// let sale = Client::new(&backend).start(sell, "4242".to_owned()).await?;
    /// let worker = App::new().workflow(sell).backend(backend).worker().await?;
    /// assert_eq!(worker.run_until(sale.result()).await??, "4242");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Two workflows have one name, there is none, a state is missing, or the backend cannot be
    /// reached.
    pub async fn worker(mut self) -> Result<Worker, AppError> {
        let backend = self.connect().await?;
        self.find_notifications().await?;
        let registry = self.worker_registry()?.starting_on(&backend, &Clock::system());
        Ok(Worker::new(backend, registry))
    }

    /// What a worker runs.
    fn worker_registry(self) -> Result<Registry, AppError> {
        let checks = self.checks(cfg!(debug_assertions));
        Ok(self.registry()?.with_replay_check(checks))
    }

    /// Whether turns check themselves: what the program says, else the variable, else the host.
    fn checks(&self, by_default: bool) -> bool {
        self.replay_check.unwrap_or_else(|| by_variable(std::env::var_os(REPLAY_CHECK), by_default))
    }

    /// Runs until the process is told to stop: the Lambda runtime when in Lambda (the variable
    /// `AWS_LAMBDA_RUNTIME_API` is set there), else a [`Worker`] that stops on SIGTERM and
    /// ctrl-c. With `http`, the app's [front](Self::http) is served beside it.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let backend = Backend::memory();
    /// let sale = Client::new(&backend).start(sell, "4242".to_owned()).await?;
    /// let app = App::new().workflow(sell).backend(backend);
    /// tokio::select! {
    ///     stopped = app.run() => stopped?,
    ///     card = sale.result() => assert_eq!(card?, "4242"),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// See [`worker`](Self::worker); store or queue turn out to be unusable; or it runs in Lambda and
    /// is built without the feature `aws`.
    pub async fn run(self) -> Result<(), RunError> {
        #[cfg(feature = "aws")]
        if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
            let mut app = self;
            let backend = app.connect().await.map_err(AppError::from)?;
            let triggers = app.triggers().await.map_err(AppError::from)?;
            app.find_notifications().await.map_err(AppError::from)?;
            #[cfg(feature = "http")]
            let front = app.front_router().await?;
            let registry = app.registry()?.starting_on(&backend, &Clock::system());
            #[cfg(feature = "http")]
            if let Some(router) = front {
                return crate::aws::run_with(backend, registry, triggers, router).await;
            }
            return crate::aws::run(backend, registry, triggers).await;
        }
        // A worker in its place would wait in silence until Lambda ends it.
        #[cfg(not(feature = "aws"))]
        if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
            return Err(RunError::LambdaNotBuiltIn);
        }
        #[cfg(feature = "http")]
        if self.front.is_some() {
            return self.run_with_front().await;
        }
        self.worker().await?.run_until(super::worker::stop_signal()).await
    }

    /// Lets `probe` see every step that these workflows call.
    #[cfg(feature = "testing")]
    pub(crate) fn probe(mut self, probe: &Arc<dyn crate::context::Probe>) -> Self {
        for workflow in self.workflows.values_mut() {
            workflow.probe(probe);
        }
        self
    }

    pub(crate) async fn connect(&mut self) -> Result<Backend, BackendError> {
        if self.backend.is_none() {
            self.backend = Some(Backend::from_env().await?);
        }
        let mut backend = self.backend.clone().unwrap_or_else(|| unreachable!("set above"));
        if let Some(archive) = &self.archive {
            backend.archive = Some(archive.clone());
        }
        Ok(match &self.payloads {
            Some(payloads) => backend.with_payloads(payloads.clone()),
            None => backend,
        })
    }

    /// The payloads it would use, without a connection to its backend.
    pub(super) async fn payloads_alone(&self) -> Result<Payloads, BackendError> {
        match (&self.payloads, &self.backend) {
            (Some(payloads), _) => Ok(payloads.clone()),
            (None, Some(backend)) => Ok(backend.payloads.clone()),
            (None, None) => Ok(Payloads::from_env().await?),
        }
    }

    /// Takes what the environment says, where the app says nothing.
    async fn find_notifications(&mut self) -> Result<(), NotificationsError> {
        if self.notifications.is_none() {
            self.notifications = Notifications::from_env().await?;
        }
        Ok(())
    }

    /// The payloads it was given.
    #[cfg(feature = "testing")]
    pub(crate) fn given_payloads(&self) -> Payloads {
        self.payloads.clone().unwrap_or_default()
    }

    /// Whether it has a workflow of this name.
    #[cfg(feature = "testing")]
    pub(crate) fn has(&self, workflow: &str) -> bool {
        self.workflows.contains_key(workflow)
    }

    pub(crate) fn registry(self) -> Result<Registry, AppError> {
        if let Some(name) = self.twice {
            return Err(AppError::SameName { name });
        }
        if let Some(source_name) = self.source_twice {
            return Err(AppError::SameSource { source_name });
        }
        if self.workflows.is_empty() {
            return Err(AppError::NoWorkflow);
        }
        let replay_check = self.checks(false);
        let registry = Registry::new(self.workflows, self.states, self.code, self.observers)?;
        let mut watchers = self.watchers;
        if watchers.is_empty()
            && let Ok(value) = std::env::var(METRICS_VARIABLE)
            && let Some(metrics) = Metrics::by_variable(&value)?
        {
            watchers.add(metrics);
        }
        let registry = registry.with_replay_check(replay_check).with_watchers(watchers);
        let registry = registry.telling(self.notifications).pinning(self.pins);
        let variable = std::env::var_os(RETENTION_VARIABLE);
        let variable = variable.as_deref().map(std::ffi::OsStr::to_string_lossy);
        let retentions = self.retentions.or(variable.as_deref())?;
        Ok(registry.with_retentions(retentions))
    }
}

fn by_variable(variable: Option<OsString>, by_default: bool) -> bool {
    variable.map_or(by_default, |value| value == "1")
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("workflows", &self.workflows.keys()).finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "schedules"))]
mod tests {
    use super::*;

    /// A worker of a debug build checks; the same program in Lambda does not, which takes its
    /// workflows from `registry`, as every host but a worker does.
    #[test]
    fn a_worker_checks_in_a_debug_build_and_other_hosts_where_they_are_told_to() {
        let app = || App::new().schedules();
        let by_worker = |app: App| app.worker_registry().expect("it is whole");
        let by_others = |app: App| app.registry().expect("it is whole");
        assert_eq!(by_worker(app()).replay_check(), cfg!(debug_assertions));
        assert!(!by_others(app()).replay_check());
        for told in [true, false] {
            assert_eq!(by_worker(app().replay_check(told)).replay_check(), told);
            assert_eq!(by_others(app().replay_check(told)).replay_check(), told);
        }
    }

    #[test]
    fn the_variable_decides_where_the_program_does_not() {
        for by_default in [true, false] {
            assert_eq!(by_variable(None, by_default), by_default);
            assert!(by_variable(Some("1".into()), by_default));
            assert!(!by_variable(Some("0".into()), by_default));
        }
    }
}
