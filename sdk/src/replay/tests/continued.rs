//! Logs of executions that continued as new: where a run begins, and what it was handed on.

use super::code::Code;
use super::history::stored;
use super::*;
use crate::event::{Carried, ContinuedAsNew, StoredCommit};
use crate::replay::{History, TakenIds};

fn carried(at: i64, messages: &[Event], taken: &[(&str, i64)]) -> Event {
    let mut known = TakenIds::default();
    for (id, at) in taken {
        known.insert((*id).to_owned(), Timestamp(*at));
    }
    let hours = known.carried(Timestamp(at), &[]);
    let at = Timestamp(at);
    Event::Carried(Carried { at, messages: messages.to_vec(), taken: Vec::new(), hours })
}

fn continued(at: i64) -> Event {
    Event::ContinuedAsNew(ContinuedAsNew { at: Timestamp(at) })
}

fn run(number: u32) -> Event {
    started_as("order-1", number)
}

/// Two runs: the second begins in commit 1, with a signal of the first.
fn two_runs() -> Vec<StoredCommit> {
    let kept = came(103, "s", "1");
    stored(&[
        &[run(1)],
        &[
            claim(101, 900),
            timer(102, 0, "sleep#1", 700),
            kept.clone(),
            cancel(103, "enough"),
            carried(104, &[kept], &[("s/103", 103), ("cancel/103", 103)]),
            continued(104),
            run(2),
        ],
        &[claim(105, 950), done(106, 0, "a#1", "1")],
    ])
}

#[test]
fn a_run_begins_with_its_start_and_what_it_was_handed_on() {
    let log = two_runs();
    // From the start of the log, and from where the run begins.
    for from in [0, 1] {
        let history = History::read(&log[from..], from as u64).expect("a sound log");
        let expected = [run(2), came(103, "s", "1"), claim(105, 950), done(106, 0, "a#1", "1")];
        assert_eq!(history.events, expected, "from {from}");
        assert_eq!((history.first, history.last, history.start().run), (1, 2, 2));
        assert_eq!(history.last_hash, log[2].hash);
        assert!(["cancel/103", "s/103"].iter().all(|id| history.taken.contains(id)));
        assert_eq!(history.taken.carried(Timestamp(106), &[])[0].ids.len(), 2);
        assert!(!history.ended && history.open_turn.is_some());
        assert!(history.armed.is_empty() && history.wake_at.is_none());
    }
}

#[test]
fn a_run_that_was_only_begun_waits_for_its_first_turn() {
    for from in [0, 1] {
        let history = History::read(&two_runs()[from..2], from as u64).expect("a sound log");
        assert!(history.open_turn.is_none() && history.turn_end.is_none() && !history.ended);
        assert_eq!((history.strikes, history.last, history.first), (0, 1, 1));
    }
}

#[test]
fn what_is_handed_on_may_be_spread_over_commits() {
    let [one, two] = [came(101, "s", "1"), came(102, "s", "2")];
    let log = stored(&[
        &[run(1), one.clone(), two.clone()],
        &[claim(103, 900), carried(104, std::slice::from_ref(&one), &[("s/101", 101)])],
        &[carried(104, std::slice::from_ref(&two), &[])],
        &[continued(104), run(2)],
    ]);
    for from in [0, 1] {
        let history = History::read(&log[from..], from as u64).expect("a sound log");
        assert_eq!(history.events, [run(2), one.clone(), two.clone()]);
        assert_eq!(history.first, 1);
    }
}

#[test]
fn what_a_dead_turn_meant_to_hand_on_counts_for_nothing() {
    let [one, two] = [came(101, "s", "1"), came(102, "s", "2")];
    let log = [
        &[run(1), one.clone()][..],
        &[claim(103, 900), carried(104, std::slice::from_ref(&one), &[])],
        // Another host, which found another signal there.
        &[claim(901, 1_900), two.clone()],
        &[carried(905, std::slice::from_ref(&two), &[]), continued(905), run(2)],
    ];
    let dead = History::read(&stored(&log[..2]), 0).expect("a sound log");
    assert_eq!(dead.events, [run(1), one, claim(103, 900)]);
    assert!(dead.open_turn.is_some());
    let history = History::read(&stored(&log), 0).expect("a sound log");
    assert_eq!((history.events, history.first), (vec![run(2), two], 3));
}

/// A run is handed on the latest ids, and not all that the log before it has.
#[test]
fn what_is_known_to_be_taken_does_not_depend_on_where_reading_begins() {
    let log = stored(&[
        &[run(1), came(101, "s", "1"), came(102, "s", "2")],
        // Of a turn that died before the next run's start.
        &[claim(103, 900), carried(104, &[], &[("s/101", 101)])],
        &[claim(901, 1_800), carried(905, &[], &[("s/102", 102)]), continued(905), run(2)],
    ]);
    for from in [0, 2] {
        let history = History::read(&log[from..], from as u64).expect("a sound log");
        assert!(history.taken.contains("s/102") && !history.taken.contains("s/101"), "{from}");
    }
    let dead = History::read(&log[..2], 0).expect("a sound log");
    assert!(["s/101", "s/102"].iter().all(|id| dead.taken.contains(id)));
    assert_eq!(dead.taken.carried(Timestamp(904), &[])[0].ids.len(), 2);
}

#[test]
fn a_run_that_was_started_again_knows_what_was_taken_before() {
    let log = stored(&[
        &[run(1), came(101, "s", "1"), completed(102)],
        &[carried(103, &[], &[("s/101", 101)]), run(2)],
    ]);
    for from in [0, 1] {
        let history = History::read(&log[from..], from as u64).expect("a sound log");
        assert_eq!(history.events, [run(2)]);
        assert!(history.taken.contains("s/101"));
    }
}

#[test]
fn several_runs_are_read_from_any_of_them() {
    let runs: Vec<Vec<Event>> =
        (2..=5).map(|number| vec![claim(101, 900), continued(102), run(number)]).collect();
    let start = [run(1)];
    let commits: Vec<&[Event]> =
        std::iter::once(&start[..]).chain(runs.iter().map(Vec::as_slice)).collect();
    let log = stored(&commits);
    for from in 0..5 {
        // A record that is behind names an earlier run.
        let history = History::read(&log[from..], from as u64).expect("a sound log");
        assert_eq!((history.start().run, history.first, history.last), (5, 4, 4));
    }
}

#[test]
fn runs_that_do_not_follow_each_other_are_refused() {
    let check = |commits: &[&[Event]], from: usize, expected: &str| {
        let log = stored(commits);
        let corrupt = History::read(&log[from..], from as u64).err().map(|it| it.to_string());
        let expected = format!("of the log cannot be trusted: {expected}");
        assert!(corrupt.as_ref().is_some_and(|it| it.ends_with(&expected)), "{corrupt:?}");
    };
    let first = [run(1)];
    check(&[&first, &[continued(102), run(1)]], 0, "it starts run 1, and run 2 is next");
    check(&[&first, &[continued(102), run(3)]], 0, "it starts run 3, and run 2 is next");
    check(
        &[&first, &[continued(102), run(2)], &[continued(103), run(1)]],
        1,
        "it starts run 1, and run 3 is next",
    );
    check(&[&first, &[run(2)]], 0, "it starts the execution again before its end");
    check(
        &[&first, &[carried(102, &[], &[]), run(2)]],
        0,
        "it starts the execution again before its end",
    );
    check(
        &[&first, &[continued(102), started_as("order-2", 2)]],
        0,
        "it starts a run of another execution, order-2",
    );
    check(
        &[&first, &[continued(102)], &[run(2)]],
        0,
        "it ends a run that continues, and starts no other",
    );
    check(&[&first, &[continued(102), claim(103, 900)]], 0, "it goes on after the execution's end");
    check(&[&first, &[completed(102), continued(102)]], 0, "it goes on after the execution's end");
    check(&[&[continued(102), run(2)]], 0, "a log begins with WorkflowStarted");
    // The record names a commit with which no run begins.
    check(&[&first, &[claim(101, 900)], &[done(102, 0, "a#1", "1")]], 2, "no run begins there");
    check(&[&first, &[claim(101, 900)], &[done(102, 0, "a#1", "1")]], 1, "no run begins before it");
    let log = stored(&[&first, &[claim(101, 900)]]);
    let missing = History::read(&log[1..], 0).err().map(|it| it.to_string());
    assert_eq!(missing.as_deref(), Some("commit 0 of the log cannot be trusted: it is missing"));
}

#[test]
fn a_run_that_was_handed_on_nothing_knows_of_nothing_that_was_taken() {
    let log = stored(&[&[run(1), came(101, "s", "1")], &[claim(102, 900), continued(103), run(2)]]);
    for from in [0, 1] {
        let history = History::read(&log[from..], from as u64).expect("a sound log");
        assert!(!history.taken.contains("s/101"), "from {from}");
        assert_eq!(history.first, 1);
    }
}

#[test]
fn nothing_moves_a_run_that_has_asked_for_the_next_and_the_first_time_counts() {
    let mut c = Code::new(&[done(101, 0, "a#1", "1")]);
    c.step("a").poll([0]).deliver();
    assert!(c.engine.continues().is_none());
    c.engine.continue_with(json("2"));
    c.engine.continue_with(json("3"));
    c.poll([0]);
    assert_eq!(c.seen(), "a#1! - +0 -");
    assert_eq!(c.engine.continues().map(ToString::to_string), Some("2".to_owned()));
}
