//! What is stored of both, what hosts have in their hands, and what happens around them.

use super::turn::{Step, first_step};
use crate::small;

/// A world to be searched.
#[derive(Clone, Copy)]
pub(super) struct Setup {
    pub(super) rules: Rules,
    /// Whether the child ends by itself; else only a cancel ends it.
    pub(super) child_returns: bool,
    /// Whether somebody may cancel the parent.
    pub(super) cancel: bool,
    /// The close policy: leave, or cancel.
    pub(super) leave: bool,
    pub(super) faults: Faults,
}

/// The rules that can be taken away.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) asked_first: bool,
    pub(super) own_start_known: bool,
    pub(super) told_before_record: bool,
    pub(super) item_known: bool,
    pub(super) cancelled_before_record: bool,
    pub(super) made_before_cancelled: bool,
}

/// How many faults are left.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    pub(super) crashes: u8,
    pub(super) lost_wakes: u8,
    pub(super) duplicates: u8,
    /// Starts of a child whose sender has died and which land later, or never.
    pub(super) late_creates: u8,
}

impl Setup {
    /// All rules, a child that returns, and nobody who cancels.
    pub(super) fn ours(faults: Faults) -> Self {
        let rules = Rules {
            asked_first: true,
            own_start_known: true,
            told_before_record: true,
            item_known: true,
            cancelled_before_record: true,
            made_before_cancelled: true,
        };
        Self { rules, child_returns: true, cancel: false, leave: false, faults }
    }
}

/// What must never be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(crate) enum Violation {
    /// The parent takes its own child for another's execution.
    Disowned,
    /// The parent hears of one end twice.
    HeardTwice,
    // Of the model of what is told.
    /// Something is sent again though who wrote the record knew that it was sent.
    ToldForNothing,
    // Of the model of lives.
    /// What was written for an earlier execution is in the log of a later one.
    ForeignCommit,
    /// A record says what the log has not.
    ShowsEnd,
    /// A message was accepted and is lost.
    ItemLost,
    /// An execution is deleted that nobody has read.
    BuriedUnread,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Parent {
    /// How many commits the log has.
    pub(super) commits: u8,
    pub(super) requested: bool,
    pub(super) started: bool,
    pub(super) disowned: bool,
    /// How often ChildCompleted is in the log.
    pub(super) heard: u8,
    pub(super) ended: bool,
    // The record.
    pub(super) closed: bool,
    pub(super) looks_idle: bool,
    // The inbox.
    pub(super) cancel: bool,
    pub(super) results: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Child {
    pub(super) exists: bool,
    pub(super) commits: u8,
    pub(super) ended: bool,
    // The record.
    pub(super) closed: bool,
    pub(super) looks_idle: bool,
    // The inbox.
    pub(super) cancel: bool,
}

/// Whom a wake names.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Of {
    Parent,
    Child,
}

/// A turn: whose, where it stands, and what it has loaded.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Turn {
    pub(super) of: Of,
    pub(super) step: Step,
    pub(super) parent: Parent,
    pub(super) child: Child,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) parent: Parent,
    pub(super) child: Child,
    pub(super) wakes: [u8; 2],
    pub(super) hosts: [Option<Turn>; 2],
    /// A start of the child is on its way, and its sender is dead.
    pub(super) create_in_flight: bool,
    pub(super) cancel_asked: bool,
    pub(super) faults: Faults,
    pub(super) violation: Option<Violation>,
}

/// A step of the world.
pub(super) type Action = small::Action<State>;

impl State {
    /// The parent was started, and its wake is on the queue.
    pub(super) fn new(setup: &Setup) -> Self {
        Self {
            parent: Parent { commits: 1, ..Parent::default() },
            child: Child::default(),
            wakes: [1, 0],
            hosts: [None; 2],
            create_in_flight: false,
            cancel_asked: false,
            faults: setup.faults,
            violation: None,
        }
    }

    /// Both have ended and their records say so, or the child never was.
    pub(super) fn is_goal(&self) -> bool {
        self.parent.closed
            && (!self.child.exists || self.child.closed)
            && !self.create_in_flight
            && self.hosts == [None; 2]
    }

    pub(super) fn wake(&mut self, of: Of) {
        let wakes = &mut self.wakes[of as usize];
        *wakes = (*wakes + 1).min(2);
    }

    pub(super) fn make_child(&mut self) {
        if !self.child.exists {
            self.child = Child { exists: true, commits: 1, ..Child::default() };
        }
    }

    pub(super) fn actions(&self, setup: &Setup, out: &mut Vec<Action>) {
        self.around(setup, out);
        for at in 0..2 {
            match self.hosts[at] {
                None => self.receive(at, out),
                Some(turn) => {
                    let mut to = *self;
                    let what = to.go_on(setup, at, turn);
                    out.push(Action { what, is_fault: false, to });
                    self.crash(at, turn, out);
                }
            }
        }
    }

    fn receive(&self, at: usize, out: &mut Vec<Action>) {
        for of in [Of::Parent, Of::Child] {
            if self.wakes[of as usize] > 0 {
                let mut to = *self;
                to.wakes[of as usize] -= 1;
                // Nothing is loaded yet, and of the other one nothing ever is.
                let (parent, child) = (Parent::default(), Child::default());
                to.hosts[at] = Some(Turn { of, step: first_step(), parent, child });
                out.push(Action { what: "a host receives a wake", is_fault: false, to });
            }
        }
    }

    fn crash(&self, at: usize, turn: Turn, out: &mut Vec<Action>) {
        if self.faults.crashes == 0 {
            return;
        }
        let mut to = *self;
        to.faults.crashes -= 1;
        to.hosts[at] = None;
        // Its message was not deleted: it comes back.
        to.wake(turn.of);
        out.push(Action { what: "! a host dies", is_fault: true, to });
        if turn.step.creates() && self.faults.late_creates > 0 {
            to.faults.late_creates -= 1;
            to.create_in_flight = true;
            out.push(Action { what: "! a host dies, its create on the way", is_fault: true, to });
        }
    }

    fn around(&self, setup: &Setup, out: &mut Vec<Action>) {
        let mut push = |what, is_fault, change: &dyn Fn(&mut Self)| {
            let mut to = *self;
            change(&mut to);
            out.push(Action { what, is_fault, to });
        };
        if setup.cancel && !self.cancel_asked && !self.parent.closed {
            push("somebody cancels the parent", false, &|s| {
                s.cancel_asked = true;
                s.parent.cancel = true;
                s.wake(Of::Parent);
            });
        }
        if self.create_in_flight {
            push("the late create lands", false, &|s| {
                s.create_in_flight = false;
                s.make_child();
            });
            push("the late create is lost", false, &|s| s.create_in_flight = false);
        }
        for of in [Of::Parent, Of::Child] {
            let wakes = self.wakes[of as usize];
            if wakes > 0 && self.faults.lost_wakes > 0 {
                push("! a wake is lost", true, &|s| {
                    s.faults.lost_wakes -= 1;
                    s.wakes[of as usize] -= 1;
                });
            }
            if wakes == 1 && self.faults.duplicates > 0 {
                push("! a wake comes twice", true, &|s| {
                    s.faults.duplicates -= 1;
                    s.wake(of);
                });
            }
            // The sweeper, and the child's own timer.
            let (parent, child) = (&self.parent, &self.child);
            let overdue = match of {
                Of::Parent => {
                    !parent.closed && (!parent.looks_idle || parent.cancel || parent.results > 0)
                }
                Of::Child => {
                    let due = !child.looks_idle || child.cancel || setup.child_returns;
                    child.exists && !child.closed && due
                }
            };
            if overdue && wakes == 0 {
                push("the sweeper sends a wake", false, &|s| s.wake(of));
            }
        }
    }
}
