//! The commits of a log as events, on several threads where there are many.

use std::num::NonZero;
use std::sync::OnceLock;
use std::thread;

use crate::event::{CorruptCommit, Event, StoredCommit};
use crate::id::CommitNumber;

/// Below this a thread costs more than it saves; a commit takes about a microsecond.
const COMMITS_PER_THREAD_MIN: usize = 1_000;

/// More threads than this would take too much from the other executions of a host.
const THREADS_MAX: usize = 4;

/// A stretch of commits.
pub(super) struct Decoded {
    /// All their events.
    pub(super) events: Vec<Event>,
    /// How many of these each commit has.
    pub(super) counts: Vec<usize>,
    /// What is wrong with the commit after them, if that ends the stretch.
    pub(super) corrupt: Option<CorruptCommit>,
}

/// Reads and verifies all commits. A commit's own bytes prove its hash, and its text the hash of
/// the one before, so each is verified by itself.
pub(super) fn decode(commits: &[StoredCommit]) -> Vec<Decoded> {
    let threads = commits.len().div_ceil(COMMITS_PER_THREAD_MIN).clamp(1, threads_max());
    let each = commits.len().div_ceil(threads).max(1);
    let stretch = |first: usize| decode_from(commits, first, each);
    thread::scope(|scope| {
        let others: Vec<_> =
            (1..threads).map(|index| scope.spawn(move || stretch(index * each))).collect();
        let mut all = vec![stretch(0)];
        all.extend(others.into_iter().map(|thread| thread.join().expect("decoding never panics")));
        all
    })
}

fn decode_from(commits: &[StoredCommit], first: usize, count: usize) -> Decoded {
    let end = commits.len().min(first + count);
    let mut decoded = Decoded {
        events: Vec::with_capacity(end.saturating_sub(first)),
        counts: Vec::with_capacity(end.saturating_sub(first)),
        corrupt: None,
    };
    for index in first..end {
        let there = decoded.events.len();
        let previous = index.checked_sub(1).map(|before| commits[before].hash);
        let number = index as CommitNumber;
        let read = if commits[index].number == number {
            commits[index].decode_into(&mut decoded.events, previous)
        } else {
            Err(CorruptCommit::missing(number))
        };
        if let Err(corrupt) = read {
            decoded.events.truncate(there);
            decoded.corrupt = Some(corrupt);
            break;
        }
        decoded.counts.push(decoded.events.len() - there);
    }
    decoded
}

/// The processors, asked for once: the answer costs as much as a hundred commits.
fn threads_max() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS
        .get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX))
}
