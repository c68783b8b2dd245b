//! Every hard limit and default, with its unit, its reason and its source.
//!
//! # What is stored
//!
//! An event holds two values and fits a commit; a commit fits an item of DynamoDB. With a payload store,
//! what is large stands elsewhere:
//!
//! ```
//! # use everstep::limits::*;
//! assert!(2 * VALUE_BYTES_MAX < EVENT_BYTES_MAX && EVENT_BYTES_MAX < COMMIT_BYTES_MAX);
//! assert!(VIEW_BYTES_MAX < VALUE_BYTES_MAX && REASON_BYTES_MAX < VIEW_BYTES_MAX);
//! assert!(EXECUTION_ID_BYTES_MAX >= 2 * NAME_BYTES_MAX); // a workflow's name and a key
//! assert_eq!(TAGS_MAX * TAG_BYTES_MAX, 4_096);
//! assert_eq!(WAITS_FOR_MAX, 16);
//!
//! assert!(PAYLOAD_THRESHOLD < PAYLOAD_THRESHOLD_MAX && PAYLOAD_THRESHOLD_MAX < VALUE_BYTES_MAX);
//! assert!(PAYLOAD_SMALL < PAYLOAD_BYTES_MAX && 2 * PAYLOAD_BYTES_MAX == PAYLOAD_BYTES_AT_ONCE);
//! assert_eq!(PAYLOADS_AT_ONCE, 8);
//! assert_eq!(PAYLOAD_ROOM_MAX, 5 * PAYLOAD_CALL_MAX);
//! let parts = ATTACHMENT_BYTES_MAX / ATTACHMENT_PART_BYTES as u64;
//! assert_eq!((parts, ATTACHMENT_PARTS_AT_ONCE), (262_144, 4));
//! ```
//!
//! Logs are read page by page, and what their pages name is opened bit by bit:
//!
//! ```
//! # use everstep::limits::*;
//! assert!(LOG_PAGE_BYTES_MAX > 2 * COMMIT_BYTES_MAX && LOG_PAGE_COMMITS >= HTTP_LIST_MAX);
//! assert!(HISTORY_OPENED_BYTES > PAYLOAD_SMALL && HISTORY_OPENED_BYTES < PAYLOAD_BYTES_MAX);
//! ```
//!
//! A run that has grown long had better continue as new, and what it hands on is small:
//!
//! ```
//! # use everstep::limits::*;
//! assert_eq!((CONTINUE_EVENTS, CONTINUE_BYTES), (10_000, 4_000_000));
//! assert!(CARRIED_IDS_BYTES_MAX < COMMIT_BYTES_MAX / 4);
//! ```
//!
//! # Turns and their claims
//!
//! ```
//! # use everstep::limits::*;
//! # use everstep::prelude::*;
//! // A worker renews its claim at half of it, and its message stays invisible for longer.
//! assert!(WORKER_LEASE_MIN > 2 * CLOCK_SKEW && WORKER_LEASE >= WORKER_LEASE_MIN);
//! assert!(WORKER_VISIBILITY >= WORKER_LEASE + CLOCK_SKEW);
//! assert!(SWEEP_GRACE >= WORKER_LEASE + WORKER_VISIBILITY && SWEEP_EVERY < SWEEP_GRACE);
//!
//! // The same where Lambda takes the turns.
//! assert_eq!(LAMBDA_VISIBILITY, 6 * LAMBDA_TIMEOUT);
//! assert!(LAMBDA_SWEEP_GRACE >= LAMBDA_TIMEOUT + CLOCK_SKEW + LAMBDA_VISIBILITY);
//! assert!(YIELD_BEFORE_DEADLINE < LAMBDA_TIMEOUT / 2);
//!
//! // Five claims without progress block an execution, long before its wake is a dead letter.
//! assert!(2 * STRIKES_MAX < QUEUE_RECEIVES_MAX);
//!
//! // Who stops lets bodies end, and what is cancelled cleans up.
//! assert!(CLEAN_UP_GRACE < WORKER_LEASE_MIN / 2 && STOP_GRACE <= WORKER_LEASE);
//! assert!(SEAL_GRACE < STOP_GRACE); // what they return is stored beyond that
//! assert!(FLUSH_WAIT < CLEAN_UP_GRACE);
//!
//! // What a turn waits for before it writes, looks and shows.
//! assert!(GROUP_COMMIT_LINGER < INBOX_LOOK_AGAIN_AFTER && INBOX_LOOK_AGAIN_AFTER < SHOW_EVERY);
//! assert_eq!((INBOX_LOOK_EVERY, HEARTBEAT_WRITE_EVERY), (seconds(5), seconds(5)));
//! ```
//!
//! # Trying again
//!
//! ```
//! # use everstep::limits::*;
//! # use everstep::prelude::*;
//! // A longer back-off suspends the execution, and an attempt is postponed for a second at least.
//! assert!(BACKOFF_IN_PLACE_MAX < CLOCK_SKEW && POSTPONE_MIN < BACKOFF_IN_PLACE_MAX);
//!
//! // Sends to others: at once, with growing pauses, and by the same id for a day.
//! assert_eq!((WRITE_TRIES_MAX, SENDS_AT_ONCE), (8, 32));
//! assert_eq!(100 * SEND_AGAIN_AFTER, SEND_AGAIN_AFTER_MAX);
//! assert_eq!(RETRY_WINDOW, days(1));
//! assert_eq!(UPDATE_WAIT, seconds(30)); // and then the client asks again with the same id
//!
//! // Transactions of steps.
//! assert_eq!((TRANSACTION_TRIES_MAX, TRANSACTION_WAIT), (6, minutes(1)));
//! assert_eq!((TRANSACT_WRITES_MAX, MARKER_KEPT), (98, days(90)));
//! ```
//!
//! # Queues, alarms, notifications
//!
//! ```
//! # use everstep::limits::*;
//! # use everstep::prelude::*;
//! assert_eq!((QUEUE_DELAY_MAX, QUEUE_RETENTION), (minutes(15), days(14))); // those of SQS
//! assert!(ALARM_WAIT < ALARM_PAUSE && DISARM_WAIT < ALARM_WAIT);
//!
//! assert_eq!(NOTIFICATION_BYTES_MAX, 250_000);
//! assert!(NOTIFY_LINGER < NOTIFY_WAIT && NOTIFY_WAIT < NOTIFY_PAUSE);
//! assert!(NOTIFY_PAUSE < NOTIFY_AGAIN_AFTER && NOTIFY_AGAIN_AFTER < NOTIFY_AGAIN_AFTER_MAX);
//! assert_eq!(NOTIFY_STUCK_MAX, 20); // notifications of one execution that others overtake
//! ```
//!
//! # Payload stores, keys and archives; deleting
//!
//! ```
//! # use everstep::limits::*;
//! # use everstep::prelude::*;
//! assert!(PAYLOAD_CALL_MAX < ARCHIVE_CALL_MAX);
//! assert!(PAYLOAD_BYTES_MAX < ARCHIVE_OBJECT_BYTES_MAX as usize);
//! assert!(ARCHIVE_MEMORY_BYTES < HISTORY_OPENED_BYTES);
//! let largest = ARCHIVE_CALL_MAX + seconds(ARCHIVE_OBJECT_BYTES_MAX / ARCHIVE_SPEED_MIN);
//! assert!(ARCHIVE_LEFTOVER_AGE > 3 * largest); // there, and back, and the last of it before that
//! assert_eq!((DATA_KEYS_KEPT, DATA_KEY_KEPT_FOR), (1_024, minutes(5)));
//!
//! // An id is free again when no process can remember its data key any more.
//! assert!(GRAVE_REST > DATA_KEY_KEPT_FOR && RETENTION_MIN > GRAVE_REST);
//! assert_eq!((DELETE_EVERY, DELETE_PASS_MAX, DELETE_AT_ONCE), (minutes(10), 1_000, 16));
//! ```
//!
//! # Limiters
//!
//! ```
//! # use everstep::limits::*;
//! // A step waits in place for a permit as long as a back-off would; then its execution is suspended.
//! assert_eq!(LIMITER_WAIT, BACKOFF_IN_PLACE_MAX);
//! assert!(LIMITER_PAUSE > LIMITER_WAIT && LIMITER_PAUSE < LIMITER_RETRY_MAX);
//! assert!(LIMITER_LEASE < LIMITER_LEASE_MAX && LIMITER_ANSWER_MAX < LIMITER_LEASE / 3);
//! ```
//!
//! # HTTP
//!
//! ```
//! # use everstep::limits::*;
//! assert!(HTTP_BODY_BYTES_MAX > COMMIT_BYTES_MAX && HTTP_PAGE_BYTES_MAX == COMMIT_BYTES_MAX);
//! assert_eq!((HTTP_LIST_MAX, HTTP_WAITING_MAX), (100, 1_000));
//! assert!(HTTP_STOP_GRACE < HTTP_WAIT_MAX && HTTP_BODY_WAIT <= HTTP_WAIT_MAX);
//! ```

use std::time::Duration;

/// Longest execution id, in bytes. A DynamoDB partition key has at most 2,048 bytes
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>); ours
/// has a prefix, and ids go into index keys, log lines and URLs as well.
pub const EXECUTION_ID_BYTES_MAX: usize = 512;

/// Longest name of a workflow, step, signal, update, promise or change, in bytes: it is part of keys
/// and index keys.
pub const NAME_BYTES_MAX: usize = 256;

/// Largest commit body, in bytes, on every store alike, so that what runs on a laptop runs in
/// production. A DynamoDB item has at most 400 KB (409,600 bytes), names included
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
pub const COMMIT_BYTES_MAX: usize = 400_000;

/// Largest recorded value, in bytes: a step's arguments, its result or error, a workflow's input
/// or output, a signal's payload, an update's request or answer, a promise's result. An event holds
/// at most two of them, and its names.
pub const VALUE_BYTES_MAX: usize = 190_000;

/// Largest recorded value where a payload store is configured, in bytes. A value is held in memory
/// as a whole, up to three times over while it is sealed, and the smallest Lambda functions have 128 MB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).
pub const PAYLOAD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Above how many bytes, as it would stand in the log, a payload goes to the payload store, unless
/// the program says otherwise. Each is a request to S3 of its own, which takes tens of milliseconds;
/// in the log it takes part in one that is made anyway.
pub const PAYLOAD_THRESHOLD: usize = 64 * 1024;

/// The highest such threshold that can be set, in bytes: two payloads, a third larger in base64, and
/// their event fit one commit.
pub const PAYLOAD_THRESHOLD_MAX: usize = 140_000;

/// How many payloads of one execution are read or written at once.
pub const PAYLOADS_AT_ONCE: usize = 8;

/// How many bytes of large payloads one `Payloads` seals or opens at once, for all executions
/// of a process: two of the largest. Each takes about twice its size meanwhile, beside the value
/// itself. What is smaller than [`PAYLOAD_SMALL`] does not count, and waits for none.
pub const PAYLOAD_BYTES_AT_ONCE: usize = 2 * PAYLOAD_BYTES_MAX;

/// From how many bytes on a payload counts as large for [`PAYLOAD_BYTES_AT_ONCE`]: the many small ones
/// do not wait for the few large ones.
pub const PAYLOAD_SMALL: usize = 256 * 1024;

/// How many bytes of an attachment are one blob. Each is a request to S3 of its own, of about a tenth
/// of a second; and in memory as a whole, a few at once, in the smallest Lambda functions too, see
/// [`PAYLOAD_BYTES_MAX`].
pub const ATTACHMENT_PART_BYTES: usize = 4 * 1024 * 1024;

/// How many parts of one attachment are in memory at once while it is written, or read ahead. A codec
/// makes a second one of each.
pub const ATTACHMENT_PARTS_AT_ONCE: usize = 4;

/// Largest attachment, in bytes: a tebibyte. What lists its parts is a blob too, and has less than
/// [`PAYLOAD_BYTES_MAX`].
pub const ATTACHMENT_BYTES_MAX: u64 = 1 << 40;

/// How long a payload store, or a provider of keys, may take for one thing, with all its tries: the
/// largest payload at five megabits a second. Then a turn gives up, and its wake comes back. Nobody
/// runs its bodies again for less: until then it keeps its claim.
pub const PAYLOAD_CALL_MAX: Duration = Duration::from_secs(60);

/// How long a payload waits for room among the bytes of [`PAYLOAD_BYTES_AT_ONCE`]: as long as five of
/// those before it may take. Then a turn gives up, and its wake comes back.
pub const PAYLOAD_ROOM_MAX: Duration = Duration::from_secs(300);

/// How long what is finished when a worker must hand over may still take to be sealed. An invocation
/// has a third of what is left of its time.
pub const SEAL_GRACE: Duration = Duration::from_secs(5);

/// How long an archive may take for an object, with all its tries: so long to store it, and so long to
/// read it back. A large one has the time that its bytes take at [`ARCHIVE_SPEED_MIN`] besides. Then the
/// execution is kept, and a later pass tries again.
pub const ARCHIVE_CALL_MAX: Duration = Duration::from_secs(300);

/// The slowest way to an archive and back, in bytes a second, for which a large object is given time: ten
/// megabits. The largest has some seventy minutes for each way.
pub const ARCHIVE_SPEED_MIN: u64 = 1_250_000;

/// Largest history that is archived, in bytes: an object of S3 that is put by one request has at most
/// 5 GB (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html>).
pub const ARCHIVE_OBJECT_BYTES_MAX: u64 = 5_000_000_000;

/// Up to how many bytes a history that is archived is put together in memory, in each of the
/// [`DELETE_AT_ONCE`]. A larger one is put together in a file of the folder for temporary files, one at
/// a time in each pass: so that folder needs room for the largest history, as many times as there are
/// passes, and calls of `Client::delete`, at once.
pub const ARCHIVE_MEMORY_BYTES: usize = 256 * 1024;

/// How long nobody has written to a file on its way into the archive when it counts as left by a process
/// that was killed, and is removed: longer than the largest history takes to the archive and back. Whoever
/// is later all the same finds its file gone, and a later pass tries again.
pub const ARCHIVE_LEFTOVER_AGE: Duration = Duration::from_secs(4 * 60 * 60);

/// How many data keys a process keeps in memory, and for how long: an erased execution cannot be read
/// any more after that, wherever it was read before.
pub const DATA_KEYS_KEPT: usize = 1_024;

/// See [`DATA_KEYS_KEPT`].
pub const DATA_KEY_KEPT_FOR: Duration = Duration::from_secs(300);

/// Largest inbox message, in bytes: it becomes one event of one commit.
pub const EVENT_BYTES_MAX: usize = COMMIT_BYTES_MAX - 1_000;

/// Longest reason in an execution's record, in bytes: a longer one is cut. The record is copied into
/// indexes and lists; the log has the whole of it, or whoever blocked the execution has reported it.
pub const REASON_BYTES_MAX: usize = 4_096;

/// S of the protocol: how far two hosts' clocks may differ, and how long a host may be paused
/// between its lease check and the start of a body.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// How long a worker's claim holds before it must be renewed. A dead worker's executions go on
/// elsewhere after at most this and [`CLOCK_SKEW`].
pub const WORKER_LEASE: Duration = Duration::from_secs(20);

/// The shortest lease that a worker can be given. Half of it, when it is renewed, must be more than
/// [`CLOCK_SKEW`], or its last bodies could not start.
pub const WORKER_LEASE_MIN: Duration = Duration::from_secs(11);

/// V of the protocol for the queues of workers: how long a received message stays invisible unless
/// its receiver keeps it longer. At least [`WORKER_LEASE`] + [`CLOCK_SKEW`], or a message comes back
/// while its execution is still worked on.
pub const WORKER_VISIBILITY: Duration = Duration::from_secs(30);

/// G of the protocol: how overdue an execution or inbox item is before the sweeper wakes it. At
/// least lease + visibility, or the sweeper wakes what is being worked on.
pub const SWEEP_GRACE: Duration = Duration::from_secs(60);

/// How often a worker sweeps.
pub const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// P of the protocol: claims in a row without progress before the execution is blocked. Less than
/// the queue's `maxReceiveCount`, or the wake is gone before anybody can read why.
pub const STRIKES_MAX: u32 = 5;

/// How long a retry waits in its turn; a longer back-off suspends the execution.
pub const BACKOFF_IN_PLACE_MAX: Duration = Duration::from_secs(2);

/// The shortest time for which an attempt is postponed. Nothing counts these attempts, and each is
/// two writes: a body that asks for no delay would fill its log as fast as the store takes it.
pub const POSTPONE_MIN: Duration = Duration::from_secs(1);

/// How long a finished result waits for company before it is written, while other bodies run.
pub const GROUP_COMMIT_LINGER: Duration = Duration::from_millis(50);

/// How often a turn whose bodies run asks whether anything arrived for it.
pub const INBOX_LOOK_EVERY: Duration = Duration::from_secs(5);

/// How soon a turn whose own process hears of something new for it asks again. Each look that finds
/// something loads the log, so that a flood of messages must not make as many.
pub const INBOX_LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// How often what running bodies say with `heartbeat` is written, at most.
pub const HEARTBEAT_WRITE_EVERY: Duration = Duration::from_secs(5);

/// How long a body that listens for `cancelled` has to clean up. Less than half of
/// [`WORKER_LEASE_MIN`]: its claim holds that long.
pub const CLEAN_UP_GRACE: Duration = Duration::from_secs(5);

/// How often an unanswered write is tried again before the turn gives up and its wake comes back.
pub const WRITE_TRIES_MAX: u32 = 8;

/// How often a transaction that a database could not finish is tried in one attempt of its step: a
/// conflict with another one, a lost connection. With pauses from 20 ms on, that is about a second;
/// what takes longer is for the step's own retries, which are in the log.
pub const TRANSACTION_TRIES_MAX: u32 = 6;

/// Most writes of a `dynamodb::Transact`: a transaction of DynamoDB has at most 100 items and 4 MB
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>), and
/// two are the log's: the commit with the step's result and the record it is for. With a marker it is
/// one, but what a step may write does not depend on where its log is.
pub const TRANSACT_WRITES_MAX: usize = 98;

/// How long the marker of a `dynamodb::transact` stays at least: longer than an execution is likely to
/// stay blocked, and cheap.
pub const MARKER_KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How long a transaction waits for another one of the same step, once in an attempt: one of a host
/// that has lost its lease and still runs, or whose connection broke and whose server has not
/// noticed.
pub const TRANSACTION_WAIT: Duration = Duration::from_secs(60);

/// How many sends to other executions (starts and cancels of children) one turn makes at once: enough
/// to hide a store's latency, few enough not to be throttled.
pub const SENDS_AT_ONCE: usize = 32;

/// How soon a send to another execution that got no answer is made again. The pause doubles each time,
/// up to [`SEND_AGAIN_AFTER_MAX`]. A start of a child is tried until its turn ends; what an
/// execution says at its end, [`WRITE_TRIES_MAX`] times, and then its wake comes back.
pub const SEND_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The longest pause between two tries of a send to another execution.
pub const SEND_AGAIN_AFTER_MAX: Duration = Duration::from_secs(5);

/// How long a client waits for the answer to an update, unless it says otherwise. An answer that
/// needs no step takes a turn, which is a second at most where hosts are awake.
pub const UPDATE_WAIT: Duration = Duration::from_secs(30);

/// Largest view that a workflow shows, in bytes of JSON. It is part of the record, which every turn
/// writes: on DynamoDB each kilobyte of it is a write unit.
pub const VIEW_BYTES_MAX: usize = 16 * 1024;

/// How often a turn shows in the record what others wait to see (answers, views) while it goes on:
/// the first at once, the next after this time at the earliest. A loop of short steps that each
/// publish something costs little more than one that does not.
pub const SHOW_EVERY: Duration = Duration::from_millis(200);

/// How many names of signals, and how many of updates, the end of a turn lists as waited for.
pub const WAITS_FOR_MAX: usize = 16;

/// Longest delay of a queue message: SQS's DelaySeconds, 15 minutes
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>).
pub const QUEUE_DELAY_MAX: Duration = Duration::from_secs(900);

/// How long a turn that suspends waits for the answer of an alarm clock (`wake::AlarmClock`)
/// before its timer hops through the queue. The clock answers in tens of milliseconds; this is as long
/// as a connection may take to open, and one try more.
pub const ALARM_WAIT: Duration = Duration::from_secs(4);

/// How long an alarm clock that failed is left alone: timers hop meanwhile. A throttled clock is
/// given air, and one that can never work (no role, no permission) costs a call a minute.
pub const ALARM_PAUSE: Duration = Duration::from_secs(60);

/// How long the end of a turn waits until the alarms that nobody counts on any more are taken back. What
/// is not taken back by then rings in vain.
pub const DISARM_WAIT: Duration = Duration::from_secs(2);

/// Longest notification, as JSON. An entry of EventBridge and a message of SNS may have 256 KiB, a
/// batch of SNS together as much; source, type and attributes count too.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/calculate-putevents-entry-size.html>,
/// <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>
pub const NOTIFICATION_BYTES_MAX: usize = 250_000;

/// How long a turn waits at a time for its notifications to be sent, and at most half of the time
/// that an invocation has left. What is not sent by then is sent later.
pub const NOTIFY_WAIT: Duration = Duration::from_secs(4);

/// How long a notification waits, while its turn runs bodies, for others to be sent along with it.
pub const NOTIFY_LINGER: Duration = Duration::from_secs(1);

/// For how long a process leaves a notifier alone that did not answer: turns must not wait for it one
/// after the other.
pub const NOTIFY_PAUSE: Duration = Duration::from_secs(10);

/// When the sweeper first brings back an execution that has something untold. Then it is after as long
/// as that has been untold already.
pub const NOTIFY_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The longest time between two such tries.
pub const NOTIFY_AGAIN_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// How many notifications of an execution may be stuck, each by itself, while others behind them are
/// sent; with more of them the rest waits too. Each is some hundred bytes at most in the record, and a
/// read of its own in a try.
pub const NOTIFY_STUCK_MAX: usize = 20;

/// The shortest time for which closed executions are kept: longer than any invocation, lease or try of
/// a write, so that no host still has to do with what is deleted.
pub const RETENTION_MIN: Duration = Duration::from_secs(60 * 60);

/// How long the id of a deleted execution stays taken after its blobs were removed: longer than a start
/// takes from its first blob to its commit, and than a process remembers a data key.
pub const GRAVE_REST: Duration = Duration::from_secs(360);

/// How many executions one pass of retention deletes at the most; the next pass goes on. Sixteen at
/// once, each a few calls: some seconds.
pub const DELETE_PASS_MAX: usize = 1_000;

/// How many executions a pass deletes at once. What it has of their payloads in memory is no more than
/// [`PAYLOAD_BYTES_AT_ONCE`]: those with larger ones wait for each other.
pub const DELETE_AT_ONCE: usize = 16;

/// How often a worker looks for what is to be deleted.
pub const DELETE_EVERY: Duration = Duration::from_secs(600);

/// W of the protocol: how long after its first try a message may be sent again by the same id. An
/// execution that continues as new knows the ids that it took for so long.
pub const RETRY_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// How many bytes of ids a run hands on to the next, at most: of about 2,000 messages. Of an
/// execution that takes more in [`RETRY_WINDOW`], the latest are known. Ids, input and tags make
/// one commit, since a closed execution is started again by one write.
pub const CARRIED_IDS_BYTES_MAX: usize = 40_000;

/// After how many events of a run it had better continue as new: a load of so many takes about
/// 10 ms on one core.
pub const CONTINUE_EVENTS: u64 = 10_000;

/// After about how many bytes of a run's log it had better continue as new: four pages of a query
/// of DynamoDB
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>).
pub const CONTINUE_BYTES: u64 = 4_000_000;

/// How many tags an execution can have.
pub const TAGS_MAX: usize = 16;

/// Longest tag, in bytes: its name and its value together.
pub const TAG_BYTES_MAX: usize = 256;

/// How often a message is received before it goes to the dead-letter queue. More than
/// [`STRIKES_MAX`], since throttling uses receives too.
pub const QUEUE_RECEIVES_MAX: u32 = 20;

/// How long a queue keeps a message: SQS's longest, 14 days
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>).
pub const QUEUE_RETENTION: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// T of the protocol that the numbers for Lambda are made for: a function's time-out. A function
/// with a longer one needs a longer [`LAMBDA_VISIBILITY`] of its queue.
pub const LAMBDA_TIMEOUT: Duration = Duration::from_secs(60);

/// V of the protocol for a queue that Lambda receives from: six times [`LAMBDA_TIMEOUT`]
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>).
pub const LAMBDA_VISIBILITY: Duration = Duration::from_secs(360);

/// G of the protocol where Lambda takes the turns: more than the longest lease that goes with
/// [`LAMBDA_VISIBILITY`] and the visibility itself.
pub const LAMBDA_SWEEP_GRACE: Duration = Duration::from_secs(600);

/// How long an invocation, or a worker that has stopped, waits for telemetry to leave the process.
pub const FLUSH_WAIT: Duration = Duration::from_secs(2);

/// How long before a Lambda invocation's deadline a turn starts no more bodies and hands over.
pub const YIELD_BEFORE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a stopping worker lets running bodies go on before it hands the execution over.
pub const STOP_GRACE: Duration = Duration::from_secs(20);

/// Largest body of an HTTP request that is read, in bytes: a start with all that it brings fits a
/// commit, and a quarter more is for white space and escapes. A load balancer hands a function up to
/// 1 MB
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html>).
pub const HTTP_BODY_BYTES_MAX: usize = 500_000;

/// About how much of a history one HTTP answer has, in bytes: a commit fits. A load balancer takes
/// 1 MB from a function, escapes included (the same page).
pub const HTTP_PAGE_BYTES_MAX: usize = COMMIT_BYTES_MAX;

/// How many bytes of commits' bodies a page of a log has at most, if it has more than one commit: what a
/// query of DynamoDB reads at once
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>).
pub const LOG_PAGE_BYTES_MAX: usize = 1_000_000;

/// How many commits who reads a whole log asks for at once: they take a few times the space of their
/// bodies in memory.
pub const LOG_PAGE_COMMITS: usize = 1_000;

/// How many bytes of payloads that stand elsewhere are opened at once for who reads a whole log, if they
/// are of more than one commit.
pub const HISTORY_OPENED_BYTES: usize = 8 * 1024 * 1024;

/// How many executions, or commits of a history, one HTTP answer has at most.
pub const HTTP_LIST_MAX: usize = 100;

/// How long the body of an HTTP request may take to come.
pub const HTTP_BODY_WAIT: Duration = Duration::from_secs(20);

/// How long an HTTP request waits for a result or an answer, at most. An HTTP API waits 30 seconds
/// for a function
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>), and a store
/// may take some of them.
pub const HTTP_WAIT_MAX: Duration = Duration::from_secs(20);

/// How many HTTP requests wait at once in one process: each asks the store every second.
pub const HTTP_WAITING_MAX: usize = 1_000;

/// How long a server that stops lets requests end.
pub const HTTP_STOP_GRACE: Duration = Duration::from_secs(10);

/// What [`is_name`] asks for, in words.
pub(crate) const NAME_RULE: &str = "a name has 1 to 256 bytes and no control characters";

/// Whether `text` can be the name of a workflow, step, signal, update, promise or change, or the id
/// of a signal or update: 1 to [`NAME_BYTES_MAX`] bytes without control characters.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}

/// What [`is_tag`] asks for, in words.
pub(crate) const TAG_RULE: &str = "a tag is a name without '=' and a value, 256 bytes together at most and without control \
     characters";

/// Whether `name` and `value` can be a tag.
pub(crate) fn is_tag(name: &str, value: &str) -> bool {
    let is_plain = |text: &str| !text.chars().any(char::is_control);
    !name.is_empty()
        && !name.contains('=')
        && name.len() + value.len() <= TAG_BYTES_MAX
        && is_plain(name)
        && is_plain(value)
}

// What docs/protocol.md demands of these numbers, by rule. A number that breaks one of them does
// not compile.

/// Rules 7 and 20: a claim is renewed (at half of it) while a body may still start under it.
const _: () = assert!(WORKER_LEASE_MIN.as_millis() > 2 * CLOCK_SKEW.as_millis());
const _: () = assert!(WORKER_LEASE.as_millis() >= WORKER_LEASE_MIN.as_millis());

/// Rule 21: V >= T + batching window + S. A worker's turn has no end; it keeps its message
/// invisible, and for the rest its lease stands for T. Lambda is as AWS asks, without a window.
const _: () =
    assert!(WORKER_VISIBILITY.as_millis() >= WORKER_LEASE.as_millis() + CLOCK_SKEW.as_millis());
const _: () =
    assert!(LAMBDA_VISIBILITY.as_millis() >= LAMBDA_TIMEOUT.as_millis() + CLOCK_SKEW.as_millis());
const _: () = assert!(LAMBDA_VISIBILITY.as_millis() >= 6 * LAMBDA_TIMEOUT.as_millis());

/// A claim is renewed when half of it is over, so this is left of it when a cancel is seen.
const _: () = assert!(2 * CLEAN_UP_GRACE.as_millis() < WORKER_LEASE_MIN.as_millis());

/// Rule 22: the last look, which blocks, must come before the wake is in the dead letters; as many
/// receives again are left for throttling.
const _: () = assert!(2 * (STRIKES_MAX + 1) < QUEUE_RECEIVES_MAX);

/// Rules 23 and 25: G >= L + V, or the sweeper wakes what is being worked on. L of a function is
/// its time-out and S.
const _: () =
    assert!(SWEEP_GRACE.as_millis() >= WORKER_LEASE.as_millis() + WORKER_VISIBILITY.as_millis());
const _: () = assert!(
    LAMBDA_SWEEP_GRACE.as_millis()
        >= LAMBDA_TIMEOUT.as_millis() + CLOCK_SKEW.as_millis() + LAMBDA_VISIBILITY.as_millis()
);

/// Rule 17: a function has more time to work than to hand over.
const _: () = assert!(LAMBDA_TIMEOUT.as_millis() > 2 * YIELD_BEFORE_DEADLINE.as_millis());

/// Rule 26: a retry that waits in its turn does not outlast the lease it waits under.
const _: () = assert!(BACKOFF_IN_PLACE_MAX.as_millis() < CLOCK_SKEW.as_millis());

/// Rule 19: what a run begins with fits one commit.
const _: () = assert!(
    CARRIED_IDS_BYTES_MAX + VALUE_BYTES_MAX + TAGS_MAX * (TAG_BYTES_MAX + 10) + 16 * NAME_BYTES_MAX
        < COMMIT_BYTES_MAX
);

/// An event holds two values and its names, and each event fits a commit.
const _: () = assert!(2 * VALUE_BYTES_MAX + 16 * NAME_BYTES_MAX < EVENT_BYTES_MAX);
const _: () = assert!(EVENT_BYTES_MAX < COMMIT_BYTES_MAX);

/// The same if both are sealed and stand in the log.
const _: () =
    assert!(2 * (PAYLOAD_THRESHOLD_MAX / 3 * 4 + 1_000) + 16 * NAME_BYTES_MAX < EVENT_BYTES_MAX);
const _: () = assert!(PAYLOAD_THRESHOLD <= PAYLOAD_THRESHOLD_MAX);
const _: () = assert!(COMMIT_BYTES_MAX < 409_600);

/// How long a step waits in place for a permit of a limiter, unless it is told otherwise; for one
/// that comes later the execution is suspended. A Lambda function is paid while it waits.
pub const LIMITER_WAIT: Duration = BACKOFF_IN_PLACE_MAX;

/// How much later than the next place may be free a step asks again that has waited for one in vain.
/// More than [`BACKOFF_IN_PLACE_MAX`]: whoever holds a place for hours would keep those who wait awake,
/// and each time that they ask is two writes.
pub const LIMITER_PAUSE: Duration = Duration::from_secs(5);
const _: () = assert!(LIMITER_PAUSE.as_millis() > BACKOFF_IN_PLACE_MAX.as_millis());

/// For how long a permit of a concurrency limiter is lent, unless it is told otherwise: so long it is
/// missing after its host has died. It is renewed every third of it.
pub const LIMITER_LEASE: Duration = Duration::from_secs(30);

/// The longest lease of a permit.
pub const LIMITER_LEASE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long behind the first possible time a limiter tells those it refuses to ask again, at most:
/// those who wait are spread over it.
pub const LIMITER_RETRY_MAX: Duration = Duration::from_secs(60);

/// How long a call to a Redis may take, and a connection to it.
pub const LIMITER_ANSWER_MAX: Duration = Duration::from_secs(3);
