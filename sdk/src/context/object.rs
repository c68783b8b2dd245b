//! Virtual objects: a keyed entity that lives as long as somebody talks to it.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::continue_as_new::continue_as_new;
use super::info::execution_info;
use super::timer::timeout;
use super::update::{Replier, Update, updates};

/// The name of the updates that carry an object's commands.
pub(crate) const COMMAND: &str = "command";

/// A keyed entity with durable state, whose commands are handled one after the other: a shopping
/// cart, a session, an account. It is what a workflow takes that is one, and serves:
///
/// ```
/// use everstep::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Account {
///     cents: u64,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// enum Command {
///     Pay(u64),
///     Take(u64),
/// }
///
/// impl Account {
///     async fn handle(&mut self, command: Command) -> Result<u64, String> {
///         self.cents = match command {
///             Command::Pay(cents) => self.cents + cents, // it may call steps, too
///             Command::Take(cents) => self.cents.checked_sub(cents).ok_or("so much is not there")?,
///         };
///         Ok(self.cents)
///     }
/// }
///
/// #[workflow]
/// async fn account(mut account: Object<Account>) -> everstep::Result<u64> {
///     account.commands().idle(days(30)).handle(Account::handle).await;
///     Ok(account.state.cents) // nobody came for a month
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = Backend::memory();
/// # let app = App::new().workflow(account).backend(backend.clone());
/// # let client = Client::new(&backend);
/// # let talk = async {
/// let ada = client.object(account, "ada");
/// let cents: u64 = ada.call(&Command::Pay(500)).await?; // starts it if it is not there
/// assert_eq!(cents, 500);
/// let error = ada.call::<u64>(&Command::Take(501)).await.unwrap_err();
/// assert_eq!(error.rejection::<String>().as_deref(), Some("so much is not there"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # };
/// # app.worker().await?.run_until(talk).await??;
/// # Ok(())
/// # }
/// ```
///
/// Each object is an execution: `everstep list --workflow account` lists them, its history is in
/// its log. The execution of the object `ada` has the id `account/ada`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Object<S> {
    /// Which of them it is.
    pub key: String,
    /// What it has become.
    pub state: S,
}

impl<S> Object<S> {
    /// An object as its first command finds it; for tests of workflows that take one.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// let counter = Object::new("visits", 9);
    /// assert_eq!((&*counter.key, counter.state), ("visits", 9));
    /// ```
    pub fn new(key: impl Into<String>, state: S) -> Self {
        Self { key: key.into(), state }
    }

    /// The commands that come for it; [`handle`](Commands::handle) serves them.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
    /// #[workflow]
    /// async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
    ///     counter.commands().idle(days(30)).handle(add).await;
    ///     Ok(counter.state)
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(counter));
    /// # let counts = env.start(counter, Object::new("visits", 9));
    /// # let sum: u64 = counts.update("command", &1).unwrap();
    /// # assert_eq!(sum, 10);
    /// # assert_eq!(counts.result().unwrap(), 10);
    /// ```
    pub fn commands(&mut self) -> Commands<'_, S> {
        Commands { object: self, until: None, idle: None }
    }
}

/// How an object's commands are served; from [`Object::commands`].
///
/// ```
/// use everstep::prelude::*;
/// use everstep::Commands;
///
/// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
/// /// How all objects of this program live: until they have nothing to do, or their state says so.
/// fn short_lived(object: &mut Object<u64>) -> Commands<'_, u64> {
///     object.commands().until(|sum| *sum >= 10).idle(days(1))
/// }
///
/// #[workflow]
/// async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
///     short_lived(&mut counter).handle(add).await;
///     Ok(counter.state)
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(counter));
/// let counts = env.start(counter, Object::new("visits", 9));
/// let sum: u64 = counts.update("command", &1).unwrap();
/// assert_eq!((sum, counts.result().unwrap()), (10, 10));
/// ```
#[must_use = "no command is served unless `handle` is awaited"]
pub struct Commands<'a, S> {
    object: &'a mut Object<S>,
    until: Option<fn(&S) -> bool>,
    idle: Option<Duration>,
}

/// Why no more commands are [served](Commands::handle).
///
/// ```
/// use everstep::prelude::*;
///
/// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
/// #[workflow]
/// async fn counter(mut counter: Object<u64>) -> everstep::Result<String> {
///     match counter.commands().until(|sum| *sum >= 10).idle(days(1)).handle(add).await {
///         Served::Done => Ok("it is full".to_owned()),
///         served => Ok(format!("{served:?} at {}", counter.state)),
///     }
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(counter));
/// assert_eq!(env.run(counter, Object::new("visits", 12)).unwrap(), "it is full");
/// assert_eq!(env.run(counter, Object::new("visits", 3)).unwrap(), "Idle at 3"); // a day later
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Served {
    /// What [`until`](Commands::until) asks for is so.
    Done,
    /// No command came for as long as [`idle`](Commands::idle) says.
    Idle,
}

impl<S> Commands<'_, S> {
    /// Serves until this is so, before the first command or after one. For ever by default.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
    /// #[workflow]
    /// async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
    ///     counter.commands().until(|sum| *sum >= 10).handle(add).await;
    ///     Ok(counter.state)
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(counter));
    /// # let counts = env.start(counter, Object::new("visits", 9));
    /// # let sum: u64 = counts.update("command", &1).unwrap();
    /// # assert_eq!(sum, 10);
    /// # assert_eq!(counts.result().unwrap(), 10);
    /// ```
    pub fn until(mut self, done: fn(&S) -> bool) -> Self {
        self.until = Some(done);
        self
    }

    /// Serves until no command has come for so long. For ever by default.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
    /// #[workflow]
    /// async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
    ///     counter.commands().idle(days(30)).handle(add).await;
    ///     Ok(counter.state)
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(counter));
    /// # let counts = env.start(counter, Object::new("visits", 9));
    /// # let sum: u64 = counts.update("command", &1).unwrap();
    /// # assert_eq!(sum, 10);
    /// # assert_eq!(counts.result().unwrap(), 10);
    /// ```
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Serves the commands, one after the other in the order they came. What the handler returns
    /// is the answer; an error is a rejection, and changes nothing but what the handler changed.
    /// The handler may call steps, sleep, wait for signals: the next command waits for it.
    ///
    /// When the log has grown [long](super::ExecutionInfo::continue_suggested), the workflow
    /// [continues as new](super::continue_as_new) between two commands, with the object as its
    /// input: what comes before this call in the workflow runs again then.
    ///
    /// Dropping the future leaves the command that is being handled without a reply.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
    /// #[workflow]
    /// async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
    ///     counter.commands().idle(days(30)).handle(add).await;
    ///     Ok(counter.state)
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(counter));
    /// # let counts = env.start(counter, Object::new("visits", 9));
    /// # let sum: u64 = counts.update("command", &1).unwrap();
    /// # assert_eq!(sum, 10);
    /// # assert_eq!(counts.result().unwrap(), 10);
    /// ```
    pub async fn handle<C, R, E, H>(self, mut handler: H) -> Served
    where
        S: Serialize,
        C: DeserializeOwned,
        R: Serialize,
        E: Serialize,
        H: AsyncFnMut(&mut S, C) -> Result<R, E>,
    {
        let Self { object, until, idle } = self;
        let mut commands = updates::<C, R>(COMMAND);
        loop {
            if until.is_some_and(|done| done(&object.state)) {
                return Served::Done;
            }
            if execution_info().continue_suggested() {
                drop(commands);
                return continue_as_new(&*object).await;
            }
            let command: Update<C, R> = match idle {
                None => commands.next().await,
                Some(idle) => match timeout(idle, commands.next()).await {
                    Ok(command) => command,
                    Err(_) => return Served::Idle,
                },
            };
            let (command, replier): (C, Replier<R>) = command.into_parts();
            replier.answer(handler(&mut object.state, command).await);
        }
    }
}

impl<S> fmt::Debug for Commands<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").field("idle", &self.idle).finish_non_exhaustive()
    }
}
