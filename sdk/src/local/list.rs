//! A page of a list.
//!
//! Only what is asked for stands in the statement: a condition that may be absent keeps SQLite from
//! using an index, and each worker that starts lists what is blocked.

use rusqlite::types::Value;
use rusqlite::{Connection, ToSql};

use super::error::Fault;
use super::rows::{self, LISTED};
use crate::store::{ListCursor, ListPage, ListQuery, StoreError};

pub(super) fn page(db: &Connection, query: &ListQuery) -> Result<ListPage, Fault> {
    let (sql, values) = statement(query)?;
    let values: Vec<_> = values.iter().map(|(name, value)| (*name, value as &dyn ToSql)).collect();
    let mut records = db
        .prepare_cached(&sql)?
        .query_map(&*values, rows::record)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let page_size = query.page_size();
    let more = records.len() > page_size;
    records.truncate(page_size);
    Ok(ListPage { next: records.last().filter(|_| more).map(ListCursor::text_of), records })
}

/// What the names in a statement stand for.
type Values = Vec<(&'static str, Value)>;

fn statement(query: &ListQuery) -> Result<(String, Values), StoreError> {
    // One more than the page: whether there is another.
    let limit = i64::try_from(query.page_size().saturating_add(1)).unwrap_or(i64::MAX);
    let mut sql = format!("SELECT {LISTED} FROM executions WHERE TRUE");
    let mut values = vec![(":limit", Value::from(limit))];
    if let Some(workflow) = &query.workflow {
        sql += " AND workflow = :workflow";
        values.push((":workflow", workflow.clone().into()));
    }
    if let Some(status) = query.status {
        sql += " AND status = :status";
        values.push((":status", status.as_str().to_owned().into()));
    }
    if let Some(after) = query.begins_after()? {
        sql += " AND started_at <= :time AND (started_at < :time OR id > :id)";
        values.push((":time", after.started_at.0.into()));
        values.push((":id", after.id.to_string().into()));
    }
    if let Some(from) = query.started_from {
        sql += " AND started_at >= :from";
        values.push((":from", from.0.into()));
    }
    if !query.tags.is_empty() {
        sql += " AND NOT EXISTS (SELECT 1 FROM json_each(:tags) AS wanted WHERE NOT EXISTS \
                (SELECT 1 FROM json_each(executions.tags) AS tag \
                 WHERE tag.key = wanted.key AND tag.value = wanted.value))";
        let tags = serde_json::to_string(&query.tags)
            .map_err(|error| StoreError::unusable("the tags are not JSON", error))?;
        values.push((":tags", tags.into()));
    }
    sql += " ORDER BY started_at DESC, id LIMIT :limit";
    Ok((sql, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::schema::TABLES;
    use crate::store::Status;

    /// How SQLite would look for executions of `status`.
    fn plan(status: Option<Status>) -> String {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(TABLES).unwrap();
        let (sql, values) = statement(&ListQuery { status, ..ListQuery::default() }).unwrap();
        let values: Vec<_> = values.iter().map(|(name, it)| (*name, it as &dyn ToSql)).collect();
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = plan.query_map(&*values, |row| row.get::<_, String>(3)).unwrap();
        lines.collect::<rusqlite::Result<Vec<_>>>().unwrap().join("; ")
    }

    #[test]
    fn a_list_reads_its_page_in_order_and_no_more() {
        let searched = "SEARCH executions USING INDEX executions_by_status (status=?)";
        let scanned = "SCAN executions USING INDEX executions_by_start";
        for status in Status::ALL {
            assert_eq!(plan(Some(status)), searched);
        }
        assert_eq!(plan(None), scanned);
    }
}
