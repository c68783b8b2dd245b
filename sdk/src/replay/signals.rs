//! Signals by name: what has come and who waits.

use std::collections::{BTreeMap, VecDeque};

use crate::event::Json;

/// All channels of a run.
///
/// Invariant: a channel never has both a payload and a waiter.
#[derive(Default)]
pub(super) struct Signals {
    channels: BTreeMap<String, Channel>,
}

#[derive(Default)]
struct Channel {
    payloads: VecDeque<Json>,
    waiters: VecDeque<u32>,
}

impl Signals {
    /// A signal has come: the call it goes to, with its payload, or `None` if it is kept.
    pub(super) fn arrive(&mut self, name: &str, payload: Json) -> Option<(u32, Json)> {
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
    pub(super) fn wait(&mut self, name: &str, seq: u32) -> Option<Json> {
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
    pub(super) fn give_back(&mut self, name: &str, payload: Json) -> Option<(u32, Json)> {
        let channel = self.channel(name);
        match channel.waiters.pop_front() {
            Some(seq) => Some((seq, payload)),
            None => {
                channel.payloads.push_front(payload);
                None
            }
        }
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
