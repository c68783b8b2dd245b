//! Which store and which queue: chosen by a URL, usually that of `EVERSTEP_URL`.
//!
//! | URL | store and queue |
//! |---|---|
//! | `sqlite:PATH` | one SQLite file; `sqlite:PATH?synchronous=full` flushes every write to the disk |
//! | `memory:` | this process; gone when it ends |
//! | `dynamodb://TABLE?queue=QUEUE` | a DynamoDB table and an SQS queue, by its URL or its name |
//! | `dynamodb://TABLE?queue=QUEUE&scheduler=GROUP&scheduler_role=ARN` | the same, and timers of more than 15 minutes in a group of EventBridge Scheduler; the feature `scheduler` |
//!
//! Where the URL does not name them, `EVERSTEP_SCHEDULER` is the group and
//! `EVERSTEP_SCHEDULER_ROLE` the role.
//!
//! A program that starts others says so in their environment:
//!
//! ```
//! use everstep::backend::{DEFAULT_URL, SCHEDULER_ROLE_VARIABLE, SCHEDULER_VARIABLE, URL_VARIABLE};
//!
//! let mut worker = std::process::Command::new("orders");
//! worker
//!     .env(URL_VARIABLE, "dynamodb://orders?queue=wakes") // without it, DEFAULT_URL
//!     .env(SCHEDULER_VARIABLE, "orders")
//!     .env(SCHEDULER_ROLE_VARIABLE, "arn:aws:iam::123456789012:role/wakes");
//! assert_eq!(worker.get_envs().count(), 3);
//! assert_eq!(DEFAULT_URL, "sqlite:everstep.db");
//! ```

mod url;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

pub use url::{BackendUrl, InvalidBackendUrl, SchedulerUrl};

use crate::archive::{Archive, ArchiveUrlError};
use crate::id::HostId;
use crate::memory::{MemoryQueue, MemoryStore};
use crate::payload::{Payloads, PayloadsError};
use crate::store::{EventStore, StoreError};
use crate::wake::{QueueError, WakeQueue};

/// The environment variable that names the backend.
pub const URL_VARIABLE: &str = "EVERSTEP_URL";

/// The environment variable that names the schedule group of a DynamoDB backend, where its URL does
/// not.
pub const SCHEDULER_VARIABLE: &str = "EVERSTEP_SCHEDULER";

/// The environment variable that names the role of a schedule group, where the URL does not.
pub const SCHEDULER_ROLE_VARIABLE: &str = "EVERSTEP_SCHEDULER_ROLE";

/// The backend where the environment names none: a file in the current folder.
pub const DEFAULT_URL: &str = "sqlite:everstep.db";

/// A store, a queue, and this process's name among those that use them. Clones are the same.
///
/// ```
/// use everstep::archive::{Archive, MemoryArchive};
/// use everstep::backend::BackendUrl;
/// use everstep::payload::{MemoryPayloads, Payloads};
/// use everstep::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(ExecutionId::random().as_str());
/// # std::fs::create_dir(&folder)?;
/// let url = BackendUrl::Sqlite { path: folder.join("orders.db"), synchronous_full: false };
/// // A tool that looks at executions does not make a file where there is none.
/// assert!(Backend::connect_existing(&url).await.is_err());
///
/// let backend = Backend::connect(&url)
///     .await?
///     .with_payloads(Payloads::new(MemoryPayloads::new()))
///     .with_archive(Archive::new(MemoryArchive::new()));
/// assert_eq!(backend.host()?, backend.host()?); // this process, in its claims
/// assert!(Backend::connect_existing(&url).await.is_ok());
/// # drop(backend);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Backend {
    /// Where the logs are.
    pub store: Arc<dyn EventStore>,
    /// Where the wakes are.
    pub queue: Arc<dyn WakeQueue>,
    host: HostName,
    /// Where large payloads are, and what is done to payloads on the way.
    pub payloads: Payloads,
    /// Where histories go before their executions are deleted, if anywhere.
    pub archive: Option<Archive>,
}

type HostName = Arc<dyn Fn() -> Result<HostId, StoreError> + Send + Sync>;

/// Why there is no [`Backend`].
///
/// ```
/// use everstep::backend::BackendError;
/// use everstep::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// match Backend::from_url("mysql://orders").await {
///     Err(BackendError::Url(wrong)) => assert!(wrong.to_string().contains("use `sqlite:PATH`")),
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The URL is not one: correct it.
    #[error(transparent)]
    Url(#[from] InvalidBackendUrl),
    /// This program was built without what the URL names: build it again with the feature.
    #[error(
        "{url} needs the feature {feature:?} of everstep, and this program is built without it"
    )]
    NotBuiltIn {
        /// The URL.
        url: BackendUrl,
        /// The cargo feature.
        feature: &'static str,
    },
    /// There is no payload store of that name, or it cannot be used.
    #[error(transparent)]
    Payloads(#[from] PayloadsError),
    /// There is no archive of that name, or it cannot be used.
    #[error(transparent)]
    Archive(#[from] ArchiveUrlError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue cannot be used.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Backend {
    /// A backend of any store and queue. Its host is named after the process.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use std::sync::Arc;
    /// use everstep::memory::{MemoryQueue, MemoryStore};
    ///
    /// let backend = Backend::new(Arc::new(MemoryStore::new()), Arc::new(MemoryQueue::new()));
    /// ```
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, queue: Arc<dyn WakeQueue>) -> Self {
        let host = this_process();
        let payloads = Payloads::none();
        Self { store, queue, host: Arc::new(move || Ok(host.clone())), payloads, archive: None }
    }

    /// A new, empty backend in memory.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// let backend = Backend::memory();
    /// let client = Client::new(&backend);
    /// ```
    #[must_use]
    pub fn memory() -> Self {
        Self::new(Arc::new(MemoryStore::new()), Arc::new(MemoryQueue::new()))
    }

    /// The same with these payloads.
    #[must_use]
    pub fn with_payloads(mut self, payloads: Payloads) -> Self {
        self.payloads = payloads;
        self
    }

    /// The same with this archive.
    #[must_use]
    pub fn with_archive(mut self, archive: Archive) -> Self {
        self.archive = Some(archive);
        self
    }

    /// The backend that `EVERSTEP_URL` names; without it, the SQLite file `everstep.db` in the current
    /// folder. Its payloads are those of `EVERSTEP_PAYLOADS`, its archive is that of `EVERSTEP_ARCHIVE`;
    /// without these it has none.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(ExecutionId::random().as_str());
    /// # std::fs::create_dir(&folder)?;
    /// # std::env::set_current_dir(&folder)?;
    /// let backend = Backend::from_env().await?;
    /// # if std::env::var_os("EVERSTEP_URL").is_none() {
    /// assert!(std::path::Path::new("everstep.db").exists()); // nobody has said otherwise
    /// # }
    /// # drop(backend);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// See [`connect`](Self::connect), and each URL may be wrong.
    pub async fn from_env() -> Result<Self, BackendError> {
        let backend = match std::env::var(URL_VARIABLE) {
            Ok(url) => Self::from_url(&url).await?,
            Err(std::env::VarError::NotPresent) => Self::from_url(DEFAULT_URL).await?,
            Err(std::env::VarError::NotUnicode(url)) => {
                let url = url.to_string_lossy().into();
                return Err(InvalidBackendUrl::UnknownScheme { url }.into());
            }
        };
        let backend = Self { archive: Archive::from_env().await?, ..backend };
        Ok(backend.with_payloads(Payloads::from_env().await?))
    }

    /// The backend that `url` names.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let backend = Backend::from_url("memory:").await?; // or sqlite:orders.db
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// See [`connect`](Self::connect), and the URL may be wrong.
    pub async fn from_url(url: &str) -> Result<Self, BackendError> {
        Self::connect(&url.parse()?).await
    }

    /// Opens the backend. A missing SQLite file is made; AWS is not asked anything yet, so that a
    /// table or queue may be missing until [`setup`](EventStore::setup).
    ///
    /// # Errors
    /// This program is built without the feature for it; the file cannot be opened; no AWS region
    /// is set; the name of the table or the queue cannot be one.
    pub async fn connect(url: &BackendUrl) -> Result<Self, BackendError> {
        Self::open(url, true).await
    }

    /// Opens the backend if it is there: a missing SQLite file is an error and is not made. For
    /// programs that look at executions, where an empty file only hides a wrong path.
    ///
    /// # Errors
    /// See [`connect`](Self::connect); or the file is missing or not set up.
    pub async fn connect_existing(url: &BackendUrl) -> Result<Self, BackendError> {
        Self::open(url, false).await
    }

    async fn open(url: &BackendUrl, create: bool) -> Result<Self, BackendError> {
        match url {
            BackendUrl::Memory => Ok(Self::memory()),
            BackendUrl::Sqlite { path, synchronous_full } => {
                Self::sqlite(url, path, *synchronous_full, create)
            }
            BackendUrl::Dynamodb { table, queue, scheduler } => {
                let scheduler =
                    with_environment(scheduler.clone(), |name| std::env::var(name).ok());
                Self::dynamodb(url, table, queue, scheduler?).await
            }
        }
    }

    /// This process's name in claims. A SQLite file is told here that the process takes turns, so
    /// call it only if it does.
    ///
    /// # Errors
    /// The file cannot be told.
    pub fn host(&self) -> Result<HostId, StoreError> {
        (self.host)()
    }

    /// Makes what store and queue need, and checks that the payloads' codecs have what they need, such
    /// as a key that this program may use. Safe to repeat, and for several at once.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// Backend::memory().setup().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// What any of them says.
    pub async fn setup(&self) -> Result<(), BackendError> {
        self.store.setup().await?;
        self.queue.setup().await?;
        self.payloads.check().await.map_err(PayloadsError::from)?;
        Ok(())
    }

    #[cfg(feature = "aws")]
    async fn dynamodb(
        url: &BackendUrl,
        table: &str,
        queue: &str,
        scheduler: Option<SchedulerUrl>,
    ) -> Result<Self, BackendError> {
        let config = crate::aws::load_config().await;
        let store = crate::aws::DynamoStore::new(&config, table)?;
        let queue = crate::aws::SqsQueue::new(&config, queue)?;
        let queue: Arc<dyn WakeQueue> = match scheduler {
            None => Arc::new(queue),
            #[cfg(feature = "scheduler")]
            Some(scheduler) => {
                let clock = crate::aws::EventBridgeScheduler::new(&config, &queue, &scheduler)?;
                Arc::new(crate::wake::AlarmQueue::new(Arc::new(queue), Arc::new(clock)))
            }
            #[cfg(not(feature = "scheduler"))]
            Some(_) => {
                let (url, feature) = (url.clone(), "scheduler");
                return Err(BackendError::NotBuiltIn { url, feature });
            }
        };
        let _ = url;
        Ok(Self::new(Arc::new(store), queue))
    }

    #[cfg(not(feature = "aws"))]
    async fn dynamodb(
        url: &BackendUrl,
        _: &str,
        _: &str,
        _: Option<SchedulerUrl>,
    ) -> Result<Self, BackendError> {
        Err(BackendError::NotBuiltIn { url: url.clone(), feature: "aws" })
    }

    #[cfg(feature = "sqlite")]
    fn sqlite(_: &BackendUrl, path: &Path, sync: bool, create: bool) -> Result<Self, BackendError> {
        use crate::local::{SqliteBackend, SqliteOptions};
        let options = SqliteOptions::new().sync_every_commit(sync).create(create);
        let opened = SqliteBackend::open(path, &options)?;
        Ok(Self {
            store: Arc::new(opened.store()),
            queue: Arc::new(opened.queue()),
            host: Arc::new(move || opened.host()),
            payloads: Payloads::none(),
            archive: None,
        })
    }

    #[cfg(not(feature = "sqlite"))]
    fn sqlite(url: &BackendUrl, _: &Path, _: bool, _: bool) -> Result<Self, BackendError> {
        Err(BackendError::NotBuiltIn { url: url.clone(), feature: "sqlite" })
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("store", &self.store)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// What a URL says of the scheduler, and for the rest the environment.
fn with_environment(
    named: Option<SchedulerUrl>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<SchedulerUrl>, InvalidBackendUrl> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let (group, role) = match named {
        Some(SchedulerUrl { group, role }) => (Some(group), role),
        None => (set(SCHEDULER_VARIABLE), None),
    };
    let Some(group) = group else { return Ok(None) };
    let role = role.or_else(|| set(SCHEDULER_ROLE_VARIABLE));
    let scheduler = SchedulerUrl::new(&group, role.as_deref());
    scheduler.map(Some).map_err(|expected| InvalidBackendUrl::InvalidValue {
        url: "the environment".to_owned(),
        name: SCHEDULER_VARIABLE,
        value: format!("{group}, {SCHEDULER_ROLE_VARIABLE}={}", role.unwrap_or_default()),
        expected,
    })
}

/// A name that no other process has: the log stream of a Lambda function, which is where its
/// output is found, or machine, process and a random part.
fn this_process() -> HostId {
    if let Ok(stream) = std::env::var("AWS_LAMBDA_LOG_STREAM_NAME") {
        return HostId(stream.into());
    }
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_default();
    let machine = Some(machine.trim()).filter(|name| !name.is_empty()).unwrap_or("host");
    let random = Uuid::new_v4().as_fields().0;
    HostId(format!("{machine}/{}/{random:08x}", std::process::id()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/wakes";

    fn check(
        url: Option<(&str, Option<&str>)>,
        variables: [&str; 2],
        is: Option<(&str, Option<&str>)>,
    ) {
        let of = |(group, role)| SchedulerUrl::new(group, role).unwrap();
        let [group, role] = variables.map(str::to_owned);
        let variable = |name: &str| match name {
            SCHEDULER_VARIABLE => Some(group.clone()),
            SCHEDULER_ROLE_VARIABLE => Some(role.clone()),
            _ => None,
        };
        assert_eq!(with_environment(url.map(of), variable), Ok(is.map(of)));
    }

    #[test]
    fn the_environment_says_of_the_scheduler_what_the_url_does_not() {
        check(None, ["", ""], None);
        check(None, ["", ROLE], None);
        check(None, ["g", ROLE], Some(("g", Some(ROLE))));
        check(None, ["g", ""], Some(("g", None)));
        check(Some(("h", None)), ["g", ROLE], Some(("h", Some(ROLE))));
        check(
            Some(("h", Some("arn:aws:iam::1:role/mine"))),
            ["g", ROLE],
            Some(("h", Some("arn:aws:iam::1:role/mine"))),
        );
        let wrong = with_environment(None, |_| Some("a b".to_owned())).unwrap_err().to_string();
        assert!(wrong.contains(SCHEDULER_VARIABLE) && wrong.contains("64 letters"), "{wrong}");
    }
}
