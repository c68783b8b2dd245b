//! The routes, and the document that describes them.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use tokio::sync::watch;
use utoipa::OpenApi;
use utoipa::openapi::ServerBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::front::Front;
use super::guard::guard;
use super::output::text;
use super::problem::{Kind, NoRefusal, Problem, ProblemBody};
use super::waiting::Waiting;
use super::{end, history, look, message, promise, result, start, view};
use crate::client::Client;

/// What every route has.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) waiting: Waiting,
    document: Arc<str>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Everstep", description = "Durable workflows: start, look, send, answer, end."),
    components(schemas(ProblemBody))
)]
struct Document;

impl Front {
    /// The routes, for a server of yours: nest them where you like. Requests that wait end when
    /// their wait is over, and streams with their executions, also while your server stops;
    /// [`serve`](Self::serve) ends both.
    ///
    /// A client that an [`App`](crate::App::client) made refuses starts of unknown workflows and
    /// with inputs that their workflow cannot read; any other stores them.
    pub fn router(&self, client: &Client) -> Router {
        self.routes(client, None)
    }

    pub(super) fn routes(&self, client: &Client, stop: Option<watch::Receiver<bool>>) -> Router {
        let routes = OpenApiRouter::with_openapi(Document::openapi())
            .routes(routes!(start::start, look::list))
            .routes(routes!(look::describe))
            .routes(routes!(view::view))
            .routes(routes!(view::stream))
            .routes(routes!(result::result))
            .routes(routes!(history::history))
            .routes(routes!(message::signal))
            .routes(routes!(message::update))
            .routes(routes!(end::cancel))
            .routes(routes!(end::terminate))
            .routes(routes!(end::resume))
            .routes(routes!(promise::complete))
            .routes(routes!(promise::fail))
            .routes(routes!(promise::heartbeat))
            .routes(routes!(document));
        let (router, mut document) = routes.split_for_parts();
        // Relative to the document, wherever the router is nested.
        document.servers = Some(vec![ServerBuilder::new().url("./").build()]);
        if !self.guard.bearers.is_empty() {
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
            let components = document.components.get_or_insert_default();
            components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
            let no_scopes: [&str; 0] = [];
            document.security = Some(vec![SecurityRequirement::new("bearer", no_scopes)]);
        }
        let document = document.to_json().unwrap_or_default().into();
        let shared = Shared { client: client.clone(), waiting: Waiting::new(stop), document };
        let router: Router = router.with_state(shared);
        router
            .merge(self.beside.clone())
            .method_not_allowed_fallback(not_allowed)
            .fallback(not_found)
            .layer(from_fn_with_state(Arc::new(self.guard.clone()), guard))
    }
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "document",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value), NoRefusal)
)]
async fn document(State(shared): State<Shared>) -> Response {
    text(StatusCode::OK, "application/json", shared.document.to_string())
}

async fn not_found() -> Problem {
    Problem::new(Kind::NotFound, "openapi.json says what there is")
}

async fn not_allowed() -> Problem {
    Problem::new(Kind::MethodNotAllowed, "the header Allow says which methods there are")
}
