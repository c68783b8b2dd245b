//! Results that come with writes, which are one transaction with the commit that has the result.

use std::sync::Arc;

use super::{Halt, Turn};
use crate::context::{WritesGo, catch_panic};
use crate::replay::Together;
use crate::turn::Kitchen;
use crate::turn::bodies::Ended;
use crate::turn::log::WrittenWith;

/// An attempt whose body has returned.
pub(super) struct Waiting {
    pub(super) seq: u32,
    pub(super) attempt: u32,
    pub(super) took_us: u64,
    pub(super) together: Together,
}

impl Kitchen {
    /// What becomes of writes that bodies return here.
    pub(super) fn writes_go(&self) -> WritesGo {
        match self.store.takes_writes() {
            true => WritesGo::WithTheEvent,
            false => WritesGo::Elsewhere(Arc::clone(self.registry.states())),
        }
    }
}

impl Turn<'_> {
    /// Writes the results that came with writes, each in a commit of its own.
    ///
    /// Invariant: such a result is neither delivered nor in any other commit before its writes are
    /// done, and they are done in no transaction but that of its commit. So a host that has lost its
    /// place does none of them, and what was not answered the next commit with that number decides
    /// (rule 37). What waits here when the turn ends has done nothing.
    pub(super) async fn write_together(&mut self) -> Result<(), Halt> {
        while let Some(waiting) = self.together.pop_front() {
            // A refusal holds nothing back, and a commit of its own has room for the result.
            self.write().await?;
            let Waiting { seq, attempt, took_us, together } = waiting;
            let Together { output, writes, refused } = together;
            let completed = self.completed(seq, attempt, took_us, output);
            self.sequence.push(completed);
            let sealed = self.seal_unwritten().await?;
            match self.log.append_with(&sealed, &writes).await? {
                WrittenWith::Durable => {
                    self.note_completed(seq);
                    self.wrote(Some(&sealed));
                }
                WrittenWith::Lost => return Err(Halt::Lost),
                WrittenWith::Refused(refusal) => {
                    self.sequence.take_back();
                    // The user's code says what error that is.
                    let result = catch_panic(|| refused(refusal));
                    self.body_ended(Ended { seq, attempt, took_us, result });
                }
            }
        }
        Ok(())
    }
}
