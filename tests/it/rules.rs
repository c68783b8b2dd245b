//! The protocol's rules one by one, where crashes and races alone would not show that one is gone.
//! `docs/protocol.md` numbers them.

mod alarms;
mod children;
mod ending;
mod giving_up;
mod news;
mod page;
mod poison;
mod restarting;
mod resuming;
mod running;
mod runs;
mod stuck;
mod telling;
mod terminating;
mod undoing;
mod unreadable;
mod wakes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use everstep::event::{Event, StoredCommit};
use everstep::id::{ExecutionId, WriterId};
use everstep::prelude::*;
use everstep::store::{Message, NewItem};
use everstep::testing::faults::Fate;
use everstep_tests::sim::{Fates, Host, HostOptions, Ledger, World, programs::act};
use futures::FutureExt;

/// A step that takes so many seconds, and a short one after it.
#[workflow]
async fn long(State(ledger): State<Ledger>, (id, takes): (String, u64)) -> everstep::Result<u64> {
    let (ledger, id) = (&ledger, &*id);
    let first = act(ledger, id, "long", &[], seconds(takes)).await?;
    Ok(first + act(ledger, id, "then", &["long"], Duration::ZERO).await?)
}

/// Takes signals until `end_after_s` seconds have gone by, and counts them.
#[workflow]
async fn counts(_: State<Ledger>, (_, end_after_s): (String, u64)) -> everstep::Result<u64> {
    let mut end = std::pin::pin!(sleep(seconds(end_after_s)));
    let mut count = 0;
    while let Either::Right(_) = race(&mut end, signal::<u64>("go")).await {
        count += 1;
    }
    Ok(count)
}

/// Takes signals until none has come for ten days, and counts them: each has won against a time-out,
/// and the next one is set.
#[workflow]
async fn patient(_: State<Ledger>, _: String) -> everstep::Result<u64> {
    let mut count = 0;
    while timeout(days(10), signal::<u64>("go")).await.is_ok() {
        count += 1;
    }
    Ok(count)
}

fn app(world: &World) -> App {
    App::new().workflow(long).workflow(counts).state(world.ledger.clone())
}

fn without_sweeper() -> HostOptions {
    HostOptions { sweeps: false, ..HostOptions::default() }
}

/// A host without faults.
fn host(world: &World, name: &str, options: &HostOptions) -> Host {
    let fates = Fates::good(world, name);
    host_with(world, &fates, options)
}

fn host_with(world: &World, fates: &Fates, options: &HostOptions) -> Host {
    host_of(world, App::new().workflow(long).workflow(counts), fates, options)
}

/// A host of another app, which gets its world's ledger.
fn host_of(world: &World, app: App, fates: &Fates, options: &HostOptions) -> Host {
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    Host::start(world, app.state(world.ledger.clone()), backend, fates, options)
}

/// A host without faults of another app.
fn good_host_of(world: &World, app: App, name: &str, options: &HostOptions) -> Host {
    host_of(world, app, &Fates::good(world, name), options)
}

async fn closed(world: &World, id: &str, limit: Duration) {
    world.until(id, limit, |record| record.projection.status.is_closed()).await;
}

/// The events of an execution.
async fn events(world: &World, id: &str) -> Vec<Event> {
    world.log(id).await.into_iter().flat_map(|commit| commit.events).collect()
}

async fn count(world: &World, id: &str, is: impl Fn(&Event) -> bool) -> usize {
    events(world, id).await.iter().filter(|event| is(event)).count()
}

/// At the `number`-th call of this name by `host`, a signal whose sender sends no wake lands first.
fn signal_lands_at(world: &World, name: &'static str, number: u32) -> Fates {
    lands_at(world, name, number, ("signal/late", going(7)))
}

/// A signal that [`counts`] waits for.
fn going(number: u64) -> Message {
    let payload = serde_json::from_str(&number.to_string()).unwrap();
    Message::Signal { name: "go".into(), payload }
}

/// The same with any message and the id of its item.
fn lands_at(
    world: &World,
    name: &'static str,
    number: u32,
    (item_id, message): (&'static str, Message),
) -> Fates {
    let (inside, calls) = (world.clone(), AtomicU32::new(0));
    Fates::by(world, "host", move |call| {
        if call.name == name && calls.fetch_add(1, Ordering::SeqCst) == number {
            item_lands(&inside, (item_id, message.clone()));
        }
        Fate::Proceed
    })
}

/// A message lands, and its sender sends no wake.
fn item_lands(world: &World, (item_id, message): (&str, Message)) {
    let item = NewItem { id: item_id.into(), arrived_at: world.clock.now(), message };
    let id = ExecutionId::new("x").unwrap();
    world.store.send(&id, &item).now_or_never().unwrap().unwrap();
}

/// The claim of a host that is never heard of again lands in the log.
fn a_dead_host_claims(world: &World) {
    let id = ExecutionId::new("x").unwrap();
    let loaded = world.store.load(&id).now_or_never().unwrap().unwrap().unwrap();
    let last = loaded.commits.last().unwrap();
    let now = world.clock.now();
    let lease_end = now.after(seconds(20));
    let claim = serde_json::json!({"TurnStarted": {
        "at": now, "host": "dead", "code": "1", "lease_end": lease_end,
    }});
    let claim: Event = serde_json::from_value(claim).unwrap();
    let number = last.number + 1;
    let claim = StoredCommit::encode(number, WriterId::random(), Some(last.hash), &[claim]);
    world.store.append(&id, &claim).now_or_never().unwrap().unwrap();
}
