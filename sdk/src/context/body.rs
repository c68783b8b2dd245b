//! What a step's body can ask about itself while it runs.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use super::execution::expect_step;
use super::panics;
use super::postpone::Postponed;
use super::watch::Watch;
use super::workflow::States;
use crate::event::Json;
use crate::replay::{Attempt, IdempotencyKey};

thread_local! {
    static STEP: RefCell<Option<Box<StepScope>>> = const { RefCell::new(None) };
}

/// Which attempt of which step a body is.
#[derive(Debug)]
pub(crate) struct StepScope {
    pub(crate) key: IdempotencyKey,
    pub(crate) seq: u32,
    pub(crate) attempt: u32,
    /// What the attempts before this one said last.
    pub(crate) before: Option<Json>,
    /// How much is left of the step's total time, if it has one.
    pub(crate) left: Option<Duration>,
    /// How large its result may be.
    pub(crate) bytes_max: usize,
    /// What it shares with its turn.
    pub(crate) watch: Arc<Watch>,
    /// Set by a poll of the body that is to be the last.
    pub(crate) postponed: RefCell<Option<Postponed>>,
    /// The parts of the step that this attempt has begun.
    #[cfg_attr(
        not(any(feature = "aws", feature = "postgres")),
        expect(dead_code, reason = "only transactions are parts")
    )]
    pub(crate) parts: Parts,
    /// What becomes of writes that its body returns.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "no body returns any"))]
    pub(crate) writes_go: WritesGo,
}

impl StepScope {
    /// That of an attempt that nothing came before and that may take its time.
    pub(crate) fn new(
        key: IdempotencyKey,
        seq: u32,
        attempt: u32,
        bytes_max: usize,
        watch: Arc<Watch>,
    ) -> Self {
        Self {
            key,
            seq,
            attempt,
            before: None,
            left: None,
            bytes_max,
            watch,
            postponed: RefCell::default(),
            parts: Parts::default(),
            writes_go: WritesGo::default(),
        }
    }
}

/// What becomes of writes that a step's body returns with its result.
#[derive(Debug, Clone, Default)]
pub(crate) enum WritesGo {
    /// They are one transaction with the commit of the result.
    WithTheEvent,
    /// The log is elsewhere. What else they could be one transaction with is among the app's states.
    Elsewhere(
        #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "no body returns any"))]
        Arc<States>,
    ),
    /// There is no step.
    #[default]
    Nowhere,
}

/// Names of parts, each of which an attempt begins once.
pub(crate) type Parts = RefCell<Vec<String>>;

/// What `ask` says of the step whose body is being polled on this thread.
pub(super) fn with_scope<T>(ask: impl FnOnce(&StepScope) -> T) -> Option<T> {
    STEP.with_borrow(|scope| scope.as_deref().map(ask))
}

/// What becomes of writes that the body returns which is being polled on this thread.
#[cfg(feature = "aws")]
pub(crate) fn writes_go() -> WritesGo {
    with_scope(|scope| scope.writes_go.clone()).unwrap_or_default()
}

/// A key for the outside world to recognise this step by: the same for every attempt, turn and
/// host, different for every other step, execution and run. A UUID as text, safe in a header.
///
/// Ask for it in the body itself: a task or thread that the body starts does not know its step, and
/// gets a new key each time, as does a step that is called outside a workflow.
///
/// ```
/// use everstep::prelude::*;
///
/// #[step]
/// async fn charge(cents: u64) -> everstep::Result<String> {
///     Ok(format!("{cents} under {}", idempotency_key())) // here, send it with the request
/// }
/// # #[workflow] async fn sell(_input: ()) -> everstep::Result<bool> { Ok(charge(5).await? != charge(5).await?) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # assert!(env.run(sell, ()).unwrap());
/// ```
///
/// # Panics
/// In a workflow's own code, where it would differ on replay; use [`uuid`](super::uuid()).
#[track_caller]
#[must_use]
pub fn idempotency_key() -> String {
    assert!(
        super::execution::current().is_none(),
        "everstep::idempotency_key() belongs in a step; in a workflow use everstep::uuid()"
    );
    let key = STEP.with_borrow(|scope| scope.as_ref().map(|scope| scope.key.uuid()));
    key.unwrap_or_else(Uuid::new_v4).to_string()
}

/// The [`idempotency_key`] as an HTTP header, its name and its value: `idempotency-key`, which is what
/// many services call it, and which no standard has come to be (the Internet-Draft
/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/> has expired).
///
/// Both are plain text, for whatever HTTP client: `request.header(name, value)` of reqwest,
/// `HeaderName::from_static(name)` and `HeaderValue::try_from(value)` of the crate `http`. The value
/// is the key as it is; the draft has it in quotes, and a service that insists on them needs
/// `format!("\"{value}\"")`.
///
/// ```
/// # use everstep::{idempotency_header, prelude::*};
/// # struct Request; impl Request { fn header(self, _: &str, _: String) -> Self { self } }
/// # #[step] async fn charge() -> everstep::Result<()> {
/// # let request = Request;
/// let (name, value) = idempotency_header();
/// let request = request.header(name, value);
/// # let _ = request; Ok(()) }
/// # #[workflow] async fn sell(_: ()) -> everstep::Result<()> { charge().await }
/// # assert!(everstep::testing::Env::new(App::new().workflow(sell)).run(sell, ()).is_ok());
/// ```
///
/// # Panics
/// In a workflow's own code.
#[track_caller]
#[must_use]
pub fn idempotency_header() -> (&'static str, String) {
    ("idempotency-key", idempotency_key())
}

/// Which attempt of its step this is, from 1; also 1 in a step called outside a workflow, and in a
/// task or thread that the body starts.
///
/// ```
/// use everstep::prelude::*;
///
/// #[step]
/// async fn third_time_lucky() -> everstep::Result<u32> {
///     let attempt = everstep::attempt();
///     if attempt < 3 { Err(everstep::Error::msg("not yet")) } else { Ok(attempt) }
/// }
/// # #[workflow] async fn lucky(_input: ()) -> everstep::Result<u32> { third_time_lucky().await }
/// # let env = everstep::testing::Env::new(App::new().workflow(lucky));
/// # assert_eq!(env.run(lucky, ()).unwrap(), 3);
/// ```
///
/// # Panics
/// In a workflow's own code, which has no attempts.
#[track_caller]
#[must_use]
pub fn attempt() -> u32 {
    expect_step("everstep::attempt()");
    STEP.with_borrow(|scope| scope.as_ref().map_or(1, |scope| scope.attempt))
}

/// Runs a body as an attempt: with its scope, and with a panic as an `Err` of its text.
pub(crate) fn in_body(scope: StepScope, body: BoxFuture<'static, Attempt>) -> InBody {
    InBody { scope: Some(Box::new(scope)), body: Some(body) }
}

/// The future of [`in_body`].
pub(crate) struct InBody {
    /// Lent to the thread while the body is polled. Boxed: it is handed back and forth at each poll.
    scope: Option<Box<StepScope>>,
    body: Option<BoxFuture<'static, Attempt>>,
}

impl Future for InBody {
    type Output = Result<Attempt, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { scope, body } = &mut *self;
        let Some(body) = body else { return Poll::Pending };
        let outer = STEP.replace(scope.take());
        let polled = panics::catch(|| body.as_mut().poll(cx));
        *scope = STEP.replace(outer);
        let output = match polled {
            Ok(Poll::Pending) => match postponed(scope.as_deref()) {
                Some(attempt) => Ok(attempt),
                None => return Poll::Pending,
            },
            Ok(Poll::Ready(output)) => Ok(output),
            Err(message) => Err(message),
        };
        // Its destructors are user code too, and run as part of the attempt.
        let body = self.body.take();
        match (output, panics::catch(|| drop(body))) {
            (Ok(_), Err(message)) => Poll::Ready(Err(message)),
            (output, _) => Poll::Ready(output),
        }
    }
}

/// What an attempt that has asked to be made later comes to.
fn postponed(scope: Option<&StepScope>) -> Option<Attempt> {
    let Postponed { delay, reason } = scope?.postponed.take()?;
    Some(Attempt::Postponed { delay, reason })
}
