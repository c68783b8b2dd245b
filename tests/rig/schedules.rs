//! Schedules that a deployed function serves, and the alarms that EventBridge Scheduler keeps for it:
//! what they start and wake is done in Lambda, and by nobody else.

// The function has the same.
#[path = "../bootstrap/ponder.rs"]
mod ponder;

use std::sync::Arc;
use std::time::Duration;

use everstep::aws::{DynamoStore, EventBridgeScheduler, SqsQueue};
use everstep::backend::SchedulerUrl;
use everstep::event::Event;
use everstep::prelude::*;
use everstep::store::Status;
use everstep::time::Clock;
use everstep::wake::AlarmQueue;
use everstep_tests::cloud::{Cloud, Credentials, Stack};
use everstep_tests::dynamodb::config_at;
use everstep_tests::function::function;
use serde_json::{Value, json};

use self::ponder::ponder;
use super::deploy::{NAME, TEMPLATE, URL, check_allowed, receive, until};

/// A stack whose long timers are EventBridge Scheduler's.
async fn deploy() -> (Cloud, Stack) {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    // ministack takes each schedule for one of the default group when it asks whether it is allowed.
    let group = (":schedule/${Name}/*", ":schedule/default/*");
    let template = cloud.edited(TEMPLATE, &[group]);
    let stack = cloud.deploy(&template, NAME, &[("LongTimers", "SCHEDULER")]);
    (cloud, stack)
}

/// How many alarms Scheduler keeps for the stack.
fn alarms(cloud: &Cloud) -> usize {
    let listed = cloud.ask(&[("scheduler", "list_schedules", json!({}))]).remove(0);
    let all = listed["Schedules"].as_array().unwrap().iter();
    all.filter(|schedule| schedule["GroupName"] == NAME).count()
}

/// What the command prints, a line of JSON each.
fn lines(cloud: &Cloud, who: &Credentials, arguments: &str) -> Vec<Value> {
    let said = check_allowed(cloud, who, &format!("{arguments} --json"));
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{said}")))
        .collect()
}

/// The ids of what the schedule has started and what has come to its end, in their order.
fn completed(cloud: &Cloud, who: &Credentials) -> Vec<String> {
    let list = "list --tag everstep.schedule=often --status completed";
    let lines = lines(cloud, who, list);
    let mut ids: Vec<_> = lines.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_starts_executions_in_the_function_until_it_is_paused_and_deleted() {
    let (cloud, stack) = deploy().await;
    let client = &cloud.user(&stack, "client", &["Client"]);
    let run = |arguments: &str| check_allowed(&cloud, client, arguments);
    let shown = || lines(&cloud, client, "schedule show often").remove(0);
    run("schedule create often greet --every 1s --overlap allow-all --input '\"Ada\"'");
    until("it has started three", || completed(&cloud, client).len() >= 3);

    // Once it is paused nothing is started but by hand.
    run("schedule pause often --reason 'the shop moves'");
    let paused = shown();
    assert_eq!((&paused["paused"], &paused["next"]), (&json!("the shop moves"), &json!([])));
    let started = paused["counts"]["started"].as_u64().unwrap();
    assert!(run("schedule trigger often --name by-hand").contains("often/by-hand"));
    cloud.until(URL, "often/by-hand", "completed");
    let all = usize::try_from(started).unwrap() + 1;
    until("all have ended", || completed(&cloud, client).len() == all);
    assert_eq!(shown()["counts"]["started"], started + 1);
    let ids = completed(&cloud, client);
    let by_time = ids.iter().filter(|id| id.starts_with("often/20") && id.ends_with('Z'));
    assert_eq!(by_time.count(), all - 1, "{ids:?}");
    let history = run(&format!("history {}", ids[0]));
    assert_eq!(history.matches("compose#1").count(), 1, "{history}");

    // The next time is beyond what a queue can wait for.
    run("schedule update often greet --cron '0 7 1 1 *' --input '\"Ada\"'");
    assert_eq!(alarms(&cloud), 0, "it is paused");
    run("schedule resume often");
    until("Scheduler keeps its time", || alarms(&cloud) == 1);
    let listed = lines(&cloud, client, "schedule list");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["paused"], Value::Null, "{listed:?}");
    assert_eq!(listed[0]["next"].as_array().map(Vec::len), Some(5), "{listed:?}");

    run("schedule delete often");
    until("its alarm is taken back", || alarms(&cloud) == 0);
    assert_eq!(lines(&cloud, client, "schedule list"), [Value::Null; 0]);
    assert_eq!(lines(&cloud, client, "schedule list --ended")[0]["status"], "completed");
    let again = cloud.everstep(client, URL, "schedule trigger often");
    assert!(!again.done, "{}", again.text);
    assert_eq!(completed(&cloud, client).len(), all, "nothing more was started");
}

/// A worker whose clock is slow by nearly an hour takes the first turn, so that the hour is over in a
/// moment by all other clocks.
#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_of_an_hour_rings_and_the_function_goes_on() {
    let (cloud, _) = deploy().await;
    receive(&cloud, false);
    let config = config_at(cloud.url()).await;
    let queue = SqsQueue::new(&config, NAME).unwrap();
    let role = "arn:aws:iam::000000000000:role/wakes";
    let scheduler = SchedulerUrl::new(NAME, Some(role)).unwrap();
    let clock = EventBridgeScheduler::new(&config, &queue, &scheduler).unwrap();
    let store = DynamoStore::new(&config, NAME).unwrap();
    let queue = AlarmQueue::new(Arc::new(queue), Arc::new(clock));
    let backend = Backend::new(Arc::new(store), Arc::new(queue));
    let slow = Clock::virtual_from(Clock::system().now().before(hours(1) - seconds(15)));
    let client = Client::new(&backend).clock(slow.clone());
    let app = App::new().workflow(ponder).backend(backend.clone());
    let worker = app.worker().await.unwrap().clock(slow);
    let handle = client.start(ponder, 10).id("deep").await.unwrap();
    let suspended = async {
        while handle.describe().await.unwrap().projection.status != Status::Suspended {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let suspended = tokio::time::timeout(Duration::from_secs(60), suspended);
    worker.run_until(suspended).await.unwrap().expect("it suspends");
    // Nothing but the alarm will wake it: the sweeper would do so after ten minutes.
    assert_eq!(alarms(&cloud), 1);
    assert_eq!(in_queue(&cloud), 0);

    receive(&cloud, true);
    cloud.until(URL, "deep", "completed");
    assert_eq!(handle.result().await.unwrap(), 10);
    assert_eq!(alarms(&cloud), 0, "it has rung, and is gone");
    let commits = handle.history().await.unwrap();
    let events: Vec<_> = commits.into_iter().flat_map(|commit| commit.events).collect();
    let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
    assert_eq!(count(|it| matches!(it, Event::TimerFired(_))), 1, "{events:?}");
    assert_eq!(count(|it| matches!(it, Event::StepCompleted(_))), 1, "{events:?}");
    assert_eq!(count(|it| matches!(it, Event::TurnStarted(_))), 2, "{events:?}");
}

/// How many messages the queue of wakes has, whoever may see them.
fn in_queue(cloud: &Cloud) -> u32 {
    let names = ["", "NotVisible", "Delayed"];
    let names: Vec<_> =
        names.iter().map(|which| format!("ApproximateNumberOfMessages{which}")).collect();
    let url = format!("{}/000000000000/{NAME}", cloud.url());
    let ask = json!({ "QueueUrl": url, "AttributeNames": names });
    let answer = cloud.ask(&[("sqs", "get_queue_attributes", ask)]).remove(0);
    let counts = answer["Attributes"].as_object().unwrap().values();
    counts.map(|count| count.as_str().unwrap().parse::<u32>().unwrap()).sum()
}

/// The wake of its start is gone, and ten minutes later, as its record has it, the template's schedule
/// sends another one. ministack looks at schedules every ten seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_wake_that_was_lost_is_sent_again_by_the_sweeper_of_the_template() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let stack = &cloud.deploy(TEMPLATE, NAME, &[]);
    let client = cloud.user(stack, "client", &["Client"]);
    receive(&cloud, false);
    check_allowed(&cloud, &client, "start greet --id ada --input '\"Ada\"'");
    assert_eq!(in_queue(&cloud), 1);
    let lost = json!({ "QueueUrl": format!("{}/000000000000/{NAME}", cloud.url()) });
    let past = json!({
        "TableName": NAME,
        "Key": { "pk": { "S": "x#ada" }, "sk": { "S": "#" } },
        "UpdateExpression": "SET wake_at = :past, due_at = :past",
        "ExpressionAttributeValues": { ":past": { "N": "1" } },
    });
    let _ = cloud.ask(&[("sqs", "purge_queue", lost), ("dynamodb", "update_item", past)]);
    assert_eq!(in_queue(&cloud), 0);
    receive(&cloud, true);
    cloud.until(URL, "ada", "completed");
}
