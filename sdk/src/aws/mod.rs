//! Away: the event store on one DynamoDB table, the wake queue on SQS.
//!
//! Table and queue come from `dynamodb://TABLE?queue=QUEUE`; region, credentials and endpoints
//! from the standard AWS environment (`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`,
//! `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SQS` …). [`setup`](crate::store::EventStore::setup)
//! makes both where they are missing.
//!
//! # Timers of more than 15 minutes
//!
//! SQS delays a message by [15 minutes](crate::limits::QUEUE_DELAY_MAX) at most, so the wake of a
//! timer further away is sent again every quarter of an hour. With the feature `scheduler` and
//! `dynamodb://TABLE?queue=QUEUE&scheduler=GROUP&scheduler_role=ARN` it is a one-time schedule of
//! EventBridge Scheduler instead: see docs/guide/timers.md.
//!
//! # As a Lambda function
//!
//! [`App::run`](crate::App::run) is a Lambda function's whole program: built for the function's
//! architecture and named `bootstrap`, it runs on `provided.al2023`. It takes these events:
//!
//! | event | from | answer |
//! |---|---|---|
//! | a batch of SQS messages | an event source mapping of the queue, with `ReportBatchItemFailures` | `{"batchItemFailures": [...]}` |
//! | `{"start": {"workflow": NAME, "input": ..., "id": ID, "on_conflict": POLICY}}` | a direct invocation | `{"id": ID, "new": true}` |
//! | `{"sweep": {}}`, or a scheduled event of EventBridge | a schedule, every minute or so | `{"woken": 3}` |
//! | `{"take_turn": {"wake": ..., "receives": 1, "deadline": ...}}` | another version of the function, with [`App::pin_to_version`](crate::App::pin_to_version) | `"done"`, or `{"comes_back": {"after_ms": 5000}}` |
//! | a batch of changes of a DynamoDB stream | an event source mapping, with `ReportBatchItemFailures` | `{"batchItemFailures": [...]}` |
//! | a notification of S3 or SNS, an event of EventBridge | the service itself | a list of what was done |
//!
//! A message is a wake, or something that [`App::on`](crate::App::on) takes; so are the events of the
//! last two rows, and any other payload. A message that nobody takes is given back, and goes to the
//! dead letters. See docs/guide/triggers.md.
//!
//! In a start only `workflow` is required: `input` is `null`, `id` made from the invocation's own, so
//! that Lambda's second try of it starts nothing again, and `on_conflict` `"attach"` unless given
//! (`"attach_to_any"`, `"reject"`, `"restart"`, `"restart_if_closed"`; see
//! [`OnConflict`](crate::client::OnConflict)). What it needs beside the program:
//!
//! - `ReportBatchItemFailures` on the mapping, or Lambda deletes wakes that are to come again;
//! - a time-out of the function of at most a sixth of the queue's visibility time-out. The queue
//!   that `setup` makes has [360 s](crate::limits::LAMBDA_VISIBILITY), for a function's
//!   [60 s](crate::limits::LAMBDA_TIMEOUT);
//! - the schedule, which heals lost messages, and lets executions that a bug has blocked go on
//!   after a deploy;
//! - a role that allows, beside what a mapping needs, `sqs:SendMessage` and
//!   `sqs:ChangeMessageVisibility` on the queue (and `sqs:GetQueueUrl`, if it is given by its
//!   name), and on the table and its indexes
//!   `dynamodb:{GetItem,PutItem,UpdateItem,Query,BatchGetItem,DeleteItem}`.

mod answer;
#[cfg(feature = "s3")]
mod archive;
mod config;
mod dead;
mod errors;
mod graves;
mod host;
mod index;
mod items;
#[cfg(feature = "kms")]
mod kms;
mod later;
mod lives;
#[cfg(feature = "notifications")]
mod notify;
mod pages;
#[cfg(feature = "s3")]
mod payloads;
#[cfg(feature = "scheduler")]
mod scheduler;
mod setup;
mod store;
mod together;
mod transact;
mod update;
mod wake;

#[cfg(feature = "lambda-invoke")]
pub(crate) use config::patient_lambda;
pub(crate) use errors::words;
pub(crate) use host::run;
#[cfg(feature = "http")]
pub(crate) use host::run_with;
pub(crate) use together::WithCommit;
pub(crate) use transact::{codes, passes};

#[cfg(feature = "s3")]
pub use archive::S3Archive;
pub use config::load_config;
pub use dead::{DeadLetter, DeadLetters};
#[cfg(feature = "kms")]
pub use kms::KmsKeys;
#[cfg(feature = "notifications")]
pub use notify::{EventBridgeNotifier, SnsNotifier};
#[cfg(feature = "s3")]
pub use payloads::S3Payloads;
#[cfg(feature = "scheduler")]
pub use scheduler::EventBridgeScheduler;
pub use store::DynamoStore;
pub use wake::SqsQueue;
