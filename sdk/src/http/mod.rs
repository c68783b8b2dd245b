//! The client as an HTTP interface: start, look, signal, update, answer promises, end.
//!
//! A [`Front`] is what the interface is to be like; with a [`Client`](crate::Client) it becomes an
//! [`axum::Router`]. An app that has one ([`App::http`](crate::App::http)) serves it beside its
//! worker, and in a Lambda function answers the requests of API Gateway, load balancers and
//! function URLs with it. Whoever has a server already nests the router there.
//!
//! ```
//! use everstep::http::Front;
//! use everstep::prelude::*;
//!
//! # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(format!("Hello {name}")) }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut app = App::new().workflow(greet).backend(Backend::memory());
//! let everstep = Front::new().bearer("a-long-secret").router(&app.client().await?);
//! let router: axum::Router = axum::Router::new().nest("/everstep", everstep);
//! # let _ = router; Ok(())
//! # }
//! ```
//!
//! [`answer`] is for functions that have a program of their own around it:
//!
//! ```
//! # use std::time::Duration;
//! # use everstep::prelude::*;
//! use everstep::http::{Front, NotHttp, answer, is_http};
//! use serde_json::{Value, json};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let router = Front::new().router(&Client::new(&Backend::memory()));
//! let left = Duration::from_secs(20); // until the function's deadline
//!
//! let request = json!({
//!     "version": "2.0", "rawPath": "/openapi.json", "requestContext": { "http": { "method": "GET" } },
//! });
//! assert!(is_http(&request));
//! let answered: Result<Value, NotHttp> = answer(&router, request, left).await;
//! assert_eq!(answered.unwrap()["statusCode"], 200);
//!
//! assert!(answer(&router, json!({ "Records": [] }), left).await.is_err()); // of a queue
//! # }
//! ```
//!
//! The routes, what each takes and answers and how it refuses are in the document that the router
//! serves at `/openapi.json`, which is made from the code; `docs/guide/http.md` is the way in.

mod end;
mod front;
mod guard;
mod history;
mod input;
mod lambda;
mod look;
mod message;
mod output;
mod problem;
mod promise;
mod refusal;
mod result;
mod router;
mod serve;
mod start;
mod view;
mod waiting;

pub use front::Front;
pub use lambda::{NotHttp, answer, is_http};
