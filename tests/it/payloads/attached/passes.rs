//! From step to step, whoever dies on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use everstep::attempt;
use everstep::backend::Backend;
use everstep::payload::{Attachment, FilePayloads, MemoryPayloads, Payloads, Zstd};
use everstep::prelude::*;
use everstep::testing::faults::{Fate, Faults};
use everstep::testing::{Env, crash_everywhere, explore};
use tempfile::TempDir;

use super::super::counted;
use super::{FILM, PART, film, frames, premiere, produced};

fn env_with(faults: &Faults) -> Env {
    Env::new(App::new().workflow(premiere).payloads(counted(&MemoryPayloads::new(), faults)))
}

fn env() -> Env {
    env_with(&Faults::none())
}

#[tokio::test]
async fn an_attachment_passes_from_step_to_step_and_the_log_has_a_handle() {
    let world = produced(FILM, |payloads| payloads).await;
    assert_eq!((world.film.len(), world.film.is_empty()), (FILM, false));
    assert_eq!(world.film.execution(), world.handle.id());
    assert_eq!(world.names().await.len(), 5, "four parts and the index");
    let loaded = world.client.load(world.handle.id()).await.unwrap();
    let stored: usize = loaded.commits.iter().map(|commit| commit.body.len()).sum();
    assert!(stored < 3_000, "{stored}");
    let env = env();
    let (film, seen) = env.run(premiere, FILM).unwrap();
    assert_eq!((film.len(), film.sha256()), (FILM, &*seen));
    assert_eq!(env.completed_runs("shoot"), 1);
}

#[test]
fn what_is_empty_passes_too() {
    let (film, seen) = env().run(premiere, 0).unwrap();
    assert!(film.is_empty());
    // The SHA-256 of nothing.
    assert_eq!(seen, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn a_host_may_die_before_and_after_each_part() {
    let crashes = crash_everywhere(env, |env| env.start(premiere, PART + 1));
    assert!(crashes.crashes >= 24, "{crashes:?}");
    explore(0..4, env, |env| env.start(premiere, PART + 1));
}

#[test]
fn a_payload_store_whose_answers_are_lost_is_enough() {
    for lost in [Fate::FailBefore, Fate::FailAfter] {
        let calls = Arc::new(AtomicU32::new(0));
        let faults = Faults::by(move |_| {
            let answered = calls.fetch_add(1, Ordering::Relaxed) % 3 == 2;
            if answered { Fate::Proceed } else { lost }
        });
        let env = env_with(&faults);
        let (film, seen) = env.run(premiere, FILM).unwrap();
        assert_eq!(film.sha256(), seen);
        assert_eq!((env.completed_runs("shoot"), env.completed_runs("look")), (1, 1));
    }
}

/// The first attempt dies with all of it stored.
#[step(retry(initial = "1s", jitter = false))]
async fn shoot_again(bytes: u64) -> everstep::Result<Attachment> {
    let film = Attachment::from_reader(film(bytes)).await?;
    if attempt() == 1 { Err(everstep::Error::msg("the light went out")) } else { Ok(film) }
}

#[workflow]
async fn reshoot(bytes: u64) -> everstep::Result<Attachment> {
    shoot_again(bytes).await
}

#[test]
fn what_an_earlier_attempt_has_stored_is_not_sent_again() {
    let faults = Faults::none();
    let payloads = counted(&MemoryPayloads::new(), &faults);
    let env = Env::new(App::new().workflow(reshoot).payloads(payloads));
    env.run(reshoot, FILM).unwrap();
    assert_eq!(faults.counts().of("payloads.put"), 5, "four parts and the index, once");
    // At first until one is not there, of those that are on their way at once; and then all.
    let asked = faults.counts().of("payloads.has");
    assert!((1 + 5..=4 + 5).contains(&asked), "{asked}");
}

#[step]
async fn develop(film: Attachment, file: String) -> everstep::Result<Attachment> {
    film.to_file(&file).await?;
    Ok(Attachment::from_file(file).await?)
}

#[workflow]
async fn edit((bytes, file): (u64, String)) -> everstep::Result<(Attachment, Attachment)> {
    let film = super::shoot(bytes).await?;
    let developed = develop(film.clone(), file).await?;
    Ok((film, developed))
}

#[tokio::test]
async fn files_become_attachments_and_attachments_files() {
    let folder = TempDir::new().unwrap();
    let (store, file) = (folder.path().join("payloads"), folder.path().join("film"));
    std::fs::write(&file, b"an older one").unwrap();
    for payloads in [
        Payloads::new(FilePayloads::new(&store)),
        Payloads::new(FilePayloads::new(&store)).codec(Zstd::new()),
    ] {
        let backend = Backend::memory().with_payloads(payloads);
        let client = Client::new(&backend);
        let handle = client.start(edit, (FILM, file.display().to_string())).await.unwrap();
        let worker = App::new().workflow(edit).backend(backend).worker().await.unwrap();
        let (film, developed) = worker.run_until(handle.result()).await.unwrap().unwrap();
        assert_eq!(film, developed, "the same bytes in the same place");
        assert!(std::fs::read(&file).unwrap() == frames(FILM).await);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the film, and blobs");
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    #[step(retry(max_attempts = 1))]
    async fn attach(file: String) -> everstep::Result<Attachment> {
        Ok(Attachment::from_file(file).await?)
    }
    #[workflow]
    async fn attaches(file: String) -> everstep::Result<Attachment> {
        attach(file).await
    }
    let backend = Backend::memory().with_payloads(Payloads::new(MemoryPayloads::new()));
    let handle = Client::new(&backend).start(attaches, "/no/film".to_owned()).await.unwrap();
    let worker = App::new().workflow(attaches).backend(backend).worker().await.unwrap();
    let error = worker.run_until(handle.result()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("/no/film"), "{error}");
}
