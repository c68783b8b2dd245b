//! Updates: given as signals are, and their answers are compared with the log.

use super::code::{Code, check, check_fault};
use super::mismatch::text;
use super::*;

fn value(json_text: &str) -> Reply {
    Reply::Value(json(json_text))
}

#[test]
fn updates_are_kept_ordered_and_given_out_as_signals_are() {
    let log = [asks(101, "u", "a", "1"), came(102, "u", "2"), asks(103, "u", "b", "3")];
    check(
        &log,
        |c| c.update("u").signal("u").poll([0, 1]).deliver_all().poll([0, 1]).update("u").poll([2]),
        "u#1 u#1 - - +0 +1 + a?1 2 u#2 b?3",
    );
}

#[test]
fn a_dropped_wait_gives_its_update_back() {
    let log = [asks(101, "u", "a", "1"), asks(102, "u", "b", "2")];
    check(
        &log,
        |c| c.update("u").update("u").poll([0, 1]).deliver().drop(0).poll([1]),
        "u#1 u#2 - - +0 x1 a?1",
    );
    check(
        &log,
        |c| c.update("u").poll([0]).deliver_all().drop(0).update("u").poll([1]),
        "u#1 - +0 + x u#2 a?1",
    );
    check(
        &log,
        |c| c.update("u").update("u").poll([0, 1]).drop(0).deliver().poll([1]),
        "u#1 u#2 - - x +1 a?1",
    );
}

#[test]
fn which_updates_are_waited_for_is_known() {
    let mut c = Code::new(&[asks(101, "u", "a", "1")]);
    c.update("u").update("w");
    assert!(c.engine.waits_for().updates.is_empty(), "called and not polled");
    c.poll([1, 0]);
    assert_eq!(c.engine.waits_for().updates, ["u", "w"]);
    c.deliver();
    assert_eq!(c.engine.waits_for().updates, ["w"]);
}

#[test]
fn a_reply_is_recorded_once_and_waits_for_nothing() {
    check(
        &[],
        |c| c.reply("u", "a", value("1")).needs(0).asked().record(0).record(0).needs(0),
        "u#1 to-be-recorded [0] UpdateReplied nothing nothing",
    );
    let log = [asks(101, "u", "a", "1"), replied(102, 0, "u#1", "a", value("2"))];
    check(
        &log,
        |c| c.deliver().reply("u", "a", value("2")).needs(0).record(0).deliver(),
        "+ u#1! nothing nothing .",
    );
}

#[test]
fn replies_are_the_same_if_they_say_the_same() {
    let same = |recorded: Reply, now: Reply| {
        check(
            &[replied(101, 0, "u#1", "a", recorded)],
            |c| c.reply("u", "a", now).deliver(),
            "u#1! .",
        );
    };
    same(value("{\"a\":1,\"b\":2}"), value("{\"b\":2,\"a\":1}"));
    same(Reply::Rejected(json("1")), Reply::Rejected(json("1")));
    // In words of another version of a library.
    same(Reply::Refused("it is no number".into()), Reply::Refused("it is not a number".into()));
}

#[test]
fn another_reply_than_the_recorded_one_is_found() {
    let log = |reply| [replied(101, 0, "u#1", "a", reply)];
    let text = |detail: &str| text(1, "reply u#1", "reply u#1", &format!("; {detail}"));
    check_fault(
        &log(value("1")),
        |c| c.reply("u", "a", value("2")),
        &text("it was answered 1 and is now answered 2"),
    );
    check_fault(
        &log(value("1")),
        |c| c.reply("u", "a", Reply::Rejected(json("1"))),
        &text("it was answered 1 and is now answered rejected: 1"),
    );
    check_fault(
        &log(value("1")),
        |c| c.reply("u", "b", value("1")),
        &text("it answered a and now answers b"),
    );
}

#[test]
fn a_reply_where_the_log_has_something_else_is_found() {
    let at = |recorded: &str, asked: &str| text(1, recorded, asked, "");
    check_fault(
        &[done(101, 0, "u#1", "1")],
        |c| c.reply("u", "a", value("1")),
        &at("step u#1", "reply u#1"),
    );
    check_fault(
        &[replied(101, 0, "u#1", "a", value("1"))],
        |c| c.reply("w", "a", value("1")),
        &at("reply u#1", "reply w#1"),
    );
    check_fault(
        &[replied(101, 0, "u#1", "a", value("1"))],
        |c| c.step("u"),
        &at("reply u#1", "step u#1"),
    );
}

#[test]
fn a_recorded_reply_that_the_code_does_not_make_is_found() {
    let text = text(1, "reply u#1", "nothing", "");
    check_fault(&[replied(101, 0, "u#1", "a", value("1"))], |c| c.deliver(), &text);
}
