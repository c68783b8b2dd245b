//! What a long body and its turn say to each other while it runs: "I live, and so far have I got",
//! and "nobody wants your result any more".

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::body::with_scope;
use super::execution::expect_step;
use super::record::record;
use crate::event::Json;
use crate::payload::Payloads;

/// Says that the body lives, and how far it has got.
///
/// The details survive: if this attempt fails, is interrupted or dies with its host, the next one
/// finds them with [`last_heartbeat`]. They are kept in memory and written to the log every 5
/// seconds while the body runs, and with its failure: a host that dies takes at most about the
/// last 5 seconds of them along. Only the latest are kept; call it as often as you like. With
/// nothing to say, `heartbeat(&())` says that the body lives.
///
/// A step with `heartbeat_timeout` fails as timed out when an attempt is silent for so long.
///
/// Call it in the body itself: a task or thread that the body starts does not know its step, and
/// there, as in a step called outside a workflow, it does nothing.
///
/// ```
/// use everstep::prelude::*;
///
/// #[step(heartbeat_timeout = "30s", total_timeout = "6h")]
/// async fn copy(files: Vec<String>) -> everstep::Result<usize> {
///     let done = last_heartbeat::<usize>().unwrap_or(0); // what an earlier attempt has copied
///     for (index, file) in files.iter().enumerate().skip(done) {
///         println!("copy {file}"); // here, copy it
///         heartbeat(&(index + 1));
///     }
///     Ok(files.len())
/// }
/// # #[workflow] async fn backup(_: ()) -> everstep::Result<usize> { copy(vec!["a".into()]).await }
/// # let env = everstep::testing::Env::new(App::new().workflow(backup));
/// # env.mock(copy, |files| Ok(files.len()));
/// # assert_eq!(env.run(backup, ()).unwrap(), 1);
/// ```
///
/// # Panics
/// In a workflow's own code; or the details cannot be recorded, which fails the attempt.
#[track_caller]
pub fn heartbeat<T: Serialize + ?Sized>(details: &T) {
    expect_step("everstep::heartbeat()");
    let here = with_scope(|scope| (Arc::clone(&scope.watch), scope.seq, scope.attempt));
    let Some((watch, seq, attempt)) = here else { return };
    let details = record(details).unwrap_or_else(|problem| {
        panic!("the details of a heartbeat cannot be recorded: {problem}")
    });
    watch.beat(seq, attempt, details);
}

/// What the attempts before this one said last with [`heartbeat`]; `None` if nothing was written,
/// if it is no `T` any more, or in a step called outside a workflow.
///
/// ```
/// use everstep::prelude::*;
///
/// #[step]
/// async fn copy(files: u32) -> everstep::Result<u32> {
///     let copied = last_heartbeat::<u32>().unwrap_or(0);
///     for file in copied..files {
///         heartbeat(&(file + 1));
///         if everstep::attempt() == 1 {
///             return Err(everstep::Error::msg("the connection was lost"));
///         }
///     }
///     Ok(files - copied) // the rest
/// }
/// # #[workflow] async fn backup(_input: ()) -> everstep::Result<u32> { copy(3).await }
/// # let env = everstep::testing::Env::new(App::new().workflow(backup));
/// # assert_eq!(env.run(backup, ()).unwrap(), 2);
/// ```
///
/// # Panics
/// In a workflow's own code.
#[track_caller]
#[must_use]
pub fn last_heartbeat<T: DeserializeOwned>() -> Option<T> {
    expect_step("everstep::last_heartbeat()");
    with_scope(|scope| scope.before.clone())??.read().ok()
}

/// Ready when nobody wants this body's result any more, or its host is about to stop: time to
/// clean up and end. That is when
///
/// - the workflow has dropped the step's future (a lost `race`, a `timeout`), or has ended;
/// - its execution is cancelled or terminated;
/// - the host stops, or its invocation nears its end.
///
/// A body that has called it gets 5 seconds from then on (on a worker that stops, the worker's grace
/// period); then it is dropped where it stands, as bodies that never called it are at once. What it
/// returns is recorded if the execution goes on.
///
/// Call it in the body itself, and await it wherever you like. In a step called outside a workflow
/// it is never ready.
///
/// ```
/// use everstep::prelude::*;
///
/// #[step]
/// async fn render(scene: String) -> everstep::Result<String> {
///     tokio::select! {
///         () = cancelled() => {
///             println!("stop the renderer"); // and what it has made so far
///             Err(everstep::Error::msg("it is not wanted any more"))
///         }
///         picture = async { scene.to_uppercase() } => Ok(picture), // here, ask the renderer
///     }
/// }
/// # #[workflow] async fn draw(_: ()) -> everstep::Result<String> { render("a".into()).await }
/// # let env = everstep::testing::Env::new(App::new().workflow(draw));
/// # assert!(env.run(draw, ()).is_ok());
/// ```
///
/// # Panics
/// In a workflow's own code, which would wait for ever: a cancel drops its future, and what it did
/// is undone.
#[track_caller]
pub fn cancelled() -> impl Future<Output = ()> + Send + 'static {
    expect_step("everstep::cancelled()");
    let here = with_scope(|scope| (Arc::clone(&scope.watch), scope.seq));
    if let Some((watch, seq)) = &here {
        watch.listen(*seq);
    }
    async move {
        match here {
            Some((watch, seq)) => watch.until_unwanted(seq).await,
            None => std::future::pending().await,
        }
    }
}

/// What the bodies of a turn and the turn share. Bodies that never use it never touch its locks.
#[derive(Default)]
pub(crate) struct Watch {
    beats: Mutex<BTreeMap<u32, Beat>>,
    /// Whether any body has ever beaten, and whether one has since the turn last looked.
    beats_ever: AtomicBool,
    beaten: AtomicBool,
    ends: Mutex<Ends>,
    /// Whether any body listens.
    listens: AtomicBool,
    told: Notify,
    /// Where attachments are.
    pub(super) payloads: Payloads,
}

struct Beat {
    attempt: u32,
    details: Json,
    at: Instant,
    written: bool,
}

#[derive(Default)]
struct Ends {
    listeners: BTreeSet<u32>,
    unwanted: BTreeSet<u32>,
    all: bool,
}

impl Watch {
    /// For bodies whose attachments are there.
    pub(crate) fn new(payloads: Payloads) -> Self {
        Self { payloads, ..Self::default() }
    }

    fn beats(&self) -> MutexGuard<'_, BTreeMap<u32, Beat>> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beat(&self, seq: u32, attempt: u32, details: Json) {
        let beat = Beat { attempt, details, at: Instant::now(), written: false };
        self.beats().insert(seq, beat);
        self.beats_ever.store(true, Ordering::Release);
        self.beaten.store(true, Ordering::Release);
    }

    /// When this attempt has beaten last.
    pub(super) fn last_beat(&self, seq: u32, attempt: u32) -> Option<Instant> {
        self.beats().get(&seq).filter(|beat| beat.attempt == attempt).map(|beat| beat.at)
    }

    /// What has been said since it was last asked: step, attempt, details.
    pub(crate) fn unwritten(&self) -> Vec<(u32, u32, Json)> {
        if !self.beaten.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let mut beats = self.beats();
        let unwritten = beats.iter_mut().filter(|(_, beat)| !beat.written);
        unwritten
            .map(|(seq, beat)| {
                beat.written = true;
                (*seq, beat.attempt, beat.details.clone())
            })
            .collect()
    }

    /// The attempt of this step has ended. Returns what it said and nobody has written.
    pub(crate) fn ended(&self, seq: u32) -> Option<Json> {
        if self.listens.load(Ordering::Acquire) {
            let mut ends = self.ends();
            ends.listeners.remove(&seq);
            // The next attempt is told afresh: one that is let end, to be undone, is wanted.
            ends.unwanted.remove(&seq);
        }
        if !self.beats_ever.load(Ordering::Acquire) {
            return None;
        }
        self.beats().remove(&seq).filter(|beat| !beat.written).map(|beat| beat.details)
    }

    fn listen(&self, seq: u32) {
        self.ends().listeners.insert(seq);
        self.listens.store(true, Ordering::Release);
    }

    async fn until_unwanted(&self, seq: u32) {
        loop {
            let mut told = pin!(self.told.notified());
            told.as_mut().enable();
            {
                let ends = self.ends();
                if ends.all || ends.unwanted.contains(&seq) {
                    return;
                }
            }
            told.await;
        }
    }

    /// Tells the bodies that listen and whose results are not `wanted`.
    pub(crate) fn tell_unwanted(&self, wanted: impl Fn(u32) -> bool) {
        let mut ends = self.ends();
        let Ends { listeners, unwanted, .. } = &mut *ends;
        let before = unwanted.len();
        unwanted.extend(listeners.iter().copied().filter(|seq| !wanted(*seq)));
        if unwanted.len() > before {
            self.told.notify_waiters();
        }
    }

    /// Tells all bodies that listen, from now on too.
    pub(crate) fn tell_all(&self) {
        let mut ends = self.ends();
        if !ends.all {
            ends.all = true;
            self.told.notify_waiters();
        }
    }

    /// Whether any body has ever listened.
    pub(crate) fn has_listeners(&self) -> bool {
        self.listens.load(Ordering::Acquire)
    }

    /// Whether the body of this step listens.
    pub(crate) fn has_listener(&self, seq: u32) -> bool {
        self.ends().listeners.contains(&seq)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}
