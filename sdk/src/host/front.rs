//! An app with an HTTP interface.

use tokio::net::TcpListener;

use super::app::App;
use super::error::{AppError, RunError};
use super::worker::stop_signal;
use crate::http::Front;

impl App {
    /// Gives the app an HTTP interface. [`run`](Self::run) serves it beside the worker, at the
    /// front's [address](Front::listen), and stops it first; in a Lambda function it answers the
    /// requests of API Gateway, load balancers and function URLs.
    ///
    /// ```no_run
    /// use everstep::http::Front;
    /// use everstep::prelude::*;
    ///
    /// # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(name) }
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let front = Front::new().bearer(std::env::var("TOKEN")?).listen("0.0.0.0:8080");
    /// App::new().workflow(greet).http(front).run().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// ```
    /// use everstep::host::RunError;
    /// use everstep::http::Front;
    /// use everstep::prelude::*;
    ///
    /// # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(name) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // Others than this machine would reach it, and nobody is asked who they are.
    /// let front = Front::new().listen("0.0.0.0:0");
    /// let app = App::new().workflow(greet).backend(Backend::memory()).http(front);
    /// assert!(matches!(app.run().await, Err(RunError::Unguarded { .. })));
    /// # }
    /// ```
    pub fn http(mut self, front: Front) -> Self {
        self.front = Some(front);
        self
    }

    /// The routes of the front, if there is one.
    #[cfg(feature = "aws")]
    pub(super) async fn front_router(&mut self) -> Result<Option<axum::Router>, RunError> {
        let Some(front) = self.front.take() else { return Ok(None) };
        let client = self.client().await.map_err(AppError::from)?;
        Ok(Some(front.router(&client)))
    }

    /// The worker and the front, until the process is told to stop. The worker goes on until the
    /// last request is answered.
    pub(super) async fn run_with_front(mut self) -> Result<(), RunError> {
        let front = self.front.take().unwrap_or_default();
        let client = self.client().await.map_err(AppError::from)?;
        let address = front.address().to_owned();
        let failed = |source| RunError::Http { address: address.clone(), source };
        let listener = TcpListener::bind(&address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        if !bound.ip().is_loopback() && !front.may_be_reached() {
            return Err(RunError::Unguarded { address: bound.to_string() });
        }
        let worker = self.worker().await?;
        tracing::info!(address = %bound, "the HTTP interface is served");
        worker.run_until(front.serve(&client, listener, stop_signal())).await?.map_err(failed)
    }
}
