//! A host: where it stands in its turn, what it read, and what it means to write.

use crate::state::{BRANCHES, ITEMS, Kind, NEVER, Stand};
use crate::story::Story;

/// Where a host stands in its turn.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Idle,
    Received,
    ReadLog,
    /// Arrivals read only after the inbox: one of the rules removed.
    ReadArrivals,
    Decide,
    Claim,
    /// Sends its wake again, then deletes it.
    Resend,
    /// The same, and repairs the record in between.
    ResendAndRepair,
    Run,
    /// An append was not answered.
    Unanswered,
    Project,
    /// Somebody else's end: the record is repaired, and taken items are deleted.
    Repair,
    Look,
    Clean,
    /// One of the rules removed: the message is deleted before the record is written.
    DeleteFirst,
    Delete,
    /// It gave up: its message is given back.
    GiveBack,
}

/// The kinds of commit.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) enum Write {
    #[default]
    Claim,
    Results,
    Renewal,
    ContinueAsNew,
    Suspend,
    Yield,
    Block,
    GiveUp,
    Close,
}

/// A finished body whose result nobody has delivered.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) enum Finished {
    #[default]
    No,
    Ok,
    Failed,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) struct Host {
    pub phase: Phase,
    /// The slot of its message, [`NEVER`] without one.
    pub message: u8,
    /// Its receipt is out of date: somebody received the message after it.
    pub stale: bool,
    pub kind: Kind,
    pub due: u8,
    pub again: bool,
    pub age: u8,
    // What it read.
    pub commits: u8,
    pub stand: Stand,
    pub lease: u8,
    pub gone: bool,
    pub strikes: u8,
    pub received: [u8; ITEMS],
    pub inbox: [u8; ITEMS],
    /// Something arrived after it read the record's count of arrivals.
    pub grew: bool,
    // Its turn.
    pub story: Story,
    pub claimed: bool,
    /// The open claim in the log is its own.
    pub holds: bool,
    /// Events delivered and not durable.
    pub pending: bool,
    /// The workflow got on since the last commit.
    pub progress: bool,
    /// It announced the branch's attempt itself.
    pub announced: [bool; BRANCHES],
    pub running: [bool; BRANCHES],
    pub finished: [Finished; BRANCHES],
    /// A commit is under way with this in it.
    pub writing: bool,
    pub write: Write,
    pub written: Story,
    /// The number at which its unanswered append landed; 0 while it has not.
    pub landed: u8,
    /// A timer's wake was sent for the commit it is about to write.
    pub sent: bool,
    pub block: bool,
    pub delay: u8,
    /// It gave up an unanswered append and kept its writer's name: 1 under way, 2 landed.
    pub ghost: u8,
    pub ghost_base: u8,
}

impl Host {
    /// It yielded, and the wake for the next turn is not sent.
    pub(crate) fn owes_hand_over(&self) -> bool {
        self.claimed && self.stand == Stand::Yielded && !self.sent
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// The host with its message and nothing else: about to decide afresh.
    pub(crate) fn afresh(&self, phase: Phase) -> Self {
        Self {
            phase,
            message: self.message,
            stale: self.stale,
            kind: self.kind,
            due: self.due,
            again: self.again,
            age: self.age,
            ghost: self.ghost,
            ghost_base: self.ghost_base,
            landed: if self.ghost == 2 { self.landed } else { 0 },
            holds: self.holds,
            story: Story::START,
            ..Self::IDLE
        }
    }

    pub(crate) const IDLE: Self = Self {
        phase: Phase::Idle,
        message: NEVER,
        stale: false,
        kind: Kind::News,
        due: 0,
        again: false,
        age: 0,
        commits: 0,
        stand: Stand::Fresh,
        lease: 0,
        gone: false,
        strikes: 0,
        received: [0; ITEMS],
        inbox: [0; ITEMS],
        grew: false,
        story: Story::START,
        claimed: false,
        holds: false,
        pending: false,
        progress: false,
        announced: [false; 2],
        running: [false; 2],
        finished: [Finished::No; 2],
        writing: false,
        write: Write::Claim,
        written: Story::START,
        landed: 0,
        sent: false,
        block: false,
        delay: 0,
        ghost: 0,
        ghost_base: 0,
    };
}
