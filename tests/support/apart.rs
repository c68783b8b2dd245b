//! Servers in this process that go on while a test's clock stands still.

use std::net::TcpListener;

use tokio::sync::oneshot;

/// A server with a thread and a runtime of its own. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Apart {
    url: String,
    _stop: oneshot::Sender<()>,
}

impl Apart {
    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// Runs `serve` on a free port.
pub(crate) fn serve_apart(
    serve: impl AsyncFnOnce(tokio::net::TcpListener) + Send + 'static,
) -> Apart {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket that does not block");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            tokio::select! {
                () = serve(listener) => {}
                _ = stopped => {}
            }
        });
    });
    Apart { url, _stop: stop }
}
