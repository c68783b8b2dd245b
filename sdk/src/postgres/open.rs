//! A transaction while it is open.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::{PgConnection, PgPool, PgTransaction, SqlStr};

/// An open transaction. Dropped, it is rolled back before its connection is used again.
pub(super) struct Open(PgTransaction<'static>);

impl Open {
    pub(super) async fn begin(pool: &PgPool, statement: SqlStr) -> Result<Self, sqlx::Error> {
        Ok(Self(pool.begin_with(statement).await?))
    }

    /// Commits. An error that is not the database's own leaves open whether it has.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.0.commit().await
    }

    /// Rolls back. If that fails the connection is broken, and the server rolls back.
    pub(super) async fn roll_back(self) {
        if let Err(error) = self.0.rollback().await {
            tracing::debug!(%error, "a transaction was rolled back by the end of its connection");
        }
    }
}

impl Deref for Open {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Open {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

/// The transaction that a closure works in: queries run on `&mut *tx`.
///
/// [`begin`](sqlx::Connection::begin) on it makes a savepoint. It ends with the closure, and only then:
/// a `COMMIT` or `ROLLBACK` among the closure's own statements is [found](super::TransactionError::Interfered)
/// and refused, but what it has committed stays.
pub struct Tx {
    open: Option<Open>,
    home: Home,
}

/// Where a transaction is when nobody works in it.
#[derive(Clone, Default)]
pub(super) struct Home(Arc<Mutex<Option<Open>>>);

impl Home {
    /// Lends `open` to a closure.
    pub(super) fn lend(&self, open: Open) -> Tx {
        Tx { open: Some(open), home: self.clone() }
    }

    /// What was lent; `None` if somebody still has it.
    pub(super) fn take(&self) -> Option<Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Deref for Tx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.open.as_deref().unwrap_or_else(|| unreachable!("taken only on drop"))
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.open.as_deref_mut().unwrap_or_else(|| unreachable!("taken only on drop"))
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        *self.home.0.lock().unwrap_or_else(PoisonError::into_inner) = self.open.take();
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tx")
    }
}
