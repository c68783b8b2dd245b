//! What an execution shows of itself.

use serde::de::DeserializeOwned;

use super::{Client, Handle, HistoryError};
use crate::event::Json;
use crate::id::ExecutionId;

/// Why a view cannot be had.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// # sale.signal("paid", &true).await?;
/// # sale.result().await?;
/// use everstep::client::ViewError;
///
/// match client.view::<u32>(sale.id()).await {
///     Err(ViewError::Unreadable { expected, .. }) => assert_eq!(expected, "u32"), // it is a text
///     other => panic!("{other:?}"),
/// }
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The view is not of the expected type.
    #[error("what execution {id} shows is not a {expected}")]
    Unreadable {
        /// Whose.
        id: ExecutionId,
        /// The expected type.
        expected: &'static str,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// There is no such execution, or the store did not answer.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl Client {
    /// What the execution has [published](crate::publish) last; `None` if it has published
    /// nothing. One read of its record, open or closed; nobody is woken for it.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// # sale.signal("paid", &true).await?;
    /// # sale.result().await?;
    /// let view: Option<String> = client.view(sale.id()).await?;
    /// assert_eq!(view.as_deref(), Some("waits"));
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// There is no such execution, its view is not a `T`, or the store did not answer.
    pub async fn view<T: DeserializeOwned>(
        &self,
        id: &ExecutionId,
    ) -> Result<Option<T>, ViewError> {
        let view = self.opened_view(id).await?;
        view.map(|view| view.read()).transpose().map_err(|source| {
            let expected = std::any::type_name::<T>();
            ViewError::Unreadable { id: id.clone(), expected, source }
        })
    }
}

impl Client {
    /// The view as JSON.
    pub(crate) async fn opened_view(&self, id: &ExecutionId) -> Result<Option<Json>, HistoryError> {
        let mut view = self.stored_record(id).await?.projection.view;
        if let Some(view) = &mut view {
            self.open_payload(id, view).await?;
        }
        Ok(view)
    }
}

impl<T, E> Handle<T, E> {
    /// What the execution has published last; see [`Client::view`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// # sale.signal("paid", &true).await?;
    /// # sale.result().await?;
    /// let view: Option<String> = sale.view().await?;
    /// assert_eq!(view.as_deref(), Some("waits"));
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// See [`Client::view`].
    pub async fn view<V: DeserializeOwned>(&self) -> Result<Option<V>, ViewError> {
        self.client().view(self.id()).await
    }
}
