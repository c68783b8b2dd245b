//! Several at once. `tokio::join!`, `futures::join_all` and the like work in a workflow as they
//! are; these are the ones to reach for first.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::{Deserialize, Serialize};

/// Waits for the first of two. If both are ready at once, the left one wins. The loser is dropped
/// at its current await: a body that has not started never does; one that runs is let end (if the
/// workflow does not end before), and its result changes nothing. Who won follows from the log, so
/// it is the same on replay.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn answer(_question: String) -> everstep::Result<Option<u32>> {
///     Ok(match race(signal::<u32>("answer"), sleep(days(1))).await {
///         Either::Left(answer) => Some(answer?),
///         Either::Right(()) => None,
///     })
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(answer));
/// # assert_eq!(env.run(answer, "why".to_owned()).unwrap(), None);
/// ```
pub fn race<A: Future, B: Future>(left: A, right: B) -> Race<A, B> {
    Race { left: Box::pin(left), right: Box::pin(right) }
}

/// The future of [`race`].
///
/// ```
/// use everstep::prelude::*;
/// use everstep::{Race, Signal, Sleep};
///
/// fn paid_in_time() -> Race<Signal<u64>, Sleep> {
///     race(signal("paid"), sleep(days(14)))
/// }
///
/// #[workflow]
/// async fn invoice(_number: u32) -> everstep::Result<u64> {
///     match paid_in_time().await {
///         Either::Left(cents) => Ok(cents?),
///         Either::Right(()) => Err(everstep::Error::msg("it is overdue")),
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(invoice));
/// assert!(env.run(invoice, 7).is_err());
/// ```
#[must_use = "a race does nothing unless it is awaited"]
pub struct Race<A, B> {
    left: Pin<Box<A>>,
    right: Pin<Box<B>>,
}

/// Which of two came first, and with what.
///
/// ```
/// # use everstep::prelude::*;
/// #[workflow]
/// async fn quicker(_input: ()) -> everstep::Result<String> {
///     Ok(match race(sleep(hours(1)), sleep(minutes(1))).await {
///         Either::Left(()) => "an hour".to_owned(),
///         Either::Right(()) => "a minute".to_owned(),
///     })
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(quicker));
/// # assert_eq!(env.run(quicker, ()).unwrap(), "a minute");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Either<A, B> {
    /// The first future.
    Left(A),
    /// The second future.
    Right(B),
}

impl<A: Future, B: Future> Future for Race<A, B> {
    type Output = Either<A::Output, B::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.left.as_mut().poll(cx) {
            return Poll::Ready(Either::Left(output));
        }
        self.right.as_mut().poll(cx).map(Either::Right)
    }
}

impl<A, B> std::fmt::Debug for Race<A, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Race")
    }
}

/// Waits for all, and returns their outputs in the order given. Polls only those that were woken.
///
/// ```
/// use everstep::prelude::*;
///
/// #[step]
/// async fn ask(who: &str) -> everstep::Result<usize> {
///     Ok(who.len()) // here, ask them
/// }
///
/// #[workflow]
/// async fn ask_all(people: Vec<String>) -> everstep::Result<usize> {
///     let answers = join_all(people.iter().map(|who| ask(who))).await;
///     answers.into_iter().sum()
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(ask_all));
/// # assert_eq!(env.run(ask_all, vec!["Ada".to_owned(), "Alan".to_owned()]).unwrap(), 7);
/// ```
pub fn join_all<I>(futures: I) -> JoinAll<I::Item>
where
    I: IntoIterator<Item: Future>,
{
    JoinAll(Box::pin(futures::future::join_all(futures)))
}

/// The future of [`join_all`]. Dropping it drops what is left of them.
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn ask(who: u32) -> everstep::Result<u32> { Ok(who) }
/// #[workflow]
/// async fn everybody(people: u32) -> everstep::Result<usize> {
///     let answers: everstep::JoinAll<_> = join_all((0..people).map(|who| ask(who)));
///     match race(answers, sleep(days(1))).await {
///         Either::Left(answers) => Ok(answers.len()),
///         Either::Right(()) => Ok(0), // somebody did not answer in time
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(everybody));
/// assert_eq!(env.run(everybody, 3).unwrap(), 3);
/// ```
#[must_use = "a join does nothing unless it is awaited"]
pub struct JoinAll<F: Future>(Pin<Box<futures::future::JoinAll<F>>>);

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<F: Future> std::fmt::Debug for JoinAll<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JoinAll")
    }
}
