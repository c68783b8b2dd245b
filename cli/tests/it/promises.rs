//! Promises are listed, completed, failed and kept alive.

use everstep::store::Status;
use everstep_cli::exit;
use serde_json::json;

use crate::support::Place;

const FIRST: &str = "p1.a.1.answer.1";
const SECOND: &str = "p1.a.1.answer.2";

fn waiting() -> Place {
    let place = Place::new();
    place.ok(["start", "decide", "--id", "a"]);
    place.work_until("a", Status::Suspended);
    place
}

#[test]
fn open_promises_are_listed_with_their_tokens() {
    let place = waiting();
    let promises = &place.json(["show", "a"])[0]["promises"];
    assert_eq!(promises[0]["token"], FIRST);
    assert_eq!(promises[0]["due"], json!(null));
    assert_eq!(promises[1]["token"], SECOND);
    assert!(promises[1]["due"].is_string(), "{promises}");
    assert!(promises[1]["site"].as_str().unwrap().contains("support.rs:"), "{promises}");
    let text = place.ok(["show", "a"]);
    assert!(text.contains(FIRST) && text.contains(&format!("{SECOND}  until ")), "{text}");
    let history = place.ok(["history", "a", "--full"]);
    assert!(history.contains("PromiseCreated"), "{history}");
    assert!(history.contains("a heartbeat every 30m"), "{history}");
}

#[test]
fn a_promise_is_completed_once_and_who_comes_later_is_told() {
    let place = waiting();
    let complete = ["promise", "complete", SECOND, "7"];
    let done =
        |repeated| json!({"v": 1, "token": SECOND, "done": "completed", "repeated": repeated});
    assert_eq!(place.json(complete), [done(false)]);
    assert_eq!(place.json(complete), [done(true)]);
    assert!(place.run(complete).err.contains("had been completed"));
    let other = place.fails(exit::CONFLICT, ["promise", "complete", SECOND, "8"]);
    assert!(other.contains("is over since"), "{other}");
    assert!(place.ok(["show", "a"]).contains("promise answer#2 completed: 7"));
    let failed = place.run(["promise", "fail", FIRST, "nobody knows"]);
    assert_eq!((failed.code, failed.out.as_str()), (Some(0), ""), "{failed:?}");
    place.work_until("a", Status::Completed);
    let shown = &place.json(["show", "a"])[0];
    assert_eq!(shown["output"], "promise \"answer\" was failed: nobody knows, 7");
    assert_eq!(shown["promises"], json!([]));
    let history = place.ok(["history", "a", "--full"]);
    assert!(history.contains("failed: nobody knows"), "{history}");
    // What it became is known for ever.
    assert_eq!(place.json(complete), [done(true)]);
    place.fails(exit::CONFLICT, ["promise", "fail", SECOND, "no"]);
}

#[test]
fn a_heartbeat_is_one_and_has_no_result() {
    let place = waiting();
    let beaten = json!({"v": 1, "token": SECOND, "done": "kept alive", "repeated": null});
    assert_eq!(place.json(["promise", "heartbeat", SECOND]), [beaten]);
    assert!(place.ok(["show", "a"]).contains("heartbeat of promise answer#2"));
}

#[test]
fn a_token_that_is_none_or_names_nothing_is_refused() {
    let place = waiting();
    let cut = place.fails(exit::USAGE, ["promise", "complete", "p1.a.1.answer", "7"]);
    assert!(cut.contains("five parts"), "{cut}");
    let json = place.fails(exit::USAGE, ["promise", "complete", FIRST, "Ada"]);
    assert!(json.contains("not JSON"), "{json}");
    let none = place.fails(exit::NOT_FOUND, ["promise", "heartbeat", "p1.a.1.other.1"]);
    assert!(none.contains("everstep show"), "{none}");
    place.fails(exit::NOT_FOUND, ["promise", "fail", "p1.b.1.answer.1", "no"]);
    place.ok(["terminate", "a", "--reason", "enough"]);
    place.work_until("a", Status::Terminated);
    place.fails(exit::CLOSED, ["promise", "complete", FIRST, "\"late\""]);
}
