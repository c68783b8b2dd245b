//! Metrics: what was recorded is what was measured, in lines that CloudWatch takes.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use everstep::event::Event;
use everstep::prelude::*;
use everstep::store::Status;
use everstep::telemetry::Metrics;
use everstep::testing::faults::Fate;
use everstep_tests::emf::check_emf;
use everstep_tests::sim::{Death, Fates, Host, HostOptions, World};
use serde_json::Value;

use super::Written;

/// All values of a metric, by the dimensions of their widest set.
fn measured(lines: &[Value], name: &str) -> BTreeMap<String, Vec<f64>> {
    let mut measured: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in lines {
        let (sets, mut values) = check_emf(line);
        let widest = sets.iter().max_by_key(|set| set.len()).unwrap();
        let widest: Vec<_> = widest.values().map(String::as_str).collect();
        if let Some(values) = values.remove(name) {
            measured.entry(widest.join(" ")).or_default().extend(values);
        }
    }
    measured
}

/// How much a metric adds up to, by its dimensions.
fn sums(lines: &[Value], name: &str) -> Vec<(String, f64)> {
    measured(lines, name).into_iter().map(|(of, all)| (of, all.iter().sum())).collect()
}

#[step(retry(max_attempts = 2, initial = "1s"))]
async fn charge(name: String) -> everstep::Result<String> {
    if everstep::attempt() == 1 {
        return Err(everstep::Error::msg("the card is asleep"));
    }
    Ok(name)
}

#[workflow]
async fn sell(name: String) -> everstep::Result<String> {
    let charged = charge(name).await?;
    sleep(minutes(2)).await;
    Ok(charged)
}

async fn lines_of_a_sale(app: App) -> Vec<Value> {
    let written = Written::default();
    let world = World::new();
    let fates = Fates::good(&world, "host");
    let app = app.metrics(Metrics::emf_to("Shop", written.clone()));
    let host = Host::start(&world, app, world.backend(), &fates, &HostOptions::default());
    let handle = world.client().start(sell, "Ada".to_owned()).id("order-7").await.unwrap();
    handle.result().await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    host.kill().await;
    until_written(&written, "closed");
    written.lines()
}

/// The lines are written by a thread of their own: whoever reads them waits for the last.
fn until_written(written: &Written, last: &str) {
    let began = std::time::Instant::now();
    while !String::from_utf8_lossy(&written.0.lock().unwrap()).contains(last) {
        assert!(began.elapsed() < Duration::from_secs(20), "no line of {last}");
        std::thread::yield_now();
    }
}

/// The same of hosts that are gone: their threads end when all is written.
async fn until_all_is_written(written: &Written) {
    let began = std::time::Instant::now();
    while Arc::strong_count(&written.0) > 1 {
        assert!(began.elapsed() < Duration::from_secs(20), "somebody still writes");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn lines_are_what_cloudwatch_takes_and_count_what_was_recorded() {
    let lines = lines_of_a_sale(App::new().workflow(sell)).await;
    let one = |of: &str, value: f64| (of.to_owned(), value);
    assert_eq!(
        sums(&lines, "everstep.step.ended"),
        [one("completed charge sell", 1.0)],
        "{lines:#?}"
    );
    let attempts = measured(&lines, "everstep.attempt.duration");
    let attempts: Vec<_> = attempts.iter().map(|(of, all)| (of.as_str(), all.len())).collect();
    assert_eq!(attempts, [("completed charge sell", 1), ("failed charge sell", 1)]);
    let turns = measured(&lines, "everstep.turn.duration");
    let turns: Vec<_> = turns.iter().map(|(of, all)| (of.as_str(), all.len())).collect();
    assert_eq!(turns, [("completed sell", 1), ("suspended sell", 1)]);
    assert_eq!(sums(&lines, "everstep.execution.started"), [one("sell", 1.0)]);
    assert_eq!(sums(&lines, "everstep.execution.closed"), [one("completed sell", 1.0)]);
    let took = measured(&lines, "everstep.execution.duration")["completed sell"][0];
    assert!((120.0..200.0).contains(&took), "{took}");
    let late = &measured(&lines, "everstep.timer.lateness")["sell"];
    assert!(late.len() == 1 && late[0] < 5.0, "{late:?}");
    assert_eq!(sums(&lines, "everstep.wake.handled")[0].0, "deleted sell");
    assert!(sums(&lines, "everstep.turn.written")[0].1 > 500.0);
    assert!(sums(&lines, "everstep.turn.commits")[0].1 >= 3.0);
    // Whose it was is there to search for, and no dimension.
    for line in &lines {
        let (sets, _) = check_emf(line);
        // A sweep is of no execution.
        if line.get("everstep.sweep.overdue").is_none() {
            assert_eq!(line["everstep.execution.id"], "order-7", "{line}");
        }
        let known = ["everstep.workflow.name", "everstep.step.name", "everstep.outcome"];
        for key in sets.iter().flat_map(|set| set.keys()) {
            assert!(known.contains(&key.as_str()), "{key}");
        }
    }
}

/// Names that no dimension can have, and more of them than anybody wants to pay for.
#[tokio::test(start_paused = true)]
async fn dimensions_are_bounded_whatever_steps_are_called() {
    #[workflow]
    async fn many(count: u32) -> everstep::Result<u32> {
        let named = |number| {
            step(format!("café {number}\u{2003}"), async || Ok::<u32, everstep::Error>(1))
        };
        Ok(join_all((0..count).map(|number| named(number).into_future())).await.len().try_into()?)
    }
    let written = Written::default();
    let world = World::new();
    let fates = Fates::good(&world, "host");
    let app = App::new().workflow(many).metrics(Metrics::emf_to("Shop", written.clone()));
    let host = Host::start(&world, app, world.backend(), &fates, &HostOptions::default());
    let handle = world.client().start(many, 800).id("e").await.unwrap();
    handle.result().await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    host.kill().await;
    until_written(&written, "closed");
    let lines = written.lines();
    let ended = sums(&lines, "everstep.step.ended");
    assert_eq!(ended.iter().map(|(_, count)| count).sum::<f64>(), 800.0);
    assert_eq!(ended.len(), 501, "500 names, and one for all others");
    assert!(ended.iter().any(|(of, count)| of.contains("(other)") && *count == 300.0));
    assert!(ended.iter().any(|(of, _)| of.contains("caf\\u{e9} 7\\u{2003}")), "{ended:?}");
    // 300 durations do not fit into one line.
    let others = &measured(&lines, "everstep.attempt.duration");
    let (_, others) = others.iter().find(|(of, _)| of.contains("(other)")).unwrap();
    assert_eq!(others.len(), 300);
}

/// What is counted is what is durable: dying hosts add nothing, whichever call they die at.
#[test]
fn whatever_call_a_host_dies_at_no_end_of_a_step_is_counted_twice() {
    let story = |death: Option<Death>| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(async {
            let written = Written::default();
            let world = World::new();
            let app =
                || App::new().workflow(sell).metrics(Metrics::emf_to("Shop", written.clone()));
            let fates = Fates::dying(&world, "host0", death);
            let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
            let first = Host::start(&world, app(), backend, &fates, &HostOptions::default());
            let handle = world.client().start(sell, "Ada".to_owned()).id("e").await.unwrap();
            tokio::time::sleep(seconds(5)).await;
            let fates = Fates::good(&world, "host1");
            let second =
                Host::start(&world, app(), world.backend(), &fates, &HostOptions::default());
            handle.result().await.unwrap();
            tokio::time::sleep(seconds(1)).await;
            let calls = world.calls_of("host0");
            first.kill().await;
            second.kill().await;
            let log = world.log("e").await;
            let events: Vec<_> = log.iter().flat_map(|commit| &commit.events).collect();
            let ends = events.iter().filter(|event| matches!(event, Event::StepCompleted(_)));
            assert_eq!(ends.count(), 1);
            until_all_is_written(&written).await;
            let lines = written.lines();
            for name in ["everstep.step.ended", "everstep.execution.closed"] {
                let sum: f64 = sums(&lines, name).iter().map(|(_, count)| count).sum();
                // A dead host tells nobody what it did.
                let is_known = sum == 1.0 || (sum < 1.0 && death.is_some());
                assert!(is_known, "{death:?}: {name} is {sum}");
            }
            calls
        })
    };
    let calls = story(None);
    for at in 0..calls {
        story(Some(Death { at, after: false }));
        story(Some(Death { at, after: true }));
    }
}

/// A turn that cannot write has fired no timer.
#[tokio::test(start_paused = true)]
async fn a_timer_is_counted_once_though_its_turn_is_taken_again() {
    let (written, world) = (Written::default(), World::new());
    let down = Arc::new(AtomicBool::new(false));
    let fates = Fates::by(&world, "host", {
        let down = Arc::clone(&down);
        move |call| match call.name {
            "append" if down.load(Ordering::SeqCst) => Fate::FailBefore,
            _ => Fate::Proceed,
        }
    });
    let app = App::new().workflow(sell).metrics(Metrics::emf_to("Shop", written.clone()));
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let host = Host::start(&world, app, backend, &fates, &HostOptions::default());
    let handle = world.client().start(sell, "Ada".to_owned()).id("e").await.unwrap();
    tokio::time::sleep(seconds(60)).await;
    down.store(true, Ordering::SeqCst);
    tokio::time::sleep(seconds(90)).await;
    down.store(false, Ordering::SeqCst);
    handle.result().await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    host.kill().await;
    until_written(&written, "closed");
    let lines = written.lines();
    let wakes = sums(&lines, "everstep.wake.handled");
    assert!(wakes.iter().any(|(of, _)| of == "error sell"), "{wakes:?}");
    let late = &measured(&lines, "everstep.timer.lateness")["sell"];
    assert!(late.len() == 1 && late[0] > 20.0, "{late:?}");
}

/// A pipe that nobody reads, and one that is closed.
struct Stuck;
struct Closed;

impl Write for Stuck {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        loop {
            std::thread::park();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Closed {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_that_cannot_be_written_or_flushed_change_nothing() {
    for metrics in [Metrics::emf_to("Shop", Stuck), Metrics::emf_to("Shop", Closed)] {
        let world = World::new();
        let app = App::new().workflow(sell).metrics(metrics).flush(|| panic!("a broken exporter"));
        let worker = app.backend(world.backend()).worker().await.unwrap();
        let worker = worker.clock(world.clock.clone());
        let story = async {
            // More than the lines that wait.
            for order in 0..400 {
                let id = format!("order-{order}");
                let handle = world.client().start(sell, "Ada".to_owned()).id(id).await.unwrap();
                assert_eq!(handle.result().await.unwrap(), "Ada");
            }
        };
        worker.run_until(story).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_sweeper_says_how_many_are_overdue_and_for_how_long() {
    let written = Written::default();
    let world = World::new();
    // Its wake is lost with the host that received it.
    let handle = world.client().start(sell, "Ada".to_owned()).id("e").await.unwrap();
    for delivery in world.queue.receive(10, Duration::ZERO).await.unwrap() {
        world.queue.delete(&delivery.receipt).await.unwrap();
    }
    tokio::time::sleep(minutes(10)).await;
    // Whoever is woken is not overdue any more when a slow store says since when it was.
    let fates = Fates::each(&world, "host", "record", Fate::Slow(seconds(5)));
    let app = App::new().workflow(sell).metrics(Metrics::emf_to("Shop", written.clone()));
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let host = Host::start(&world, app, backend, &fates, &HostOptions::default());
    handle.result().await.unwrap();
    host.kill().await;
    until_written(&written, "closed");
    let lines = written.lines();
    let overdue = &measured(&lines, "everstep.sweep.overdue")[""];
    assert!(overdue.contains(&1.0) && overdue.contains(&0.0), "{overdue:?}");
    let oldest = &measured(&lines, "everstep.sweep.oldest")[""];
    assert!(oldest.iter().any(|age| (590.0..700.0).contains(age)), "{oldest:?}");
}

#[tokio::test]
async fn a_variable_that_asks_for_metrics_of_another_kind_is_an_error_that_says_what_to_do() {
    // Each test is a process of its own.
    let host = |value: &'static str| async move {
        let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "telemetry::metrics::a_host_by_variable", "--ignored"]);
        command.args(["--nocapture", "--test-threads=1"]).env("EVERSTEP_METRICS", value);
        String::from_utf8(command.output().await.unwrap().stdout).unwrap()
    };
    let refused = host("prometheus").await;
    assert!(refused.contains("EVERSTEP_METRICS is \"prometheus\": set it to emf or"), "{refused}");
    let said = host("emf:Shop").await;
    let lines: Vec<Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(!lines.is_empty(), "{said}");
    assert!(lines.iter().all(|line| line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Shop"));
    assert_eq!(sums(&lines, "everstep.execution.closed").len(), 1, "{said}");
    assert!(!host("").await.contains("_aws"));
}

/// Run by the test above.
#[tokio::test]
#[ignore = "a process of its own, with a variable that others must not see"]
#[expect(clippy::print_stdout, reason = "it is heard there")]
async fn a_host_by_variable() {
    #[workflow]
    async fn short(_: ()) -> everstep::Result<()> {
        Ok(())
    }
    let backend = Backend::memory();
    let client = Client::new(&backend);
    let worker = match App::new().workflow(short).backend(backend).worker().await {
        Ok(worker) => worker,
        Err(error) => return println!("{error}"),
    };
    let handle = client.start(short, ()).id("e").await.unwrap();
    let status = async {
        while handle.describe().await.unwrap().projection.status != Status::Completed {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    worker.run_until(status).await.unwrap();
}
