//! One execution from its start to its end, with processes that die as planned.

use std::sync::Arc;
use std::time::Duration;

use everstep::client::{SendError, StartError};
use everstep::event::{Commit, Event};
use everstep::{App, Client};

use super::host::{Death, Fates, Host, HostOptions};
use super::programs::{Report, everything};
use super::world::execution;
use super::{Redelivered, World, check_log};
use crate::scenario::Backing;

/// Who dies when: the n-th entry is of the n-th process of that kind; those after the last live.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Hosts.
    pub hosts: Vec<Death>,
    /// Clients.
    pub clients: Vec<Death>,
}

/// What came of it.
#[derive(Debug)]
pub struct Story {
    /// The world afterwards.
    pub world: World,
    /// The log.
    pub log: Vec<Commit>,
    /// The result.
    pub report: Report,
}

/// What hosts are like.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Where the log is. The queue is in memory.
    pub backing: Backing,
    /// Whether every message has been received once before.
    pub redelivered: bool,
    /// All else.
    pub options: HostOptions,
}

const ID: &str = "order-1";

/// Runs [`everything`] to its end, and checks all that must hold whatever happened.
///
/// # Panics
/// Something does not hold.
pub async fn live(plan: &Plan, setup: &Setup) -> Story {
    let world = match setup.backing {
        Backing::Memory => World::new(),
        // Each look is a call.
        other => World::with(other.store()).looking_every(Duration::from_secs(10)),
    };
    tokio::spawn(hosts(world.clone(), plan.hosts.clone(), setup.clone()));
    clients(&world, &plan.clients).await;
    world.until(ID, Duration::from_secs(1800), |record| record.projection.status.is_closed()).await;
    // What is still under way comes to an end and leaves nothing behind.
    world.until_no_wake_is_left(Duration::from_secs(600)).await;
    world.check_closed(ID).await;
    world.ledger.check();
    let log = world.log(ID).await;
    check_log(&log);
    let report = match log.last().and_then(|commit| commit.events.last()) {
        Some(Event::WorkflowCompleted(end)) => end.output.read().expect("the report"),
        other => panic!("it did not complete: {other:?}"),
    };
    Story { world, log, report }
}

/// One host after the other.
async fn hosts(world: World, deaths: Vec<Death>, setup: Setup) {
    for number in 0.. {
        let name = format!("host{number}");
        let fates = Fates::dying(&world, &name, deaths.get(number).copied());
        let mut queue = Arc::clone(&world.queue);
        if setup.redelivered {
            queue = Arc::new(Redelivered(queue));
        }
        let backend = fates.backend(Arc::clone(&world.store), queue);
        let app = App::new().workflow(everything).state(world.ledger.clone());
        let options = &setup.options;
        Host::start(&world, app, backend, &fates, options).dies().await;
    }
}

/// One client after the other, each of which does all that is to be done from outside.
async fn clients(world: &World, deaths: &[Death]) {
    let begun = tokio::time::Instant::now();
    for number in 0.. {
        let fates = Fates::dying(world, &format!("client{number}"), deaths.get(number).copied());
        let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
        let client = Client::new(&backend).clock(world.clock.clone());
        if fates.run(outside(&client, begun)).await.is_some() {
            return;
        }
    }
}

/// Starts the execution, sends one signal before it is waited for and one after. A client that
/// goes on for a dead one repeats all of it.
async fn outside(client: &Client, begun: tokio::time::Instant) {
    match client.start(everything, ID.to_owned()).id(ID).await {
        Ok(_) => {}
        Err(StartError::Store { .. } | StartError::Wake { .. }) => panic!("no faults here"),
        Err(error) => panic!("{error}"),
    }
    for (name, after) in [("early", 10), ("late", 120)] {
        tokio::time::sleep_until(begun + Duration::from_secs(after)).await;
        match client.signal(&execution(ID), name, &after).id(name).await {
            Ok(()) | Err(SendError::Closed { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
