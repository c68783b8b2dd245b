//! One async function over many items, so many at a time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::outcomes::{Outcome, Outcomes, TooManyFailed};

/// Runs `work` for each of `items`, all at once unless [`concurrency`](Map::concurrency) says
/// otherwise, and returns the results in the order of the items.
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn resize(url: &str, width: u32) -> everstep::Result<String> { Ok(format!("{url}?w={width}")) }
/// #[workflow]
/// async fn thumbnails((urls, width): (Vec<String>, u32)) -> everstep::Result<Vec<String>> {
///     map(&urls, async |url| resize(url, width).await).concurrency(10).await
/// }
/// ```
///
/// `work` is any function or closure that makes a future: `async |item| ...` may borrow what
/// stands around it; a closure that owns something must hand it on, as
/// `move |item| { let client = client.clone(); async move { ... } }` does. It is called for an item
/// when that item's turn comes, in the order of the items.
///
/// The first error ends the map, which returns it. [`tolerate`](Map::tolerate),
/// [`tolerate_share`](Map::tolerate_share) and [`stop_after`](Map::stop_after) say otherwise, and
/// then it tells of each item what became of it. What still runs when the map has ended is dropped
/// at its current await, as everything that has lost a [`race`](super::race()); what has not begun
/// is not started.
///
/// No items are all done at once. Nothing is recorded of the map itself, only what `work` does.
/// Dropping the future drops what runs.
pub fn map<Items, F, Fut>(items: Items, work: F) -> Map<Items::Item, F, FailFast>
where
    Items: IntoIterator,
    F: FnMut(Items::Item) -> Fut,
{
    let items = items.into_iter().collect();
    Map { items, work, concurrency: usize::MAX, rule: FailFast(()) }
}

/// A [`map`] that has not begun; `.await` begins it.
///
/// ```
/// use everstep::prelude::*;
///
/// #[step(retry = none)]
/// async fn price(article: u32) -> everstep::Result<u32> {
///     if article == 0 { Err(everstep::Error::msg("there is none")) } else { Ok(article * 10) }
/// }
///
/// #[workflow]
/// async fn prices(articles: Vec<u32>) -> everstep::Result<Vec<u32>> {
///     let prices = map(articles, async |article| price(article).await)
///         .concurrency(2) // not all at once
///         .tolerate(1) // go on though one fails
///         .await?;
///     Ok(prices.into_successes())
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(prices));
/// assert_eq!(env.run(prices, vec![1, 0, 2]).unwrap(), [10, 20]);
/// ```
#[must_use = "a map does nothing unless it is awaited"]
pub struct Map<I, F, R> {
    items: Vec<I>,
    work: F,
    concurrency: usize,
    rule: R,
}

/// The rule of a [`map`] that the first error ends.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::{FailFast, Map};
///
/// /// No more at once than our partner bears; the first error still ends it.
/// fn politely<I, F>(map: Map<I, F, FailFast>) -> Map<I, F, FailFast> {
///     map.concurrency(2)
/// }
///
/// #[workflow]
/// async fn squares(numbers: Vec<u32>) -> everstep::Result<Vec<u32>> {
///     politely(map(numbers, async |number| Ok(number * number))).await
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(squares));
/// assert_eq!(env.run(squares, vec![1, 2, 3]).unwrap(), [1, 4, 9]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct FailFast(());

/// The rule of a [`map`] that says of each item what became of it.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::{EachItem, Map};
///
/// /// The rule of this program for whatever is mapped: one in ten may fail.
/// fn leniently<I, F, R: Into<EachItem>>(map: Map<I, F, R>) -> Map<I, F, EachItem> {
///     map.concurrency(10).tolerate_share(0.1)
/// }
///
/// #[workflow]
/// async fn halves(numbers: Vec<u32>) -> everstep::Result<usize> {
///     let halve = async |number: u32| match number % 2 {
///         0 => Ok(number / 2),
///         _ => Err("it is odd".to_owned()),
///     };
///     Ok(leniently(map(numbers, halve)).await.map_or(0, |halves| halves.len()))
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(halves));
/// assert_eq!(env.run(halves, (10..21).map(|number| number * 2).chain([7]).collect()).unwrap(), 12);
/// assert_eq!(env.run(halves, vec![2, 3]).unwrap(), 0); // one in two is too much
/// ```
#[derive(Debug, Clone, Copy)]
pub struct EachItem {
    failures_max: Option<usize>,
    share_max: Option<f64>,
    successes: usize,
}

impl<I, F, R: Into<EachItem>> Map<I, F, R> {
    /// Never more than `limit` items at once. Without it all begin at once.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[step] async fn resize(photo: &str) -> everstep::Result<usize> { Ok(photo.len()) }
    /// #[workflow]
    /// async fn gallery(photos: Vec<String>) -> everstep::Result<Vec<usize>> {
    ///     map(&photos, |photo| resize(photo)).concurrency(10).await
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(gallery));
    /// # assert_eq!(env.run(gallery, vec!["a".to_owned(), "bb".to_owned()]).unwrap(), [1, 2]);
    /// ```
    ///
    /// # Panics
    /// `limit` is 0: nothing would ever begin. In a workflow that blocks the execution, with the
    /// place.
    #[track_caller]
    pub fn concurrency(self, limit: usize) -> Self {
        assert!(limit > 0, "map(...).concurrency(0) would never begin: give it at least 1");
        Self { concurrency: limit, ..self }
    }

    /// Goes on until more than `failures` items have failed. `usize::MAX` tolerates all.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// #[step(retry = none)]
    /// async fn even(n: u32) -> everstep::Result<u32> {
    ///     if n % 2 == 0 { Ok(n) } else { Err(everstep::Error::msg("it is odd")) }
    /// }
    ///
    /// #[workflow]
    /// async fn evens(below: u32) -> everstep::Result<Vec<u32>> {
    ///     let evens = map(0..below, |n| even(n)).tolerate(2).await?;
    ///     Ok(evens.into_successes())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(evens));
    /// # assert_eq!(env.run(evens, 4).unwrap(), [0, 2]);
    /// # assert!(env.run(evens, 6).is_err());
    /// ```
    pub fn tolerate(self, failures: usize) -> Map<I, F, EachItem> {
        self.rule(|rule| rule.failures_max = Some(failures))
    }

    /// Goes on until more than this share of the items has failed: 0.1 of 29 items are 2.
    /// Beside [`tolerate`](Self::tolerate) both limits hold.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// #[step(retry = none)]
    /// async fn even(n: u32) -> everstep::Result<u32> {
    ///     if n % 2 == 0 { Ok(n) } else { Err(everstep::Error::msg("it is odd")) }
    /// }
    ///
    /// #[workflow]
    /// async fn evens(below: u32) -> everstep::Result<Vec<u32>> {
    ///     let evens = map(0..below, |n| even(n)).tolerate_share(0.5).await?;
    ///     Ok(evens.into_successes())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(evens));
    /// # assert_eq!(env.run(evens, 4).unwrap(), [0, 2]);
    /// ```
    ///
    /// # Panics
    /// It is not between 0.0 and 1.0.
    #[track_caller]
    pub fn tolerate_share(self, share: f64) -> Map<I, F, EachItem> {
        assert!(
            (0.0..=1.0).contains(&share),
            "map(...).tolerate_share({share}) is no share: give it 0.0 to 1.0"
        );
        self.rule(|rule| rule.share_max = Some(share))
    }

    /// Ends, and well, as soon as so many items have succeeded. If fewer do, it ends when all have.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// #[step(retry = none)]
    /// async fn even(n: u32) -> everstep::Result<u32> {
    ///     if n % 2 == 0 { Ok(n) } else { Err(everstep::Error::msg("it is odd")) }
    /// }
    ///
    /// #[workflow]
    /// async fn evens(below: u32) -> everstep::Result<Vec<u32>> {
    ///     let evens = map(0..below, |n| even(n)).concurrency(1).tolerate(1).stop_after(2).await?;
    ///     Ok(evens.into_successes())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(evens));
    /// # assert_eq!(env.run(evens, 100).unwrap(), [0, 2]);
    /// ```
    pub fn stop_after(self, successes: usize) -> Map<I, F, EachItem> {
        self.rule(|rule| rule.successes = successes)
    }

    fn rule(self, change: impl FnOnce(&mut EachItem)) -> Map<I, F, EachItem> {
        let Self { items, work, concurrency, rule } = self;
        let mut rule = rule.into();
        change(&mut rule);
        Map { items, work, concurrency, rule }
    }
}

impl From<FailFast> for EachItem {
    fn from(_: FailFast) -> Self {
        Self { failures_max: None, share_max: None, successes: usize::MAX }
    }
}

impl EachItem {
    /// How many of `items` may fail; none, if nobody has said.
    fn tolerates(&self, items: usize) -> usize {
        let share = self.share_max.map(|share| share_of(share, items));
        let limits = self.failures_max.into_iter().chain(share);
        limits.min().unwrap_or(0)
    }
}

/// So many of `items` are `share` of them, rounded down; but 0.29 of 100 are 29, though a float
/// says 28.999999999999996.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a list in memory has fewer than 2^52 items, and a share is not negative"
)]
fn share_of(share: f64, items: usize) -> usize {
    (share * items as f64 + 1e-9) as usize
}

impl<I, F, Fut, T, E> IntoFuture for Map<I, F, FailFast>
where
    F: FnMut(I) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;
    type IntoFuture = MapAll<I, F, Fut, T, E>;

    fn into_future(self) -> Self::IntoFuture {
        MapAll(Items::new(self))
    }
}

impl<I, F, Fut, T, E> IntoFuture for Map<I, F, EachItem>
where
    F: FnMut(I) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<Outcomes<T, E>, TooManyFailed<T, E>>;
    type IntoFuture = MapEach<I, F, Fut, T, E>;

    fn into_future(self) -> Self::IntoFuture {
        MapEach(Items::new(self))
    }
}

/// The future of a [`map`] that the first error ends.
///
/// What takes a future takes a map by `into_future`:
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn ask(who: u32) -> everstep::Result<u32> { Ok(who) }
///
/// #[workflow]
/// async fn ask_all(people: Vec<u32>) -> everstep::Result<usize> {
///     let asked = map(people, async |who| ask(who).await).concurrency(3).into_future();
///     Ok(timeout(days(1), asked).await??.len())
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(ask_all));
/// assert_eq!(env.run(ask_all, vec![1, 2, 3, 4]).unwrap(), 4);
/// ```
#[must_use = "a map does nothing unless it is awaited"]
pub struct MapAll<I, F, Fut, T, E>(Items<I, F, Fut, T, E>);

/// The future of a [`map`] that says of each item what became of it.
///
/// What takes a future takes a map by `into_future`:
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn ask(who: u32) -> everstep::Result<u32> { Ok(who) }
///
/// #[workflow]
/// async fn ask_some(people: Vec<u32>) -> everstep::Result<usize> {
///     let asked = map(people, async |who| ask(who).await).stop_after(2).into_future();
///     Ok(timeout(days(1), asked).await?.map_or(0, |answers| answers.len()))
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(ask_some));
/// assert_eq!(env.run(ask_some, vec![1, 2, 3, 4]).unwrap(), 4); // of the last two it says that they were not needed
/// ```
#[must_use = "a map does nothing unless it is awaited"]
pub struct MapEach<I, F, Fut, T, E>(Items<I, F, Fut, T, E>);

impl<I, F, Fut, T, E> Future for MapAll<I, F, Fut, T, E>
where
    F: FnMut(I) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map(|outcomes| outcomes.all())
    }
}

impl<I, F, Fut, T, E> Future for MapEach<I, F, Fut, T, E>
where
    F: FnMut(I) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<Outcomes<T, E>, TooManyFailed<T, E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let tolerated = self.0.tolerated;
        self.0.poll(cx).map(|outcomes| match outcomes.failed() > tolerated {
            true => Err(TooManyFailed { outcomes, tolerated }),
            false => Ok(outcomes),
        })
    }
}

/// A map under way.
struct Items<I, F, Fut, T, E> {
    waiting: vec::IntoIter<I>,
    work: F,
    /// Polls those that were woken, in the order in which they were.
    running: FuturesUnordered<Indexed<Fut>>,
    outcomes: Vec<Outcome<T, E>>,
    concurrency: usize,
    tolerated: usize,
    /// Failures so far, and successes until the end.
    failed: usize,
    wanted: usize,
}

impl<I, F, Fut, T, E> Items<I, F, Fut, T, E> {
    fn new<R: Into<EachItem>>(map: Map<I, F, R>) -> Self {
        let (total, rule) = (map.items.len(), map.rule.into());
        let mut outcomes = Vec::with_capacity(total);
        outcomes.resize_with(total, || Outcome::NotStarted);
        Self {
            waiting: map.items.into_iter(),
            work: map.work,
            running: FuturesUnordered::new(),
            outcomes,
            concurrency: map.concurrency,
            tolerated: rule.tolerates(total),
            failed: 0,
            wanted: rule.successes,
        }
    }

    fn is_decided(&self) -> bool {
        self.wanted == 0 || self.failed > self.tolerated
    }
}

impl<I, F, Fut, T, E> Items<I, F, Fut, T, E>
where
    F: FnMut(I) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcomes<T, E>> {
        while !self.is_decided() {
            while self.running.len() < self.concurrency {
                let index = self.outcomes.len() - self.waiting.len();
                let Some(item) = self.waiting.next() else { break };
                self.outcomes[index] = Outcome::Dropped;
                self.running.push(Indexed { index, future: Box::pin((self.work)(item)) });
            }
            match self.running.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => break,
                Poll::Ready(Some((index, result))) => {
                    match result {
                        Ok(_) => self.wanted -= 1,
                        Err(_) => self.failed += 1,
                    }
                    self.outcomes[index] = result.into();
                }
            }
        }
        self.running.clear();
        Poll::Ready(Outcomes::new(std::mem::take(&mut self.outcomes)))
    }
}

/// Nothing in it is pinned in place: futures are in boxes of their own.
impl<I, F, Fut, T, E> Unpin for Items<I, F, Fut, T, E> {}

/// A future that says which one it is.
pub(super) struct Indexed<Fut> {
    pub(super) index: usize,
    pub(super) future: Pin<Box<Fut>>,
}

impl<Fut: Future> Future for Indexed<Fut> {
    type Output = (usize, Fut::Output);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let index = self.index;
        self.future.as_mut().poll(cx).map(|output| (index, output))
    }
}

impl<I, F, R> fmt::Debug for Map<I, F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("items", &self.items.len()).finish_non_exhaustive()
    }
}

impl<I, F, Fut, T, E> fmt::Debug for MapAll<I, F, Fut, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MapAll").field(&self.0.outcomes.len()).finish()
    }
}

impl<I, F, Fut, T, E> fmt::Debug for MapEach<I, F, Fut, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MapEach").field(&self.0.outcomes.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down_to_what_a_person_would_say() {
        for (share, items, failures) in [
            (0.1, 29, 2),
            (0.1, 30, 3),
            (0.29, 100, 29),
            (0.3, 10, 3),
            (1.0, 7, 7),
            (0.0, 7, 0),
            (0.5, 0, 0),
            (0.999, 1_000, 999),
        ] {
            assert_eq!(share_of(share, items), failures, "{share} of {items}");
        }
    }
}
