//! Requests that wait: results, answers, streams; clients that go away, servers that stop.

use std::time::{Duration, Instant};

use everstep::prelude::*;
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::json;

use super::server::Server;

/// The events of a stream, as far as they came.
async fn next_event(response: &mut reqwest::Response, rest: &mut String) -> Option<String> {
    loop {
        if let Some((event, after)) = rest.split_once("\n\n") {
            let (event, after) = (event.to_owned(), after.to_owned());
            *rest = after;
            if event.starts_with(':') {
                continue;
            }
            return Some(event);
        }
        let chunk = response.chunk().await.expect("a stream")?;
        rest.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_each_view_and_the_end() {
    let server = Server::start().await;
    server.started("greet", "s", json!("S")).await;
    server.shows("s", "waiting").await;
    let request = server.request(Method::GET, "/executions/s/view/stream");
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut rest = String::new();
    let first = next_event(&mut stream, &mut rest).await.unwrap();
    assert!(first.contains("event: view") && first.contains("data: \"waiting\""), "{first}");
    server.post("/executions/s/signals", json!({ "name": "word", "payload": "Hi" })).await.is(202);
    let second = next_event(&mut stream, &mut rest).await.unwrap();
    assert!(second.contains("data: \"done\""), "{second}");
    let id = second.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let end = next_event(&mut stream, &mut rest).await.unwrap();
    assert!(end.contains("event: end") && end.contains("\"completed\""), "{end}");
    assert_eq!(next_event(&mut stream, &mut rest).await, None);
    // Who has seen the last view is told the end only.
    let request = server.request(Method::GET, "/executions/s/view/stream");
    let mut stream = request.header("last-event-id", id).send().await.unwrap();
    let only = next_event(&mut stream, &mut String::new()).await.unwrap();
    assert!(only.contains("event: end"), "{only}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_a_view_that_looks_like_a_sealed_one() {
    let server = Server::start().await;
    let view = json!({ "$everstep": { "v": 1, "bytes": 3, "at": "ab" } });
    server.started("shows", "l", view).await;
    let request = server.request(Method::GET, "/executions/l/view/stream");
    let mut stream = request.send().await.unwrap();
    let first = next_event(&mut stream, &mut String::new()).await.unwrap();
    assert!(first.contains("event: view") && first.contains("\"$everstep\""), "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_waited_for_and_not_longer_than_asked() {
    let server = Server::start().await;
    server.started("greet", "r", json!("R")).await;
    let begun = Instant::now();
    assert_eq!(server.get("/executions/r/result?wait=1").await.status, 202);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let waiting = server.get("/executions/r/result?wait=20");
    let signal = async {
        server.shows("r", "waiting").await;
        let body = json!({ "name": "word", "payload": "Hi" });
        server.post("/executions/r/signals", body).await.is(202);
    };
    let (result, ()) = tokio::join!(waiting, signal);
    assert_eq!(result.is(200)["output"], "Hi, R");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_nobody_answers_is_stored_and_answered_later() {
    let backend = Backend::memory();
    let server = Server::without_worker(backend.clone()).await;
    server.started("scale", "u", json!(9)).await;
    let update = json!({ "name": "load", "id": "a", "request": 9, "wait": 0 });
    let path = "/executions/u/updates";
    assert_eq!(server.post(path, update.clone()).await.is(202), json!({ "id": "a" }));
    let worker = super::server::app().backend(backend).worker().await.unwrap();
    let answered =
        worker.run_until(server.post(path, json!({ "name": "load", "id": "a", "request": 9 })));
    assert_eq!(answered.await.unwrap().is(200)["answer"], 9);
}

/// Whoever waits in the server when it stops is answered, and nobody holds it up.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_those_who_wait() {
    let mut server = Server::start().await;
    server.started("greet", "w", json!("W")).await;
    server.shows("w", "waiting").await;
    let request = server.request(Method::GET, "/executions/w/view/stream");
    let mut stream = request.send().await.unwrap();
    let mut rest = String::new();
    next_event(&mut stream, &mut rest).await.unwrap();
    let waiting = server.request(Method::GET, "/executions/w/result?wait=20").send();
    let waiting = tokio::spawn(waiting);
    // It has come in when the next one, sent later, is answered: the server takes both at once, so
    // give it the time to be read.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    server.stop();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 202);
    assert_eq!(next_event(&mut stream, &mut rest).await, None);
    let running = std::mem::replace(&mut server.running, tokio::spawn(async {}));
    running.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    assert!(server.http.get(&server.base).send().await.is_err());
}

/// The connections of a server are tasks of their own: that it is gone must be told to them.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_dropped_ends_those_who_wait() {
    let server = Server::start().await;
    server.started("greet", "d", json!("D")).await;
    server.shows("d", "waiting").await;
    let request = server.request(Method::GET, "/executions/d/view/stream");
    let mut stream = request.send().await.unwrap();
    let mut rest = String::new();
    next_event(&mut stream, &mut rest).await.unwrap();
    server.running.abort();
    assert_eq!(next_event(&mut stream, &mut rest).await, None);
}

/// Each has a place to wait in and gives it back: more of them than there are places.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_go_away_leave_nothing_behind() {
    let server = Server::start().await;
    server.started("greet", "a", json!("A")).await;
    server.shows("a", "waiting").await;
    let going = (0..everstep::limits::HTTP_WAITING_MAX + 100).map(|_| async {
        // It has its place when the stream begins.
        let request = server.request(Method::GET, "/executions/a/view/stream");
        let mut stream = request.send().await.unwrap();
        assert_eq!(stream.status(), 200);
        next_event(&mut stream, &mut String::new()).await.unwrap();
    });
    futures::stream::iter(going).buffer_unordered(20).for_each(|()| async {}).await;
    for _ in 0..20 {
        let request = server.request(Method::GET, "/executions/a/result?wait=20");
        let waited = request.timeout(Duration::from_millis(50)).send().await;
        assert!(waited.unwrap_err().is_timeout());
    }
    server.get("/executions/a/result?wait=1").await.is(202);
    server.post("/executions/a/signals", json!({ "name": "word", "payload": "Hi" })).await.is(202);
    assert_eq!(server.get("/executions/a/result?wait=20").await.is(200)["output"], "Hi, A");
}
