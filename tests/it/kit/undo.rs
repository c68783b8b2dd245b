//! Undoing in the kit: what a test of a saga says, and what it finds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use everstep::client::ResultError;
use everstep::event::Event;
use everstep::prelude::*;
use everstep::store::Status;
use everstep::testing::{Env, Execution, crash_everywhere};

use super::{panics, says};

/// What is booked, by the key under which it was booked: a world that bears repetition.
#[derive(Debug, Clone, Default)]
struct Town(Arc<Mutex<BTreeMap<String, String>>>);

impl Town {
    fn book(&self, key: String, what: &str) -> String {
        self.0.lock().unwrap().insert(key.clone(), what.to_owned());
        key
    }

    fn free(&self, key: &str) {
        self.0.lock().unwrap().remove(key);
    }

    fn booked(&self) -> Vec<String> {
        self.0.lock().unwrap().values().cloned().collect()
    }
}

#[step(skip(town), undo = free, undo_retry(max_attempts = 3, initial = "1s"))]
async fn book(town: &Town, what: String, nights: u32) -> everstep::Result<String> {
    assert!(nights > 0, "no nights");
    Ok(town.book(everstep::idempotency_key(), &what))
}

/// By reference or by value, as it likes.
async fn free(town: &Town, what: &str, nights: u32, key: &str) -> everstep::Result<()> {
    assert!(nights > 0 && !what.is_empty());
    town.free(key);
    Ok(())
}

#[step(undo = none)]
async fn look_up(what: &str) -> everstep::Result<usize> {
    Ok(what.len())
}

#[step]
async fn tell(what: &str) -> everstep::Result<()> {
    if what == "nobody" {
        return Err(everstep::Error::msg("nobody is there").terminal());
    }
    Ok(())
}

#[workflow]
async fn travel(State(town): State<Town>, who: String) -> everstep::Result<usize> {
    let found = look_up(&who).await?;
    let _hotel = book(&town, "hotel".to_owned(), 3).await?;
    let _car = book(&town, "car".to_owned(), 2).await?;
    tell("the neighbours").await?;
    sleep(days(1)).await;
    tell(&who).await?;
    Ok(found)
}

fn town() -> (Town, Env) {
    let town = Town::default();
    (town.clone(), Env::new(App::new().workflow(travel).state(town)))
}

fn keys(events: &[Event], kind: &str) -> Vec<String> {
    let of_kind = events.iter().filter(|event| event.kind() == kind);
    of_kind.filter_map(|event| event.key().map(ToString::to_string)).collect()
}

#[test]
fn what_a_failed_workflow_did_is_undone_last_in_first_out() {
    let (town, env) = town();
    let trip = env.start(travel, "nobody".to_owned());
    let Err(ResultError::Failed(error)) = trip.result() else { panic!("it failed") };
    assert_eq!(error.to_string(), "nobody is there");
    assert!(town.booked().is_empty(), "{:?}", town.booked());
    let events = trip.events();
    let completed = keys(&events, "StepCompleted");
    assert_eq!(
        completed.iter().rev().take(2).rev().collect::<Vec<_>>(),
        ["undo book#1", "undo book#2"]
    );
    let undone: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::StepCompleted(e) if e.key.name == "undo book" => Some(e.input.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(undone, [r#"{"undoes":"book#2"}"#, r#"{"undoes":"book#1"}"#]);
    assert_eq!(env.runs("undo book"), 2);
}

#[test]
fn a_cancelled_workflow_is_undone_and_a_finished_one_is_not() {
    let (town, env) = town();
    let trip = env.start(travel, "Ada".to_owned());
    trip.cancel_after(hours(1), "the weather");
    let Err(ResultError::Cancelled { reason }) = trip.result() else { panic!("it was cancelled") };
    assert_eq!(reason, "the weather");
    assert!(town.booked().is_empty());
    let trip = env.start(travel, "Ada".to_owned());
    assert_eq!(trip.result().unwrap(), 3);
    assert_eq!(town.booked().len(), 2);
    assert!(!trip.events().iter().any(|event| event.kind() == "CompensationStarted"));
}

#[test]
fn steps_that_say_nothing_of_their_undoing_are_gaps() {
    let (_, env) = town();
    let trip = env.start(travel, "nobody".to_owned());
    assert!(trip.result().is_err());
    assert_eq!(trip.gaps(), ["tell#1"]);
    let trip = env.start(travel, "Ada".to_owned());
    assert!(trip.result().is_ok());
    assert!(trip.gaps().is_empty());
}

#[test]
fn where_gaps_are_denied_a_test_fails_that_leaves_one() {
    let (_, env) = town();
    let env = env.deny_gaps();
    assert!(env.run(travel, "Ada".to_owned()).is_ok(), "nothing is undone");
    let text = panics(|| env.run(travel, "nobody".to_owned()));
    says(&text, &["tell#1. Give them", "say nothing of their undoing"]);
}

#[test]
fn an_undo_that_fails_for_good_is_named_and_the_others_run() {
    let (town, env) = town();
    // Which fails: the undo of the second booking, the first to run.
    env.mock_named("undo book", |input: serde_json::Value| -> everstep::Result<()> {
        if input["undoes"] == "book#2" {
            return Err(everstep::Error::msg("the car is gone"));
        }
        Ok(())
    });
    let trip = env.start(travel, "nobody".to_owned());
    let Err(ResultError::NotUndone { ended, undo_steps }) = trip.result() else {
        panic!("not all is undone");
    };
    assert!(matches!(*ended, ResultError::Failed(_)), "{ended:?}");
    assert_eq!(undo_steps.iter().map(ToString::to_string).collect::<Vec<_>>(), ["undo book#1"]);
    assert_eq!(env.runs("undo book"), 4, "three attempts, and one of the other");
    assert_eq!(trip.status(), Status::Failed);
    let record = env.client();
    let record = env.block_on(async { record.describe(trip.id()).await }).unwrap();
    let reason = record.projection.reason.unwrap();
    assert!(reason.contains("nobody is there") && reason.contains("undo book#1"), "{reason}");
    assert_eq!(town.booked().len(), 2, "the mock frees nothing");
}

#[test]
fn a_saga_survives_every_crash_and_is_undone_once() {
    let story =
        |env: &Env| -> Execution<usize, everstep::Error> { env.start(travel, "nobody".to_owned()) };
    let crashes = crash_everywhere(|| town().1, story);
    assert!(crashes.crashes >= 40, "{crashes:?}");
    assert!(crashes.repeated.contains("undo book#1"), "{crashes:?}");
    let story = |env: &Env| -> Execution<usize, everstep::Error> {
        let trip = env.start(travel, "Ada".to_owned());
        trip.cancel_after(hours(1), "the weather");
        trip
    };
    crash_everywhere(|| town().1, story);
}

#[test]
fn what_is_registered_by_hand_is_undone_in_its_turn() {
    #[workflow]
    async fn by_hand(State(town): State<Town>, _: ()) -> everstep::Result<()> {
        let done = town.clone();
        everstep::compensate("all", async move || -> everstep::Result<()> {
            assert_eq!(done.booked(), ["end"], "it runs last");
            done.free("all");
            Ok(())
        })
        .retry(Retry::none());
        let booking = town.clone();
        step("book", async move || Ok::<_, everstep::Error>(booking.book("all".into(), "end")))
            .no_undo()
            .await?;
        let _hotel = book(&town, "hotel".to_owned(), 3).await?;
        Err(everstep::Error::msg("enough"))
    }
    let town = Town::default();
    let env = Env::new(App::new().workflow(by_hand).state(town.clone()));
    let stay = env.start(by_hand, ());
    let failed = stay.result();
    assert!(matches!(failed, Err(ResultError::Failed(_))), "{failed:?}");
    assert!(town.booked().is_empty(), "{:?}", town.booked());
    assert_eq!(keys(&stay.events(), "StepCompleted")[2..], ["undo book#1", "undo all#1"]);
    assert!(stay.gaps().is_empty());
}

#[test]
fn an_undo_step_that_would_continue_as_new_fails_and_says_where_that_belongs() {
    #[workflow]
    async fn for_ever(State(town): State<Town>, _: ()) -> everstep::Result<()> {
        let again = async move || -> everstep::Result<()> { continue_as_new(&()).await };
        everstep::compensate("start again", again).retry(Retry::none());
        let _hotel = book(&town, "hotel".to_owned(), 3).await?;
        Err(everstep::Error::msg("enough"))
    }
    let town = Town::default();
    let env = Env::new(App::new().workflow(for_ever).state(town.clone()));
    let stay = env.start(for_ever, ());
    let Err(ResultError::NotUndone { undo_steps, .. }) = stay.result() else {
        panic!("{:?}", stay.events())
    };
    assert_eq!(undo_steps.len(), 1);
    assert_eq!(undo_steps[0].to_string(), "undo start again#1");
    assert!(town.booked().is_empty(), "the others are undone all the same: {:?}", town.booked());
    let events = stay.events();
    let failed = events.iter().find_map(|event| match event {
        Event::StepFailed(failed) => Some(failed.failure.message()),
        _ => None,
    });
    let failed = failed.unwrap();
    assert!(failed.contains("continue_as_new() works only in a workflow"), "{failed}");
    assert_eq!(keys(&events, "ContinuedAsNew").len(), 0);
}
