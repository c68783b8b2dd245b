//! What the interface is to be like.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::http::request::Parts;

use super::guard::{Bearer, Guard};

/// Where a server listens unless it is told otherwise: only programs of this machine reach it.
const ADDRESS: &str = "127.0.0.1:8080";

/// An HTTP interface that has no client yet: who may use it, and where it listens.
///
/// By default everybody who reaches it may do everything, and it listens on `127.0.0.1:8080`.
///
/// ```
/// # use std::time::Duration;
/// # use everstep::prelude::*;
/// use everstep::http::Front;
/// # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(format!("Hello {name}")) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let front = Front::new()
///     .listen("0.0.0.0:8080")
///     .bearer("a-long-secret")
///     .allow_if(|request| request.method == "GET"); // it shows, and changes nothing
/// # let mut app = App::new().workflow(greet).backend(Backend::memory());
/// # let router = front.router(&app.client().await?);
/// # let start = serde_json::json!({
/// #     "version": "2.0", "rawPath": "/executions", "body": "{}",
/// #     "headers": { "authorization": "Bearer a-long-secret" },
/// #     "requestContext": { "http": { "method": "POST" } },
/// # });
/// # let start = everstep::http::answer(&router, start, Duration::from_secs(10)).await?;
/// assert_eq!(start["statusCode"], 403); // of a POST, as a function would answer it
///
/// // Others reach it without a token, and the proxy before it has asked them for one:
/// let behind_a_proxy = Front::new().listen("0.0.0.0:8080").open();
/// # let _ = app.http(behind_a_proxy);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
#[must_use = "it does nothing until it is given to an app, or made a router"]
pub struct Front {
    pub(super) guard: Guard,
    pub(super) beside: Router,
    address: Option<String>,
    open: bool,
}

impl Front {
    /// An interface that everybody may use who reaches it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only requests with `Authorization: Bearer TOKEN` are answered; any other gets a 401. Called
    /// several times, it takes any of the tokens, so that one can be exchanged for another. Tokens
    /// are compared in constant time, and only their hashes are kept. An empty one lets nobody in.
    pub fn bearer(mut self, token: impl AsRef<str>) -> Self {
        self.guard.bearers.push(Bearer::new(token.as_ref()));
        self
    }

    /// Only requests for which `allows` says `true` are answered; any other gets a 403. It sees
    /// method, path and headers, after the bearer token was checked and before anything of the body
    /// is read. Called several times, all must say so.
    ///
    /// What has to ask others first (a session store, an identity provider) is a layer of the
    /// [router](Self::router) instead.
    pub fn allow_if(mut self, allows: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.guard.hooks.push(Arc::new(allows));
        self
    }

    /// Serves routes of yours beside the interface's: a page that uploads and shows views, a web hook.
    /// The same rules let requests to them in, wherever the app runs. The document does not have
    /// them.
    ///
    /// ```
    /// use everstep::http::Front;
    ///
    /// let page = axum::Router::new().route("/", axum::routing::get(async || "a page"));
    /// let front = Front::new().merge(page);
    /// # let _ = front;
    /// ```
    ///
    /// # Panics
    /// If an earlier call has brought one of these routes, and, when the router is made, if one of them
    /// is a route of the interface too. Routes of yours have no fallback of their own: what nobody
    /// takes is a `not-found`.
    pub fn merge(mut self, routes: Router) -> Self {
        self.beside = self.beside.merge(routes);
        self
    }

    /// Where [`App::run`](crate::App::run) listens; `127.0.0.1:8080` by default. Of no consequence
    /// in a Lambda function.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Lets [`App::run`](crate::App::run) listen on an address that others reach though the front
    /// asks for no token: a proxy before it, or a layer, decides who may.
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.address.as_deref().unwrap_or(ADDRESS)
    }

    /// Whether it may be reached from other machines.
    pub(crate) fn may_be_reached(&self) -> bool {
        self.open || self.guard.asks()
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front")
            .field("address", &self.address())
            .field("bearers", &self.guard.bearers.len())
            .field("hooks", &self.guard.hooks.len())
            .finish_non_exhaustive()
    }
}
