//! What there is to undo, and which steps are let end before.
//!
//! Beside the words of [`Code`]: `[1 2]` are the steps that are let end if compensation starts now,
//! `[nothing]` if there is nothing to undo either; `undo a#1` is the call of an undo step,
//! `waits` says that it is not time for one, `over` that there is none left.

use super::code::{Code, Never, check, check_fault};
use super::*;
use crate::event::{CompensationCause, CompensationStarted};
use crate::replay::{Body, NextUndo, Undo};
use crate::retry::Retry;

/// An undo that nobody runs here.
struct Takes;

impl Undo for Takes {
    fn body(
        self: Box<Self>,
        _: &OperationKey,
        _: Json,
        _: &Json,
        _: Option<Retry>,
    ) -> Result<Box<dyn Body>, String> {
        Ok(Box::new(Never))
    }
}

impl Code {
    /// Calls a step with an undo.
    #[track_caller]
    fn undoable(&mut self, name: &'static str) -> &mut Self {
        self.step(name);
        let seq = u32::try_from(self.calls() - 1).expect("few calls");
        self.engine.set_undo(seq, Box::new(Takes));
        self
    }

    /// Registers an undo by hand.
    fn by_hand(&mut self, name: &str) -> &mut Self {
        self.engine.register_undo(name, std::panic::Location::caller(), Box::new(Takes));
        self
    }

    fn finishing<const N: usize>(&mut self, running: [u32; N]) -> &mut Self {
        let word = match self.engine.finishing(&running) {
            None => "[nothing]".to_owned(),
            Some(finishing) => {
                let each: Vec<_> = finishing.iter().map(ToString::to_string).collect();
                format!("[{}]", each.join(" "))
            }
        };
        self.saw(word)
    }

    fn undo(&mut self) -> &mut Self {
        let (next, registered) = self.engine.next_undo();
        let word = match next {
            NextUndo::Waits => "waits".to_owned(),
            NextUndo::Done => "over".to_owned(),
            NextUndo::Called(seq) => {
                if let Some(registered) = registered {
                    let key = self.engine.key(seq).clone();
                    let body = registered.body(&key).expect("a body");
                    self.engine.set_body(seq, body);
                }
                let input = self.engine.step(seq).input.to_string();
                format!("{}{input}", self.engine.key(seq))
            }
        };
        self.saw(word)
    }
}

fn undoing(at: i64, finishing: &[u32]) -> Event {
    let cause = CompensationCause::Cancelled { reason: "enough".to_owned() };
    let (at, finishing) = (Timestamp(at), finishing.to_vec());
    Event::CompensationStarted(CompensationStarted { at, cause, finishing })
}

fn interrupted(at: i64, seq: u32, key: &str) -> Event {
    let Event::StepAttemptFailed(mut of) = tried(at, seq, key, 1, at) else { unreachable!() };
    of.failure = Failure::Interrupted { message: "gone".to_owned() };
    Event::StepAttemptFailed(of)
}

#[test]
fn what_has_a_result_is_undone_last_in_first_out() {
    let log = [done(101, 0, "a#1", "1"), done(102, 2, "a#2", "2"), undoing(103, &[])];
    check(
        &log,
        |c| {
            c.undoable("a").poll([0]).deliver().by_hand("a").step("b").undoable("a").poll([2]);
            c.deliver().finishing([]).deliver().undo().undo().undo().undo()
        },
        "a#1! - +0 b#1 a#2! - +2 [] + undo a#1{\"undoes\":\"a#2\"} undo a#2{} \
         undo a#3{\"undoes\":\"a#1\"} over",
    );
}

#[test]
fn where_nothing_has_an_undo_there_is_nothing_to_do() {
    check(
        &[done(101, 0, "a#1", "1")],
        |c| c.step("a").poll([0]).deliver().finishing([0]),
        "a#1! - +0 [nothing]",
    );
    check(
        &[failed(101, 0, "a#1", "1")],
        |c| c.undoable("a").poll([0]).deliver().finishing([]),
        "a#1! - +0 [nothing]",
    );
    check(&[], |c| c.undoable("a").poll([0]).finishing([]), "a#1 - [nothing]");
}

#[test]
fn a_body_that_runs_is_let_end_and_undone() {
    check(
        &[claim(100, 200)],
        |c| {
            c.undoable("a").poll([0]).deliver().asked().finishing([0]).drop(0);
            c.happens(&undoing(150, &[0])).asked().needs(0).undo();
            c.happens(&done(151, 0, "a#1", "7")).needs(0).undo()
        },
        "a#1 - . [0] [0] x + [0] body waits + nothing undo a#1{\"undoes\":\"a#1\"}",
    );
    // Its own error says that it did nothing.
    check(
        &[],
        |c| {
            c.undoable("a").poll([0]).drop(0).happens(&undoing(150, &[0])).undo();
            c.happens(&tried(151, 0, "a#1", 1, 151)).needs(0).undo()
        },
        "a#1 - x + waits + nothing over",
    );
    // What leaves a doubt does not.
    check(
        &[],
        |c| {
            c.undoable("a").poll([0]).drop(0).happens(&undoing(150, &[0]));
            c.happens(&interrupted(151, 0, "a#1")).needs(0).undo();
            c.happens(&failed(152, 0, "a#1", "1")).needs(0).undo()
        },
        "a#1 - x + . body waits + nothing over",
    );
}

#[test]
fn a_body_that_is_postponed_did_nothing_but_knows_nothing_of_those_before_it() {
    check(
        &[],
        |c| {
            c.undoable("a").poll([0]).drop(0).happens(&undoing(150, &[0])).undo();
            c.happens(&postponed(151, 0, "a#1", 1, 900)).needs(0).undo()
        },
        "a#1 - x + waits + nothing over",
    );
    check(
        &[],
        |c| {
            c.undoable("a").poll([0]).drop(0).happens(&undoing(150, &[0]));
            c.happens(&interrupted(151, 0, "a#1")).happens(&postponed(152, 0, "a#1", 2, 900));
            c.needs(0).undo().happens(&done(900, 0, "a#1", "7")).needs(0).undo()
        },
        "a#1 - x + . . body waits + nothing undo a#1{\"undoes\":\"a#1\"}",
    );
    let dead = [claim(100, 200), claim(210, 310), postponed(220, 0, "a#1", 1, 900)];
    check(&dead, |c| c.undoable("a").poll([0]).deliver_all().finishing([]), "a#1 - . . . [0]");
}

#[test]
fn what_a_dead_turn_may_have_run_is_in_doubt() {
    let dead = [claim(100, 200), claim(210, 310)];
    check(&dead, |c| c.undoable("a").poll([0]).deliver_all().finishing([]), "a#1 - . . [0]");
    // Never waited for, or given up before anything could start.
    check(&dead, |c| c.undoable("a").deliver_all().finishing([]), "a#1 . . [nothing]");
    check(
        &dead,
        |c| c.undoable("a").poll([0]).drop(0).deliver_all().finishing([]),
        "a#1 - x . . [nothing]",
    );
    // Given up only when it may have run.
    let gave_up = [claim(100, 200), came(150, "s", "1"), claim(210, 310)];
    check(
        &gave_up,
        |c| c.undoable("a").poll([0]).deliver().deliver().drop(0).deliver().finishing([]),
        "a#1 - . + x . [0]",
    );
    // Called in the dead turn, as the first that has an undo.
    let later = [claim(100, 200), done(110, 0, "a#1", "1"), claim(210, 310)];
    check(
        &later,
        |c| {
            c.step("a").poll([0]).deliver().deliver().undoable("b").poll([1]).deliver();
            c.finishing([])
        },
        "a#1! - . +0 b#1 - . [1]",
    );
    // A plain step is not.
    check(&dead, |c| c.step("a").poll([0]).deliver_all().finishing([]), "a#1 - . . [nothing]");
}

#[test]
fn a_turn_that_ended_leaves_no_doubt_unless_it_blocked_or_gave_up() {
    let ended = |reason| [claim(100, 200), over(110, reason, None, &[]), claim(120, 220)];
    let code = |c: &mut Code| {
        c.undoable("a").poll([0]).deliver_all().finishing([]);
    };
    for (reason, expected) in [
        (TurnEnd::Suspended, "a#1 - . . . [nothing]"),
        (TurnEnd::Yielded, "a#1 - . . . [nothing]"),
        (TurnEnd::Blocked, "a#1 - . . . [0]"),
        (TurnEnd::GaveUp, "a#1 - . . . [0]"),
    ] {
        check(
            &ended(reason),
            |c| {
                code(c);
                c
            },
            expected,
        );
    }
}

#[test]
fn a_step_in_its_back_off_is_in_doubt_only_if_the_next_attempt_could_start_in_the_dead_turn() {
    let log = |retry_at, lease_end| {
        [claim(100, lease_end), tried(110, 0, "a#1", 1, retry_at), claim(1_000, 1_100)]
    };
    let code = |c: &mut Code| {
        c.undoable("a").poll([0]).deliver_all().finishing([]);
    };
    check(
        &log(500, 200),
        |c| {
            code(c);
            c
        },
        "a#1 - . . . [nothing]",
    );
    check(
        &log(150, 200),
        |c| {
            code(c);
            c
        },
        "a#1 - . . . [0]",
    );
    let renewed =
        [claim(100, 200), tried(110, 0, "a#1", 1, 500), renewed(190, 600), claim(1_000, 1_100)];
    check(
        &renewed,
        |c| {
            code(c);
            c
        },
        "a#1 - . . . . [0]",
    );
}

#[test]
fn an_interrupted_attempt_leaves_a_doubt_until_the_next_one_has_ended() {
    let log = [claim(100, 200), interrupted(110, 0, "a#1"), tried(120, 0, "a#1", 2, 900)];
    check(
        &log,
        |c| c.undoable("a").poll([0]).deliver().deliver().finishing([]).deliver().finishing([]),
        "a#1 - . . [0] . [nothing]",
    );
}

#[test]
fn a_result_settles_every_doubt() {
    let log = [claim(100, 200), claim(210, 310), done(220, 0, "a#1", "1"), claim(400, 500)];
    check(
        &log,
        |c| c.undoable("a").poll([0]).deliver_all().finishing([]).undo(),
        "a#1! - . . +0 . [] undo a#1{\"undoes\":\"a#1\"}",
    );
}

#[test]
fn a_replay_takes_the_recorded_steps_and_undoes_in_the_recorded_order() {
    let log = [
        claim(100, 200),
        done(110, 0, "a#1", "1"),
        undoing(120, &[1]),
        done(130, 1, "a#2", "2"),
        done_with(140, 2, "undo a#1", "{\"undoes\":\"a#2\"}", "null"),
    ];
    check(
        &log,
        |c| {
            c.undoable("a").undoable("a").poll([0, 1]).deliver().deliver().drop(1).deliver().undo();
            c.deliver().undo().poll([2]).deliver().poll([2]).undo()
        },
        "a#1! a#2! - - . +0 x + waits + undo a#1{\"undoes\":\"a#2\"} - +2 null \
         undo a#2{\"undoes\":\"a#1\"}",
    );
}

/// A cancel comes first, also if it is taken with what made the workflow ask for its next run.
#[test]
fn what_undoes_a_workflow_takes_the_place_of_the_next_run_too() {
    check(
        &[done(101, 0, "a#1", "1")],
        |c| {
            c.undoable("a").poll([0]).deliver().poll([0]);
            c.engine.continue_with(json("2"));
            c.happens(&undoing(102, &[])).undo().poll([1]).needs(1);
            let continues = c.engine.continues().is_some();
            c.saw(continues.to_string())
        },
        "a#1! - +0 1 + undo a#1{\"undoes\":\"a#1\"} - body false",
    );
}

/// Asked for twice, it would run twice at once.
#[test]
fn a_step_that_is_to_end_is_asked_for_once_though_the_replay_has_asked_for_it() {
    check(
        &[undoing(101, &[0])],
        |c| c.undoable("a").poll([0]).deliver().drop(0).asked(),
        "a#1 - + x [0]",
    );
}

#[test]
fn code_without_the_undo_of_a_step_that_was_let_end_is_a_fault() {
    let text = "code and log disagree at call 1: the log says that it may have to be undone, and it \
                is no step with an undo. Put the old order of calls and the step's undo back and \
                deploy: the execution then goes on";
    check_fault(&[undoing(101, &[0])], |c| c.step("a").poll([0]).deliver(), text);
    check_fault(&[undoing(101, &[0])], |c| c.sleep(500).deliver(), text);
    check_fault(&[undoing(101, &[0])], |c| c.deliver(), text);
}

#[test]
fn what_undoes_a_workflow_does_not_go_on_as_a_new_run() {
    check_fault(
        &[done(101, 0, "a#1", "1"), undoing(102, &[])],
        |c| {
            c.undoable("a").poll([0]).deliver().deliver();
            c.engine.continue_with(Json::null());
            c
        },
        "continue_as_new() while the workflow is undone: what undoes it must come to its end: begin \
         another life by starting the execution again",
    );
}
