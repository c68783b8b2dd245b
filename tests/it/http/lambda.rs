//! The same router behind API Gateway, a load balancer and a function URL.

use std::time::Duration;

use axum::Router;
use everstep::http::{Front, answer, is_http};
use everstep::prelude::*;
use serde_json::{Value, json};

use super::server::app;

const LEFT: Duration = Duration::from_secs(10);

fn fixture(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/lambda-http");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).expect(name);
    serde_json::from_str(&text).expect(name)
}

async fn router(front: Front) -> Router {
    front.router(&app().backend(Backend::memory()).client().await.expect("a client"))
}

async fn ask(router: &Router, event: Value) -> (u64, Value, Value) {
    let answer = answer(router, event, LEFT).await.expect("an answer");
    assert_eq!(answer["isBase64Encoded"], false);
    let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_default();
    (answer["statusCode"].as_u64().unwrap(), body, answer)
}

/// `event`, as a GET of this path.
fn get(mut event: Value, path: &str) -> Value {
    if let Some(http) = event["requestContext"].get_mut("http") {
        http["method"] = json!("GET");
        http["path"] = json!(path);
        event["rawPath"] = json!(path);
    } else {
        event["httpMethod"] = json!("GET");
        event["path"] = json!(path);
    }
    event["body"] = Value::Null;
    event["isBase64Encoded"] = json!(false);
    event
}

#[tokio::test]
async fn every_kind_of_event_starts_and_looks() {
    for name in ["api-gateway-v2", "function-url", "alb", "alb-multi-value", "api-gateway-v1"] {
        let router = router(Front::new().bearer("a-long-secret")).await;
        let event = fixture(name);
        assert!(is_http(&event), "{name}");
        let (status, body, whole) = ask(&router, event.clone()).await;
        assert_eq!((status, &body), (201, &json!({ "id": "ada/1", "new": true })), "{name}");
        let multi = name == "alb-multi-value" || name == "api-gateway-v1";
        let location = if multi {
            &whole["multiValueHeaders"]["location"][0]
        } else {
            &whole["headers"]["location"]
        };
        assert_eq!(location, "executions/ada%2F1", "{name}: {whole}");
        if name.starts_with("alb") {
            assert_eq!(whole["statusDescription"], "201 Created");
        }
        let (status, body, _) = ask(&router, event.clone()).await;
        assert_eq!((status, &body["new"]), (200, &json!(false)), "{name}");
        let (status, body, _) = ask(&router, get(event.clone(), "/executions/ada%2F1")).await;
        assert_eq!((status, &body["tags"]), (200, &json!({ "from": "a b" })), "{name}");
        // Its parameters: those of each fixture look for the tag.
        let (status, body, _) = ask(&router, get(event.clone(), "/executions")).await;
        assert_eq!(status, 200, "{name}: {body}");
        assert_eq!(body["executions"][0]["id"], "ada/1", "{name}: {body}");
        // Nobody gets in without the token.
        let mut event = get(event, "/executions");
        for headers in ["headers", "multiValueHeaders"] {
            if let Some(headers) = event[headers].as_object_mut() {
                headers.remove("authorization");
                headers.remove("Authorization");
            }
        }
        let (status, body, _) = ask(&router, event).await;
        assert_eq!((status, &body["type"]), (401, &json!("urn:everstep:problem:unauthorized")));
    }
}

/// A server takes the space off that a function gets.
#[tokio::test]
async fn an_empty_token_lets_nobody_in() {
    let router = router(Front::new().bearer("")).await;
    for value in ["Bearer ", "Bearer", ""] {
        let mut event = get(fixture("function-url"), "/executions");
        event["headers"]["authorization"] = json!(value);
        assert_eq!(ask(&router, event).await.0, 401, "{value:?}");
    }
}

#[tokio::test]
async fn a_stage_is_no_part_of_the_path() {
    let router = router(Front::new()).await;
    let mut event = get(fixture("api-gateway-v2"), "/prod/executions");
    event["requestContext"]["stage"] = json!("prod");
    assert_eq!(ask(&router, event.clone()).await.0, 200);
    event["rawPath"] = json!("/production/executions");
    assert_eq!(ask(&router, event).await.0, 404);
}

#[tokio::test]
async fn a_function_streams_nothing_and_waits_for_half_of_its_time_at_most() {
    let router = router(Front::new()).await;
    let event = fixture("function-url");
    ask(&router, event.clone()).await;
    let (status, body, _) =
        ask(&router, get(event.clone(), "/executions/ada%2F1/view/stream")).await;
    assert_eq!((status, &body["type"]), (501, &json!("urn:everstep:problem:no-stream")));
    let mut event = get(event, "/executions/ada%2F1/result");
    event["rawQueryString"] = json!("wait=20");
    let begun = std::time::Instant::now();
    let waited = answer(&router, event, Duration::from_secs(2)).await.unwrap();
    assert_eq!(waited["statusCode"], 202);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// Whatever strangers send, the process lives and answers.
#[tokio::test]
async fn what_is_no_request_is_refused_and_nothing_dies() {
    let router = router(Front::new()).await;
    for event in [
        json!({}),
        json!(7),
        json!({ "Records": [] }),
        json!({ "version": "2.0", "requestContext": {} }),
        json!({ "httpMethod": 7, "requestContext": { "elb": {} } }),
        json!({ "requestContext": null, "httpMethod": "GET" }),
    ] {
        let is = is_http(&event);
        let refused = answer(&router, event.clone(), LEFT).await;
        assert!(refused.is_err() || is, "{event}");
    }
    let wild = |change: fn(&mut Value)| {
        let mut event = get(fixture("function-url"), "/executions");
        change(&mut event);
        event
    };
    for (event, status) in [
        (wild(|e| e["headers"]["host"] = json!("a b:c/\\")), 200),
        (wild(|e| e["headers"]["x-forwarded-proto"] = json!("://")), 200),
        (wild(|e| e["headers"]["x y"] = json!("z")), 400),
        (wild(|e| e["headers"]["x"] = json!("a\r\nset-cookie: b")), 400),
        (wild(|e| e["rawPath"] = json!("http://elsewhere:99999/executions")), 404),
        (wild(|e| e["rawPath"] = json!("")), 404),
        (wild(|e| e["rawPath"] = json!("//executions")), 200),
        (wild(|e| e["rawPath"] = json!("/executions/a b\u{0}ü?#")), 400),
        (wild(|e| e["rawQueryString"] = json!("limit=1\r\n ü\"<>{}")), 400),
        (wild(|e| e["requestContext"]["http"]["method"] = json!("G T")), 400),
        (
            wild(|e| {
                e["isBase64Encoded"] = json!(true);
                e["body"] = json!("no base64!");
            }),
            400,
        ),
        (wild(|e| e["rawPath"] = json!(format!("/{}", "a".repeat(100_000)))), 400),
    ] {
        let (got, body, _) = ask(&router, event.clone()).await;
        assert_eq!(got, status, "{} {body}", event["rawPath"].to_string().get(..40).unwrap_or(""));
    }
}
