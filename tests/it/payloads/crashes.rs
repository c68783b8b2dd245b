//! Hosts that die, and stores that do not answer, around blobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use everstep::payload::{
    BlobBytes, BlobName, Folder, MemoryPayloads, PayloadError, PayloadStore, Payloads, Put,
};
use everstep::prelude::*;
use everstep::testing::faults::{Fate, Faults};
use everstep::testing::{Env, crash_everywhere, explore};

use super::{THRESHOLD, app, ask_child, counted, echo, fetch_and_count, text};

fn env() -> Env {
    Env::new(app().payloads(counted(&MemoryPayloads::new(), &Faults::none())))
}

#[test]
fn a_host_may_die_before_and_after_each_of_its_blobs() {
    let crashes = crash_everywhere(env, |env| env.start(fetch_and_count, 2 * THRESHOLD));
    assert!(crashes.crashes >= 24, "{crashes:?}");
    let crashes = crash_everywhere(env, |env| env.start(ask_child, 2 * THRESHOLD));
    assert!(crashes.crashes >= 24, "{crashes:?}");
    crash_everywhere(env, |env| {
        let execution = env.start(echo, ());
        execution.signal_after(days(1), "said", &text(2 * THRESHOLD));
        execution
    });
}

#[test]
fn a_payload_store_that_answers_every_third_call_is_enough() {
    for lost in [Fate::FailBefore, Fate::FailAfter] {
        let calls = Arc::new(AtomicU32::new(0));
        let faults = Faults::by(move |_| {
            let answered = calls.fetch_add(1, Ordering::Relaxed) % 3 == 2;
            if answered { Fate::Proceed } else { lost }
        });
        let env = Env::new(app().payloads(counted(&MemoryPayloads::new(), &faults)));
        assert_eq!(env.run(fetch_and_count, 2 * THRESHOLD).unwrap(), 2 * THRESHOLD);
        assert_eq!(env.completed_runs("fetch"), 1, "a body is not run for a blob");
    }
}

#[test]
fn an_outage_of_the_payload_store_is_waited_out_and_no_outcome_of_the_workflow() {
    let faults = Faults::none();
    let env = Env::new(app().payloads(counted(&MemoryPayloads::new(), &faults)));
    faults.set(|call| if call.name == "payloads.put" { Fate::FailBefore } else { Fate::Proceed });
    let execution = env.start(fetch_and_count, 2 * THRESHOLD);
    env.advance(minutes(1));
    faults.heal();
    env.advance(minutes(30));
    faults.set(|call| if call.name == "payloads.get" { Fate::FailBefore } else { Fate::Proceed });
    env.advance(hours(2));
    faults.heal();
    assert_eq!(execution.result().unwrap(), 2 * THRESHOLD);
}

/// A disk that is full at times: what is there is there.
#[derive(Debug, Clone, Default)]
struct Disk {
    blobs: MemoryPayloads,
    full: Arc<AtomicBool>,
}

#[async_trait]
impl PayloadStore for Disk {
    async fn put(&self, name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError> {
        if self.full.load(Ordering::Relaxed) && self.blobs.get(name).await?.is_none() {
            let reason = "the disk is full".to_owned();
            return Err(PayloadError::Unavailable { reason, source: None });
        }
        self.blobs.put(name, bytes).await
    }

    async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError> {
        self.blobs.get(name).await
    }

    async fn remove(&self, name: &BlobName) -> Result<(), PayloadError> {
        self.blobs.remove(name).await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<BlobName>, PayloadError> {
        self.blobs.list(folder).await
    }
}

#[workflow]
async fn fetch_twice(bytes: usize) -> everstep::Result<usize> {
    let one = super::fetch(bytes).await?;
    sleep(hours(1)).await;
    let two = super::fetch(2 * bytes).await?;
    Ok(one.len() + two.len())
}

#[test]
fn a_disk_that_is_full_again_and_again_is_waited_out_and_no_outcome_of_the_workflow() {
    let disk = Disk::default();
    let payloads = Payloads::new(disk.clone()).threshold(THRESHOLD);
    let env = Env::new(App::new().workflow(fetch_twice).payloads(payloads));
    disk.full.store(true, Ordering::Relaxed);
    let execution = env.start(fetch_twice, 2 * THRESHOLD);
    env.advance(minutes(1));
    disk.full.store(false, Ordering::Relaxed);
    env.advance(minutes(30));
    disk.full.store(true, Ordering::Relaxed);
    env.advance(hours(2));
    disk.full.store(false, Ordering::Relaxed);
    assert_eq!(execution.result().unwrap(), 6 * THRESHOLD);
}

#[test]
fn it_comes_to_the_same_in_any_weather() {
    explore(0..8, env, |env| env.start(fetch_and_count, 2 * THRESHOLD));
}
