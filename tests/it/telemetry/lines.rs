//! Log lines: once each, whatever is replayed, and each with whose it is.

use std::sync::Arc;
use std::time::Duration;

use everstep::event::Event;
use everstep::prelude::*;
use everstep::telemetry::logs::JsonLines;
use everstep_tests::sim::{Death, Fates, Host, HostOptions, World};
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use super::Written;

/// Shows the log lines of this thread.
fn shown() -> (Written, DefaultGuard) {
    let written = Written::default();
    let to = written.clone();
    let lines = JsonLines::new(move || to.clone()).with_filter(LevelFilter::INFO);
    (written, tracing_subscriber::registry().with(lines).set_default())
}

/// What workflow and steps said, each with how often.
fn said(written: &Written) -> Vec<(String, usize)> {
    let mut said: Vec<(String, usize)> = Vec::new();
    for line in written.lines() {
        let Some(text) = line["says"].as_str() else { continue };
        match said.iter_mut().find(|(known, _)| known == text) {
            Some((_, times)) => *times += 1,
            None => said.push((text.to_owned(), 1)),
        }
    }
    said
}

#[step]
async fn add(number: u32) -> everstep::Result<u32> {
    tracing::info!(says = format!("adds {number}"));
    Ok(number + 1)
}

/// Says where it is, after each thing that it waits for.
#[workflow]
async fn talks(times: u32) -> everstep::Result<u32> {
    let mut number = 0;
    for time in 0..times {
        tracing::info!(says = format!("round {time}"));
        number = add(number).await?;
        tracing::info!(says = format!("has {number}"));
        signal::<()>("go").await?;
    }
    tracing::info!(says = "the end");
    Ok(number)
}

#[tokio::test(start_paused = true)]
async fn a_line_of_workflow_code_is_shown_once_though_it_is_replayed_ten_times() {
    let (written, _guard) = shown();
    let world = World::new();
    let handle = world.client().start(talks, 10).id("e").await.unwrap();
    for turn in 0..10 {
        // Each turn is another host's.
        let fates = Fates::good(&world, &format!("host{turn}"));
        let app = App::new().workflow(talks);
        let host = Host::start(&world, app, world.backend(), &fates, &HostOptions::default());
        tokio::time::sleep(seconds(10)).await;
        handle.signal("go", &()).await.unwrap();
        if turn == 9 {
            assert_eq!(handle.result().await.unwrap(), 10);
        }
        host.kill().await;
    }
    let log = world.log("e").await;
    let events = log.iter().flat_map(|commit| &commit.events);
    let turns = events.filter(|event| matches!(event, Event::TurnStarted(_))).count();
    assert!(turns >= 11, "{turns} turns replay too little");
    let said = said(&written);
    assert_eq!(said.len(), 31, "{said:?}");
    assert!(said.iter().all(|(_, times)| *times == 1), "{said:?}");
}

/// A process that has just begun passes many lines in a replay before it passes them for the first time.
#[tokio::test(start_paused = true)]
async fn a_line_that_a_replay_was_the_first_to_pass_is_shown_when_it_is_news() {
    let world = World::new();
    let host = |name: &str| {
        let (fates, app) = (Fates::good(&world, name), App::new().workflow(talks));
        Host::start(&world, app, world.backend(), &fates, &HostOptions::default())
    };
    // Nobody listens to this turn, so `tracing` does not know its lines yet.
    let first = host("host0");
    let old = world.client().start(talks, 1).id("old").await.unwrap();
    tokio::time::sleep(seconds(10)).await;
    first.kill().await;
    let (written, _guard) = shown();
    let second = host("host1");
    old.signal("go", &()).await.unwrap();
    assert_eq!(old.result().await.unwrap(), 1);
    assert_eq!(said(&written), [("the end".to_owned(), 1)]);
    let new = world.client().start(talks, 1).id("new").await.unwrap();
    new.signal("go", &()).await.unwrap();
    assert_eq!(new.result().await.unwrap(), 1);
    second.kill().await;
    let expected = [("the end", 2), ("round 0", 1), ("adds 0", 1), ("has 1", 1)];
    assert_eq!(said(&written), expected.map(|(text, times)| (text.to_owned(), times)));
}

/// A crash may show a line twice, of what nobody can know that it was shown; it hides none.
#[test]
fn whatever_call_a_host_dies_at_no_line_is_lost_and_only_the_last_ones_come_twice() {
    let story = |death: Option<Death>| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(async {
            let (written, _guard) = shown();
            let world = World::new();
            let fates = Fates::dying(&world, "host0", death);
            let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
            let app = || App::new().workflow(talks);
            let first = Host::start(&world, app(), backend, &fates, &HostOptions::default());
            let handle = world.client().start(talks, 3).id("e").await.unwrap();
            for _ in 0..3 {
                handle.signal("go", &()).await.unwrap();
            }
            tokio::time::sleep(seconds(5)).await;
            let fates = Fates::good(&world, "host1");
            let second =
                Host::start(&world, app(), world.backend(), &fates, &HostOptions::default());
            assert_eq!(handle.result().await.unwrap(), 3, "{death:?}");
            let calls = world.calls_of("host0");
            first.kill().await;
            second.kill().await;
            let said = said(&written);
            assert_eq!(said.len(), 10, "{death:?}: {said:?}");
            let twice = said.iter().filter(|(_, times)| *times == 2).count();
            let more = said.iter().any(|(_, times)| *times > 2);
            // What was said since the last recorded step: after it, before the one that was not
            // recorded, in it, after it, and before the next.
            assert!(twice <= 5 && !more, "{death:?}: {said:?}");
            calls
        })
    };
    let calls = story(None);
    assert!(calls >= 10, "{calls} calls are too few");
    let mut repeats = 0;
    for at in 0..calls {
        story(Some(Death { at, after: false }));
        repeats += story(Some(Death { at, after: true }));
    }
    assert!(repeats > 0);
}

#[step(retry(max_attempts = 2, initial = "1s"))]
async fn fails_once(name: String) -> everstep::Result<()> {
    tracing::info!(says = "in the body", name);
    if everstep::attempt() == 1 {
        return Err(everstep::Error::msg("the first attempt fails"));
    }
    Ok(())
}

#[workflow]
async fn calls(name: String) -> everstep::Result<()> {
    tracing::info!(says = "before");
    fails_once(name).await
}

async fn lines_of_calls(app: App) -> Vec<Value> {
    let (written, _guard) = shown();
    let world = World::new();
    let fates = Fates::good(&world, "host");
    let host = Host::start(&world, app, world.backend(), &fates, &HostOptions::default());
    world.client().start(calls, "Ada".to_owned()).id("e-1").await.unwrap();
    // The record says so to whoever cannot read the log.
    let closed = |record: &everstep::store::Record| record.projection.status.is_closed();
    world.until("e-1", Duration::from_secs(60), closed).await;
    host.kill().await;
    written.lines()
}

#[tokio::test(start_paused = true)]
async fn each_line_says_whose_it_is_and_a_line_of_a_body_of_which_attempt() {
    let lines = lines_of_calls(App::new().workflow(calls)).await;
    let said = |says: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["says"] == json!(says)).collect()
    };
    let [before] = said("before")[..] else { panic!("{lines:#?}") };
    for line in said("in the body").into_iter().chain([before]) {
        assert_eq!(line["everstep.execution.id"], "e-1");
        assert_eq!(line["everstep.workflow.name"], "calls");
        assert_eq!(line["everstep.run"], 1);
        assert_eq!(line["level"], "INFO");
        let at = line["timestamp"].as_str().unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(at).is_ok(), "{at}");
    }
    assert_eq!(before["everstep.step.name"], Value::Null);
    let [first, second] = said("in the body")[..] else { panic!("{lines:#?}") };
    for (line, attempt) in [(first, 1), (second, 2)] {
        assert_eq!(line["everstep.step.name"], "fails_once");
        assert_eq!(line["everstep.step.key"], "fails_once#1");
        assert_eq!(line["everstep.step.attempt"], attempt);
    }
    let failed = lines.iter().find(|line| line["message"] == "an attempt failed and is made again");
    let failed = failed.unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!(failed["level"], "WARN");
    assert_eq!(failed["error.type"], "error");
    assert_eq!(failed["exception.message"], "the first attempt fails");
    assert_eq!(failed["everstep.execution.id"], "e-1");
    assert_eq!(failed["everstep.step.attempt"], 1);
    // Nothing of OpenTelemetry's own, and each name once.
    let text = serde_json::to_string(&lines).unwrap();
    assert!(!text.contains("otel."), "{text}");
}

#[test]
fn two_layers_of_lines_both_show_the_fields_of_spans() {
    let (one, other) = (Written::default(), Written::default());
    let layer = |written: &Written| {
        let to = written.clone();
        JsonLines::new(move || to.clone())
    };
    let both = tracing_subscriber::registry().with(layer(&one)).with(layer(&other));
    tracing::subscriber::with_default(both, || {
        tracing::info_span!("around", whose = "Ada's").in_scope(|| tracing::info!("a line"));
    });
    for written in [one, other] {
        let lines = written.lines();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert_eq!(lines[0]["whose"], "Ada's");
    }
}

/// What is encrypted in the log is no more readable beside it.
#[tokio::test(start_paused = true)]
async fn an_error_that_is_encrypted_in_the_log_is_in_no_line() {
    use everstep::payload::{Encryption, LocalKeys, MemoryPayloads, Payloads};
    let payloads = Payloads::of(Arc::new(MemoryPayloads::new()));
    let payloads = payloads.codec(Encryption::new(LocalKeys::new([7; 32])));
    let lines = lines_of_calls(App::new().workflow(calls).payloads(payloads)).await;
    let text = serde_json::to_string(&lines).unwrap();
    assert!(text.contains("an attempt failed and is made again"), "{text}");
    assert!(!text.contains("the first attempt fails"), "{text}");
}

/// A subscriber that counts what it is asked to make.
#[derive(Default)]
struct Counts(Arc<std::sync::Mutex<Vec<&'static str>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Counts {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _id: &tracing::Id,
        _context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        self.0.lock().unwrap().push(attributes.metadata().name());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_interested_gets_no_span() {
    for (level, expected) in [
        (LevelFilter::WARN, vec![]),
        (LevelFilter::INFO, vec!["turn", "step", "attempt", "attempt"]),
    ] {
        let counts = Counts::default();
        let spans = Arc::clone(&counts.0);
        let subscriber = tracing_subscriber::registry().with(counts.with_filter(level));
        let _guard = subscriber.set_default();
        let world = World::new();
        let fates = Fates::good(&world, "host");
        let app = App::new().workflow(calls);
        let host = Host::start(&world, app, world.backend(), &fates, &HostOptions::default());
        let handle = world.client().start(calls, "Ada".to_owned()).id("e-1").await.unwrap();
        handle.result().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        host.kill().await;
        assert_eq!(*spans.lock().unwrap(), expected);
    }
}

#[step(undo = unbook)]
async fn book(room: u32) -> everstep::Result<String> {
    Ok(format!("room {room}"))
}

async fn unbook(_room: u32, _booked: &str) -> everstep::Result<()> {
    Ok(())
}

#[step(undo = none)]
async fn look_at(room: u32) -> everstep::Result<u32> {
    Ok(room)
}

/// It undoes what it did, and two of its steps say nothing of that: one before it is known that
/// there is anything to undo, and one after.
#[workflow]
async fn leaves_gaps(rooms: u32) -> everstep::Result<u32> {
    let mut sum = 0;
    for room in 0..rooms {
        sum += add(room).await?; // a gap before
        sum += look_at(room).await?;
        book(room).await?;
        sum += everstep::step("pay", async || Ok::<_, everstep::Error>(1)).await?; // a gap after
        sum += everstep::step("see", async || Ok::<_, everstep::Error>(1)).no_undo().await?;
    }
    match rooms {
        3 => Err(everstep::Error::msg("three are too many")),
        _ => Ok(sum),
    }
}

/// `file:line` of the line that has this comment.
fn place_of(comment: &str) -> String {
    let comment = format!("// {comment}");
    let mut lines = include_str!("lines.rs").lines();
    let line = lines.position(|line| line.contains(&comment)).expect("a line has it") + 1;
    format!("{}:{line}", file!())
}

/// It undoes nothing, and nothing is to be said of it.
#[workflow]
async fn undoes_nothing(number: u32) -> everstep::Result<u32> {
    add(number).await
}

#[tokio::test]
async fn a_worker_in_development_warns_once_of_each_step_that_leaves_a_gap() {
    for (check, warns) in [(None, cfg!(debug_assertions)), (Some(true), true), (Some(false), false)]
    {
        let (written, _guard) = shown();
        let mut app = App::new().workflow(leaves_gaps).workflow(undoes_nothing);
        if let Some(check) = check {
            app = app.replay_check(check);
        }
        let mut app = app.backend(Backend::memory());
        let client = app.client().await.unwrap();
        let worker = app.worker().await.unwrap();
        let stories = async {
            client.start(undoes_nothing, 1).await.unwrap().result().await.unwrap();
            client.start(leaves_gaps, 2).await.unwrap().result().await.unwrap();
            // Another execution, and one that is undone: no news.
            client.start(leaves_gaps, 3).await.unwrap().result().await.unwrap_err();
        };
        worker.run_until(stories).await.unwrap();
        let lines = written.lines();
        let is_gap =
            |line: &&Value| line["message"].as_str().is_some_and(|it| it.contains("a gap"));
        let gaps: Vec<_> = lines.iter().filter(is_gap).collect();
        if !warns {
            assert!(gaps.is_empty(), "{gaps:?}");
            continue;
        }
        for line in &gaps {
            let message = line["message"].as_str().unwrap();
            assert!(message.contains("`undo = none`, or `.no_undo()`"), "{message}");
            assert_eq!(
                (&line["level"], &line["everstep.workflow.name"]),
                (&json!("WARN"), &json!("leaves_gaps"))
            );
        }
        let told = gaps.iter().map(|line| (line["everstep.step.name"].clone(), line["at"].clone()));
        let expected = [("add", "a gap before"), ("pay", "a gap after")];
        let expected = expected.map(|(step, at)| (json!(step), json!(place_of(at))));
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }
}
