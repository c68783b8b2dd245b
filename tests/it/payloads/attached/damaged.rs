//! What is not what was attached is never given as if it were.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use everstep::payload::{
    Attachment, AttachmentError, BlobName, Encryption, Folder, LocalKeys, MemoryPayloads,
    PayloadError, PayloadStore, Payloads,
};
use everstep::prelude::*;
use everstep::testing::Env;
use futures::FutureExt;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::{FILM, PART, Produced, film, frames, produced};

/// Reads until the end or an error, and returns what came first.
async fn read(world: &Produced) -> (Vec<u8>, Option<io::Error>) {
    let (mut reader, mut bytes) = (world.reader(), Vec::new());
    let error = reader.read_to_end(&mut bytes).await.err();
    if error.is_some() {
        assert!(reader.read_u8().await.is_err(), "and it goes on failing");
    }
    (bytes, error)
}

fn reason(error: &io::Error) -> &PayloadError {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<AttachmentError>());
    let Some(AttachmentError::Unread { source, .. }) = error else { panic!("{error:?}") };
    source
}

async fn replace(world: &Produced, name: &BlobName, bytes: Vec<u8>) {
    world.blobs.remove(name).await.unwrap();
    world.blobs.put(name, &bytes.into()).await.unwrap();
}

/// Each blob once: damaged, cut, in the place of another one, gone.
#[tokio::test]
async fn a_damaged_cut_swapped_or_missing_part_ends_in_an_error_and_never_in_an_end() {
    let world = produced(FILM, |payloads| payloads).await;
    let whole = frames(FILM).await;
    let names = world.names().await;
    for name in &names {
        let there = world.blobs.get(name).await.unwrap().unwrap();
        let mut flipped = there.clone();
        flipped[there.len() / 2] ^= 1;
        let other = names.iter().find(|other| *other != name).unwrap();
        let swapped = world.blobs.get(other).await.unwrap().unwrap();
        let cut = there[..there.len() - 1].to_vec();
        for wrong in [flipped, cut, swapped, Vec::new()] {
            replace(&world, name, wrong).await;
            let (bytes, error) = read(&world).await;
            let error = error.expect("it is damaged");
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(matches!(reason(&error), PayloadError::Damaged { .. }), "{error:?}");
            assert!(bytes.len() < whole.len() && whole.starts_with(&bytes));
        }
        world.blobs.remove(name).await.unwrap();
        let (bytes, error) = read(&world).await;
        let error = error.expect("it is missing");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(matches!(reason(&error), PayloadError::Missing { .. }), "{error:?}");
        assert!(bytes.len() < whole.len() && whole.starts_with(&bytes));
        replace(&world, name, there).await;
    }
    let (bytes, error) = read(&world).await;
    assert!(bytes == whole && error.is_none(), "all is as it was");
}

#[tokio::test]
async fn a_file_has_its_name_once_all_of_it_was_checked() {
    let world = produced(FILM, |payloads| payloads).await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("film");
    std::fs::write(&path, b"an older one").unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let names = world.names().await;
    for name in &names {
        let there = world.blobs.get(name).await.unwrap().unwrap();
        replace(&world, name, b"other".to_vec()).await;
        let error = world.reader().to_file(&path).await.unwrap_err();
        assert!(matches!(error, AttachmentError::Unread { .. }), "{error:?}");
        assert!(!error.is_retryable());
        assert_eq!(std::fs::read(&path).unwrap(), b"an older one");
        assert_eq!(files(), 1, "nothing half is left");
        replace(&world, name, there).await;
    }
    // Dropped on the way.
    let mut writing = Box::pin(world.reader().to_file(&path));
    while files() < 2 {
        assert!(writing.as_mut().now_or_never().is_none());
    }
    drop(writing);
    assert_eq!(files(), 1, "nothing half is left");
    assert_eq!(std::fs::read(&path).unwrap(), b"an older one");
    world.reader().to_file(&path).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == frames(FILM).await);
    assert_eq!(files(), 1);
}

#[tokio::test]
async fn the_rest_of_a_reader_can_go_to_a_file() {
    let world = produced(FILM, |payloads| payloads).await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rest");
    let mut reader = world.reader();
    let mut first = vec![0; 100];
    reader.read_exact(&mut first).await.unwrap();
    reader.to_file(&path).await.unwrap();
    assert!([first, std::fs::read(&path).unwrap()].concat() == frames(FILM).await);
}

/// The handle is a user's value, and may have been through other hands.
#[tokio::test]
async fn a_handle_that_was_changed_leads_to_an_error() {
    let keys = || Encryption::new(LocalKeys::new([7; 32]));
    let world = produced(PART + 1, |payloads| payloads.codec(keys())).await;
    let other = produced(PART + 1, |payloads| payloads.codec(keys())).await;
    let text = serde_json::to_string(&world.film).unwrap();
    // What stands in its blobs is put where another execution's would be.
    for name in world.names().await {
        let bytes = world.blobs.get(&name).await.unwrap().unwrap();
        let moved = other.folder().blob(name.name()).unwrap();
        world.blobs.put(&moved, &bytes.into()).await.unwrap();
    }
    let key = world.folder().blob("key").unwrap();
    let wrapped = world.blobs.get(&key).await.unwrap().unwrap();
    let moved = other.folder().blob("key").unwrap();
    world.blobs.put(&moved, &wrapped.into()).await.unwrap();
    let (mine, theirs) = (world.handle.id().as_str(), other.handle.id().as_str());
    for changed in [
        text.replace(&format!("\"bytes\":{}", PART + 1), &format!("\"bytes\":{PART}")),
        text.replace(world.film.sha256(), other.names().await[0].name()),
        text.replace("aes-256-gcm", "rot13"),
        text.replace(mine, theirs),
    ] {
        assert_ne!(changed, text);
        let film: Attachment = serde_json::from_str(&changed).unwrap();
        let mut reader = world.client.attachment(&film).unwrap();
        let mut bytes = Vec::new();
        let error = reader.read_to_end(&mut bytes).await.unwrap_err();
        assert!(!matches!(reason(&error), PayloadError::Unavailable { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn an_attachment_whose_making_was_dropped_leaves_whole_parts_that_nothing_names() {
    #[step(timeout = "1s", retry(max_attempts = 1))]
    async fn hangs(bytes: u64) -> everstep::Result<Attachment> {
        let film = film(bytes).chain(Stuck);
        Ok(Attachment::from_reader(film).await?)
    }
    #[workflow]
    async fn gives_up(bytes: u64) -> everstep::Result<bool> {
        Ok(hangs(bytes).await.is_err())
    }
    let blobs = MemoryPayloads::new();
    let payloads = Payloads::new(blobs.clone());
    let env = Env::new(App::new().workflow(gives_up).payloads(payloads));
    let execution = env.start(gives_up, 2 * PART + 5);
    assert!(execution.result().unwrap());
    let folder = Folder::of(execution.id());
    let names = blobs.list(&folder).await.unwrap();
    assert_eq!(names.len(), 2, "two parts, and no half of the third");
    for name in &names {
        let bytes = blobs.get(name).await.unwrap().unwrap();
        assert_eq!(bytes.len() as u64, PART);
        assert_eq!(folder.blob_of(&bytes), *name);
    }
}

/// A line that says nothing more.
struct Stuck;

impl AsyncRead for Stuck {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}
