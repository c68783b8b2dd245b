//! Hosts as processes of their own: this test program, started again with a task in its
//! environment.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use everstep::limiter::{AcquireError, ConcurrencyLimiter, Rate, RateLimiter, RedisLimiter};
use everstep_tests::redis::Redis;
use redis::aio::MultiplexedConnection;

const TASK: &str = "EVERSTEP_TEST_HOST_TASK";
const URL: &str = "EVERSTEP_TEST_HOST_REDIS";

/// How many tasks of a host ask at once.
const TASKS: usize = 4;

pub(super) fn start_host(task: &str, url: &str) -> Child {
    host(task, url).spawn().unwrap()
}

/// The command that starts a host.
pub(super) fn host(task: &str, url: &str) -> Command {
    let mut host = Command::new(std::env::current_exe().unwrap());
    host.args(["--exact", "limiters::hosts::this_process_is_a_host", "--nocapture"])
        .env(TASK, task)
        .env(URL, url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    host
}

/// Not a test of anything, unless it is started as a host by the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_process_is_a_host() {
    let Ok(task) = std::env::var(TASK) else { return };
    let url = std::env::var(URL).unwrap();
    let limiter = RedisLimiter::connect(&url).await.unwrap();
    let words: Vec<u32> = task.split(' ').filter_map(|word| word.parse().ok()).collect();
    if task.starts_with("race") {
        let seats = ConcurrencyLimiter::new(limiter, "seats", words[0]);
        let client = redis::Client::open(url).unwrap();
        let count = client.get_multiplexed_async_connection().await.unwrap();
        let tasks = (0..TASKS).map(|_| tokio::spawn(race(seats.clone(), count.clone(), words[1])));
        futures::future::join_all(tasks).await.into_iter().for_each(Result::unwrap);
    } else if task.starts_with("rate") {
        let rate = Rate::per_second(words[0]).burst(words[1]);
        let calls =
            RateLimiter::new(limiter, "calls", rate).wait_at_most(Duration::from_millis(100));
        let until = Instant::now() + Duration::from_secs(words[2].into());
        let tasks = (0..TASKS).map(|_| tokio::spawn(call(calls.clone(), until)));
        futures::future::join_all(tasks).await.into_iter().for_each(Result::unwrap);
    } else if task.starts_with("hold") {
        let seats = ConcurrencyLimiter::new(limiter, "seats", 1).lease(Duration::from_secs(2));
        let _permit = seats.acquire("a").await.unwrap();
        say("held".to_owned());
        std::future::pending::<()>().await;
    } else {
        RateLimiter::new(limiter, "calls", Rate::per_second(1)).acquire("a").await.unwrap();
        say("acquired".to_owned());
    }
}

/// Enters and leaves, and counts who is inside by other means than the limiter's.
async fn race(seats: ConcurrencyLimiter, mut count: MultiplexedConnection, times: u32) {
    let seats = seats.wait_at_most(Duration::from_secs(60));
    for _ in 0..times {
        let permit = seats.acquire("a").await.unwrap();
        let inside: u32 = redis::cmd("INCR").arg("inside").query_async(&mut count).await.unwrap();
        say(format!("inside {inside}"));
        tokio::time::sleep(Duration::from_millis(3)).await;
        let () = redis::cmd("DECR").arg("inside").query_async(&mut count).await.unwrap();
        permit.release().await.unwrap();
    }
}

async fn call(calls: RateLimiter, until: Instant) {
    while Instant::now() < until {
        let asked = micros();
        match calls.acquire("a").await {
            Ok(()) => say(format!("call {asked} {}", micros())),
            Err(AcquireError::Limited { retry_after, .. }) => tokio::time::sleep(retry_after).await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[expect(clippy::print_stdout, reason = "it is how a host talks to its test")]
fn say(what: String) {
    println!("\n@{what}");
}

fn micros() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()
}

/// What hosts said, once they have ended.
async fn said(hosts: Vec<Child>) -> Vec<String> {
    let read = |mut host: Child| {
        tokio::task::spawn_blocking(move || {
            let out = BufReader::new(host.stdout.take().unwrap());
            let said: Vec<String> = out
                .lines()
                .filter_map(|line| line.unwrap().strip_prefix('@').map(str::to_owned))
                .collect();
            assert!(host.wait().unwrap().success(), "a host failed");
            said
        })
    };
    let all = futures::future::join_all(hosts.into_iter().map(read)).await;
    all.into_iter().flat_map(Result::unwrap).collect()
}

async fn hosts_race(hosts: usize, at_once: u32, times: u32) {
    let redis = Redis::start().await;
    let hosts: Vec<Child> =
        (0..hosts).map(|_| start_host(&format!("race {at_once} {times}"), &redis.url())).collect();
    let expected = hosts.len() * TASKS * times as usize;
    let said = said(hosts).await;
    let inside: Vec<u32> =
        said.iter().filter_map(|line| line.strip_prefix("inside ")?.parse().ok()).collect();
    assert_eq!(inside.len(), expected, "everybody came in");
    assert_eq!(inside.iter().max(), Some(&at_once), "as many at once as there are, and no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_that_race_are_never_more_at_once_than_allowed() {
    hosts_race(2, 3, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_hosts_that_race_are_never_more_at_once_than_allowed() {
    hosts_race(8, 5, 20).await;
}

/// Whatever span one looks at: what was asked for and got within it was due within it.
async fn hosts_keep_to_a_rate(hosts: usize, rate: u32, burst: u32) {
    const SECONDS: u32 = 4;
    let redis = Redis::start().await;
    let hosts: Vec<Child> = (0..hosts)
        .map(|_| start_host(&format!("rate {rate} {burst} {SECONDS}"), &redis.url()))
        .collect();
    let mut calls: Vec<(u128, u128)> = Vec::new();
    for line in said(hosts).await {
        let Some(times) = line.strip_prefix("call ") else { continue };
        let (asked, got) = times.split_once(' ').unwrap();
        calls.push((asked.parse().unwrap(), got.parse().unwrap()));
    }
    let interval = Rate::per_second(rate).interval().as_micros();
    for span in [interval * 4, interval * 20, 500_000, 1_000_000, 2_500_000] {
        for from in calls.iter().map(|(asked, _)| *asked) {
            let within = calls.iter().filter(|(asked, got)| *asked >= from && *got < from + span);
            let most = span.div_ceil(interval) + u128::from(burst) - 1;
            let within = within.count() as u128;
            assert!(within <= most, "{within} calls in {span} µs, and {most} are allowed");
        }
    }
    // A limiter that gives nobody anything keeps to every rate.
    assert!(calls.len() >= (rate * SECONDS / 2) as usize, "only {} calls", calls.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_keep_to_a_rate_in_any_span_of_time() {
    hosts_keep_to_a_rate(2, 40, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_hosts_keep_to_a_rate_and_its_burst_in_any_span_of_time() {
    hosts_keep_to_a_rate(8, 60, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_permit_of_a_host_that_was_killed_comes_back_after_its_lease() {
    let redis = Redis::start().await;
    let mut host = start_host("hold", &redis.url());
    let out = BufReader::new(host.stdout.take().unwrap());
    assert!(out.lines().any(|line| line.unwrap() == "@held"), "it holds the permit");
    let limiter = RedisLimiter::connect(&redis.url()).await.unwrap();
    let seats = ConcurrencyLimiter::new(limiter, "seats", 1).lease(Duration::from_secs(2));
    // It lives longer than its lease, and so does its permit.
    let refused = seats.clone().wait_at_most(Duration::from_secs(4)).acquire("a").await;
    assert!(matches!(refused, Err(AcquireError::Limited { .. })), "{refused:?}");
    host.kill().unwrap();
    host.wait().unwrap();
    let killed = Instant::now();
    let permit = seats.wait_at_most(Duration::from_secs(20)).acquire("a").await.unwrap();
    assert!(killed.elapsed() < Duration::from_secs(6), "{:?}", killed.elapsed());
    permit.release().await.unwrap();
}
