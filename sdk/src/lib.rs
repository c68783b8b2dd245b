//! Durable workflows in ordinary async Rust.
//!
//! A workflow is an async function. The result of each of its steps is appended to a log, and any
//! process can load that log, run the function against it and go on where the last one stopped: a
//! crash, a deploy or two days of waiting lose nothing. The log is a DynamoDB table, a SQLite file
//! or memory; the same program runs on each.
//!
//! # An example
//!
//! ```
//! use everstep::prelude::*;
//!
//! #[step]
//! async fn charge(card: &str, cents: u64) -> everstep::Result<String> {
//!     Ok(format!("{cents} from {card}, {}", idempotency_key())) // here, ask the bank
//! }
//!
//! #[step]
//! async fn send_receipt(name: &str, charge: &str) -> everstep::Result<()> {
//!     println!("Dear {name}, we have charged {charge}");
//!     Ok(())
//! }
//!
//! #[workflow]
//! async fn sell(name: String) -> everstep::Result<String> {
//!     let charge = charge("4242", 69_80).await?; // once it is in the log, it never runs again
//!     sleep(seconds(1)).await; // a durable timer: it would survive the end of this process
//!     send_receipt(&name, &charge).await?;
//!     Ok(charge)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let backend = Backend::memory(); // or `Backend::from_env()`: what `EVERSTEP_URL` names
//! let app = App::new().workflow(sell).backend(backend.clone());
//!
//! let client = Client::new(&backend);
//! let sale = client.start(sell, "Ada".to_owned()).id("sale-1").await?;
//!
//! let charge = app.worker().await?.run_until(sale.result()).await?.expect("the sale");
//! assert!(charge.starts_with("6980 from 4242"));
//! # Ok(())
//! # }
//! ```
//!
//! A program that only serves ends in [`App::run`]: a worker that stops on SIGTERM and ctrl-c, or
//! the Lambda runtime when it runs there.
//!
//! # The parts
//!
//! - **Workflows and steps**: the attributes [`macro@workflow`] and [`macro@step`] explain what
//!   they take and what they refuse. Beside steps a workflow may await [`sleep`],
//!   [`sleep_until`], [`timeout`], [`signal`](signal()) and [`signals`], [`update`](update()) and
//!   [`updates`], [`promise`](promise()), [`callback`](callback()), [`child`](child()),
//!   [`join_all`], [`map`], [`race`], [`first_ok`] and [`poll_until`], and ask for [`now`],
//!   [`uuid()`] and [`random`], and which [`version`](version()) of a change it is on.
//!   `tokio::join!` and the combinators of `futures` work as they are; other awaits (sockets,
//!   tokio's timers, other tasks) belong into steps.
//! - **What a workflow did is undone** if it fails or is cancelled: by `undo` of
//!   [`macro@step`], and by hand with [`compensate`].
//! - **Long lives**: [`publish`] shows how far it is, [`set_tag`] says by
//!   what it is found, [`continue_as_new`] begins a new log, an
//!   [`Object`] lives as long as somebody talks to it.
//! - **Errors**: a step's is your own serde-able type, or [`Error`], which takes any error by `?`.
//!   [`Retry`] is how often it is tried; [`Terminal::terminal`] ends that.
//! - **Hosts**: [`App`] has the workflows and their [`State`], [`Worker`] runs them.
//! - **Triggers**: [`App::on`] says what follows from an event of AWS; see [`trigger`].
//! - **Notifications**: [`App::notifications`] tells others what happens; see [`notify`].
//! - **Telemetry**: spans, log lines and metrics for those who operate it; see [`telemetry`].
//! - **Clients**: [`Client`] starts executions, waits for results, sends signals, cancels, lists
//!   and reads histories, from any process.
//! - **Backends**: [`Backend`] is a [`store`] and a [`wake`] queue; [`memory`], `local` (SQLite)
//!   and `aws` are the ones there are. Large values go to a [`payload`] store, histories to an
//!   [`archive`] before [`App::retention`] deletes them.
//! - **What steps do to others**: [`limiter`], so many calls a second or at once, over all hosts;
//!   `postgres` and `dynamodb`, data that changes exactly once; `invoke`, other Lambda functions;
//!   [`idempotency_key`], the same for every attempt.
//! - **The log**: [`event`] is what a history can say.
//! - **Limits** and defaults, with their reasons: [`limits`].
//!
//! # What is promised
//!
//! 1. A step whose result is in the log never runs again for that execution. Until then it runs at
//!    least once; an `at_most_once` step at most once an attempt.
//! 2. Workflow code acts on nothing that a crash could take back.
//! 3. An open execution is never forgotten.
//! 4. A log is linear and immutable.
//! 5. Replaying a log with the code that wrote it gives the same result, on every store.
//! 6. When code and log disagree nothing is appended and nothing lost: the execution is blocked,
//!    with its reason, and goes on after a fix.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `sqlite` | yes | `local`: the SQLite store and queue |
//! | `aws` | no | `aws`: the DynamoDB store, the SQS queue and the Lambda host; `dynamodb`: steps whose writes to DynamoDB happen exactly once |
//! | `scheduler` | no | timers of more than 15 minutes on EventBridge Scheduler; with it comes `aws` |
//! | `s3` | no | `aws::S3Payloads` and `aws::S3Archive`: large payloads, and the histories of what is deleted, in an S3 bucket; with it comes `aws` |
//! | `zstd` | no | `payload::Zstd`: payloads are compressed |
//! | `encryption` | no | `payload::Encryption`: payloads are encrypted, and executions can be erased |
//! | `kms` | no | `aws::KmsKeys`: data keys wrapped by a key of AWS KMS; with it come `aws` and `encryption` |
//! | `http` | no | `http`: the client as an HTTP interface, for a server or, with `aws`, a Lambda function |
//! | `notifications` | no | notifications on EventBridge and SNS: `aws::EventBridgeNotifier`, `aws::SnsNotifier`; with it comes `aws` |
//! | `postgres` | no | `postgres`: steps that run in a PostgreSQL transaction which records their result |
//! | `schedules` | no | `schedule`: workflows that start by the calendar or at intervals |
//! | `lambda-invoke` | no | `invoke`: steps that call other Lambda functions; `App::pin_to_version`; with it comes `aws` |
//! | `redis` | no | `limiter::RedisLimiter`: limits that hosts share |
//! | `opentelemetry` | no | `telemetry`: spans under one OpenTelemetry trace for each run, and OpenTelemetry metrics |
//! | `logs` | no | `telemetry::logs`: log lines, as JSON in Lambda |
//! | `testing` | no | `testing`: a kit for tests of workflows in virtual time; conformance suites and fault injection for stores and queues |

pub mod archive;
#[cfg(feature = "aws")]
pub mod aws;
pub mod backend;
pub mod client;
#[cfg(feature = "aws")]
pub mod dynamodb;
pub mod event;
pub mod host;
#[cfg(feature = "http")]
pub mod http;
pub mod id;
#[cfg(feature = "lambda-invoke")]
pub mod invoke;
pub mod limiter;
pub mod limits;
#[cfg(feature = "sqlite")]
pub mod local;
pub mod memory;
pub mod notify;
pub mod payload;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "schedules")]
pub mod schedule;
pub mod store;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod trigger;
pub mod wake;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod context;
mod error;
mod replay;
mod retry;
mod sweep;
mod turn;
mod writes;

pub use backend::Backend;
pub use client::Client;
pub use context::{
    AllFailed, Callback, CallbackError, Calling, Child, ChildError, Commands, Compensation,
    ContinueAsNew, EachItem, Either, Elapsed, ExecutionInfo, FailFast, FirstOk, InlineStep,
    JoinAll, Map, MapAll, MapEach, NextUpdate, Object, Outcome, Outcomes, PollError, PollUntil,
    Polling, Postpone, Postponed, Promise, PromiseError, Race, Random, Served, Signal, SignalError,
    Signals, Sleep, StartedChild, State, StepFuture, Timeout, TooManyFailed, Update, Updates,
    Versions, Workflow, attempt, callback, cancelled, child, compensate, continue_as_new, days,
    execution_id, execution_info, first_ok, heartbeat, hours, idempotency_header, idempotency_key,
    join_all, last_heartbeat, map, minutes, now, poll_until, postpone, promise, publish, race,
    random, seconds, set_tag, signal, signals, sleep, sleep_until, step, timeout, update, updates,
    uuid, version, version_of,
};
pub use error::{Error, Result, StepFailure, Terminal};
pub use event::ClosePolicy;
pub use everstep_macros::{Versions, step, workflow};
pub use host::{App, Worker};
pub use id::{ExecutionId, PromiseToken};
pub use retry::Retry;

/// What a workflow file needs.
pub mod prelude {
    pub use crate::{
        App, Backend, ChildError, Client, ClosePolicy, Either, ExecutionId, Object, Outcome,
        PromiseToken, Retry, Served, State, StepFailure, Terminal, Versions, callback, cancelled,
        child, compensate, continue_as_new, days, execution_id, execution_info, first_ok,
        heartbeat, hours, idempotency_key, join_all, last_heartbeat, map, minutes, now, poll_until,
        promise, publish, race, random, seconds, set_tag, signal, signals, sleep, sleep_until,
        step, timeout, update, updates, uuid, version, version_of, workflow,
    };
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/testing.md")]
struct TestingPage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/README.md")]
struct GuidePage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/compensation.md")]
struct CompensationPage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/several-at-once.md")]
struct SeveralAtOncePage;

#[cfg(all(doctest, feature = "aws", feature = "postgres"))]
#[doc = include_str!("../../docs/guide/data.md")]
struct DataPage;

#[cfg(all(doctest, feature = "testing", feature = "lambda-invoke"))]
#[doc = include_str!("../../docs/guide/versions.md")]
struct VersionsPage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/long-lives.md")]
struct LongLivesPage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/promises.md")]
struct PromisesPage;

#[cfg(all(doctest, feature = "testing", feature = "notifications"))]
#[doc = include_str!("../../docs/guide/notifications.md")]
struct NotificationsPage;

#[cfg(all(doctest, feature = "testing", feature = "zstd", feature = "encryption"))]
#[doc = include_str!("../../docs/guide/payloads.md")]
struct PayloadsPage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/retention.md")]
struct RetentionPage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/determinism.md")]
struct DeterminismPage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/messages.md")]
struct MessagesPage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/children.md")]
struct ChildrenPage;

#[cfg(all(doctest, feature = "testing", feature = "schedules"))]
#[doc = include_str!("../../docs/guide/schedules.md")]
struct SchedulesPage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/steps.md")]
struct StepsPage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/timers.md")]
struct TimersPage;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../docs/guide/triggers.md")]
struct TriggersPage;

#[cfg(all(doctest, feature = "testing", feature = "http"))]
#[doc = include_str!("../../docs/guide/http.md")]
struct HttpPage;

#[cfg(all(doctest, feature = "testing", feature = "redis"))]
#[doc = include_str!("../../docs/guide/limiters.md")]
struct LimitersPage;

#[cfg(all(doctest, feature = "testing", feature = "lambda-invoke"))]
#[doc = include_str!("../../docs/guide/calling-others.md")]
struct CallingOthersPage;
