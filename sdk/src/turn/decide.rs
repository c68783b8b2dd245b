//! What a wake leads to: a decision from log, inbox and clock.

use super::children::Family;
use super::terminate::end_asked_for;
use super::{COME_BACK_AFTER, Items, Kitchen, fresh_items};
use crate::event::{TurnEnd, WorkflowTerminated};
use crate::id::ExecutionId;
use crate::limits::{CLOCK_SKEW, STRIKES_MAX};
use crate::replay::{History, OpenTurn};
use crate::store::{InboxItem, Loaded, Message, StoreError};
use crate::time::Timestamp;

/// What to do about an execution.
pub(super) enum Decision {
    /// It has ended.
    Closed,
    /// A turn is at it until `lease_end`.
    LiveClaim { lease_end: Timestamp },
    /// It is blocked and nobody has asked it to go on.
    Blocked,
    /// Its turns die; nobody has asked it to go on.
    Poison,
    /// Somebody asked for its end, with or without its code.
    Terminate(WorkflowTerminated),
    /// It waits, and what it waits for has not come.
    Nothing,
    /// A turn gave up, and the next one is not to try the same again before `until`.
    Rests { until: Timestamp },
    /// A turn, which takes these items.
    Go { items: Items },
}

impl Kitchen {
    /// Rule 6, in the order that matters: a poisoned execution must not be revived by every signal
    /// it gets, nor a blocked one replayed for it.
    pub(super) async fn decide(
        &self,
        loaded: &Loaded,
        history: &History,
    ) -> Result<Decision, StoreError> {
        if history.ended {
            return Ok(Decision::Closed);
        }
        if let Some(open) = &history.open_turn
            && self.is_live(&loaded.record.id, open).await?
        {
            return Ok(Decision::LiveClaim { lease_end: open.claim.lease_end });
        }
        let items = fresh_items(loaded, history);
        let now = self.clock.now();
        if let Some(end) = items.iter().find_map(|item| end_asked_for(item, now)) {
            return Ok(Decision::Terminate(end));
        }
        if items.iter().any(|item| matches!(item.message, Message::Resume)) {
            return Ok(Decision::Go { items });
        }
        if loaded.record.projection.blocks(history.last) {
            return Ok(Decision::Blocked);
        }
        if history.strikes >= STRIKES_MAX {
            return Ok(Decision::Poison);
        }
        let runnable = match history.turn_end {
            // Never run, or its owner died.
            None => true,
            Some(TurnEnd::Yielded) => true,
            // The record is behind: whoever wrote this died before it could say why.
            Some(TurnEnd::Blocked) => true,
            // Each try may run a body again.
            Some(TurnEnd::GaveUp) => match history.wake_at.filter(|until| rests(*until, now)) {
                Some(until) if !moves(&items, history) => return Ok(Decision::Rests { until }),
                _ => true,
            },
            Some(TurnEnd::Suspended) => {
                !items.is_empty() || history.wake_at.is_some_and(|due| now >= due)
            }
        };
        Ok(if runnable { Decision::Go { items } } else { Decision::Nothing })
    }

    /// Whether somebody else may be at work under `open`.
    async fn is_live(&self, id: &ExecutionId, open: &OpenTurn) -> Result<bool, StoreError> {
        if self.clock.now() >= open.claim.lease_end || self.lost_by_this_process(id, open) {
            return Ok(false);
        }
        Ok(!self.store.is_gone(&open.claim.host).await?)
    }

    /// A claim of this very process whose turn is over: it ended by an error.
    fn lost_by_this_process(&self, id: &ExecutionId, open: &OpenTurn) -> bool {
        open.claim.host == self.host && !self.desk.has(id, open.writer)
    }
}

/// Whether a turn that takes these items has something to write of them: the end of a child that
/// this run does not wait for is dropped without a trace.
fn moves(items: &[InboxItem], history: &History) -> bool {
    let mut family = None;
    items.iter().any(|item| match &item.message {
        Message::ChildEnded { run, seq, child, .. } => family
            .get_or_insert_with(|| Family::of(history.start(), &history.events))
            .waits_for(*run, *seq, child),
        _ => true,
    })
}

/// Whether what gave up is to be left alone now. No rest is longer than the longest: what ends later
/// was not reckoned by any clock like this one.
fn rests(until: Timestamp, now: Timestamp) -> bool {
    let [_, longest] = COME_BACK_AFTER;
    now < until && until.since(now) <= longest + CLOCK_SKEW
}
