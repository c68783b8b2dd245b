//! The first of several that succeeds.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};

use super::map::Indexed;

/// Waits for the first that succeeds and drops the others, as a [`race`](super::race()) drops its
/// loser. Polls only those that were woken.
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn ask(carrier: &str) -> everstep::Result<u64> { Ok(carrier.len() as u64) }
/// #[workflow]
/// async fn quickest_quote(carriers: Vec<String>) -> everstep::Result<u64> {
///     Ok(first_ok(carriers.iter().map(|carrier| ask(carrier))).await?)
/// }
/// ```
///
/// # Errors
/// None succeeded: all errors, in the order given. So it is also if there are none.
pub fn first_ok<Futures, T, E>(futures: Futures) -> FirstOk<Futures::Item, E>
where
    Futures: IntoIterator<Item: Future<Output = Result<T, E>>>,
{
    let indexed = |(index, future)| Indexed { index, future: Box::pin(future) };
    let running: FuturesUnordered<_> = futures.into_iter().enumerate().map(indexed).collect();
    let errors = (0..running.len()).map(|_| None).collect();
    FirstOk { running, errors }
}

/// The future of [`first_ok`]. Dropping it drops what is left of them.
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn ask(who: u32) -> everstep::Result<u32> { Ok(who) }
/// #[workflow]
/// async fn anybody(people: u32) -> everstep::Result<Option<u32>> {
///     let answer: everstep::FirstOk<_, _> = first_ok((1..=people).map(|who| ask(who)));
///     match timeout(hours(1), answer).await {
///         Ok(answer) => Ok(answer.ok()), // none if all have failed
///         Err(_too_late) => Ok(None),
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(anybody));
/// assert!(env.run(anybody, 3).unwrap().is_some());
/// assert_eq!(env.run(anybody, 0).unwrap(), None);
/// ```
#[must_use = "nothing is waited for unless it is awaited"]
pub struct FirstOk<F, E> {
    running: FuturesUnordered<Indexed<F>>,
    errors: Vec<Option<E>>,
}

/// None of several succeeded. It can be part of an error type that is recorded.
///
/// ```
/// # use everstep::prelude::*;
/// #[step(retry = none)]
/// async fn ask(who: u32) -> everstep::Result<u32> {
///     Err(everstep::Error::msg(format!("{who} does not know")))
/// }
///
/// #[workflow]
/// async fn ask_all(people: u32) -> everstep::Result<usize> {
///     match first_ok((0..people).map(|who| ask(who))).await {
///         Ok(_) => Ok(0),
///         Err(all) => Ok(all.errors.len()),
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(ask_all));
/// # assert_eq!(env.run(ask_all, 3).unwrap(), 3);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AllFailed<E> {
    /// Their errors, in the order in which they were given.
    pub errors: Vec<E>,
}

impl<F, T, E> Future for FirstOk<F, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, AllFailed<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.running.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some((_, Ok(output)))) => {
                    self.running.clear();
                    return Poll::Ready(Ok(output));
                }
                Poll::Ready(Some((index, Err(error)))) => self.errors[index] = Some(error),
                Poll::Ready(None) => {
                    let errors = std::mem::take(&mut self.errors).into_iter().flatten().collect();
                    return Poll::Ready(Err(AllFailed { errors }));
                }
            }
        }
    }
}

/// Nothing in it is pinned in place: futures are in boxes of their own.
impl<F, E> Unpin for FirstOk<F, E> {}

impl<F, E> fmt::Debug for FirstOk<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstOk").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

impl<E: fmt::Debug> fmt::Display for AllFailed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.split_first() {
            Some((first, [])) => write!(f, "the only one failed with {first:?}"),
            Some((first, rest)) => {
                write!(f, "all {} failed, the first with {first:?}", rest.len() + 1)
            }
            None => f.write_str("there was none that could succeed"),
        }
    }
}

impl<E: fmt::Debug> std::error::Error for AllFailed<E> {}
