//! What an operation promises, on a run that is fed by hand: no store, no turn.

mod options;
mod stored;

use std::future::Future;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::*;
use crate::event::{
    Event, Json, OperationKey, SignalReceived, StepCompleted, TimerFired, WorkflowStarted,
};
use crate::id::ExecutionId;
use crate::replay::Engine;
use crate::time::Timestamp;

/// A run of `workflow`, polled once.
fn run<T: serde::Serialize>(
    workflow: impl Future<Output = T> + Send + 'static,
) -> (Run, Result<WorkflowEnd, String>) {
    let (at, input) = (Timestamp(100), Json::null());
    let execution = ExecutionId::new("order-1").expect("an id");
    let start = WorkflowStarted::first(at, execution, "order".into(), input);
    let log = Arc::new(vec![Event::WorkflowStarted(start.clone())]);
    let future: BoxFuture<'static, _> =
        workflow.map(|end| WorkflowEnd::Completed(Json::record(&end).expect("JSON"))).boxed();
    let mut run = Run::new(Engine::new(&start, log), future);
    let progress = run.poll();
    (run, seen(progress))
}

fn seen(progress: Progress) -> Result<WorkflowEnd, String> {
    match progress {
        Progress::Waits => Err("waits".to_owned()),
        Progress::Ended(end) => Ok(end),
        Progress::Faulted(fault) => Err(fault.to_string()),
    }
}

/// Runs `workflow` and delivers `events`; what the last poll led to.
fn after<T: serde::Serialize>(
    workflow: impl Future<Output = T> + Send + 'static,
    events: &[Event],
) -> Result<WorkflowEnd, String> {
    let (mut run, mut last) = run(workflow);
    for event in events {
        last = run.deliver(event).map_or(last, seen);
    }
    last
}

fn ended(value: impl serde::Serialize) -> Result<WorkflowEnd, String> {
    Ok(WorkflowEnd::Completed(Json::record(&value).expect("JSON")))
}

#[track_caller]
fn check_fault(seen: &Result<WorkflowEnd, String>, part: &str) {
    match seen {
        Err(fault) => assert!(fault.contains(part), "{fault:?} lacks {part:?}"),
        Ok(end) => panic!("it ended with {end:?} and should not: {part}"),
    }
}

fn key(name: &'static str) -> OperationKey {
    OperationKey { name: name.into(), count: 1 }
}

fn done(seq: u32, name: &'static str, output: &str) -> Event {
    let (at, key, site, attempt) = (Timestamp(200), key(name), "".into(), 1);
    let (took_us, input) = (0, Json::record(&()).expect("JSON"));
    let output = Json::parse(output.to_owned()).expect("JSON");
    Event::StepCompleted(StepCompleted { at, seq, key, site, attempt, took_us, input, output })
}

fn fired(at: i64, seq: u32) -> Event {
    Event::TimerFired(TimerFired { at: Timestamp(at), seq, key: key("sleep") })
}

fn came(name: &str, payload: u64) -> Event {
    let (at, id, name) = (Timestamp(200), format!("{name}/{payload}"), name.to_owned());
    let payload = Json::record(&payload).expect("JSON");
    Event::SignalReceived(SignalReceived { at, id, name, payload })
}

#[track_caller]
fn one(name: &'static str) -> StepFuture<u64, crate::Error> {
    step(name, async move || Ok(1)).into_future()
}

#[test]
fn of_two_that_are_ready_at_once_the_left_one_wins_a_race() {
    let workflow = |flip: bool| async move {
        let (a, b) = (signal::<u64>("a"), signal::<u64>("b"));
        let (left, right) = if flip { (b, a) } else { (a, b) };
        let _ = one("late").await;
        match race(left, right).await {
            Either::Left(payload) => ("left", payload.unwrap_or(0)),
            Either::Right(payload) => ("right", payload.unwrap_or(0)),
        }
    };
    let events = [came("b", 2), came("a", 1), done(2, "late", "1")];
    assert_eq!(after(workflow(false), &events), ended(("left", 1)));
    assert_eq!(after(workflow(true), &events), ended(("left", 2)));
}

#[test]
fn of_a_future_and_its_time_out_that_are_ready_at_once_the_future_wins() {
    let workflow = async {
        let late = timeout(seconds(1), signal::<u64>("a"));
        let _ = one("late").await;
        late.await.map(|payload| payload.unwrap_or(0)).ok()
    };
    // Signal 0, timer 1, step 2.
    let events = [fired(1_100, 1), came("a", 7), done(2, "late", "1")];
    assert_eq!(after(workflow, &events), ended(7));
}

#[test]
fn time_counts_from_the_call_of_a_timer_and_not_from_its_first_poll() {
    let dues = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&dues);
    let (mut run, _) = run(async move {
        let (early, _) = (sleep(seconds(1)), one("s").await);
        let (late, bounded) =
            (sleep(seconds(1)), timeout(seconds(2), std::future::pending::<()>()));
        seen.lock().expect("no panic").push(now().timestamp_millis());
        let _ = futures::join!(early, late, bounded);
    });
    let _ = run.deliver(&done(1, "s", "1"));
    let engine = run.engine();
    let due = |seq| match engine.request(seq) {
        Some(crate::replay::Request::Timer { due, .. }) => due.0,
        other => panic!("{other:?}"),
    };
    assert_eq!((due(0), due(2), due(3)), (1_100, 1_200, 2_200));
    assert_eq!(*dues.lock().expect("no panic"), [200]);
}

#[test]
fn joined_outputs_come_in_the_order_given() {
    let workflow = async {
        let all = join_all(["a", "b", "c"].map(one)).await;
        all.into_iter().map(|n| n.unwrap_or(0)).collect::<Vec<_>>()
    };
    let events = [done(2, "c", "3"), done(0, "a", "1"), done(1, "b", "2")];
    assert_eq!(after(workflow, &events), ended([1, 2, 3]));
}

#[test]
fn a_panic_is_a_fault_with_its_text_and_place() {
    let seen = after(
        async {
            if one("a").await.is_ok() {
                panic!("a bug")
            }
        },
        &[done(0, "a", "1")],
    );
    check_fault(&seen, "the workflow panicked: a bug (");
    check_fault(&seen, file!());
}

#[test]
fn a_result_that_is_not_of_its_type_any_more_is_a_fault() {
    let seen = after(async { one("a").await.is_ok() }, &[done(0, "a", "\"text\"")]);
    check_fault(&seen, "the recorded result of step a#1: it is not a u64 any more: ");
}

#[test]
fn what_is_not_durable_is_a_fault_that_names_it() {
    let slept = run(async { tokio::time::sleep(seconds(1)).await }).1;
    check_fault(&slept, "awaits something that is not durable: tokio's timers or sockets (");
    let spawned = run(async { drop(tokio::spawn(std::future::pending::<()>())) }).1;
    check_fault(&spawned, "it spawned a task on tokio's runtime");
}

/// The line of the call below it.
macro_rules! here {
    () => {
        format!("{}:{}", file!(), line!() + 1)
    };
}

#[test]
fn what_is_not_durable_is_found_behind_the_operation_the_workflow_came_to_last() {
    let place = Arc::new(Mutex::new(String::new()));
    let note = |place: &Arc<Mutex<String>>, at| *place.lock().expect("no panic") = at;
    let says = |seen: &Result<WorkflowEnd, String>, key: &str| {
        let place = place.lock().expect("no panic").clone();
        check_fault(seen, &format!("The last operation it came to before is {key} ({place})"));
    };
    // It has been called, and not more.
    let called = Arc::clone(&place);
    let slept = run(async move {
        note(&called, here!());
        let _step = one("a");
        tokio::time::sleep(seconds(1)).await;
    });
    says(&slept.1, "step a#1");
    // Its outcome was taken after others were called.
    let taken = Arc::clone(&place);
    let workflow = async move {
        note(&taken, here!());
        let (a, b) = (one("a"), one("b"));
        let _later = (a.await, b);
        tokio::time::sleep(seconds(1)).await;
    };
    says(&after(workflow, &[done(0, "a", "1")]), "step a#1");
    // There is none.
    let slept = run(async { tokio::time::sleep(seconds(1)).await }).1;
    check_fault(&slept, "It came to no operation before. Await it inside a step");
}

#[test]
fn a_task_that_was_spawned_may_have_the_operation_that_nobody_awaits() {
    let (_, spawned) = run(async {
        drop(one("a"));
        let kept = one("b");
        drop(tokio::spawn(kept));
    });
    let place = format!("{}:{}", file!(), line!() - 3);
    let text = "it spawned a task on tokio's runtime, perhaps with step b#1";
    check_fault(&spawned, &format!("{text} ({place}), which it called and does not await"));
}

#[test]
fn a_wake_from_outside_is_a_fault() {
    let (sender, receiver) = tokio::sync::oneshot::channel::<u64>();
    let (mut run, first) = run(async { receiver.await.ok() });
    assert_eq!(first, Err("waits".to_owned()));
    sender.send(1).expect("somebody waits");
    check_fault(&seen(run.poll()), "something other than its own operations woke it");
}

#[test]
fn an_operation_that_is_polled_outside_its_workflow_is_a_fault_of_that_workflow() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let place = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&place);
    let (mut run, _) = run(async move {
        *noted.lock().expect("no panic") = here!();
        let moved: BoxFuture<'static, bool> = one("a").map(|n| n.is_ok()).boxed();
        sender.send(moved).expect("somebody takes it");
        std::future::pending::<()>().await;
    });
    let mut moved = receiver.try_recv().expect("it was sent");
    assert_eq!(moved.as_mut().now_or_never(), None);
    let place = place.lock().expect("no panic");
    check_fault(&seen(run.poll()), &format!("step a#1 ({place}) was polled outside its workflow"));
}

#[test]
fn outside_a_workflow_a_step_is_the_plain_function_and_the_rest_says_where_it_belongs() {
    assert_eq!(one("a").now_or_never().expect("ready").ok(), Some(1));
    let text = panics::catch(|| drop(sleep(seconds(1)))).expect_err("it panics");
    assert!(text.contains("everstep::sleep() works only in a workflow"), "{text}");
    let text = panics::catch(uuid).expect_err("it panics");
    assert!(text.contains("everstep::uuid() works only in a workflow"), "{text}");
}

#[test]
fn a_workflow_that_is_dropped_runs_its_destructors_as_its_own_code() {
    struct Reads(Arc<Mutex<Option<i64>>>);
    impl Drop for Reads {
        fn drop(&mut self) {
            *self.0.lock().expect("no panic") = Some(now().timestamp_millis());
        }
    }
    let read = Arc::new(Mutex::new(None));
    let guard = Reads(Arc::clone(&read));
    let (run, _) = run(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    drop(run);
    assert_eq!(*read.lock().expect("no panic"), Some(100));
}

#[test]
fn a_workflow_is_polled_until_it_wakes_itself_no_more() {
    // Each half is moved by the other, again and again, with no event in between.
    let workflow = async {
        let (ping, pong) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
        let left = async {
            for _ in 0..5 {
                ping.notify_one();
                pong.notified().await;
            }
        };
        let right = async {
            for _ in 0..5 {
                ping.notified().await;
                pong.notify_one();
            }
        };
        futures::join!(left, right);
        5
    };
    assert_eq!(after(workflow, &[]), ended(5));
}
