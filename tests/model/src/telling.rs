//! What others are told: rule 34, kept and removed.
//!
//! One execution of three commits: a client writes the first, two hosts without claims the others;
//! appends are fenced by the log's length. A host may die, and whom they tell may not answer for a
//! while. Nothing is wrong as long as all that the log has can still be told, nothing else was, and
//! the sweeper can come to rest.

use super::small::{Action, Actions, Case, Model, Verdict};

#[derive(Clone, Copy)]
struct Setup {
    /// A commit is told after it is durable.
    after_commit: bool,
    /// And before the record takes it into account.
    before_record: bool,
    /// The first turn tells what the client wrote.
    first_turn: bool,
    /// The record says what is untold.
    says_untold: bool,
    /// It is overdue as long as something is, also when the execution has ended.
    overdue: bool,
    /// It may be replaced at the same commit once that is told.
    same_commit: bool,
}

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    let kept = Setup {
        after_commit: true,
        before_record: true,
        first_turn: true,
        says_untold: true,
        overdue: true,
        same_commit: true,
    };
    let without = [
        ("34-after-commit", Setup { after_commit: false, ..kept }),
        ("34-before-record", Setup { before_record: false, ..kept }),
        ("34-first-turn", Setup { first_turn: false, ..kept }),
        ("34-untold", Setup { says_untold: false, ..kept }),
        ("34-overdue", Setup { overdue: false, ..kept }),
        ("34-same-commit", Setup { same_commit: false, ..kept }),
    ];
    let pair = |(name, removed)| Case::pair(name, kept, removed, Verdict::Stuck);
    without.into_iter().flat_map(pair).collect()
}

/// How many commits the log has in the end.
const COMMITS: u8 = 3;

/// Who wrote the first commit; the hosts are 0 and 1.
const CLIENT: u8 = 2;

/// A set of commits, each by its writer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Set(u16);

impl Set {
    const NONE: Self = Self(0);

    fn with(self, commit: u8, writer: u8) -> Self {
        Self(self.0 | 1 << (commit * 3 + writer))
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The first commit in it.
    fn first(self) -> Option<u8> {
        (0..COMMITS).find(|commit| self.0 >> (commit * 3) & 7 != 0)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Record {
    commit: u8,
    untold: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Load,
    Append,
    Tell,
    Project,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Turn {
    step: Step,
    /// How long the log is, as far as it knows.
    commits: u8,
    /// What it has to tell.
    pending: Set,
    /// It has done what comes last.
    told: bool,
    projected: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    /// Who wrote each commit.
    log: [u8; COMMITS as usize],
    commits: u8,
    record: Record,
    told: Set,
    /// Whom they tell does not answer.
    out: bool,
    wakes: u8,
    hosts: [Option<Turn>; 2],
    crashes: u8,
    outages: u8,
}

impl State {
    /// What the log has, from commit `from` on.
    fn logged(&self, from: u8) -> Set {
        (from..self.commits)
            .fold(Set::NONE, |all, commit| all.with(commit, self.log[usize::from(commit)]))
    }

    /// All is told, nothing else is, and nobody has to come any more.
    fn is_done(&self) -> bool {
        let at_rest = self.record == Record { commit: COMMITS - 1, untold: None };
        self.commits == COMMITS && at_rest && self.told == self.logged(0)
    }

    fn is_overdue(&self, setup: Setup) -> bool {
        let is_open = self.record.commit + 1 < COMMITS;
        is_open || (setup.overdue && self.record.untold.is_some())
    }

    fn go_on(&mut self, setup: Setup, at: usize, mut turn: Turn) {
        let writer = at as u8;
        match turn.step {
            Step::Load => {
                turn.commits = self.commits;
                let from = self.record.untold.unwrap_or(self.record.commit + 1);
                turn.pending = self.logged(from);
                if setup.first_turn && self.record.commit == 0 {
                    turn.pending = turn.pending.with(0, CLIENT);
                }
                turn.step = if self.commits < COMMITS {
                    if !setup.after_commit {
                        turn.pending = turn.pending.with(self.commits, writer);
                    }
                    if setup.after_commit { Step::Append } else { Step::Tell }
                } else if turn.pending == Set::NONE && self.record.commit + 1 == COMMITS {
                    return self.hosts[at] = None;
                } else {
                    last(setup, &turn)
                };
            }
            Step::Append if self.commits != turn.commits => return self.look_again(at),
            Step::Append => {
                self.log[usize::from(self.commits)] = writer;
                if setup.after_commit {
                    turn.pending = turn.pending.with(self.commits, writer);
                }
                self.commits += 1;
                turn.commits = self.commits;
                turn.step = last(setup, &turn);
            }
            Step::Tell => {
                if !self.out {
                    self.told = self.told.and(turn.pending);
                    turn.pending = Set::NONE;
                }
                turn.told = true;
                let appends = !setup.after_commit && turn.commits < COMMITS && !turn.projected;
                turn.step = if appends { Step::Append } else { last(setup, &turn) };
            }
            Step::Project => {
                let commit = turn.commits - 1;
                let untold =
                    turn.pending.first().filter(|_| setup.says_untold && setup.before_record);
                let is_newer = commit > self.record.commit;
                let tells = setup.same_commit
                    && commit == self.record.commit
                    && self.record.untold.is_some();
                if is_newer || tells {
                    self.record = Record { commit, untold };
                }
                turn.projected = true;
                turn.step = last(setup, &turn);
            }
        }
        if turn.told && turn.projected {
            return self.look_again(at);
        }
        self.hosts[at] = Some(turn);
    }

    /// The turn is over; as long as the execution goes on somebody looks at it again.
    fn look_again(&mut self, at: usize) {
        self.hosts[at] = None;
        if self.commits < COMMITS {
            self.wakes = (self.wakes + 1).min(2);
        }
    }
}

/// What a turn does after its commit.
fn last(setup: Setup, turn: &Turn) -> Step {
    match (setup.before_record, turn.told, turn.projected) {
        (true, false, _) | (false, false, true) => Step::Tell,
        _ => Step::Project,
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Append => "append",
            Self::Tell => "tell",
            Self::Project => "write the record",
        }
    }
}

impl Model for Setup {
    type State = State;

    fn start(&self) -> State {
        State {
            log: [CLIENT; COMMITS as usize],
            commits: 1,
            record: Record { commit: 0, untold: None },
            told: Set::NONE,
            out: false,
            wakes: 1,
            hosts: [None; 2],
            crashes: 1,
            outages: 1,
        }
    }

    fn actions(&self, state: State) -> Vec<Action<State>> {
        let setup = *self;
        let mut all = Actions::of(state);
        if state.is_overdue(setup) && state.wakes < 2 {
            all.step("the sweeper comes", |s| s.wakes += 1);
        }
        if state.out {
            all.step("the outage ends", |s| s.out = false);
        } else if state.outages > 0 {
            all.fault("an outage begins", |s| (s.out, s.outages) = (true, s.outages - 1));
        }
        for (at, host) in state.hosts.into_iter().enumerate() {
            match host {
                None if state.wakes > 0 => all.step("a host takes a wake", |s| {
                    s.wakes -= 1;
                    let (step, pending) = (Step::Load, Set::NONE);
                    let turn = Turn { step, commits: 0, pending, told: false, projected: false };
                    s.hosts[at] = Some(turn);
                }),
                None => {}
                Some(turn) => {
                    all.step(turn.step.name(), |s| s.go_on(setup, at, turn));
                    if state.crashes > 0 {
                        // Its message comes back.
                        all.fault("a host dies", |s| {
                            s.hosts[at] = None;
                            (s.wakes, s.crashes) = ((s.wakes + 1).min(2), s.crashes - 1);
                        });
                    }
                }
            }
        }
        all.all()
    }

    fn is_goal(&self, state: &State) -> bool {
        state.is_done()
    }
}
