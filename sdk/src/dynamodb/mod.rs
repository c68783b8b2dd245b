//! Steps whose writes to DynamoDB happen exactly once.
//!
//! A step runs at least once: a host may die after the effect and before the step's result is in the
//! log. For writes to DynamoDB there are two ways to close that gap.
//!
//! **A step that returns its writes**, `Result<Transact<T>, E>`: where the log is in DynamoDB, they and the
//! event that has the result are one transaction. The step's caller gets the `T`.
//!
//! ```
//! use everstep::dynamodb::types::{AttributeValue, Update};
//! use everstep::dynamodb::{Transact, TransactError};
//! use everstep::prelude::*;
//!
//! #[step]
//! async fn take(article: &str) -> Result<Transact<String>, TransactError> {
//!     let take = Update::builder()
//!         .table_name("stock")
//!         .key("article", AttributeValue::S(article.to_owned()))
//!         .update_expression("ADD pieces :minus_one")
//!         .expression_attribute_values(":minus_one", AttributeValue::N("-1".to_owned()))
//!         .build()
//!         .map_err(|error| TransactError::Invalid { message: error.to_string() })?;
//!     Ok(Transact::new(format!("one {article}")).update("stock", take))
//! }
//!
//! #[workflow]
//! async fn sell(article: String) -> Result<String, TransactError> {
//!     take(&article).await
//! }
//!
//! // A test without DynamoDB says what the step returns.
//! let env = everstep::testing::Env::new(App::new().workflow(sell));
//! env.mock(take, |article| Ok(format!("one {article}")));
//! assert_eq!(env.run(sell, "cup".to_owned()).unwrap(), "one cup");
//! ```
//!
//! Where the log is elsewhere they carry a marker of the app's [`Markers`], if it has them as a
//! [state](crate::App::state); else the attempt fails with [`TransactError::OtherLog`]. A type of another
//! name for such a result (`type Sold = Result<Transact<String>, E>`) is not recognised.
//!
//! **[`transact`] in a body**: its writes are one transaction with a *marker*, an item with the step's
//! result under its [idempotency key](crate::idempotency_key()). Whoever runs the step again finds the
//! marker, and returns what it says. It does not matter where the log is: the same program runs on a
//! laptop with its log in a file and its tables in an emulator.
//!
//! ```text
//!   is there a marker?            yes: its result is the step's
//!   the closure says what to write, and the result
//!   TransactWriteItems:           the marker, if there is none
//!                                 the closure's writes, with their conditions
//! ```
//!
//! The guide's page docs/guide/data.md says when to take this, and what remains at least once.
//!
//! # The table of markers
//!
//! [`Markers::setup`] makes it, billed by request, with DynamoDB's time to live on: a marker goes
//! [90 days](crate::limits::MARKER_KEPT) after its step, unless [told](Markers::keep) otherwise. Where a
//! template makes it: a string `pk` as its only key, and `expires` as the attribute of its time to live.
//! A program needs `dynamodb:GetItem` and `dynamodb:PutItem` on it. It belongs to one backend: the keys
//! follow from the ids of executions, so two backends whose executions have the same ids must not
//! share it.
//!
//! ```no_run
//! use everstep::dynamodb::{Client, Markers, SetupError};
//!
//! # async fn run() -> Result<(), SetupError> {
//! let client = Client::new(&everstep::aws::load_config().await);
//! let markers = Markers::new(&client, "orders-markers").keep(everstep::days(180));
//! markers.setup().await?;
//! # Ok(()) }
//! ```

mod error;
mod marker;
mod markers;
mod run;
mod together;
mod transact;

pub use error::TransactError;
pub use markers::{Markers, SetupError};
pub use run::{Transacting, transact};
pub use transact::Transact;

#[doc(no_inline)]
pub use aws_sdk_dynamodb::{Client, types};
