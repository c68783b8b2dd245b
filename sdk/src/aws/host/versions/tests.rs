//! What Lambda may answer to the invocation of another version, over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;

use super::*;
use crate::id::ExecutionId;
use crate::time::Timestamp;
use crate::wake::Wake;

#[test]
fn only_a_published_version_has_a_number() {
    assert_eq!([published("7"), published("$LATEST"), published("")], [Some(7), None, None]);
}

/// Answers one request; returns its first line and its body.
fn answers(status: u16, header: &str, body: &str) -> (String, JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} Whatever\r\n{header}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    let asked = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a request");
        let mut stream = BufReader::new(stream);
        let mut first = String::new();
        stream.read_line(&mut first).expect("a line");
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).expect("a header");
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
        }
        let mut asked = vec![0; length];
        stream.read_exact(&mut asked).expect("a body");
        stream.get_mut().write_all(answer.as_bytes()).expect("it listens");
        (first, String::from_utf8(asked).expect("UTF-8"))
    });
    (url, asked)
}

/// What becomes of a wake that is handed to version 7 if Lambda answers this.
async fn handed(status: u16, header: &str, body: &str) -> Result<Option<HandedBack>, HandOnError> {
    let (url, asked) = answers(status, header, body);
    let keys = aws_credential_types::Credentials::new("key", "secret", None, None, "tests");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(url)
        .build();
    let versions = Published::of("orders", &config).expect("a region");
    let wake = Wake::news(ExecutionId::new("order-7").expect("an id"));
    let handed = HandedOn { wake, receives: 1, deadline: Timestamp(5) };
    let back = versions.hand_on(7, &handed).await;
    let (first, event) = asked.join().expect("it was asked");
    assert!(first.starts_with("POST /2015-03-31/functions/orders%3A7/invocations "), "{first}");
    assert_eq!(event, handed.to_event());
    back
}

#[tokio::test]
async fn the_answer_of_a_turn_is_what_becomes_of_its_wake() {
    let done = handed(200, "", r#""done""#).await.expect("an answer");
    assert_eq!(done, Some(HandedBack::Done));
    let back = handed(200, "", r#"{"comes_back":{"after_ms":5000}}"#).await.expect("an answer");
    assert_eq!(back, Some(HandedBack::after(Duration::from_secs(5))));
}

#[tokio::test]
async fn a_version_that_lambda_does_not_know_is_gone() {
    let header = "x-amzn-errortype: ResourceNotFoundException\r\n";
    let gone = handed(404, header, r#"{"Message":"Function not found"}"#).await;
    assert_eq!(gone.expect("an answer"), None);
}

/// Once: a second call might be a second turn.
#[tokio::test]
async fn whatever_else_happens_is_said_and_the_wake_comes_back() {
    let throttled = "x-amzn-errortype: TooManyRequestsException\r\n";
    let denied = "x-amzn-errortype: AccessDeniedException\r\n";
    let failed = "x-amz-function-error: Unhandled\r\n";
    let crashed = r#"{"errorType":"Runtime.ExitError","errorMessage":"signal: killed"}"#;
    for (status, header, body, says) in [
        (429, throttled, r#"{"Reason":"CallerRateLimitExceeded"}"#, "TooManyRequestsException"),
        (403, denied, r#"{"Message":"no"}"#, "allow lambda:InvokeFunction in its IAM policy"),
        (403, denied, r#"{"Message":"no"}"#, r#"may not use function "orders:7""#),
        (500, "", "", "HTTP status 500"),
        (200, failed, crashed, "Runtime.ExitError: signal: killed"),
        (200, "", r#"{"woken":0}"#, "its answer cannot be read"),
    ] {
        let error = handed(status, header, body).await.expect_err(says).to_string();
        assert!(error.contains("version 7"), "{error}");
        assert!(error.contains(says), "{says:?} is not in {error}");
    }
}
