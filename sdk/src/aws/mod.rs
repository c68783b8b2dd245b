//! Away: the event store on one DynamoDB table, the wake queue on SQS.
//!
//! Table and queue come from `dynamodb://TABLE?queue=QUEUE`; region, credentials and endpoints
//! from the standard AWS environment (`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`,
//! `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SQS` …). [`setup`](crate::store::EventStore::setup)
//! makes both where they are missing.

mod config;
mod errors;
mod host;
mod index;
mod invocation;
mod items;
mod setup;
mod store;
mod transact;
mod update;
mod wake;

pub(crate) use host::run;

pub use config::load_config;
pub use store::DynamoStore;
pub use wake::SqsQueue;
