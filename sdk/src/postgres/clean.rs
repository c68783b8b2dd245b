//! Deleting the results that nobody will ask for again.

use std::time::Duration;

use sqlx::{PgPool, Row as _};

use crate::client::{Client, HistoryError};
use crate::id::ExecutionId;

/// How many executions are looked at in one go.
const PAGE: i64 = 200;

/// Why the table could not be cleaned. What was deleted before stays deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanError {
    /// The database did not answer, or refused.
    #[error("the table everstep_steps cannot be cleaned")]
    Database {
        /// What it said.
        #[source]
        source: crate::store::BoxError,
    },
    /// The event store did not say whether an execution is closed.
    #[error("the executions of everstep_steps cannot be looked at")]
    Store {
        /// What it said.
        #[source]
        source: HistoryError,
    },
}

impl From<sqlx::Error> for CleanError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database { source: error.into() }
    }
}

/// Deletes the rows that are older than `older_than` and whose executions are closed, or not known to
/// the store any more. Returns how many. A row of an open execution is never deleted: its step's
/// result may not be in the log yet.
///
/// Costs a read of the record for each execution with rows so old. `client` must be that of the
/// backend that the executions are in: to any other they are not known. Call it once a day, say; it
/// may run on several hosts at once. Dropping the future leaves the rest for the next time.
///
/// # Errors
/// The database or the event store did not answer.
pub async fn clean(
    pool: &PgPool,
    client: &Client,
    older_than: Duration,
) -> Result<u64, CleanError> {
    let seconds = older_than.as_secs_f64();
    let mut deleted = 0;
    let mut after = String::new();
    loop {
        let page = sqlx::query(
            "SELECT execution FROM everstep_steps \
             WHERE at < now() - make_interval(secs => $1) AND execution > $2 \
             GROUP BY execution ORDER BY execution LIMIT $3",
        );
        let page = page.bind(seconds).bind(&after).bind(PAGE).persistent(false);
        let page = page.fetch_all(pool).await?;
        let mut closed = Vec::new();
        for row in &page {
            let execution: String = row.try_get(0)?;
            if is_over(client, &execution).await? {
                closed.push(execution.clone());
            }
            after = execution;
        }
        let delete = sqlx::query(
            "DELETE FROM everstep_steps \
             WHERE at < now() - make_interval(secs => $1) AND execution = ANY($2)",
        );
        let delete = delete.bind(seconds).bind(&closed).persistent(false);
        deleted += delete.execute(pool).await?.rows_affected();
        if page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
            return Ok(deleted);
        }
    }
}

async fn is_over(client: &Client, execution: &str) -> Result<bool, CleanError> {
    let Ok(id) = ExecutionId::new(execution) else { return Ok(false) };
    match client.stored_record(&id).await {
        Ok(record) => Ok(record.projection.status.is_closed()),
        Err(HistoryError::Unknown { .. }) => Ok(true),
        Err(source) => Err(CleanError::Store { source }),
    }
}
