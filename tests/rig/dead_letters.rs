//! What is in the dead letters, how it comes there, and `everstep redrive`.

use std::time::{Duration, Instant};

use everstep::ExecutionId;
use everstep::aws::SqsQueue;
use everstep::wake::Wake;
use everstep_tests::cloud::{Cloud, Credentials, Stack};
use everstep_tests::dynamodb::config_at;
use everstep_tests::function::function;
use serde_json::{Value, json};

const URL: &str = "dynamodb://deployed?queue=deployed";

const NEWER: &str = r#"{"everstep":99,"execution":"ada","kind":"news"}"#;

/// How long a message may take to the dead letters.
const DIE_MAX: Duration = Duration::from_secs(240);

/// The template with times that a test can wait for: T is 4 s and V 8 s, and a message is received
/// eight times at most, which is still more than an execution's strikes.
fn deploy(cloud: &Cloud) -> Stack {
    let quick = cloud.edited(
        "docs/deploy/template.yaml",
        &[
            ("      Timeout: 60\n", "      Timeout: 4\n"),
            ("VisibilityTimeout: 360\n", "VisibilityTimeout: 8\n"),
            ("maxReceiveCount: 20\n", "maxReceiveCount: 8\n"),
        ],
    );
    cloud.deploy(&quick, "deployed", &[])
}

/// Lets the function receive, or not.
fn receive(cloud: &Cloud, on: bool) {
    let mapping = cloud.ask(&[("lambda", "list_event_source_mappings", json!({}))]).remove(0);
    let set = json!({ "UUID": mapping["EventSourceMappings"][0]["UUID"], "Enabled": on });
    let _ = cloud.ask(&[("lambda", "update_event_source_mapping", set)]);
}

/// Sends these texts to a queue.
fn send(cloud: &Cloud, queue: &str, bodies: &[&str]) {
    let name = json!({ "QueueName": queue });
    let url = cloud.ask(&[("sqs", "get_queue_url", name)]).remove(0);
    let message = |body: &&str| {
        let attribute = json!({ "DataType": "String", "StringValue": "shop" });
        let text = json!({
            "QueueUrl": url["QueueUrl"], "MessageBody": body,
            "MessageAttributes": { "from": attribute },
        });
        ("sqs", "send_message", text)
    };
    let _ = cloud.ask(&bodies.iter().map(message).collect::<Vec<_>>());
}

fn everstep(cloud: &Cloud, who: &Credentials, arguments: &str) -> String {
    let said = cloud.everstep(who, URL, arguments);
    assert!(said.done, "everstep {arguments}: {}", said.text);
    said.text
}

/// What `redrive` says it did with each letter: by its execution, or else by its text.
fn redrive(cloud: &Cloud, who: &Credentials, arguments: &str) -> Vec<(String, String)> {
    let said = everstep(cloud, who, &format!("redrive --json {arguments}"));
    let mut rows: Vec<(String, String)> = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|row| {
            let about = row["execution"].as_str().or(row["body"].as_str()).unwrap().to_owned();
            let status = row["status"].as_str().unwrap_or("-");
            (about, format!("{status}: {}", row["done"].as_str().unwrap()))
        })
        .collect();
    rows.sort();
    rows
}

fn rows(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> =
        expected.iter().map(|(about, done)| ((*about).into(), (*done).into())).collect();
    rows.sort();
    rows
}

/// Waits until so many letters are dead, and lists them.
fn dead(cloud: &Cloud, who: &Credentials, count: usize) -> Vec<(String, String)> {
    let deadline = Instant::now() + DIE_MAX;
    loop {
        let listed = redrive(cloud, who, "--list");
        if listed.len() >= count {
            return listed;
        }
        assert!(Instant::now() < deadline, "{listed:?} and no more");
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_dead_and_the_rest_of_its_batch_unharmed_and_poison_is_blocked() {
    let folder = tempfile::tempdir().unwrap();
    let antidote = folder.path().join("antidote");
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let stack = &deploy(&cloud);
    let operator = &cloud.user(stack, "operator", &["Client", "Operator"]);
    receive(&cloud, false);
    send(&cloud, "deployed", &["no wake", r#"{"order":7}"#]);
    let innocent = ["ada", "eve", "bob", "joe", "kim", "lee", "pat"];
    for id in innocent {
        everstep(&cloud, operator, &format!("start greet --id {id} --input '\"{id}\"'"));
    }
    receive(&cloud, true);

    for id in innocent {
        cloud.until(URL, id, "completed");
    }

    let poison = format!("start poison --id poison --input '\"{}\"'", antidote.display());
    everstep(&cloud, operator, &poison);
    cloud.until(URL, "poison", "blocked");
    let listed = everstep(&cloud, operator, "list --status blocked");
    assert_eq!(listed.matches("poison").count(), 2, "{listed}");
    assert!(!listed.contains("greet"), "{listed}");
    // What is blocked is no dead letter, and what is no wake is one, and stays.
    let garbage = rows(&[("no wake", "-: kept"), (r#"{"order":7}"#, "-: kept")]);
    assert_eq!(dead(&cloud, operator, 2), garbage);
    assert_eq!(redrive(&cloud, operator, ""), garbage);
    assert_eq!(redrive(&cloud, operator, "--list"), garbage);

    std::fs::write(&antidote, "").unwrap();
    everstep(&cloud, operator, "resume poison");
    cloud.until(URL, "poison", "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn redrive_gives_wakes_back_resumes_what_is_blocked_and_keeps_the_rest() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let stack = &deploy(&cloud);
    let client = &cloud.user(stack, "client", &["Client"]);
    let operator = &cloud.user(stack, "operator", &["Client", "Operator"]);
    let said = cloud.everstep(client, URL, "redrive");
    assert!(!said.done && said.text.contains("allow sqs:GetQueueAttributes"), "{}", said.text);

    everstep(&cloud, operator, "start greet --id closed --input '\"Ada\"'");
    cloud.until(URL, "closed", "completed");
    everstep(&cloud, operator, "start nonsense --id blocked");
    cloud.until(URL, "blocked", "blocked");
    receive(&cloud, false);
    everstep(&cloud, operator, "start greet --id open --input '\"Eve\"'");
    everstep(&cloud, operator, "start greet --id other --input '\"Eve\"'");
    // Their wakes are gone from the queue: they died.
    let name = json!({ "QueueName": "deployed" });
    let url = cloud.ask(&[("sqs", "get_queue_url", name)]).remove(0);
    let purge = json!({ "QueueUrl": url["QueueUrl"] });
    let _ = cloud.ask(&[("sqs", "purge_queue", purge)]);
    // The record of "odd" cannot be read.
    let odd = json!({ "pk": { "S": "x#odd" }, "sk": { "S": "#" } });
    let put = json!({ "TableName": "deployed", "Item": odd });
    let _ = cloud.ask(&[("dynamodb", "put_item", put)]);
    let wake = |id: &str| Wake::news(ExecutionId::new(id).unwrap()).to_body();
    let wakes = ["closed", "blocked", "open", "other", "nobody", "odd"].map(wake);
    let mut letters: Vec<&str> = wakes.iter().map(String::as_str).collect();
    letters.extend(["no wake", NEWER]);
    send(&cloud, "deployed-dead", &letters);

    let listed = rows(&[
        ("closed", "completed: kept"),
        ("blocked", "blocked: kept"),
        ("open", "running: kept"),
        ("other", "running: kept"),
        ("nobody", "-: kept"),
        ("odd", "-: kept"),
        ("no wake", "-: kept"),
        (NEWER, "-: kept"),
    ]);
    assert_eq!(redrive(&cloud, operator, "--list"), listed);
    assert_eq!(redrive(&cloud, operator, "--list"), listed, "a look changes nothing");
    assert_eq!(redrive(&cloud, operator, "open"), rows(&[("open", "running: given_back")]));
    assert_eq!(redrive(&cloud, operator, "--limit 1").len(), 1);
    let mut done = redrive(&cloud, operator, "");
    done.retain(|(_, done)| !done.ends_with(": kept"));
    assert!(done.len() >= 2, "{done:?}");
    let kept = rows(&[
        ("nobody", "-: kept"),
        ("odd", "-: kept"),
        ("no wake", "-: kept"),
        (NEWER, "-: kept"),
    ]);
    assert_eq!(redrive(&cloud, operator, ""), kept);

    // Given back is given back.
    receive(&cloud, true);
    for id in ["open", "other"] {
        cloud.until(URL, id, "completed");
    }
    receive(&cloud, false);
    let shown = everstep(&cloud, operator, "show blocked");
    assert!(shown.contains("blocked"), "no program knows its workflow: {shown}");

    // The others go back as they are, with their attributes, or for good.
    let back = redrive(&cloud, operator, "--others return");
    assert_eq!(back.len(), 4, "{back:?}");
    assert!(back.iter().all(|(_, done)| done == "-: given_back"), "{back:?}");
    let queue = json!({
        "QueueUrl": url["QueueUrl"], "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"],
    });
    let received = cloud.ask(&[("sqs", "receive_message", queue)]).remove(0);
    let garbage = received["Messages"].as_array().into_iter().flatten();
    let garbage: Vec<_> = garbage.filter(|message| message["Body"] == "no wake").collect();
    assert_eq!(garbage.len(), 1, "{received}");
    assert_eq!(garbage[0]["MessageAttributes"]["from"]["StringValue"], "shop");
    send(&cloud, "deployed-dead", &["no wake"]);
    assert_eq!(redrive(&cloud, operator, "--others delete"), rows(&[("no wake", "-: deleted")]));
    assert_eq!(redrive(&cloud, operator, "--list"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_without_dead_letters_says_so() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let _ = cloud.ask(&[("sqs", "create_queue", json!({ "QueueName": "deployed" }))]);
    let queue = SqsQueue::new(&config_at(cloud.url()).await, "deployed").unwrap();
    assert!(queue.dead_letters().await.unwrap().is_none());
    let said = cloud.everstep(&Credentials::root(), URL, "redrive");
    assert!(!said.done && said.text.contains("has no dead letters"), "{}", said.text);
}
