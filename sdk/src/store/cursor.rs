//! Where a page of records ended, for stores that list by start time and then id.

use std::cmp::Reverse;

use super::{ListQuery, Record, StoreError};
use crate::time::Timestamp;

/// The page size of a [`ListQuery`] that names none.
const PAGE_SIZE: usize = 100;

/// The last record of a page, written `started_at:id`.
pub(crate) struct ListCursor<'a> {
    pub(crate) started_at: Timestamp,
    pub(crate) id: &'a str,
}

impl<'a> ListCursor<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, StoreError> {
        text.split_once(':')
            .and_then(|(time, id)| Some(Self { started_at: Timestamp(time.parse().ok()?), id }))
            .ok_or_else(|| StoreError::Cursor { cursor: text.to_owned() })
    }

    pub(crate) fn to_text(&self) -> String {
        format!("{}:{}", self.started_at.0, self.id)
    }

    pub(crate) fn text_of(record: &Record) -> String {
        ListCursor { started_at: record.started_at, id: record.id.as_str() }.to_text()
    }

    /// The place before all records that started at `millis`, and after all later ones.
    fn start_of(millis: i64) -> Self {
        Self { started_at: Timestamp(millis), id: "" }
    }

    /// Where it is, by a key that grows along the list.
    fn place(&self) -> (Reverse<Timestamp>, &str) {
        (Reverse(self.started_at), self.id)
    }

    /// Whether `record` comes after this one: newest start first, then in the order of ids.
    pub(crate) fn is_before(&self, record: &Record) -> bool {
        self.place() < (Reverse(record.started_at), record.id.as_str())
    }
}

impl ListQuery {
    /// After which place in the list the wanted records come.
    pub(crate) fn begins_after(&self) -> Result<Option<ListCursor<'_>>, StoreError> {
        let after = self.after.as_deref().map(ListCursor::parse).transpose()?;
        // All places of a time come after the one without an id.
        let before = self.started_before.map(|at| ListCursor::start_of(at.0.saturating_sub(1)));
        Ok(match (after, before) {
            (Some(after), Some(before)) if after.place() < before.place() => Some(before),
            (after, before) => after.or(before),
        })
    }

    /// Before which place they come.
    pub(crate) fn ends_before(&self) -> Option<ListCursor<'_>> {
        self.started_from.map(|at| ListCursor::start_of(at.0.saturating_sub(1)))
    }

    pub(crate) fn page_size(&self) -> usize {
        if self.limit == 0 { PAGE_SIZE } else { self.limit }
    }
}
