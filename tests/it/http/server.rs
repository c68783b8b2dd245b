//! A server to ask, and a client that checks every answer.

use std::sync::Arc;
use std::time::Duration;

use everstep::http::Front;
use everstep::memory::MemoryQueue;
use everstep::prelude::*;
use everstep_tests::dynamodb::DynamoDb;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Shows that it waits, waits for a word, shows that it has one, and returns it.
#[workflow]
async fn greet(name: String) -> everstep::Result<String> {
    publish("waiting");
    let word = signal::<String>("word").await?;
    publish("done");
    Ok(format!("{word}, {name}"))
}

/// Takes up to `most` at once.
#[workflow]
async fn scale(most: u64) -> everstep::Result<u64> {
    let mut loads = updates::<u64, u64>("load");
    let mut sum = 0;
    loop {
        let load = loads.next().await;
        if *load.request() > most {
            load.reject(&json!({ "most": most }));
            continue;
        }
        sum += *load.request();
        load.reply(&sum);
        if sum == most {
            return Ok(sum);
        }
    }
}

#[workflow]
async fn ask(_question: Value) -> everstep::Result<Value> {
    match promise::<Value>("answer").await {
        Ok(answer) => Ok(answer),
        Err(error) => Err(everstep::Error::msg(error)),
    }
}

#[workflow]
async fn breaks(_input: ()) -> everstep::Result<()> {
    panic!("a plate fell")
}

/// Shows what it was given.
#[workflow]
async fn shows(what: Value) -> everstep::Result<()> {
    publish(&what);
    Ok(())
}

pub(super) fn app() -> App {
    App::new().workflow(greet).workflow(scale).workflow(ask).workflow(breaks).workflow(shows)
}

/// A server, and who asks it.
pub(super) struct Server {
    pub(super) base: String,
    pub(super) http: reqwest::Client,
    token: Option<String>,
    document: Value,
    stop: Option<oneshot::Sender<()>>,
    pub(super) running: JoinHandle<()>,
}

/// An answer, checked against the document.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: Value,
    pub(super) text: String,
}

impl Answer {
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// That it is a problem of this type; its detail.
    #[track_caller]
    pub(super) fn refuses(self, status: u16, name: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["type"], format!("urn:everstep:problem:{name}"), "{}", self.text);
        assert_eq!(self.body["status"], status);
        self.body["detail"].as_str().expect("a detail").to_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(Front::new(), Backend::memory(), None).await
    }

    /// One whose executions no worker takes up.
    pub(super) async fn without_worker(backend: Backend) -> Self {
        let client = app().backend(backend).client().await.expect("a client");
        Self::serve(Front::new(), client, None, None).await
    }

    pub(super) async fn with(front: Front, backend: Backend, token: Option<&str>) -> Self {
        let mut app = app().backend(backend);
        let client = app.client().await.expect("a client");
        Self::serve(front, client, Some(app), token).await
    }

    async fn serve(front: Front, client: Client, app: Option<App>, token: Option<&str>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel::<()>();
        let of = client.clone();
        let running = tokio::spawn(async move {
            let serving = front.serve(&of, listener, async {
                // An error is the end of the test.
                let _ = stopped.await;
            });
            match app {
                None => serving.await.expect("a server"),
                Some(app) => {
                    let worker = app.worker().await.expect("a worker");
                    worker.run_until(serving).await.expect("a host").expect("a server");
                }
            }
        });
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let token = token.map(str::to_owned);
        let mut server =
            Self { base, http, token, document: Value::Null, stop: Some(stop), running };
        let document = server.request(Method::GET, "/openapi.json").send().await.expect("answer");
        server.document = document.json().await.expect("a document");
        server
    }

    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// Tells it to stop.
    pub(super) fn stop(&mut self) {
        let _ = self.stop.take().expect("stopped once").send(());
    }

    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let request = request.timeout(Duration::from_secs(60));
        match &self.token {
            None => request,
            Some(token) => request.bearer_auth(token),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// Sends it, and holds the answer against the document.
    pub(super) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = self.http.execute(request).await.expect("an answer");
        check(&self.document, &method, &path, &response);
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or_default();
        let answer = Answer { status, headers, body, text };
        if answer.status.is_client_error() || answer.status.is_server_error() {
            check_problem(&self.document, &method, &path, &answer);
        }
        answer
    }

    pub(super) async fn started(&self, workflow: &str, id: &str, input: Value) {
        let body = json!({ "workflow": workflow, "id": id, "input": input });
        assert_eq!(self.post("/executions", body).await.is(201)["new"], true);
    }

    /// Asks for the view until it is this one.
    pub(super) async fn shows(&self, id: &str, view: &str) {
        let path = format!("/executions/{id}/view");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while self.get(&path).await.body != json!(view) {
            assert!(tokio::time::Instant::now() < deadline, "{id} does not show {view}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Memory, SQLite and DynamoDB, each with what must live as long.
pub(super) async fn every_backend() -> Vec<(&'static str, Backend, Box<dyn std::any::Any>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("it.db").display());
    let sqlite = Backend::from_url(&url).await.expect("SQLite");
    sqlite.setup().await.expect("tables");
    let dynamodb = DynamoDb::start();
    let store = dynamodb.store().await;
    let away = Backend::new(Arc::new(store), Arc::new(MemoryQueue::new()));
    vec![
        ("memory", Backend::memory(), Box::new(())),
        ("SQLite", sqlite, Box::new(folder)),
        ("DynamoDB", away, Box::new(dynamodb)),
    ]
}

/// The operation that the document has for a path.
fn operation<'a>(document: &'a Value, method: &Method, path: &str) -> Option<&'a Value> {
    let paths = document["paths"].as_object().expect("paths");
    let fits = |template: &str| {
        let (mut ours, mut theirs) = (path.split('/'), template.split('/'));
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(_), Some(part)) if part.starts_with('{') => {}
                (Some(a), Some(b)) if a == b => {}
                _ => return false,
            }
        }
    };
    let (_, item) = paths.iter().find(|(template, _)| fits(template))?;
    item.get(method.as_str().to_ascii_lowercase())
}

fn check(document: &Value, method: &Method, path: &str, response: &Response) {
    let Some(operation) = operation(document, method, path) else {
        let status = response.status();
        assert!(status == 404 || status == 405 || status == 401, "{method} {path} is not there");
        return;
    };
    let status = response.status().as_str().to_owned();
    let said = operation["responses"].get(&status);
    let said = said.unwrap_or_else(|| panic!("{method} {path} does not say that it says {status}"));
    let media = response.headers().get("content-type").and_then(|it| it.to_str().ok());
    match said.get("content") {
        None => assert_eq!(media, None, "{method} {path} {status}"),
        Some(content) => {
            let media = media.expect("a content type");
            assert!(content.get(media).is_some(), "{method} {path} {status} is {media}: {content}");
        }
    }
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(response.headers().contains_key("cache-control"));
}

fn check_problem(document: &Value, method: &Method, path: &str, answer: &Answer) {
    let status = answer.status.as_str();
    let problem = &document["components"]["schemas"]["Problem"];
    for member in problem["required"].as_array().expect("members") {
        assert!(answer.body.get(member.as_str().unwrap()).is_some(), "{}", answer.text);
    }
    for member in answer.body.as_object().expect("a problem").keys() {
        assert!(problem["properties"].get(member).is_some(), "{member}: {problem}");
    }
    let Some(operation) = operation(document, method, path) else { return };
    let schema =
        &operation["responses"][status]["content"]["application/problem+json"]["schema"]["allOf"];
    let types = schema[1]["properties"]["type"]["enum"].as_array().expect("types");
    assert!(types.contains(&answer.body["type"]), "{method} {path}: {} {types:?}", answer.text);
}
