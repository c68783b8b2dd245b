//! Children of a run: asked for, started, ended, each when chance says so.

use super::World;
use crate::error::Error;
use crate::event::{ChildCompleted, ChildOutcome, ChildRequested, ChildStarted, Event, Json};
use crate::replay::site;

impl World {
    pub(super) fn ask_for_child(&mut self, seq: u32, requested: bool, started: bool) {
        if self.children.insert(seq, started).is_none() && !requested {
            let at = self.time;
            let event = {
                let mut engine = self.run.engine();
                let (key, site) = (engine.key(seq).clone(), site(engine.location(seq)));
                let asked = engine.asked_child(seq).clone();
                let on_close = asked.on_close();
                let (child, input, waits) = (asked.child, asked.input, asked.waits);
                ChildRequested { at, seq, key, site, child, input, waits, on_close }
            };
            self.happened(Event::ChildRequested(event));
        }
    }

    /// A child starts or ends.
    pub(super) fn move_child(&mut self) {
        let index = self.rng.index(self.children.len());
        let (&seq, &started) = self.children.iter().nth(index).expect("one of them");
        let (key, asked, wanted) = {
            let mut engine = self.run.engine();
            let wanted = engine.request(seq).is_some();
            (engine.key(seq).clone(), engine.asked_child(seq).clone(), wanted)
        };
        let (at, child) = (self.time, asked.child);
        if !started && !wanted {
            self.children.remove(&seq); // Given up before it began: it never does.
            return;
        }
        if !started {
            if asked.waits {
                self.children.insert(seq, true);
            } else {
                self.children.remove(&seq);
            }
            self.happened(Event::ChildStarted(ChildStarted { at, seq, key, child }));
            return;
        }
        self.children.remove(&seq);
        self.pass_time();
        let at = self.time;
        let outcome = match self.rng.below(4) {
            0 => ChildOutcome::Failed { error: Json::record(&Error::msg(seq)).expect("JSON") },
            1 => ChildOutcome::Cancelled { reason: "by chance".to_owned() },
            _ => ChildOutcome::Completed { output: Json::record(&seq).expect("JSON") },
        };
        let ended = ChildCompleted { at, seq, key, child, outcome };
        self.happened(Event::ChildCompleted(ended));
    }
}
