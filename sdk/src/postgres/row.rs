//! The row of a step's transaction.

use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::replay::IdempotencyKey;

/// Which row.
pub(super) struct Name {
    key: String,
    part: String,
    step: IdempotencyKey,
}

/// What is in its place.
pub(super) enum Place {
    /// Nothing was: the row is new, and nobody else's until the transaction ends.
    Ours,
    /// The row of a transaction that was committed, and its result.
    Taken(Option<String>),
    /// A row that was there a moment ago and is not any more.
    Gone,
}

impl Name {
    pub(super) fn new(step: IdempotencyKey, part: &str) -> Self {
        let key: Uuid = step.uuid();
        Self { key: key.to_string(), part: part.to_owned(), step }
    }

    pub(super) fn part(&self) -> &str {
        &self.part
    }

    /// Puts the row, without a result. Waits for a transaction that has put it and not ended.
    pub(super) async fn claim(&self, connection: &mut PgConnection) -> Result<Place, sqlx::Error> {
        let put = sqlx::query(
            "INSERT INTO everstep_steps (key, part, execution, run, step) \
             VALUES ($1::uuid, $2, $3, $4, $5) ON CONFLICT (key, part) DO NOTHING",
        );
        let put = put
            .bind(&self.key)
            .bind(&self.part)
            .bind(self.step.execution.as_str())
            .bind(i64::from(self.step.run))
            .bind(self.step.key.to_string());
        if put.persistent(false).execute(&mut *connection).await?.rows_affected() == 1 {
            return Ok(Place::Ours);
        }
        let get = "SELECT result::text FROM everstep_steps WHERE key = $1::uuid AND part = $2";
        let get = sqlx::query(get).bind(&self.key).bind(&self.part).persistent(false);
        match get.fetch_optional(connection).await? {
            Some(row) => Ok(Place::Taken(row.try_get(0)?)),
            None => Ok(Place::Gone),
        }
    }

    /// Puts the result into the row. `false` if that is not what [`claim`](Self::claim) has put in this
    /// very transaction.
    pub(super) async fn fill(
        &self,
        connection: &mut PgConnection,
        result: &str,
    ) -> Result<bool, sqlx::Error> {
        let put = sqlx::query(
            "UPDATE everstep_steps SET result = $3::json \
             WHERE key = $1::uuid AND part = $2 AND xmin = pg_current_xact_id()::xid",
        );
        let put = put.bind(&self.key).bind(&self.part).bind(result).persistent(false);
        Ok(put.execute(connection).await?.rows_affected() == 1)
    }
}
