//! What parents know of their children: of one whose parent may start it again nothing is deleted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::DeleteError;
use crate::client::{Client, HistoryError, ask};
use crate::event::Event;
use crate::id::ExecutionId;
use crate::replay::History;
use crate::store::ParentRun;

/// What parents know of their children, as one pass has read it. What they know they do not forget,
/// so it need not be the latest.
#[derive(Default)]
pub(super) struct Parents(Mutex<HashMap<ExecutionId, Arc<Known>>>);

impl Parents {
    /// Whether the run `parent` will never start `child` again: it is over, or its log says that the
    /// child was started (rule 29).
    pub(super) async fn know(
        &self,
        client: &Client,
        parent: &ParentRun,
        child: &ExecutionId,
    ) -> Result<bool, DeleteError> {
        let known = self.0.lock().await.get(&parent.execution).cloned();
        let known = match known {
            Some(known) => known,
            None => {
                let known = Arc::new(Known::of(client, &parent.execution).await?);
                self.0.lock().await.insert(parent.execution.clone(), Arc::clone(&known));
                known
            }
        };
        let is_over = known.run.is_none_or(|run| run > parent.run);
        Ok(is_over || known.children.contains(child))
    }
}

struct Known {
    /// The run that is open, if one is.
    run: Option<u32>,
    /// The children that its log says were started, or have ended, and that no other call has asked for
    /// since.
    children: HashSet<ExecutionId>,
}

impl Known {
    async fn of(client: &Client, parent: &ExecutionId) -> Result<Self, DeleteError> {
        let over = Self { run: None, children: HashSet::new() };
        let Some(loaded) = ask(|| client.store.load(parent)).await? else { return Ok(over) };
        if loaded.record.projection.status.is_closed() {
            return Ok(over);
        }
        let history = History::read(&loaded.commits, loaded.from).map_err(|source| {
            HistoryError::Corrupt { id: parent.clone(), readable: Vec::new(), source }
        })?;
        let (mut asked, mut children) = (HashMap::new(), HashSet::<ExecutionId>::new());
        for event in &history.events {
            let seq = match event {
                Event::ChildRequested(request) => {
                    asked.insert(request.seq, request.child.clone());
                    continue;
                }
                Event::ChildStarted(child) => child.seq,
                // Whose end was heard of first has been started, too.
                Event::ChildCompleted(child) => child.seq,
                _ => continue,
            };
            children.extend(asked.remove(&seq));
        }
        for child in asked.values() {
            children.remove(child);
        }
        Ok(Self { run: Some(history.start().run), children })
    }
}
