use futures::FutureExt;

use super::*;

fn news() -> Wake {
    Wake::news(ExecutionId::new("x").unwrap())
}

#[tokio::test]
async fn wakes_that_came_before_a_load_are_done_with_it_and_later_ones_are_not() {
    let desk = Desk::default();
    let [first, second] = [(); 2].map(|()| desk.visit(news()));
    let (_, first) = first.look().await.unwrap();
    // Comes after the first began to load: that may have missed what this comes for.
    let [third, fourth] = [(); 2].map(|()| desk.visit(news()));
    let mut second = Box::pin(second.look());
    assert!(second.as_mut().now_or_never().is_none(), "one decides at a time");
    first.loaded();
    drop(first);
    assert!(second.await.is_none(), "the first has loaded since it came");
    let (_, third) = third.look().await.expect("nobody has loaded since it came");
    third.loaded();
    drop(third);
    assert!(fourth.look().await.is_none(), "the third has loaded since it came");
    assert!(desk.visit(news()).look().await.is_some(), "nobody is left who saw anything");
    assert!(desk.all().is_empty());
}

#[tokio::test]
async fn a_look_that_could_not_load_answers_for_nobody() {
    let desk = Desk::default();
    let [first, second] = [(); 2].map(|()| desk.visit(news()));
    drop(first.look().await.unwrap());
    assert!(second.look().await.is_some());
}

/// It may be dropped without a substitute, and then nothing would stand for the other.
#[tokio::test]
async fn the_load_of_a_sweeps_wake_answers_for_nobody() {
    let desk = Desk::default();
    let [sweep, other] = [Wake::sweep(news().execution), news()].map(|wake| desk.visit(wake));
    let (_, look) = sweep.look().await.unwrap();
    look.loaded();
    drop(look);
    let (_, look) = other.look().await.expect("it sees to its own substitute");
    let sweep = desk.visit(Wake::sweep(news().execution));
    look.loaded();
    drop(look);
    assert!(sweep.look().await.is_some(), "it came later");
}

#[tokio::test]
async fn a_turn_that_has_left_is_told_nothing_though_it_is_not_gone() {
    let desk = Desk::default();
    let active = desk.enter(&news().execution, WriterId::random());
    active.leave();
    assert!(desk.visit(news()).look().await.is_some());
    drop(active);
    assert!(desk.all().is_empty());
}

#[tokio::test]
async fn a_turn_is_told_as_long_as_it_is_under_way() {
    let desk = Desk::default();
    let id = news().execution;
    let active = desk.enter(&id, WriterId::random());
    assert!(desk.visit(news()).look().await.is_none());
    active.told.notified().now_or_never().expect("it was told");
    assert!(desk.has(&id, active.writer) && !desk.has(&id, WriterId::random()));
    drop(active);
    assert!(desk.visit(news()).look().await.is_some());
    assert!(desk.all().is_empty());
}

#[tokio::test]
async fn a_timers_wake_always_looks_for_itself() {
    let desk = Desk::default();
    let due = crate::time::Timestamp(0);
    let timer = Wake { kind: WakeKind::Timer { due }, ..news() };
    let _active = desk.enter(&timer.execution, WriterId::random());
    assert!(desk.visit(timer).look().await.is_some());
}

/// Those for another time have that to see to, and so has one that came later.
#[tokio::test]
async fn of_the_wakes_for_one_timer_that_came_before_a_load_one_looks() {
    let desk = Desk::default();
    let timer = |due| {
        let kind = WakeKind::Timer { due: crate::time::Timestamp(due) };
        desk.visit(Wake { kind, ..news() })
    };
    let [first, second, other] = [timer(1), timer(1), timer(2)];
    let (_, look) = first.look().await.unwrap();
    let late = timer(1);
    look.loaded();
    drop(look);
    assert!(second.look().await.is_none());
    assert!(other.look().await.is_some());
    assert!(late.look().await.is_some());
    assert!(desk.all().is_empty());
}

/// Another wake keeps the desk's entry of the execution: a dead turn in it would be told in vain.
#[tokio::test]
async fn a_turn_that_died_is_told_nothing_though_others_are_there() {
    let desk = Desk::default();
    let active = desk.enter(&news().execution, WriterId::random());
    let other = desk.visit(news());
    drop(active);
    assert!(other.look().await.is_some());
}
