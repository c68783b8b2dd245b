//! A log, page by page.

use std::collections::VecDeque;

use super::{Client, HistoryError, ask};
use crate::event::{Commit, CorruptCommit, Event};
use crate::id::{CommitNumber, ExecutionId, Life};
use crate::limits::{HISTORY_OPENED_BYTES, LOG_PAGE_COMMITS};
use crate::payload::{PayloadError, SealedPayload};
use crate::store::{LogPage, Record, StoreError};

/// The log of an execution with all its runs, a few commits at a time: what is in memory does not grow
/// with the log. See [`Client::history_pages`].
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::client::HistoryPages;
///
/// let mut pages: HistoryPages = client.history_pages(sale.id());
/// let mut kinds = Vec::new();
/// while let Some(commits) = pages.next().await? {
///     kinds.extend(commits.iter().flat_map(|commit| &commit.events).map(|event| event.kind()));
/// }
/// assert_eq!(kinds[0], "WorkflowStarted");
/// assert!(pages.unopened().is_none()); // all payloads could be read
///
/// // With payloads as they are stored: to count, or to verify.
/// let first = client.history_pages(sale.id()).sealed().next().await?;
/// assert_eq!(first.expect("it is there")[0].number, 0);
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[must_use = "nothing is read unless the next commits are asked for"]
#[derive(Debug)]
pub struct HistoryPages<'a> {
    log: LogPages<'a>,
    /// Verified, and not yet returned.
    read: VecDeque<Commit>,
    corrupt: Option<CorruptCommit>,
    opens: bool,
    unopened: Option<PayloadError>,
}

impl Client {
    /// The log of an execution with all its runs, as [`history`](Self::history) has it, a few commits at
    /// a time, for logs that may be long. Nothing is read yet.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// let mut pages = client.history_pages(sale.id());
    /// let first = pages.next().await?.expect("it is there");
    /// assert_eq!(first[0].events[0].kind(), "WorkflowStarted");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn history_pages(&self, id: &ExecutionId) -> HistoryPages<'_> {
        HistoryPages {
            log: LogPages::new(self, id),
            read: VecDeque::new(),
            corrupt: None,
            opens: true,
            unopened: None,
        }
    }
}

impl Client {
    /// A page of the log, as it is stored.
    pub(crate) async fn log_page(
        &self,
        id: &ExecutionId,
        from: CommitNumber,
        limit: usize,
    ) -> Result<LogPage, HistoryError> {
        let page = ask(|| self.store.load_page(id, from, limit)).await?;
        page.ok_or_else(|| HistoryError::Unknown { id: id.clone() })
    }
}

impl HistoryPages<'_> {
    /// Leaves payloads as they are stored: see [`SealedPayload::of`].
    pub fn sealed(mut self) -> Self {
        self.opens = false;
        self
    }

    /// The next commits, verified, one at least; `None` after the last. A payload that cannot be opened
    /// is there as it is stored.
    ///
    /// After an error of the store it may be called again. Dropping the future loses nothing.
    ///
    /// # Errors
    /// There is no such execution (or none any more), a commit was cut, edited, removed or written by a
    /// newer program, or the store did not answer. Before the first commit that cannot be trusted all
    /// others are returned, and [`readable`](HistoryError::Corrupt::readable) is empty.
    pub async fn next(&mut self) -> Result<Option<Vec<Commit>>, HistoryError> {
        while self.read.is_empty() {
            if let Some(source) = self.corrupt.take() {
                let id = self.log.id.clone();
                return Err(HistoryError::Corrupt { id, readable: Vec::new(), source });
            }
            let Some(page) = self.log.next().await? else { return Ok(None) };
            self.read.extend(page.commits);
            self.corrupt = page.corrupt;
        }
        if !self.opens {
            return Ok(Some(self.read.drain(..).collect()));
        }
        let commits = self.read.make_contiguous();
        let some = opened_together(commits, |commit| &commit.events);
        let some = &mut commits[..some];
        let client = self.log.client;
        let unopened = client.payloads.open_commits(&self.log.id, some).await;
        let unopened = unopened.map_err(StoreError::from)?;
        // What was erased must not hide what else is wrong.
        if matches!(self.unopened, None | Some(PayloadError::Erased)) {
            self.unopened = unopened.or(self.unopened.take());
        }
        let some = some.len();
        Ok(Some(self.read.drain(..some).collect()))
    }

    /// Why the first of the payloads that could not be opened stays sealed, of those that were returned.
    #[must_use]
    pub fn unopened(&self) -> Option<&PayloadError> {
        self.unopened.as_ref()
    }
}

/// How many of `parts`, the first at least, have payloads that may be opened together.
pub(super) fn opened_together<T>(parts: &[T], events: impl Fn(&T) -> &[Event]) -> usize {
    let mut bytes = 0_usize;
    let fits = |part: &&T| {
        bytes = bytes.saturating_add(sealed_bytes(events(part)));
        bytes <= HISTORY_OPENED_BYTES
    };
    parts.iter().take_while(fits).count().max(1).min(parts.len())
}

/// How many bytes these events' payloads have that are sealed.
pub(super) fn sealed_bytes(events: &[Event]) -> usize {
    let mut bytes = 0_usize;
    for event in events {
        event.payloads(&mut |json| {
            let sealed = SealedPayload::of(json).and_then(|sealed| sealed.bytes).unwrap_or(0);
            bytes = bytes.saturating_add(usize::try_from(sealed).unwrap_or(usize::MAX));
        });
    }
    bytes
}

/// The log as it is stored, page by page, each verified against the one before.
#[derive(Debug)]
pub(super) struct LogPages<'a> {
    client: &'a Client,
    pub(super) id: ExecutionId,
    /// Where the next page begins, if there is one.
    next: Option<CommitNumber>,
    /// The hash of the last commit.
    before: Option<[u8; 32]>,
    life: Option<Life>,
}

/// A page that was read.
pub(super) struct Page {
    pub(super) record: Record,
    pub(super) commits: Vec<Commit>,
    /// What is wrong with the commit behind these.
    pub(super) corrupt: Option<CorruptCommit>,
}

impl<'a> LogPages<'a> {
    pub(super) fn new(client: &'a Client, id: &ExecutionId) -> Self {
        Self { client, id: id.clone(), next: Some(0), before: None, life: None }
    }

    /// The next page; `None` after the last, and after one that is corrupt. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// There is no such execution, or no longer the one whose log was begun, or the store did not answer.
    pub(super) async fn next(&mut self) -> Result<Option<Page>, HistoryError> {
        let Some(from) = self.next else { return Ok(None) };
        let page = self.client.log_page(&self.id, from, LOG_PAGE_COMMITS).await?;
        if self.life.is_some_and(|life| life != page.record.life()) {
            return Err(HistoryError::Unknown { id: self.id.clone() });
        }
        let (commits, corrupt) = page.read(self.before);
        self.life = Some(page.record.life());
        self.next = page.next.filter(|_| corrupt.is_none());
        self.before = commits.last().map(|last| last.hash).or(self.before);
        Ok(Some(Page { record: page.record, commits, corrupt }))
    }
}
