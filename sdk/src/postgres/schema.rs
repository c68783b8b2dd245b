//! The table of results.

use sqlx::{PgConnection, PgPool, Row as _};

/// What [`setup`] runs:
///
/// ```sql
#[doc = include_str!("schema.sql")]
/// ```
///
/// Where another program makes the tables:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("everstep-schema-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let migration = folder.join("2_everstep.sql");
/// std::fs::write(&migration, everstep::postgres::SCHEMA)?;
/// assert!(std::fs::read_to_string(&migration)?.contains("CREATE TABLE"));
/// # std::fs::remove_dir_all(folder) }
/// ```
pub const SCHEMA: &str = include_str!("schema.sql");

/// The version of [`SCHEMA`]. It is the table's comment.
const VERSION: u32 = 1;

/// How a comment with a version begins.
const COMMENT: &str = "everstep schema ";

/// The advisory lock of whoever makes the table, until its transaction ends: the bytes of "everstep".
const LOCK: i64 = 7_311_142_587_320_264_048;

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
    if let Some(found) = version(&mut *pool.acquire().await?).await? {
        return known(found);
    }
    match make(pool).await {
        Ok(found) => known(found),
        // A migration, which does not ask for the lock, may have made it at this moment.
        Err(error) => match version(&mut *pool.acquire().await?).await? {
            Some(found) => known(found),
            None => Err(error.into()),
        },
    }
}

fn known(found: u32) -> Result<(), SetupError> {
    if found > VERSION { Err(SetupError::Newer { found }) } else { Ok(()) }
}

/// Makes the table, one program after the other: two at once would meet in a duplicate or a deadlock,
/// and an older one would write its version on the table of a newer one. Returns the version that is
/// there in the end.
async fn make(pool: &PgPool) -> Result<u32, sqlx::Error> {
    // What was committed while this waits for the lock is to be seen after it.
    let mut open = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).persistent(false);
    lock.execute(&mut *open).await?;
    if let Some(found) = version(&mut open).await? {
        return Ok(found);
    }
    sqlx::raw_sql(SCHEMA).execute(&mut *open).await?;
    open.commit().await?;
    Ok(VERSION)
}

/// The version of the table that is there.
async fn version(connection: &mut PgConnection) -> Result<Option<u32>, sqlx::Error> {
    let comment = sqlx::query(
        "SELECT coalesce(obj_description(to_regclass('everstep_steps')::oid, 'pg_class'), '')",
    );
    let comment: String = comment.persistent(false).fetch_one(connection).await?.try_get(0)?;
    Ok(comment.strip_prefix(COMMENT).and_then(|version| version.parse().ok()))
}
