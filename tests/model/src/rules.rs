//! The protocol's rules, each with a switch. The numbers are those of `docs/protocol.md`.

/// What a host does with a wake that meets somebody else's live claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnLiveClaim {
    /// Sends a substitute for the lease's end, then deletes the wake.
    Substitute,
    Drop,
}

/// What it does with a wake when there is nothing to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnNothing {
    /// Sends a timer's wake again if the timer is pending, deletes every other.
    RearmTimer,
    Drop,
}

/// When a turn looks at the inbox once more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SecondLook {
    /// If the record's count of arrivals grew since before the inbox was read.
    IfGrew,
    Always,
    Never,
}

/// Which rules are kept: `true` is our protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// 1: commit 0 and the record are one transaction.
    pub start_is_atomic: bool,
    /// 1, removed the other way round: the record is written first.
    pub start_writes_log_first: bool,
    /// 2, 3: a retry that finds its write there still sends the wake.
    pub retry_wakes: bool,
    /// 3: the inbox key is the sender's id alone.
    pub key_is_sender_id: bool,
    /// 3: an item whose id is in the log is not taken again.
    pub dedupes_by_log: bool,
    /// 4: an inbox item is in the sweeper's index.
    pub items_are_indexed: bool,
    /// 5: reads are consistent.
    pub reads_are_consistent: bool,
    /// 6: nobody claims over a live claim.
    pub respects_leases: bool,
    /// 6: no body starts before the claim is durable.
    pub claims_before_body: bool,
    /// 6: a claim for a body only if it leaves time to start one.
    pub claims_only_with_time: bool,
    /// 6, a choice: the claim waits for the first commit that needs it.
    pub claims_are_lazy: bool,
    /// 6: a redelivered wake claims before it replays.
    pub redelivered_claims_first: bool,
    /// 6: so does a turn that follows one which never ended.
    pub unfinished_claims_first: bool,
    /// 6: dead hosts are known at once, where the store can tell.
    pub dead_hosts_are_known: bool,
    /// 6: a host is taken for dead only if it is.
    pub gone_is_certain: bool,
    /// 7: a host checks its own lease before each body.
    pub checks_own_lease: bool,
    /// 7: bodies are aborted when their turn ends.
    pub aborts_bodies: bool,
    /// 8: no body starts before what was delivered is durable.
    pub barrier: bool,
    /// 8: a commit makes durable what it holds, not what finished while it was under way.
    pub commit_covers_what_it_holds: bool,
    /// 9.
    pub on_live_claim: OnLiveClaim,
    /// 9: the substitute of a timer's wake is not delayed past the timer.
    pub substitute_keeps_due: bool,
    /// 9: a sweeper's wake needs no substitute.
    pub sweep_wakes_are_dropped: bool,
    /// 9, a choice: a wake that meets a live claim repairs the record too.
    pub live_claim_repairs: bool,
    /// 10: a turn that lost its place keeps its message and decides afresh.
    pub lost_turn_keeps_message: bool,
    /// 11: on "taken", the writer's id decides whose commit it is.
    pub id_decides: bool,
    /// 11: an append is repeated with the same bytes.
    pub bytes_are_frozen: bool,
    /// 11, a choice: an append without an answer may be given up.
    pub gives_up: bool,
    /// 11: after that the turn writes under a new name.
    pub new_writer_after_giving_up: bool,
    /// 12: the timer's wake is sent before the suspending commit.
    pub timer_wake_before_commit: bool,
    /// 12: the commit says which times are armed.
    pub armed_is_written: bool,
    /// 12: it lists them, instead of saying that something is armed.
    pub armed_is_a_list: bool,
    /// 12: the turn's own message is not under way: it is about to be deleted.
    pub own_wake_is_not_armed: bool,
    /// 12: nor is it when the turn yields.
    pub own_wake_is_not_armed_at_yield: bool,
    /// 12: a turn that took a resume counts nothing as armed.
    pub resume_disarms: bool,
    /// 13.
    pub on_nothing: OnNothing,
    /// 12: a turn that goes on after its end has sent its own wake again, and needs no second one.
    pub sent_again_is_sent: bool,
    /// 13, 18: whoever finds the record behind repairs it.
    pub repairs_record: bool,
    /// 14: the message is deleted last.
    pub message_last: bool,
    /// 14.
    pub second_look: SecondLook,
    /// 14: arrivals are read before the inbox, never after.
    pub arrivals_before_inbox: bool,
    /// 14: a turn that gives up writes the record, too.
    pub giving_up_is_shown: bool,
    /// 14: due timers are looked at once more.
    pub looks_at_due_timers: bool,
    /// 14: the inbox is looked at while bodies run.
    pub looks_mid_turn: bool,
    /// 15: an older record never replaces a newer one.
    pub record_is_conditional: bool,
    /// 15: with the same log, only "blocked" replaces.
    pub block_is_sticky: bool,
    /// 16: items are deleted after the record is written.
    pub items_deleted_late: bool,
    /// 16: only items the durable log has are deleted.
    pub only_taken_items_deleted: bool,
    /// 17: a turn that yields sends a wake.
    pub yield_sends_wake: bool,
    /// 18: whoever closes reports what was not taken.
    pub close_reports: bool,
    /// 19: a new run keeps signals received and not consumed.
    pub carries_signals: bool,
    /// 19: a new run keeps the ids received.
    pub carries_ids: bool,
    /// 19: a new run keeps the ids of what is in the inbox, however old they are.
    pub carries_ids_in_inbox: bool,
    /// 19: a turn and its claim end with the run.
    pub claim_ends_with_run: bool,
    /// 20: a renewed lease counts once its commit is durable.
    pub renewal_counts_once_durable: bool,
    /// 22: a terminate is looked for before anything that asks for a fix.
    pub terminate_before_blocked: bool,
    /// 22: it ends the execution without running its code.
    pub terminate_runs_no_code: bool,
    /// 22: a turn whose bodies run looks for it.
    pub terminate_ends_turns: bool,
    /// 22: strikes are judged before new items are.
    pub poison_before_items: bool,
    /// 22: taking an item is no progress.
    pub items_are_no_progress: bool,
    /// 22: yielding is no progress.
    pub yield_is_no_progress: bool,
    /// 22: a claimed turn that blocks writes its end.
    pub block_ends_turn: bool,
    /// 22: a claimed turn that gives up writes its end, and takes back the strike of its claim.
    pub giving_up_is_no_strike: bool,
    /// 22: it takes back no other.
    pub own_strike_only: bool,
    /// 24: a timer fires by the clock, not because its wake came.
    pub timers_fire_by_clock: bool,
    /// 26: a failed attempt is durable before its back-off.
    pub attempts_survive: bool,
    /// 28: undo steps run once the workflow is cancelled.
    pub undoes: bool,
    /// 28: a body that runs when the cancel comes is let end, and then undone.
    pub finishes_running: bool,
    /// 28: so is a step that a turn which died may have run.
    pub finishes_unknown: bool,
    /// 28: and one that a turn interrupted when it handed over.
    pub finishes_interrupted: bool,
    /// 28: and one that a turn may have run which gave up.
    pub finishes_given_up: bool,
    /// 27: an `at_most_once` attempt is durable before its body.
    pub announces_once: bool,
}

impl Rules {
    /// Our protocol.
    pub(crate) const KEPT: Self = Self {
        start_is_atomic: true,
        start_writes_log_first: true,
        retry_wakes: true,
        key_is_sender_id: true,
        dedupes_by_log: true,
        items_are_indexed: true,
        reads_are_consistent: true,
        respects_leases: true,
        claims_before_body: true,
        claims_only_with_time: true,
        claims_are_lazy: true,
        redelivered_claims_first: true,
        unfinished_claims_first: true,
        dead_hosts_are_known: false,
        gone_is_certain: true,
        checks_own_lease: true,
        aborts_bodies: true,
        barrier: true,
        commit_covers_what_it_holds: true,
        on_live_claim: OnLiveClaim::Substitute,
        substitute_keeps_due: true,
        sweep_wakes_are_dropped: true,
        live_claim_repairs: false,
        lost_turn_keeps_message: true,
        id_decides: true,
        bytes_are_frozen: true,
        gives_up: false,
        new_writer_after_giving_up: true,
        timer_wake_before_commit: true,
        armed_is_written: true,
        armed_is_a_list: true,
        own_wake_is_not_armed: true,
        own_wake_is_not_armed_at_yield: true,
        resume_disarms: true,
        on_nothing: OnNothing::RearmTimer,
        sent_again_is_sent: true,
        repairs_record: true,
        message_last: true,
        second_look: SecondLook::IfGrew,
        arrivals_before_inbox: true,
        giving_up_is_shown: true,
        looks_at_due_timers: true,
        looks_mid_turn: true,
        record_is_conditional: true,
        block_is_sticky: true,
        items_deleted_late: true,
        only_taken_items_deleted: true,
        yield_sends_wake: true,
        close_reports: true,
        carries_signals: true,
        carries_ids: true,
        carries_ids_in_inbox: true,
        claim_ends_with_run: true,
        renewal_counts_once_durable: true,
        terminate_before_blocked: true,
        terminate_runs_no_code: true,
        terminate_ends_turns: true,
        poison_before_items: true,
        items_are_no_progress: true,
        yield_is_no_progress: true,
        block_ends_turn: true,
        giving_up_is_no_strike: true,
        own_strike_only: true,
        timers_fire_by_clock: true,
        attempts_survive: true,
        undoes: true,
        finishes_running: true,
        finishes_unknown: true,
        finishes_interrupted: true,
        finishes_given_up: true,
        announces_once: true,
    };
}
