//! Timers of more than 15 minutes, as schedules of EventBridge Scheduler.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use everstep::aws::{EventBridgeScheduler, SqsQueue};
use everstep::backend::{BackendUrl, SchedulerUrl};
use everstep::id::ExecutionId;
use everstep::limits::QUEUE_DELAY_MAX;
use everstep::memory::MemoryStore;
use everstep::prelude::*;
use everstep::store::{EventStore, Status};
use everstep::testing::conformance::QueueFactory;
use everstep::time::{Clock, Timestamp};
use everstep::wake::{Alarm, AlarmClock, AlarmQueue, Wake, WakeQueue};
use everstep_tests::aws::calls;
use everstep_tests::dynamodb::{REGION, config_at};
use everstep_tests::ministack::Ministack;
use everstep_tests::proxy::{Fault, Proxy};
use everstep_tests::said::Said;
use serde_json::{Value, json};

/// ministack does not ask whether it is there.
const ROLE: &str = "arn:aws:iam::000000000000:role/wakes";

/// A queue and the group of the same name.
struct Place {
    queue: SqsQueue,
    clock: Arc<EventBridgeScheduler>,
}

impl Place {
    /// With Scheduler at `url`, and the queue on `rig`. It is not set up.
    async fn at(rig: &Ministack, url: &str, name: &str, role: Option<&str>) -> Self {
        let queue = SqsQueue::new(&config_at(rig.url()).await, name).unwrap();
        let scheduler = SchedulerUrl::new(name, role).unwrap();
        let clock = EventBridgeScheduler::new(&config_at(url).await, &queue, &scheduler).unwrap();
        Self { queue, clock: Arc::new(clock) }
    }

    /// Set up, with all on `rig`.
    async fn on(rig: &Ministack, name: &str) -> Self {
        let place = Self::at(rig, rig.url(), name, Some(ROLE)).await;
        place.alarmed().setup().await.unwrap();
        place
    }

    fn alarmed(&self) -> AlarmQueue {
        AlarmQueue::new(Arc::new(self.queue.clone()), self.clock.clone())
    }
}

#[derive(Default)]
struct Queues(tokio::sync::OnceCell<Ministack>);

#[async_trait]
impl QueueFactory for Queues {
    async fn queue(&self, visibility: Duration) -> Arc<dyn WakeQueue> {
        let rig = self.0.get_or_init(Ministack::start).await;
        let name = format!("wakes-{}", uuid::Uuid::new_v4().simple());
        let mut place = Place::on(rig, &name).await;
        place.queue = place.queue.with_visibility(visibility);
        Arc::new(place.alarmed())
    }

    fn unit(&self) -> Duration {
        Duration::from_secs(1)
    }
}

everstep::wake_queue_suite!(conformance, Queues::default());

/// The alarm of "a" that is due after `due`, and was asked for a day before that.
fn alarm(due: Duration) -> Alarm {
    let due = Clock::system().now().after(due);
    Alarm::new(ExecutionId::new("a").unwrap(), due, due.before(days(1)))
}

/// The names of the schedules in a group.
fn names(rig: &Ministack, group: &str) -> Vec<String> {
    // ministack looks at another parameter than AWS, so all groups are listed.
    let listed = calls(rig, &[("scheduler", "list_schedules", json!({}))]).remove(0);
    let all = listed["Schedules"].as_array().unwrap().iter();
    let of_group = all.filter(|schedule| schedule["GroupName"] == group);
    of_group.map(|schedule| schedule["Name"].as_str().unwrap().to_owned()).collect()
}

/// The one schedule of a group.
fn schedule(rig: &Ministack, group: &str) -> Value {
    let [name] = &names(rig, group)[..] else { panic!("one schedule: {:?}", names(rig, group)) };
    let asked = json!({ "GroupName": group, "Name": name });
    calls(rig, &[("scheduler", "get_schedule", asked)]).remove(0)
}

#[tokio::test]
async fn an_alarm_is_a_schedule_that_is_set_once_and_taken_back() {
    let rig = Ministack::start().await;
    let place = Place::on(&rig, "wakes").await;
    place.alarmed().setup().await.unwrap();
    let far = alarm(days(30));
    for _ in 0..2 {
        place.alarmed().arm(&far, days(30)).await.unwrap();
    }
    let set = schedule(&rig, "wakes");
    let time = chrono::DateTime::<chrono::Utc>::from(Timestamp((far.due.0 + 999) / 1000 * 1000));
    let expression = format!("at({})", time.format("%Y-%m-%dT%H:%M:%S"));
    assert_eq!(set["ScheduleExpression"], expression);
    assert_eq!(set["ScheduleExpressionTimezone"], "UTC");
    assert_eq!(set["FlexibleTimeWindow"], json!({ "Mode": "OFF" }));
    assert_eq!(set["ActionAfterCompletion"], "DELETE");
    let target = &set["Target"];
    assert_eq!(target["Arn"], format!("arn:aws:sqs:{REGION}:000000000000:wakes"));
    assert_eq!(target["RoleArn"], ROLE);
    assert_eq!(Wake::from_body(target["Input"].as_str().unwrap()).unwrap(), far.wake());

    let other = Alarm::new(far.execution.clone(), far.due, far.since.after(seconds(1)));
    place.alarmed().disarm(&other).await.unwrap();
    assert_eq!(names(&rig, "wakes").len(), 1, "it is another alarm");
    for _ in 0..2 {
        place.alarmed().disarm(&far).await.unwrap();
        assert_eq!(names(&rig, "wakes"), [""; 0]);
    }
    assert!(place.queue.receive(10, Duration::ZERO).await.unwrap().is_empty(), "nothing was sent");
}

/// The rig is exact to five seconds, AWS to sixty.
#[tokio::test]
async fn an_alarm_rings_in_the_queue_at_its_time_and_is_gone() {
    let rig = Ministack::start().await;
    let place = Place::on(&rig, "wakes").await;
    let near = alarm(Duration::from_millis(3_300));
    place.clock.set(&near).await.unwrap();
    let begun = Instant::now();
    let delivery = loop {
        let mut received = place.queue.receive(1, Duration::from_secs(20)).await.unwrap();
        let now = Clock::system().now();
        if let Some(delivery) = received.pop() {
            assert!(now >= near.due, "{:?} early", near.due.since(now));
            break delivery;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not ring");
    };
    assert_eq!(Wake::from_body(&delivery.body).unwrap(), near.wake());
    while !names(&rig, "wakes").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it stays");
    }
    place.alarmed().disarm(&near).await.unwrap();
}

#[workflow]
async fn waits(_: ()) -> everstep::Result<u64> {
    Ok(timeout(days(30), signal::<u64>("go")).await??)
}

/// A worker on the rig's queue: the log is in memory, so that only timers are under test.
#[tokio::test]
async fn the_schedule_of_a_long_timer_is_there_while_it_is_waited_for_and_no_longer() {
    let rig = Ministack::start().await;
    let place = Place::on(&rig, "wakes").await;
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let backend = Backend::new(store, Arc::new(place.alarmed()));
    let app = App::new().workflow(waits).backend(backend.clone());
    let client = Client::new(&backend);
    let handle = client.start(waits, ()).id("a").await.unwrap();
    let id = handle.id().clone();
    let story = async {
        let suspended = async {
            while backend.store.record(&id).await.unwrap().unwrap().projection.status
                != Status::Suspended
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), suspended).await.expect("it suspends");
        let set = schedule(&rig, "wakes");
        let due = backend.store.record(&id).await.unwrap().unwrap().projection.wake_at.unwrap();
        let wake = Wake::from_body(set["Target"]["Input"].as_str().unwrap()).unwrap();
        assert_eq!(wake, Wake::timer(id.clone(), due));
        handle.signal("go", &7).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), 7);
        let begun = Instant::now();
        while !names(&rig, "wakes").is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it stays");
        }
    };
    app.worker().await.unwrap().run_until(story).await.unwrap();
    assert!(place.queue.receive(10, Duration::ZERO).await.unwrap().is_empty());
}

/// What Scheduler answers in trouble, and no group, and no role: the wake is a delayed message.
#[tokio::test]
async fn where_no_schedule_can_be_made_the_wake_hops_and_the_reason_is_said() {
    let rig = Ministack::start().await;
    let proxy = Proxy::start(rig.url()).await;
    // How often the SDK asks before it gives up.
    let (once, thrice) = (1, 3);
    let cases = [
        ("throttled", Some((thrice, 429, "ThrottlingException")), "ThrottlingException"),
        ("full", Some((once, 402, "ServiceQuotaExceededException")), "ServiceQuotaExceeded"),
        ("refused", Some((once, 403, "AccessDeniedException")), "iam:PassRole"),
        ("wrong-role", Some((once, 400, "ValidationException")), "assume the role"),
        ("broken", Some((thrice, 500, "InternalServerException")), "InternalServerException"),
        ("no-role", None, "scheduler_role="),
        ("no-group", None, "everstep setup"),
    ];
    for (name, fault, says) in cases {
        let role = Some(ROLE).filter(|_| name != "no-role");
        let place = Place::at(&rig, proxy.url(), name, role).await;
        place.queue.setup().await.unwrap();
        if name != "no-group" {
            place.clock.setup().await.unwrap();
        }
        if let Some((times, status, code)) = fault {
            proxy.fail("POST /schedules", times, Fault::error(status, code));
        }
        let said = Said::listen();
        place.alarmed().arm(&alarm(days(30)), days(30)).await.unwrap();
        assert_eq!(said.with(&["WARN", "cannot be set", says]).len(), 1, "{name}: {said:?}");
        assert_eq!(proxy.faults_left(), 0, "{name}");
        assert_eq!(names(&rig, name), [""; 0], "{name}");
        let attributes = json!({ "QueueUrl": format!("{}/000000000000/{name}", rig.url()),
            "AttributeNames": ["ApproximateNumberOfMessagesDelayed"] });
        let answer = calls(&rig, &[("sqs", "get_queue_attributes", attributes)]).remove(0);
        assert_eq!(answer["Attributes"]["ApproximateNumberOfMessagesDelayed"], "1", "{name}");
    }
}

/// Each costs little, and there is one for each timer that is let go.
#[tokio::test]
async fn that_no_alarm_can_be_taken_back_is_said_once() {
    let rig = Ministack::start().await;
    let proxy = Proxy::start(rig.url()).await;
    let place = Place::at(&rig, proxy.url(), "kept", Some(ROLE)).await;
    let queue = place.alarmed();
    queue.setup().await.unwrap();
    proxy.fail("DELETE /schedules", 2, Fault::error(403, "AccessDeniedException"));
    let said = Said::listen();
    for _ in 0..2 {
        queue.disarm(&alarm(days(30))).await.unwrap_err();
    }
    let warned = said.with(&["WARN", "cannot be taken back", "scheduler:DeleteSchedule"]);
    assert_eq!((warned.len(), proxy.faults_left()), (1, 0), "{said:?}");
    queue.disarm(&alarm(days(30))).await.unwrap();
}

/// A call whose answer is lost has made the schedule; the SDK's next try finds it.
#[tokio::test]
async fn a_schedule_whose_answer_was_lost_is_set_once() {
    let rig = Ministack::start().await;
    let proxy = Proxy::start(rig.url()).await;
    let place = Place::at(&rig, proxy.url(), "wakes", Some(ROLE)).await;
    place.alarmed().setup().await.unwrap();
    proxy.fail("POST /schedules", 1, Fault::AnswerLost);
    place.clock.set(&alarm(days(30))).await.unwrap();
    assert_eq!((names(&rig, "wakes").len(), proxy.calls("POST /schedules")), (1, 2));
}

#[tokio::test]
async fn what_is_near_is_no_schedule() {
    let rig = Ministack::start().await;
    let place = Place::on(&rig, "wakes").await;
    let near = alarm(QUEUE_DELAY_MAX);
    place.alarmed().arm(&near, QUEUE_DELAY_MAX).await.unwrap();
    assert_eq!(names(&rig, "wakes"), [""; 0]);
}

/// The command makes the group, and says which role is missing.
#[tokio::test]
async fn the_command_sets_up_the_group_and_says_which_role_it_needs() {
    let rig = Ministack::start().await;
    let run_with = |arguments: &[&str], variables: &[(&str, &str)]| {
        Command::new(everstep_tests::order::program("everstep-cli", "everstep"))
            .args(arguments)
            .env("AWS_ENDPOINT_URL", rig.url())
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    };
    let run = |arguments: &[&str]| run_with(arguments, &[]);
    let url = "dynamodb://orders?queue=orders&scheduler=timers";
    for _ in 0..2 {
        let ran = run(&["setup", "--url", url]);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        assert!(said.contains("scheduler.amazonaws.com may assume"), "{said}");
    }
    for (url, variables, says) in [
        (url, [("EVERSTEP_SCHEDULER_ROLE", ROLE)], false),
        ("dynamodb://orders?queue=orders", [("EVERSTEP_SCHEDULER", "timers")], true),
    ] {
        let ran = run_with(&["setup", "--url", url], &variables);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        assert_eq!(said.contains("scheduler.amazonaws.com may assume"), says, "{said}");
    }
    let asked = json!({ "Name": "timers" });
    let group = calls(&rig, &[("scheduler", "get_schedule_group", asked)]).remove(0);
    assert_eq!(group["State"], "ACTIVE");
    let ran = run(&["setup", "--json", "--url", url, "--scheduler-role", ROLE]);
    assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
    let ready: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let whole: BackendUrl = ready["url"].as_str().unwrap().parse().unwrap();
    assert_eq!(whole.to_string(), format!("{url}&scheduler_role={ROLE}"));
    let ran = run(&["setup", "--url", "dynamodb://orders?queue=orders", "--scheduler-role", ROLE]);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success() && said.contains("&scheduler=GROUP"), "{said}");
}
