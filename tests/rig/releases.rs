//! Executions that are open while a new release of their function comes and goes, as docs/deploy.md
//! says it does.

use everstep_tests::cloud::{Cloud, Credentials};
use everstep_tests::function::function;
use serde_json::json;

use super::deploy::{NAME, TEMPLATE, URL, check_allowed, until};

/// Moves the alias by hand, at once, as in a roll-back.
#[track_caller]
fn point_at(cloud: &Cloud, function: &str, version: u32) {
    let command = format!(
        "aws lambda update-alias --function-name {function} --name live --function-version {version}"
    );
    types(cloud, &command);
}

/// What an administrator types, which must be done.
#[track_caller]
fn types(cloud: &Cloud, command: &str) -> String {
    let said = cloud.types(&Credentials::root(), command, &[]);
    assert!(said.done, "{command}: {}", said.text);
    said.text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_execution_moves_to_a_new_release_and_back_and_a_new_branch_waits_for_its_code() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    cloud.deploy(TEMPLATE, NAME, &[]);
    let run = |arguments: &str| check_allowed(&cloud, &Credentials::root(), arguments);
    let stamped = |id: &str, times: usize| {
        run(&format!("signal {id} go"));
        let log = || run(&format!("history {id} --json"));
        until(&format!("{id}, {times}"), || {
            log().matches(r#""kind":"StepCompleted""#).count() == times
        });
    };
    run("start travel --id old");
    stamped("old", 1);

    cloud.release(TEMPLATE, NAME, 2);
    run("start travel --id new");
    stamped("new", 1);
    stamped("old", 2);

    point_at(&cloud, NAME, 1);
    stamped("old", 3);
    cloud.until(URL, "old", "completed");
    run("signal new go");
    cloud.until(URL, "new", "blocked");
    let why = run("show new");
    assert!(why.contains("route"), "{why}");

    point_at(&cloud, NAME, 2);
    // Nobody waits here for the five minutes after which its process would ask.
    run("resume new");
    cloud.until(URL, "new", "suspended");
    stamped("new", 3);
    cloud.until(URL, "new", "completed");
    for (id, end) in [("old", "[1,[1,2,1]]"), ("new", "[2,[2,2,2]]")] {
        let log = run(&format!("history {id} --json"));
        assert!(log.contains(end), "{id} does not end with {end}: {log}");
    }
}

/// The name of the stack whose program pins.
const PINNED: &str = "pinned";

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_execution_stays_with_its_release_until_that_is_deleted() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let stack = &cloud.deploy(TEMPLATE, PINNED, &[("PinVersions", "true")]);
    let client = cloud.user(stack, "client", &["Client"]);
    let run = |arguments: &str| {
        let said = cloud.everstep(&client, "dynamodb://pinned?queue=pinned", arguments);
        assert!(said.done, "everstep {arguments}: {}", said.text);
        said.text
    };
    let log = |id: &str| run(&format!("history {id} --json"));
    let stamps = |id: &str| log(id).matches(r#""kind":"StepCompleted""#).count();
    let stamped = |id: &str, times: usize| {
        run(&format!("signal {id} go"));
        until(&format!("{id}, {times}"), || stamps(id) == times);
    };
    let pinned_to = |id: &str, version: u32| {
        let shown = run(&format!("show {id}"));
        let says = format!("pinned to  version {version} of the function");
        assert!(shown.contains(&says), "{shown}");
    };
    for id in ["old", "moves"] {
        run(&format!("start travel --id {id}"));
        stamped(id, 1);
    }
    cloud.release(TEMPLATE, PINNED, 2);
    run("start travel --id new");
    stamped("new", 1);
    pinned_to("old", 1);
    pinned_to("new", 2);

    // As if nobody had let the function invoke its versions: it says so, and nothing is lost or moves.
    let of_stack = |resource: &str| {
        let resource = json!({ "StackName": PINNED, "LogicalResourceId": resource });
        let detail =
            cloud.ask(&[("cloudformation", "describe_stack_resource", resource)]).remove(0);
        detail["StackResourceDetail"]["PhysicalResourceId"].clone()
    };
    let policy =
        || json!({ "RoleName": of_stack("FunctionRole"), "PolicyArn": of_stack("PinPolicy") });
    let _ = cloud.ask(&[("iam", "detach_role_policy", policy())]);
    run("signal old go");
    let logs = "aws logs filter-log-events --log-group-name /aws/lambda/pinned --output text";
    let needs = "allow lambda:InvokeFunction in its IAM policy";
    until("it says what it may not do", || types(&cloud, logs).contains(needs));
    assert_eq!(stamps("old"), 1);
    let _ = cloud.ask(&[("iam", "attach_role_policy", policy())]);
    until("old, 2", || stamps("old") == 2);
    stamped("old", 3);

    // Back, and nothing moves.
    point_at(&cloud, PINNED, 1);
    stamped("new", 2);
    point_at(&cloud, PINNED, 2);
    stamped("new", 3);

    stamped("moves", 2);
    pinned_to("moves", 1);
    types(&cloud, "aws lambda delete-function --function-name pinned --qualifier 1");
    stamped("moves", 3);
    for (id, end) in [("old", "[1,[1,1,1]]"), ("new", "[2,[2,2,2]]"), ("moves", "[1,[1,1,2]]")] {
        until(id, || log(id).contains("WorkflowCompleted"));
        assert!(log(id).contains(end), "{id} does not end with {end}: {}", log(id));
    }
}
