//! The HTTP front of a deployed function: behind the function's URL, open and with IAM, behind an HTTP
//! API and a REST API of API Gateway, and behind a load balancer.
//!
//! ministack makes the events, reads the answers and verifies signatures. It differs from AWS in this:
//! an API is at `API.execute-api.localhost`, all of it is without TLS, and a load balancer that tells of
//! many values decodes the parameters, which AWS's leaves as they came. What AWS sends there stands in
//! the fixtures of `tests/it/http`.

use std::time::{Duration, Instant};

use everstep::limits::HTTP_BODY_BYTES_MAX;
use everstep_tests::cloud::{Cloud, Credentials, Stack};
use everstep_tests::dynamodb::REGION;
use everstep_tests::function::function;
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

const TEMPLATE: &str = "docs/deploy/template.yaml";

/// What the front asks for, unless IAM does.
const TOKEN: &str = "a-long-secret";

/// How long it may take until what an execution publishes is shown.
const SHOWN_MAX: Duration = Duration::from_secs(120);

/// How somebody is let in.
enum Key {
    Token(&'static str),
    Signature(Credentials),
    None,
}

/// Where the function is reached, as somebody knows it, on the rig.
struct Door<'a> {
    cloud: &'a Cloud,
    host: String,
    /// What is before its paths.
    base: &'a str,
    key: Key,
}

impl<'a> Door<'a> {
    fn new(cloud: &'a Cloud, host: &str, key: Key) -> Self {
        Self { cloud, host: host.to_owned(), base: "", key }
    }

    /// The function's own URL.
    fn of_url(cloud: &'a Cloud, stack: &Stack, key: Key) -> Self {
        let host = stack.output("HttpUrl").trim_start_matches("https://").trim_end_matches('/');
        assert!(host.ends_with(".lambda-url.eu-west-1.on.aws"), "{host}");
        Self::new(cloud, host, key)
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.call(Method::POST, path, body.to_string()).await
    }

    async fn get(&self, path: &str) -> Response {
        self.call(Method::GET, path, String::new()).await
    }

    async fn call(&self, method: Method, path: &str, body: String) -> Response {
        self.request(method, path, body).send().await.unwrap()
    }

    fn request(&self, method: Method, path: &str, body: String) -> RequestBuilder {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60));
        let path = format!("{}{path}", self.base);
        let request = client.build().unwrap();
        let mut request = request.request(method.clone(), format!("{}{path}", self.cloud.url()));
        match &self.key {
            Key::Token(token) => request = request.bearer_auth(token),
            Key::Signature(who) => {
                let url = format!("https://{}{path}", self.host);
                for (name, value) in self.cloud.signed(who, method.as_str(), &url, &body) {
                    request = request.header(name, value);
                }
            }
            Key::None => {}
        }
        if method == Method::POST {
            request = request.header("content-type", "application/json").body(body);
        }
        request.header("host", &self.host)
    }

    /// Whoever comes through it starts an execution, once, and sees how it goes and ends, finds it by
    /// its tag, and reads why something is refused.
    async fn check(&self, id: &str) {
        let start =
            json!({ "workflow": "greet", "id": id, "input": "Ada", "tags": { "from": "a b" } });
        let started = self.post("/executions", &start).await;
        assert_eq!(started.status(), StatusCode::CREATED, "{id}: {:?}", started.text().await);
        assert_eq!(started.headers()["location"], format!("executions/{id}"), "{id}");
        assert_eq!(read(started).await, json!({ "id": id, "new": true }), "{id}");
        let again = self.post("/executions", &start).await;
        assert_eq!(again.status(), StatusCode::OK, "{id}");
        assert_eq!(read(again).await, json!({ "id": id, "new": false }), "{id}");

        let ended = self.get(&format!("/executions/{id}/result?wait=20")).await;
        assert_eq!(ended.status(), StatusCode::OK, "{id}");
        let result = json!({ "status": "completed", "output": "Hello, Ada" });
        assert_eq!(read(ended).await, result, "{id}");
        let shown = read(self.get(&format!("/executions/{id}")).await).await;
        assert_eq!((&shown["workflow"], &shown["status"]), (&"greet".into(), &"completed".into()));
        assert_eq!(shown["tags"], json!({ "from": "a b" }), "{id}");
        let found = read(self.get("/executions?workflow=greet&tag=from%3Da%20b").await).await;
        let found = found["executions"].as_array().unwrap_or_else(|| panic!("{id}: {found}"));
        assert!(found.iter().any(|it| it["id"] == id), "{id}: {found:?}");
        let found = read(self.get("/executions?tag=from%3Dnowhere").await).await;
        assert_eq!(found["executions"], json!([]), "{id}: of another tag");

        let nobody = self.get(&format!("/executions/not-{id}")).await;
        check_refused(nobody, StatusCode::NOT_FOUND, "unknown-execution").await;
        let mut large = start;
        large["id"] = json!(format!("large-{id}"));
        large["input"] = json!("x".repeat(HTTP_BODY_BYTES_MAX));
        let large = self.post("/executions", &large).await;
        check_refused(large, StatusCode::PAYLOAD_TOO_LARGE, "too-large").await;
        let not_begun = self.get(&format!("/executions/large-{id}")).await;
        check_refused(not_begun, StatusCode::NOT_FOUND, "unknown-execution").await;
    }

    /// Whoever comes through it talks with an execution by all that there is for that, ends another
    /// one, and reads why something is refused.
    async fn check_conversation(&self, id: &str) {
        let (path, nobody) = (format!("/executions/{id}"), format!("/executions/not-{id}"));
        let start = json!({ "workflow": "converse", "id": id, "input": null });
        assert_eq!(self.post("/executions", &start).await.status(), StatusCode::CREATED, "{id}");

        let view = format!("{path}/view");
        let shown = self.until_shown(&view, "listening").await;
        let known = self.request(Method::GET, &view, String::new());
        let known = known.header("if-none-match", shown);
        assert_eq!(known.send().await.unwrap().status(), StatusCode::NOT_MODIFIED, "{id}");
        let refused = self.get(&format!("{nobody}/view")).await;
        check_refused(refused, StatusCode::NOT_FOUND, "unknown-execution").await;
        let refused = self.get(&format!("{view}/stream")).await;
        check_refused(refused, StatusCode::NOT_IMPLEMENTED, "no-stream").await;

        let word = json!({ "name": "word", "payload": "Hello", "id": "click-1" });
        for _ in 0..2 {
            let sent = self.post(&format!("{path}/signals"), &word).await;
            assert_eq!(sent.status(), StatusCode::ACCEPTED, "{id}");
            assert_eq!(read(sent).await, json!({ "id": "click-1" }), "{id}");
        }
        let refused = self.post(&format!("{nobody}/signals"), &word).await;
        check_refused(refused, StatusCode::NOT_FOUND, "unknown-execution").await;
        let refused = self.post(&format!("{path}/signals"), &json!({ "payload": 7 })).await;
        check_refused(refused, StatusCode::BAD_REQUEST, "malformed-request").await;
        self.until_shown(&view, "heard Hello").await;

        let updates = format!("{path}/updates");
        let asked = json!({ "name": "double", "request": 77 });
        let refused = self.post(&updates, &asked).await;
        let refused = check_refused(refused, StatusCode::UNPROCESSABLE_ENTITY, "update-rejected");
        assert_eq!(refused.await["error"], "that is too much", "{id}");
        let asked = json!({ "name": "double", "request": "many" });
        let refused = self.post(&updates, &asked).await;
        check_refused(refused, StatusCode::UNPROCESSABLE_ENTITY, "update-refused").await;
        let asked = json!({ "name": "double", "request": 21, "id": "ask-1" });
        for _ in 0..2 {
            let answered = self.post(&updates, &asked).await;
            assert_eq!(answered.status(), StatusCode::OK, "{id}");
            assert_eq!(read(answered).await, json!({ "id": "ask-1", "answer": 42 }), "{id}");
        }

        let promise = |number: u32| format!("/promises/p1.{id}.1.gift.{number}/complete");
        let refused = self.post("/promises/gift/complete", &json!({ "value": 7 })).await;
        check_refused(refused, StatusCode::BAD_REQUEST, "invalid-token").await;
        let refused = self.post(&promise(2), &json!({ "value": 7 })).await;
        check_refused(refused, StatusCode::NOT_FOUND, "unknown-promise").await;
        for repeated in [false, true] {
            let given = self.post(&promise(1), &json!({ "value": 7 })).await;
            assert_eq!(given.status(), StatusCode::OK, "{id}");
            assert_eq!(read(given).await, json!({ "repeated": repeated }), "{id}");
        }
        let ended = read(self.get(&format!("{path}/result?wait=20")).await).await;
        let result = json!({ "status": "completed", "output": "Hello, 42, 7" });
        assert_eq!(ended, result, "{id}");
        let refused = self.post(&promise(1), &json!({ "value": 8 })).await;
        check_refused(refused, StatusCode::CONFLICT, "promise-over").await;

        let history = format!("{path}/history");
        let first = read(self.get(&format!("{history}?limit=1")).await).await;
        assert_eq!(first["commits"].as_array().map(Vec::len), Some(1), "{id}: {first}");
        assert!(first["commits"][0]["events"][0]["WorkflowStarted"].is_object(), "{id}: {first}");
        let rest = read(self.get(&format!("{history}?from={}", first["next"])).await).await;
        let end = rest["commits"].as_array().and_then(|all| all.last()).map(Value::to_string);
        assert!(end.is_some_and(|end| end.contains("WorkflowCompleted")), "{id}: {rest}");
        let lines = self.request(Method::GET, &history, String::new());
        let lines = lines.header("accept", "application/x-ndjson").send().await.unwrap();
        assert_eq!(lines.headers()["content-type"], "application/x-ndjson", "{id}");
        let lines = lines.text().await.unwrap();
        let commits = 1 + rest["commits"].as_array().map_or(0, Vec::len);
        assert_eq!(lines.lines().count(), commits, "{id}: {lines}");
        let refused = self.get(&format!("{history}?limit=0")).await;
        check_refused(refused, StatusCode::BAD_REQUEST, "malformed-request").await;
        let refused = self.get(&format!("{nobody}/history")).await;
        check_refused(refused, StatusCode::NOT_FOUND, "unknown-execution").await;

        let other = format!("other-{id}");
        let cancel = format!("/executions/{other}/cancel");
        let start = json!({ "workflow": "converse", "id": other, "input": null });
        assert_eq!(self.post("/executions", &start).await.status(), StatusCode::CREATED, "{id}");
        let reason = json!({ "reason": "enough" });
        let refused = self.post(&cancel, &json!({ "why": "enough" })).await;
        check_refused(refused, StatusCode::BAD_REQUEST, "malformed-request").await;
        let asked = self.post(&cancel, &reason).await;
        assert_eq!(asked.status(), StatusCode::ACCEPTED, "{id}");
        assert_eq!(read(asked).await, json!({ "id": other, "waits_for_resume": false }), "{id}");
        let ended = read(self.get(&format!("/executions/{other}/result?wait=20")).await).await;
        assert_eq!((&ended["status"], &ended["reason"]), (&"cancelled".into(), &"enough".into()));
        check_refused(self.post(&cancel, &reason).await, StatusCode::CONFLICT, "closed").await;
        let refused = self.post(&format!("{nobody}/cancel"), &reason).await;
        check_refused(refused, StatusCode::NOT_FOUND, "unknown-execution").await;
    }

    /// Waits until this is published, and returns the view's name.
    async fn until_shown(&self, path: &str, what: &str) -> HeaderValue {
        let deadline = Instant::now() + SHOWN_MAX;
        let what = json!(what).to_string();
        loop {
            let shown = self.get(path).await;
            let etag = shown.headers().get("etag").cloned();
            let (status, text) = (shown.status(), shown.text().await.unwrap());
            if status == StatusCode::OK && text == what {
                return etag.expect("a view has a name");
            }
            assert!(Instant::now() < deadline, "{path} does not show {what}: {status} {text}");
        }
    }
}

async fn read(response: Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    response.json().await.unwrap()
}

/// Checks that it is a problem of this type, and says so in all the ways there are: the problem.
async fn check_refused(response: Response, status: StatusCode, kind: &str) -> Value {
    assert_eq!(response.status(), status, "{kind}: {:?}", response.text().await);
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{kind}");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], format!("urn:everstep:problem:{kind}"), "{problem}");
    assert_eq!(problem["status"], status.as_u16(), "{problem}");
    problem
}

/// Behind an HTTP API as well, and a load balancer: each makes events and reads answers in its own way.
#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_talked_with_and_ended_through_each_door() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let stack = &cloud.deploy(TEMPLATE, "front", &[("HttpFront", "NONE")]);
    Door::of_url(&cloud, stack, Key::Token(TOKEN)).check_conversation("by-url").await;
    permit(&cloud, stack, "apigateway.amazonaws.com");
    permit(&cloud, stack, "elasticloadbalancing.amazonaws.com");
    http_api(&cloud, stack).check_conversation("by-http-api").await;
    rest_api(&cloud, stack).check_conversation("by-rest-api").await;
    load_balancer(&cloud, stack, "single", false).check_conversation("by-balancer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_started_and_its_result_fetched_through_the_functions_url() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let stack = cloud.deploy(TEMPLATE, "front", &[("HttpFront", "NONE")]);
    let guess = Door::of_url(&cloud, &stack, Key::Token("a-guess"));
    check_refused(guess.get("/executions").await, StatusCode::UNAUTHORIZED, "unauthorized").await;
    Door::of_url(&cloud, &stack, Key::Token(TOKEN)).check("ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_behind_iam_lets_in_who_has_signed_and_may_and_nobody_else() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let stack = cloud.deploy(TEMPLATE, "signed", &[("HttpFront", "AWS_IAM")]);
    let caller = cloud.user(&stack, "caller", &["Http"]);
    let reader = cloud.user(&stack, "reader", &["Reader"]);
    let forged = caller.forged();
    for key in [Key::None, Key::Token(TOKEN), Key::Signature(reader), Key::Signature(forged)] {
        let refused = Door::of_url(&cloud, &stack, key).get("/executions").await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    }
    Door::of_url(&cloud, &stack, Key::Signature(caller)).check("ada").await;
}

/// The ARN of the function's live version.
fn live(stack: &Stack) -> String {
    stack.output("FunctionArn").to_owned()
}

/// As API Gateway names what it invokes.
fn invocation(stack: &Stack) -> String {
    let path = "lambda:path/2015-03-31/functions";
    format!("arn:aws:apigateway:{REGION}:{path}/{}/invocations", live(stack))
}

fn ask(cloud: &Cloud, service: &str, operation: &str, parameters: Value) -> Value {
    cloud.ask(&[(service, operation, parameters)]).remove(0)
}

/// Lets a service invoke the function, without which AWS's does not.
fn permit(cloud: &Cloud, stack: &Stack, service: &str) {
    let permission = json!({
        "FunctionName": live(stack), "StatementId": service.split('.').next(),
        "Action": "lambda:InvokeFunction", "Principal": service,
    });
    ask(cloud, "lambda", "add_permission", permission);
}

/// An HTTP API, all of whose requests are the function's.
fn http_api<'a>(cloud: &'a Cloud, stack: &Stack) -> Door<'a> {
    let api = json!({ "Name": "front", "ProtocolType": "HTTP" });
    let api = ask(cloud, "apigatewayv2", "create_api", api)["ApiId"].take();
    let integration = json!({
        "ApiId": api, "IntegrationType": "AWS_PROXY", "IntegrationUri": invocation(stack),
        "PayloadFormatVersion": "2.0",
    });
    let integration = ask(cloud, "apigatewayv2", "create_integration", integration);
    let target = format!("integrations/{}", integration["IntegrationId"].as_str().unwrap());
    let _ = cloud.ask(&[
        (
            "apigatewayv2",
            "create_route",
            json!({ "ApiId": api, "RouteKey": "$default", "Target": target }),
        ),
        (
            "apigatewayv2",
            "create_stage",
            json!({ "ApiId": api, "StageName": "$default", "AutoDeploy": true }),
        ),
    ]);
    let host = format!("{}.execute-api.localhost", api.as_str().unwrap());
    Door::new(cloud, &host, Key::Token(TOKEN))
}

/// The same as a REST API, deployed as the stage `prod`.
fn rest_api<'a>(cloud: &'a Cloud, stack: &Stack) -> Door<'a> {
    let api = ask(cloud, "apigateway", "create_rest_api", json!({ "name": "front" }))["id"].take();
    let root = ask(cloud, "apigateway", "get_resources", json!({ "restApiId": api }));
    let parent = &root["items"][0]["id"];
    let any = json!({ "restApiId": api, "parentId": parent, "pathPart": "{proxy+}" });
    let any = ask(cloud, "apigateway", "create_resource", any)["id"].take();
    let _ = cloud.ask(&[
        (
            "apigateway",
            "put_method",
            json!({
                "restApiId": api, "resourceId": any, "httpMethod": "ANY",
                "authorizationType": "NONE",
            }),
        ),
        (
            "apigateway",
            "put_integration",
            json!({
                "restApiId": api, "resourceId": any, "httpMethod": "ANY", "type": "AWS_PROXY",
                "integrationHttpMethod": "POST", "uri": invocation(stack),
            }),
        ),
        ("apigateway", "create_deployment", json!({ "restApiId": api, "stageName": "prod" })),
    ]);
    let host = format!("{}.execute-api.localhost", api.as_str().unwrap());
    Door { base: "/prod", ..Door::new(cloud, &host, Key::Token(TOKEN)) }
}

/// A load balancer whose target is the function. It tells it of a header or parameter that is there
/// several times once, or each time.
fn load_balancer<'a>(cloud: &'a Cloud, stack: &Stack, name: &str, many: bool) -> Door<'a> {
    let balancer = json!({ "Name": name, "Subnets": ["subnet-1", "subnet-2"] });
    let balancer = ask(cloud, "elbv2", "create_load_balancer", balancer)["LoadBalancers"][0].take();
    let group = json!({ "Name": name, "TargetType": "lambda" });
    let group = &ask(cloud, "elbv2", "create_target_group", group)["TargetGroups"][0].take();
    let arn = &group["TargetGroupArn"];
    let attribute = json!({
        "Key": "lambda.multi_value_headers.enabled", "Value": many.to_string(),
    });
    let _ = cloud.ask(&[
        (
            "elbv2",
            "modify_target_group_attributes",
            json!({ "TargetGroupArn": arn, "Attributes": [attribute] }),
        ),
        (
            "elbv2",
            "register_targets",
            json!({ "TargetGroupArn": arn, "Targets": [{ "Id": live(stack) }] }),
        ),
        (
            "elbv2",
            "create_listener",
            json!({
                "LoadBalancerArn": balancer["LoadBalancerArn"], "Protocol": "HTTP", "Port": 80,
                "DefaultActions": [{ "Type": "forward", "TargetGroupArn": arn }],
            }),
        ),
    ]);
    Door::new(cloud, balancer["DNSName"].as_str().unwrap(), Key::Token(TOKEN))
}

#[tokio::test(flavor = "multi_thread")]
async fn api_gateway_and_load_balancers_bring_requests_and_take_the_answers() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let stack = &cloud.deploy(TEMPLATE, "front", &[]);
    permit(&cloud, stack, "apigateway.amazonaws.com");
    permit(&cloud, stack, "elasticloadbalancing.amazonaws.com");
    http_api(&cloud, stack).check("by-http-api").await;
    rest_api(&cloud, stack).check("by-rest-api").await;
    load_balancer(&cloud, stack, "single", false).check("by-balancer").await;
    load_balancer(&cloud, stack, "many", true).check("by-balancer-of-many").await;
}
