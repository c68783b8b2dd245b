//! Messages of one kind by name: what has come and who waits.

use std::collections::{BTreeMap, VecDeque};

/// All channels of a run for one kind of message, with what such a message carries.
///
/// Invariant: a channel never has both a payload and a waiter.
pub(super) struct Channels<T> {
    channels: BTreeMap<String, Channel<T>>,
}

struct Channel<T> {
    payloads: VecDeque<T>,
    waiters: VecDeque<u32>,
}

impl<T> Default for Channels<T> {
    fn default() -> Self {
        Self { channels: BTreeMap::new() }
    }
}

impl<T> Channels<T> {
    /// A message has come: the call it goes to, with its payload, or `None` if it is kept.
    pub(super) fn arrive(&mut self, name: &str, payload: T) -> Option<(u32, T)> {
        let channel = self.channel(name);
        match channel.waiters.pop_front() {
            Some(seq) => Some((seq, payload)),
            None => {
                channel.payloads.push_back(payload);
                None
            }
        }
    }

    /// Call `seq` waits: the oldest kept payload, or `None` and it is in line.
    pub(super) fn wait(&mut self, name: &str, seq: u32) -> Option<T> {
        let channel = self.channel(name);
        let payload = channel.payloads.pop_front();
        if payload.is_none() {
            channel.waiters.push_back(seq);
        }
        payload
    }

    /// Call `seq` waits no more.
    pub(super) fn leave(&mut self, name: &str, seq: u32) {
        self.channel(name).waiters.retain(|waiter| *waiter != seq);
    }

    /// A payload was given to a wait that was dropped before it took it: it is the oldest again,
    /// and goes to the next in line, if there is one.
    pub(super) fn give_back(&mut self, name: &str, payload: T) -> Option<(u32, T)> {
        let channel = self.channel(name);
        match channel.waiters.pop_front() {
            Some(seq) => Some((seq, payload)),
            None => {
                channel.payloads.push_front(payload);
                None
            }
        }
    }

    /// The names that calls wait for, in alphabetical order.
    pub(super) fn waited_for(&self) -> impl Iterator<Item = &String> {
        let waited = |(_, channel): &(&String, &Channel<T>)| !channel.waiters.is_empty();
        self.channels.iter().filter(waited).map(|(name, _)| name)
    }

    fn channel(&mut self, name: &str) -> &mut Channel<T> {
        if !self.channels.contains_key(name) {
            let channel = Channel { payloads: VecDeque::new(), waiters: VecDeque::new() };
            self.channels.insert(name.to_owned(), channel);
        }
        self.channels.get_mut(name).expect("inserted above")
    }
}
