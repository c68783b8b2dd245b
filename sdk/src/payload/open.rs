//! Opening: after something with payloads was read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{FutureExt, StreamExt};

use super::again::again;
use super::distinct::distinct;
use super::sealed::{Sealed, Stored, is_marked};
use super::store::hash_of;
use super::{Codec, CodecScope, Config, ERASED, Folder, PayloadError, Payloads};
use crate::event::{Commit, Event, Json};
use crate::id::ExecutionId;
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::store::InboxItem;

/// Why a payload could not be opened, if one could not: it stays sealed. The first reason; that it was
/// erased only if there is no other.
pub(crate) type Unopened = Option<PayloadError>;

impl Payloads {
    /// Opens what `events` of execution `id` carry.
    ///
    /// # Errors
    /// The store did not answer or cannot be used. What is wrong with a payload itself is no error.
    pub(crate) async fn open_events(
        &self,
        id: &ExecutionId,
        events: &mut [Event],
    ) -> Result<Unopened, PayloadError> {
        let mut any = false;
        for event in &*events {
            event.payloads(&mut |json| any |= is_marked(json));
        }
        if !any {
            return Ok(None);
        }
        let mut values = Vec::new();
        for event in events {
            event.payloads_mut(&mut |json| values.push(json));
        }
        self.open_all(id, values, |_| true).await
    }

    /// The same of commits.
    pub(crate) async fn open_commits(
        &self,
        id: &ExecutionId,
        commits: &mut [Commit],
    ) -> Result<Unopened, PayloadError> {
        let mut values = Vec::new();
        for event in commits.iter_mut().flat_map(|commit| &mut commit.events) {
            event.payloads_mut(&mut |json| values.push(json));
        }
        self.open_all(id, values, |_| true).await
    }

    /// The same of what was sent.
    pub(crate) async fn open_items(
        &self,
        id: &ExecutionId,
        items: &mut [InboxItem],
    ) -> Result<Unopened, PayloadError> {
        let values = items.iter_mut().filter_map(|item| item.message.payload_mut()).collect();
        self.open_all(id, values, |_| true).await
    }

    /// The same for the turn that takes it. What was erased before it arrived stays sealed, and is
    /// no fault of the execution's: whoever [reads](super::read_arrived) that one message is told.
    pub(crate) async fn open_arrived(
        &self,
        id: &ExecutionId,
        items: &mut [InboxItem],
    ) -> Result<Unopened, PayloadError> {
        let values = items.iter_mut().filter_map(|item| item.message.payload_mut()).collect();
        self.open_all(id, values, |error| !matches!(error, PayloadError::Erased)).await
    }

    /// Opens one payload.
    ///
    /// # Errors
    /// It cannot be opened, for whatever reason.
    pub(crate) async fn open(&self, id: &ExecutionId, json: &mut Json) -> Result<(), PayloadError> {
        self.open_all(id, vec![json], |_| true).await?.map_or(Ok(()), Err)
    }

    /// Opens one payload, or leaves it sealed.
    ///
    /// # Errors
    /// The store did not answer or cannot be used.
    pub(crate) async fn open_if_possible(
        &self,
        id: &ExecutionId,
        json: &mut Json,
    ) -> Result<Unopened, PayloadError> {
        self.open_all(id, vec![json], |_| true).await
    }

    /// Opens all that it can. Returns why not all, of the errors that `counts` lets count.
    async fn open_all(
        &self,
        id: &ExecutionId,
        values: Vec<&mut Json>,
        counts: fn(&PayloadError) -> bool,
    ) -> Result<Unopened, PayloadError> {
        let mut values: Vec<_> = values.into_iter().filter(|json| is_marked(json)).collect();
        if values.is_empty() {
            return Ok(None);
        }
        let (distinct, places) = distinct(&values);
        let folder = Folder::of(id);
        let mut opened = Vec::with_capacity(distinct.len());
        let mut unopened = None;
        let opening: Vec<_> =
            distinct.iter().map(|json| self.open_one(id, &folder, json).boxed()).collect();
        let mut opening = self.at_once(opening);
        while let Some(answer) = opening.next().await {
            match answer {
                Ok(json) => opened.push(Some(json)),
                Err(error) if error.is_of_payload() => {
                    if counts(&error) {
                        // Who can do without what was erased must hear of the others.
                        if matches!(unopened, None | Some(PayloadError::Erased)) {
                            unopened = Some(error);
                        }
                    } else {
                        tracing::error!(everstep.execution.id = %id, %error, "of a message");
                    }
                    opened.push(None);
                }
                Err(error) => return Err(error),
            }
        }
        drop(opening);
        for (value, place) in values.iter_mut().zip(places) {
            if let Some(json) = &opened[place] {
                **value = json.clone();
            }
        }
        Ok(unopened)
    }

    async fn open_one(
        &self,
        id: &ExecutionId,
        folder: &Folder,
        json: &Json,
    ) -> Result<Json, PayloadError> {
        match (Sealed::read(json)?, &self.0) {
            (None, _) => Ok(json.clone()),
            (Some(Sealed::Escaped(value)), _) => Ok(value),
            (Some(Sealed::Newer { version }), _) => Err(PayloadError::Newer { version }),
            (Some(Sealed::Stored { bytes, codecs, stored }), Some(config)) => {
                config.open(id, folder, bytes, &codecs, stored).await
            }
            (Some(Sealed::Stored { bytes, codecs, stored }), None) => Err(match (stored, codecs) {
                (Stored::Here(_), mut codecs) if !codecs.is_empty() => {
                    PayloadError::NoCodec { bytes, codec: codecs.remove(0) }
                }
                _ => PayloadError::NoStore { bytes },
            }),
        }
    }
}

impl Config {
    async fn open(
        &self,
        id: &ExecutionId,
        folder: &Folder,
        bytes: u64,
        codecs: &[String],
        stored: Stored,
    ) -> Result<Json, PayloadError> {
        let decoders = self.decoders(codecs, bytes)?;
        let _room = self.room.take_in_time(usize::try_from(bytes).unwrap_or(usize::MAX)).await?;
        let content = match stored {
            Stored::Here(data) => STANDARD
                .decode(data)
                .map_err(|error| PayloadError::damaged(format!("it is no base64: {error}")))?,
            Stored::At(at) => self.get(folder, &at).await?,
        };
        let scope = CodecScope::new(id, folder, &*self.store);
        let whole = usize::try_from(bytes).unwrap_or(usize::MAX);
        let content = decode(&decoders, &scope, content, whole).await?;
        if content.len() as u64 != bytes {
            let found = content.len();
            return Err(PayloadError::damaged(format!("it has {found} bytes instead of {bytes}")));
        }
        let text = String::from_utf8(content)
            .map_err(|error| PayloadError::damaged(format!("it is no text: {error}")))?;
        Json::parse(text).map_err(|error| PayloadError::damaged(format!("it is no JSON: {error}")))
    }

    /// The codecs of these names, for something of `bytes` bytes.
    pub(super) fn decoders(
        &self,
        codecs: &[String],
        bytes: u64,
    ) -> Result<Vec<&dyn Codec>, PayloadError> {
        let decoder = |name: &String| {
            let known = self.codecs.iter().find(|codec| codec.name() == name);
            let no_codec = || PayloadError::NoCodec { bytes, codec: name.clone() };
            known.map(|codec| &**codec).ok_or_else(no_codec)
        };
        codecs.iter().map(decoder).collect()
    }

    /// The blob of this name, which has these bytes.
    pub(super) async fn get(&self, folder: &Folder, at: &str) -> Result<Vec<u8>, PayloadError> {
        let name = folder
            .blob(at)
            .ok_or_else(|| PayloadError::damaged(format!("{at:.80?} is no name of a blob")))?;
        let Some(bytes) = again(|| self.store.get(&name)).await? else {
            let erased = folder.blob(ERASED).unwrap_or_else(|| unreachable!("a name"));
            return Err(match again(|| self.store.get(&erased)).await? {
                Some(_) => PayloadError::Erased,
                None => PayloadError::Missing { blob: name.to_string() },
            });
        };
        if hash_of(&bytes) != at {
            let problem = format!("what the payload store has as {name} has another hash");
            return Err(PayloadError::damaged(problem));
        }
        Ok(bytes)
    }
}

/// What these codecs have made of at most `bytes_max` bytes, the last first.
pub(super) async fn decode(
    decoders: &[&dyn Codec],
    scope: &CodecScope<'_>,
    mut content: Vec<u8>,
    bytes_max: usize,
) -> Result<Vec<u8>, PayloadError> {
    for (index, codec) in decoders.iter().enumerate().rev() {
        // What another codec made of it may be a little larger.
        let bytes_max = if index == 0 { bytes_max } else { PAYLOAD_BYTES_MAX + 65_536 };
        content = again(|| codec.decode(scope, &content, bytes_max)).await?;
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::super::{MemoryPayloads, PayloadStore};
    use super::*;

    #[tokio::test]
    async fn what_was_erased_hides_nothing_else_that_is_wrong() {
        let (id, store) = (ExecutionId::new("order-1").expect("an id"), MemoryPayloads::new());
        let erased = Folder::of(&id).blob(ERASED).expect("a name");
        store.put(&erased, &b"now".into()).await.expect("memory");
        let payloads = Payloads::new(store);
        let stored = Stored::At("0".repeat(64));
        let mut gone = Sealed::Stored { bytes: 7, codecs: vec![], stored }.write();
        let newer = Json::parse(r#"{"$everstep":{"v":2,"what":1}}"#.to_owned()).expect("JSON");
        for [mut one, mut two] in [[gone.clone(), newer.clone()], [newer, gone.clone()]] {
            let unopened = payloads.open_all(&id, vec![&mut one, &mut two], |_| true).await;
            let unopened = unopened.expect("it answers");
            assert!(matches!(unopened, Some(PayloadError::Newer { .. })), "{unopened:?}");
        }
        let error = payloads.open(&id, &mut gone).await.expect_err("it is erased");
        assert!(matches!(error, PayloadError::Erased), "{error:?}");
    }
}
