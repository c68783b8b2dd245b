//! The commits of a log as events, on several threads where there are many.

use std::num::NonZero;
use std::sync::OnceLock;
use std::thread;

use super::commit::Previous;
use super::{CorruptCommit, Event, StoredCommit};
use crate::id::CommitNumber;

/// Below this a thread costs more than it saves; a commit takes about two thirds of a microsecond.
const COMMITS_PER_THREAD_MIN: usize = 1_000;

/// More threads than this would take too much from the other executions of a host.
const THREADS_MAX: usize = 4;

/// A stretch of commits.
pub(crate) struct Decoded {
    /// All their events.
    pub(crate) events: Vec<Event>,
    /// How many of these each commit has.
    pub(crate) counts: Vec<usize>,
    /// What is wrong with the commit after them, if that ends the stretch.
    pub(crate) corrupt: Option<CorruptCommit>,
}

/// Reads and verifies all commits, of which the first must have the number `from`. A commit's own
/// bytes prove its hash, and its text the hash of the one before, so each is verified by itself.
pub(crate) fn decode(commits: &[StoredCommit], from: CommitNumber) -> Vec<Decoded> {
    let threads = (commits.len() / COMMITS_PER_THREAD_MIN).clamp(1, threads_max());
    decode_on(commits, from, threads)
}

fn decode_on(commits: &[StoredCommit], from: CommitNumber, threads: usize) -> Vec<Decoded> {
    let each = commits.len().div_ceil(threads).max(1);
    let stretch = |first: usize| decode_from(commits, from, first, each);
    thread::scope(|scope| {
        let others: Vec<_> =
            (1..threads).map(|index| scope.spawn(move || stretch(index * each))).collect();
        let mut all = vec![stretch(0)];
        all.extend(others.into_iter().map(|thread| thread.join().expect("decoding never panics")));
        all
    })
}

fn decode_from(
    commits: &[StoredCommit],
    from: CommitNumber,
    first: usize,
    count: usize,
) -> Decoded {
    let end = commits.len().min(first + count);
    let mut decoded = Decoded {
        events: Vec::with_capacity(end.saturating_sub(first)),
        counts: Vec::with_capacity(end.saturating_sub(first)),
        corrupt: None,
    };
    for index in first..end {
        let there = decoded.events.len();
        let number = from + index as CommitNumber;
        let previous = match index.checked_sub(1) {
            Some(before) => Previous::Hash(commits[before].hash),
            None => Previous::before(from),
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{TurnEnd, TurnEnded, WaitsFor};
    use crate::id::WriterId;
    use crate::time::Timestamp;

    fn log(commits: u64) -> Vec<StoredCommit> {
        let mut log: Vec<StoredCommit> = Vec::new();
        for number in 0..commits {
            let wake_at = i64::try_from(number).ok().map(Timestamp);
            let (at, reason) = (Timestamp(0), TurnEnd::Suspended);
            let event = Event::TurnEnded(TurnEnded {
                at,
                reason,
                wake_at,
                armed: vec![],
                waits_for: WaitsFor::default(),
            });
            let events = vec![event; 1 + number as usize % 3];
            let previous = log.last().map(|before| before.hash);
            log.push(StoredCommit::encode(number, WriterId::random(), previous, &events));
        }
        log
    }

    /// All events commit by commit, up to what is wrong.
    fn flat(stretches: Vec<Decoded>) -> (Vec<Vec<Event>>, Option<CommitNumber>) {
        let mut commits = Vec::new();
        for Decoded { events, counts, corrupt } in stretches {
            let mut events = events.into_iter();
            commits.extend(counts.iter().map(|count| events.by_ref().take(*count).collect()));
            assert_eq!(events.next(), None, "an event of no commit");
            if let Some(corrupt) = corrupt {
                return (commits, Some(corrupt.number));
            }
        }
        (commits, None)
    }

    #[test]
    fn any_number_of_threads_reads_the_same() {
        for commits in [0, 1, 2, 5, 12] {
            let log = log(commits);
            let alone = flat(decode_on(&log, 0, 1));
            assert_eq!((alone.0.len() as u64, alone.1), (commits, None));
            for threads in 2..=5 {
                assert_eq!(flat(decode_on(&log, 0, threads)), alone, "{commits} on {threads}");
            }
        }
    }

    #[test]
    fn the_first_commit_that_is_wrong_is_named_wherever_the_stretches_end() {
        for wrong in 0..12 {
            let mut log = log(12);
            for at in [wrong, 11] {
                let edited = log[at].body.replace("suspended", "yielded");
                log[at].body = edited.into();
            }
            for threads in 1..=5 {
                let (commits, named) = flat(decode_on(&log, 0, threads));
                assert_eq!((commits.len(), named), (wrong, Some(wrong as u64)));
            }
        }
    }

    #[test]
    fn a_link_between_two_stretches_is_verified_too() {
        let (mut mine, other) = (log(4), log(4));
        mine[2..].clone_from_slice(&other[2..]);
        assert_eq!(flat(decode_on(&mine, 0, 2)).1, Some(2));
    }

    #[test]
    fn a_log_is_read_from_any_commit_on() {
        let log = log(12);
        let all = flat(decode_on(&log, 0, 1)).0;
        for threads in 1..=3 {
            let (tail, corrupt) = flat(decode_on(&log[5..], 5, threads));
            assert_eq!((tail.as_slice(), corrupt), (&all[5..], None));
            assert_eq!(flat(decode_on(&log[5..], 4, threads)).1, Some(4), "one is missing");
            assert_eq!(flat(decode_on(&log[5..], 0, threads)).1, Some(0), "five are missing");
        }
    }
}
