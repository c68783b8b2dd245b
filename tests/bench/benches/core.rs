//! The core's own figures: what a step costs, and what it costs to come back.
//!
//! `cargo bench -p everstep-bench --bench core`. Every figure is minimum / median / maximum of
//! five runs. The peer (durare, SQLite) is a program of its own under `peer/`, because it links
//! another SQLite; it is built and run beside ours.
#![expect(clippy::print_stdout, reason = "figures are what a benchmark prints")]

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use everstep::event::Event;
use everstep::prelude::*;
use everstep_bench::{Figures, RUNS, percentile};
use rusqlite::Connection;
use tokio::sync::oneshot;

/// A result of a hundred bytes. Formatting them would take longer than the step itself.
#[step]
async fn work(_number: u32) -> everstep::Result<String> {
    Ok("x".repeat(100))
}

#[workflow]
async fn sequence(steps: u32) -> everstep::Result<u32> {
    for number in 0..steps {
        work(number).await?;
    }
    Ok(steps)
}

#[workflow]
async fn sequence_then_wait(steps: u32) -> everstep::Result<u32> {
    for number in 0..steps {
        work(number).await?;
    }
    signal::<()>("go").await.map_err(everstep::Error::from)?;
    Ok(steps)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    Waiting,
    Completed,
}

/// A worker on `backend`, up to the moment `until`; when that was, and when each step was durable.
async fn work_until(backend: &Backend, until: Until) -> (Instant, Vec<Instant>) {
    let (send, receive) = oneshot::channel();
    let send = Mutex::new(Some(send));
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let app = App::new()
        .workflow(sequence)
        .workflow(sequence_then_wait)
        .backend(backend.clone())
        .observe(move |_, event| {
            let over = match event {
                Event::StepCompleted(_) => {
                    seen.lock().expect("no panic").push(Instant::now());
                    false
                }
                Event::TurnEnded(_) => until == Until::Waiting,
                Event::WorkflowCompleted(_) => until == Until::Completed,
                _ => false,
            };
            if over && let Some(send) = send.lock().expect("no panic").take() {
                let _ = send.send(Instant::now());
            }
        });
    let worker = app.worker().await.expect("a worker");
    let end = worker.run_until(receive).await.expect("the worker works").expect("an end");
    let steps = std::mem::take(&mut *steps.lock().expect("no panic"));
    (end, steps)
}

/// What sequential steps took and left.
struct Live {
    time: Duration,
    /// Between one step's result and the next.
    gaps: Vec<Duration>,
    /// The writes of the log, and what they wrote.
    commits: usize,
    bytes: usize,
}

/// Runs `steps` sequential steps.
async fn live(backend: Backend, steps: u32) -> Live {
    let client = Client::new(&backend);
    let start = Instant::now();
    let handle = client.start(sequence, steps).await.expect("started");
    let (end, seen) = work_until(&backend, Until::Completed).await;
    let stored = backend.store.load_all(handle.id()).await.expect("an answer").expect("a log");
    Live {
        time: end - start,
        gaps: seen.windows(2).map(|pair| pair[1] - pair[0]).collect(),
        commits: stored.commits.len(),
        bytes: stored.commits.iter().map(|commit| commit.body.len()).sum(),
    }
}

/// The time from a signal to the end of a workflow that has `steps` steps behind it, in a process
/// that has never seen it; and the time to read, verify and decode its log alone.
async fn resume(backend: &Backend, steps: u32) -> (Duration, Duration) {
    let client = Client::new(backend);
    let handle = client.start(sequence_then_wait, steps).await.expect("started");
    work_until(backend, Until::Waiting).await;
    while handle.describe().await.expect("a record").projection.status
        != everstep::store::Status::Suspended
    {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    let events: usize =
        handle.history().await.expect("a log").iter().map(|commit| commit.events.len()).sum();
    let decoded = start.elapsed();
    assert!(events as u64 > u64::from(steps), "the log has every step");
    let start = Instant::now();
    handle.signal("go", &()).await.expect("sent");
    let (end, _) = work_until(backend, Until::Completed).await;
    (end - start, decoded)
}

fn sqlite(folder: &Path, name: &str) -> String {
    format!("sqlite:{}", folder.join(name).display())
}

/// What the file `name` is like after so many steps: counted from outside, so that it is the same for
/// whoever wrote it.
fn file(folder: &Path, name: &str, steps: u32) -> String {
    let file = Connection::open(folder.join(name)).expect("a file");
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
    let bytes = count("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
    let mut tables = file
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .expect("every file has a schema");
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).expect("names");
    let rows: i64 = tables
        .map(|table| count(&format!("SELECT count(*) FROM \"{}\"", table.expect("a name"))))
        .sum();
    let a_step = |all: i64| all as f64 / f64::from(steps);
    format!("{:.0} bytes and {:.3} rows of the file a step", a_step(bytes), a_step(rows))
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    println!("min / median / max of {RUNS} runs; results of 100 bytes");
    println!("\nsequential steps, each durable before the next (per step)");
    // Not counted: the first milliseconds of a process are those of its pages and of the processor.
    live(Backend::memory(), 10_000).await;
    for steps in [1_000, 10_000, 100_000] {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            runs.push(live(Backend::memory(), steps).await.time);
        }
        println!("  memory {steps:>8} steps  {}", Figures::of(runs).micros_per(steps));
    }
    for steps in [1_000, 10_000] {
        let (mut runs, mut gaps, mut commits, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
        for run in 0..RUNS {
            let url = sqlite(folder.path(), &format!("live-{steps}-{run}.db"));
            let backend = Backend::from_url(&url).await.expect("a file");
            let live = live(backend, steps).await;
            runs.push(live.time);
            gaps.extend(live.gaps);
            (commits, bytes) = (live.commits, live.bytes);
        }
        let figures = Figures::of(runs);
        let rate = f64::from(steps) / figures.median().as_secs_f64();
        println!("  sqlite {steps:>8} steps  {}", figures.micros_per(steps));
        println!(
            "         {rate:>8.0} steps/s, p50 {:.1} µs, p99 {:.1} µs",
            percentile(&mut gaps, 0.5).as_secs_f64() * 1e6,
            percentile(&mut gaps, 0.99).as_secs_f64() * 1e6,
        );
        println!(
            "         {:.0} bytes and {:.3} writes of the log a step",
            bytes as f64 / f64::from(steps),
            commits as f64 / f64::from(steps),
        );
        println!("         {}", file(folder.path(), &format!("live-{steps}-0.db"), steps));
    }
    println!(
        "\nsignal to end in a process that never saw the execution (load, verify, decode, replay, end)"
    );
    for steps in [1_000, 10_000, 100_000] {
        let (mut runs, mut decodes) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let (run, decode) = resume(&Backend::memory(), steps).await;
            runs.push(run);
            decodes.push(decode);
        }
        let (all, decode) = (Figures::of(runs), Figures::of(decodes));
        let replay = all.median().saturating_sub(decode.median()) / steps;
        println!("  memory {steps:>8} steps  {}", all.millis());
        println!(
            "         of which decoding  {}; the rest {:.2} µs an event",
            decode.millis(),
            replay.as_secs_f64() * 1e6
        );
    }
    for steps in [1_000, 10_000] {
        let mut runs = Vec::new();
        for run in 0..RUNS {
            let url = sqlite(folder.path(), &format!("resume-{steps}-{run}.db"));
            let backend = Backend::from_url(&url).await.expect("a file");
            runs.push(resume(&backend, steps).await.0);
        }
        println!("  sqlite {steps:>8} steps  {}", Figures::of(runs).millis());
    }
    peer(folder.path());
}

/// Builds and runs the peer, in this run and on this machine.
fn peer(folder: &Path) {
    println!("\npeer: durare 0.5 on SQLite (WAL, synchronous=NORMAL)");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/peer/Cargo.toml");
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/peer");
    let run = Command::new(env!("CARGO"))
        .args([
            "run",
            "--release",
            "--quiet",
            "--manifest-path",
            manifest,
            "--target-dir",
            target,
            "--",
        ])
        .arg(folder)
        .status();
    match run {
        Ok(status) if status.success() => {
            for steps in [1_000, 10_000] {
                let left = file(folder, &format!("peer-live-{steps}-0.db"), steps);
                println!("  left   {steps:>8} steps  {left}");
            }
        }
        other => println!("  it did not run: {other:?}"),
    }
}
