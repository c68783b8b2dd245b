//! What a deployed function prints: lines of JSON with the execution's id, and metrics that
//! CloudWatch takes.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use everstep::client::Client;
use everstep::id::ExecutionId;
use everstep::store::Status;
use everstep_tests::dynamodb::DynamoDb;
use everstep_tests::emf::check_emf;
use everstep_tests::function::{function, package};
use everstep_tests::http::request;
use everstep_tests::ministack::Ministack;
use serde_json::{Value, json};

/// How long an order may take here.
const ORDER_MAX: Duration = Duration::from_secs(120);

/// A program that is `program` and adds what that prints to `log`.
fn logged(program: &Path, log: &Path, folder: &Path) -> PathBuf {
    let path = folder.join("logged");
    let script = format!("#!/bin/sh\nexec {} >> {} 2>&1\n", program.display(), log.display());
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn post(rig: &Ministack, path: &str, body: &Value) {
    let answer = request("POST", rig.url(), path, &body.to_string()).await.unwrap();
    assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.body);
}

#[tokio::test]
async fn a_deployed_function_prints_lines_of_json_and_metrics() {
    let db = DynamoDb::start();
    let rig = Ministack::start().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (backend, mut environment) = rig.backend(&db).await;
    environment["ORDER_WORLD"] = json!(folder.path().join("world.db"));
    environment["EVERSTEP_METRICS"] = json!("emf:Orders");
    environment["RUST_LOG"] = json!("info");
    // As in Lambda; the rig sets what it likes.
    environment["EVERSTEP_LOG_FORMAT"] = json!("json");
    let program = logged(&function("order"), &log, folder.path());
    let function = json!({
        "FunctionName": "order", "Runtime": "provided.al2023", "Handler": "bootstrap",
        "Role": "arn:aws:iam::000000000000:role/order", "Timeout": 8, "MemorySize": 256,
        "Environment": { "Variables": environment },
        "Code": { "ZipFile": package(&program) },
    });
    post(&rig, "/2015-03-31/functions", &function).await;
    let mapping = json!({
        "EventSourceArn": "arn:aws:sqs:eu-west-1:000000000000:wakes",
        "FunctionName": "order", "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    });
    post(&rig, "/2015-03-31/event-source-mappings", &mapping).await;
    // A card that the bank refuses.
    let input = json!({
        "number": "order-7", "customer": "Ada", "article": "teapot", "pieces": 2, "price": 3490,
        "card": "0000",
    });
    let start = json!({ "workflow": "fulfil_order", "id": "order-7", "input": input });
    post(&rig, "/2015-03-31/functions/order/invocations", &json!({ "start": start })).await;
    let id: ExecutionId = "order-7".parse().unwrap();
    let client = Client::new(&backend);
    let deadline = Instant::now() + ORDER_MAX;
    let lines = loop {
        let printed = std::fs::read_to_string(&log).unwrap_or_default();
        let is_over = client.describe(&id).await.unwrap().projection.status == Status::Failed;
        if is_over && printed.contains("everstep.execution.closed") {
            break printed;
        }
        assert!(Instant::now() < deadline, "{printed}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let (metrics, said): (Vec<&Value>, Vec<&Value>) =
        lines.iter().partition(|line| line.get("_aws").is_some());
    let mut closed = 0.0;
    for line in &metrics {
        let (_, values) = check_emf(line);
        assert_eq!(line["everstep.workflow.name"], "fulfil_order");
        assert_eq!(line["everstep.execution.id"], "order-7");
        closed += values.get("everstep.execution.closed").map_or(0.0, |values| values[0]);
    }
    assert_eq!(closed, 1.0, "{metrics:#?}");
    let refused = |line: &&&Value| line["message"] == "a step failed";
    let refused = said.iter().find(refused).unwrap_or_else(|| panic!("{said:#?}"));
    assert_eq!(refused["level"], "WARN");
    assert_eq!(refused["everstep.execution.id"], "order-7");
    assert_eq!(refused["everstep.workflow.name"], "fulfil_order");
    assert_eq!(refused["everstep.step.name"], "charge");
    assert_eq!(refused["exception.message"], "CardRefused");
    assert_eq!(refused["faas.trigger"], "pubsub");
    assert!(refused["faas.invocation_id"].is_string(), "{refused}");
    for line in said {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        assert!(line["message"].is_string(), "{line}");
    }
}
