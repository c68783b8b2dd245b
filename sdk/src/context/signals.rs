//! Signals of one name, one after the other.

use std::borrow::Cow;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{FusedStream, Stream};
use serde::de::DeserializeOwned;

use super::execution::{Execution, expect_current};
use super::signal::{Signal, SignalError};
use crate::replay::site;

/// All signals called `name`, in the order they arrived: a stream that never ends. Its items are
/// what [`signal`](super::signal()) gives, and its rules are the same.
///
/// Nothing is taken before it is polled, and dropping it, or a future of its
/// [`next`](Signals::next), loses nothing: what it has not returned goes to the next wait.
///
/// ```
/// use everstep::prelude::*;
///
/// /// Counts words until an hour goes by without one.
/// #[workflow]
/// async fn count(_input: ()) -> everstep::Result<u32> {
///     let mut words = signals::<String>("word");
///     let mut count = 0;
///     while let Ok(word) = timeout(hours(1), words.next()).await {
///         count += u32::from(!word?.is_empty());
///     }
///     Ok(count)
/// }
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn signals<T: DeserializeOwned>(name: impl Into<Cow<'static, str>>) -> Signals<T> {
    let (execution, name) = (expect_current("everstep::signals()"), name.into());
    execution.check_name("the wait for signal", &name);
    Signals { execution, name, location: Location::caller(), wait: None }
}

/// The stream of [`signals`].
///
/// It is a stream, and all that is made for streams works on it:
///
/// ```
/// use everstep::Signals;
/// use everstep::prelude::*;
/// use futures::StreamExt;
///
/// #[workflow]
/// async fn measure(count: usize) -> everstep::Result<u64> {
///     let readings: Signals<u64> = signals("reading");
///     let readings: Vec<_> = readings.take(count).collect().await;
///     readings.into_iter().try_fold(0, |sum, reading| Ok(sum + reading?))
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(measure));
/// let measuring = env.start(measure, 2);
/// measuring.signal("reading", &3);
/// measuring.signal("reading", &4);
/// assert_eq!(measuring.result().unwrap(), 7);
/// ```
#[derive(Debug)]
#[must_use = "signals are waited for only if the stream is polled"]
pub struct Signals<T> {
    execution: Arc<Execution>,
    name: Cow<'static, str>,
    location: &'static Location<'static>,
    /// The wait for the next one, once it was polled.
    wait: Option<Signal<T>>,
}

impl<T: DeserializeOwned> Signals<T> {
    /// Waits for the next one. (There is always a next one: no `Option` here.) Dropping the future
    /// loses nothing.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// #[workflow]
    /// async fn two_words(_input: ()) -> everstep::Result<String> {
    ///     let mut words = signals::<String>("word");
    ///     let first = words.next().await?;
    ///     Ok(first + " " + &words.next().await?)
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(two_words));
    /// # let listens = env.start(two_words, ());
    /// # listens.signal("word", "good");
    /// # listens.signal("word", "day");
    /// # assert_eq!(listens.result().unwrap(), "good day");
    /// ```
    ///
    /// # Errors
    /// The payload is not a `T`. The signal is gone then; the ones after it come.
    pub async fn next(&mut self) -> Result<T, SignalError> {
        poll_fn(|cx| self.poll_wait(cx)).await
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, SignalError>> {
        if self.wait.is_none() && !self.execution.is_current() {
            // A wait that is called elsewhere would take a place in the order of calls.
            let place = site(self.location);
            self.execution.polled_elsewhere(&format!("signals {} ({place})", self.name));
            return Poll::Pending;
        }
        let (execution, name) = (&self.execution, &self.name);
        let wait = self.wait.get_or_insert_with(|| {
            Signal::call(Arc::clone(execution), name.clone(), self.location)
        });
        let polled = Pin::new(wait).poll(cx);
        if polled.is_ready() {
            self.wait = None;
        }
        polled
    }
}

impl<T: DeserializeOwned> Stream for Signals<T> {
    type Item = Result<T, SignalError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_wait(cx).map(Some)
    }
}

impl<T: DeserializeOwned> FusedStream for Signals<T> {
    fn is_terminated(&self) -> bool {
        false
    }
}
