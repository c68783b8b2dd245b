//! Steps whose effect on a PostgreSQL database happens exactly once.
//!
//! A step runs at least once: a host may die after the effect and before the step's result is in the
//! log. A [`transaction`] closes that gap for one database. The effect and its result are committed
//! together, the result as a row of the table `everstep_steps`, under the step's
//! [idempotency key](crate::idempotency_key()). Whoever runs the step again finds the row, and returns
//! what it says.
//!
//! ```text
//!   BEGIN
//!   the step's row, without a result       whoever comes second waits here, and then reads the row
//!   ... what the closure does ...
//!   its result goes into the row
//!   COMMIT                                 the effect and its result, or neither
//! ```
//!
//! The guide's page docs/guide/data.md says when to take this, and what remains at least once.
//!
//! ```no_run
//! use everstep::postgres::{self, Isolation, PgPool, Rollback, TransactionError, Tx};
//! use everstep::prelude::*;
//!
//! /// Takes from an account, and returns what is left.
//! async fn take(mut tx: Tx, from: String, cents: i64) -> Result<i64, Rollback<TransactionError>> {
//!     let left = sqlx::query_scalar::<_, i64>(
//!         "UPDATE accounts SET cents = cents - $1 WHERE name = $2 RETURNING cents",
//!     );
//!     Ok(left.bind(cents).bind(from).fetch_one(&mut *tx).await?)
//! }
//!
//! #[step(skip(pool))]
//! async fn pay(pool: &PgPool, from: &str, cents: i64) -> Result<i64, TransactionError> {
//!     postgres::transaction(pool, |tx| take(tx, from.to_owned(), cents))
//!         .isolation(Isolation::Serializable)
//!         .await
//! }
//! # fn main() {}
//! ```
//!
//! # Connections
//!
//! Nothing here depends on the session: no `SET`, no prepared statement that outlives its transaction,
//! no lock that does. So it works behind RDS Proxy and other poolers that give each transaction another
//! connection. Queries of your own do the same with `.persistent(false)`; without it sqlx prepares a
//! statement that stays in the session (also where its cache is turned off). RDS and Aurora want TLS,
//! which is a feature of `sqlx` (`tls-rustls-ring` and others) that your program turns on.
//!
//! # The table
//!
//! [`setup`] makes it; [`SCHEMA`] is for those who have migrations. It belongs to one backend: the keys
//! follow from the ids of executions, so two backends whose executions have the same ids must not share
//! it. Whoever empties the one empties the other.
//!
//! ```no_run
//! use everstep::Client;
//! use everstep::postgres::{self, CleanError, PgPool, SetupError};
//!
//! /// Before the first step.
//! async fn prepare(pool: &PgPool) -> Result<(), SetupError> {
//!     postgres::setup(pool).await
//! }
//!
//! /// Once a day.
//! async fn tidy(pool: &PgPool, client: &Client) -> Result<u64, CleanError> {
//!     postgres::clean(pool, client, everstep::days(30)).await
//! }
//! ```

mod clean;
mod error;
mod open;
mod row;
mod schema;
mod transaction;

pub use clean::{CleanError, clean};
pub use error::{Rollback, TransactionError};
pub use open::Tx;
pub use schema::{SCHEMA, SetupError, setup};
pub use transaction::{Isolation, Transaction, transaction};

#[doc(no_inline)]
pub use sqlx::PgPool;
