//! One id, two executions one after the other: rule 36, kept and removed.
//!
//! An execution of three commits; the second takes a message, which is sent to each of the two by the
//! same id. Two hosts without claims and two deleters; any of them may be so late with what it has read
//! of the first execution that the second one is there. Appends are fenced by the log's length, and by
//! the life in one of two ways: the store looks at the record in the same transaction, or it takes the
//! commit with the number of its life, and who reads or needs that place knows it for a stray.

use super::family::Violation;
use super::small::{Action, Actions, Case, Model, Verdict};

#[derive(Clone, Copy)]
struct Setup {
    /// An append looks at the record.
    looks: bool,
    /// Commits carry the number of their life, and a load leaves out those of another one.
    marks: bool,
    /// Who needs the place of such a commit takes it.
    puts_over: bool,
    /// If the record is of its own life.
    checks_record: bool,
    /// The record is written for a life.
    record: bool,
    /// Items are removed of a life.
    items: bool,
    /// A life is buried, and not whichever has the same last commit.
    burial: bool,
}

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    let looks = Setup {
        looks: true,
        marks: false,
        puts_over: false,
        checks_record: false,
        record: true,
        items: true,
        burial: true,
    };
    let marks = Setup { looks: false, marks: true, puts_over: true, checks_record: true, ..looks };
    let foreign = Verdict::Breaks(Violation::ForeignCommit);
    let shows_end = Verdict::Breaks(Violation::ShowsEnd);
    let lost = Verdict::Breaks(Violation::ItemLost);
    let unread = Verdict::Breaks(Violation::BuriedUnread);
    [
        ("36-append-looks", looks, Setup { looks: false, ..looks }, foreign),
        ("36-append-marks", marks, Setup { marks: false, ..marks }, foreign),
        ("36-over-strays", marks, Setup { puts_over: false, ..marks }, Verdict::Stuck),
        ("36-over-strays-in-time", marks, Setup { checks_record: false, ..marks }, foreign),
        ("36-record", marks, Setup { record: false, ..marks }, shows_end),
        ("36-items", marks, Setup { items: false, ..marks }, lost),
        ("36-burial", marks, Setup { burial: false, ..marks }, unread),
    ]
    .into_iter()
    .flat_map(|(name, kept, removed, expected)| Case::pair(name, kept, removed, expected))
    .collect()
}

/// How many commits an execution has in the end: its start, the message, its end.
const COMMITS: u8 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Record {
    life: u8,
    commit: u8,
}

impl Record {
    fn is_closed(self) -> bool {
        self.commit + 1 == COMMITS
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Append,
    Project,
    Remove,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Turn {
    step: Step,
    /// Which execution it has read.
    life: u8,
    /// How long its log is, as far as it knows.
    commits: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    record: Option<Record>,
    /// Whose commit has each number.
    log: [Option<u8>; COMMITS as usize],
    /// Which execution there is, or was last.
    life: u8,
    /// The message is in the inbox, or was sent to this one.
    in_inbox: bool,
    sent: bool,
    hosts: [Option<Turn>; 2],
    /// Of which execution each deleter has seen the end.
    deleters: [Option<u8>; 2],
    buried_unread: bool,
    /// A commit of the execution that is there was written over.
    overwritten: bool,
}

impl State {
    /// How many commits a load of the execution `life` reads.
    fn length(&self, setup: Setup, life: u8) -> u8 {
        let is_read = |by: &&Option<u8>| match by {
            Some(by) => !setup.marks || *by == life,
            None => false,
        };
        self.log.iter().take_while(is_read).count() as u8
    }

    fn bury(&mut self, setup: Setup, at: usize, life: u8) {
        self.deleters[at] = None;
        let Some(record) = self.record.filter(|record| record.is_closed()) else { return };
        if setup.burial && record.life != life {
            return;
        }
        self.buried_unread |= record.life != life;
        self.record = None;
        self.log = [None; COMMITS as usize];
    }

    fn load(&mut self, setup: Setup, at: usize) {
        let Some(record) = self.record else { return };
        let commits = self.length(setup, record.life);
        let step = if record.commit + 1 < commits {
            Step::Project
        } else if commits == COMMITS || commits == 1 && !self.in_inbox {
            return;
        } else {
            Step::Append
        };
        self.hosts[at] = Some(Turn { step, life: record.life, commits });
    }

    fn go_on(&mut self, setup: Setup, at: usize, turn: Turn) {
        let is_mine = self.record.is_some_and(|record| record.life == turn.life);
        self.hosts[at] = match turn.step {
            Step::Append => self.append(setup, turn, is_mine).then_some(Turn {
                step: Step::Project,
                commits: turn.commits + 1,
                ..turn
            }),
            Step::Project => match &mut self.record {
                Some(record) if is_mine || !setup.record => {
                    record.commit = record.commit.max(turn.commits - 1);
                    (turn.commits == 2).then_some(Turn { step: Step::Remove, ..turn })
                }
                // Whether it is another one is told by the record that comes back.
                _ => None,
            },
            Step::Remove => {
                if is_mine || !setup.items {
                    self.in_inbox = false;
                }
                None
            }
        };
    }

    /// Whether the commit is written, as far as the host knows.
    fn append(&mut self, setup: Setup, turn: Turn, is_mine: bool) -> bool {
        if setup.looks && !is_mine {
            return false;
        }
        let place = &mut self.log[usize::from(turn.commits)];
        let is_written = match *place {
            None => true,
            Some(by) => {
                let is_stray = setup.marks && setup.puts_over && by != turn.life;
                is_stray && (is_mine || !setup.checks_record)
            }
        };
        if is_written {
            self.overwritten |= place.is_some() && *place == self.record.map(|record| record.life);
            *place = Some(turn.life);
        }
        is_written
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Append => "a host appends",
            Self::Project => "a host writes the record",
            Self::Remove => "a host removes the message",
        }
    }
}

impl Model for Setup {
    type State = State;

    fn start(&self) -> State {
        let mut log = [None; COMMITS as usize];
        log[0] = Some(1);
        State {
            record: Some(Record { life: 1, commit: 0 }),
            log,
            life: 1,
            in_inbox: false,
            sent: false,
            hosts: [None; 2],
            deleters: [None; 2],
            buried_unread: false,
            overwritten: false,
        }
    }

    fn actions(&self, state: State) -> Vec<Action<State>> {
        let setup = *self;
        let mut all = Actions::of(state);
        match state.record {
            None if state.life == 1 => all.step("it is started anew", |s| {
                (s.life, s.sent, s.in_inbox) = (2, false, false);
                s.record = Some(Record { life: 2, commit: 0 });
                s.log[0] = Some(2);
            }),
            Some(record) if !record.is_closed() && !state.sent => {
                all.step("a message comes", |s| (s.sent, s.in_inbox) = (true, true));
            }
            _ => {}
        }
        for (at, deleter) in state.deleters.into_iter().enumerate() {
            match (deleter, state.record) {
                (None, Some(record)) if record.life == 1 && record.is_closed() => {
                    all.step("a deleter reads it", |s| s.deleters[at] = Some(record.life));
                }
                (Some(life), _) => all.step("a deleter buries it", |s| s.bury(setup, at, life)),
                _ => {}
            }
        }
        for (at, host) in state.hosts.into_iter().enumerate() {
            match host {
                None => all.step("a host reads it", |s| s.load(setup, at)),
                Some(turn) => all.step(turn.step.name(), |s| s.go_on(setup, at, turn)),
            }
        }
        all.all()
    }

    fn is_goal(&self, state: &State) -> bool {
        state.record.is_some_and(|record| record.life == 2 && record.is_closed())
    }

    fn violation(&self, state: &State) -> Option<Violation> {
        if state.buried_unread {
            return Some(Violation::BuriedUnread);
        }
        let Record { life, commit } = state.record?;
        let length = state.length(*self, life);
        let read = &state.log[..usize::from(length)];
        if state.overwritten || read.iter().any(|by| *by != Some(life)) {
            return Some(Violation::ForeignCommit);
        }
        if commit >= length {
            return Some(Violation::ShowsEnd);
        }
        (state.sent && !state.in_inbox && length < 2).then_some(Violation::ItemLost)
    }
}
