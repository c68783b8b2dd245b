//! Requests as Lambda functions get them: from API Gateway, load balancers and function URLs.
//!
//! The events are read here and not by a library, since a header or a path of a stranger's must not
//! be able to end the process: what is no request is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::poll_fn;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::malformed;
use super::problem::Problem;
use super::waiting::Whole;

/// What cannot stand in a path or a query as it is. A `%` can: it begins what is encoded already.
const NOT_IN_A_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The same for a path, in which a question mark would be its end.
const NOT_IN_A_PATH: &AsciiSet = &NOT_IN_A_URI.add(b'?');

/// An event that is no HTTP request.
#[derive(Debug, thiserror::Error)]
#[error(
    "the event is no HTTP request of API Gateway, a load balancer or a function URL: {problem}"
)]
pub struct NotHttp {
    problem: String,
}

/// Who sent the event, which decides the shape of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// A function URL, or an HTTP API of API Gateway: payload format 2.0
    /// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
    V2,
    /// A REST API of API Gateway, or an HTTP API with payload format 1.0
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html>).
    V1,
    /// An application load balancer
    /// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html>).
    LoadBalancer,
}

impl Sender {
    fn of(event: &Value) -> Option<Self> {
        let context = event.get("requestContext")?;
        if event.get("version").and_then(Value::as_str) == Some("2.0") {
            return context.get("http").map(|_| Self::V2);
        }
        event.get("httpMethod")?.as_str()?;
        Some(if context.get("elb").is_some() { Self::LoadBalancer } else { Self::V1 })
    }
}

/// Whether `event` has the shape of an HTTP request.
#[must_use]
pub fn is_http(event: &Value) -> bool {
    Sender::of(event).is_some()
}

/// Answers an event with `router`, in the shape that its sender reads.
///
/// The answer is given as a whole: a router made by [`Front::router`](super::Front::router) streams
/// nothing, and lets requests wait for half of `left`, the time until the function's deadline.
///
/// # Errors
/// The event is none of an HTTP request.
pub async fn answer(router: &Router, event: Value, left: Duration) -> Result<Value, NotHttp> {
    let not_http = |problem: &str| NotHttp { problem: problem.to_owned() };
    let sender = Sender::of(&event);
    let sender = sender.ok_or_else(|| not_http("it has none of their shapes"))?;
    let event: Event =
        serde_json::from_value(event).map_err(|error| not_http(&error.to_string()))?;
    let many_headers = !event.multi_value_headers.is_empty();
    let response = match request(sender, event) {
        Ok(mut request) => {
            request.extensions_mut().insert(Whole { wait_max: left / 2 });
            call(router.clone(), request).await
        }
        Err(problem) => problem.into_response(),
    };
    Ok(written(sender, many_headers, response).await)
}

async fn call(mut router: Router, request: Request) -> Response {
    use tower_service::Service as _;
    let ready = poll_fn(|context| {
        <Router as tower_service::Service<Request>>::poll_ready(&mut router, context)
    });
    match ready.await {
        Ok(()) => {}
        Err(never) => match never {},
    }
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// What of an event makes a request, whoever sent it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: Option<String>,
    path: Option<String>,
    raw_query_string: Option<String>,
    http_method: Option<String>,
    request_context: Context,
    #[serde(default, deserialize_with = "or_default")]
    headers: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    multi_value_headers: BTreeMap<String, Vec<String>>,
    #[serde(default, deserialize_with = "or_default")]
    query_string_parameters: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    multi_value_query_string_parameters: BTreeMap<String, Vec<String>>,
    #[serde(default, deserialize_with = "or_default")]
    cookies: Vec<String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
struct Context {
    http: Option<Http>,
    stage: Option<String>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

/// What is absent may be `null`.
fn or_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn request(sender: Sender, event: Event) -> Result<Request, Problem> {
    let method = event.request_context.http.as_ref().map(|http| &http.method);
    let method = method.or(event.http_method.as_ref()).map_or("", String::as_str);
    let method = Method::from_bytes(method.as_bytes());
    let method = method.map_err(|_| malformed("the method cannot be read"))?;
    let uri = uri(sender, &event).parse::<Uri>();
    let uri = uri.map_err(|_| malformed("path and parameters cannot be read"))?;
    let headers = headers(&event).ok_or_else(|| malformed("a header cannot be read"))?;
    let body = event.body.unwrap_or_default();
    let body = if event.is_base64_encoded {
        STANDARD.decode(body).map_err(|_| malformed("the body is no base64"))?
    } else {
        body.into_bytes()
    };
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Path and query, as a server would have got them.
fn uri(sender: Sender, event: &Event) -> String {
    let path = event.raw_path.as_ref().or(event.path.as_ref()).map_or("", String::as_str);
    // An HTTP API puts its stage before the path.
    let stage = event.request_context.stage.as_deref().filter(|_| sender == Sender::V2);
    let within = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    let path = within.filter(|it| it.is_empty() || it.starts_with('/')).unwrap_or(path);
    let path = utf8_percent_encode(path.trim_start_matches('/'), NOT_IN_A_PATH);
    let query = match (sender, &event.raw_query_string) {
        (Sender::V2, query) => query.clone().unwrap_or_default(),
        _ => query(sender, event),
    };
    if query.is_empty() {
        return format!("/{path}");
    }
    format!("/{path}?{}", utf8_percent_encode(&query, NOT_IN_A_URI))
}

/// The query, put together again from its parts: a load balancer hands them on encoded, as they
/// came, and an API decoded.
fn query(sender: Sender, event: &Event) -> String {
    let part = |text: &str| match sender {
        Sender::LoadBalancer => text.to_owned(),
        _ => utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
    };
    let pair = |name: &String, value: &String| format!("{}={}", part(name), part(value));
    let many = event.multi_value_query_string_parameters.iter();
    let many: Vec<String> =
        many.flat_map(|(name, all)| all.iter().map(move |value| pair(name, value))).collect();
    if !many.is_empty() {
        return many.join("&");
    }
    let one = event.query_string_parameters.iter().map(|(name, value)| pair(name, value));
    one.collect::<Vec<_>>().join("&")
}

/// `None` if one cannot be.
fn headers(event: &Event) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let many = event.multi_value_headers.iter();
    let many = many.flat_map(|(name, all)| all.iter().map(move |value| (name, value)));
    let of_many = |name: &str| event.multi_value_headers.contains_key(name);
    let one = event.headers.iter().filter(|(name, _)| !of_many(name));
    for (name, value) in many.chain(one) {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    if !event.cookies.is_empty() {
        let cookies = HeaderValue::try_from(event.cookies.join("; ")).ok()?;
        headers.insert(axum::http::header::COOKIE, cookies);
    }
    Some(headers)
}

/// The answer as `sender` reads it.
async fn written(sender: Sender, many_headers: bool, response: Response) -> Value {
    let (parts, body) = response.into_parts();
    // Ours are bounded by their pages; a layer's own are its author's to bound.
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let (body, is_base64) = match String::from_utf8(body.into()) {
        Ok(text) => (text, false),
        Err(error) => (STANDARD.encode(error.into_bytes()), true),
    };
    let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &parts.headers {
        let Ok(value) = value.to_str() else { continue };
        if sender == Sender::V2 && name == axum::http::header::SET_COOKIE {
            cookies.push(value);
        } else {
            headers.entry(name.as_str()).or_default().push(value);
        }
    }
    let mut answer = json!({
        "statusCode": parts.status.as_u16(),
        "body": body,
        "isBase64Encoded": is_base64,
    });
    if many_headers && sender != Sender::V2 {
        answer["multiValueHeaders"] = json!(headers);
    } else {
        let joined = headers.iter().map(|(name, values)| (*name, values.join(", ")));
        answer["headers"] = json!(joined.collect::<BTreeMap<_, _>>());
    }
    match sender {
        Sender::V2 => answer["cookies"] = json!(cookies),
        Sender::LoadBalancer => answer["statusDescription"] = json!(parts.status.to_string()),
        Sender::V1 => {}
    }
    answer
}
