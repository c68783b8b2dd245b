//! A page of a log: the record, and commits by their numbers.

use std::time::Duration;

use super::items::{self, Item, Kind, text};
use super::store::{DynamoStore, LOADS_MAX};
use crate::event::StoredCommit;
use crate::id::{CommitNumber, ExecutionId};
use crate::store::{LogPage, PageSize, StoreError};

impl DynamoStore {
    /// A page that saw no half of any write, as far as that can be told.
    pub(super) async fn read_page(
        &self,
        id: &ExecutionId,
        from: CommitNumber,
        limit: usize,
    ) -> Result<Option<LogPage>, StoreError> {
        let (mut loads, mut before) = (1, None);
        loop {
            let found = self.read_page_once(id, from, limit).await?;
            let missing = match &found {
                Found::Page(page) => page.missing(),
                // Its record and commit 0 were written as one.
                Found::LostRecord => Some(0),
                Found::Nothing => return Ok(None),
            };
            // What the next look still misses is lost and not on its way: see `load_whole`.
            let is_lost = loads == LOADS_MAX && missing == before;
            match (missing, found) {
                (None, Found::Page(page)) => return Ok(Some(*page)),
                (_, Found::Page(page)) if is_lost => return Ok(Some(*page)),
                (_, Found::LostRecord) if is_lost => return Err(StoreError::lost_record(id)),
                _ if loads < LOADS_MAX => {
                    before = missing;
                    tokio::time::sleep(Duration::from_millis(10 << loads)).await;
                    loads += 1;
                }
                _ => {
                    let reason = format!("the log of execution {id} grows while it is read");
                    return Err(StoreError::Unavailable { reason, source: None });
                }
            }
        }
    }

    async fn read_page_once(
        &self,
        id: &ExecutionId,
        from: CommitNumber,
        limit: usize,
    ) -> Result<Found, StoreError> {
        // The record comes right before commit 0: one query has both.
        let mut record = None;
        if from > 0 {
            let item = self.get(items::key(id, text(items::RECORD))).await?;
            record = item.map(|item| items::find_record(id, item)).transpose()?.flatten();
            if record.is_none() {
                return Ok(Found::Nothing);
            }
        }
        let last = from.saturating_add(u64::try_from(limit.max(1)).unwrap_or(u64::MAX) - 1);
        let first = if from > 0 { items::commit_sk(from) } else { text(items::RECORD) };
        let mut size = PageSize::of(limit);
        let mut commits: Vec<StoredCommit> = Vec::new();
        let mut start: Option<Item> = None;
        let is_whole = loop {
            let call = self
                .client
                .query()
                .table_name(self.table_name())
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":pk", items::pk(id))
                .expression_attribute_values(":first", first.clone())
                .expression_attribute_values(":last", items::commit_sk(last))
                .set_limit(self.page_items)
                .set_exclusive_start_key(start);
            let page = call.send().await.map_err(|error| self.failed("dynamodb:Query", error))?;
            for item in page.items.unwrap_or_default() {
                match items::kind(&item) {
                    Kind::Record => match items::find_record(id, item)? {
                        Some(found) => record = Some(found),
                        // It is being deleted: there is nothing any more.
                        None => return Ok(Found::Nothing),
                    },
                    Kind::Commit => commits.push(items::read_commit(id, item)?),
                    Kind::Inbox | Kind::Unknown => {}
                }
            }
            start = page.last_evaluated_key;
            match &start {
                None => break true,
                // What a query has read is a page already, if it has any commit.
                Some(_) if !commits.is_empty() => break false,
                Some(_) => {}
            }
        };
        let Some(record) = record else {
            // What an earlier life wrote late lies there without a start: see `leave_strays`.
            let is_lost = commits.first().is_some_and(|commit| commit.number == 0);
            return Ok(if is_lost { Found::LostRecord } else { Found::Nothing });
        };
        // A stray of another life lies behind the end: what the log has of that number took its place.
        let is_stray =
            |commit: &StoredCommit| commit.life.is_some() && commit.life != Some(record.life());
        let strays = commits.iter().position(is_stray);
        commits.truncate(strays.unwrap_or(commits.len()));
        let end = commits.last().map(|last| last.number);
        let kept = commits.iter().take_while(|commit| size.takes(commit.body.len())).count();
        commits.truncate(kept);
        commits.iter_mut().for_each(|commit| commit.life = None);
        let reaches_its_end = is_whole || strays.is_some();
        let next = match (commits.last(), end) {
            (Some(kept), Some(end)) if kept.number < end => Some(kept.number + 1),
            (_, Some(end)) if end == last || !reaches_its_end => end.checked_add(1),
            _ => None,
        };
        Ok(Found::Page(Box::new(LogPage { record, from, commits, next })))
    }
}

/// What there is where a page was looked for.
enum Found {
    Nothing,
    /// Commits without their record.
    LostRecord,
    Page(Box<LogPage>),
}
