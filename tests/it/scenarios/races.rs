//! Races: the recorded winner wins in every replay, and what the loser does later changes nothing
//! (M4).

use std::time::Duration;

use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{ALL, Effects, World, check};

#[step(skip(effects))]
async fn note(effects: &Effects, what: &str) -> everstep::Result<u32> {
    effects.note(what);
    Ok(1)
}

#[step(skip(effects))]
async fn slow(effects: &Effects, millis: u64) -> everstep::Result<u32> {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    effects.note(format!("slow {millis}"));
    Ok(2)
}

#[step(skip(effects), retry(initial = "10s", jitter = false))]
async fn fails(effects: &Effects) -> everstep::Result<u32> {
    effects.note("fails");
    Err(everstep::Error::msg("no"))
}

/// Each race's winner is told to the outside world: once, whichever it is.
async fn winner<L, R>(effects: &Effects, race: Either<L, R>) -> everstep::Result<&'static str> {
    let won = match race {
        Either::Left(_) => "left",
        Either::Right(_) => "right",
    };
    note(effects, won).await?;
    Ok(won)
}

#[workflow]
async fn steps_and_timers(State(effects): State<Effects>, _input: ()) -> everstep::Result<String> {
    let mut won = Vec::new();
    won.push(winner(&effects, race(note(&effects, "step"), sleep(hours(1))).await).await?);
    // The body of the loser runs when the timer fires; its second call is another operation.
    won.push(winner(&effects, race(slow(&effects, 9_000), sleep(seconds(2))).await).await?);
    sleep(seconds(20)).await;
    won.push(winner(&effects, race(slow(&effects, 10), sleep(hours(1))).await).await?);
    // The loser's next attempt is due after the race.
    won.push(winner(&effects, race(fails(&effects), sleep(seconds(3))).await).await?);
    sleep(minutes(1)).await;
    Ok(won.join(" "))
}

/// M4: a step and a timer.
#[test]
fn of_a_step_and_a_timer_the_first_wins_in_every_replay() {
    check(
        ALL,
        || App::new().workflow(steps_and_timers),
        async |world| {
            let handle = world.start(steps_and_timers, ()).await;
            assert_eq!(world.result(&handle).await.unwrap(), "left right left right");
            world.did("left", 2);
            world.did("right", 2);
            world.did("slow 10", 1);
            if world.is_calm() {
                assert_eq!(world.effects().count("fails"), 1, "the loser was tried again");
            }
        },
    );
}

#[workflow]
async fn signal_or_timer(
    State(effects): State<Effects>,
    patience_s: u64,
) -> everstep::Result<String> {
    let first = race(signal::<u32>("go"), sleep(seconds(patience_s))).await;
    let first = winner(&effects, first).await?;
    sleep(seconds(30)).await;
    // A signal that came too late for the race is there for the next wait.
    let second = race(signal::<u32>("go"), sleep(seconds(30))).await;
    Ok(format!("{first} {}", winner(&effects, second).await?))
}

/// M4: a signal and a timer.
#[test]
fn a_signal_that_comes_before_the_timer_wins() {
    check(
        ALL,
        || App::new().workflow(signal_or_timer),
        async |world| {
            let handle = world.start(signal_or_timer, 7_200).await;
            world
                .until(async {
                    world.status_is(handle.id(), Status::Suspended).await;
                    handle.signal("go", &1).await.unwrap();
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), "left right");
        },
    );
}

/// M4: a signal and a timer.
#[test]
fn a_signal_that_comes_after_the_timer_changes_nothing_but_the_next_wait() {
    check(
        ALL,
        || App::new().workflow(signal_or_timer),
        async |world| {
            let handle = world.start(signal_or_timer, 5).await;
            world
                .until(async {
                    world.has(handle.id(), "TimerFired", 1).await;
                    handle.signal("go", &1).await.unwrap();
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), "right left");
        },
    );
}

/// M4: when the hosts come back there are both, the signal and the timer that is due.
#[test]
fn of_a_signal_and_a_timer_that_are_found_together_one_wins_for_good() {
    check(
        ALL,
        || App::new().workflow(signal_or_timer),
        async |world| {
            let handle = world.start(signal_or_timer, 300).await;
            world.until(world.status_is(handle.id(), Status::Suspended)).await;
            tokio::time::sleep(Duration::from_secs(200)).await;
            handle.signal("go", &1).await.unwrap();
            tokio::time::sleep(Duration::from_secs(200)).await;
            let won = world.result(&handle).await.unwrap();
            one_story(world, &won);
        },
    );
}

/// What was told of each race is what the execution returned.
#[track_caller]
fn one_story(world: &World, won: &str) {
    let mut told = world.effects().all();
    // A note may be told again if its host died; never another one.
    told.dedup();
    let mut won: Vec<_> = won.split(' ').map(ToOwned::to_owned).collect();
    won.dedup();
    assert_eq!(told, won);
}

#[workflow]
async fn two_signals(State(effects): State<Effects>, _input: ()) -> everstep::Result<String> {
    let first = race(signal::<u32>("a"), signal::<u32>("b")).await;
    let first = match first {
        Either::Left(n) => format!("a{}", n?),
        Either::Right(n) => format!("b{}", n?),
    };
    note(&effects, &first).await?;
    sleep(seconds(30)).await;
    // What comes for the loser is there for the next wait.
    let late = signal::<u32>("a").await?;
    Ok(format!("{first} a{late}"))
}

/// M4: two signals.
#[test]
fn of_two_signals_the_first_wins_and_the_other_waits_for_its_next_wait() {
    check(
        ALL,
        || App::new().workflow(two_signals),
        async |world| {
            let handle = world.start(two_signals, ()).await;
            handle.signal("b", &2).await.unwrap();
            world
                .until(async {
                    world.has(handle.id(), "SignalReceived", 1).await;
                    handle.signal("a", &1).await.unwrap();
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), "b2 a1");
            world.did("b2", 1);
            assert_eq!(world.effects().count("a1"), 0);
        },
    );
}

#[workflow]
async fn two_steps(State(effects): State<Effects>, _input: ()) -> everstep::Result<String> {
    let mut won = Vec::new();
    for pause in [0, 5, 10] {
        let race = race(slow(&effects, 5 + pause), slow(&effects, 15 - pause)).await;
        won.push(winner(&effects, race).await?);
        sleep(seconds(1)).await;
    }
    Ok(won.join(" "))
}

/// M4: two steps, of which each is the faster once, and once both are ready together.
#[test]
fn of_two_steps_the_one_that_is_recorded_first_wins_in_every_replay() {
    check(
        ALL,
        || App::new().workflow(two_steps),
        async |world| {
            let handle = world.start(two_steps, ()).await;
            let won = world.result(&handle).await.unwrap();
            let told = world.effects().all();
            let told: Vec<_> = told.into_iter().filter(|it| !it.starts_with("slow")).collect();
            if world.is_calm() {
                assert_eq!(told.join(" "), won);
                assert!(won.starts_with("left ") && won.ends_with(" right"), "{won}");
            }
        },
    );
}
