//! Attachments, whoever dies between the bytes and the event that names them.

use std::sync::{Arc, Mutex};

use everstep::payload::{Attachment, Folder, MemoryPayloads, PayloadStore, Payloads};
use everstep::prelude::*;
use everstep_tests::scenario::{ALL, Effects, check};

use crate::payloads::film;

/// A part and a byte.
const BYTES: u64 = 4 * 1024 * 1024 + 1;

#[step(skip(effects))]
async fn shoot(effects: &Effects, bytes: u64) -> everstep::Result<Attachment> {
    let film = Attachment::from_reader(film(bytes)).await?;
    // Whoever dies now has stored all of it.
    effects.note("stored");
    Ok(film)
}

/// A copy of its own has the hash of what was read.
#[step]
async fn seen(film: Attachment) -> everstep::Result<String> {
    let again = Attachment::from_reader(film.reader()?).await?;
    Ok(again.sha256().to_owned())
}

#[workflow]
async fn premiere(
    State(effects): State<Effects>,
    bytes: u64,
) -> everstep::Result<(Attachment, String)> {
    let film = shoot(&effects, bytes).await?;
    sleep(hours(1)).await;
    let seen = seen(film.clone()).await?;
    Ok((film, seen))
}

/// claim check, streamed
#[test]
fn an_attachment_is_whole_whoever_dies_and_leaves_nothing_else() {
    // One for each world, whose executions have the same ids.
    let blobs = Arc::new(Mutex::new(MemoryPayloads::new()));
    let stored = Arc::clone(&blobs);
    let app = move || {
        let payloads = Payloads::new(stored.lock().unwrap().clone());
        App::new().workflow(premiere).payloads(payloads)
    };
    check(ALL, app, async |world| {
        let here = MemoryPayloads::new();
        *blobs.lock().unwrap() = here.clone();
        let handle = world.start(premiere, BYTES).await;
        let (film, seen) = world.result(&handle).await.unwrap();
        assert_eq!((film.len(), film.sha256()), (BYTES, &*seen));
        world.did("stored", 1);
        let names = here.list(&Folder::of(handle.id())).await.unwrap();
        assert_eq!(names.len(), 3, "two parts and the index, whoever stored them");
    });
}
