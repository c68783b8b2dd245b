//! Executions that are open while a new release of their function comes and goes, as docs/deploy.md
//! says it does.

use everstep_tests::cloud::{Cloud, Credentials};
use everstep_tests::function::function;

use super::deploy::{NAME, TEMPLATE, URL, check_allowed, until};

/// Moves the alias by hand, at once, as in a roll-back.
#[track_caller]
fn point_at(cloud: &Cloud, version: u32) {
    let command = format!(
        "aws lambda update-alias --function-name {NAME} --name live --function-version {version}"
    );
    let said = cloud.types(&Credentials::root(), &command, &[]);
    assert!(said.done, "{}", said.text);
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

    point_at(&cloud, 1);
    stamped("old", 3);
    cloud.until(URL, "old", "completed");
    run("signal new go");
    cloud.until(URL, "new", "blocked");
    let why = run("show new");
    assert!(why.contains("route"), "{why}");

    point_at(&cloud, 2);
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
