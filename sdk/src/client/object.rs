//! Talking to virtual objects.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Client, HistoryError, OnConflict, StartError, UpdateError, ViewError};
use crate::context::{COMMAND, Object, Workflow, WorkflowSpec};
use crate::event::{Json, UnrecordableValue};
use crate::id::{ExecutionId, InvalidExecutionId};
use crate::limits::{NAME_BYTES_MAX, UPDATE_WAIT};

/// How often a call begins anew that met an object at its end.
const LIVES_MAX: u32 = 5;

/// A virtual object, from outside: see [`Object`]. It may not be there yet.
///
/// ```
/// # use everstep::prelude::*;
/// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
/// # #[workflow] async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
/// #     counter.commands().handle(add).await;
/// #     Ok(counter.state)
/// # }
/// # let env = everstep::testing::Env::new(App::new().workflow(counter));
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::ObjectHandle;
///
/// let pages: Vec<ObjectHandle> = vec![client.object(counter, "home"), client.object(counter, "shop")];
/// for page in &pages {
///     let visits: u64 = page.call(&1).await?; // each has a count of its own
///     assert_eq!((visits, page.id()?.to_string()), (1, format!("counter/{}", page.key())));
/// }
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
pub struct ObjectHandle {
    client: Client,
    workflow: &'static str,
    key: String,
    /// What it begins with.
    input: Result<Json, UnrecordableValue>,
}

impl Client {
    /// The object of this workflow with this key. Nothing is looked up and nothing started: the
    /// first [call](ObjectHandle::call) does, with the state's default.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
    /// # #[workflow] async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
    /// #     counter.commands().handle(add).await;
    /// #     Ok(counter.state)
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(counter));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let visits = client.object(counter, "visits");
    /// let sum: u64 = visits.call(&1).await?;
    /// assert_eq!(sum, 1);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn object<A, W, S>(&self, workflow: W, key: impl Into<String>) -> ObjectHandle
    where
        W: Workflow<A>,
        W::Spec: WorkflowSpec<Input = Object<S>>,
        S: Default + Serialize,
    {
        let _ = workflow;
        let object = Object::new(key, S::default());
        ObjectHandle {
            client: self.clone(),
            workflow: <W::Spec as WorkflowSpec>::NAME,
            input: Json::record(&object),
            key: object.key,
        }
    }
}

impl ObjectHandle {
    /// The object's key.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
    /// # #[workflow] async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
    /// #     counter.commands().handle(add).await;
    /// #     Ok(counter.state)
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(counter));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let visits = client.object(counter, "visits");
    /// assert_eq!(visits.key(), "visits");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The id of the object's execution: the workflow's name, `/` and the key.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
    /// # #[workflow] async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
    /// #     counter.commands().handle(add).await;
    /// #     Ok(counter.state)
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(counter));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let visits = client.object(counter, "visits");
    /// assert_eq!(visits.id()?.as_str(), "counter/visits");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The key is too long for an id or has control characters.
    pub fn id(&self) -> Result<ExecutionId, InvalidExecutionId> {
        ExecutionId::new(format!("{}/{}", self.workflow, self.key))
    }

    /// Sends the object a command and waits for the answer. An object that is not there, or whose
    /// life is over, begins anew with it.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
    /// # #[workflow] async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
    /// #     counter.commands().handle(add).await;
    /// #     Ok(counter.state)
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(counter));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let visits = client.object(counter, "visits");
    /// let sum: u64 = visits.call(&1).await?;
    /// assert_eq!(sum, 1);
    /// let sum: u64 = visits.call(&2).await?;
    /// assert_eq!(sum, 3);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn call<R: DeserializeOwned>(&self, command: &(impl Serialize + ?Sized)) -> Calling<'_, R> {
        let (id, known, wait) = (Uuid::new_v4().to_string(), false, UPDATE_WAIT);
        let command = Json::record(command);
        Calling { object: self, command, id, known, wait, reply: PhantomData }
    }

    /// What the object has published last; see [`Client::view`]. `None` also if it was never there.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
    /// # #[workflow] async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
    /// #     counter.commands().handle(add).await;
    /// #     Ok(counter.state)
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(counter));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let visits = client.object(counter, "visits");
    /// assert_eq!(visits.view::<u64>().await?, None); // it was never there
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// What it shows is not a `V`, or the store did not answer.
    pub async fn view<V: DeserializeOwned>(&self) -> Result<Option<V>, ViewError> {
        let Ok(id) = self.id() else { return Ok(None) };
        match self.client.view(&id).await {
            Err(ViewError::History(HistoryError::Unknown { .. })) => Ok(None),
            view => view,
        }
    }
}

impl fmt::Debug for ObjectHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectHandle")
            .field("workflow", &self.workflow)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A command that has not been sent; `.await` sends it and waits for the answer.
///
/// Dropping the future does not take the command back: it may be handled, and whoever calls again
/// with the same id gets its answer.
///
/// ```
/// # use everstep::prelude::*;
/// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
/// # #[workflow] async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
/// #     counter.commands().handle(add).await;
/// #     Ok(counter.state)
/// # }
/// # let env = everstep::testing::Env::new(App::new().workflow(counter));
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::Calling;
///
/// let visits = client.object(counter, "visits");
/// for _ in 0..2 {
///     // The same command, though it is sent twice.
///     let command: Calling<u64> = visits.call(&1).id("click-17").wait(minutes(1));
///     assert_eq!(command.await?, 1);
/// }
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[must_use = "nothing is sent unless it is awaited"]
#[derive(Debug)]
pub struct Calling<'a, R> {
    object: &'a ObjectHandle,
    command: Result<Json, UnrecordableValue>,
    id: String,
    /// Whether the id is the caller's. The answer to another one is in no earlier run: an object
    /// that has lived for years is not read from its first day on for each command.
    known: bool,
    wait: Duration,
    reply: PhantomData<fn() -> R>,
}

impl<R> Calling<'_, R> {
    /// The command's id: a second command with the same id is the same command and gets the same
    /// answer. 1 to 256 bytes without control characters; a random one by default.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
    /// # #[workflow] async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
    /// #     counter.commands().handle(add).await;
    /// #     Ok(counter.state)
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(counter));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let visits = client.object(counter, "visits");
    /// for _ in 0..2 {
    ///     let sum: u64 = visits.call(&1).id("visit-1").await?; // one command
    ///     assert_eq!(sum, 1);
    /// }
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self.known = true;
        self
    }

    /// How long to wait for the answer; [`UPDATE_WAIT`] by default.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn add(sum: &mut u64, number: u64) -> Result<u64, String> { *sum += number; Ok(*sum) }
    /// # #[workflow] async fn counter(mut counter: Object<u64>) -> everstep::Result<u64> {
    /// #     counter.commands().handle(add).await;
    /// #     Ok(counter.state)
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(counter));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let visits = client.object(counter, "visits");
    /// let sum: u64 = visits.call(&1).wait(minutes(2)).await?;
    /// assert_eq!(sum, 1);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

/// The id of the command `id` when it is sent to the object's next life. The same for whoever sends
/// it again; one that would be too long for an id is known by its hash.
fn in_life(id: &str, life: u32) -> String {
    let named = format!("{id}#{life}");
    if named.len() <= NAME_BYTES_MAX {
        return named;
    }
    let digest = Sha256::digest(id.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).chain([format!("#{life}")]).collect()
}

impl<'a, R: DeserializeOwned + 'a> IntoFuture for Calling<'a, R> {
    type Output = Result<R, UpdateError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let Self { object: ObjectHandle { client, workflow, input, .. }, .. } = self;
            let id = self.object.id().map_err(StartError::from)?;
            let input = input.clone().map_err(StartError::from)?;
            let command = self.command.map_err(|error| UpdateError::Send(error.into()))?;
            let mut lives = 1;
            let mut command_id = self.id.clone();
            loop {
                // A command that an object at its end has taken and not handled is another one.
                let start = client
                    .start_named(*workflow, input.clone())
                    .unchecked()
                    .id(id.clone())
                    .on_conflict(OnConflict::RestartIfClosed);
                let update = start.update::<R>(COMMAND, &command).wait(self.wait);
                let known = self.known || lives > 1;
                match update.with_id(command_id.clone(), known).await {
                    // It returned between two commands, so nothing of this one was done.
                    Err(UpdateError::Closed { status, taken, .. })
                        if status.has_returned() && lives < LIVES_MAX =>
                    {
                        lives += 1;
                        if taken {
                            command_id = in_life(&self.id, lives);
                        }
                    }
                    answered => return answered,
                }
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::limits::is_name;

    #[test]
    fn a_command_of_any_length_has_an_id_in_each_life_of_its_object() {
        assert_eq!(in_life("pay-7", 2), "pay-7#2");
        let ids = (200..=NAME_BYTES_MAX).map(|bytes| "x".repeat(bytes));
        let ids: BTreeSet<String> =
            ids.flat_map(|id| [2, 3, 10].map(|life| in_life(&id, life))).collect();
        assert_eq!(ids.len(), 3 * (NAME_BYTES_MAX - 200 + 1), "no two are the same");
        assert_eq!(ids.iter().find(|id| !is_name(id)), None);
    }
}
