//! Updates: requests from outside that the workflow answers.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{FusedStream, Stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::execution::{Execution, expect_current};
use super::record::record;
use crate::event::{Json, Reply, UpdateReceived};
use crate::payload::read_arrived;
use crate::replay::{Fault, Note, Outcome, site};

/// Waits for the next update called `name`: a request that a client sent and waits for the answer
/// of. A name has 1 to 256 bytes and no control characters; another one blocks the execution.
///
/// Updates are kept, ordered and given out as [signals](super::signal()) are. A request that is
/// not a `Req` is rejected by the library, its sender is told so, and the wait goes on.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn quote(_input: ()) -> everstep::Result<u64> {
///     let asked = update::<u64, u64>("price").await;
///     let price = *asked.request() * 120;
///     asked.reply(&price);
///     Ok(price)
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(quote));
/// # let quoting = env.start(quote, ());
/// # let price: u64 = quoting.update("price", &3).unwrap();
/// # assert_eq!(price, 360);
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn update<Req, Resp>(name: impl Into<Cow<'static, str>>) -> NextUpdate<Req, Resp>
where
    Req: DeserializeOwned,
    Resp: Serialize,
{
    NextUpdate(updates(name))
}

/// All updates called `name`, in the order they arrived: a stream that never ends, of what
/// [`update`](update()) gives.
///
/// ```
/// use everstep::prelude::*;
///
/// /// A counter that is told what to add, and tells what it came to, for an hour.
/// #[workflow]
/// async fn counter(_input: ()) -> everstep::Result<u64> {
///     let mut additions = updates::<u64, u64>("add");
///     let mut sum = 0_u64;
///     let hour = sleep(hours(1));
///     tokio::pin!(hour);
///     loop {
///         let addition = match race(additions.next(), hour.as_mut()).await {
///             Either::Left(addition) => addition,
///             Either::Right(()) => return Ok(sum),
///         };
///         match sum.checked_add(*addition.request()) {
///             Some(more) => {
///                 sum = more;
///                 addition.reply(&sum);
///             }
///             None => addition.reject("that is too much"),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = Backend::memory();
/// # let app = App::new().workflow(counter).backend(backend.clone());
/// # let client = Client::new(&backend);
/// let handle = client.start(counter, ()).id("counter-1").await?;
/// # let ask = async {
/// let sum: u64 = handle.update("add", &7).await?;
/// assert_eq!(sum, 7);
/// let error = handle.update::<u64>("add", &u64::MAX).await.unwrap_err();
/// assert_eq!(error.to_string(), "update \"add\" is rejected: that is too much");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # };
/// # app.worker().await?.run_until(ask).await??;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn updates<Req, Resp>(name: impl Into<Cow<'static, str>>) -> Updates<Req, Resp>
where
    Req: DeserializeOwned,
    Resp: Serialize,
{
    let (execution, name) = (expect_current("everstep::updates()"), name.into());
    execution.check_name("the wait for update", &name);
    Updates { execution, name, location: Location::caller(), wait: None, types: PhantomData }
}

/// The stream of [`updates`].
///
/// ```
/// use everstep::Updates;
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn queue(_input: ()) -> everstep::Result<u32> {
///     let mut turns: Updates<String, u32> = updates("number");
///     let mut given = 0;
///     while let Ok(asked) = timeout(hours(1), turns.next()).await {
///         given += 1;
///         asked.reply(&given); // the next number, as long as people come
///     }
///     Ok(given)
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(queue));
/// let queue = env.start(queue, ());
/// assert_eq!(queue.update::<u32>("number", "Ada").unwrap(), 1);
/// assert_eq!(queue.update::<u32>("number", "Alan").unwrap(), 2);
/// assert_eq!(queue.result().unwrap(), 2);
/// ```
#[must_use = "updates are waited for only if the stream is polled"]
pub struct Updates<Req, Resp> {
    execution: Arc<Execution>,
    name: Cow<'static, str>,
    location: &'static Location<'static>,
    /// The wait for the next one, once it was polled.
    wait: Option<u32>,
    types: PhantomData<fn(Resp) -> Req>,
}

impl<Req: DeserializeOwned, Resp: Serialize> Updates<Req, Resp> {
    /// Waits for the next one. (There is always a next one: no `Option` here.) Dropping the future
    /// loses nothing.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// #[workflow]
    /// async fn quote(_input: ()) -> everstep::Result<()> {
    ///     let asked = updates::<u64, u64>("price").next().await;
    ///     let price = *asked.request() * 120;
    ///     asked.reply(&price);
    ///     Ok(())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(quote));
    /// # let price: u64 = env.start(quote, ()).update("price", &3).unwrap();
    /// # assert_eq!(price, 360);
    /// ```
    pub async fn next(&mut self) -> Update<Req, Resp> {
        poll_fn(|cx| self.poll_wait(cx)).await
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Update<Req, Resp>> {
        loop {
            if !self.execution.is_current() {
                // A wait that is called elsewhere would take a place in the order of calls.
                let place = site(self.location);
                self.execution.polled_elsewhere(&format!("updates {} ({place})", self.name));
                return Poll::Pending;
            }
            let seq = *self.wait.get_or_insert_with(|| {
                self.execution.engine().call_update(self.name.clone(), self.location)
            });
            let Poll::Ready(outcome) = self.execution.poll_call(seq, cx) else {
                return Poll::Pending;
            };
            self.leave();
            let Outcome::Update(kept) = outcome else {
                unreachable!("the engine matches outcomes with kinds")
            };
            let UpdateReceived { id, request, .. } = kept.message;
            match read_arrived(&request) {
                Ok(request) => return Poll::Ready(self.given(id, request)),
                Err(error) => {
                    let expected = std::any::type_name::<Req>();
                    let reply = Reply::Refused(format!("the request is not a {expected}: {error}"));
                    let note = Note::Reply { update: id, reply };
                    self.execution.note(self.name.clone(), self.location, note);
                }
            }
        }
    }

    fn given(&self, id: String, request: Req) -> Update<Req, Resp> {
        let (execution, name) = (Arc::clone(&self.execution), self.name.clone());
        let (location, id, reply) = (self.location, Some(id), PhantomData);
        Update { request, replier: Replier { execution, name, location, id, reply } }
    }
}

impl<Req, Resp> Updates<Req, Resp> {
    /// Gives up the wait, and the update it may have been given.
    fn leave(&mut self) {
        if let Some(seq) = self.wait.take() {
            self.execution.drop_call(seq);
        }
    }
}

impl<Req: DeserializeOwned, Resp: Serialize> Stream for Updates<Req, Resp> {
    type Item = Update<Req, Resp>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_wait(cx).map(Some)
    }
}

impl<Req: DeserializeOwned, Resp: Serialize> FusedStream for Updates<Req, Resp> {
    fn is_terminated(&self) -> bool {
        false
    }
}

impl<Req, Resp> Drop for Updates<Req, Resp> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<Req, Resp> fmt::Debug for Updates<Req, Resp> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updates").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The future of [`update`](update()). Dropping it loses nothing: an update it had been given but
/// had not returned goes to the next wait.
///
/// ```
/// use everstep::NextUpdate;
/// use everstep::prelude::*;
///
/// /// The update's name and its types, in one place.
/// fn address() -> NextUpdate<String, bool> {
///     update("address")
/// }
///
/// #[workflow]
/// async fn parcel(mut to: String) -> everstep::Result<String> {
///     if let Ok(change) = timeout(hours(1), address()).await {
///         to = change.request().clone();
///         change.reply(&true);
///     }
///     Ok(to)
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(parcel));
/// let parcel = env.start(parcel, "Rome".to_owned());
/// assert!(parcel.update::<bool>("address", "Paris").unwrap());
/// assert_eq!(parcel.result().unwrap(), "Paris");
/// ```
#[derive(Debug)]
#[must_use = "an update is waited for only if the future is awaited"]
pub struct NextUpdate<Req, Resp>(Updates<Req, Resp>);

impl<Req: DeserializeOwned, Resp: Serialize> Future for NextUpdate<Req, Resp> {
    type Output = Update<Req, Resp>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_wait(cx)
    }
}

/// A request that waits for its answer: [`reply`](Self::reply), [`reject`](Self::reject) or
/// [`answer`](Self::answer). It may wait for long, over steps and sleeps. If it is dropped instead,
/// it is rejected, and its sender is told that it was dropped without a reply.
///
/// The answer is durable before anything that comes after it, and the sender has it soon after.
///
/// ```
/// use everstep::Update;
/// use everstep::prelude::*;
///
/// # #[step] async fn look_up(article: u32) -> everstep::Result<u32> { Ok(article * 120) }
/// /// Answers after a step; whoever asks waits for so long.
/// async fn answer(asked: Update<u32, u32>) -> everstep::Result<()> {
///     match *asked.request() {
///         0 => asked.reject("there is no article 0"),
///         article => {
///             let price = look_up(article).await?;
///             asked.reply(&price);
///         }
///     }
///     Ok(())
/// }
///
/// #[workflow]
/// async fn shop(_input: ()) -> everstep::Result<()> {
///     for _ in 0..2 {
///         answer(update("price").await).await?;
///     }
///     Ok(())
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(shop));
/// let shop = env.start(shop, ());
/// assert_eq!(shop.update::<u32>("price", &3).unwrap(), 360);
/// let refused = shop.update::<u32>("price", &0).unwrap_err();
/// assert_eq!(refused.rejection::<String>().as_deref(), Some("there is no article 0"));
/// ```
#[must_use = "an update that is dropped is rejected"]
pub struct Update<Req, Resp> {
    request: Req,
    replier: Replier<Resp>,
}

/// What is left of an update without its request: the duty to answer.
pub(super) struct Replier<Resp> {
    execution: Arc<Execution>,
    name: Cow<'static, str>,
    /// Where it was waited for.
    location: &'static Location<'static>,
    /// `None` once it is answered.
    id: Option<String>,
    reply: PhantomData<fn(Resp)>,
}

impl<Req, Resp> Update<Req, Resp> {
    /// What is asked.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// #[workflow]
    /// async fn quote(_input: ()) -> everstep::Result<()> {
    ///     let asked = update::<u64, u64>("price").await;
    ///     let price = *asked.request() * 120;
    ///     asked.reply(&price);
    ///     Ok(())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(quote));
    /// # let price: u64 = env.start(quote, ()).update("price", &3).unwrap();
    /// # assert_eq!(price, 360);
    /// ```
    pub fn request(&self) -> &Req {
        &self.request
    }

    pub(super) fn into_parts(self) -> (Req, Replier<Resp>) {
        (self.request, self.replier)
    }
}

impl<Req, Resp: Serialize> Update<Req, Resp> {
    /// Answers with `response`. One that cannot be recorded, or is larger than
    /// [`VALUE_BYTES_MAX`](crate::limits::VALUE_BYTES_MAX), blocks the execution.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// #[workflow]
    /// async fn quote(_input: ()) -> everstep::Result<()> {
    ///     let asked = update::<u64, u64>("price").await;
    ///     let price = *asked.request() * 120;
    ///     asked.reply(&price);
    ///     Ok(())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(quote));
    /// # let price: u64 = env.start(quote, ()).update("price", &3).unwrap();
    /// # assert_eq!(price, 360);
    /// ```
    #[track_caller]
    pub fn reply(self, response: &Resp) {
        self.replier.settle("reply", record(response), Reply::Value);
    }

    /// Rejects it: a text, or an error of your own that the sender reads back with
    /// [`UpdateError::rejection`](crate::client::UpdateError::rejection). As
    /// [`reply`](Self::reply) in everything else.
    ///
    /// ```
    /// use everstep::prelude::*;
    ///
    /// #[workflow]
    /// async fn too_late(_input: ()) -> everstep::Result<()> {
    ///     let asked = update::<String, ()>("change").await;
    ///     asked.reject("it is on its way");
    ///     Ok(())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(too_late));
    /// # let parcel = env.start(too_late, ());
    /// # let error = parcel.update::<()>("change", "another house").unwrap_err();
    /// # assert_eq!(error.rejection::<String>().as_deref(), Some("it is on its way"));
    /// ```
    #[track_caller]
    pub fn reject<E: Serialize + ?Sized>(self, error: &E) {
        self.replier.settle("rejection", record(&error), Reply::Rejected);
    }

    /// [Replies](Self::reply) or [rejects](Self::reject).
    ///
    /// ```
    /// use everstep::prelude::*;
    ///
    /// fn half_of(number: u64) -> Result<u64, String> {
    ///     if number % 2 == 0 { Ok(number / 2) } else { Err(format!("{number} is odd")) }
    /// }
    ///
    /// #[workflow]
    /// async fn halves(_input: ()) -> everstep::Result<()> {
    ///     let asked = update::<u64, u64>("half of").await;
    ///     let half = half_of(*asked.request());
    ///     asked.answer(half);
    ///     Ok(())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(halves));
    /// # let half: u64 = env.start(halves, ()).update("half of", &6).unwrap();
    /// # assert_eq!(half, 3);
    /// # let error = env.start(halves, ()).update::<u64>("half of", &7).unwrap_err();
    /// # assert_eq!(error.rejection::<String>().as_deref(), Some("7 is odd"));
    /// ```
    #[track_caller]
    pub fn answer<E: Serialize>(self, result: Result<Resp, E>) {
        self.replier.answer(result);
    }
}

impl<Resp> Replier<Resp> {
    #[track_caller]
    pub(super) fn answer<E: Serialize>(self, result: Result<Resp, E>)
    where
        Resp: Serialize,
    {
        match result {
            Ok(response) => self.settle("reply", record(&response), Reply::Value),
            Err(error) => self.settle("rejection", record(&error), Reply::Rejected),
        }
    }

    #[track_caller]
    fn settle(mut self, what: &str, recorded: Result<Json, String>, reply: fn(Json) -> Reply) {
        match recorded {
            Ok(json) => self.leave(Location::caller(), reply(json)),
            Err(problem) => {
                let what = format!("the {what} of update {:?}", self.name);
                self.execution.engine().fail(Fault::Value { what, problem });
            }
        }
    }

    fn leave(&mut self, location: &'static Location<'static>, reply: Reply) {
        if let Some(update) = self.id.take() {
            let note = Note::Reply { update, reply };
            self.execution.note(self.name.clone(), location, note);
        }
    }
}

impl<Resp> Drop for Replier<Resp> {
    fn drop(&mut self) {
        if self.execution.is_current() {
            self.leave(self.location, Reply::Refused("it was dropped without a reply".to_owned()));
        }
    }
}

impl<Req: fmt::Debug, Resp> fmt::Debug for Update<Req, Resp> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("name", &self.replier.name)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
