//! The versions a workflow decides: they go into the log with what depends on them.

use super::drive::Turn;
use crate::event::{Event, VersionChosen};

impl Turn<'_> {
    /// Takes what the workflow has decided since the last time into the sequence, before anything
    /// else it asked for: what depends on a version is never durable without it.
    ///
    /// Nothing is taken of a poll that went wrong, so that a fix is free to decide anew.
    pub(super) fn take_chosen(&mut self) {
        let chosen = {
            let mut engine = self.run.engine();
            if engine.fault().is_some() {
                return;
            }
            engine.take_chosen()
        };
        for chosen in chosen {
            let (at, name, version) = (self.now(), chosen.name, chosen.version);
            self.happened(Event::VersionChosen(VersionChosen { at, name, version }));
        }
    }
}
