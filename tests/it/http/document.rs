//! The document: what it says is there is there, and nothing else.

use std::collections::BTreeSet;

use everstep::http::Front;
use everstep::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};

use super::server::Server;

const PAGE: &str = include_str!("../../../docs/guide/http.md");

/// Method and path of every operation.
fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
    });
    operations.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_document_is_there_and_on_the_page() {
    let server = Server::start().await;
    let document = server.document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let operations = operations(document);
    let of_page: BTreeSet<_> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | `/"))
        .filter_map(|(method, rest)| {
            Some((method.to_owned(), format!("/{}", rest.split_once('`')?.0)))
        })
        .collect();
    assert_eq!(operations, of_page);
    for (method, path) in &operations {
        let path = path.replace("{id}", "nobody").replace("{token}", "p1.nobody.1.a.1");
        let method: Method = method.parse().unwrap();
        let answer = server.send(server.request(method, &path)).await;
        let missing = answer.body["type"] == "urn:everstep:problem:not-found";
        assert!(!missing && answer.status != 405, "{path}: {}", answer.text);
    }
}

/// Every reference leads somewhere, and every operation has a name of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_holds_together() {
    let server = Server::start().await;
    let document = server.document();
    fn walk(value: &Value, document: &Value, ids: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                if let Some(to) = object.get("$ref").and_then(Value::as_str) {
                    let to = to.strip_prefix('#').expect("a reference within");
                    assert!(document.pointer(to).is_some(), "{to} leads nowhere");
                }
                ids.extend(object.get("operationId").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| walk(value, document, ids));
            }
            Value::Array(array) => array.iter().for_each(|value| walk(value, document, ids)),
            _ => {}
        }
    }
    let mut ids = Vec::new();
    walk(document, document, &mut ids);
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((count, ids.len()), (operations(document).len(), count));
    // Every part of a path that varies is described.
    for (method, path) in operations(document) {
        let operation = &document["paths"][&path][method.to_lowercase()];
        let named = path.split('/').filter(|part| part.starts_with('{')).count();
        let params = operation["parameters"]
            .as_array()
            .map_or(0, |params| params.iter().filter(|param| param["in"] == json!("path")).count());
        assert_eq!(named, params, "{method} {path}");
        let has_body = operation.get("requestBody").is_some();
        assert_eq!(has_body, method == "POST", "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_router_nests_in_another_one() {
    let client = super::server::app().backend(Backend::memory()).client().await.unwrap();
    let inner = Front::new().router(&client);
    let router = axum::Router::new().nest("/everstep", inner);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/everstep", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let document: Value =
        http.get(format!("{base}/openapi.json")).send().await.unwrap().json().await.unwrap();
    // Relative to itself, the document names the place it was got from.
    assert_eq!(document["servers"], json!([{ "url": "./" }]));
    let start = json!({ "workflow": "greet", "id": "n", "input": "N" });
    let answer = http.post(format!("{base}/executions")).json(&start).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let next = answer.url().join(answer.headers()["location"].to_str().unwrap()).unwrap();
    assert_eq!(http.get(next).send().await.unwrap().status(), 200);
    let nothing = http.get(format!("{base}/nothing")).send().await.unwrap();
    assert_eq!(nothing.headers()["content-type"], "application/problem+json");
}

/// What varies in the path before the router is not taken for the id.
#[tokio::test(flavor = "multi_thread")]
async fn the_router_nests_below_a_path_that_varies() {
    let client = super::server::app().backend(Backend::memory()).client().await.unwrap();
    let inner = Front::new().router(&client);
    let router = axum::Router::new().nest("/of/{team}", inner);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/of/a%20b", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let start = json!({ "workflow": "greet", "id": "n/1", "input": "N" });
    let answer = http.post(format!("{base}/executions")).json(&start).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let found = http.get(format!("{base}/executions/n%2F1")).send().await.unwrap();
    assert_eq!(found.json::<Value>().await.unwrap()["id"], "n/1");
}

/// An app that has a front serves it with `run`, where nobody from elsewhere can do everything.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_runs_its_front_and_not_openly_by_mistake() {
    let app = || super::server::app().backend(Backend::memory());
    let refused = app().http(Front::new().listen("0.0.0.0:0")).run().await.unwrap_err();
    assert!(matches!(refused, everstep::host::RunError::Unguarded { .. }), "{refused}");

    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = app().http(Front::new().listen(&*address)).run().await.unwrap_err();
    assert!(refused.to_string().contains(&address), "{refused}");

    drop(taken);
    let running = tokio::spawn(app().http(Front::new().listen(&*address)).run());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = format!("http://{address}");
    let signal = json!({ "name": "word", "payload": "Hi" });
    let start = json!({ "workflow": "greet", "id": "a", "input": "A", "signals": [signal] });
    let start = || http.post(format!("{base}/executions")).json(&start).send();
    while start().await.is_err() {
        assert!(!running.is_finished());
        tokio::task::yield_now().await;
    }
    let result = http.get(format!("{base}/executions/a/result?wait=20")).send().await.unwrap();
    assert_eq!(result.json::<Value>().await.unwrap()["output"], "Hi, A");
    running.abort();
}
