//! Messages of one kind by name: what has come and who waits.

use std::collections::{BTreeMap, VecDeque};

use crate::event::{Event, SignalReceived, UpdateReceived};

/// All channels of a run for one kind of message.
///
/// Invariant: a channel never has both a message and a waiter.
pub(super) struct Channels<M> {
    channels: BTreeMap<String, Channel<M>>,
}

struct Channel<M> {
    kept: VecDeque<Box<Kept<M>>>,
    waiters: VecDeque<u32>,
}

/// A message that was received.
#[derive(Debug)]
pub(crate) struct Kept<M> {
    /// How many messages, of any kind, were received before it.
    place: u64,
    pub(crate) message: M,
}

/// What comes through channels.
pub(super) trait Message: Clone {
    fn name(&self) -> &str;
    fn event(self) -> Event;
}

impl Message for SignalReceived {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(self) -> Event {
        Event::SignalReceived(self)
    }
}

impl Message for UpdateReceived {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(self) -> Event {
        Event::UpdateReceived(self)
    }
}

impl<M> Default for Channels<M> {
    fn default() -> Self {
        Self { channels: BTreeMap::new() }
    }
}

impl<M: Message> Channels<M> {
    /// A message has come, after `place` others: the call it goes to, or `None` if it is kept.
    pub(super) fn arrive(&mut self, place: u64, message: &M) -> Option<(u32, Box<Kept<M>>)> {
        let kept = Box::new(Kept { place, message: message.clone() });
        let channel = self.channel(message.name());
        match channel.waiters.pop_front() {
            Some(seq) => Some((seq, kept)),
            None => {
                channel.kept.push_back(kept);
                None
            }
        }
    }

    /// Call `seq` waits: the oldest kept message, or `None` and it is in line.
    pub(super) fn wait(&mut self, name: &str, seq: u32) -> Option<Box<Kept<M>>> {
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

    /// A message was given to a wait that was dropped before it took it: it is the oldest again,
    /// and goes to the next in line, if there is one.
    pub(super) fn give_back(&mut self, kept: Box<Kept<M>>) -> Option<(u32, Box<Kept<M>>)> {
        let channel = self.channel(kept.message.name());
        match channel.waiters.pop_front() {
            Some(seq) => Some((seq, kept)),
            None => {
                channel.kept.push_front(kept);
                None
            }
        }
    }

    /// What was received and nobody has taken, by its place.
    pub(super) fn unconsumed(&self) -> impl Iterator<Item = (u64, Event)> {
        let kept = self.channels.values().flat_map(|channel| &channel.kept);
        kept.map(|kept| (kept.place, kept.message.clone().event()))
    }

    /// The names that calls wait for, in alphabetical order.
    pub(super) fn waited_for(&self) -> impl Iterator<Item = &String> {
        let waited = |(_, channel): &(&String, &Channel<M>)| !channel.waiters.is_empty();
        self.channels.iter().filter(waited).map(|(name, _)| name)
    }

    fn channel(&mut self, name: &str) -> &mut Channel<M> {
        if !self.channels.contains_key(name) {
            let channel = Channel { kept: VecDeque::new(), waiters: VecDeque::new() };
            self.channels.insert(name.to_owned(), channel);
        }
        self.channels.get_mut(name).expect("inserted above")
    }
}
