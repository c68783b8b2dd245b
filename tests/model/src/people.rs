//! Who starts the execution and who sends to it.

use crate::host::{Host, Phase};
use crate::setup::{Inline, LastItem, Setup};
use crate::state::{Client, Kind, LAST_ITEM, Record, Sender, State};
use crate::world::{Next, Who, act, fault};

impl Setup {
    pub(crate) fn client(&self, state: &State, out: &mut Next) {
        let who = Who::World;
        if state.client != Client::Done {
            let mut next = *state;
            let write_log = |next: &mut State| next.log.commits = next.log.commits.max(1);
            let write_record = |next: &mut State| {
                if !next.record.exists {
                    next.record = Record { exists: true, commits: 1, wake: 0, ..Record::default() };
                }
            };
            let existed = state.log.commits > 0;
            let what = match state.client {
                Client::ToStart if self.rules.start_is_atomic => {
                    write_log(&mut next);
                    write_record(&mut next);
                    next.client = Client::ToWake;
                    "client writes commit 0 and the record"
                }
                Client::ToStart => {
                    next.client = Client::ToRecord;
                    if !self.rules.start_writes_log_first {
                        write_record(&mut next);
                        "client writes the record"
                    } else {
                        write_log(&mut next);
                        "client writes commit 0"
                    }
                }
                Client::ToRecord => {
                    write_log(&mut next);
                    write_record(&mut next);
                    next.client = Client::ToWake;
                    "client writes what was missing"
                }
                Client::ToWake | Client::Done => {
                    next.put_message(self.wake(Kind::News, 0, 0));
                    next.client = Client::Done;
                    "client sends the wake"
                }
            };
            if state.client == Client::ToStart && existed && !self.rules.retry_wakes {
                next = State { client: Client::Done, ..*state };
                out.push((act(who, "client finds its write there and returns", 0), next));
            } else if state.client != Client::ToWake
                || self.inline != Inline::WithoutWake
                || state.inline
            {
                out.push((act(who, what, 0), next));
            }
            if state.faults.clients > 0 && state.client != Client::ToStart {
                let mut next = *state;
                next.faults.clients -= 1;
                next.client = Client::ToStart;
                out.push((fault(who, "client gets no answer and will retry", 0), next));
                next.client = Client::Done;
                next.lost = true;
                out.push((fault(who, "client dies for good", 0), next));
            }
        }
        let may_inline = match self.inline {
            Inline::Off => false,
            Inline::AfterWake => state.client == Client::Done && state.log.commits > 0,
            Inline::WithoutWake => state.client == Client::ToWake,
        };
        if may_inline
            && !state.inline
            && let Some(at) = state.hosts.iter().position(|host| !host.is_busy())
        {
            let mut next = *state;
            next.inline = true;
            next.client = Client::Done;
            next.hosts[at] = Host { phase: Phase::Received, ..Host::IDLE };
            out.push((act(who, "client takes the first turn inline", 0), next));
        }
    }

    pub(crate) fn sender(&self, state: &State, item: usize, out: &mut Next) {
        let who = Who::Sender(item as u8);
        let resumes = item == LAST_ITEM && self.last_item == LastItem::Resume;
        // One transaction: the record exists and is open, the item is not there.
        let put = |next: &mut State| {
            if next.record.closed {
                return;
            }
            let most = if self.rules.key_is_sender_id { 1 } else { 2 };
            if next.inbox[item] < most {
                next.inbox[item] += 1;
                next.hosts.iter_mut().for_each(|host| host.grew = true);
            }
        };
        match state.senders[item] {
            Sender::ToPut | Sender::ToPutAgain if state.record.exists => {
                if resumes && !state.record.blocked && state.senders[item] == Sender::ToPut {
                    return;
                }
                let mut next = *state;
                if state.record.closed {
                    next.senders[item] = Sender::Done;
                    if state.senders[item] == Sender::ToPut {
                        next.reported |= 1 << item;
                    }
                    out.push((act(who, "is told that the execution has ended", 0), next));
                    return;
                }
                if state.senders[item] == Sender::ToPutAgain
                    && !self.rules.retry_wakes
                    && state.inbox[item] > 0
                {
                    next.senders[item] = Sender::Done;
                    out.push((act(who, "finds its item there and returns", 0), next));
                    return;
                }
                put(&mut next);
                next.senders[item] = Sender::ToWake;
                out.push((act(who, "puts its item into the inbox", 0), next));
            }
            Sender::ToWake => {
                let mut next = *state;
                next.put_message(self.wake(Kind::News, 0, 0));
                next.senders[item] = Sender::Done;
                out.push((act(who, "sends its wake", 0), next));
                if state.faults.senders > 0 {
                    let mut next = *state;
                    next.faults.senders -= 1;
                    next.senders[item] = Sender::ToPutAgain;
                    out.push((fault(who, "gets no answer and will retry", 0), next));
                    next.senders[item] = Sender::Done;
                    next.lost = true;
                    out.push((fault(who, "dies before its wake", 0), next));
                }
            }
            Sender::Done if state.faults.senders > 0 && !state.record.closed => {
                let mut next = *state;
                next.faults.senders -= 1;
                put(&mut next);
                out.push((fault(who, "its first put lands late, once more", 0), next));
            }
            _ => {}
        }
    }
}
