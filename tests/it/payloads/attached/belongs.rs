//! Whose an attachment is, how long it is there, and who can read it.

use everstep::backend::Backend;
use everstep::client::{DeleteError, ResultError};
use everstep::payload::{
    Attachment, AttachmentError, Encryption, Folder, LocalKeys, MemoryPayloads, PayloadError,
    PayloadStore, Payloads, Zstd,
};
use everstep::prelude::*;
use everstep::store::Status;
use everstep::testing::Env;
use tokio::io::AsyncReadExt;

use super::super::run_until;
use super::{FILM, PART, film, frames, look, produce, produced, shoot};

#[tokio::test]
async fn nobody_reads_an_encrypted_attachment_without_its_key_and_none_that_was_erased() {
    let keys = Encryption::new(LocalKeys::new([7; 32]));
    let world = produced(FILM, |payloads| payloads.codec(Zstd::new()).codec(keys)).await;
    let mut bytes = Vec::new();
    world.reader().read_to_end(&mut bytes).await.unwrap();
    let whole = frames(FILM).await;
    assert!(bytes == whole);
    let mut stored = 0;
    for name in world.names().await {
        let blob = world.blobs.get(&name).await.unwrap().unwrap();
        stored += blob.len();
        for piece in whole.chunks(1_000).step_by(100) {
            assert!(!blob.windows(64).any(|there| piece.starts_with(there)), "in the clear");
        }
    }
    assert!(stored < whole.len() / 2, "it was compressed before: {stored}");

    // Without its key, and with another one.
    let nobody = Backend::memory().with_payloads(Payloads::new(world.blobs.clone()));
    let other = Encryption::new(LocalKeys::new([8; 32]));
    let other = Payloads::new(world.blobs.clone()).codec(Zstd::new()).codec(other);
    for backend in [nobody, Backend::memory().with_payloads(other)] {
        let mut reader = Client::new(&backend).attachment(&world.film).unwrap();
        assert!(reader.read_u8().await.is_err());
    }

    let erased = world.client.erase(world.handle.id()).await.unwrap();
    assert!(erased.key && erased.blobs == 5, "{erased:?}");
    let error = world.reader().read_u8().await.unwrap_err();
    let error = error.get_ref().and_then(|error| error.downcast_ref::<AttachmentError>());
    let Some(AttachmentError::Unread { of, source: PayloadError::Erased, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(of, world.handle.id());
}

#[tokio::test]
async fn deleting_an_execution_deletes_its_attachments_and_needs_their_store() {
    let world = produced(FILM, |payloads| payloads).await;
    let storeless = world.backend.clone().with_payloads(Payloads::none());
    let error = Client::new(&storeless).delete(world.handle.id()).await.unwrap_err();
    let DeleteError::Payloads { source: PayloadError::NoStore { .. }, .. } = error else {
        panic!("{error:?}")
    };
    assert!(matches!(
        Client::new(&storeless).attachment(&world.film),
        Err(AttachmentError::NoStore)
    ));
    world.client.delete(world.handle.id()).await.unwrap();
    assert!(world.names().await.is_empty());
    let error = world.reader().read_u8().await.unwrap_err().to_string();
    assert!(error.contains(world.handle.id().as_str()) && error.contains("cannot be read"));
}

#[step]
async fn keep(film: Attachment) -> everstep::Result<(Attachment, Attachment)> {
    let copied = film.copied().await?;
    Ok((copied.copied().await?, copied))
}

/// A child's attachment, kept or not.
#[workflow]
async fn distribute(bytes: u64) -> everstep::Result<[Attachment; 2]> {
    let theirs = child(produce, bytes).await?;
    let (same, mine) = keep(theirs.clone()).await?;
    assert_eq!(same, mine, "what is here already is not copied");
    look(theirs.clone()).await?; // the child's is there as well
    Ok([theirs, mine])
}

#[tokio::test]
async fn a_copy_outlasts_the_child_that_made_it() {
    for encrypts in [false, true] {
        let blobs = MemoryPayloads::new();
        let mut payloads = Payloads::new(blobs.clone());
        if encrypts {
            payloads = payloads.codec(Encryption::new(LocalKeys::new([7; 32])));
        }
        let backend = Backend::memory().with_payloads(payloads);
        let client = Client::new(&backend);
        let handle = client.start(distribute, PART + 1).await.unwrap();
        let app = App::new().workflow(distribute).workflow(produce).backend(backend);
        let worker = app.worker().await.unwrap();
        let [theirs, mine] = worker.run_until(handle.result()).await.unwrap().unwrap();
        assert_ne!(theirs.execution(), mine.execution());
        assert_eq!(mine.execution(), handle.id());
        assert_eq!(theirs.sha256(), mine.sha256());
        client.delete(theirs.execution()).await.unwrap();
        let mut bytes = Vec::new();
        assert!(client.attachment(&theirs).unwrap().read_to_end(&mut bytes).await.is_err());
        client.attachment(&mine).unwrap().read_to_end(&mut bytes).await.unwrap();
        assert!(bytes == frames(PART + 1).await);
    }
}

#[workflow]
async fn series(film: Option<Attachment>) -> everstep::Result<(String, String)> {
    match film {
        None => continue_as_new(&Some(shoot(PART + 1).await?)).await,
        Some(film) => Ok((look(film.clone()).await?, film.sha256().to_owned())),
    }
}

#[test]
fn the_next_run_reads_what_the_run_before_has_made() {
    let payloads = Payloads::new(MemoryPayloads::new());
    let env = Env::new(App::new().workflow(series).payloads(payloads));
    let (seen, made) = env.run(series, None).unwrap();
    assert_eq!(seen, made);
}

/// What came of attaching where there is nothing to attach to.
#[step(retry(max_attempts = 1))]
async fn attach_in(task: bool) -> everstep::Result<()> {
    let attached = if task {
        let spawned = tokio::spawn(async { Attachment::from_reader(film(1)).await });
        spawned.await?
    } else {
        Attachment::from_reader(film(1)).await
    };
    Ok(attached.map(drop)?)
}

#[workflow]
async fn attaches_in(task: bool) -> everstep::Result<()> {
    attach_in(task).await
}

#[workflow]
async fn attaches(_: ()) -> everstep::Result<Attachment> {
    Ok(Attachment::from_reader(film(1)).await?)
}

#[tokio::test(start_paused = true)]
async fn attaching_where_it_cannot_be_says_what_to_do() {
    let outside = attach_in(false).await.unwrap_err().to_string();
    assert!(outside.contains("in a step that a workflow calls"), "{outside}");
    let attempts = [
        (Payloads::new(MemoryPayloads::new()), true, "in a step that a workflow calls"),
        (Payloads::none(), false, "set EVERSTEP_PAYLOADS"),
    ];
    for (payloads, task, says) in attempts {
        let backend = Backend::memory().with_payloads(payloads);
        let handle = Client::new(&backend).start(attaches_in, task).await.unwrap();
        let worker = App::new().workflow(attaches_in).backend(backend).worker().await.unwrap();
        let error = worker.run_until(handle.result()).await.unwrap().unwrap_err();
        let ResultError::Failed(error) = error else { panic!("{error:?}") };
        assert!(error.to_string().contains(says), "{error}");
    }
    // In a workflow's own code it would happen again with each replay.
    let backend = Backend::memory().with_payloads(Payloads::new(MemoryPayloads::new()));
    let client = Client::new(&backend);
    let handle = client.start(attaches, ()).await.unwrap();
    let app = App::new().workflow(attaches).backend(backend);
    let reason = run_until(app, &client, handle.id(), Status::Blocked).await.unwrap();
    assert!(reason.contains("belongs in a step"), "{reason}");
}

#[tokio::test]
async fn what_an_attempt_left_goes_with_its_execution() {
    let world = produced(PART + 1, |payloads| payloads).await;
    let folder = Folder::of(world.handle.id());
    // A part of an attempt that died, which nothing names.
    let left = folder.blob_of(b"left");
    world.blobs.put(&left, &b"left".into()).await.unwrap();
    world.client.delete(world.handle.id()).await.unwrap();
    assert!(world.blobs.list(&folder).await.unwrap().is_empty());
}
