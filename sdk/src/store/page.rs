//! A log, a page at a time.

use std::ops::Range;

use super::{EventStore, Record, StoreError};
use crate::event::{Commit, CorruptCommit, Previous, StoredCommit};
use crate::id::{CommitNumber, ExecutionId, Life};
use crate::limits::LOG_PAGE_BYTES_MAX;

/// A part of the log of all runs, as [`EventStore::load_page`](super::EventStore::load_page) returns it.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = Backend::memory();
/// # let sale = Client::new(&backend).start(sell, "4242".to_owned()).id("sale-7").await?;
/// # sale.signal("paid", &true).await?;
/// # let worker = App::new().workflow(sell).backend(backend.clone()).worker().await?;
/// # worker.run_until(sale.result()).await??;
/// # let store = backend.store.clone();
/// use everstep::store::LogPage;
///
/// // Page by page, each commit verified, and each page against the one before.
/// let (mut from, mut before, mut events) = (0, None, 0);
/// loop {
///     let page: LogPage = store.load_page(sale.id(), from, 1).await?.expect("it is there");
///     let (commits, corrupt) = page.read(before);
///     assert!(corrupt.is_none() && commits.len() <= 1);
///     events += commits.iter().map(|commit| commit.events.len()).sum::<usize>();
///     before = commits.last().map(|commit| commit.hash).or(before);
///     let Some(next) = page.next else { break };
///     from = next;
/// }
/// assert_eq!(events, sale.history().await?.iter().map(|commit| commit.events.len()).sum::<usize>());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct LogPage {
    /// The record, as it was before the commits were read.
    pub record: Record,
    /// The number of the first commit that was asked for.
    pub from: CommitNumber,
    /// The commits from there on.
    pub commits: Vec<StoredCommit>,
    /// Where the next page begins, if there may be more: right after the last of these. `None` if the
    /// log ended with them when it was read.
    pub next: Option<CommitNumber>,
}

impl LogPage {
    /// Reads the page and verifies it: every hash, every link to the commit before, and, if it is the
    /// last page, that it reaches as far as the record. `before` is the hash of the commit before the
    /// first one, `None` if that is not known. Returns the commits before the first that cannot be
    /// trusted, and what is wrong with that one.
    #[must_use]
    pub fn read(&self, before: Option<[u8; 32]>) -> (Vec<Commit>, Option<CorruptCommit>) {
        let mut commits: Vec<Commit> = Vec::with_capacity(self.commits.len());
        let mut previous = before.map_or_else(|| Previous::before(self.from), Previous::Hash);
        for (number, stored) in (self.from..=CommitNumber::MAX).zip(&self.commits) {
            if stored.number != number {
                return (commits, Some(CorruptCommit::missing(number)));
            }
            match stored.decode_after(previous) {
                Ok(commit) => {
                    previous = Previous::Hash(commit.hash);
                    commits.push(commit);
                }
                Err(corrupt) => return (commits, Some(corrupt)),
            }
        }
        (commits, self.missing().map(CorruptCommit::missing))
    }

    /// The first commit that is not there and should be.
    pub(crate) fn missing(&self) -> Option<CommitNumber> {
        let mut expected = (self.from..=CommitNumber::MAX).zip(&self.commits);
        if let Some((missing, _)) = expected.find(|(number, commit)| commit.number != *number) {
            return Some(missing);
        }
        let end = self.from + self.commits.len() as CommitNumber;
        match self.next {
            Some(next) => (end < next).then_some(end),
            None => (end <= self.record.projection.commit).then_some(end),
        }
    }
}

/// The commits with these numbers in the log of that life of an execution, of whichever run. Those that
/// are not there are passed over; of an execution that was deleted meanwhile nothing more is read.
pub(crate) async fn commits(
    store: &dyn EventStore,
    id: &ExecutionId,
    life: Life,
    numbers: Range<CommitNumber>,
) -> Result<Vec<StoredCommit>, StoreError> {
    let (mut commits, mut rest) = (Vec::new(), numbers);
    while !rest.is_empty() {
        let limit = usize::try_from(rest.end - rest.start).unwrap_or(usize::MAX);
        let page = store.load_page(id, rest.start, limit).await?;
        let Some(page) = page.filter(|page| page.record.life() == life) else { break };
        commits.extend(page.commits.into_iter().filter(|commit| rest.contains(&commit.number)));
        let Some(next) = page.next else { break };
        rest.start = next;
    }
    Ok(commits)
}

/// How much a page has, while it is put together.
pub(crate) struct PageSize {
    commits: usize,
    bytes: usize,
    limit: usize,
}

impl PageSize {
    /// A page of so many commits at the most, and one at least.
    pub(crate) fn of(limit: usize) -> Self {
        Self { commits: 0, bytes: 0, limit: limit.max(1) }
    }

    /// Whether a commit with such a body belongs to the page, which has it from here on.
    pub(crate) fn takes(&mut self, body: usize) -> bool {
        let fits = self.commits < self.limit
            && (self.commits == 0 || self.bytes + body <= LOG_PAGE_BYTES_MAX);
        if fits {
            self.commits += 1;
            self.bytes += body;
        }
        fits
    }
}
