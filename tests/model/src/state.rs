//! The state: one execution's log, record and inbox, the queue, two hosts, and the outside world.
//!
//! Everything is small and `Copy`: the search keeps hundreds of thousands of these. Times are ticks
//! from now, so that a state does not remember how late it is.

use crate::host::Host;
use crate::story::Story;

/// No timer, no wake: never.
pub(crate) const NEVER: u8 = u8::MAX;
/// Message slots of the queue.
pub(crate) const SLOTS: usize = 7;
/// Inbox ids: two signals, and a cancel, a resume or a terminate.
pub(crate) const ITEMS: usize = 3;
/// The id of the cancel, resume or terminate.
pub(crate) const LAST_ITEM: usize = 2;
/// Branches of a workflow that run side by side.
pub(crate) const BRANCHES: usize = 2;

/// How the log ends.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) enum Stand {
    #[default]
    Fresh,
    /// A turn has claimed and not ended.
    Open,
    Suspended,
    Yielded,
    /// A turn found that code and log disagree after it had written its claim.
    Blocked,
    /// A turn was let down by something that it needs, and says so.
    GaveUp,
    Closed,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Log {
    /// How many commits; 0 means there is no execution. Only the order matters.
    pub commits: u8,
    pub story: Story,
    pub stand: Stand,
    /// Ticks until the open claim's lease ends.
    pub lease: u8,
    /// The claim's host is known to be gone.
    pub gone: bool,
    /// Claims in a row without progress.
    pub strikes: u8,
    /// How often each inbox id was written into the log.
    pub received: [u8; ITEMS],
}

/// A commit sent and not answered: it lands later, or never.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Late {
    pub log: Log,
    /// The length of the log it was written for.
    pub base: u8,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) enum Place {
    #[default]
    Free,
    Delayed,
    Visible,
    InFlight,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) enum Kind {
    #[default]
    News,
    Timer,
    Sweep,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) struct Message {
    pub place: Place,
    /// Ticks until the delay or the visibility time-out ends.
    pub ticks: u8,
    pub receives: u8,
    pub kind: Kind,
    /// Of a timer's wake: ticks until the time it is for.
    pub due: u8,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Record {
    pub exists: bool,
    /// The commit it was derived from.
    pub commits: u8,
    pub wake: u8,
    pub closed: bool,
    pub blocked: bool,
}

/// What the faults may still do.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Faults {
    /// Hosts die.
    pub crashes: u8,
    /// Messages in flight are delivered again.
    pub duplicates: u8,
    /// Messages vanish.
    pub losses: u8,
    /// Appends are not answered.
    pub unanswered: u8,
    /// Ticks by which hosts are slower than the time-out allows, or behind in time.
    pub slow: u8,
    /// Senders get no answer or die.
    pub senders: u8,
    /// Clients that start get no answer or die.
    pub clients: u8,
    /// Deadlines come near while work is left.
    pub deadlines: u8,
    /// Wakes out of nowhere.
    pub strays: u8,
    /// Sweeps while messages are under way.
    pub sweeps: u8,
    /// Receives late in a batch, with no time left.
    pub batches: u8,
    /// Turns that cannot store what they have: the payload store, or the queue, does not answer.
    pub outages: u8,
    /// Reads that miss the last commit.
    pub stale_reads: u8,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Client {
    #[default]
    ToStart,
    ToRecord,
    ToWake,
    Done,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Sender {
    #[default]
    ToPut,
    ToWake,
    Done,
    ToPutAgain,
}

/// A promise that was broken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Violation {
    /// A body started although its step's result is in the log.
    RanAgain,
    /// A step ran, the execution was cancelled, and nothing undid it.
    NotUndone,
    /// A body of an ended turn went on although its step's result is in the log.
    Zombie,
    /// A body started before what it depends on was durable.
    Barrier,
    /// One attempt of an `at_most_once` step ran twice.
    OnceTwice,
    SignalTwice,
    SignalLost,
    TimerEarly,
    /// Work waits for a delayed wake although nobody is at it.
    Waits,
    /// Wakes for one timer pile up.
    Flood,
    /// A healthy execution was blocked.
    WronglyBlocked,
    /// A poisoned execution killed more hosts than the limit allows.
    Deadly,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct State {
    pub log: Log,
    /// The log before its last commit, where reads may be stale.
    pub before: Option<Log>,
    pub late: Option<Late>,
    pub record: Record,
    pub inbox: [u8; ITEMS],
    pub messages: [Message; SLOTS],
    pub hosts: [Host; 2],
    pub senders: [Sender; ITEMS],
    pub client: Client,
    /// The start was taken inline.
    pub inline: bool,
    /// Items told to their senders as too late.
    pub reported: u8,
    /// Attempts of the `at_most_once` step that ran.
    pub once: u8,
    /// Steps with an undo of which a body ever started: what they do may be done.
    pub effects: u8,
    /// Bodies of turns that ended without aborting them.
    pub zombie: u8,
    pub deaths: u8,
    /// A fault took something that only the sweeper or a person brings back.
    pub lost: bool,
    pub dead_letter: bool,
    /// More messages than slots: not explored further.
    pub overflow: bool,
    pub faults: Faults,
    pub violation: Option<Violation>,
}

impl State {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            log: Log { story: Story::START, ..Log::default() },
            before: None,
            late: None,
            record: Record { wake: NEVER, ..Record::default() },
            inbox: [0; ITEMS],
            messages: [Message::default(); SLOTS],
            hosts: [Host::IDLE; 2],
            senders: [Sender::ToPut; ITEMS],
            client: Client::ToStart,
            inline: false,
            reported: 0,
            once: 0,
            effects: 0,
            zombie: 0,
            deaths: 0,
            lost: false,
            dead_letter: false,
            overflow: false,
            faults,
            violation: None,
        }
    }

    /// Writes a message into a free slot.
    pub(crate) fn put_message(&mut self, message: Message) {
        match self.messages.iter_mut().find(|slot| slot.place == Place::Free) {
            Some(slot) => *slot = message,
            None => self.overflow = true,
        }
    }

    /// Takes a message out of the queue.
    pub(crate) fn drop_message(&mut self, slot: usize) {
        self.messages[slot] = Message::default();
        for host in &mut self.hosts {
            if usize::from(host.message) == slot {
                host.message = NEVER;
                host.stale = false;
            }
        }
    }
}
