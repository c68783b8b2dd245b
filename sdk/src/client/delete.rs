//! Deleting executions.

mod error;
mod parents;

pub use error::DeleteError;
use parents::Parents;

use super::pages::{LogPages as Log, Page, opened_together, sealed_bytes};
use super::{Client, HistoryError, ask};
use crate::archive::{Archive, ArchiveError, Disk, Spool, object_name};
use crate::event::{CorruptCommit, Event, HistoryLine, Json};
use crate::id::ExecutionId;
use crate::limits::{CLOCK_SKEW, GRAVE_REST};
use crate::payload::{PayloadError, Room, SealedPayload, names_attachment};
use crate::store::{Buried, Grave, Record};
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
        let mut log = Log::new(self, id);
        let page = match log.next().await {
            Ok(Some(page)) => page,
            Ok(None) | Err(HistoryError::Unknown { .. }) => return self.go_on_deleting(id).await,
            Err(error) => return Err(error.into()),
        };
        let record = page.record.clone();
        if !wanted(&record) {
            return Ok(Deletion::NotNow);
        }
        self.check_record(&record, &shared.parents).await?;
        let archived_as = match &self.archive {
            Some(archive) => self.archive_in(archive, page, log, shared).await.map(Some),
            None => self.check_payloads(page, log).await.map(|()| None),
        };
        let archived_as = match archived_as {
            // Somebody else has buried it meanwhile.
            Err(DeleteError::History(HistoryError::Unknown { .. })) => return Ok(Deletion::NotNow),
            archived_as => archived_as?,
        };
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

    /// Puts the history into the archive, with its payloads opened, and returns its name there. Nothing
    /// of it is in memory but a page of it, and the payloads that are being opened.
    async fn archive_in(
        &self,
        archive: &Archive,
        first: Page,
        mut log: Log<'_>,
        shared: &Shared,
    ) -> Result<String, DeleteError> {
        let id = log.id.clone();
        let archived = |source| DeleteError::Archive { id: id.clone(), source };
        let mut spool = Spool::new(&shared.disk);
        let (workflow, mut closed_at) =
            (first.record.workflow.clone(), first.record.projection.updated_at);
        let mut page = Some(first);
        while let Some(Page { commits, corrupt, .. }) = page {
            for mut commit in commits {
                let mut rest = &mut commit.events[..];
                while !rest.is_empty() {
                    let count = opened_together(rest, std::slice::from_ref);
                    let (some, others) = std::mem::take(&mut rest).split_at_mut(count);
                    rest = others;
                    // As they are opened, and as they are written.
                    let room = shared.room.take(sealed_bytes(some).saturating_mul(2)).await;
                    self.open_to_archive(&id, some).await?;
                    for event in &*some {
                        let line = HistoryLine::new(&id, commit.number, event).to_text();
                        let line = line.map_err(|error| {
                            let remedy = "an event cannot be written as JSON".to_owned();
                            let source = Some(error.into());
                            archived(ArchiveError::Unusable { remedy, source })
                        })?;
                        spool.line(&line).map_err(archived)?;
                        closed_at = event.at();
                    }
                    // Nobody waits for the disk while others wait for this room.
                    drop(room);
                    spool.settle().await.map_err(archived)?;
                }
            }
            page = self.page_after(&mut log, corrupt).await?;
        }
        let object = spool.finish().map_err(archived)?;
        let name = object_name(&workflow, closed_at, &id, object.sha256());
        archive.keep(&name, &object).await.map_err(archived)?;
        Ok(name)
    }

    async fn open_to_archive(
        &self,
        id: &ExecutionId,
        events: &mut [Event],
    ) -> Result<(), DeleteError> {
        let payloads = |source| DeleteError::Payloads { id: id.clone(), source };
        match self.payloads.open_events(id, events).await.map_err(payloads)? {
            // Nobody will ever read these.
            None | Some(PayloadError::Erased) => Ok(()),
            Some(error) => Err(payloads(error)),
        }
    }

    /// The page after one of which this is wrong.
    async fn page_after(
        &self,
        log: &mut Log<'_>,
        corrupt: Option<CorruptCommit>,
    ) -> Result<Option<Page>, DeleteError> {
        match corrupt {
            None => Ok(log.next().await?),
            Some(source) => {
                let (id, readable) = (log.id.clone(), Vec::new());
                Err(HistoryError::Corrupt { id, readable, source }.into())
            }
        }
    }

    /// Whether the log is whole, and this program can find the blobs of the execution.
    async fn check_payloads(&self, first: Page, mut log: Log<'_>) -> Result<(), DeleteError> {
        let mut in_store = None;
        let mut look = |json: &Json| {
            if SealedPayload::of(json).is_some() || names_attachment(json) {
                in_store.get_or_insert(json.as_str().len() as u64);
            }
        };
        let mut page = Some(first);
        while let Some(Page { commits, corrupt, .. }) = page {
            let mut events = commits.iter().flat_map(|commit| &commit.events);
            events.by_ref().for_each(|event| event.payloads(&mut look));
            page = self.page_after(&mut log, corrupt).await?;
        }
        match in_store.filter(|_| !self.payloads.has_store()) {
            None => Ok(()),
            Some(bytes) => {
                let source = PayloadError::NoStore { bytes };
                Err(DeleteError::Payloads { id: log.id, source })
            }
        }
    }
}

/// What deletions that go on at the same time share.
pub(super) struct Shared {
    parents: Parents,
    /// That in which payloads are.
    room: Room,
    disk: Disk,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { parents: Parents::default(), room: Room::new(), disk: Disk::new() }
    }
}

// The one that removes blobs stops long before the next may, and no process remembers a data key when
// the id is free.
const _: () = assert!(
    GRAVE_REST.as_millis()
        > crate::limits::DATA_KEY_KEPT_FOR.as_millis() + 2 * CLOCK_SKEW.as_millis()
);
