//! Versions of one function, on one table and one queue: what begins at one of them stays there.

use std::collections::BTreeMap;

use super::*;
use crate::context::{State, continue_as_new, signal};
use crate::event::{TurnStarted, pinned_to};
use crate::turn::{HandOnError, Pin, Versions};

/// Which version's code it is.
#[derive(Clone, Copy)]
struct Release(u64);

/// Has its passport stamped so many times, by whatever version is there.
#[crate::workflow(crate = "crate")]
async fn travels(State(release): State<Release>, times: u32) -> crate::Result<Vec<u64>> {
    let mut stamps = Vec::new();
    for _ in 0..times {
        signal::<()>("go").await?;
        let stamp = async move || Ok::<u64, crate::Error>(release.0);
        stamps.push(step("stamp", stamp).await?);
    }
    Ok(stamps)
}

/// Goes round once, and says which versions it has seen.
#[crate::workflow(crate = "crate")]
async fn rounds(State(release): State<Release>, seen: Vec<u64>) -> crate::Result<Vec<u64>> {
    signal::<()>("go").await?;
    let seen = [&seen[..], &[release.0]].concat();
    if seen.len() < 2 { continue_as_new(&seen).await } else { Ok(seen) }
}

/// Has a bug in version 1.
#[crate::workflow(crate = "crate")]
async fn stumbles(State(release): State<Release>, _: ()) -> crate::Result<u64> {
    assert!(release.0 > 1, "a bug");
    Ok(release.0)
}

/// As a workflow of the library's is called.
#[crate::workflow(crate = "crate", name = "everstep.tests")]
async fn own(State(release): State<Release>, _: ()) -> crate::Result<u64> {
    signal::<()>("go").await?;
    Ok(release.0)
}

/// What becomes of an invocation of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Invoked {
    Well,
    /// It is refused, or throttled.
    Not,
    /// The turn is taken, and its answer gets lost.
    InVain,
}

/// The versions that there are, and what happens when one invokes another.
#[derive(Clone)]
struct World {
    store: Arc<MemoryStore>,
    queue: MemoryQueue,
    clock: Clock,
    versions: Arc<Mutex<BTreeMap<u64, Arc<Function>>>>,
    /// What becomes of the next invocations; of the rest, they are well.
    next: Arc<Mutex<Vec<Invoked>>>,
    invoked: Arc<AtomicU32>,
}

#[async_trait::async_trait]
impl Versions for World {
    async fn hand_on(
        &self,
        version: u64,
        handed: &HandedOn,
    ) -> Result<Option<HandedBack>, HandOnError> {
        self.invoked.fetch_add(1, Ordering::SeqCst);
        let Some(function) = self.version(version) else { return Ok(None) };
        let fate = self.next.lock().expect("no panic").pop().unwrap_or(Invoked::Well);
        let failed = || HandOnError { version, reason: "the test says so".into() };
        if fate == Invoked::Not {
            return Err(failed());
        }
        let deadline = self.clock.now().after(T);
        let answer = function.host.invoke(&handed.to_event(), "i", deadline).await;
        let answer = answer.expect("an invocation that takes turns never fails");
        if fate == Invoked::InVain {
            return Err(failed());
        }
        Ok(Some(serde_json::from_str(answer.get()).expect("an answer")))
    }
}

impl World {
    fn new() -> Self {
        Self {
            store: Arc::new(MemoryStore::new()),
            queue: MemoryQueue::new(),
            clock: Clock::virtual_from(BEGINNING),
            versions: Arc::default(),
            next: Arc::default(),
            invoked: Arc::default(),
        }
    }

    fn version(&self, version: u64) -> Option<Arc<Function>> {
        self.versions.lock().expect("no panic").get(&version).cloned()
    }

    /// Publishes a version whose own calls to the store meet `faults`.
    fn publish_with(&self, version: u64, faults: &Faults) -> Arc<Function> {
        let function = self.function(version, faults, true);
        self.versions.lock().expect("no panic").insert(version, Arc::clone(&function));
        function
    }

    fn publish(&self, version: u64) -> Arc<Function> {
        self.publish_with(version, &Faults::none())
    }

    fn delete(&self, version: u64) {
        self.versions.lock().expect("no panic").remove(&version);
    }

    fn function(&self, version: u64, faults: &Faults, pins: bool) -> Arc<Function> {
        let app = App::new().workflow(travels).workflow(rounds).workflow(stumbles).workflow(takes);
        let app = app.workflow(own).state(Release(version)).pin_to_version();
        let faulty: Arc<dyn EventStore> = Arc::new(FaultyStore::new(self.store.clone(), faults));
        let backend = Backend::new(faulty, Arc::new(self.queue.clone()));
        let client = Client::of(&backend.store, &backend.queue, &self.clock);
        let triggers = app.triggers_of(client.clone());
        let registry = app.registry().expect("an app");
        assert!(registry.pins());
        let host = backend.host().expect("a host");
        let pin = Pin { version, versions: Box::new(self.clone()) };
        let (store, clock) = (backend.store, self.clock.clone());
        let kitchen = Kitchen::new(store, backend.queue, clock, host, registry);
        let kitchen = Arc::new(kitchen.with_pin(pins.then_some(pin)));
        let (swept, warm, front) = (Mutex::default(), AtomicBool::new(false), Front::default());
        let host = Host { kitchen, client, triggers, swept, warm, front };
        let (store, queue, clock) = (self.store.clone(), self.queue.clone(), self.clock.clone());
        Arc::new(Function { host, store, queue, clock })
    }

    /// How often a version has invoked another one since this was asked.
    fn invoked(&self) -> u32 {
        self.invoked.swap(0, Ordering::SeqCst)
    }
}

/// Signals, and has the function that is live take what waits. How many messages come again.
async fn go(live: &Function, id: &str) -> usize {
    let id = ExecutionId::new(id).expect("an id");
    live.host.client.signal(&id, "go", &()).await.expect("it is sent");
    live.invoke(T).await.len()
}

/// What `id` has returned.
async fn output(function: &Function, id: &str) -> String {
    match function.events(id).await.last() {
        Some(Event::WorkflowCompleted(end)) => end.output.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// The versions of all claims.
async fn claims(function: &Function, id: &str) -> Vec<Option<u64>> {
    let claim = |event| match event {
        Event::TurnStarted(TurnStarted { function_version, .. }) => Some(function_version),
        _ => None,
    };
    function.events(id).await.into_iter().filter_map(claim).collect()
}

#[tokio::test(start_paused = true)]
async fn a_run_stays_with_the_version_that_began_it() {
    let world = World::new();
    let first = world.publish(1);
    first.start("travels", "old", "2").await;
    assert_eq!(first.invoke(T).await, [""; 0]);
    assert_eq!(world.invoked(), 0, "a version invokes itself");

    let second = world.publish(2);
    second.start("travels", "new", "2").await;
    assert_eq!(second.invoke(T).await, [""; 0]);
    for id in ["old", "new", "new", "old"] {
        assert_eq!(go(&second, id).await, 0);
        assert_eq!(world.invoked(), u32::from(id == "old"), "{id}");
    }
    assert_eq!(output(&second, "old").await, "[1,1]");
    assert_eq!(output(&second, "new").await, "[2,2]");
    assert_eq!(claims(&second, "old").await, [Some(1); 3]);
    assert_eq!(world.queue.len(), 0);
    // Back again: the other way round, and nothing moves.
    second.start("travels", "newer", "1").await;
    assert_eq!(second.invoke(T).await, [""; 0]);
    assert_eq!(go(&first, "newer").await, 0);
    assert_eq!(output(&second, "newer").await, "[2]");
}

/// Many wakes have nothing to say, and none of these costs an invocation.
#[tokio::test(start_paused = true)]
async fn a_wake_that_finds_nothing_to_do_is_handed_to_nobody() {
    let world = World::new();
    let (first, second) = (world.publish(1), world.publish(2));
    first.start("travels", "x", "1").await;
    assert_eq!(first.invoke(T).await, [""; 0]);
    let id = ExecutionId::new("x").expect("an id");
    for wake in [Wake::news(id.clone()), Wake::sweep(id.clone())] {
        world.queue.send(&wake, Duration::ZERO).await.expect("it is sent");
        assert_eq!(second.invoke(T).await, [""; 0]);
    }
    assert_eq!(world.invoked(), 0);
    // Nor does an end that needs no code.
    second.host.client.terminate(&id, "test").await.expect("it is sent");
    assert_eq!(second.invoke(T).await, [""; 0]);
    assert_eq!((world.invoked(), second.status("x").await), (0, Status::Terminated));
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_the_invocation_no_wake_is_lost_and_no_step_runs_twice() {
    for fate in [Invoked::Not, Invoked::InVain] {
        let world = World::new();
        let (first, second) = (world.publish(1), world.publish(2));
        first.start("travels", "x", "1").await;
        assert_eq!(first.invoke(T).await, [""; 0]);
        world.next.lock().expect("no panic").push(fate);
        assert_eq!(go(&second, "x").await, 1, "{fate:?}: its message is to come again");
        tokio::time::sleep(come_back_after(1)).await;
        assert_eq!(second.invoke(T).await, [""; 0], "{fate:?}");
        assert_eq!(output(&second, "x").await, "[1]");
        assert_eq!(claims(&second, "x").await, [Some(1); 2], "{fate:?}");
        assert_eq!(world.queue.len(), 0, "{fate:?}");
    }
}

/// As one that is taken where it came: what was received before is claimed before it is replayed.
#[tokio::test(start_paused = true)]
async fn a_turn_that_fails_where_it_is_taken_gives_the_message_back_and_its_receipts_count() {
    let world = World::new();
    let appends = AtomicU32::new(0);
    let faults = Faults::by(move |call| {
        // The first turn is one; nothing of the next is written.
        let tried = call.name == "append" && appends.fetch_add(1, Ordering::SeqCst) > 0;
        if tried { Fate::FailBefore } else { Fate::Proceed }
    });
    let (first, second) = (world.publish_with(1, &faults), world.publish(2));
    first.start("rounds", "x", "[9]").await;
    assert_eq!(first.invoke(T).await, [""; 0]);
    assert_eq!(go(&second, "x").await, 1, "its message is to come again");
    assert_eq!(claims(&second, "x").await.len(), 1);
    let _ = world.publish(1);
    tokio::time::sleep(come_back_after(1)).await;
    assert_eq!(second.invoke(T).await, [""; 0]);
    assert_eq!(output(&second, "x").await, "[9,1]");
    let history = second.host.client.history(&ExecutionId::new("x").expect("an id")).await;
    let history = history.expect("a log");
    let claim = |commit: &&crate::event::Commit| {
        matches!(&commit.events[..], [Event::TurnStarted(_), Event::SignalReceived(_)])
    };
    assert_eq!(history.iter().filter(claim).count(), 1, "it claims with its end");
}

#[tokio::test(start_paused = true)]
async fn what_is_pinned_to_a_version_that_is_gone_moves_once() {
    let world = World::new();
    let (first, second) = (world.publish(1), world.publish(2));
    first.start("travels", "x", "3").await;
    assert_eq!(first.invoke(T).await, [""; 0]);
    assert_eq!(go(&second, "x").await, 0);
    world.delete(1);
    assert_eq!(world.invoked(), 1);
    assert_eq!(go(&second, "x").await, 0);
    assert_eq!(world.invoked(), 1, "it asks");
    assert_eq!(go(&second, "x").await, 0);
    assert_eq!(world.invoked(), 0, "it asks again");
    assert_eq!(output(&second, "x").await, "[1,2,2]");
    assert_eq!(claims(&second, "x").await, [Some(1), Some(1), Some(2), Some(2)]);
}

/// It ends before whoever waits for it has to answer.
#[tokio::test(start_paused = true)]
async fn a_turn_that_was_handed_on_ends_within_the_time_of_both() {
    let world = World::new();
    let (first, second) = (world.publish(1), world.publish(2));
    first.start("takes", "x", "3600").await;
    assert_eq!(first.invoke(T).await, [""; 0]);
    let begun = world.clock.now();
    assert_eq!(second.invoke(T).await, [""; 0]);
    assert_eq!(world.invoked(), 1);
    let took = world.clock.now().since(begun);
    assert_eq!(took, T - Duration::from_secs(1) - YIELD_BEFORE_DEADLINE);
    let events = second.events("x").await;
    let Some(Event::TurnEnded(end)) = events.last() else { panic!("{events:#?}") };
    assert_eq!((end.reason, pinned_to(&events)), (TurnEnd::Yielded, Some(1)));
    assert_eq!(world.queue.len(), 1, "the next turn's wake");
    // And within its own: the version of before had less.
    let deadline = world.clock.now().after(Duration::from_secs(8));
    let wake = Wake::news(ExecutionId::new("x").expect("an id"));
    let handed = HandedOn { wake, receives: 1, deadline: world.clock.now().after(T) };
    let begun = world.clock.now();
    let answer = first.host.invoke(&handed.to_event(), "i", deadline).await.expect("an answer");
    assert_eq!(answer.get(), "\"done\"");
    assert_eq!(world.clock.now().since(begun), Duration::from_secs(6));
}

/// It is killed there by its own deadline if nothing else ends it.
#[tokio::test(start_paused = true)]
async fn a_turn_that_was_handed_on_and_hangs_is_given_back_in_time() {
    let world = World::new();
    let faults = Faults::by(|call| match call.name {
        "load" => Fate::Hang,
        _ => Fate::Proceed,
    });
    let first = world.publish(1);
    first.start("travels", "x", "1").await;
    assert_eq!(first.invoke(T).await, [""; 0]);
    let _ = world.publish_with(1, &faults);
    let second = world.publish(2);
    let begun = world.clock.now();
    assert_eq!(go(&second, "x").await, 1);
    let took = world.clock.now().since(begun);
    assert_eq!(took, T - Duration::from_secs(1) - ANSWER_BEFORE_DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_continues_as_new_goes_on_with_the_version_that_is_live() {
    let world = World::new();
    let first = world.publish(1);
    first.start("rounds", "x", "[]").await;
    assert_eq!(first.invoke(T).await, [""; 0]);
    let second = world.publish(2);
    assert_eq!(go(&second, "x").await, 0);
    assert_eq!(world.queue.len(), 1, "a wake for the run that nobody has begun");
    assert_eq!(second.invoke(T).await, [""; 0]);
    assert_eq!(go(&second, "x").await, 0);
    assert_eq!(world.invoked(), 1, "the first run's turn");
    assert_eq!(output(&second, "x").await, "[1,2]");
    assert_eq!(claims(&second, "x").await, [Some(1), Some(1), Some(2), Some(2)]);
}

#[tokio::test(start_paused = true)]
async fn workflows_of_the_library_move() {
    let world = World::new();
    let (first, second) = (world.publish(1), world.publish(2));
    first.start("everstep.tests", "x", "null").await;
    assert_eq!(first.invoke(T).await, [""; 0]);
    assert_eq!(go(&second, "x").await, 0);
    assert_eq!((world.invoked(), &*output(&second, "x").await), (0, "2"));
    assert_eq!(claims(&second, "x").await, [None, None]);
}

/// A version that does not pin takes what it is woken for; from its claim on nothing is pinned.
#[tokio::test(start_paused = true)]
async fn what_a_version_without_a_pin_has_had_is_taken_by_whoever_is_live() {
    let world = World::new();
    let (first, second) = (world.publish(1), world.publish(2));
    let free = world.function(7, &Faults::none(), false);
    first.start("travels", "x", "3").await;
    assert_eq!(first.invoke(T).await, [""; 0]);
    assert_eq!(go(&free, "x").await, 0);
    assert_eq!(go(&second, "x").await, 0);
    assert_eq!(world.invoked(), 0);
    assert_eq!(go(&first, "x").await, 0);
    assert_eq!(world.invoked(), 1);
    assert_eq!(output(&second, "x").await, "[7,2,2]");
    assert_eq!(claims(&second, "x").await, [Some(1), None, Some(2), Some(2)]);
}

/// A first sweep asks what is blocked to look again: its own version does. A fix is another version, and
/// comes to it when its own is deleted.
#[tokio::test(start_paused = true)]
async fn what_is_blocked_is_asked_by_its_own_version_and_moves_when_that_is_deleted() {
    let world = World::new();
    let first = world.publish(1);
    first.start("stumbles", "x", "null").await;
    // Received before: its claim comes first, and pins it.
    for delivery in world.queue.receive(10, Duration::ZERO).await.expect("messages") {
        world.queue.keep(&delivery.receipt, Duration::ZERO).await.expect("it is given back");
    }
    assert_eq!(first.invoke(T).await, [""; 0]);
    assert_eq!(first.status("x").await, Status::Blocked);
    let second = world.publish(2);
    let sweep = || second.host.sweep(world.clock.now().after(T));
    sweep().await.expect("a sweep");
    assert_eq!(second.invoke(T).await, [""; 0]);
    assert_eq!((world.invoked(), second.status("x").await), (1, Status::Blocked));
    world.delete(1);
    second.host.client.resume(&ExecutionId::new("x").expect("an id")).await.expect("it is sent");
    assert_eq!(second.invoke(T).await, [""; 0]);
    assert_eq!(output(&second, "x").await, "2");
}
