//! The checks of a [`PayloadStore`](crate::payload::PayloadStore).

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;

use futures::future::join_all;
use tokio::io::{AsyncRead, ReadBuf};

use super::PayloadStoreFactory;
use crate::event::Json;
use crate::id::ExecutionId;
use crate::limits::{ATTACHMENT_PART_BYTES, PAYLOAD_THRESHOLD};
use crate::payload::{BlobBytes, BlobName, Folder, Payloads, Put};
use crate::store::Message;

fn folder(execution: &str) -> Folder {
    Folder::of(&ExecutionId::new(execution).expect("an id"))
}

fn blob(folder: &Folder, name: &str) -> BlobName {
    folder.blob(name).expect("a name")
}

/// Bytes of any value.
fn bytes(count: usize) -> BlobBytes {
    (0..count).map(|index| (index * 31 % 256) as u8).collect::<Vec<_>>().into()
}

/// A blob is read back byte for byte, an empty one and one of ten megabytes too. A part of S3's has
/// five megabytes at least.
pub async fn a_blob_is_read_back_byte_for_byte(factory: &dyn PayloadStoreFactory) {
    let (store, folder) = (factory.store().await, folder("order-1"));
    for count in [0, 1, 255, 70_000, 5 * 1024 * 1024, 5 * 1024 * 1024 + 1, 10_000_000] {
        let (name, bytes) = (blob(&folder, &format!("blob{count}")), bytes(count));
        assert_eq!(store.put(&name, &bytes).await.unwrap(), Put::New);
        let read = store.get(&name).await.unwrap();
        assert!(read.is_some_and(|read| read == *bytes), "of {count} bytes");
        assert!(store.has(&name).await.unwrap(), "of {count} bytes");
    }
}

/// A blob that was never put is not there, nor its folder.
pub async fn a_blob_that_was_never_put_is_not_there(factory: &dyn PayloadStoreFactory) {
    let (store, folder) = (factory.store().await, folder("order-1"));
    assert_eq!(store.get(&blob(&folder, "none")).await.unwrap(), None);
    assert!(!store.has(&blob(&folder, "none")).await.unwrap());
    assert_eq!(store.list(&folder).await.unwrap(), []);
    store.remove(&blob(&folder, "none")).await.unwrap();
}

/// A second put of a name says so and changes nothing.
pub async fn a_taken_name_keeps_its_bytes(factory: &dyn PayloadStoreFactory) {
    let (store, name) = (factory.store().await, blob(&folder("order-1"), "key"));
    assert_eq!(store.put(&name, &b"first".into()).await.unwrap(), Put::New);
    for again in [b"first".as_slice(), b"other", b""] {
        assert_eq!(store.put(&name, &again.into()).await.unwrap(), Put::Exists);
        assert_eq!(store.get(&name).await.unwrap().as_deref(), Some(b"first".as_slice()));
    }
}

/// Of sixteen puts of one name at once one stores, and all read what it stored.
pub async fn sixteen_puts_at_once_have_one_winner(factory: &dyn PayloadStoreFactory) {
    let (store, name) = (factory.store().await, blob(&folder("order-1"), "key"));
    let puts = (0..16_u8).map(|who| {
        let (store, name) = (&store, &name);
        async move {
            let put = store.put(name, &(&[who; 1_000]).into()).await.unwrap();
            (put, who, store.get(name).await.unwrap().expect("a blob"))
        }
    });
    let puts = join_all(puts).await;
    let winners: Vec<u8> =
        puts.iter().filter(|(put, ..)| *put == Put::New).map(|(_, who, _)| *who).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    for (_, _, read) in puts {
        assert_eq!(read, [winners[0]; 1_000]);
    }
}

/// Executions have folders of their own, whatever their ids look like.
pub async fn folders_are_kept_apart(factory: &dyn PayloadStoreFactory) {
    let store = factory.store().await;
    let ids = ["order-1", "order-10", "order-1/a", "../order-1", "Order-1", "größe"];
    for id in ids {
        let name = blob(&folder(id), "one");
        assert_eq!(store.put(&name, &id.as_bytes().into()).await.unwrap(), Put::New, "{id}");
    }
    for id in ids {
        let name = blob(&folder(id), "one");
        assert_eq!(store.get(&name).await.unwrap().as_deref(), Some(id.as_bytes()));
        assert_eq!(store.list(&folder(id)).await.unwrap(), [name]);
    }
}

/// A removed blob is gone, and only it; its name is free again.
pub async fn a_removed_blob_is_gone_and_only_it(factory: &dyn PayloadStoreFactory) {
    let (store, folder) = (factory.store().await, folder("order-1"));
    let (one, two) = (blob(&folder, "one"), blob(&folder, "two"));
    store.put(&one, &b"1".into()).await.unwrap();
    store.put(&two, &b"2".into()).await.unwrap();
    for _ in 0..2 {
        store.remove(&one).await.unwrap();
        assert_eq!(store.get(&one).await.unwrap(), None);
        assert!(!store.has(&one).await.unwrap() && store.has(&two).await.unwrap());
        assert_eq!(store.list(&folder).await.unwrap(), std::slice::from_ref(&two));
    }
    assert_eq!(store.put(&one, &b"new".into()).await.unwrap(), Put::New);
    assert_eq!(store.get(&one).await.unwrap().as_deref(), Some(b"new".as_slice()));
}

/// All blobs of a folder are listed, however many: more than a page of S3's has.
pub async fn a_folder_of_more_than_a_thousand_blobs_is_listed(factory: &dyn PayloadStoreFactory) {
    let (store, folder) = (factory.store().await, folder("order-1"));
    let names: Vec<BlobName> =
        (0..1_050).map(|number| blob(&folder, &format!("blob{number}"))).collect();
    let x = BlobBytes::from(b"x");
    for names in names.chunks(50) {
        for put in join_all(names.iter().map(|name| store.put(name, &x))).await {
            assert_eq!(put.unwrap(), Put::New);
        }
    }
    let listed: BTreeSet<BlobName> = store.list(&folder).await.unwrap().into_iter().collect();
    assert_eq!(listed, names.into_iter().collect());
}

/// A text of `count` bytes as JSON, of letters that do not shrink by a third, or of one that does.
fn value(count: usize, shrinks: bool) -> Json {
    let mut state = 1_u64;
    let mut letter = || {
        // Constants of Knuth's MMIX generator.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if shrinks { 'a' } else { char::from(b'0' + (state >> 33) as u8 % 74) }
    };
    let text: String =
        (0..count - 2).map(|_| letter()).map(|c| if c == '\\' { '/' } else { c }).collect();
    Json::record(&text).expect("text is JSON")
}

/// What is done to payloads on their way in and out of the store, by every codec that is built in.
fn codecs() -> Vec<fn(Payloads) -> Payloads> {
    #[cfg_attr(
        not(any(feature = "zstd", feature = "encryption")),
        expect(unused_mut, reason = "no codec is built in")
    )]
    let mut codecs: Vec<fn(Payloads) -> Payloads> = vec![|payloads| payloads];
    #[cfg(feature = "zstd")]
    codecs.push(|payloads| payloads.codec(crate::payload::Zstd::new()));
    #[cfg(feature = "encryption")]
    {
        use crate::payload::{Encryption, LocalKeys};
        codecs.push(|payloads| payloads.codec(Encryption::new(LocalKeys::new([7; 32]))));
        #[cfg(feature = "zstd")]
        codecs.push(|payloads| {
            let payloads = payloads.codec(crate::payload::Zstd::new());
            payloads.codec(Encryption::new(LocalKeys::new([7; 32])))
        });
    }
    codecs
}

/// A value comes back through every codec, by another program than the one that sealed it: small
/// ones, those around the threshold, and one of more than five megabytes.
pub async fn a_value_of_any_size_comes_back_through_every_codec(factory: &dyn PayloadStoreFactory) {
    for with_codecs in codecs() {
        let store = factory.store().await;
        let program = || with_codecs(Payloads::of(Arc::clone(&store)));
        let sizes = [2, 3, PAYLOAD_THRESHOLD - 1, PAYLOAD_THRESHOLD, PAYLOAD_THRESHOLD + 1];
        for size in sizes.into_iter().chain([5 * 1024 * 1024 + 1]) {
            for shrinks in [false, true] {
                let id = ExecutionId::new(format!("order-{size}-{shrinks}")).expect("an id");
                let value = value(size, shrinks);
                assert_eq!(value.as_str().len(), size);
                let payload = value.clone();
                let mut message = Message::Signal { name: "said".into(), payload };
                program().seal_message(&id, &mut message).await.unwrap();
                let sealed = message.payload_mut().expect("a signal has one");
                assert!(sealed.as_str().len() <= 2 * PAYLOAD_THRESHOLD, "{size} bytes in the log");
                program().open(&id, sealed).await.unwrap();
                assert!(*sealed == value, "of {size} bytes");
            }
        }
    }
}

/// An attachment of several parts comes back through every codec, byte for byte, by another program
/// than the one that made it; and also empty, and of exactly one part and of two.
pub async fn an_attachment_comes_back_through_every_codec(factory: &dyn PayloadStoreFactory) {
    let of = ExecutionId::new("order-1").expect("an id");
    for with_codecs in codecs() {
        let store = factory.store().await;
        let place = || with_codecs(Payloads::of(Arc::clone(&store))).place(&of).unwrap();
        let part = ATTACHMENT_PART_BYTES;
        for count in [0, 1, part, 2 * part, 2 * part + 1] {
            let bytes = bytes(count);
            let attachment = place().write_reader(&bytes[..]).await.unwrap();
            assert_eq!(attachment.len(), count as u64);
            let mut reader = std::pin::pin!(place().read(&attachment));
            let mut read = Vec::new();
            loop {
                let mut into = [0; 70_001];
                let mut into = ReadBuf::new(&mut into);
                poll_fn(|cx| reader.as_mut().poll_read(cx, &mut into)).await.unwrap();
                match into.filled() {
                    [] => break,
                    bytes => read.extend_from_slice(bytes),
                }
            }
            assert!(read == *bytes, "of {count} bytes");
        }
    }
}
