//! Steps that call another Lambda function (tests/bootstrap/callee.rs): it replies, fails, crashes, takes too
//! long, is throttled, is not there, may not be called; and replies later, by a promise.

use std::sync::{Arc, Mutex};

use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use everstep::invoke::{InvokeError, Lambda};
use everstep::prelude::*;
use everstep::{CallbackError, PromiseError};
use everstep_tests::cloud::{Cloud, Credentials};
use everstep_tests::dynamodb::{DynamoDb, config_at};
use everstep_tests::function::{function, package};
use everstep_tests::http::request;
use everstep_tests::ministack::Ministack;
use serde_json::{Value, json};

struct Deployed {
    _db: DynamoDb,
    rig: Ministack,
    backend: Backend,
    lambda: Lambda,
}

impl Deployed {
    async fn start() -> Self {
        let db = DynamoDb::start();
        let rig = Ministack::start().await;
        let (backend, environment) = rig.backend(&db).await;
        let function = json!({
            "FunctionName": "callee", "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": "arn:aws:iam::000000000000:role/callee", "Timeout": 3,
            "Environment": { "Variables": environment },
            "Code": { "ZipFile": package(&function("bootstrap")) },
        });
        let lambda = Lambda::new(&config_at(rig.url()).await);
        let this = Self { _db: db, rig, backend, lambda };
        this.ask("POST", "/2015-03-31/functions", &function).await;
        this
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = request(method, self.rig.url(), path, &body.to_string()).await.unwrap();
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    async fn invoke(&self, request: Value) -> Result<u64, InvokeError> {
        self.lambda.invoke("callee", &request).await
    }

    /// What the workflow makes of `request`.
    async fn run(&self, request: Request) -> Result<u64, AskError> {
        let app = App::new().workflow(ask).state(self.lambda.clone());
        let worker = app.backend(self.backend.clone()).worker().await.unwrap();
        let asked = Client::new(&self.backend).start(ask, request).await.unwrap();
        match worker.run_until(asked.result()).await.unwrap() {
            Ok(number) => Ok(number),
            Err(everstep::client::ResultError::Failed(error)) => Err(error),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Request {
    function: String,
    body: Value,
    waits: bool,
}

#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Now(#[from] InvokeError),
    #[error(transparent)]
    Later(#[from] CallbackError<InvokeError>),
}

#[step(
    skip(lambda),
    retry(max_attempts = 3, initial = "10ms"),
    retry_if = InvokeError::is_retryable
)]
async fn call(lambda: &Lambda, function: &str, body: &Value) -> Result<u64, InvokeError> {
    lambda.invoke(function, body).await
}

#[workflow]
async fn ask(State(lambda): State<Lambda>, request: Request) -> Result<u64, AskError> {
    if request.waits {
        return Ok(call(&lambda, &request.function, &request.body).await?);
    }
    let Request { function, body, .. } = request;
    let reply = callback("reply", async move |token| lambda.send(&function, &body, &token).await);
    Ok(reply.timeout(minutes(2)).await?)
}

fn now(body: Value) -> Request {
    Request { function: "callee".to_owned(), body, waits: true }
}

fn later(body: Value) -> Request {
    Request { function: "callee".to_owned(), body, waits: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_in_its_reply_or_in_a_typed_error() {
    let deployed = Deployed::start().await;
    assert_eq!(deployed.invoke(json!({ "double": 21 })).await, Ok(42));

    let raised = deployed.invoke(json!({ "raise": "no such picture" })).await.unwrap_err();
    let InvokeError::Failed { kind, message, .. } = &raised else { panic!("{raised:?}") };
    assert_eq!((kind.as_str(), message.as_str()), ("Raised", "no such picture"));
    assert!(!raised.is_retryable());

    let crashed = deployed.invoke(json!("crash")).await.unwrap_err();
    assert!(matches!(crashed, InvokeError::Crashed { .. }), "{crashed:?}");
    let late = deployed.invoke(json!("sleep")).await.unwrap_err();
    assert!(matches!(late, InvokeError::TimedOut { .. }), "{late:?}");
    assert!(crashed.is_retryable() && late.is_retryable());

    let text = deployed.invoke(json!("text")).await.unwrap_err();
    assert!(matches!(text, InvokeError::Unreadable { .. }), "{text:?}");
    let missing = deployed.lambda.invoke::<_, u64>("nobody", &json!(1)).await.unwrap_err();
    assert!(matches!(missing, InvokeError::NotFound { .. }), "{missing:?}");
    let large = deployed.invoke(json!("x".repeat(6_000_000))).await.unwrap_err();
    let InvokeError::TooLarge { bytes, bytes_max, .. } = large else { panic!("{large:?}") };
    assert_eq!((bytes, bytes_max), (6_000_002, 6_000_000));
    assert!(!text.is_retryable() && !missing.is_retryable() && !large.is_retryable());

    let none = json!({ "ReservedConcurrentExecutions": 0 });
    deployed.ask("PUT", "/2017-10-31/functions/callee/concurrency", &none).await;
    let throttled = deployed.invoke(json!({ "double": 1 })).await.unwrap_err();
    assert!(matches!(throttled, InvokeError::Throttled { .. }), "{throttled:?}");
    assert!(throttled.is_retryable());
}

/// On a rig that enforces IAM, where the function is the template's.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_call_a_function_is_told_so_and_nothing_is_called() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let stack = &cloud.deploy("docs/deploy/template.yaml", "callee", &[]);
    let reader = cloud.user(stack, "reader", &["Reader"]);
    // Who operates may invoke the alias, and nothing else.
    let operator = cloud.user(stack, "operator", &["Operator"]);
    let call = async |who: &Credentials, name: &str| -> Result<u64, InvokeError> {
        let lambda = Lambda::new(&cloud.config(who).await);
        lambda.invoke(name, &json!({ "double": 21 })).await
    };
    assert_eq!(call(&operator, "callee:live").await, Ok(42));
    let forged = reader.forged();
    let denied = [(&reader, "callee:live"), (&operator, "callee"), (&forged, "callee:live")];
    for (who, name) in denied {
        let error = call(who, name).await.unwrap_err();
        let InvokeError::Denied { function, .. } = &error else { panic!("{name}: {error:?}") };
        assert_eq!(function, name);
        assert!(error.to_string().contains("may not be invoked by this role"), "{error}");
        assert!(!error.is_retryable() && error.into_error().is_terminal());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_calls_and_what_it_gets_is_the_workflow_s() {
    let deployed = Deployed::start().await;
    assert_eq!(deployed.run(now(json!({ "double": 4 }))).await.unwrap(), 8);
    let error = deployed.run(now(json!({ "raise": "no" }))).await.unwrap_err();
    assert_eq!(error.to_string(), "function callee failed: Raised: no");
    let error = deployed.run(now(json!("crash"))).await.unwrap_err();
    assert!(matches!(error, AskError::Now(InvokeError::Crashed { .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_replies_to_a_promise_and_the_first_reply_counts() {
    let deployed = Deployed::start().await;
    let reply = json!({ "reply": { "times": 2, "with": 7 } });
    assert_eq!(deployed.run(later(reply)).await.unwrap(), 7);
    let error = deployed.run(later(json!({ "reply_failure": "no picture" }))).await.unwrap_err();
    let AskError::Later(CallbackError::Promise(PromiseError::Failed { reason, .. })) = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(reason, "no picture");
    let missing = Request { function: "nobody".to_owned(), ..later(json!(1)) };
    let error = deployed.run(missing).await.unwrap_err();
    let AskError::Later(CallbackError::Submit(InvokeError::NotFound { .. })) = &error else {
        panic!("{error:?}")
    };
}

/// Headers and body of each request.
type Calls = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// Lambda as the SDK sees it: what was asked of it, and 21 twice.
async fn recorder(
    Shared(calls): Shared<Calls>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    calls.lock().unwrap().push((headers, body));
    (StatusCode::OK, "42".to_owned())
}

#[step(skip(lambda), retry(max_attempts = 2, initial = "1ms"))]
async fn double(lambda: &Lambda, number: u64) -> everstep::Result<(u64, String)> {
    let doubled = lambda.invoke("double", &number).await?;
    if everstep::attempt() == 1 {
        return Err(everstep::Error::msg("as if the host had died here"));
    }
    Ok((doubled, idempotency_key()))
}

#[workflow]
async fn call_lambda(State(lambda): State<Lambda>, number: u64) -> everstep::Result<(u64, String)> {
    double(&lambda, number).await
}

#[tokio::test]
async fn a_function_gets_the_plain_request_and_the_step_s_key_in_its_client_context() {
    use base64::Engine;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(recorder).with_state(calls.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let config = config_at(&url).await;
    let backend = Backend::memory();
    let app = App::new().workflow(call_lambda).state(Lambda::new(&config));
    let app = app.backend(backend.clone());
    let call = Client::new(&backend).start(call_lambda, 21).await.unwrap();
    let result = app.worker().await.unwrap().run_until(call.result()).await.unwrap();
    server.abort();
    let (doubled, key) = result.unwrap();
    assert_eq!(doubled, 42);
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 2, "one an attempt, and none by the SDK");
    for (headers, body) in &*calls {
        assert_eq!(body, "21");
        let context = headers["x-amz-client-context"].as_bytes();
        let context = base64::engine::general_purpose::STANDARD.decode(context).unwrap();
        let context: Value = serde_json::from_slice(&context).unwrap();
        assert_eq!(context["custom"]["everstep-idempotency-key"], key.as_str());
    }
}
