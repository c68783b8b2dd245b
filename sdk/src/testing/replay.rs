//! A recorded history against the code of today.

use std::sync::Arc;

use crate::event::{Commit, Event, Json, Runs, Unreadable, Why, read_lines};
use crate::host::{App, AppError, Registry};
use crate::id::ExecutionId;
use crate::replay::Fault;
use crate::turn::Rehearsal;

/// The history of an execution, recorded to be [replayed](replay).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded(Runs);

/// Why a history does not replay.
///
/// ```
/// use everstep::testing::{Recorded, ReplayError};
///
/// match Recorded::parse("no history") {
///     Err(ReplayError::Line { line, .. }) => assert_eq!(line, 1),
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A line is no event: record the history again, with a program of this version or an older
    /// one.
    #[error("line {line} is not one of `everstep history --json`")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It begins elsewhere than at its start: record it whole.
    #[error("a history begins with WorkflowStarted, and this one with {with}")]
    NoStart {
        /// What it begins with.
        with: &'static str,
    },
    /// A line does not follow the one before, because lines are missing or of another execution:
    /// record the history again.
    #[error("line {line}: {problem}")]
    OutOfPlace {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The app cannot run.
    #[error(transparent)]
    App(#[from] AppError),
    /// The app has no such workflow: add it, or give one that is there the old name.
    #[error("the app has no workflow {name:?}: there are {known}")]
    UnknownWorkflow {
        /// The recorded name.
        name: String,
        /// The names of the app's workflows.
        known: String,
    },
    /// The code does not do what the history says it did. Such a change needs a workflow of a new
    /// name as long as executions are open.
    #[error("execution {execution}: {difference}")]
    Differs {
        /// Whose history.
        execution: ExecutionId,
        /// The first difference, with both sides.
        difference: String,
    },
}

impl From<Unreadable> for ReplayError {
    fn from(Unreadable { line, why }: Unreadable) -> Self {
        match why {
            Why::NoEvent(source) => Self::Line { line, source },
            Why::NoStart { with } => Self::NoStart { with },
            Why::OutOfPlace(problem) => Self::OutOfPlace { line, problem },
        }
    }
}

impl Recorded {
    /// Reads what `everstep history --json ID` has printed. Empty lines are passed over.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// use everstep::event::HistoryLine;
    /// use everstep::testing::{Recorded, ReplayError, replay};
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # let env = Env::new(App::new().workflow(sell));
    /// # let sale = env.start(sell, "4242".to_owned());
    /// # sale.result().unwrap();
    /// # let log = sale.history();
    ///
    /// let lines: Vec<String> = HistoryLine::of(sale.id(), &log).map(|line| line.to_text().unwrap()).collect();
    /// let recorded = Recorded::parse(&lines.join("\n")).unwrap();
    /// replay(&App::new().workflow(sell), &recorded).unwrap();
    ///
    /// // The first line is missing:
    /// let cut = Recorded::parse(&lines[1..].join("\n"));
    /// assert!(matches!(cut, Err(ReplayError::NoStart { .. })));
    /// ```
    ///
    /// # Errors
    /// A line is no event, the first is not the start, or lines are missing.
    pub fn parse(lines: &str) -> Result<Self, ReplayError> {
        Self::from_events(read_lines(lines)?)
    }

    /// The history of a log, as [`Client::history`](crate::Client::history) gives it.
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
    /// env.advance(days(1));
    /// let recorded = everstep::testing::Recorded::from_log(sale.history()).unwrap();
    /// everstep::testing::replay(&App::new().workflow(sell), &recorded).unwrap();
    /// ```
    ///
    /// # Errors
    /// It does not begin with its start.
    pub fn from_log(log: Vec<Commit>) -> Result<Self, ReplayError> {
        Self::from_events(log.into_iter().flat_map(|commit| commit.events).collect())
    }

    pub(super) fn from_events(events: Vec<Event>) -> Result<Self, ReplayError> {
        Runs::of(events).map(Self).map_err(|with| ReplayError::NoStart { with })
    }
}

/// Replays a history against the workflow of its name in `app`, without running any step: the code
/// must ask for what it asked for then, in the same order, and return what it returned.
///
/// An execution that was open when it was recorded may go on in any way from there.
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::testing::{Recorded, ReplayError, replay};
/// # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(name) }
/// # let env = Env::new(App::new().workflow(greet));
/// # let greeting = env.start(greet, "Ada".to_owned());
/// # greeting.result().unwrap();
///
/// let recorded = Recorded::from_log(greeting.history()).unwrap();
/// replay(&App::new().workflow(greet), &recorded).unwrap();
///
/// // The code of the next release, in which the workflow of this name greets otherwise:
/// # let changed = {
/// #[workflow]
/// async fn greet(name: String) -> everstep::Result<String> {
///     Ok(format!("hello, {name}"))
/// }
/// # App::new().workflow(greet) };
/// assert!(matches!(replay(&changed, &recorded), Err(ReplayError::Differs { .. })));
/// ```
///
/// A history that was exported is a file:
///
/// ```no_run
/// # use everstep::prelude::*;
/// # #[step] async fn charge(card: &str) -> everstep::Result<String> { Ok(card.to_owned()) }
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { charge(&card).await }
/// use everstep::testing::{Recorded, replay};
/// // everstep history --json sale-1 > tests/histories/sale-1.jsonl
/// let sale = Recorded::parse(&std::fs::read_to_string("tests/histories/sale-1.jsonl")?)?;
/// replay(&App::new().workflow(sell), &sale)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The first difference, with both sides; or the app has no such workflow or cannot run.
pub fn replay(app: &App, recorded: &Recorded) -> Result<(), ReplayError> {
    let registry = app.clone().registry()?;
    recorded.0.each().try_for_each(|(run, next)| replay_run(&registry, run, next))
}

/// Replays one run; `next` is the input of the one after it.
fn replay_run(
    registry: &Registry,
    events: &Arc<Vec<Event>>,
    next: Option<&Json>,
) -> Result<(), ReplayError> {
    let Some(Event::WorkflowStarted(start)) = events.first() else {
        unreachable!("a run is made with its start")
    };
    let difference = match Rehearsal::of(registry, events) {
        Err(Fault::UnknownWorkflow { name }) => {
            let known = registry.names().collect::<Vec<_>>().join(", ");
            return Err(ReplayError::UnknownWorkflow { name, known });
        }
        Err(fault) => Some(fault.to_string()),
        Ok(rehearsal) => rehearsal.difference(events, next),
    };
    match difference {
        None => Ok(()),
        Some(difference) => {
            Err(ReplayError::Differs { execution: start.execution.clone(), difference })
        }
    }
}

/// What a test of [`histories!`](super::histories) does.
///
/// # Panics
/// The history cannot be read, or does not replay.
#[doc(hidden)]
#[track_caller]
pub fn check_history(app: App, file: &str, lines: &str) {
    let replayed = Recorded::parse(lines).and_then(|recorded| replay(&app, &recorded));
    if let Err(error) = replayed {
        let source = std::error::Error::source(&error);
        let because = source.map(|source| format!(": {source}")).unwrap_or_default();
        panic!("{file} does not replay: {error}{because}");
    }
}

/// [`check_history`] for the files of a folder that were not there when the tests were built.
///
/// # Panics
/// One does not replay, or the folder is gone.
#[doc(hidden)]
#[track_caller]
pub fn check_histories_but(app: impl Fn() -> App, folder: &str, built: &[&str]) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    for entry in entries {
        let path = entry.unwrap_or_else(|error| panic!("{folder}: {error}")).path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_one = path.extension().is_some_and(|extension| extension == "jsonl");
        if is_one && !built.contains(&&*name) {
            let lines = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            check_history(app(), &name, &lines);
        }
    }
}
