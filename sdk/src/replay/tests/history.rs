//! Reading a log: where the execution stands.

use super::*;
use crate::event::{StoredCommit, WorkflowTerminated};
use crate::id::WriterId;
use crate::replay::{Armed, History};

/// The writer of commit `number` here.
pub(super) fn writer(number: u64) -> WriterId {
    WriterId(uuid::Uuid::from_u64_pair(7, number))
}

/// Commits as stored, each by a writer of its own.
pub(super) fn stored(commits: &[&[Event]]) -> Vec<StoredCommit> {
    let mut previous = None;
    let mut log = Vec::new();
    for (number, events) in (0..).zip(commits) {
        let commit = StoredCommit::encode(number, writer(number), previous, events);
        previous = Some(commit.hash);
        log.push(commit);
    }
    log
}

pub(super) fn read(commits: &[&[Event]]) -> History {
    History::read(&stored(commits), 0).expect("a sound log")
}

/// A log of one event a commit, behind its start.
fn read_each(events: &[Event]) -> History {
    let start = [started()];
    let commits: Vec<&[Event]> =
        std::iter::once(&start[..]).chain(events.iter().map(std::slice::from_ref)).collect();
    read(&commits)
}

#[test]
fn a_history_is_all_events_of_the_run_in_order() {
    let events = [claim(101, 900), done(102, 0, "a#1", "1"), came(103, "s", "2"), completed(104)];
    let log = [&[started()][..], &events[..2], &events[2..]];
    let history = read(&log);
    assert_eq!(history.events, log.concat());
    assert_eq!((history.last, history.last_hash), (2, stored(&log)[2].hash));
    assert_eq!(history.time, Timestamp(104));
    assert_eq!(Event::WorkflowStarted(history.start().clone()), started());
}

#[test]
fn a_log_that_was_only_started_waits_for_its_first_turn() {
    let history = read(&[&[started()]]);
    assert!(history.open_turn.is_none() && history.turn_end.is_none() && !history.ended);
    assert_eq!((history.last, history.strikes, history.wake_at), (0, 0, None));
}

#[test]
fn only_progress_takes_strikes_back() {
    let progress = [
        begun(110, 0, "a#1", 1),
        tried(110, 0, "a#1", 1, 200),
        done(110, 0, "a#1", "1"),
        failed(110, 0, "a#1", "1"),
        timer(110, 0, "sleep#1", 500),
        resumed(110),
        over(110, TurnEnd::Suspended, None, &[]),
        completed(110),
        broke(110),
        cancelled(110),
    ];
    let none = [
        renewed(110, 950),
        came(110, "s", "1"),
        cancel(110, "enough"),
        fired(110, 0, "sleep#1"),
        postponed(110, 0, "a#1", 1, 200),
        over(110, TurnEnd::Yielded, None, &[]),
        over(110, TurnEnd::Blocked, None, &[]),
    ];
    let claims = [claim(101, 900), claim(102, 900), claim(103, 900)];
    assert_eq!(read_each(&claims).strikes, 3);
    for (events, strikes) in [(&progress[..], 0), (&none[..], 3)] {
        for event in events {
            let history = read_each(&[&claims[..], std::slice::from_ref(event)].concat());
            assert_eq!(history.strikes, strikes, "after {}", event.kind());
        }
    }
}

#[test]
fn a_turn_that_gives_up_takes_its_own_strike_back_and_no_other() {
    let gave_up = |at| over(at, TurnEnd::GaveUp, Some(500), &[]);
    let log = [claim(101, 900), claim(102, 900), gave_up(103), claim(104, 900), gave_up(105)];
    let history = read_each(&log);
    assert_eq!((history.strikes, history.gave_up), (1, 2));
    assert!(history.open_turn.is_none());
    // It has got somewhere before.
    let log = [claim(101, 900), done(102, 0, "a#1", "1"), gave_up(103), claim(104, 900)];
    let history = read_each(&log);
    assert_eq!((history.strikes, history.gave_up), (1, 1));
    let log = [gave_up(101), claim(102, 900), done(103, 0, "a#1", "1")];
    assert_eq!(read_each(&log).gave_up, 0);
}

#[test]
fn strikes_count_from_the_last_progress() {
    let log = [claim(101, 900), claim(102, 900), done(103, 0, "a#1", "1"), claim(104, 900)];
    assert_eq!(read_each(&log).strikes, 1);
}

#[test]
fn a_turn_is_open_from_its_claim_to_its_end_and_known_by_its_writer() {
    let history = read_each(&[claim(101, 900), done(102, 0, "a#1", "1")]);
    let open = history.open_turn.expect("open");
    assert_eq!((open.writer, open.claim.lease_end), (writer(1), Timestamp(900)));
    let again = read_each(&[claim(101, 900), claim(901, 1_800)]).open_turn.expect("open");
    assert_eq!((again.writer, again.claim.lease_end), (writer(2), Timestamp(1_800)));
    for end in [over(102, TurnEnd::Yielded, None, &[]), completed(102), broke(102), cancelled(102)]
    {
        let history = read_each(&[claim(101, 900), end.clone()]);
        assert!(history.open_turn.is_none(), "after {}", end.kind());
    }
}

#[test]
fn a_renewal_moves_the_end_of_the_lease_of_the_open_turn() {
    let history = read_each(&[claim(101, 900), renewed(500, 1_400), renewed(1_000, 1_900)]);
    let open = history.open_turn.expect("open");
    assert_eq!((open.writer, open.claim.lease_end), (writer(1), Timestamp(1_900)));
}

#[test]
fn how_the_last_turn_ended_is_known_until_the_next_claim() {
    let suspended = over(102, TurnEnd::Suspended, Some(500), &[500, 700]);
    let history = read_each(&[claim(101, 900), suspended.clone()]);
    assert_eq!(history.turn_end, Some(TurnEnd::Suspended));
    assert_eq!(history.wake_at, Some(Timestamp(500)));
    assert_eq!(history.armed, [armed(500, 102), armed(700, 102)]);
    let history = read_each(&[claim(101, 900), suspended.clone(), claim(103, 900)]);
    assert_eq!(history.turn_end, None);
    // The wakes of the turn before are still under way.
    assert_eq!(history.armed, [armed(500, 102), armed(700, 102)]);
    let yielded = over(104, TurnEnd::Yielded, None, &[700]);
    let history = read_each(&[claim(101, 900), suspended, claim(103, 900), yielded]);
    assert_eq!(history.turn_end, Some(TurnEnd::Yielded));
    assert_eq!((history.wake_at, history.armed), (None, vec![armed(700, 102)]));
}

fn armed(due: i64, since: i64) -> Armed {
    Armed { due: Timestamp(due), since: Timestamp(since) }
}

#[test]
fn a_time_is_armed_since_the_first_of_the_ends_that_list_it_without_a_break() {
    let over = |at, times: &[i64]| over(at, TurnEnd::Suspended, Some(500), times);
    let turns = |all: &[&[i64]]| {
        let turn = |(at, times): (i64, &&[i64])| [claim(at, 900), over(at, times)];
        let log: Vec<_> = (101..).zip(all).flat_map(turn).collect();
        read_each(&log).armed
    };
    assert_eq!(turns(&[&[500], &[500, 400], &[500]]), [armed(500, 101)]);
    assert_eq!(turns(&[&[500], &[500, 400], &[400, 500]]), [armed(500, 101), armed(400, 102)]);
    assert_eq!(turns(&[&[500], &[], &[500]]), [armed(500, 103)], "it is another wake");
}

/// Its wakes may have come and gone while it was blocked: also for a turn that follows one which
/// died with the resume in hand.
#[test]
fn after_a_resume_no_time_is_armed() {
    let suspended = over(102, TurnEnd::Suspended, Some(500), &[500]);
    let log = [claim(101, 900), suspended.clone(), claim(103, 900), resumed(104)];
    assert!(read_each(&log).armed.is_empty());
    let again = over(105, TurnEnd::Suspended, Some(500), &[500]);
    let log = [claim(101, 900), suspended, claim(103, 900), resumed(104), again];
    assert_eq!(read_each(&log).armed, [armed(500, 105)]);
}

#[test]
fn every_inbox_item_the_log_has_is_taken() {
    let timed_out = PromiseResult::TimedOut { after_ms: 7 };
    let mut unsent = resolved(107, "q#1", timed_out);
    if let Event::PromiseResolved(unsent) = &mut unsent {
        unsent.id = None;
    }
    let log = [
        claim(101, 900),
        came(102, "s", "1"),
        cancel(103, "enough"),
        resumed(104),
        beat(105, "p#1"),
        kept(106, "p#1", "1"),
        unsent,
    ];
    let history = read_each(&log);
    let taken = ["beat/105", "cancel/103", "promise/p#1", "resume/104", "s/102"];
    assert!(taken.iter().all(|id| history.taken.contains(id)));
    assert_eq!(history.taken.carried(history.time, &[])[0].ids.len(), taken.len());
}

#[test]
fn each_end_ends_it_and_nothing_else_does() {
    for end in [completed(102), broke(102), cancelled(102)] {
        assert!(read_each(&[claim(101, 900), end]).ended);
    }
    let open = [claim(101, 900), over(102, TurnEnd::Blocked, None, &[]), cancel(103, "enough")];
    assert!(!read_each(&open).ended);
}

#[test]
fn the_time_is_the_latest_of_any_event() {
    assert_eq!(read_each(&[done(300, 0, "a#1", "1"), came(200, "s", "1")]).time, Timestamp(300));
    assert_eq!(read_each(&[]).time, Timestamp(START));
}

#[test]
fn a_closed_execution_that_is_started_again_begins_a_new_run() {
    let first = [claim(101, 900), came(102, "s", "1"), done(103, 0, "a#1", "1"), completed(104)];
    let second = [started_as("order-1", 2)];
    let history = read(&[&[started()], &first, &second]);
    assert_eq!(history.events, second, "of the run before nothing is replayed");
    assert_eq!(history.last, 2);
    assert!(!history.ended && history.open_turn.is_none() && history.turn_end.is_none());
    assert_eq!((history.strikes, history.start().run), (0, 2));
    assert!(history.armed.is_empty() && history.wake_at.is_none());
    // A repetition of a signal is one, whichever run took it.
    assert!(history.taken.contains("s/102"));
}

#[test]
fn armed_times_and_strikes_of_a_run_end_with_it() {
    let first = [over(101, TurnEnd::Suspended, Some(500), &[500]), claim(102, 900), cancelled(103)];
    let history = read(&[&[started()], &first, &[started_as("order-1", 2)], &[claim(104, 900)]]);
    assert_eq!((history.strikes, history.wake_at), (1, None));
    assert!(history.armed.is_empty());
}

#[test]
fn a_run_may_end_and_the_next_begin_several_times() {
    let log: Vec<Vec<Event>> = (1..=4)
        .map(|run| vec![started_as("order-1", run), done(101, 0, "a#1", "1"), completed(102)])
        .collect();
    let commits: Vec<&[Event]> = log.iter().map(Vec::as_slice).collect();
    let history = read(&commits);
    assert_eq!((history.events, history.ended), (log[3].clone(), true));
}

/// A terminate writes no claim: how the last turn of the run before has ended says nothing of the
/// new run, which has had none.
#[test]
fn how_the_turns_of_a_run_ended_is_forgotten_with_it() {
    let terminated = Event::WorkflowTerminated(WorkflowTerminated {
        at: Timestamp(103),
        id: "terminate/103".to_owned(),
        reason: "enough".to_owned(),
    });
    let first = [claim(101, 900), over(102, TurnEnd::Suspended, None, &[]), terminated];
    let history = read(&[&[started()], &first]);
    assert_eq!(history.turn_ended_at, Some(Timestamp(102)));
    assert_eq!((history.started_in, history.first), (0, 0));
    let history = read(&[&[started()], &first, &[started_as("order-1", 2)]]);
    assert_eq!(history.turn_end, None);
    assert_eq!((history.started_in, history.first), (2, 2));
    // Whoever reads the new run alone does not see that end, and must not say less.
    assert_eq!(history.turn_ended_at, Some(Timestamp(START)));
}

#[test]
fn before_the_first_turn_of_the_first_run_no_turn_has_ended() {
    assert_eq!(read(&[&[started()]]).turn_ended_at, None);
}
