//! Sealing: before something with payloads is written.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{FutureExt, TryStreamExt};

use super::again::{again, in_time};
use super::distinct::distinct;
use super::sealed::{Sealed, Stored, is_marked};
use super::{BlobBytes, CodecScope, Config, Folder, PayloadError, Payloads};
use crate::event::{Event, Json};
use crate::id::ExecutionId;
use crate::store::Message;

/// The blob that is put to see whether the store takes any.
const PROBE: &str = "probe";

impl Payloads {
    /// `events` of execution `id` as they are to be written. What they name is in the payload store
    /// when this returns.
    ///
    /// Dropping the future may leave blobs that nothing names.
    pub(crate) async fn seal_events<'e>(
        &self,
        id: &ExecutionId,
        events: &'e [Event],
    ) -> Result<Cow<'e, [Event]>, PayloadError> {
        if !self.seals_any(events) {
            return Ok(Cow::Borrowed(events));
        }
        let mut events = events.to_vec();
        let mut values = Vec::new();
        for event in &mut events {
            event.payloads_mut(&mut |json| values.push(json));
        }
        self.seal(id, values).await?;
        Ok(Cow::Owned(events))
    }

    /// Whether any of `events` may not be stored as it is.
    pub(crate) fn seals_any(&self, events: &[Event]) -> bool {
        let mut any = false;
        for event in events {
            event.payloads(&mut |json| any |= self.seals(json));
        }
        any
    }

    /// Makes `message` what is to be sent to execution `id`.
    pub(crate) async fn seal_message(
        &self,
        id: &ExecutionId,
        message: &mut Message,
    ) -> Result<(), PayloadError> {
        let Some(json) = message.payload_mut().filter(|json| self.seals(json)) else {
            return Ok(());
        };
        if let Some(config) = &self.0 {
            let folder = Folder::of(id);
            let scope = CodecScope::new(id, &folder, &*config.store);
            for codec in &config.codecs {
                again(|| codec.renew(&scope)).await?;
            }
        }
        self.seal(id, vec![json]).await
    }

    /// Whether `message` may not be sent as it is. Whoever seals it looks first whether there is
    /// anybody to take it: nothing is put where it may have been erased.
    pub(crate) fn seals_message(&self, message: &Message) -> bool {
        message.payload().is_some_and(|json| self.seals(json))
    }

    /// Whether payloads could be stored now. A turn asks before it claims where the one before did not
    /// end well: an outage must not be taken for code that kills its hosts.
    pub(crate) async fn probe(&self, id: &ExecutionId) -> Result<(), PayloadError> {
        let Some(config) = &self.0 else { return Ok(()) };
        let folder = Folder::of(id);
        let scope = CodecScope::new(id, &folder, &*config.store);
        for codec in &config.codecs {
            in_time(codec.encode(&scope, PROBE.as_bytes())).await?;
        }
        let name = folder.blob(PROBE).unwrap_or_else(|| unreachable!("a name"));
        in_time(config.store.put(&name, &PROBE.as_bytes().into())).await?;
        // If it may: what is there already is put anywhere, also on a full disk.
        let _ = in_time(config.store.remove(&name)).await;
        Ok(())
    }

    /// Whether `json` may not be stored as it is.
    pub(crate) fn seals(&self, json: &Json) -> bool {
        is_marked(json)
            || self.0.as_ref().is_some_and(|config| {
                !config.codecs.is_empty() || json.as_str().len() > config.threshold
            })
    }

    async fn seal(&self, id: &ExecutionId, values: Vec<&mut Json>) -> Result<(), PayloadError> {
        let mut values: Vec<_> = values.into_iter().filter(|json| self.seals(json)).collect();
        let (distinct, places) = distinct(&values);
        let folder = Folder::of(id);
        // Boxed: a turn's future has no room for what it rarely does.
        let sealing: Vec<_> =
            distinct.iter().map(|json| self.seal_one(id, &folder, json).boxed()).collect();
        let sealed: Vec<Json> = self.at_once(sealing).try_collect().await?;
        for (value, place) in values.iter_mut().zip(places) {
            **value = sealed[place].clone();
        }
        Ok(())
    }

    async fn seal_one(
        &self,
        id: &ExecutionId,
        folder: &Folder,
        json: &Json,
    ) -> Result<Json, PayloadError> {
        match &self.0 {
            Some(config) => config.seal(id, folder, json).await,
            None => Ok(Sealed::Escaped(json.clone()).write()),
        }
    }
}

impl Config {
    async fn seal(
        &self,
        id: &ExecutionId,
        folder: &Folder,
        json: &Json,
    ) -> Result<Json, PayloadError> {
        let text = json.as_str();
        let _room = self.room.take_in_time(text.len()).await?;
        let scope = CodecScope::new(id, folder, &*self.store);
        let (bytes, codecs) = self.encode(&scope, text.as_bytes().into()).await?;
        let large = bytes.len() > self.threshold;
        if codecs.is_empty() && !large {
            let marked = is_marked(json);
            return Ok(if marked { Sealed::Escaped(json.clone()).write() } else { json.clone() });
        }
        let stored = if large {
            let bytes = match bytes {
                Cow::Borrowed(_) => BlobBytes::of_value(json.clone()),
                Cow::Owned(bytes) => bytes.into(),
            };
            let name = folder.blob_of(&bytes);
            // Whether it was there already, by whomever: these bytes are under this name now.
            again(|| self.store.put(&name, &bytes)).await?;
            Stored::At(name.name().to_owned())
        } else {
            Stored::Here(STANDARD.encode(&bytes))
        };
        Ok(Sealed::Stored { bytes: text.len() as u64, codecs, stored }.write())
    }

    /// What the codecs make of `bytes`, and which of them did.
    pub(super) async fn encode<'b>(
        &self,
        scope: &CodecScope<'_>,
        mut bytes: Cow<'b, [u8]>,
    ) -> Result<(Cow<'b, [u8]>, Vec<String>), PayloadError> {
        let mut codecs = Vec::new();
        for codec in &self.codecs {
            if let Some(encoded) = again(|| codec.encode(scope, &bytes)).await? {
                bytes = Cow::Owned(encoded);
                codecs.push(codec.name().to_owned());
            }
        }
        Ok((bytes, codecs))
    }
}
