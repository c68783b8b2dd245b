//! The order example as a Lambda function: size of the binary, cold start and peak memory.
//!
//! `cargo bench -p everstep-bench --bench bootstrap`. Builds the release binary and runs it under
//! a Lambda runtime API of this program's own, which hands it the wake of an order that was just
//! started. The answer comes when the first turn is over: four steps, each written to a SQLite
//! file, and the suspension.
#![expect(clippy::print_stdout, reason = "figures are what a benchmark prints")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use everstep::event::{Event, Json};
use everstep::prelude::*;
use everstep::store::Status;
use everstep::wake::Wake;
use everstep::{Client, ExecutionId};
use everstep_bench::{Figures, RUNS};

const ORDER: &str =
    r#"{"number":"cold","customer":"Ada","article":"lamp","pieces":1,"price":4200,"card":"4242"}"#;

#[tokio::main]
async fn main() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--package", "order"])
        .current_dir(root)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "the order example builds");
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| format!("{root}/target"));
    let binary = format!("{target}/release/order");
    let bytes = std::fs::metadata(&binary).expect("the binary").len();
    println!("bootstrap: {:.1} MB", bytes as f64 / 1e6);
    let (mut ready, mut begun, mut answered) = (Vec::new(), Vec::new(), Vec::new());
    let mut peaks = Vec::new();
    for _ in 0..RUNS {
        let life = cold_start(&binary).await;
        ready.push(life.to_ready);
        begun.push(life.to_first_step);
        answered.push(life.to_answer);
        peaks.push(life.peak_kb);
    }
    peaks.sort_unstable();
    println!("process start to first poll for work  {}", Figures::of(ready).millis());
    println!("process start to first step           {}", Figures::of(begun).millis());
    println!("process start to first turn done      {}", Figures::of(answered).millis());
    println!("peak memory (VmHWM)                   {:.1} MB", peaks[RUNS / 2] as f64 / 1e3);
}

/// One process, from its start.
struct Life {
    /// It asks for work.
    to_ready: Duration,
    /// The claim is in the log, and the first step's body begins.
    to_first_step: Duration,
    to_answer: Duration,
    peak_kb: u64,
}

/// One process from its start to its answer.
#[expect(clippy::zombie_processes, reason = "where it is not waited for, the benchmark ends")]
async fn cold_start(binary: &str) -> Life {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("bench.db").display());
    let client = Client::new(&Backend::from_url(&url).await.expect("a file"));
    let order = Json::parse(ORDER.to_owned()).expect("JSON");
    let handle = client.start_named("fulfil_order", order).id("cold").await.expect("started");
    let body = Wake::news(handle.id().clone()).to_body();
    let event = serde_json::json!({ "Records": [{
        "messageId": "1", "receiptHandle": "1", "body": body, "eventSource": "aws:sqs",
        "attributes": { "ApproximateReceiveCount": "1" },
    }] })
    .to_string();
    let api = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = api.local_addr().expect("an address").to_string();
    let start = Instant::now();
    let mut function = Command::new(binary)
        .current_dir(folder.path())
        .env("AWS_LAMBDA_RUNTIME_API", &address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "order")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "order")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "order")
        .env("EVERSTEP_URL", &url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the function starts");
    let first_step = tokio::spawn(first_step(client.clone(), handle.id().clone(), start));
    let mut ready = None;
    loop {
        let (mut stream, _) = api.accept().expect("a connection");
        while let Some((path, _body)) = request(&mut stream) {
            if path.ends_with("/next") {
                let to_ready = *ready.get_or_insert_with(|| start.elapsed());
                let deadline = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .expect("after 1970")
                    .as_millis()
                    + 60_000;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlambda-runtime-aws-request-id: 1\r\n\
                     lambda-runtime-deadline-ms: {deadline}\r\nlambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:1:function:order\r\n\
                     content-length: {}\r\n\r\n",
                    event.len()
                );
                let sent = stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.write_all(event.as_bytes()));
                assert!(sent.is_ok(), "the function reads its event after {to_ready:?}");
            } else {
                let to_answer = start.elapsed();
                let peak = peak_kb(&function);
                let _ = function.kill();
                let _ = function.wait();
                let record = handle.describe().await.expect("a record");
                assert_eq!(record.projection.status, Status::Suspended, "its first turn is over");
                return Life {
                    to_ready: ready.unwrap_or(to_answer),
                    to_first_step: first_step.await.expect("no panic"),
                    to_answer,
                    peak_kb: peak,
                };
            }
        }
    }
}

/// How long after `start` the first turn's claim is in the log, which is written right before the
/// first step's body begins. It looks every millisecond.
async fn first_step(client: Client, id: ExecutionId, start: Instant) -> Duration {
    loop {
        let log = client.history(&id).await.expect("a log");
        let mut events = log.iter().flat_map(|commit| &commit.events);
        if events.any(|event| matches!(event, Event::TurnStarted(_))) {
            return start.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Reads one HTTP request: its path and body.
fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}

fn peak_kb(process: &Child) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|kb| kb.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
