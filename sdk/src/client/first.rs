//! What a start brings with it: messages that stand in the new execution's first commit, or are
//! sent to the execution that is there.
//!
//! One write starts the execution and delivers them, so no client dies in between; and since a
//! message's id is in the log, a start that is repeated sends none of them twice.

use futures::future::{FutureExt, TryFutureExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::send::{SendError, signal_item};
use super::{Client, Start, StartError, Updating, ask};
use crate::event::{Event, Json};
use crate::id::ExecutionId;
use crate::replay::History;
use crate::store::Message;
use crate::time::Timestamp;

/// A message that has not been checked.
#[derive(Debug)]
pub(super) struct Signal {
    id: String,
    name: String,
    payload: Result<Json, SendError>,
}

/// A message and the id of its inbox item.
#[derive(Debug, Clone)]
pub(super) struct First {
    pub(super) id: String,
    pub(super) message: Message,
}

impl<'a, T: 'a, E: 'a> Start<'a, T, E> {
    /// Sends a signal with the start: it is there before the workflow runs. An execution that
    /// exists, and that the [policy](Start::on_conflict) attaches to, gets it as any other signal.
    ///
    /// A start with a signal is repeated safely if both have an id of the caller's: then the
    /// execution is started once and gets the signal once, wherever the call before has ended.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow]
    /// # async fn mailbox(_owner: String) -> everstep::Result<String> {
    /// #     Ok(signal::<String>("letter").await?)
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backend = Backend::memory();
    /// # let client = Client::new(&backend);
    /// # let app = App::new().workflow(mailbox).backend(backend);
    /// let handle = client
    ///     .start(mailbox, "ada".to_owned())
    ///     .id("mailbox-ada")
    ///     .signal("letter", "Dear Ada")
    ///     .signal_id("letter-7")
    ///     .await?;
    /// # let letter = app.worker().await?.run_until(handle.result()).await?;
    /// # assert_eq!(letter.unwrap(), "Dear Ada");
    /// # Ok(())
    /// # }
    /// ```
    pub fn signal<P: Serialize + ?Sized>(mut self, name: impl Into<String>, payload: &P) -> Self {
        let payload = Json::record(payload).map_err(SendError::from);
        self.signals.push(Signal { id: Uuid::new_v4().to_string(), name: name.into(), payload });
        self
    }

    /// Sends an update with the start, and waits for the answer: of the execution that is started,
    /// or of the one that is there and that the [policy](Start::on_conflict) attaches to. With ids
    /// of the caller's for both it is repeated safely, as [`signal`](Start::signal) is.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn quote(_input: ()) -> everstep::Result<()> {
    /// #     let asked = update::<u64, u64>("price").await;
    /// #     let price = *asked.request() * 120;
    /// #     asked.reply(&price);
    /// #     Ok(())
    /// # }
    /// # let env = everstep::testing::Env::new(App::new().workflow(quote));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let price: u64 = client.start(quote, ()).id("quote-7").update("price", &3).id("click-17").await?;
    /// assert_eq!(price, 360);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn update<Resp: DeserializeOwned>(
        self,
        name: impl Into<String>,
        request: &(impl Serialize + ?Sized),
    ) -> Updating<'a, Resp> {
        let client = self.client;
        let request = Json::record(request);
        let start =
            |update| self.bringing(Some(update)).map_ok(|handle| handle.id().clone()).boxed();
        Updating::with_start(client, start, name.into(), request)
    }

    /// The id of the signal that was named last: a second signal with the same id is the same
    /// signal. A random one if absent. Without a signal it changes nothing.
    pub fn signal_id(mut self, id: impl Into<String>) -> Self {
        if let Some(signal) = self.signals.last_mut() {
            signal.id = id.into();
        }
        self
    }
}

/// Checks what is to be sent, before anything is stored.
pub(super) fn check(signals: Vec<Signal>, bytes_max: usize) -> Result<Vec<First>, SendError> {
    let check = |signal: Signal| signal_item(&signal.id, signal.name, signal.payload?, bytes_max);
    signals.into_iter().map(check).collect()
}

/// The events of `first` in the commit that starts an execution at `at`.
pub(super) fn events(first: &[First], at: Timestamp) -> impl Iterator<Item = Event> {
    first.iter().cloned().filter_map(move |first| first.message.taken(at, first.id))
}

impl Client {
    /// Sends to the execution that is there what its log does not have.
    pub(super) async fn send_first(
        &self,
        id: &ExecutionId,
        first: &[First],
    ) -> Result<(), StartError> {
        for First { id: item, message } in first.iter().cloned() {
            // An update's sender looks for the answer, and finds out.
            let is_update = matches!(message, Message::Update { .. });
            match self.send(id, item.clone(), message).await {
                Ok(()) => {}
                Err(SendError::Closed { .. }) if is_update => {}
                // An earlier try of this very call may have sent it before the end.
                Err(SendError::Closed { .. }) if self.has_taken(id, &item).await? => {}
                Err(source) => return Err(StartError::Send { id: id.clone(), source }),
            }
        }
        Ok(())
    }

    /// Whether the log of `id` has the signal with this id: an earlier send of it arrived.
    pub(crate) async fn has_signal(
        &self,
        id: &ExecutionId,
        signal: &str,
    ) -> Result<bool, StartError> {
        self.has_taken(id, &format!("signal/{signal}")).await
    }

    /// Whether the log of `id` has the item with the id `item`.
    async fn has_taken(&self, id: &ExecutionId, item: &str) -> Result<bool, StartError> {
        let failed = |source| StartError::Store { id: id.clone(), source };
        let loaded = ask(|| self.store.load(id)).await.map_err(failed)?;
        let Some(loaded) = loaded else { return Ok(false) };
        let corrupt = |source| StartError::Corrupt { id: id.clone(), source };
        let history = History::read(&loaded.commits, loaded.from).map_err(corrupt)?;
        Ok(history.taken.contains(item))
    }
}
