//! The workflow: a tiny language, and what a replay of a story comes to.

use crate::host::Finished;
use crate::state::{BRANCHES, NEVER, Violation};
use crate::story::Story;

/// One thing a workflow awaits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    /// A step, by its number.
    Step(u8),
    /// A step whose first attempt fails and is tried again after so many ticks.
    FailsOnce(u8, u8),
    /// An `at_most_once` step with two attempts.
    Once(u8),
    /// A step with an undo, by its number: at most 3.
    Charge(u8),
    /// The undo of that step. In no program: a cancelled workflow's own.
    Undo(u8),
    /// A step whose body never ends by itself.
    Hangs,
    /// A timer.
    Sleep(u8),
    Signal,
    /// A signal or a timer, whichever is first.
    SignalWithin(u8),
    ContinueAsNew,
}

/// Branches that run side by side; the workflow returns when all have ended.
pub(crate) type Program = [&'static [Op]; BRANCHES];

/// What a branch wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// A body.
    Body(Op),
    Wait,
    ContinueAsNew,
    End,
}

/// What a replay came to.
pub(crate) struct Replayed {
    pub needs: [Need; BRANCHES],
    /// Events were added that the log must have.
    pub added: bool,
    pub violation: Option<Violation>,
}

/// Replays `story` up to where it waits, and adds what the workflow does on its way.
///
/// `announced` are the `at_most_once` attempts this very turn announced: one announced by an
/// earlier turn was interrupted.
pub(crate) fn replay(
    program: &Program,
    story: &mut Story,
    announced: [bool; BRANCHES],
    keeps_attempts: bool,
) -> Replayed {
    let mut out = Replayed { needs: [Need::End; BRANCHES], added: false, violation: None };
    if story.cancelled {
        if story.compensating {
            for branch in 0..BRANCHES {
                if let Some(op) = stands_at(program, story, branch) {
                    out.needs[branch] = Need::Body(op);
                }
            }
        }
        return out;
    }
    for branch in 0..BRANCHES {
        out.needs[branch] =
            walk(program[branch], story, branch, announced[branch], keeps_attempts, &mut out);
    }
    out
}

fn walk(
    ops: &[Op],
    story: &mut Story,
    branch: usize,
    announced: bool,
    keeps_attempts: bool,
    out: &mut Replayed,
) -> Need {
    loop {
        let Some(&op) = ops.get(usize::from(story.at[branch])) else { return Need::End };
        let passed = match op {
            Op::Step(step) => story.done & 1 << step != 0,
            Op::FailsOnce(step, _) => {
                let done = story.done & 1 << step != 0;
                if !done && story.timer[branch] != NEVER && !story.fired[branch] {
                    return Need::Wait;
                }
                if !keeps_attempts && !done {
                    story.failed[branch] = 0;
                }
                done
            }
            Op::Once(step) => {
                if story.announced[branch] && !announced {
                    story.announced[branch] = false;
                    story.failed[branch] += 1;
                    out.added = true;
                    if story.failed[branch] == 2 {
                        story.done |= 1 << step;
                    }
                }
                story.done & 1 << step != 0
            }
            Op::Charge(step) => story.done & 1 << step != 0,
            Op::Hangs | Op::Undo(_) => false,
            Op::Sleep(ticks) => {
                if !story.fired[branch] {
                    return wait(story, branch, ticks, out);
                }
                true
            }
            Op::Signal => {
                if story.buffered == 0 {
                    return Need::Wait;
                }
                consume(story, out);
                true
            }
            Op::SignalWithin(ticks) => {
                if story.buffered != 0 {
                    consume(story, out);
                } else if !story.fired[branch] {
                    return wait(story, branch, ticks, out);
                }
                true
            }
            Op::ContinueAsNew => return Need::ContinueAsNew,
        };
        if !passed {
            return Need::Body(op);
        }
        story.at[branch] += 1;
        story.fired[branch] = false;
        story.forget_timer(branch);
        story.failed[branch] = 0;
        story.announced[branch] = false;
    }
}

fn wait(story: &mut Story, branch: usize, ticks: u8, out: &mut Replayed) -> Need {
    if story.timer[branch] == NEVER {
        story.timer[branch] = ticks;
        out.added = true;
    }
    Need::Wait
}

fn consume(story: &mut Story, out: &mut Replayed) {
    let first = story.buffered & story.buffered.wrapping_neg();
    if story.consumed & first != 0 {
        out.violation = Some(Violation::SignalTwice);
    }
    story.consumed |= first;
    story.buffered &= !first;
}

/// The number of the undo of a step, among the steps that are done.
pub(crate) const UNDO: u8 = 4;

/// What a branch stands at: in its program, or in what undoes it.
pub(crate) fn stands_at(program: &Program, story: &Story, branch: usize) -> Option<Op> {
    let op = program[branch].get(usize::from(story.at[branch])).copied();
    if !story.compensating {
        return op;
    }
    if story.finishing != 0 {
        return op.filter(|op| matches!(op, Op::Charge(step) if story.finishing & 1 << step != 0));
    }
    // Last in, first out, one after the other.
    let step = (0..UNDO).rev().find(|step| {
        story.done & 1 << step != 0
            && story.done & 1 << (step + UNDO) == 0
            && has_undo(program, *step)
    })?;
    (branch == 0).then_some(Op::Undo(step))
}

/// Whether `step` has an undo.
pub(crate) fn has_undo(program: &Program, step: u8) -> bool {
    program.iter().any(|branch| branch.contains(&Op::Charge(step)))
}

/// Adds a finished body's result to the story.
pub(crate) fn finish(program: &Program, story: &mut Story, branch: usize, how: Finished) {
    let op = stands_at(program, story, branch);
    match (op, how) {
        (Some(Op::Charge(step)), _) => {
            story.done |= 1 << step;
            story.finishing &= !(1 << step);
            story.doubt &= !(1 << step);
        }
        (Some(Op::Undo(step)), _) => story.done |= 1 << (step + UNDO),
        (Some(Op::Step(step) | Op::FailsOnce(step, _) | Op::Once(step)), Finished::Ok) => {
            story.done |= 1 << step;
            story.announced[branch] = false;
        }
        (Some(Op::FailsOnce(_, ticks)), Finished::Failed) => {
            story.failed[branch] = 1;
            story.timer[branch] = ticks;
            story.fired[branch] = false;
        }
        _ => {}
    }
}
