//! What a host does, one call at a time.

use super::world::{Of, Setup, State, Turn, Violation};

/// The next call of a turn.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Load,
    // A parent's.
    AppendRequested,
    Create,
    WakeChild,
    AppendStarted,
    AppendDisowned,
    AppendHeard,
    AppendEnd,
    CreateToCancel,
    Cancel,
    WakeCancelled,
    // A child's.
    AppendChildEnd,
    Tell,
    WakeParent,
    // Of both.
    RecordEnd,
    RecordIdle,
    RemoveItems,
    Delete,
}

pub(super) fn first_step() -> Step {
    Step::Load
}

impl Step {
    pub(super) fn creates(self) -> bool {
        matches!(self, Self::Create | Self::CreateToCancel)
    }
}

impl State {
    /// Host `at` makes its next call.
    pub(super) fn go_on(&mut self, setup: &Setup, at: usize, mut turn: Turn) -> &'static str {
        let what = match turn.of {
            Of::Parent => self.parent_turn(setup, &mut turn),
            Of::Child => self.child_turn(setup, &mut turn),
        };
        self.hosts[at] = (turn.step != Step::Delete).then_some(turn);
        what
    }

    fn parent_turn(&mut self, setup: &Setup, turn: &mut Turn) -> &'static str {
        match turn.step {
            Step::Load => {
                turn.parent = self.parent;
                turn.step = after_load(setup, turn);
                "parent: load"
            }
            Step::AppendRequested => {
                self.append(turn, |s| s.parent.requested = true);
                "parent: append ChildRequested"
            }
            Step::Create => {
                turn.step = if self.child.exists && !setup.rules.own_start_known {
                    Step::AppendDisowned
                } else {
                    Step::WakeChild
                };
                self.make_child();
                "parent: create the child"
            }
            Step::WakeChild => {
                self.wake(Of::Child);
                turn.step = Step::AppendStarted;
                "parent: wake the child"
            }
            Step::AppendStarted => {
                self.append(turn, |s| {
                    s.parent.requested = true;
                    s.parent.started = true;
                });
                "parent: append ChildStarted"
            }
            Step::AppendDisowned => {
                self.append(turn, |s| {
                    s.parent.disowned = true;
                    s.violation = Some(Violation::Disowned);
                });
                "parent: append that another has the child's id"
            }
            Step::AppendHeard => {
                self.append(turn, |s| {
                    s.parent.heard += 1;
                    if s.parent.heard > 1 {
                        s.violation = Some(Violation::HeardTwice);
                    }
                });
                "parent: append ChildCompleted"
            }
            Step::AppendEnd => {
                self.append(turn, |s| s.parent.ended = true);
                "parent: append its end"
            }
            Step::CreateToCancel => {
                self.make_child();
                turn.step = Step::Cancel;
                "parent: make the child, to cancel it"
            }
            Step::Cancel => {
                let there = self.child.exists && !self.child.closed;
                self.child.cancel |= there;
                turn.step = if there { Step::WakeCancelled } else { after_cancel(setup) };
                "parent: cancel the child"
            }
            Step::WakeCancelled => {
                self.wake(Of::Child);
                turn.step = after_cancel(setup);
                "parent: wake the cancelled child"
            }
            Step::RecordEnd => {
                self.parent.closed = true;
                let cancels_now =
                    !setup.rules.cancelled_before_record && has_open_child(setup, turn);
                turn.step = if cancels_now { first_cancel(setup, turn) } else { Step::RemoveItems };
                "parent: the record shows the end"
            }
            Step::RecordIdle => {
                self.parent.looks_idle = true;
                // Something arrived since the inbox was read: look again, on the same wake.
                let news = self.parent.results > turn.parent.results
                    || self.parent.cancel != turn.parent.cancel;
                turn.step = if news { Step::Load } else { Step::RemoveItems };
                "parent: the record shows that it waits"
            }
            Step::RemoveItems => {
                if turn.parent.heard > 0 || self.parent.closed {
                    self.parent.results = 0;
                }
                self.parent.cancel &= !self.parent.closed;
                turn.step = Step::Delete;
                "parent: remove items, delete the wake"
            }
            _ => unreachable!("a child's step"),
        }
    }

    fn child_turn(&mut self, setup: &Setup, turn: &mut Turn) -> &'static str {
        match turn.step {
            Step::Load => {
                turn.child = self.child;
                let child = &turn.child;
                turn.step = if !child.exists || child.closed {
                    Step::Delete
                } else if child.ended {
                    end_of_child(setup)
                } else if child.cancel || setup.child_returns {
                    Step::AppendChildEnd
                } else {
                    Step::RecordIdle
                };
                "child: load"
            }
            Step::AppendChildEnd => {
                if self.child.commits == turn.child.commits {
                    self.child.commits += 1;
                    self.child.ended = true;
                    turn.step = end_of_child(setup);
                } else {
                    turn.step = Step::Load;
                }
                "child: append its end"
            }
            Step::Tell => {
                let open = !self.parent.closed;
                if open {
                    // One id, one item; without it each try is another.
                    let most = if setup.rules.item_known { 1 } else { 2 };
                    self.parent.results = (self.parent.results + 1).min(most);
                }
                turn.step = if open { Step::WakeParent } else { after_tell(setup) };
                "child: tell the parent"
            }
            Step::WakeParent => {
                self.wake(Of::Parent);
                turn.step = after_tell(setup);
                "child: wake the parent"
            }
            Step::RecordEnd => {
                self.child.closed = true;
                turn.step =
                    if setup.rules.told_before_record { Step::RemoveItems } else { Step::Tell };
                "child: the record shows the end"
            }
            Step::RecordIdle => {
                self.child.looks_idle = true;
                let news = self.child.cancel != turn.child.cancel;
                turn.step = if news { Step::Load } else { Step::RemoveItems };
                "child: the record shows that it waits"
            }
            Step::RemoveItems => {
                self.child.cancel &= !self.child.closed;
                turn.step = Step::Delete;
                "child: remove items, delete the wake"
            }
            _ => unreachable!("a parent's step"),
        }
    }

    /// A commit of the parent's, if nobody else has written since the log was loaded.
    fn append(&mut self, turn: &mut Turn, change: impl FnOnce(&mut Self)) {
        if self.parent.commits == turn.parent.commits {
            change(self);
            self.parent.commits += 1;
        }
        // The next decision is made from what is stored now.
        turn.step = Step::Load;
    }
}

fn after_load(setup: &Setup, turn: &Turn) -> Step {
    let parent = &turn.parent;
    if parent.closed {
        return Step::RemoveItems;
    }
    if parent.ended {
        let cancels = setup.rules.cancelled_before_record && has_open_child(setup, turn);
        return if cancels { first_cancel(setup, turn) } else { Step::RecordEnd };
    }
    if parent.cancel {
        return Step::AppendEnd;
    }
    let is_new = parent.results > 0 && (parent.heard == 0 || !setup.rules.item_known);
    if is_new {
        return Step::AppendHeard;
    }
    if parent.heard > 0 || parent.disowned {
        return Step::AppendEnd;
    }
    match (parent.requested, parent.started) {
        (false, false) if setup.rules.asked_first => Step::AppendRequested,
        (_, false) => Step::Create,
        (_, true) => Step::RecordIdle,
    }
}

/// Whether the log alone says that the parent has a child to cancel.
fn has_open_child(setup: &Setup, turn: &Turn) -> bool {
    let parent = &turn.parent;
    !setup.leave && parent.requested && parent.heard == 0 && !parent.disowned
}

fn first_cancel(setup: &Setup, turn: &Turn) -> Step {
    let unknown = !turn.parent.started && setup.rules.made_before_cancelled;
    if unknown { Step::CreateToCancel } else { Step::Cancel }
}

fn after_cancel(setup: &Setup) -> Step {
    if setup.rules.cancelled_before_record { Step::RecordEnd } else { Step::RemoveItems }
}

fn end_of_child(setup: &Setup) -> Step {
    if setup.rules.told_before_record { Step::Tell } else { Step::RecordEnd }
}

fn after_tell(setup: &Setup) -> Step {
    if setup.rules.told_before_record { Step::RecordEnd } else { Step::RemoveItems }
}
