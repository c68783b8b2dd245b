//! Races: several hosts on every wake, wakes that are lost, doubled, late and out of order, hosts
//! that are slow and whose clocks differ, leases that expire under their owners.

use std::sync::Arc;
use std::time::Duration;

use everstep::App;
use everstep::event::Event;
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
            sweeps: true,
        }
    }
}

/// One race, to its end. Returns the world and how many claims it took.
async fn race(seed: u64, odds: Odds) -> (World, usize) {
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
        let lease = Duration::from_secs(11) + dice.time(Duration::from_secs(9));
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
    let closed = Duration::from_secs(3_600);
    world.until("race", closed, |record| record.projection.status.is_closed()).await;
    let total = handle.result().await.unwrap();
    assert_eq!(total, busy_total());
    world.ledger.check();
    let log = world.log("race").await;
    check_log(&log);
    world.until_no_wake_is_left(Duration::from_secs(1_800)).await;
    world.check_closed("race").await;
    let claims = log.iter().flat_map(|commit| &commit.events);
    let claims = claims.filter(|event| matches!(event, Event::TurnStarted(_))).count();
    (world, claims)
}

const WILD: Losses = Losses { lost: 0, doubled: 200, late: 300, late_max: Duration::from_secs(60) };

#[test]
fn two_hosts_on_every_wake_write_one_history() {
    seeds("two_hosts_on_every_wake", 80, async |seed| {
        race(seed, Odds::default()).await;
    });
}

#[test]
fn eight_hosts_on_every_wake_write_one_history() {
    seeds("eight_hosts_on_every_wake", 40, async |seed| {
        race(seed, Odds { hosts: 8, ..Odds::default() }).await;
    });
}

#[test]
fn doubled_late_and_reordered_wakes_change_nothing() {
    seeds("doubled_late_and_reordered", 80, async |seed| {
        race(seed, Odds { losses: WILD, ..Odds::default() }).await;
    });
}

#[test]
fn lost_wakes_are_healed_by_the_sweeper() {
    seeds("lost_wakes_are_healed", 80, async |seed| {
        let losses = Losses { lost: 600, ..WILD };
        race(seed, Odds { losses, ..Odds::default() }).await;
    });
}

/// Slow calls outlast leases, so hosts claim from owners that are still at work.
#[test]
fn leases_that_expire_under_their_owners_repeat_nothing_that_is_durable() {
    let odds = Odds {
        hosts: 3,
        slow: 150,
        slow_max: Duration::from_secs(25),
        losses: WILD,
        ..Odds::default()
    };
    let (claims, runs) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    seeds("leases_that_expire", 60, async |seed| {
        claims.set(claims.get() + race(seed, odds).await.1);
        runs.set(runs.get() + 1);
    });
    // Four are for what comes from outside.
    if runs.get() > 1 {
        assert!(claims.get() > runs.get() * 4, "hardly any lease expired: {}", claims.get());
    }
}

/// The sweeper is a net under lost wakes, not a part of the machine.
#[test]
fn without_a_sweeper_slow_and_racing_hosts_lose_nothing() {
    let odds = Odds {
        hosts: 3,
        each_gets_all: false,
        slow: 100,
        slow_max: Duration::from_secs(25),
        losses: WILD,
        sweeps: false,
        ..Odds::default()
    };
    seeds("without_a_sweeper", 80, async |seed| {
        race(seed, odds).await;
    });
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
    let last = std::cell::RefCell::new(Vec::new());
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
