//! Deleting executions.

mod error;
mod parents;

use futures::FutureExt;

pub use error::DeleteError;
use parents::Parents;

use super::{Client, HistoryError, ask};
use crate::archive::{Archive, ArchiveError, object_name};
use crate::event::{Commit, Event, HistoryLine, Json, StoredCommit};
use crate::id::ExecutionId;
use crate::limits::{CLOCK_SKEW, GRAVE_REST};
use crate::payload::{PayloadError, Room, SealedPayload, names_attachment};
use crate::store::{Buried, Grave, Loaded, Record};
use crate::time::Timestamp;

/// What was deleted.
///
/// ```
/// use everstep::archive::{Archive, MemoryArchive};
/// use everstep::client::Deleted;
/// use everstep::prelude::*;
///
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let archive = MemoryArchive::new();
/// let backend = Backend::memory().with_archive(Archive::new(archive.clone()));
/// # let app = App::new().workflow(sell).backend(backend.clone());
/// let client = Client::new(&backend);
/// let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// # app.worker().await?.run_until(sale.result()).await??;
///
/// let deleted: Deleted = client.delete(sale.id()).await?;
/// assert!(deleted.is_free); // it had no blobs
/// let name = deleted.archived_as.expect("there is an archive");
/// assert!(archive.objects().contains_key(&name));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// The archive's name for its history, if there is an archive.
    pub archived_as: Option<String>,
    /// Whether its id is free. If not, it is some minutes later: it had blobs, and whoever is just
    /// starting the id again may count on one.
    pub is_free: bool,
}

/// How far a deletion has come.
pub(super) enum Deletion {
    Deleted(Deleted),
    /// It had been deleted before, and its id is free now.
    Freed,
    /// It is not to be deleted yet, or somebody else is at it.
    NotNow,
}

/// Who dug the grave whose blobs are removed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dug {
    Here,
    /// Somebody who may have removed some, nobody knows when.
    Before,
}

impl Client {
    /// Deletes a closed execution: its log, its inbox, its record and its blobs. If there is an
    /// [archive](Archive), its history is there first.
    ///
    /// From one moment on it is there for nobody; a crash before that moment leaves it as it was, and
    /// one after it leaves remains that the next pass removes. Its id is free again: at once, or, if
    /// it had blobs, after a pass some minutes later. A start of that id is a new execution then, whose
    /// steps have the idempotency keys that those of the old one had.
    ///
    /// Of what has just closed some host may still be about to write something: that changes nothing of
    /// the new one.
    ///
    /// Dropping the future is like a crash.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// sale.signal("paid", &true).await?;
    /// sale.result().await?;
    /// client.delete(sale.id()).await?;
    /// assert!(client.describe(sale.id()).await.is_err()); // it is there for nobody
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// See [`DeleteError`]; of an open execution nothing is ever deleted.
    pub async fn delete(&self, id: &ExecutionId) -> Result<Deleted, DeleteError> {
        match self.delete_if(id, |_| true, &Shared::new()).await? {
            Deletion::Deleted(deleted) => Ok(deleted),
            Deletion::Freed => Ok(Deleted { archived_as: None, is_free: true }),
            Deletion::NotNow => Err(HistoryError::Unknown { id: id.clone() }.into()),
        }
    }

    /// Deletes it if it is closed and `wanted`, or goes on with its deletion.
    pub(super) async fn delete_if(
        &self,
        id: &ExecutionId,
        wanted: impl Fn(&Record) -> bool,
        shared: &Shared,
    ) -> Result<Deletion, DeleteError> {
        let mut waited = None;
        let (record, log, room) = loop {
            let Some(loaded) = ask(|| self.store.load_all(id)).await? else {
                return self.go_on_deleting(id).await;
            };
            if !wanted(&loaded.record) {
                return Ok(Deletion::NotNow);
            }
            self.check_record(&loaded.record, &shared.parents).await?;
            let (log, corrupt) = loaded.read();
            if let Some(source) = corrupt {
                return Err(HistoryError::Corrupt { id: id.clone(), readable: log, source }.into());
            }
            let Loaded { record, commits, .. } = loaded;
            if let Some(room) = waited {
                break (record, log, room);
            }
            let bytes = bytes_of(&commits, &log);
            if let Some(room) = shared.room.take(bytes).now_or_never() {
                break (record, log, room);
            }
            // Who waits for room has nothing in memory meanwhile.
            drop((commits, log));
            waited = Some(shared.room.take(bytes).await);
        };
        let archived_as = match &self.archive {
            Some(archive) => Some(self.archive_in(archive, &record, log).await?),
            None => {
                self.check_payloads(id, &log)?;
                None
            }
        };
        drop(room);
        let now = self.clock.now();
        let has_store = self.payloads.has_store();
        let look_at = if has_store { now.after(GRAVE_REST) } else { now };
        let grave = Grave { look_at, emptied: !has_store };
        match ask(|| self.store.bury(&record, &grave)).await? {
            Buried::Done => {}
            Buried::Refused { .. } => return Err(DeleteError::Changed { id: id.clone() }),
            Buried::NoExecution => return Ok(Deletion::NotNow),
        }
        let is_free = self.empty_grave(id, grave, now, Dug::Here).await?;
        Ok(Deletion::Deleted(Deleted { archived_as, is_free }))
    }

    /// Whether an execution with this record is there to be deleted.
    async fn check_record(&self, record: &Record, parents: &Parents) -> Result<(), DeleteError> {
        let (id, status) = (&record.id, record.projection.status);
        if !status.is_closed() {
            return Err(DeleteError::Open { id: id.clone(), status });
        }
        if record.projection.untold.is_some() {
            return Err(DeleteError::Untold { id: id.clone() });
        }
        if let Some(parent) = &record.parent
            && !parents.know(self, parent, id).await?
        {
            return Err(DeleteError::Child { id: id.clone(), parent: parent.execution.clone() });
        }
        Ok(())
    }

    /// What was buried by somebody who did not come to its end.
    async fn go_on_deleting(&self, id: &ExecutionId) -> Result<Deletion, DeleteError> {
        let Some(grave) = ask(|| self.store.grave(id)).await? else { return Ok(Deletion::NotNow) };
        let now = self.clock.now();
        if grave.look_at > now {
            return Ok(Deletion::NotNow);
        }
        if grave.emptied {
            ask(|| self.store.remove(id, &grave)).await?;
            return Ok(Deletion::Freed);
        }
        if !self.payloads.has_store() {
            let source = PayloadError::NoStore { bytes: 0 };
            return Err(DeleteError::Payloads { id: id.clone(), source });
        }
        let mine = Grave { look_at: now.after(GRAVE_REST), emptied: false };
        if !ask(|| self.store.rebury(id, &grave, &mine)).await? {
            return Ok(Deletion::NotNow);
        }
        match self.empty_grave(id, mine, now, Dug::Before).await? {
            true => Ok(Deletion::Freed),
            false => Ok(Deletion::NotNow),
        }
    }

    /// Removes the blobs of a buried execution, and then its remains; or leaves these for later, if
    /// there were blobs, or may have been. Returns whether its id is free.
    ///
    /// A start of that id seals what it brings before it learns that the id is not free: it may have
    /// counted on a blob that is removed here. It is refused as long as the grave stands, and that is
    /// longer than a start takes, and than a process remembers a data key.
    async fn empty_grave(
        &self,
        id: &ExecutionId,
        grave: Grave,
        since: Timestamp,
        dug: Dug,
    ) -> Result<bool, DeleteError> {
        if !grave.emptied {
            // Whoever takes over after a pause that long removes them: not both.
            let until = since.after(GRAVE_REST / 2);
            let emptied = self.payloads.empty(id, || self.clock.now() < until).await;
            let blobs = |source| DeleteError::Blobs { id: id.clone(), source };
            let removed =
                emptied.map_err(|error| blobs(Some(error)))?.ok_or_else(|| blobs(None))?;
            if removed > 0 || dug == Dug::Before {
                let look_at = self.clock.now().after(GRAVE_REST);
                let rests = Grave { look_at, emptied: true };
                ask(|| self.store.rebury(id, &grave, &rests)).await?;
                return Ok(false);
            }
        }
        ask(|| self.store.remove(id, &grave)).await?;
        Ok(true)
    }

    /// Puts the history into the archive, with its payloads opened, and returns its name there.
    async fn archive_in(
        &self,
        archive: &Archive,
        record: &Record,
        mut log: Vec<Commit>,
    ) -> Result<String, DeleteError> {
        let id = &record.id;
        let payloads = |source| DeleteError::Payloads { id: id.clone(), source };
        match self.payloads.open_commits(id, &mut log).await.map_err(payloads)? {
            // Nobody will ever read these.
            None | Some(PayloadError::Erased) => {}
            Some(error) => return Err(payloads(error)),
        }
        let archived = |source| DeleteError::Archive { id: id.clone(), source };
        let mut lines = String::new();
        for line in HistoryLine::of(id, &log) {
            let line = line.to_text().map_err(|error| {
                let remedy = "an event cannot be written as JSON".to_owned();
                archived(ArchiveError::Unusable { remedy, source: Some(error.into()) })
            })?;
            lines.push_str(&line);
            lines.push('\n');
        }
        let closed_at = log.iter().flat_map(|commit| &commit.events).last().map(Event::at);
        let closed_at = closed_at.unwrap_or(record.projection.updated_at);
        drop(log);
        let name = object_name(&record.workflow, closed_at, id, lines.as_bytes());
        archive.keep(&name, lines.as_bytes()).await.map_err(archived)?;
        Ok(name)
    }

    /// Whether this program can find the blobs of an execution.
    fn check_payloads(&self, id: &ExecutionId, log: &[Commit]) -> Result<(), DeleteError> {
        if self.payloads.has_store() {
            return Ok(());
        }
        let mut in_store = None;
        let mut look = |json: &Json| {
            if SealedPayload::of(json).is_some() || names_attachment(json) {
                in_store.get_or_insert(json.as_str().len() as u64);
            }
        };
        log.iter().flat_map(|commit| &commit.events).for_each(|event| event.payloads(&mut look));
        match in_store {
            None => Ok(()),
            Some(bytes) => {
                let source = PayloadError::NoStore { bytes };
                Err(DeleteError::Payloads { id: id.clone(), source })
            }
        }
    }
}

/// How much memory a history takes while it is archived: its lines with their payloads opened, what the
/// archive's client makes of them, and what is read back.
fn bytes_of(commits: &[StoredCommit], log: &[Commit]) -> usize {
    let mut bytes: usize = commits.iter().map(|commit| commit.body.len()).sum();
    let mut add = |json: &Json| {
        let sealed = SealedPayload::of(json).and_then(|sealed| sealed.bytes).unwrap_or(0);
        bytes = bytes.saturating_add(usize::try_from(sealed).unwrap_or(usize::MAX));
    };
    log.iter().flat_map(|commit| &commit.events).for_each(|event| event.payloads(&mut add));
    bytes.saturating_mul(3)
}

/// What deletions that go on at the same time share.
pub(super) struct Shared {
    parents: Parents,
    /// That in which histories are.
    room: Room,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { parents: Parents::default(), room: Room::new() }
    }
}

// The one that removes blobs stops long before the next may, and no process remembers a data key when
// the id is free.
const _: () = assert!(
    GRAVE_REST.as_millis()
        > crate::limits::DATA_KEY_KEPT_FOR.as_millis() + 2 * CLOCK_SKEW.as_millis()
);
