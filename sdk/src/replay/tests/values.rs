//! Time, chance and keys that come out the same on replay.

use std::collections::HashSet;

use super::code::{Code, check};
use super::*;

#[test]
fn now_is_the_time_of_the_last_event_the_workflow_saw() {
    let log = [
        claim(101, 900),
        done(102, 0, "a#1", "1"),
        timer(103, 1, "sleep#1", 500),
        came(104, "s", "2"),
        tried(105, 2, "b#1", 1, 110),
        over(106, TurnEnd::Suspended, Some(500), &[]),
        fired(500, 1, "sleep#1"),
        failed(600, 2, "b#1", "3"),
    ];
    let mut c = Code::new(&log);
    c.step("a").sleep(500).step("b").now();
    for _ in &log {
        c.deliver().now();
    }
    assert_eq!(c.seen(), "a#1! sleep#1 b#1! 100 . 100 + 102 . 102 + 104 . 104 . 104 + 500 + 600");
}

#[test]
fn now_stands_still_between_two_events() {
    check(
        &[],
        |c| c.now().step("a").now().poll([0]).now().drop(0).now(),
        "100 a#1 100 - 100 x 100",
    );
}

fn draws(execution: &str, run: u32) -> Vec<[u8; 32]> {
    let mut c = Code::new(&[started_as(execution, run)]);
    (0..100).map(|_| c.engine.draw()).collect()
}

#[test]
fn chance_repeats_on_replay_and_differs_by_execution_and_run() {
    assert_eq!(draws("order-1", 1), draws("order-1", 1));
    let all = [("order-1", 1), ("order-1", 2), ("order-2", 1), ("order-11", 1)];
    let drawn: HashSet<_> = all.iter().flat_map(|(id, run)| draws(id, *run)).collect();
    assert_eq!(drawn.len(), 400, "two draws were the same");
}

#[test]
fn a_log_does_not_change_what_is_drawn() {
    let mut c = Code::new(&[done(101, 0, "a#1", "1")]);
    let mut drawn = vec![c.engine.draw()];
    c.step("a").poll([0]).deliver().poll([0]);
    c.engine.idempotency_key(0).uuid();
    drawn.push(c.engine.draw());
    assert_eq!(drawn, draws("order-1", 1)[..2]);
}

#[test]
fn drawn_uuids_are_draws_and_valid() {
    let mut c = Code::new(&[]);
    let (first, second) = (c.engine.draw_uuid(), c.engine.draw_uuid());
    assert_ne!(first, second);
    assert_eq!(first.get_version_num(), 8);
    let drawn = draws("order-1", 1);
    assert_eq!(first.as_bytes()[9..], drawn[0][9..16]);
    assert_eq!(second.as_bytes()[9..], drawn[1][9..16]);
}

#[test]
fn idempotency_keys_differ_by_step_count_execution_and_run() {
    let mut seen = HashSet::new();
    for (execution, run) in [("order-1", 1), ("order-1", 2), ("order-2", 1)] {
        let mut c = Code::new(&[started_as(execution, run)]);
        c.step("a").step("a").step("b").step("a1").step("");
        for seq in 0..5 {
            assert!(seen.insert(c.engine.idempotency_key(seq).uuid()), "{execution} {run} {seq}");
        }
    }
}

#[test]
fn an_idempotency_key_does_not_depend_on_arguments_or_on_what_else_is_called() {
    let key = |c: &mut Code, seq| c.engine.idempotency_key(seq).uuid();
    let alone = key(Code::new(&[]).step("a"), 0);
    assert_eq!(alone, key(Code::new(&[]).step_with("a", "[1]"), 0));
    assert_eq!(alone, key(Code::new(&[]).step("b").sleep(500).step("a"), 2));
    assert_ne!(alone, key(Code::new(&[]).step("a").step("a"), 1));
}

/// A log keeps the draws and the keys only in what came of them: a version of everstep that draws
/// others blocks open executions, and charges a second time where the bank knows a step by its key.
#[test]
fn what_is_drawn_is_the_same_in_every_version() {
    let mut c = Code::new(&[]);
    let drawn: String = c.engine.draw().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(drawn, "03b62d29ff4e17a20bf29bafb96c673e75be14bba4cea1b665ae8cd1a0805d48");
    c.step("a");
    let key = c.engine.idempotency_key(0).uuid().to_string();
    assert_eq!(key, "69eaf26e-b289-8ffd-9daa-809a179cde41");
    let first = Code::new(&[]).engine.draw_uuid().to_string();
    assert_eq!(first, "03b62d29-ff4e-87a2-8bf2-9bafb96c673e");
}
