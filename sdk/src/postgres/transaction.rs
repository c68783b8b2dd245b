//! A step's transaction.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, IntoFuture};

use futures::future::{BoxFuture, FutureExt};
use sqlx::{PgPool, SqlSafeStr, SqlStr};

use super::error::{Rollback, TransactionError, Trouble};
use super::open::{Home, Open, Tx};
use super::row::{Name, Place};
use crate::context::{NoPart, begin_part, pause, read_back};
use crate::limits::{TRANSACTION_TRIES_MAX, TRANSACTION_WAIT};

/// Runs `body` in a transaction of `pool`, exactly once for the step it is called in: the effect and
/// what `body` returns are committed together, and an attempt that finds them committed returns
/// that, without running `body`.
///
/// `body` gets the transaction and returns what is to be recorded, or why the transaction is to be
/// [rolled back](Rollback). It is cloned for each try, so it owns what it uses or borrows it. Nothing else than
/// the database should be touched in it: it runs again after a serialization failure, a deadlock or a
/// lost connection, and what it did outside of the database is not rolled back.
///
/// ```no_run
/// use everstep::postgres::{self, PgPool, Rollback, TransactionError};
/// use everstep::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, thiserror::Error)]
/// enum StockError {
///     #[error("{0} is sold out")]
///     SoldOut(String),
///     #[error(transparent)]
///     Transaction(#[from] TransactionError),
/// }
///
/// #[step(skip(pool))]
/// async fn take(pool: &PgPool, article: &str) -> Result<i64, StockError> {
///     postgres::transaction(pool, async move |mut tx| {
///         let left = sqlx::query_scalar::<_, i64>(
///             "UPDATE stock SET pieces = pieces - 1 WHERE article = $1 AND pieces > 0 \
///              RETURNING pieces",
///         );
///         match left.bind(article).fetch_optional(&mut *tx).await? {
///             Some(left) => Ok(left),
///             None => Err(Rollback::Because(StockError::SoldOut(article.to_owned()))),
///         }
///     })
///     .await
/// }
/// # fn main() {}
/// ```
///
/// A step that makes several transactions gives each its [`part`](Transaction::part).
///
/// Two hosts that run the same step at once (a lease has ended and its owner lives) do not run
/// `body` at once: the second waits for the first, at most
/// [`TRANSACTION_WAIT`](crate::limits::TRANSACTION_WAIT), and returns its result if it was committed.
///
/// # Errors
/// The step's own, from [`Rollback::Because`], or a [`TransactionError`], which the step's error type
/// takes by `From`; [`everstep::Error`](crate::Error) does. In both cases this attempt has committed
/// nothing, but where that error says so. The step's retries decide whether there is another attempt.
///
/// # Cancel safety
/// Dropping the future rolls back, unless the COMMIT is under way: then it may have been done, and the
/// next attempt finds out.
///
/// # Panics
/// Awaited in a workflow's own code, where it would run again at every replay.
pub fn transaction<T, E, F, Fut>(pool: &PgPool, body: F) -> Transaction<'_, F>
where
    F: FnOnce(Tx) -> Fut + Clone + Send,
    Fut: Future<Output = Result<T, Rollback<E>>> + Send,
    T: serde::Serialize + serde::de::DeserializeOwned + Send,
    E: From<TransactionError> + Send,
{
    Transaction { pool, body, part: String::new(), isolation: Isolation::default() }
}

/// A transaction that has not begun; `.await` runs it.
///
/// ```no_run
/// use everstep::postgres::{self, Isolation, PgPool, Rollback, TransactionError};
/// use everstep::prelude::*;
///
/// /// Two transactions of one step: each has a name, and is done once.
/// #[step(skip(books, shop))]
/// async fn book(books: &PgPool, shop: &PgPool, order: i64) -> Result<(), TransactionError> {
///     for (pool, part) in [(books, "books"), (shop, "shop")] {
///         postgres::transaction(pool, async move |mut tx| {
///             let paid = sqlx::query("UPDATE orders SET paid = true WHERE id = $1").bind(order);
///             paid.execute(&mut *tx).await?;
///             Ok::<_, Rollback<TransactionError>>(())
///         })
///         .part(part)
///         .isolation(Isolation::RepeatableRead)
///         .await?;
///     }
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[must_use = "a transaction does nothing unless it is awaited"]
pub struct Transaction<'a, F> {
    pool: &'a PgPool,
    body: F,
    part: String,
    isolation: Isolation,
}

/// What a transaction sees of others: see
/// <https://www.postgresql.org/docs/current/transaction-iso.html>.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// What the database is set to: read committed, unless somebody has changed that.
    #[default]
    OfDatabase,
    /// Each statement sees what was committed before it.
    ReadCommitted,
    /// All statements see what was committed before the first.
    RepeatableRead,
    /// As if it were alone.
    Serializable,
}

impl Isolation {
    fn begin(self) -> SqlStr {
        match self {
            Self::OfDatabase => "BEGIN",
            Self::ReadCommitted => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::RepeatableRead => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Self::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        }
        .into_sql_str()
    }
}

impl<F> Transaction<'_, F> {
    /// Names this transaction among several of one step. The names are for ever: an attempt that does
    /// not find `part` committed runs it. Without one it is the step's only transaction; a second with
    /// the same name in one attempt is [refused](TransactionError::Twice).
    pub fn part(mut self, part: impl Into<String>) -> Self {
        self.part = part.into();
        self
    }

    /// How isolated it is; by default as the database is set to. Conflicts that follow from a stricter
    /// level are tried again here.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }
}

impl<'a, T, E, F, Fut> IntoFuture for Transaction<'a, F>
where
    F: FnOnce(Tx) -> Fut + Clone + Send + 'a,
    Fut: Future<Output = Result<T, Rollback<E>>> + Send,
    T: serde::Serialize + serde::de::DeserializeOwned + Send,
    E: From<TransactionError> + Send,
{
    type Output = Result<T, E>;
    type IntoFuture = BoxFuture<'a, Result<T, E>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        let Self { pool, body, part, isolation } = self;
        let begun = begin_part("everstep::postgres::transaction()", &part);
        async move {
            let name = match begun {
                Ok(step) => Name::new(step, &part),
                Err(NoPart::Twice) => return Err(TransactionError::Twice { part }.into()),
                Err(NoPart::OutsideStep) => return Err(TransactionError::OutsideStep.into()),
            };
            run(pool, &name, isolation, body).await
        }
        .boxed()
    }
}

impl<F> fmt::Debug for Transaction<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Transaction");
        debug.field("part", &self.part).field("isolation", &self.isolation).finish_non_exhaustive()
    }
}

/// Why a try has no result.
enum Stop<E> {
    /// Another may have one. Until then nobody knows whether this one has committed, if it is
    /// `in_doubt`.
    Again {
        message: String,
        in_doubt: bool,
    },
    Failed(TransactionError),
    Because(E),
}

impl<E> From<Trouble> for Stop<E> {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Again(message) => Self::Again { message, in_doubt: false },
            Trouble::Never(error) => Self::Failed(error),
        }
    }
}

async fn run<T, E, F, Fut>(
    pool: &PgPool,
    name: &Name,
    isolation: Isolation,
    body: F,
) -> Result<T, E>
where
    F: FnOnce(Tx) -> Fut + Clone + Send,
    Fut: Future<Output = Result<T, Rollback<E>>> + Send,
    T: serde::Serialize + serde::de::DeserializeOwned + Send,
    E: From<TransactionError>,
{
    // Whether an earlier try may have committed, for all that is known.
    let mut doubt = false;
    let mut tries = 1;
    loop {
        let (message, in_doubt) = match once(pool, name, isolation, body.clone(), &mut doubt).await
        {
            Ok(result) => return Ok(result),
            Err(Stop::Because(error)) => return Err(error),
            Err(Stop::Failed(error)) if doubt => {
                return Err(TransactionError::InDoubt { message: error.to_string() }.into());
            }
            Err(Stop::Failed(error)) => return Err(error.into()),
            Err(Stop::Again { message, in_doubt }) => (message, in_doubt || doubt),
        };
        doubt = in_doubt;
        if tries == TRANSACTION_TRIES_MAX {
            return Err(match doubt {
                true => TransactionError::InDoubt { message }.into(),
                false => TransactionError::Unavailable { message }.into(),
            });
        }
        tracing::debug!(part = name.part(), tries, message, "transaction again");
        tokio::time::sleep(pause(tries)).await;
        tries += 1;
    }
}

/// One try. It ends all `doubt` when it has the row's place, or the row.
async fn once<T, E, F, Fut>(
    pool: &PgPool,
    name: &Name,
    isolation: Isolation,
    body: F,
    doubt: &mut bool,
) -> Result<T, Stop<E>>
where
    F: FnOnce(Tx) -> Fut + Send,
    Fut: Future<Output = Result<T, Rollback<E>>> + Send,
    T: serde::Serialize + serde::de::DeserializeOwned + Send,
{
    let mut open = match Open::begin(pool, isolation.begin()).await {
        Ok(open) => open,
        // The pool has tried again and again, for as long as it is told to; or the program ends, and
        // closes its pool before its worker.
        Err(error @ (sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)) => {
            let message = error.to_string();
            return Err(Stop::Failed(TransactionError::Unavailable { message }));
        }
        Err(error) => return Err(Trouble::from(error).into()),
    };
    let claim = tokio::time::timeout(TRANSACTION_WAIT, name.claim(&mut open)).await;
    let Ok(claim) = claim else {
        // Not again in this attempt: the connection is of no use until the other one has ended, and
        // each further try would take one more.
        let message = "another transaction of this step does not end".to_owned();
        return Err(Stop::Failed(TransactionError::Unavailable { message }));
    };
    let place = match claim {
        Ok(place) => place,
        Err(error) if is_missing_table(&error) => {
            return Err(Stop::Failed(TransactionError::NotSetUp));
        }
        Err(error) if is_waited_enough(&error) => {
            return Err(Stop::Again { message: error.to_string(), in_doubt: false });
        }
        Err(error) => return Err(Trouble::from(error).into()),
    };
    match place {
        Place::Ours => *doubt = false,
        Place::Taken(result) => {
            *doubt = false;
            open.roll_back().await;
            return recorded(result);
        }
        Place::Gone => {
            let message = "the step's row was deleted meanwhile".to_owned();
            return Err(Stop::Again { message, in_doubt: false });
        }
    }

    let home = Home::default();
    let returned = body(home.lend(open)).await;
    let Some(mut open) = home.take() else {
        return Err(Stop::Failed(TransactionError::Interfered));
    };
    let (result, json) = match returned.map(|result| read_back(&result)) {
        Ok(Ok(result)) => result,
        Ok(Err(message)) => {
            open.roll_back().await;
            return Err(Stop::Failed(TransactionError::Unrecordable { message }));
        }
        Err(Rollback::Because(error)) => {
            open.roll_back().await;
            return Err(Stop::Because(error));
        }
        Err(Rollback::Database(error)) => {
            open.roll_back().await;
            return Err(Trouble::from(error).into());
        }
    };
    match name.fill(&mut open, json.as_str()).await {
        Ok(true) => {}
        Ok(false) => return Err(Stop::Failed(TransactionError::Interfered)),
        Err(error) => return Err(Trouble::from(error).into()),
    }
    match open.commit().await {
        Ok(()) => Ok(result),
        Err(error) => {
            let in_doubt = !is_refusal(&error);
            match Trouble::from(error) {
                Trouble::Again(message) => Err(Stop::Again { message, in_doubt }),
                Trouble::Never(error) if !in_doubt => Err(Stop::Failed(error)),
                Trouble::Never(error) => {
                    Err(Stop::Again { message: error.to_string(), in_doubt: true })
                }
            }
        }
    }
}

/// What a row says.
fn recorded<T: serde::de::DeserializeOwned, E>(result: Option<String>) -> Result<T, Stop<E>> {
    // Only a COMMIT in the closure leaves a row without a result.
    let Some(json) = result else { return Err(Stop::Failed(TransactionError::Interfered)) };
    serde_json::from_str(&json)
        .map_err(|error| Stop::Failed(TransactionError::Unreadable { message: error.to_string() }))
}

/// Whether this answer to a COMMIT says that it was not done, and not only that the server went away:
/// serialization failures (but for the one that knows no more), violations of deferred constraints.
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = code(error);
    code.is_some_and(|code| code != "40003" && !code.starts_with("57P") && !code.starts_with("08"))
}

fn is_missing_table(error: &sqlx::Error) -> bool {
    code(error).as_deref() == Some("42P01")
}

/// Whether the wait for another transaction of the step was ended by a `lock_timeout` or
/// `statement_timeout` that the user has set.
fn is_waited_enough(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("55P03" | "57014"))
}

/// The SQLSTATE, if the database said it.
fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(|said| said.code())
}
