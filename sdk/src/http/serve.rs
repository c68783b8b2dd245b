//! A server of this process.

use std::io;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::front::Front;
use crate::client::Client;
use crate::limits::HTTP_STOP_GRACE;

impl Front {
    /// Answers requests until `stop` is ready; then takes no more, ends those that wait, lets the
    /// others end for [`HTTP_STOP_GRACE`], and returns. Beside a worker that goes on until the last
    /// request is answered:
    ///
    /// ```
    /// # use everstep::http::Front;
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(name) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut app = App::new().workflow(greet).backend(Backend::memory());
    /// # let stop = async {};
    /// let client = app.client().await?;
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let front = Front::new().bearer("a-long-secret");
    /// app.worker().await?.run_until(front.serve(&client, listener, stop)).await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A front that asks for nothing and listens on this machine only answers nothing that a browser
    /// asks for a page of another site: the header `Host` must be `localhost` or an address of this
    /// machine.
    ///
    /// Each connection is a task of its own: a request that does not end in time goes on until it
    /// is answered or the runtime ends, and so does every request when the future is dropped, except
    /// those that wait. What they have stored is stored.
    ///
    /// # Errors
    /// The listener has no address, or the server cannot go on.
    pub async fn serve(
        mut self,
        client: &Client,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        if !self.may_be_reached() {
            self.guard.local = listener.local_addr()?.ip().is_loopback();
        }
        let (stopping, stopped) = watch::channel(false);
        let router = self.routes(client, Some(stopped.clone()));
        let mut told = stopped;
        let told = async move {
            // An error is the end of this call.
            let _ = told.wait_for(|stop| *stop).await;
        };
        let server = axum::serve(listener, router).with_graceful_shutdown(told);
        let mut server = std::pin::pin!(server.into_future());
        tokio::select! {
            served = &mut server => return served,
            () = stop => {}
        }
        stopping.send_replace(true);
        tokio::time::timeout(HTTP_STOP_GRACE, server).await.unwrap_or_else(|_| {
            tracing::warn!("requests that did not end in time are left to themselves");
            Ok(())
        })
    }
}
