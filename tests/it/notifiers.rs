//! The notifiers of AWS against services that take a part of what they are given.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use everstep::aws::{EventBridgeNotifier, SnsNotifier};
use everstep::notify::{
    JsonLines, NotSent, Notification, Notifications, Notifier, NotifierFn, NotifyError,
};
use everstep::prelude::*;
use everstep::testing::Env;
use everstep_tests::dynamodb::{REGION, config_at};

/// A service that gives these answers, one after the other, and keeps what it was asked.
#[derive(Clone, Default)]
struct Service {
    answers: Arc<Mutex<Vec<(u16, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// The service and its address. It is gone with the runtime.
    async fn start(answers: &[(u16, &str)]) -> (Self, String) {
        let answers = answers.iter().rev().map(|(status, body)| (*status, (*body).to_owned()));
        let this = Self { answers: Arc::new(Mutex::new(answers.collect())), ..Self::default() };
        let router = Router::new().fallback(Self::answer).with_state(this.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (this, url)
    }

    async fn answer(Shared(this): Shared<Self>, body: Bytes) -> (StatusCode, String) {
        this.asked.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
        let (status, answer) = this.answers.lock().unwrap().pop().expect("no more is asked");
        (StatusCode::from_u16(status).unwrap(), answer)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[workflow]
async fn bakes(cakes: u32) -> everstep::Result<u32> {
    for _ in 0..cakes {
        step("bake", async move || Ok::<_, everstep::Error>(())).await?;
    }
    Ok(cakes)
}

/// Notifications of an execution: its start, so many steps, its end.
async fn told(steps: u32) -> Vec<Notification> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let notifier = NotifierFn::new(move |one| tell.lock().unwrap().push(one.clone()));
    let app = App::new().workflow(bakes).notifications(Notifications::to(notifier).steps());
    let run = move || Env::new(app).run(bakes, steps).map(drop).unwrap();
    tokio::task::spawn_blocking(run).await.unwrap();
    let told = std::mem::take(&mut *told.lock().unwrap());
    assert_eq!(told.len() as u32, steps + 2);
    told
}

fn indexes(not_sent: &[NotSent]) -> Vec<usize> {
    not_sent.iter().map(|it| it.index).collect()
}

const TAKEN: &str = r#"{"EventId":"e"}"#;

fn put(entries: &[&str]) -> String {
    let failed = entries.iter().filter(|entry| **entry != TAKEN).count();
    format!(r#"{{"FailedEntryCount":{failed},"Entries":[{}]}}"#, entries.join(","))
}

#[tokio::test]
async fn entries_that_a_bus_does_not_take_are_put_again_and_no_others() {
    let told = told(1).await;
    let throttled = r#"{"ErrorCode":"ThrottlingException","ErrorMessage":"slow down"}"#;
    let malformed = r#"{"ErrorCode":"MalformedDetail","ErrorMessage":"what?"}"#;
    let (first, second) = (put(&[TAKEN, throttled, malformed]), put(&[TAKEN]));
    let (service, url) = Service::start(&[(200, &first), (200, &second)]).await;
    let bus = EventBridgeNotifier::new(&config_at(&url).await, "cakes").unwrap();
    let not_sent = bus.send(&told).await;
    assert_eq!(indexes(&not_sent), [2]);
    assert!(matches!(not_sent[0].error, NotifyError::Refused { .. }), "{not_sent:?}");
    let asked = service.asked();
    assert_eq!(asked.len(), 2);
    let says =
        |asked: &str, told: &Notification| asked.contains(&format!(r#"\"id\":\"{}\""#, told.id));
    assert!(told.iter().all(|told| says(&asked[0], told)));
    assert_eq!(
        told.iter().map(|told| says(&asked[1], told)).collect::<Vec<_>>(),
        [false, true, false]
    );
}

/// Ten go in one call; after a call that fails no other is made.
#[tokio::test]
async fn what_follows_a_batch_that_fails_waits_for_it() {
    let told = told(19).await;
    let refused = r#"{"__type":"ThrottlingException","message":"slow down"}"#;
    let first = put(&[TAKEN; 10]);
    let (service, url) =
        Service::start(&[(200, &first), (400, refused), (400, refused), (400, refused)]).await;
    let bus = EventBridgeNotifier::new(&config_at(&url).await, "cakes").unwrap();
    let not_sent = bus.send(&told).await;
    assert_eq!(indexes(&not_sent), (10..21).collect::<Vec<_>>());
    assert!(not_sent.iter().all(|it| matches!(it.error, NotifyError::Unavailable { .. })));
    let last = &told[20].id;
    assert!(service.asked().iter().all(|asked| !asked.contains(&format!(r#"\"{last}\""#))));
}

#[tokio::test]
async fn messages_that_a_topic_does_not_take_are_published_again_and_no_others() {
    let told = told(1).await;
    let answer = |failed: &str| {
        format!(
            "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
             <PublishBatchResult><Failed>{failed}</Failed><Successful/></PublishBatchResult>\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishBatchResponse>"
        )
    };
    let failed = |id: usize, code: &str, sender: bool| {
        format!(
            "<member><Id>{id}</Id><Code>{code}</Code><Message>so</Message>\
             <SenderFault>{sender}</SenderFault></member>"
        )
    };
    let first = failed(0, "InvalidParameter", true)
        + &failed(1, "InternalError", false)
        + &failed(2, "KMSAccessDenied", true);
    let (service, url) = Service::start(&[(200, &answer(&first)), (200, &answer(""))]).await;
    let topic = format!("arn:aws:sns:{REGION}:000000000000:cakes");
    let topic = SnsNotifier::new(&config_at(&url).await, &topic).unwrap();
    let not_sent = topic.send(&told).await;
    assert_eq!(indexes(&not_sent), [0, 2]);
    // One will never be taken; the other once somebody has mended what is wrong.
    assert!(matches!(not_sent[0].error, NotifyError::Refused { .. }), "{not_sent:?}");
    assert!(matches!(not_sent[1].error, NotifyError::Unusable { .. }), "{not_sent:?}");
    let asked = service.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].contains("member.3.Id") && asked[0].contains("status"), "{}", asked[0]);
    assert!(!asked[1].contains("member.2.Id"), "{}", asked[1]);
}

#[tokio::test]
async fn a_file_gets_a_line_for_each_and_one_that_cannot_be_written_is_named() {
    let told = told(1).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told.jsonl");
    for _ in 0..2 {
        let lines = JsonLines::append_to(&file);
        for one in told.chunks(2) {
            assert!(lines.send(one).await.is_empty());
        }
    }
    let written = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[0], told[0].to_cloud_event());
    let nowhere = folder.path().join("missing/told.jsonl");
    let not_sent = JsonLines::append_to(&nowhere).send(&told).await;
    assert_eq!(indexes(&not_sent), [0, 1, 2]);
    assert!(not_sent[0].error.to_string().contains("missing/told.jsonl"));
}
