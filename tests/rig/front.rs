//! The HTTP front of a deployed function, through its URL.

use std::time::Duration;

use everstep_tests::cloud::Cloud;
use everstep_tests::function::function;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

const TEMPLATE: &str = "docs/deploy/template.yaml";

/// A client of the function's URL, as it knows it, on the rig.
struct Caller {
    rig: String,
    host: String,
    client: reqwest::Client,
}

impl Caller {
    fn new(cloud: &Cloud, url: &str) -> Self {
        let host = url.trim_start_matches("https://").trim_end_matches('/').to_owned();
        assert!(host.ends_with(".lambda-url.eu-west-1.on.aws"), "{host}");
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        Self { rig: cloud.url().to_owned(), host, client }
    }

    async fn call(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.rig));
        let request = request.header("host", &self.host).bearer_auth(token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_started_and_its_result_fetched_through_the_functions_url() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let stack = cloud.deploy(TEMPLATE, "front", &[("HttpFront", "NONE")]);
    let caller = Caller::new(&cloud, stack.output("HttpUrl"));

    let start = json!({ "workflow": "greet", "id": "ada", "input": "Ada" });
    let refused = caller.call(Method::POST, "/executions", "a-guess", Some(start.clone())).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let token = "a-long-secret";
    let started = caller.call(Method::POST, "/executions", token, Some(start)).await;
    assert_eq!(started.status(), StatusCode::CREATED, "{:?}", started.text().await);
    assert_eq!(started.json::<Value>().await.unwrap(), json!({ "id": "ada", "new": true }));

    let result = caller.call(Method::GET, "/executions/ada/result?wait=20", token, None).await;
    assert_eq!(result.status(), StatusCode::OK);
    let result: Value = result.json().await.unwrap();
    assert_eq!(result, json!({ "status": "completed", "output": "Hello, Ada" }));
    let shown = caller.call(Method::GET, "/executions/ada", token, None).await;
    let shown: Value = shown.json().await.unwrap();
    assert_eq!(shown["workflow"], "greet", "{shown}");
    assert_eq!(shown["status"], "completed", "{shown}");
    let nobody = caller.call(Method::GET, "/executions/nobody", token, None).await;
    assert_eq!(nobody.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_behind_iam_takes_no_request_that_is_not_signed() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let stack = cloud.deploy(TEMPLATE, "front", &[("HttpFront", "AWS_IAM")]);
    let caller = Caller::new(&cloud, stack.output("HttpUrl"));
    let refused = caller.call(Method::GET, "/executions/ada", "a-long-secret", None).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(stack.output("HttpPolicyArn").contains(":policy/"), "{stack:?}");
}
