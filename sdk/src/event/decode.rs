//! The commits of a log as events, on several threads where there are many.

use std::num::NonZero;
use std::ops::Range;
use std::sync::OnceLock;
use std::thread;

use super::commit::Previous;
use super::{CorruptCommit, Event, StoredCommit};
use crate::id::CommitNumber;

/// Below this a thread costs more than it saves; a commit takes about two thirds of a microsecond.
const COMMITS_PER_THREAD_MIN: usize = 1_000;

/// More threads than this would take too much from the other executions of a host.
const THREADS_MAX: usize = 4;

/// A stretch of commits, read on a thread of its own.
struct Stretch {
    /// All their events.
    events: Vec<Event>,
    /// How many of these each commit has.
    counts: Vec<usize>,
    /// What is wrong with the commit after them, if that ends the stretch.
    corrupt: Option<CorruptCommit>,
}

/// Reads and verifies all commits, of which the first must have the number `from`, and gives each
/// with its events to `take`, in order. A commit's own bytes prove its hash, and its text the hash of
/// the one before, so each is verified by itself.
///
/// # Errors
/// The first commit that is not what was written, or that `take` refuses.
pub(crate) fn decode(
    commits: &[StoredCommit],
    from: CommitNumber,
    take: impl FnMut(&StoredCommit, &mut dyn Iterator<Item = Event>) -> Result<(), CorruptCommit>,
) -> Result<(), CorruptCommit> {
    let threads = (commits.len() / COMMITS_PER_THREAD_MIN).clamp(1, threads_max());
    decode_on(commits, from, threads, take)
}

fn decode_on(
    commits: &[StoredCommit],
    from: CommitNumber,
    threads: usize,
    mut take: impl FnMut(&StoredCommit, &mut dyn Iterator<Item = Event>) -> Result<(), CorruptCommit>,
) -> Result<(), CorruptCommit> {
    let each = commits.len().div_ceil(threads).max(1);
    let end = |index: usize| commits.len().min(index * each);
    let stretch = |index: usize| end(index)..end(index + 1);
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|index| scope.spawn(move || read(commits, from, stretch(index))))
            .collect();
        // The first one here, commit by commit: memory for all its events would be fresh from the
        // system, and used once.
        let mut events = Vec::new();
        for index in stretch(0) {
            read_one(commits, from, index, &mut events)?;
            take(&commits[index], &mut events.drain(..))?;
        }
        for (index, other) in (1..).zip(others) {
            let Stretch { events, counts, corrupt } = other.join().expect("decoding never panics");
            let mut events = events.into_iter();
            for (count, commit) in counts.into_iter().zip(&commits[stretch(index)]) {
                take(commit, &mut events.by_ref().take(count))?;
            }
            corrupt.map_or(Ok(()), Err)?;
        }
        Ok(())
    })
}

fn read(commits: &[StoredCommit], from: CommitNumber, stretch: Range<usize>) -> Stretch {
    let mut read = Stretch {
        events: Vec::with_capacity(stretch.len()),
        counts: Vec::with_capacity(stretch.len()),
        corrupt: None,
    };
    for index in stretch {
        let there = read.events.len();
        if let Err(corrupt) = read_one(commits, from, index, &mut read.events) {
            read.events.truncate(there);
            read.corrupt = Some(corrupt);
            break;
        }
        read.counts.push(read.events.len() - there);
    }
    read
}

fn read_one(
    commits: &[StoredCommit],
    from: CommitNumber,
    index: usize,
    events: &mut Vec<Event>,
) -> Result<(), CorruptCommit> {
    let number = from + index as CommitNumber;
    if commits[index].number != number {
        return Err(CorruptCommit::missing(number));
    }
    let previous = match index.checked_sub(1) {
        Some(before) => Previous::Hash(commits[before].hash),
        None => Previous::before(from),
    };
    commits[index].decode_into(events, previous)
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
    fn read_on(
        threads: usize,
        log: &[StoredCommit],
        from: CommitNumber,
    ) -> (Vec<Vec<Event>>, Option<CommitNumber>) {
        let mut commits = Vec::new();
        let read = decode_on(log, from, threads, |commit, events| {
            assert_eq!(commit.number, from + commits.len() as CommitNumber);
            commits.push(events.collect());
            Ok(())
        });
        (commits, read.err().map(|corrupt| corrupt.number))
    }

    #[test]
    fn any_number_of_threads_reads_the_same() {
        for commits in [0, 1, 2, 5, 12] {
            let log = log(commits);
            let alone = read_on(1, &log, 0);
            assert_eq!((alone.0.len() as u64, alone.1), (commits, None));
            for threads in 2..=5 {
                assert_eq!(read_on(threads, &log, 0), alone, "{commits} on {threads}");
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
                let (commits, named) = read_on(threads, &log, 0);
                assert_eq!((commits.len(), named), (wrong, Some(wrong as u64)));
            }
        }
    }

    #[test]
    fn a_link_between_two_stretches_is_verified_too() {
        let (mut mine, other) = (log(4), log(4));
        mine[2..].clone_from_slice(&other[2..]);
        assert_eq!(read_on(2, &mine, 0).1, Some(2));
    }

    #[test]
    fn a_log_is_read_from_any_commit_on() {
        let log = log(12);
        let all = read_on(1, &log, 0).0;
        for threads in 1..=3 {
            let (tail, corrupt) = read_on(threads, &log[5..], 5);
            assert_eq!((tail.as_slice(), corrupt), (&all[5..], None));
            assert_eq!(read_on(threads, &log[5..], 4).1, Some(4), "one is missing");
            assert_eq!(read_on(threads, &log[5..], 0).1, Some(0), "five are missing");
        }
    }
}
