//! The table of results.

use std::time::Duration;

use sqlx::{PgPool, Row as _};

/// What [`setup`] runs:
///
/// ```sql
#[doc = include_str!("schema.sql")]
/// ```
pub const SCHEMA: &str = include_str!("schema.sql");

/// The version of [`SCHEMA`]. It is the table's comment.
const VERSION: u32 = 1;

/// How a comment with a version begins.
const COMMENT: &str = "everstep schema ";

/// Why the table could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The table is of a newer version of everstep: this program must not write to it.
    #[error(
        "the table everstep_steps has schema {found} and this program knows {VERSION}: use a newer \
         version of everstep"
    )]
    Newer {
        /// The table's version.
        found: u32,
    },
    /// The database refused, or did not answer.
    #[error("the table everstep_steps cannot be made")]
    Database {
        /// What it said.
        #[source]
        source: crate::store::BoxError,
    },
}

impl From<sqlx::Error> for SetupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database { source: error.into() }
    }
}

/// Makes the table `everstep_steps` if it is missing, in the first schema of the `search_path`. Safe to
/// repeat, and to call from many hosts at once.
///
/// # Errors
/// The database did not do it, or the table is of a newer version.
pub async fn setup(pool: &PgPool) -> Result<(), SetupError> {
    let mut tries = 0;
    loop {
        if let Some(found) = version(pool).await? {
            return if found > VERSION { Err(SetupError::Newer { found }) } else { Ok(()) };
        }
        match sqlx::raw_sql(SCHEMA).execute(pool).await {
            // Looked at again: another program may have made a newer one at the same moment.
            Ok(_) if tries > 0 => return Ok(()),
            Ok(_) => {}
            // Two who make the same table at once: one of them is told of a duplicate.
            Err(error) if tries < 10 && is_race(&error) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error.into()),
        }
        tries += 1;
    }
}

/// The version of the table that is there.
async fn version(pool: &PgPool) -> Result<Option<u32>, sqlx::Error> {
    let comment = sqlx::query(
        "SELECT coalesce(obj_description(to_regclass('everstep_steps')::oid, 'pg_class'), '')",
    );
    let comment: String = comment.persistent(false).fetch_one(pool).await?.try_get(0)?;
    Ok(comment.strip_prefix(COMMENT).and_then(|version| version.parse().ok()))
}

fn is_race(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|said| said.code());
    // Unique violation, duplicate table or object, a deadlock (each has the table and wants to write
    // its comment), and "tuple concurrently updated", an internal error.
    matches!(code.as_deref(), Some("23505" | "42P07" | "42710" | "40P01" | "XX000"))
}
