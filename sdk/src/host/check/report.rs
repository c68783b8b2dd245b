//! What a check has found, in counts and as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Found;
use crate::id::ExecutionId;
use crate::replay::Fault;
use crate::store::{Record, Status};

/// How many ids are printed with a problem.
const IDS_SHOWN: usize = 5;

/// What a [check](crate::App::check) has found. Its `Display` is a table of counts by workflow, and
/// under it each problem once, with the executions that have it.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::host::CheckReport;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
/// # #[workflow] async fn refund(card: String) -> everstep::Result<String> { Ok(card) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = Backend::memory();
/// Client::new(&backend).start(sell, "4242".to_owned()).id("sale-7").await?;
///
/// // The next release has no more sales.
/// let report: CheckReport = App::new().workflow(refund).backend(backend).check().await?;
/// assert_eq!((report.broken.len(), report.exit_code()), (1, 1));
/// assert!(report.to_string().contains("sell: 1 would block: this program has no such workflow"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// The counts of each workflow, by its name.
    pub workflows: BTreeMap<String, Checked>,
    /// Every execution that has a problem, by workflow, problem and id.
    pub broken: Vec<Broken>,
    /// Whether there are more than the [limit](super::Check::limit) let it look at.
    pub limited: bool,
    /// Whether these are [histories](super::Check::histories), and not what is open.
    pub of_histories: bool,
}

/// What became of the open executions of a workflow, or of its histories.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::host::Checked;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = Backend::memory();
/// Client::new(&backend).start(sell, "4242".to_owned()).id("sale-7").await?;
///
/// let report = App::new().workflow(sell).backend(backend).check().await?;
/// let sales: Checked = report.workflows["sell"];
/// assert_eq!((sales.go_on, sales.would_block), (1, 0));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// They go on.
    pub go_on: usize,
    /// They are blocked now and go on after a deploy of this program and a resume (a worker resumes
    /// by itself when it starts).
    pub unblocked: usize,
    /// They would be blocked.
    pub would_block: usize,
    /// They are blocked now and stay so.
    pub stay_blocked: usize,
    /// They would end where the code of before waits. Nothing blocks: it may be what is wanted.
    pub would_end: usize,
    /// Their histories have ended, and this program comes to another end. Nothing blocks: what is
    /// open may well be meant to end so.
    pub end_otherwise: usize,
    /// They are [pinned](crate::App::pin_to_version) to the version of the function that has them, and
    /// were not replayed.
    pub pinned: usize,
}

/// An execution that does not go on as before.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::host::Broken;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
/// # #[workflow] async fn refund(card: String) -> everstep::Result<String> { Ok(card) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = Backend::memory();
/// Client::new(&backend).start(sell, "4242".to_owned()).id("sale-7").await?;
///
/// let report = App::new().workflow(refund).backend(backend).check().await?;
/// let broken: &Broken = &report.broken[0];
/// assert_eq!((broken.execution.as_str(), &*broken.workflow), ("sale-7", "sell"));
/// assert!(broken.blocks && !broken.blocked_now);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broken {
    /// Which.
    pub execution: ExecutionId,
    /// Its workflow.
    pub workflow: String,
    /// The file of its history, if that is what was looked at.
    pub file: Option<PathBuf>,
    /// Whether it is blocked now; of a history, whether the last turn in it says so.
    pub blocked_now: bool,
    /// Whether this program blocks it; else it ends where the code of before waits, or, if its
    /// history [has ended](Self::ended), in another way.
    pub blocks: bool,
    /// Whether it has ended, which only a history can have.
    pub ended: bool,
    /// What is wrong, without what is the execution's own: many have the same.
    pub problem: String,
    /// What is wrong, as the reason of a block would say it.
    pub reason: String,
}

/// Whose log was looked at.
pub(super) struct Looked<'a> {
    pub(super) execution: &'a ExecutionId,
    pub(super) workflow: &'a str,
    pub(super) file: Option<&'a Path>,
    pub(super) blocked_now: bool,
    pub(super) ended: bool,
}

impl<'a> Looked<'a> {
    /// That of an open execution.
    pub(super) fn at(record: &'a Record) -> Self {
        Self {
            execution: &record.id,
            workflow: &record.workflow,
            file: None,
            blocked_now: record.projection.status == Status::Blocked,
            ended: false,
        }
    }
}

impl CheckReport {
    /// How many open executions, or histories, were looked at.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let report = App::new().workflow(sell).backend(Backend::memory()).check().await?;
    /// assert_eq!(report.checked(), 0); // nothing is open
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn checked(&self) -> usize {
        self.sum(|it| {
            let blocked = it.unblocked + it.would_block + it.stay_blocked;
            it.go_on + blocked + it.would_end + it.end_otherwise + it.pinned
        })
    }

    /// How many executions that go on now would be blocked.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let report = App::new().workflow(sell).backend(Backend::memory()).check().await?;
    /// assert_eq!(report.would_block(), 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn would_block(&self) -> usize {
        self.sum(|it| it.would_block)
    }

    /// What a check exits with: 1 if an execution that goes on now [would be
    /// blocked](Self::would_block), else 0. Those that are blocked already and stay so do not
    /// count: the deploy makes nothing worse.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let report = App::new().workflow(sell).backend(Backend::memory()).check().await?;
    /// assert_eq!(report.exit_code(), 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        i32::from(self.would_block() > 0)
    }

    fn sum(&self, of: impl Fn(&Checked) -> usize) -> usize {
        self.workflows.values().map(of).sum()
    }

    pub(super) fn add(&mut self, looked: &Looked<'_>, found: Found) {
        let blocked_now = looked.blocked_now;
        let (problem, reason, blocks) = match found {
            Found::Ended => return,
            Found::Pinned => {
                self.counts(looked).pinned += 1;
                return;
            }
            Found::Fine => {
                let counts = self.counts(looked);
                let of = if blocked_now { &mut counts.unblocked } else { &mut counts.go_on };
                *of += 1;
                return;
            }
            Found::Differs(difference) => ("it would end here".to_owned(), difference, false),
            Found::EndsOtherwise(difference) => {
                ("it ended in another way".to_owned(), difference, false)
            }
            Found::Unreadable(problem) => (problem.clone(), problem, true),
            Found::Blocks(Fault::UnknownWorkflow { .. }) => {
                let problem = "this program has no such workflow".to_owned();
                (problem.clone(), problem, true)
            }
            Found::Blocks(fault) => (fault.in_brief(), fault.to_string(), true),
        };
        let counts = self.counts(looked);
        match (blocks, blocked_now) {
            (false, _) if looked.ended => counts.end_otherwise += 1,
            (false, _) => counts.would_end += 1,
            (true, false) => counts.would_block += 1,
            (true, true) => counts.stay_blocked += 1,
        }
        self.broken.push(Broken {
            execution: looked.execution.clone(),
            workflow: looked.workflow.to_owned(),
            file: looked.file.map(Path::to_owned),
            blocked_now,
            blocks,
            ended: looked.ended,
            problem,
            reason,
        });
    }

    fn counts(&mut self, looked: &Looked<'_>) -> &mut Checked {
        self.workflows.entry(looked.workflow.to_owned()).or_default()
    }

    pub(super) fn sort(&mut self) {
        self.broken.sort_by(|a, b| {
            let key = |it: &Broken| (it.workflow.clone(), it.problem.clone(), it.execution.clone());
            key(a).cmp(&key(b)).then_with(|| a.file.cmp(&b.file))
        });
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.workflows.is_empty() {
            return f.write_str("no execution is open");
        }
        self.table(f)?;
        let pinned = self.sum(|it| it.pinned);
        if pinned > 0 {
            writeln!(
                f,
                "{pinned} are pinned to versions that have them, and need not fit this program"
            )?;
        }
        if self.limited {
            let checked = self.checked();
            let more = if self.of_histories { "there are more" } else { "more are open" };
            writeln!(f, "it stopped at its limit: {checked} were looked at, and {more}")?;
        }
        let mut problems: BTreeMap<(&str, &str, [bool; 3]), Vec<&Broken>> = BTreeMap::new();
        for broken in &self.broken {
            let how = [broken.blocks, broken.blocked_now, broken.ended];
            let of = (&*broken.workflow, &*broken.problem, how);
            problems.entry(of).or_default().push(broken);
        }
        for ((workflow, problem, how), all) in problems {
            let what = match how {
                [true, false, _] => "would block",
                [true, true, _] => "stay blocked",
                [false, _, false] => "would end",
                [false, _, true] => "end otherwise",
            };
            let ids: Vec<String> = all.iter().map(|it| it.name()).collect();
            let shown = ids[..ids.len().min(IDS_SHOWN)].join(", ");
            let more = match ids.len().saturating_sub(IDS_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            write!(f, "\n{workflow}: {} {what}: {problem}\n  {shown}{more}\n", all.len())?;
        }
        Ok(())
    }
}

impl CheckReport {
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEAD: [&str; 6] =
            ["go on", "unblocked", "would block", "stay blocked", "would end", "end otherwise"];
        // What is open has not ended.
        let head = if self.of_histories { &HEAD[..] } else { &HEAD[..5] };
        let name = self.workflows.keys().map(|name| name.chars().count()).max().unwrap_or(0);
        let name = name.max("workflow".len());
        write!(f, "{:<name$}", "workflow")?;
        for head in head {
            write!(f, "  {head}")?;
        }
        for (workflow, it) in &self.workflows {
            write!(f, "\n{workflow:<name$}")?;
            let (open, ended) = ([it.go_on, it.unblocked, it.would_block], it.end_otherwise);
            let counts = open.into_iter().chain([it.stay_blocked, it.would_end, ended]);
            for (head, count) in head.iter().zip(counts) {
                write!(f, "  {count:>width$}", width = head.len())?;
            }
        }
        writeln!(f)
    }
}

impl Broken {
    /// By what it is found: its file, or its id.
    fn name(&self) -> String {
        match &self.file {
            Some(file) => file.display().to_string(),
            None => self.execution.to_string(),
        }
    }
}
