//! AWS's own client, for services that no SDK of this workspace is for: botocore, which ministack
//! brings along.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::dynamodb::REGION;
use super::ministack::{Ministack, program};

/// One call: a service, one of its operations as botocore names it, and its parameters.
pub type Call<'a> = (&'a str, &'a str, Value);

/// Makes the calls one after the other, and returns their answers. Bytes are base64 in JSON.
const SCRIPT: &str = r#"
import base64, json, sys, botocore.config, botocore.session
asked = json.load(sys.stdin)
session, clients, answers = botocore.session.get_session(), {}, []
config = botocore.config.Config(retries={"max_attempts": 0})
for service, operation, parameters in asked["calls"]:
    if service not in clients:
        clients[service] = session.create_client(
            service, region_name=asked["region"], endpoint_url=asked["url"], config=config,
            aws_access_key_id="test", aws_secret_access_key="test")
    if "ZipFile" in parameters.get("Code", {}):
        parameters["Code"]["ZipFile"] = base64.b64decode(parameters["Code"]["ZipFile"])
    answer = getattr(clients[service], operation)(**parameters)
    answers.append({key: value for key, value in answer.items() if key != "ResponseMetadata"})
json.dump(answers, sys.stdout, default=str)
"#;

/// Makes these calls to the services of `rig`, and returns what each answered.
///
/// # Panics
/// A call failed.
#[must_use]
pub fn calls(rig: &Ministack, calls: &[Call<'_>]) -> Vec<Value> {
    let calls: Vec<_> =
        calls.iter().map(|(service, name, with)| json!([service, name, with])).collect();
    let asked = json!({ "url": rig.url(), "region": REGION, "calls": calls });
    let mut python = Command::new(program().with_file_name("python"))
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    let input = python.stdin.take().expect("it is piped");
    serde_json::to_writer(input, &asked).expect("python reads");
    let output = python.wait_with_output().expect("python ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}
