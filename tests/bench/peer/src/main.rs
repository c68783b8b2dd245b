//! durare under the same load as ours: sequential steps of 100 bytes on SQLite, and a process that
//! comes back to a workflow which has so many steps behind it.
//!
//! `peer FOLDER` runs everything; `peer die URL STEPS` and `peer resume URL` are its own children.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use durare::{DurableContext, DurableEngine, Result, SqliteProvider, WorkflowOptions};

/// Whether the process dies once all steps are behind it.
static DIES: AtomicBool = AtomicBool::new(false);

/// When each step was durable.
static SEEN: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

#[durare::step]
async fn work(ctx: &DurableContext, _number: u32) -> Result<String> {
    Ok("x".repeat(100))
}

#[durare::workflow]
async fn sequence(ctx: DurableContext, steps: u32) -> Result<u32> {
    for number in 0..steps {
        work(&ctx, number).await?;
        SEEN.lock().expect("no panic").push(Instant::now());
    }
    if DIES.load(Ordering::Relaxed) {
        std::process::exit(0);
    }
    Ok(steps)
}

async fn engine(url: &str) -> Result<DurableEngine> {
    DurableEngine::new(Arc::new(SqliteProvider::connect(url).await?)).await
}

async fn live(url: &str, steps: u32) -> Result<Duration> {
    let engine = engine(url).await?;
    let start = Instant::now();
    engine.start_with(Sequence, steps, WorkflowOptions::with_id("one")).await?.await?;
    Ok(start.elapsed())
}

async fn resume(url: &str) -> Result<Duration> {
    let engine = engine(url).await?;
    let start = Instant::now();
    engine.recover().await?;
    engine.retrieve_workflow::<u32>("one").await?.await?;
    Ok(start.elapsed())
}

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        ["die", url, steps] => {
            DIES.store(true, Ordering::Relaxed);
            live(url, steps.parse().expect("a number")).await?;
        }
        ["resume", url] => println!("{}", resume(url).await?.as_nanos()),
        [folder] => all(folder).await?,
        _ => panic!("usage: peer FOLDER"),
    }
    Ok(())
}

async fn all(folder: &str) -> Result<()> {
    let own = std::env::current_exe().expect("this program");
    for steps in [1_000_u32, 10_000] {
        let (mut runs, mut gaps) = (Vec::new(), Vec::new());
        for run in 0..5 {
            let url = format!("sqlite://{folder}/peer-live-{steps}-{run}.db");
            runs.push(live(&url, steps).await?.as_secs_f64() * 1e6 / f64::from(steps));
            let seen = std::mem::take(&mut *SEEN.lock().expect("no panic"));
            gaps.extend(seen.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1e6));
        }
        runs.sort_by(f64::total_cmp);
        gaps.sort_by(f64::total_cmp);
        println!("  live   {steps:>8} steps  {:8.2} / {:8.2} / {:8.2} µs a step", runs[0], runs[2], runs[4]);
        let (p50, p99) = (gaps[gaps.len() / 2], gaps[gaps.len() * 99 / 100]);
        println!("         {:>8.0} steps/s, p50 {p50:.1} µs, p99 {p99:.1} µs", 1e6 / runs[2]);
    }
    for steps in [1_000_u32, 10_000] {
        let mut runs = Vec::new();
        for run in 0..3 {
            let url = format!("sqlite://{folder}/peer-resume-{steps}-{run}.db");
            let died = Command::new(&own).args(["die", &url, &steps.to_string()]).status();
            assert!(died.is_ok_and(|status| status.success()), "the first process");
            let resumed = Command::new(&own).args(["resume", &url]).stderr(Stdio::inherit()).output();
            let printed = String::from_utf8(resumed.expect("the second process").stdout).expect("text");
            let nanos: f64 = printed.trim().parse().expect("a number");
            runs.push(nanos / 1e6);
        }
        runs.sort_by(f64::total_cmp);
        println!("  resume {steps:>8} steps  {:8.2} / {:8.2} / {:8.2} ms (3 runs)", runs[0], runs[1], runs[2]);
    }
    Ok(())
}
