//! Making a start: idempotent by id, whatever stands there already.

use std::time::Duration;

use super::new_run::NewRun;
use super::{OnConflict, StartError};
use crate::client::{Client, ask};
use crate::event::InputHash;
use crate::id::{ExecutionId, WriterId};
use crate::limits::COMMIT_BYTES_MAX;
use crate::replay::History;
use crate::store::{Created, InboxItem, Loaded, Projection, Record, SeenItem, StoreError};
use crate::wake::Wake;

/// How often a start meets an execution that is being deleted before it says so, and what it waits in
/// between: without blobs a deletion is over by then.
const BURIED_TRIES: u32 = 5;
const BURIED_AGAIN_AFTER: Duration = Duration::from_millis(100);

impl Client {
    /// Whether the execution is new.
    pub(super) async fn start_any(
        &self,
        mut run: NewRun<'_>,
        on_conflict: OnConflict,
    ) -> Result<bool, StartError> {
        let NewRun { id, workflow, input, first, .. } = run;
        let failed = |source| StartError::Store { id: id.clone(), source };
        // What the run before has not told anybody is told with the next.
        let mut untold = None;
        let mut buried = 0;
        loop {
            // Sealing for one that is there would leave a blob behind, perhaps of one that was erased.
            let known = if run.after.is_none() && run.seals(&self.payloads) {
                ask(|| self.store.record(id)).await.map_err(failed)?
            } else {
                None
            };
            let existing = match known {
                Some(record) => Some(Box::new(record)),
                None => match self.create(&run, untold.clone()).await {
                    Ok(existing) => existing,
                    // What was sealed for this try may be removed: the next one seals it again.
                    Err(error @ StartError::Store { source: StoreError::Buried { .. }, .. }) => {
                        // Its data key too, also for whoever starts it later.
                        self.payloads.forget(id);
                        if buried == BURIED_TRIES {
                            return Err(error);
                        }
                        buried += 1;
                        tokio::time::sleep(BURIED_AGAIN_AFTER).await;
                        (run.after, untold) = (None, None);
                        continue;
                    }
                    // It was deleted since it was looked at: this is its first run.
                    Err(StartError::Store { source: StoreError::Corrupt { .. }, .. })
                        if run.after.is_some()
                            && ask(|| self.store.record(id)).await.map_err(failed)?.is_none() =>
                    {
                        (run.after, untold) = (None, None);
                        self.payloads.forget(id);
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            let Some(existing) = existing else {
                #[cfg(feature = "opentelemetry")]
                crate::telemetry::link_to_run(id, run.number());
                self.wake_started(id).await?;
                return Ok(true);
            };
            let refuse = |difference| StartError::Exists {
                id: id.clone(),
                status: existing.projection.status,
                difference,
            };
            match on_conflict {
                OnConflict::Reject => return Err(refuse("and a second start is to be refused")),
                OnConflict::AttachToAny => {}
                OnConflict::Attach => {
                    let Some(loaded) = ask(|| self.store.load(id)).await.map_err(failed)? else {
                        continue; // deleted meanwhile
                    };
                    let history = read(id, &loaded)?;
                    let start = history.start();
                    if start.workflow != workflow {
                        return Err(refuse("as an execution of another workflow"));
                    }
                    let same = match start.first_input {
                        None => {
                            let mut there = start.input.clone();
                            let opened = self.payloads.open(id, &mut there).await;
                            opened.map_err(|error| failed(error.into()))?;
                            there.same(input)
                        }
                        Some(first) => first == InputHash::of(input),
                    };
                    if !same {
                        return Err(refuse("with another input"));
                    }
                }
                OnConflict::Restart | OnConflict::RestartIfClosed
                    if existing.projection.status.is_closed() =>
                {
                    let Some(loaded) = ask(|| self.store.load(id)).await.map_err(failed)? else {
                        continue; // deleted meanwhile
                    };
                    let ended = read(id, &loaded)?;
                    untold = Some(loaded.record.projection.clone());
                    if loaded.record.projection.status.is_closed() {
                        // Rule 18: what came for the run that has ended is not for the next.
                        loaded.report_late(|item_id| ended.taken.contains(item_id));
                        self.empty_inbox(&loaded).await.map_err(failed)?;
                    }
                    let again = on_conflict == OnConflict::RestartIfClosed;
                    if again && first.iter().any(|first| ended.taken.contains(&first.id)) {
                        return Ok(false);
                    }
                    // It may have been erased meanwhile, and this process not know.
                    self.payloads.forget(id);
                    (run.after, run.born) = (Some(ended), loaded.record.born);
                    continue;
                }
                OnConflict::RestartIfClosed => {}
                OnConflict::Restart => return Err(refuse("and only a closed one starts again")),
            }
            if !existing.projection.status.is_closed() {
                // Rule 2: the first start may have died before its wake.
                self.wake_started(id).await?;
            }
            self.send_first(id, first).await?;
            return Ok(false);
        }
    }

    /// Makes the run. `None` if it is there now, and else the record that is in its place.
    async fn create(
        &self,
        run: &NewRun<'_>,
        untold: Option<Projection>,
    ) -> Result<Option<Box<Record>>, StartError> {
        let id = run.id;
        let failed = |source| StartError::Store { id: id.clone(), source };
        // One writer for all tries of one write: an answer that was lost is recognised.
        let writer = WriterId::random();
        let sealed = run.encode(self.clock.now(), writer, &self.payloads).await;
        let (mut record, start) = sealed.map_err(|error| failed(error.into()))?;
        untold.into_iter().for_each(|before| record.projection.take_over_untold(before));
        let bytes = start.body.len();
        if bytes > COMMIT_BYTES_MAX {
            return Err(StartError::TooLarge { id: id.clone(), bytes });
        }
        let created = ask(|| self.store.create(&record, &start)).await.map_err(failed)?;
        Ok(match created {
            Created::New => None,
            Created::Exists { by, .. } if by == Some(writer) => None,
            Created::Exists { record, .. } => Some(record),
        })
    }

    async fn empty_inbox(&self, loaded: &Loaded) -> Result<(), StoreError> {
        let there: Vec<SeenItem> = loaded.inbox.iter().map(InboxItem::seen).collect();
        if there.is_empty() {
            return Ok(());
        }
        ask(|| self.store.remove_items(&loaded.record.id, loaded.record.life(), &there)).await
    }

    async fn wake_started(&self, id: &ExecutionId) -> Result<(), StartError> {
        let wake = Wake::news(id.clone());
        self.wake(&wake).await.map_err(|source| StartError::Wake { id: id.clone(), source })
    }
}

fn read(id: &ExecutionId, loaded: &Loaded) -> Result<History, StartError> {
    let read = History::read(&loaded.commits, loaded.from)
        .and_then(|history| loaded.check_end().map(|()| history));
    read.map_err(|source| StartError::Corrupt { id: id.clone(), source })
}
