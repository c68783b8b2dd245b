//! Races: several hosts on every wake, wakes that are lost, doubled, late and out of order, hosts
//! that are slow and whose clocks differ, leases that expire under their owners.

mod hosts;

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use everstep::App;
use everstep::event::{Commit, Event};
use everstep::limits::WORKER_LEASE_MIN;
use everstep::memory::MemoryStore;
use everstep_tests::sim::programs::{busy, busy_total};
use everstep_tests::sim::{
    Dice, Fates, Host, HostOptions, Losses, LossyQueue, SlowStore, World, check_log, seeds,
};

/// Against whom and what.
#[derive(Debug, Clone, Copy)]
struct Odds {
    hosts: usize,
    /// Whether each host gets every wake; else they share one queue.
    each_gets_all: bool,
    losses: Losses,
    /// How many calls of a thousand are slow, and how slow.
    slow: u64,
    slow_max: Duration,
    /// How far clocks differ at the most.
    skew: Duration,
    /// Leases are so long at least, and up to `lease_spread` longer.
    lease: Duration,
    lease_spread: Duration,
    sweeps: bool,
}

impl Default for Odds {
    fn default() -> Self {
        Self {
            hosts: 2,
            each_gets_all: true,
            losses: Losses::default(),
            slow: 0,
            slow_max: Duration::ZERO,
            skew: Duration::from_secs(5),
            lease: WORKER_LEASE_MIN,
            lease_spread: Duration::from_secs(9),
            sweeps: true,
        }
    }
}

/// What a race was like.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    /// Turns that were begun.
    claims: usize,
    /// Those of them over a claim whose lease had expired and whose turn had not ended.
    overtaken: usize,
    /// Bodies that were started again, because nobody knew how they had ended.
    repeats: usize,
}

impl Tally {
    fn of(world: &World, log: &[Commit]) -> Self {
        let (claims, overtaken) = turns(log);
        let bodies = world.ledger.all_runs();
        let once: HashSet<&String> = bodies.iter().collect();
        Self { claims, overtaken, repeats: bodies.len() - once.len() }
    }
}

/// How many turns were begun, and how many of them over one that had not ended.
fn turns(log: &[Commit]) -> (usize, usize) {
    let (mut claims, mut overtaken, mut open) = (0, 0, false);
    for event in log.iter().flat_map(|commit| &commit.events) {
        match event {
            Event::TurnStarted(_) => {
                claims += 1;
                overtaken += usize::from(open);
                open = true;
            }
            Event::TurnEnded(_) => open = false,
            _ => {}
        }
    }
    (claims, overtaken)
}

/// Runs a race for each of so many seeds, and returns how many that were and what they were like
/// together.
fn races(test: &str, count: u64, odds: Odds) -> (usize, Tally) {
    let all = RefCell::new((0, Tally::default()));
    seeds(test, count, async |seed| {
        let (_, one) = race(seed, odds).await;
        let (runs, sum) = &mut *all.borrow_mut();
        *runs += 1;
        sum.claims += one.claims;
        sum.overtaken += one.overtaken;
        sum.repeats += one.repeats;
    });
    all.into_inner()
}

/// One race, to its end. Returns the world and what the race was like.
async fn race(seed: u64, odds: Odds) -> (World, Tally) {
    let mut dice = Dice::new(seed);
    let queues = if odds.each_gets_all { odds.hosts } else { 1 };
    let queue = LossyQueue::new(queues, odds.losses, dice.split());
    let waiting = queue.clone();
    let store = Arc::new(MemoryStore::new());
    let world = World::on(store, Arc::new(queue.clone()), move || waiting.len());
    for number in 0..odds.hosts {
        let name = format!("host{number}");
        let fates = Fates::good(&world, &name);
        let store = Arc::clone(&world.store);
        let store = SlowStore::new(store, dice.split(), odds.slow, odds.slow_max);
        let backend = fates.backend(Arc::new(store), Arc::new(queue.of(number % queues)));
        let ahead = dice.time(odds.skew).as_millis().try_into().unwrap_or(0_i64);
        let lease = odds.lease + dice.time(odds.lease_spread);
        let options = HostOptions {
            skew_millis: ahead,
            lease: Some(lease),
            sweeps: odds.sweeps,
            ..HostOptions::default()
        };
        let app = App::new().workflow(busy).state(world.ledger.clone());
        Host::start(&world, app, backend, &fates, &options);
    }
    let client = world.client();
    let handle = client.start(busy, "race".to_owned()).id("race").await.unwrap();
    for signal in 0..2_u64 {
        tokio::time::sleep(dice.time(Duration::from_secs(30))).await;
        handle.signal("go", &signal).id(signal.to_string()).await.unwrap();
    }
    loop {
        assert!(world.elapsed() < Duration::from_secs(3 * 3_600), "it goes round for ever");
        let limit = Duration::from_secs(3_600);
        world.until("race", limit, |record| !record.projection.status.is_swept()).await;
        if world.record("race").await.is_some_and(|it| it.projection.status.is_closed()) {
            break;
        }
        // So many hosts in a row were too slow that it counts as poison. That it is not.
        client.resume(handle.id()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let total = handle.result().await.unwrap();
    assert_eq!(total, busy_total());
    world.ledger.check();
    let log = world.log("race").await;
    check_log(&log);
    world.until_no_wake_is_left(Duration::from_secs(1_800)).await;
    world.check_closed("race").await;
    let tally = Tally::of(&world, &log);
    (world, tally)
}

const WILD: Losses = Losses { lost: 0, doubled: 200, late: 300, late_max: Duration::from_secs(60) };

#[test]
fn two_hosts_on_every_wake_write_one_history() {
    races("two_hosts_on_every_wake", 80, Odds::default());
}

#[test]
fn eight_hosts_on_every_wake_write_one_history() {
    races("eight_hosts_on_every_wake", 40, Odds { hosts: 8, ..Odds::default() });
}

#[test]
fn doubled_late_and_reordered_wakes_change_nothing() {
    races("doubled_late_and_reordered", 80, Odds { losses: WILD, ..Odds::default() });
}

#[test]
fn lost_wakes_are_healed_by_the_sweeper() {
    let losses = Losses { lost: 600, ..WILD };
    races("lost_wakes_are_healed", 80, Odds { losses, ..Odds::default() });
}

/// Slow calls outlast leases, so hosts claim from owners that are still at work.
#[test]
fn leases_that_expire_under_their_owners_repeat_nothing_that_is_durable() {
    let odds = Odds {
        hosts: 3,
        slow: 300,
        slow_max: Duration::from_secs(15),
        lease_spread: Duration::from_secs(1),
        losses: WILD,
        ..Odds::default()
    };
    let (runs, all) = races("leases_that_expire", 60, odds);
    // Of one seed alone nothing is expected.
    if runs > 1 {
        assert!(all.overtaken >= 3 * runs, "hardly any lease expired: {all:?} in {runs} runs");
        assert!(all.repeats >= 2 * runs, "hardly any owner was at work: {all:?} in {runs} runs");
    }
}

/// The sweeper is a net under lost wakes, not a part of the machine.
#[test]
fn without_a_sweeper_slow_and_racing_hosts_lose_nothing() {
    let odds = Odds {
        hosts: 3,
        each_gets_all: false,
        slow: 300,
        slow_max: Duration::from_secs(15),
        lease_spread: Duration::from_secs(1),
        losses: WILD,
        sweeps: false,
        ..Odds::default()
    };
    let (runs, all) = races("without_a_sweeper", 80, odds);
    if runs > 1 {
        assert!(all.overtaken >= 2 * runs, "hardly any lease expired: {all:?} in {runs} runs");
    }
}

#[test]
fn a_seed_that_is_run_twice_is_the_same_run() {
    let odds = Odds {
        hosts: 3,
        slow: 100,
        slow_max: Duration::from_secs(25),
        losses: WILD,
        ..Odds::default()
    };
    let last = RefCell::new(Vec::new());
    for _ in 0..2 {
        seeds("a_seed_that_is_run_twice", 5, async |seed| {
            let (world, _) = race(seed, odds).await;
            last.borrow_mut().push((world.trace(), world.ledger.all_runs()));
        });
    }
    let runs = last.into_inner();
    let (first, second) = runs.split_at(runs.len() / 2);
    assert_eq!(first, second);
}
