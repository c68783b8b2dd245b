//! Appending: one writer, consecutive numbers, ambiguous answers settled by the writer's id.

use std::time::Duration;

use crate::event::{Event, StoredCommit};
use crate::id::{CommitNumber, ExecutionId, Life, WriterId};
use crate::limits::{COMMIT_BYTES_MAX, WRITE_TRIES_MAX};
use crate::store::{Appended, AppendedWith, EventStore, Refusal, StoreError, Writes};

/// The end of a log, where one turn writes.
pub(super) struct LogEnd<'a> {
    store: &'a dyn EventStore,
    id: &'a ExecutionId,
    /// Whose log it is, of those that have had that id.
    life: Life,
    pub(super) writer: WriterId,
    /// The last commit.
    pub(super) last: CommitNumber,
    last_hash: [u8; 32],
    /// How many commits this turn has written, and of how many bytes.
    pub(super) written: [u64; 2],
    /// How many events the commits of the last append have, where somebody wants to know.
    pub(super) counts: Option<Vec<usize>>,
    /// An append failed, and it may be written all the same, now or later: nothing else may be.
    pub(super) unanswered: bool,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Written {
    /// It is durable.
    Durable,
    /// Somebody else wrote there, or the execution was deleted: this turn is over.
    Lost,
}

/// What became of an append with writes.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum WrittenWith {
    /// Both are durable.
    Durable,
    /// As in [`Written`]. The writes are not done.
    Lost,
    /// Neither is: the writes cannot be done.
    Refused(Refusal),
}

impl<'a> LogEnd<'a> {
    pub(super) fn new(
        store: &'a dyn EventStore,
        id: &'a ExecutionId,
        life: Life,
        writer: WriterId,
        last: CommitNumber,
        last_hash: [u8; 32],
    ) -> Self {
        Self {
            store,
            id,
            life,
            writer,
            last,
            last_hash,
            written: [0; 2],
            counts: None,
            unanswered: false,
        }
    }

    /// Writes `events`: as one commit, or as few as their size allows. Any prefix of a sequence of
    /// events is a state the execution could be in, so a crash between two commits is harmless;
    /// but that a run has continued without the start of the next one is none.
    pub(super) async fn append(&mut self, events: &[Event]) -> Result<Written, StoreError> {
        let (written, _) = self.append_noting(events, usize::MAX).await?;
        Ok(written)
    }

    /// The same. Also says which commit has the event at `mark`.
    pub(super) async fn append_noting(
        &mut self,
        events: &[Event],
        mark: usize,
    ) -> Result<(Written, Option<CommitNumber>), StoreError> {
        let mut rest = events;
        self.counts.iter_mut().for_each(Vec::clear);
        let mut marked = None;
        while !rest.is_empty() {
            let mut count = rest.len();
            let commit = loop {
                let commit = self.encode(self.writer, &rest[..count]);
                if count == 1 || commit.body.len() <= COMMIT_BYTES_MAX {
                    break commit;
                }
                count = count.div_ceil(2);
                if count > 1 && matches!(rest[count - 1], Event::ContinuedAsNew(_)) {
                    count -= 1;
                }
            };
            let WrittenWith::Durable = self.put(&commit, None).await? else {
                return Ok((Written::Lost, None));
            };
            let written = events.len() - rest.len();
            if (written..written + count).contains(&mark) {
                marked = Some(commit.number);
            }
            self.went_on(&commit, count);
            rest = &rest[count..];
        }
        Ok((Written::Durable, marked))
    }

    /// Writes `events` as one commit, in one transaction with `writes`.
    ///
    /// The commit has a writer of its own (rule 37). If the writes are refused after a try without an
    /// answer, that try may still arrive: whatever this turn writes next with the same number either
    /// comes first, and the late try is refused, or finds a writer there who is not its own.
    pub(super) async fn append_with(
        &mut self,
        events: &[Event],
        writes: &Writes,
    ) -> Result<WrittenWith, StoreError> {
        self.counts.iter_mut().for_each(Vec::clear);
        let commit = self.encode(WriterId::random(), events);
        let written = self.put(&commit, Some(writes)).await?;
        if written == WrittenWith::Durable {
            self.went_on(&commit, events.len());
        }
        Ok(written)
    }

    /// The log ends with `commit`, which has `count` events.
    fn went_on(&mut self, commit: &StoredCommit, count: usize) {
        self.last = commit.number;
        self.last_hash = commit.hash;
        self.written = [self.written[0] + 1, self.written[1] + commit.body.len() as u64];
        self.counts.iter_mut().for_each(|counts| counts.push(count));
    }

    fn encode(&self, writer: WriterId, events: &[Event]) -> StoredCommit {
        let hash = Some(self.last_hash);
        let commit = StoredCommit::encode(self.last + 1, writer, hash, events);
        StoredCommit { life: Some(self.life), ..commit }
    }

    /// Rule 11: an unanswered write is written again, the same bytes under the same number. A
    /// turn that gives up is over, and the next one has a new writer: should the write land later,
    /// nobody takes it for its own.
    async fn put(
        &mut self,
        commit: &StoredCommit,
        writes: Option<&Writes>,
    ) -> Result<WrittenWith, StoreError> {
        let mut tries = 1;
        loop {
            let appended = match writes {
                None => self.store.append(self.id, commit).await.map(AppendedWith::Appended),
                Some(writes) => self.store.append_with(self.id, commit, writes).await,
            };
            match appended {
                Ok(AppendedWith::Appended(Appended::Done)) => return Ok(WrittenWith::Durable),
                Ok(AppendedWith::Appended(Appended::Taken { by })) if by == commit.writer => {
                    return Ok(WrittenWith::Durable);
                }
                Ok(AppendedWith::Appended(Appended::Taken { .. } | Appended::Gone)) => {
                    return Ok(WrittenWith::Lost);
                }
                Ok(AppendedWith::Refused(refusal)) => return Ok(WrittenWith::Refused(refusal)),
                Err(error) if error.is_retryable() && tries < WRITE_TRIES_MAX => {
                    tracing::debug!(everstep.execution.id = %self.id, number = commit.number, %error, "append again");
                    tokio::time::sleep(Duration::from_millis(10 << tries)).await;
                    tries += 1;
                }
                Err(error) => {
                    self.unanswered = true;
                    return Err(error);
                }
            }
        }
    }
}
