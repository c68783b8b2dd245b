//! What is refused, and how.

use std::sync::Arc;

use everstep::http::Front;
use everstep::limits::{HTTP_BODY_BYTES_MAX, VALUE_BYTES_MAX};
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::prelude::*;
use everstep::testing::faults::{Fate, Faults, FaultyStore};
use reqwest::Method;
use serde_json::{Value, json};

use super::server::{Answer, Server};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_404_and_says_what() {
    let server = Server::start().await;
    for path in ["", "/view", "/view/stream", "/result", "/history"] {
        let answer = server.get(&format!("/executions/nobody{path}")).await;
        let detail = answer.refuses(404, "unknown-execution");
        assert_eq!(detail, "there is no execution nobody");
    }
    for (path, body) in [
        ("signals", json!({ "name": "n" })),
        ("updates", json!({ "name": "n" })),
        ("cancel", json!({})),
        ("terminate", json!({})),
        ("resume", json!({})),
    ] {
        let path = format!("/executions/nobody/{path}");
        server.post(&path, body).await.refuses(404, "unknown-execution");
    }
    let promise = "/promises/p1.nobody.1.answer.1/complete";
    server.post(promise, json!({})).await.refuses(404, "unknown-execution");
    server.started("greet", "g", json!("G")).await;
    let promise = "/promises/p1.g.1.answer.1/complete";
    server.post(promise, json!({})).await.refuses(404, "unknown-promise");
    server.get("/nothing").await.refuses(404, "not-found");
    let wrong = server.send(server.request(Method::PUT, "/executions")).await;
    assert_eq!(wrong.header("allow"), "POST,GET,HEAD".to_owned().as_str(), "{:?}", wrong.headers);
    wrong.refuses(405, "method-not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_400_and_says_where() {
    let server = Server::start().await;
    server.started("greet", "g", json!("G")).await;
    for (path, problem, says) in [
        ("/executions/%20g", "invalid-id", "white space"),
        ("/executions/a%0Ab", "invalid-id", "control characters"),
        ("/executions/%FF", "invalid-id", "UTF-8"),
        ("/executions?status=gone", "malformed-request", "suspended"),
        ("/executions?limit=0", "malformed-request", "from 1 to 100"),
        ("/executions?limit=101", "malformed-request", "from 1 to 100"),
        ("/executions?tag=team", "malformed-request", "name=value"),
        ("/executions?started_from=yesterday", "malformed-request", "RFC 3339"),
        ("/executions?started_before=12:00", "malformed-request", "RFC 3339"),
        ("/executions?workflows=x", "malformed-request", "workflows"),
        ("/executions?after=x&after=y", "malformed-request", "twice"),
        ("/executions?after=nowhere", "invalid-cursor", "nowhere"),
        ("/executions/g/result?wait=21", "malformed-request", "from 0 to 20"),
        ("/executions/g/history?from=-1", "malformed-request", "from"),
    ] {
        let detail = server.get(path).await.refuses(400, problem);
        assert!(detail.contains(says), "{path}: {detail}");
    }
    let long = format!("/executions/{}", "a".repeat(513));
    server.get(&long).await.refuses(400, "invalid-id");
    for (path, body, says) in [
        ("/executions", json!({}), "missing field `workflow`"),
        ("/executions", json!({ "workflow": "greet", "inputs": 1 }), "unknown field `inputs`"),
        ("/executions", json!({ "workflow": "greet", "on_conflict": "x" }), "attach_to_any"),
        ("/executions", json!([1]), "body"),
        ("/executions/g/signals", json!({ "payload": 1 }), "missing field `name`"),
        ("/executions/g/resume", json!({ "now": true }), "unknown field `now`"),
    ] {
        let detail = server.post(path, body).await.refuses(400, "malformed-request");
        assert!(detail.contains(says), "{path}: {detail}");
    }
    let token = "/promises/p1.g.1.answer/complete";
    server.post(token, json!({})).await.refuses(400, "invalid-token");
    let request = |body: &'static str| {
        let request = server.request(Method::POST, "/executions");
        server.send(request.header("content-type", "application/json; charset=utf-8").body(body))
    };
    request("{\"workflow\"").await.refuses(400, "malformed-request");
    // White space and numbers of a payload stay as they are; what is not JSON does not get in.
    request("{\"workflow\": \"greet\", \"input\": nan}").await.refuses(400, "malformed-request");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_is_422_and_stores_nothing() {
    let server = Server::start().await;
    let tags: Value = (0..17).map(|n| (n.to_string(), json!("x"))).collect();
    for (body, problem, says) in [
        (json!({ "workflow": "gret", "id": "x" }), "unknown-workflow", "greet"),
        (json!({ "workflow": "greet", "id": "x", "input": 7 }), "wrong-input", "string"),
        (
            json!({ "workflow": "greet", "id": "x", "input": "X", "tags": tags }),
            "invalid-value",
            "16",
        ),
        (
            json!({ "workflow": "greet", "id": "x", "input": "X", "tags": { "a=b": "" } }),
            "invalid-value",
            "a=b",
        ),
        (json!({ "workflow": "a\nb", "id": "x" }), "invalid-value", "control"),
        (
            json!({ "workflow": "greet", "id": "x", "input": "X", "signals": [{ "name": "" }] }),
            "invalid-value",
            "name",
        ),
    ] {
        let detail = server.post("/executions", body).await.refuses(422, problem);
        assert!(detail.contains(says), "{detail}");
    }
    let body = json!({ "workflow": "greet", "id": " x", "input": "X" });
    server.post("/executions", body).await.refuses(400, "invalid-id");
    server.get("/executions/x").await.refuses(404, "unknown-execution");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_413() {
    let server = Server::start().await;
    let large = "x".repeat(VALUE_BYTES_MAX);
    let start = json!({ "workflow": "greet", "id": "l", "input": large });
    server.post("/executions", start).await.refuses(413, "too-large");
    server.started("greet", "l", json!("L")).await;
    let signal = json!({ "name": "word", "payload": large });
    server.post("/executions/l/signals", signal).await.refuses(413, "too-large");
    let cancel = json!({ "reason": large });
    server.post("/executions/l/cancel", cancel).await.refuses(413, "too-large");
    let huge = json!({ "name": "word", "payload": "x".repeat(HTTP_BODY_BYTES_MAX) });
    server.post("/executions/l/signals", huge).await.refuses(413, "too-large");
}

/// A body that says nothing of its length, and never ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_read_no_further_than_the_limit() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start().await;
    let mut stream =
        tokio::net::TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    let head = "POST /executions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("2710\r\n{}\r\n", " ".repeat(10_000));
    let (mut reader, mut writer) = stream.split();
    let writing = async {
        // Until the server has had enough.
        while writer.write_all(chunk.as_bytes()).await.is_ok() {}
        std::future::pending::<()>().await
    };
    let mut answer = vec![0; 12];
    tokio::select! {
        read = reader.read_exact(&mut answer) => { read.unwrap(); }
        () = writing => {}
    }
    assert_eq!(answer, b"HTTP/1.1 413");
    // One that says beforehand how long it is, is refused before any of it came.
    let mut stream =
        tokio::net::TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    let head = "POST /executions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 9999999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_json_is_read() {
    let server = Server::start().await;
    for media in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let request = server.request(Method::POST, "/executions/g/resume");
        let request = request.header("content-type", media).body("{}");
        server.send(request).await.refuses(415, "unsupported-media-type");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_a_token_is_answered() {
    let front = Front::new().bearer("old-secret").bearer("new-secret");
    let server = Server::with(front, Backend::memory(), Some("new-secret")).await;
    assert_eq!(server.document()["security"], json!([{ "bearer": [] }]));
    server.started("greet", "g", json!("G")).await;
    let ask = async |path: &str, value: &str| {
        let request = server.http.get(format!("{}{path}", server.base));
        server.send(request.header("authorization", value)).await
    };
    assert_eq!(ask("/executions/g", "bearer old-secret").await.status, 200);
    for wrong in
        ["Bearer new-secre", "Bearer new-secret2", "Bearer ", "new-secret", "Basic new-secret", ""]
    {
        for path in ["/executions/g", "/openapi.json", "/nothing"] {
            let answer = ask(path, wrong).await;
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            let text = answer.text.clone();
            answer.refuses(401, "unauthorized");
            assert!(!text.contains("secret"), "{text}");
        }
    }
    let none = server.http.get(format!("{}/executions", server.base));
    server.send(none).await.refuses(401, "unauthorized");
    let two = server.http.get(format!("{}/executions", server.base));
    let two = two.header("authorization", "Bearer new-secret").header("authorization", "Bearer x");
    server.send(two).await.refuses(401, "unauthorized");
    assert!(!format!("{:?}", Front::new().bearer("new-secret")).contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_of_the_programs_own_decides_before_the_body_is_read() {
    let front = Front::new().allow_if(|request| {
        request.method == axum::http::Method::GET || request.headers.contains_key("x-team")
    });
    let server = Server::with(front, Backend::memory(), None).await;
    let request = server.request(Method::POST, "/executions").body("no JSON");
    server.send(request).await.refuses(403, "forbidden");
    let request = server.request(Method::POST, "/executions").header("x-team", "a");
    let request = request.json(&json!({ "workflow": "greet", "input": "X" }));
    server.send(request).await.is(201);
}

/// It has ended, and how cannot be read now: nobody is kept waiting for that, and no place is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_read_now_is_503_and_not_waited_for() {
    let faults = Faults::none();
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), &faults);
    let backend = Backend::new(Arc::new(store), Arc::new(MemoryQueue::new()));
    let server = Server::with(Front::new(), backend, None).await;
    let word = json!({ "name": "word", "payload": "Hi" });
    let start = json!({ "workflow": "greet", "id": "r", "input": "R", "signals": [word] });
    server.post("/executions", start).await.is(201);
    assert_eq!(server.get("/executions/r/result?wait=20").await.is(200)["output"], "Hi, R");
    faults.set(|call| if call.name == "load" { Fate::FailBefore } else { Fate::Proceed });
    server.get("/executions/r/result").await.refuses(503, "unavailable");
    faults.heal();
    assert_eq!(server.get("/executions/r/result").await.is(200)["output"], "Hi, R");
}

/// A page of the web that has its own name resolve to this machine reads nothing.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_no_token_answers_only_what_is_asked_of_this_machine() {
    let server = Server::start().await;
    async fn ask(server: &Server, host: &str) -> Answer {
        server.send(server.request(Method::GET, "/executions").header("host", host)).await
    }
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "127.1.2.3"] {
        ask(&server, host).await.is(200);
    }
    for host in
        ["evil.example", "localhost.evil.example:8080", "192.168.0.7", "127.0.0.1.evil.example", ""]
    {
        let detail = ask(&server, host).await.refuses(403, "forbidden");
        assert!(detail.contains("Host"), "{detail}");
    }
    // With a token nobody is let in by a name; and who says that it is open means it.
    let guarded = Server::with(Front::new().bearer("T"), Backend::memory(), Some("T")).await;
    ask(&guarded, "orders.example").await.is(200);
    let open = Server::with(Front::new().open(), Backend::memory(), None).await;
    ask(&open, "orders.example").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_503_and_one_that_cannot_be_used_says_nothing_of_itself() {
    let faults = Faults::none();
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), &faults);
    let backend = Backend::new(Arc::new(store), Arc::new(MemoryQueue::new()));
    let server = Server::without_worker(backend).await;
    server.started("greet", "g", json!("G")).await;
    faults.set(|_| Fate::FailBefore);
    let answer = server.get("/executions/g").await;
    assert_eq!(answer.header("retry-after"), "1");
    answer.refuses(503, "unavailable");

    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("secret-place.db").display());
    let server = Server::without_worker(Backend::from_url(&url).await.unwrap()).await;
    let connection = rusqlite::Connection::open(folder.path().join("secret-place.db")).unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut names = connection.prepare(tables).unwrap();
    let names: Vec<String> =
        names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for name in names {
        connection.execute_batch(&format!("DROP TABLE \"{name}\"")).unwrap();
    }
    let answer = server.get("/executions/g").await;
    let text = answer.text.clone();
    answer.refuses(500, "internal");
    assert!(!text.contains("secret-place") && !text.contains("no such table"), "{text}");
}
