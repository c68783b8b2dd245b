//! Signals by name: what has come and who waits.

use std::collections::{BTreeMap, VecDeque};

use crate::event::{Event, SignalReceived};

/// All channels of a run.
///
/// Invariant: a channel never has both a signal and a waiter.
#[derive(Default)]
pub(super) struct Signals {
    channels: BTreeMap<String, Channel>,
    received: u64,
}

#[derive(Default)]
struct Channel {
    kept: VecDeque<Box<Kept>>,
    waiters: VecDeque<u32>,
}

/// A signal that was received.
#[derive(Debug)]
pub(crate) struct Kept {
    /// How many were received before it.
    place: u64,
    pub(crate) signal: SignalReceived,
}

impl Signals {
    /// A signal has come: the call it goes to, or `None` if it is kept.
    pub(super) fn arrive(&mut self, signal: &SignalReceived) -> Option<(u32, Box<Kept>)> {
        let kept = Box::new(Kept { place: self.received, signal: signal.clone() });
        self.received += 1;
        let channel = self.channel(&signal.name);
        match channel.waiters.pop_front() {
            Some(seq) => Some((seq, kept)),
            None => {
                channel.kept.push_back(kept);
                None
            }
        }
    }

    /// Call `seq` waits: the oldest kept signal, or `None` and it is in line.
    pub(super) fn wait(&mut self, name: &str, seq: u32) -> Option<Box<Kept>> {
        let channel = self.channel(name);
        let kept = channel.kept.pop_front();
        if kept.is_none() {
            channel.waiters.push_back(seq);
        }
        kept
    }

    /// Call `seq` waits no more.
    pub(super) fn leave(&mut self, name: &str, seq: u32) {
        self.channel(name).waiters.retain(|waiter| *waiter != seq);
    }

    /// A signal was given to a wait that was dropped before it took it: it is the oldest again,
    /// and goes to the next in line, if there is one.
    pub(super) fn give_back(&mut self, kept: Box<Kept>) -> Option<(u32, Box<Kept>)> {
        let channel = self.channel(&kept.signal.name);
        match channel.waiters.pop_front() {
            Some(seq) => Some((seq, kept)),
            None => {
                channel.kept.push_front(kept);
                None
            }
        }
    }

    /// What was received and nobody has taken, in the order it came.
    pub(super) fn unconsumed(&self) -> impl Iterator<Item = Event> {
        let mut kept: Vec<_> = self.channels.values().flat_map(|channel| &channel.kept).collect();
        kept.sort_unstable_by_key(|kept| kept.place);
        kept.into_iter().map(|kept| Event::SignalReceived(kept.signal.clone()))
    }

    /// Whether any call waits.
    pub(super) fn has_waiters(&self) -> bool {
        self.channels.values().any(|channel| !channel.waiters.is_empty())
    }

    fn channel(&mut self, name: &str) -> &mut Channel {
        if !self.channels.contains_key(name) {
            self.channels.insert(name.to_owned(), Channel::default());
        }
        self.channels.get_mut(name).expect("inserted above")
    }
}
