//! Each route, on every store; what is repeated, what races.

use std::sync::Arc;

use everstep::http::Front;
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::payload::{MemoryPayloads, Payloads};
use everstep::prelude::*;
use everstep::testing::faults::{Faults, FaultyPayloads, FaultyStore};
use reqwest::Method;
use serde_json::json;

use super::server::{Server, every_backend};

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_started_looked_at_told_and_read_on_every_store() {
    for (name, backend, _keep) in every_backend().await {
        let server = Server::with(Front::new(), backend, None).await;
        let start =
            json!({ "workflow": "greet", "id": "ada", "input": "Ada", "tags": { "team": "a=b" } });
        let answer = server.post("/executions", start.clone()).await;
        assert_eq!(answer.header("location"), "executions/ada");
        assert_eq!(answer.is(201), json!({ "id": "ada", "new": true }), "{name}");
        // The same again is the same start.
        let again = server.post("/executions", start).await;
        assert_eq!(again.is(200), json!({ "id": "ada", "new": false }), "{name}");

        server.shows("ada", "waiting").await;
        let ada = server.get("/executions/ada").await.is(200);
        assert_eq!((&ada["id"], &ada["workflow"]), (&json!("ada"), &json!("greet")));
        assert_eq!(ada["tags"], json!({ "team": "a=b" }));
        assert_eq!(server.get("/executions/ada/result").await.status, 202);

        let word = json!({ "name": "word", "payload": "Hello", "id": "1" });
        for _ in 0..2 {
            let sent = server.post("/executions/ada/signals", word.clone()).await;
            // The second may come after the end.
            assert!(sent.status == 202 || sent.status == 409, "{}", sent.text);
        }
        let result = server.get("/executions/ada/result?wait=20").await.is(200);
        assert_eq!(result, json!({ "status": "completed", "output": "Hello, Ada" }), "{name}");
        assert_eq!(server.get("/executions/ada/view").await.is(200), json!("done"));

        let history = server.get("/executions/ada/history").await.is(200);
        let commits = history["commits"].as_array().unwrap();
        let events = commits.iter().flat_map(|commit| commit["events"].as_array().unwrap());
        let signals = events.filter(|event| event.to_string().contains("SignalReceived"));
        assert_eq!(signals.count(), 1, "{name}: {history}");
        let found = server.get("/executions?tag=team%3Da%3Db&workflow=greet").await.is(200);
        assert_eq!(found["executions"][0]["id"], "ada", "{name}");
        let began = found["executions"][0]["started_at"].as_str().unwrap();
        let found = server.get(&format!("/executions?started_from={began}")).await.is(200);
        assert_eq!(found["executions"][0]["id"], "ada", "{name}");
        let none = server.get(&format!("/executions?started_before={began}")).await.is(200);
        assert_eq!(none["executions"], json!([]), "{name}");
        let none = server.get("/executions?status=blocked").await.is(200);
        assert_eq!(none["executions"], json!([]), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_starts_that_race_start_once() {
    for (name, backend, _keep) in every_backend().await {
        let server = Server::without_worker(backend).await;
        let start =
            || server.post("/executions", json!({ "workflow": "greet", "id": "x", "input": "X" }));
        let (a, b, c) = tokio::join!(start(), start(), start());
        let mut statuses = [a.status, b.status, c.status].map(|status| status.as_u16());
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 201], "{name}");
        // Of two different ones, one is refused.
        let other = |input: &str| {
            server.post("/executions", json!({ "workflow": "greet", "id": "y", "input": input }))
        };
        let (a, b) = tokio::join!(other("A"), other("B"));
        let mut statuses = [a.status, b.status].map(|status| status.as_u16());
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_follows_its_policy() {
    let server = Server::start().await;
    let start = async |policy: &str, input: &str| {
        let body = json!({ "workflow": "greet", "id": "p", "input": input, "on_conflict": policy,
            "signals": [{ "name": "word", "payload": "Hi", "id": "s" }] });
        server.post("/executions", body).await
    };
    // The signal comes with the start.
    assert_eq!(start("attach", "P").await.is(201)["new"], true);
    assert_eq!(server.get("/executions/p/result?wait=20").await.is(200)["output"], "Hi, P");
    start("attach", "Q").await.refuses(409, "exists");
    start("reject", "P").await.refuses(409, "exists");
    assert_eq!(start("attach_to_any", "Q").await.is(200)["new"], false);
    // It took that signal before: this start was made.
    assert_eq!(start("restart_if_closed", "Q").await.is(200)["new"], false);
    let again = json!({ "workflow": "greet", "id": "p", "input": "R", "on_conflict": "restart" });
    assert_eq!(server.post("/executions", again.clone()).await.is(201)["new"], true);
    server.shows("p", "waiting").await;
    server.post("/executions", again).await.refuses(409, "exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_an_id_gets_one_and_an_id_of_any_text_is_found() {
    let server = Server::start().await;
    let start = json!({ "workflow": "greet", "input": "X" });
    let first = server.post("/executions", start.clone()).await.is(201)["id"].clone();
    assert_ne!(server.post("/executions", start).await.is(201)["id"], first);
    let id = "a/b #?%41 \"ü\"~.\r".trim_end();
    let start = json!({ "workflow": "greet", "id": id, "input": "X" });
    let answer = server.post("/executions", start).await;
    let location = answer.header("location").to_owned();
    assert_eq!(answer.is(201)["id"], id);
    assert_eq!(server.get(&format!("/{location}")).await.is(200)["id"], id);
    let start = json!({ "workflow": "greet", "id": "..", "input": "X" });
    let answer = server.post("/executions", start).await;
    assert_eq!(answer.header("location"), "executions/%2E%2E");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_answered_once_and_a_rejection_has_the_workflows_error() {
    let server = Server::start().await;
    server.started("scale", "s", json!(10)).await;
    let load = async |id: &str, request: u64| {
        let body = json!({ "name": "load", "id": id, "request": request });
        server.post("/executions/s/updates", body).await
    };
    assert_eq!(load("a", 4).await.is(200), json!({ "id": "a", "answer": 4 }));
    // The same again is the same answer, and adds nothing.
    assert_eq!(load("a", 4).await.is(200)["answer"], 4);
    let rejected = load("b", 11).await;
    assert_eq!(rejected.body["error"], json!({ "most": 10 }));
    rejected.refuses(422, "update-rejected");
    let wrong = json!({ "name": "load", "request": "heavy" });
    server.post("/executions/s/updates", wrong).await.refuses(422, "update-refused");
    assert_eq!(load("c", 6).await.is(200)["answer"], 10);
    assert_eq!(server.get("/executions/s/result?wait=20").await.is(200)["output"], 10);
    assert_eq!(load("a", 4).await.is(200)["answer"], 4);
    load("d", 1).await.refuses(409, "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_has_one_result_and_repeats_say_so() {
    let server = Server::start().await;
    let token = async |id: &str| {
        server.started("ask", id, json!("why?")).await;
        let token = format!("p1.{id}.1.answer.1");
        let path = format!("/promises/{token}/heartbeat");
        // It is there once the workflow has made it.
        while server.post(&path, json!({})).await.status != 202 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        format!("/promises/{token}")
    };
    let path = token("c").await;
    let complete =
        |value: u64| server.post(&*format!("{path}/complete").leak(), json!({ "value": value }));
    let (a, b) = tokio::join!(complete(7), complete(7));
    let mut repeated = [a.is(200), b.is(200)].map(|body| body["repeated"].as_bool().unwrap());
    repeated.sort_unstable();
    // Two that come at once cannot always tell which of them was first; a third can.
    assert!(!repeated[0]);
    assert_eq!(complete(7).await.is(200)["repeated"], true);
    complete(8).await.refuses(409, "promise-over");
    assert_eq!(server.get("/executions/c/result?wait=20").await.is(200)["output"], 7);

    let path = token("f").await;
    let fail = format!("{path}/fail");
    server.post(&fail, json!({ "reason": "nobody knows" })).await.is(200);
    let result = server.get("/executions/f/result?wait=20").await.is(200);
    assert_eq!(result["status"], "failed");
    assert!(result["error"].to_string().contains("nobody knows"), "{result}");

    let path = token("e").await;
    server.post("/executions/e/terminate", json!({ "reason": "enough" })).await.is(202);
    let result = server.get("/executions/e/result?wait=20").await.is(200);
    assert_eq!(result, json!({ "status": "terminated", "reason": "enough" }));
    server.post(&format!("{path}/complete"), json!({})).await.refuses(409, "run-ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_cancelled_and_a_blocked_one_waits() {
    let server = Server::start().await;
    server.started("greet", "c", json!("C")).await;
    let cancel = json!({ "reason": "changed my mind" });
    let asked = server.post("/executions/c/cancel", cancel.clone()).await.is(202);
    assert_eq!(asked, json!({ "id": "c", "waits_for_resume": false }));
    let result = server.get("/executions/c/result?wait=20").await.is(200);
    assert_eq!(result, json!({ "status": "cancelled", "reason": "changed my mind" }));
    server.post("/executions/c/cancel", cancel.clone()).await.refuses(409, "closed");

    server.started("breaks", "b", json!(null)).await;
    while server.get("/executions/b").await.is(200)["status"] != "blocked" {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let detail = server.get("/executions/b/result?wait=1").await.refuses(409, "blocked");
    assert!(detail.contains("a plate fell"), "{detail}");
    let asked = server.post("/executions/b/cancel", cancel).await.is(202);
    assert_eq!(asked["waits_for_resume"], true);
    server.post("/executions/b/resume", json!({})).await.is(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_known_is_not_sent_again() {
    let server = Server::start().await;
    server.started("greet", "v", json!("V")).await;
    server.shows("v", "waiting").await;
    let etag = server.get("/executions/v/view").await.header("etag").to_owned();
    let ask = async |known: &str| {
        let request = server.request(Method::GET, "/executions/v/view");
        server.send(request.header("if-none-match", known)).await
    };
    let same = ask(&etag).await;
    assert_eq!((same.status.as_u16(), same.header("etag"), &*same.text), (304, &*etag, ""));
    assert_eq!(ask(&format!("\"other\", W/{etag}")).await.status, 304);
    assert_eq!(ask("\"other\"").await.is(200), json!("waiting"));
    server.post("/executions/v/signals", json!({ "name": "word", "payload": "Hi" })).await.is(202);
    server.shows("v", "done").await;
    assert_eq!(ask(&etag).await.is(200), json!("done"));
    server.started("scale", "n", json!(1)).await;
    assert_eq!(server.get("/executions/n/view").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_histories_come_in_pages() {
    let server = Server::without_worker(Backend::memory()).await;
    for n in 0..5 {
        server.started("scale", &format!("n{n}"), json!(n)).await;
    }
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/executions?limit=2{after}")).await.is(200);
        let page_ids = page["executions"].as_array().unwrap().iter();
        ids.extend(page_ids.map(|one| one["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", next.replace(':', "%3A"));
    }
    ids.sort_unstable();
    assert_eq!(ids, ["n0", "n1", "n2", "n3", "n4"]);

    let server = Server::start().await;
    server.started("scale", "h", json!(3)).await;
    for id in ["a", "b", "c"] {
        let body = json!({ "name": "load", "id": id, "request": 1 });
        server.post("/executions/h/updates", body).await.is(200);
    }
    server.get("/executions/h/result?wait=20").await.is(200);
    let all = server.get("/executions/h/history").await.is(200)["commits"].clone();
    let mut found = Vec::new();
    let mut path = "/executions/h/history?limit=1".to_owned();
    loop {
        let request = server.request(Method::GET, &path).header("accept", "application/x-ndjson");
        let page = server.send(request).await;
        found.extend(page.text.lines().map(|line| serde_json::from_str(line).unwrap()));
        let Some((next, _)) = page.header("link").split_once('>') else { break };
        path = format!("/executions/h/history{}", next.trim_start_matches('<'));
    }
    assert_eq!(json!(Vec::<serde_json::Value>::clone(&found)), all);
    assert!(found.len() > 2);
}

/// However long the log is, and wherever in it the page stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_history_is_one_read_of_that_page() {
    let faults = Faults::none();
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), &faults);
    let backend = Backend::new(Arc::new(store), Arc::new(MemoryQueue::new()));
    let server = Server::with(Front::new(), backend, None).await;
    server.started("scale", "h", json!(3)).await;
    for id in ["a", "b", "c"] {
        let body = json!({ "name": "load", "id": id, "request": 1 });
        server.post("/executions/h/updates", body).await.is(200);
    }
    server.get("/executions/h/result?wait=20").await.is(200);
    let all = server.get("/executions/h/history").await.is(200)["commits"].clone();
    let all = all.as_array().unwrap();
    let last = all.len() - 1;
    assert!(last > 2);
    for (query, commits) in [
        ("limit=1".to_owned(), &all[..1]),
        ("from=1&limit=2".to_owned(), &all[1..3]),
        (format!("from={last}"), &all[last..]),
        (format!("from={}", last + 1), &[]),
    ] {
        faults.take_counts();
        let page = server.get(&format!("/executions/h/history?{query}")).await.is(200);
        assert_eq!(page["commits"], json!(commits), "{query}");
        let counts = faults.take_counts();
        let reads = ["load_page", "load", "load_all", "record"].map(|name| counts.of(name));
        assert_eq!(reads, [1, 0, 0, 0], "{query}: {counts:?}");
    }
}

/// A page of a long log with large payloads needs few of them.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_history_only_the_payloads_of_the_page_are_fetched() {
    let faults = Faults::none();
    let blobs = FaultyPayloads::new(Arc::new(MemoryPayloads::new()), &faults);
    let payloads = Payloads::of(Arc::new(blobs)).threshold(100);
    let server = Server::with(Front::new(), Backend::memory().with_payloads(payloads), None).await;
    server.started("greet", "ada", json!("a".repeat(200))).await;
    let word = json!({ "name": "word", "payload": "b".repeat(200), "id": "1" });
    assert_eq!(server.post("/executions/ada/signals", word).await.status, 202);
    server.get("/executions/ada/result?wait=20").await.is(200);
    for (limit, fetched) in [(1, 1), (100, 3)] {
        faults.take_counts();
        let page = server.get(&format!("/executions/ada/history?limit={limit}")).await;
        assert_eq!(page.text.contains(&"b".repeat(200)), fetched == 3, "{}", page.text);
        assert!(page.is(200).to_string().contains(&"a".repeat(200)));
        assert_eq!(faults.take_counts().of("payloads.get"), fetched, "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_of_the_program_s_own_are_served_beside_and_let_in_by_the_same_rules() {
    use axum::routing::{get, put};
    let page = axum::Router::new().route("/", get(async || "a page"));
    let upload = axum::Router::new().route("/uploads/{name}", put(async || "stored"));
    let front = Front::new().bearer("a-long-secret").merge(page).merge(upload);
    let server = Server::with(front, Backend::memory(), Some("a-long-secret")).await;
    let says = async |request: reqwest::RequestBuilder| {
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (path, page) = (format!("{}/", server.base), (200, "a page".to_owned()));
    assert_eq!(says(server.request(Method::GET, "/")).await, page);
    assert_eq!(says(server.request(Method::PUT, "/uploads/a")).await.1, "stored");
    assert_eq!(says(server.http.get(path)).await.0, 401, "without the token");
    server.get("/executions").await.is(200);
    // What nobody takes is refused as ever, also beside these.
    server.get("/nothing").await.refuses(404, "not-found");
    server.send(server.request(Method::GET, "/uploads/a")).await.refuses(405, "method-not-allowed");
}
