//! Alarms of timers, which live outside log and queue: rule 33, kept and removed.
//!
//! One execution that waits for a time T until "go" comes, then for "next", and then for T again.
//! Two hosts without claims and without a sweeper; appends are fenced by the log's length. An alarm
//! for T is set before the commit that counts on it, and taken back when no commit does.

use super::small::{Action, Actions, Case, Model, Verdict};

#[derive(Clone, Copy)]
struct Setup {
    crashes: u8,
    /// An alarm is taken back only once the commit that does not count on it is durable.
    after_commit: bool,
    /// An alarm is known by the commit from which on the log counts on it.
    own_name: bool,
}

/// Every case, in the order of the rules.
pub(crate) fn cases() -> Vec<Case> {
    let kept = Setup { crashes: 1, after_commit: true, own_name: true };
    let without = [
        ("33-after-commit", Setup { after_commit: false, ..kept }),
        ("33-own-name", Setup { own_name: false, ..kept }),
    ];
    let pair = |(name, removed)| Case::pair(name, kept, removed, Verdict::Stuck);
    without.into_iter().flat_map(pair).collect()
}

/// What the workflow waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
enum Phase {
    TimeOrGo,
    Next,
    Time,
    Ended,
}

impl Phase {
    fn waits_for_time(self) -> bool {
        matches!(self, Self::TimeOrGo | Self::Time)
    }
}

/// What a host reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Stored {
    commits: u8,
    phase: Phase,
    /// The name of the alarm that the log counts on.
    armed: Option<u8>,
    go: bool,
    next: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Load,
    Arm,
    Append,
    Disarm,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Turn {
    step: Step,
    seen: Stored,
    /// Where it brings the execution, and which alarm the log then counts on.
    to: Phase,
    armed: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    stored: Stored,
    /// The alarms that are set, a bit each.
    alarms: u16,
    /// Whether T has come.
    due: bool,
    wakes: u8,
    hosts: [Option<Turn>; 2],
    crashes: u8,
}

impl State {
    fn go_on(&mut self, setup: Setup, at: usize, mut turn: Turn) {
        match turn.step {
            Step::Load => match self.decide(setup) {
                Some(decided) => turn = decided,
                None => return self.hosts[at] = None,
            },
            Step::Arm => {
                self.alarms |= turn.armed.map_or(0, |name| 1 << name);
                turn.step = Step::Append;
            }
            Step::Append if self.stored.commits != turn.seen.commits => turn.step = Step::Load,
            Step::Append => {
                self.stored.commits += 1;
                (self.stored.phase, self.stored.armed) = (turn.to, turn.armed);
                let disarms = setup.after_commit && turn.lets_go();
                turn.step = if disarms { Step::Disarm } else { Step::Load };
            }
            Step::Disarm => {
                self.alarms &= !turn.seen.armed.map_or(0, |name| 1 << name);
                turn.step = if setup.after_commit { Step::Load } else { Step::Append };
            }
        }
        self.hosts[at] = Some(turn);
    }

    /// What a turn does about what is stored now; `None`: nothing.
    fn decide(&self, setup: Setup) -> Option<Turn> {
        let seen = self.stored;
        let mut to = seen.phase;
        if to == Phase::TimeOrGo && seen.go {
            to = Phase::Next;
        }
        if to == Phase::Next && seen.next {
            to = Phase::Time;
        }
        if to.waits_for_time() && self.due {
            to = Phase::Ended;
        }
        let name = if setup.own_name { seen.commits + 1 } else { 0 };
        let armed = to.waits_for_time().then(|| seen.armed.unwrap_or(name));
        if to == seen.phase && armed == seen.armed {
            return None;
        }
        let mut turn = Turn { step: Step::Append, seen, to, armed };
        if armed.is_some() && seen.armed.is_none() {
            turn.step = Step::Arm;
        } else if turn.lets_go() && !setup.after_commit {
            turn.step = Step::Disarm;
        }
        Some(turn)
    }
}

impl Turn {
    fn lets_go(&self) -> bool {
        self.seen.armed.is_some() && self.armed.is_none()
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Arm => "set the alarm",
            Self::Append => "append",
            Self::Disarm => "take the alarm back",
        }
    }
}

impl Model for Setup {
    type State = State;

    fn start(&self) -> State {
        let phase = Phase::TimeOrGo;
        let stored = Stored { commits: 0, phase, armed: None, go: false, next: false };
        let hosts = [None; 2];
        State { stored, alarms: 0, due: false, wakes: 1, hosts, crashes: self.crashes }
    }

    fn actions(&self, state: State) -> Vec<Action<State>> {
        let setup = *self;
        let mut all = Actions::of(state);
        if !state.stored.go {
            all.step("go comes", |s| (s.stored.go, s.wakes) = (true, s.wakes + 1));
        } else if !state.stored.next {
            all.step("next comes", |s| (s.stored.next, s.wakes) = (true, s.wakes + 1));
        }
        if !state.due {
            all.step("T comes", |s| s.due = true);
        } else if state.alarms != 0 {
            all.step("an alarm rings", |s| {
                s.alarms &= s.alarms - 1;
                s.wakes += 1;
            });
        }
        for (at, host) in state.hosts.into_iter().enumerate() {
            match host {
                None if state.wakes > 0 => all.step("a host takes a wake", |s| {
                    s.wakes -= 1;
                    let (seen, to) = (s.stored, s.stored.phase);
                    s.hosts[at] = Some(Turn { step: Step::Load, seen, to, armed: None });
                }),
                None => {}
                Some(turn) => {
                    all.step(turn.step.name(), |s| s.go_on(setup, at, turn));
                    if state.crashes > 0 {
                        // Its message comes back.
                        all.fault("a host dies", |s| {
                            (s.hosts[at], s.wakes, s.crashes) = (None, s.wakes + 1, s.crashes - 1);
                        });
                    }
                }
            }
        }
        all.all()
    }

    fn is_goal(&self, state: &State) -> bool {
        state.stored.phase == Phase::Ended
    }
}
