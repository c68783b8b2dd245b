//! What a check has found, in counts and as a table.

use std::collections::BTreeMap;
use std::fmt;

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
    /// Whether more are open than the [limit](super::Check::limit) let it look at.
    pub limited: bool,
}

/// What became of the open executions of a workflow.
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
    /// Whether it is blocked now.
    pub blocked_now: bool,
    /// Whether this program blocks it; else it ends where the code of before waits.
    pub blocks: bool,
    /// What is wrong, without what is the execution's own: many have the same.
    pub problem: String,
    /// What is wrong, as the reason of a block would say it.
    pub reason: String,
}

impl CheckReport {
    /// How many open executions were looked at.
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
        self.sum(|it| it.go_on + it.unblocked + it.would_block + it.stay_blocked + it.would_end)
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

    pub(super) fn add(&mut self, record: &Record, found: Found) {
        let blocked_now = record.projection.status == Status::Blocked;
        let (problem, reason, blocks) = match found {
            Found::Ended => return,
            Found::Fine => {
                let counts = self.counts(record);
                let of = if blocked_now { &mut counts.unblocked } else { &mut counts.go_on };
                *of += 1;
                return;
            }
            Found::Differs(difference) => ("it would end here".to_owned(), difference, false),
            Found::Unreadable(problem) => (problem.clone(), problem, true),
            Found::Blocks(Fault::UnknownWorkflow { .. }) => {
                let problem = "this program has no such workflow".to_owned();
                (problem.clone(), problem, true)
            }
            Found::Blocks(fault) => (fault.in_brief(), fault.to_string(), true),
        };
        let counts = self.counts(record);
        match (blocks, blocked_now) {
            (false, _) => counts.would_end += 1,
            (true, false) => counts.would_block += 1,
            (true, true) => counts.stay_blocked += 1,
        }
        self.broken.push(Broken {
            execution: record.id.clone(),
            workflow: record.workflow.clone(),
            blocked_now,
            blocks,
            problem,
            reason,
        });
    }

    fn counts(&mut self, record: &Record) -> &mut Checked {
        self.workflows.entry(record.workflow.clone()).or_default()
    }

    pub(super) fn sort(&mut self) {
        self.broken.sort_by(|a, b| {
            let key = |it: &Broken| (it.workflow.clone(), it.problem.clone(), it.execution.clone());
            key(a).cmp(&key(b))
        });
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.workflows.is_empty() {
            return f.write_str("no execution is open");
        }
        self.table(f)?;
        if self.limited {
            let checked = self.checked();
            writeln!(f, "it stopped at its limit: {checked} were looked at, and more are open")?;
        }
        let mut problems: BTreeMap<(&str, &str, bool, bool), Vec<&Broken>> = BTreeMap::new();
        for broken in &self.broken {
            let of = (&*broken.workflow, &*broken.problem, broken.blocks, broken.blocked_now);
            problems.entry(of).or_default().push(broken);
        }
        for ((workflow, problem, blocks, blocked_now), all) in problems {
            let what = match (blocks, blocked_now) {
                (true, false) => "would block",
                (true, true) => "stay blocked",
                (false, _) => "would end",
            };
            let ids: Vec<&str> = all.iter().map(|it| it.execution.as_str()).collect();
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
        const HEAD: [&str; 5] = ["go on", "unblocked", "would block", "stay blocked", "would end"];
        let name = self.workflows.keys().map(|name| name.chars().count()).max().unwrap_or(0);
        let name = name.max("workflow".len());
        write!(f, "{:<name$}", "workflow")?;
        for head in HEAD {
            write!(f, "  {head}")?;
        }
        for (workflow, it) in &self.workflows {
            write!(f, "\n{workflow:<name$}")?;
            let counts = [it.go_on, it.unblocked, it.would_block, it.stay_blocked, it.would_end];
            for (head, count) in HEAD.iter().zip(counts) {
                write!(f, "  {count:>width$}", width = head.len())?;
            }
        }
        writeln!(f)
    }
}
