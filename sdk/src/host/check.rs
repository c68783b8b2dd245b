//! The deploy check: what this program would do with every open execution, before it is deployed.

mod histories;
mod report;

use std::collections::HashSet;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinSet;

use report::Looked;
pub use report::{Broken, CheckReport, Checked};

use super::app::App;
use super::error::AppError;
use super::registry::Registry;
use crate::client::Client;
use crate::event::{Event, Json, pinned_to};
use crate::replay::{Fault, History};
use crate::store::{Loaded, Record, Status, StoreError};
use crate::time::Clock;
use crate::turn::Rehearsal;

/// How many executions are looked at at once, unless [`Check::concurrency`] says otherwise.
const CONCURRENCY: usize = 16;

/// Where an execution is open. What runs may be suspended before that is listed, so running ones
/// are listed again at last.
const OPEN: [Status; 4] = [Status::Running, Status::Suspended, Status::Blocked, Status::Running];

/// Why a check came to nothing.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::host::{AppError, CheckError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// match App::new().backend(Backend::memory()).check().await {
///     Err(CheckError::App(AppError::NoWorkflow)) => {} // of nothing, nothing can be checked
///     other => panic!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The app cannot run.
    #[error(transparent)]
    App(#[from] AppError),
    /// The store did not answer or cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder of [histories](Check::histories) cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is none of a history, or not the whole of one: export the execution again.
    #[error("{}, line {line}: {problem}", file.display())]
    History {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// There is nothing to check, which is more likely a mistake than what is wanted: name the
    /// folder that has the histories, or export some to it.
    #[error(
        "no history {of}is in {places}, so nothing was checked: export some, with `everstep export \
         --status open --out FOLDER`, or name the folder or files that have them (NAME.jsonl)"
    )]
    NoHistories {
        /// Where there is none.
        places: String,
        /// Of which workflows, if they were named.
        of: String,
    },
}

/// A check that has not begun: await it.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::host::Check;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let check: Check = App::new().workflow(sell).backend(Backend::memory()).check();
/// let report = check.workflow("sell").limit(1_000).await?;
/// assert_eq!((report.checked(), report.limited), (0, false));
/// # Ok(()) }
/// ```
#[must_use = "nothing is checked unless this is awaited"]
pub struct Check {
    app: App,
    workflows: HashSet<String>,
    histories: Vec<PathBuf>,
    limit: usize,
    concurrency: usize,
    progress: Option<Progress>,
}

type Progress = Box<dyn FnMut(&CheckReport) + Send>;

impl App {
    /// Replays every open execution of the backend against this program, and reports what would
    /// block. Only reads: no step runs, nothing is written, nobody is woken; so it can be run
    /// against the table of production by the build of the next release.
    ///
    /// An execution that moves while the check runs is seen as it was or as it is. What is started
    /// meanwhile may be missed. If this app [pins](Self::pin_to_version) runs to versions, those that are
    /// pinned are counted and not replayed: an app without that replays them too.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn fulfil(order: u8) -> everstep::Result<u8> { Ok(order) }
    /// # fn app() -> App { App::new().workflow(fulfil).backend(Backend::memory()) }
    /// // main() of a program with a --check
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// if std::env::args().any(|arg| arg == "--check") {
    ///     let report = app().check().await?;
    ///     println!("{report}");
    ///     std::process::exit(report.exit_code());
    /// }
    /// # let report = app().check().await?;
    /// # assert_eq!((report.exit_code(), report.checked()), (0, 0));
    /// # Ok(()) }
    /// ```
    pub fn check(self) -> Check {
        Check {
            app: self,
            workflows: HashSet::new(),
            histories: Vec::new(),
            limit: usize::MAX,
            concurrency: CONCURRENCY,
            progress: None,
        }
    }
}

impl Check {
    /// Instead of what is open, histories in files: those that `everstep export` has written, where
    /// the job that checks a build reaches no backend, and none is asked for. `path` is a file, or a
    /// folder with all files in it, and in its folders, whose names end in `.jsonl`. A second call
    /// adds to the first.
    ///
    /// Each run of a history is replayed. One that has ended stands for the executions that are
    /// where it was: if its replay fails on the way, that counts as [would
    /// block](Checked::would_block) too. A history that has sealed payloads is replayed with the
    /// app's [payloads](App::payloads), and counts as broken if they cannot open these.
    ///
    /// Awaiting it is [`CheckError::NoHistories`] if there are none, [`CheckError::Unreadable`] if
    /// something cannot be read, and [`CheckError::History`], with file and line, if a file is
    /// damaged: no check passes because it had nothing to look at.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     signal::<()>("paid").await?;
    /// #     Ok(card)
    /// # }
    /// # let folder = std::env::temp_dir().join(format!("everstep-histories-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let sale = r#"{"event":{"WorkflowStarted":{"at":0,"execution":"sale-1","workflow":"sell","run":1,"input":"4242"}}}"#;
    /// # std::fs::write(folder.join("sale-1.jsonl"), sale)?;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn check(folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    /// // everstep export --status open --out tests/histories
    /// let report = App::new().workflow(sell).check().histories(folder).await?;
    /// assert_eq!((report.checked(), report.exit_code()), (1, 0));
    /// # Ok(()) }
    /// # check(&folder)?;
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn histories(mut self, path: impl Into<PathBuf>) -> Self {
        self.histories.push(path.into());
        self
    }

    /// Only executions of this workflow, and of others that are named so. By default all that the
    /// backend has: one whose workflow this program does not know counts as broken.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let check = App::new().workflow(sell).backend(Backend::memory()).check();
    /// let report = check.workflow("sell").await?;
    /// assert_eq!(report.checked(), 0);
    /// # Ok(()) }
    /// ```
    pub fn workflow(mut self, name: impl Into<String>) -> Self {
        self.workflows.insert(name.into());
        self
    }

    /// At most so many executions; by default all that are open, however many. The report says
    /// whether there [are more](CheckReport::limited).
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let check = App::new().workflow(sell).backend(Backend::memory()).check();
    /// let report = check.limit(1_000).await?;
    /// assert_eq!(report.checked(), 0);
    /// # Ok(()) }
    /// ```
    pub fn limit(mut self, executions: usize) -> Self {
        self.limit = executions;
        self
    }

    /// So many at once, at least 1; by default 16. [Histories](Self::histories) are replayed one
    /// after the other.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let check = App::new().workflow(sell).backend(Backend::memory()).check();
    /// let report = check.concurrency(4).await?;
    /// assert_eq!(report.checked(), 0);
    /// # Ok(()) }
    /// ```
    pub fn concurrency(mut self, executions: usize) -> Self {
        self.concurrency = executions.max(1);
        self
    }

    /// Calls `progress` after each execution with what is known so far.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let check = App::new().workflow(sell).backend(Backend::memory()).check();
    /// let report = check.progress(|report| println!("{} are checked", report.checked())).await?;
    /// assert_eq!(report.checked(), 0);
    /// # Ok(()) }
    /// ```
    pub fn progress(mut self, progress: impl FnMut(&CheckReport) + Send + 'static) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    async fn run(mut self) -> Result<CheckReport, CheckError> {
        if !self.histories.is_empty() {
            return self.run_histories().await;
        }
        let backend = self.app.connect().await.map_err(AppError::from)?;
        let client = Client::on(&backend, &Clock::system());
        let registry = Arc::new(self.app.clone().registry()?);
        let mut running = Running {
            client,
            registry,
            concurrency: self.concurrency,
            looks: JoinSet::new(),
            report: CheckReport::default(),
            progress: self.progress.take(),
        };
        let (mut seen, limit) = (HashSet::new(), self.limit);
        let workflows: Vec<Option<String>> = match self.workflows.len() {
            0 => vec![None],
            _ => self.workflows.into_iter().map(Some).collect(),
        };
        'lists: for workflow in workflows {
            for status in OPEN {
                let mut after = None;
                loop {
                    let mut list = running.client.list().status(status);
                    if let Some(workflow) = &workflow {
                        list = list.workflow(workflow);
                    }
                    if let Some(after) = after {
                        list = list.after(after);
                    }
                    let page = list.page().await?;
                    for record in page.records {
                        if !seen.insert(record.id.clone()) {
                            continue;
                        }
                        if seen.len() > limit {
                            running.report.limited = true;
                            break 'lists;
                        }
                        running.look(record).await?;
                    }
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
        running.end().await
    }
}

impl IntoFuture for Check {
    type Output = Result<CheckReport, CheckError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A check under way.
struct Running {
    client: Client,
    registry: Arc<Registry>,
    concurrency: usize,
    looks: JoinSet<Result<Seen, StoreError>>,
    report: CheckReport,
    progress: Option<Progress>,
}

/// What was seen of an execution.
struct Seen {
    record: Record,
    found: Found,
}

/// What a turn of this program would find.
pub(super) enum Found {
    /// It goes on.
    Fine,
    /// It has ended meanwhile.
    Ended,
    /// It would end where the code of before went on waiting.
    Differs(String),
    /// It has ended, and would end in another way.
    EndsOtherwise(String),
    /// It would be blocked, or stay so.
    Blocks(Fault),
    /// Its log cannot be read.
    Unreadable(String),
    /// This program never takes it.
    Pinned,
}

impl Running {
    /// Begins to look at an execution, as soon as not too many are being looked at.
    async fn look(&mut self, record: Record) -> Result<(), StoreError> {
        while self.looks.len() >= self.concurrency {
            self.take_one().await?;
        }
        let (client, registry) = (self.client.clone(), Arc::clone(&self.registry));
        self.looks.spawn(async move {
            let found = match client.load(&record.id).await {
                Ok(loaded) => rehearse(&client, &registry, &loaded).await?,
                Err(crate::client::HistoryError::Store(error)) => return Err(error),
                // It is gone.
                Err(_) => Found::Ended,
            };
            Ok(Seen { record, found })
        });
        Ok(())
    }

    async fn take_one(&mut self) -> Result<(), StoreError> {
        let Some(joined) = self.looks.join_next().await else { return Ok(()) };
        let seen = joined.unwrap_or_else(|died| std::panic::resume_unwind(died.into_panic()))?;
        self.report.add(&Looked::at(&seen.record), seen.found);
        if let Some(progress) = &mut self.progress {
            progress(&self.report);
        }
        Ok(())
    }

    async fn end(mut self) -> Result<CheckReport, CheckError> {
        while !self.looks.is_empty() {
            self.take_one().await?;
        }
        self.report.sort();
        Ok(self.report)
    }
}

async fn rehearse(
    client: &Client,
    registry: &Registry,
    loaded: &Loaded,
) -> Result<Found, StoreError> {
    let mut history = match History::read(&loaded.commits, loaded.from)
        .and_then(|history| loaded.check_end().map(|()| history))
    {
        Ok(history) => history,
        Err(corrupt) => return Ok(Found::Unreadable(corrupt.to_string())),
    };
    if history.ended {
        return Ok(Found::Ended);
    }
    if stays(registry, &history.events) {
        return Ok(Found::Pinned);
    }
    let unopened = client.payloads.open_events(&loaded.record.id, &mut history.events).await?;
    if let Some(unopened) = unopened {
        return Ok(Found::Unreadable(unopened.to_string()));
    }
    Ok(found(registry, &Arc::new(history.events), None))
}

/// Whether an open run goes on with the version of the function that has it, and not with this program.
fn stays(registry: &Registry, events: &[Event]) -> bool {
    registry.pins() && pinned_to(events).is_some()
}

/// What this program does with the events of a run; `next` is the input of the one behind it.
fn found(registry: &Registry, events: &Arc<Vec<Event>>, next: Option<&Json>) -> Found {
    let rehearsal = match Rehearsal::of(registry, events) {
        Err(fault) => return Found::Blocks(fault),
        Ok(rehearsal) => rehearsal,
    };
    let ended = |last: &Event| last.is_end() || matches!(last, Event::ContinuedAsNew(_));
    match rehearsal.difference(events, next) {
        None => Found::Fine,
        Some(difference) if events.last().is_some_and(ended) => Found::EndsOtherwise(difference),
        Some(difference) => Found::Differs(difference),
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("app", &self.app).finish_non_exhaustive()
    }
}
