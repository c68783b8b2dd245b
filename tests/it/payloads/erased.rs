//! Executions that were erased, perhaps started again since, and those who do not know it.

use std::sync::Arc;
use std::time::Duration;

use everstep::backend::Backend;
use everstep::client::{OnConflict, SendError, UpdateError};
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::payload::{Encryption, Folder, LocalKeys, MemoryPayloads, PayloadStore, Payloads};
use everstep::prelude::*;
use everstep::store::{EventStore, Status};
use everstep::testing::faults::{Call, Fate, Faults, FaultyStore};
use everstep::{ExecutionId, Result};

use super::{THRESHOLD, run_until, text};

/// Takes what is said until it is told to end. What cannot be read is an answer, too.
#[workflow]
async fn hears(_: ()) -> Result<Vec<String>> {
    let mut updates = updates::<String, usize>("asked");
    let mut heard = Vec::new();
    loop {
        match race(signal::<Option<String>>("said"), updates.next()).await {
            Either::Left(Ok(Some(said))) if said == "end" => return Ok(heard),
            Either::Left(said) => heard.push(match said {
                Ok(said) => said.unwrap_or_default(),
                Err(error) => error.to_string(),
            }),
            Either::Right(asked) => {
                let bytes = asked.request().len();
                asked.reply(&bytes);
            }
        }
    }
}

/// A world in which programs share stores and no memory.
struct World {
    store: Arc<MemoryStore>,
    queue: Arc<MemoryQueue>,
    blobs: MemoryPayloads,
    id: ExecutionId,
    encrypts: bool,
}

impl World {
    fn new(encrypts: bool) -> Self {
        let id = ExecutionId::new("order-1").unwrap();
        let (store, queue) = (Arc::default(), Arc::default());
        Self { store, queue, blobs: MemoryPayloads::new(), id, encrypts }
    }

    /// The backend of another program.
    fn program(&self) -> Backend {
        self.program_with(&Faults::none())
    }

    fn program_with(&self, faults: &Faults) -> Backend {
        let store: Arc<dyn EventStore> = self.store.clone();
        let store = Arc::new(FaultyStore::new(store, faults));
        let blobs: Arc<dyn PayloadStore> = Arc::new(self.blobs.clone());
        let payloads = Payloads::of(blobs).threshold(THRESHOLD);
        let payloads = if self.encrypts {
            payloads.codec(Encryption::new(LocalKeys::new([7; 32])))
        } else {
            payloads
        };
        Backend::new(store, self.queue.clone()).with_payloads(payloads)
    }

    async fn start(&self, client: &Client) {
        let start = client.start(hears, ()).id(self.id.to_string());
        start.on_conflict(OnConflict::Restart).await.unwrap();
    }

    /// Ends the execution and erases it, by a program of its own.
    async fn erase(&self) {
        let program = self.program();
        let client = Client::new(&program);
        client.signal(&self.id, "said", &"end").await.unwrap();
        self.run_until(&program, Status::Completed).await;
        client.erase(&self.id).await.unwrap();
    }

    async fn run_until(&self, program: &Backend, status: Status) {
        let app = App::new().workflow(hears).backend(program.clone());
        run_until(app, &Client::new(program), &self.id, status).await;
    }

    async fn blobs(&self) -> Vec<String> {
        let names = self.blobs.list(&Folder::of(&self.id)).await.unwrap();
        names.iter().map(|name| name.name().to_owned()).collect()
    }

    async fn heard(&self) -> Vec<String> {
        let client = Client::new(&self.program());
        client.handle(hears, self.id.clone()).result().await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_puts_nothing_where_an_execution_was_erased() {
    for encrypts in [false, true] {
        let world = World::new(encrypts);
        let knows_its_key = Client::new(&world.program());
        world.start(&knows_its_key).await;
        world.erase().await;
        assert_eq!(world.blobs().await, ["erased"]);

        for client in [knows_its_key, Client::new(&world.program())] {
            let large = text(2 * THRESHOLD);
            let error = client.signal(&world.id, "said", &large).await.unwrap_err();
            assert!(matches!(error, SendError::Closed { .. }), "{error:?}");
            let start = client.start(hears, ()).id(world.id.to_string()).signal("said", &large);
            start.on_conflict(OnConflict::Reject).await.unwrap_err();
            assert_eq!(world.blobs().await, ["erased"], "encrypted: {encrypts}");
        }
        let nobody = ExecutionId::new("nobody").unwrap();
        let client = Client::new(&world.program());
        let error = client.signal(&nobody, "said", &text(2 * THRESHOLD)).await.unwrap_err();
        assert!(matches!(error, SendError::Unknown { .. }), "{error:?}");
        assert_eq!(world.blobs.list(&Folder::of(&nobody)).await.unwrap(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn who_holds_the_key_of_an_erased_run_is_heard_by_the_next_one() {
    let world = World::new(true);
    let (sender, host) = (world.program(), world.program());
    let client = Client::new(&sender);
    world.start(&client).await;
    client.signal(&world.id, "said", &"one").await.unwrap();
    world.run_until(&host, Status::Suspended).await;
    world.erase().await;
    world.start(&Client::new(&world.program())).await;
    // Neither has forgotten the old data key.
    client.signal(&world.id, "said", &"two").await.unwrap();
    client.signal(&world.id, "said", &text(2 * THRESHOLD)).await.unwrap();
    client.signal(&world.id, "said", &"end").await.unwrap();
    world.run_until(&host, Status::Completed).await;
    assert_eq!(world.heard().await, ["two", &text(2 * THRESHOLD)]);
}

/// A send whose item arrives a minute after it was sealed.
fn late(call: &Call) -> Fate {
    if call.name == "send" { Fate::Slow(Duration::from_secs(60)) } else { Fate::Proceed }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_erased_before_it_arrived_is_an_error_of_its_own_and_no_other_is_lost() {
    for encrypts in [false, true] {
        let world = World::new(encrypts);
        world.start(&Client::new(&world.program())).await;
        let late = Client::new(&world.program_with(&Faults::by(late)));
        let id = world.id.clone();
        let signal = tokio::spawn({
            let (late, id) = (late.clone(), id.clone());
            async move { late.signal(&id, "said", &text(2 * THRESHOLD)).await }
        });
        let update =
            tokio::spawn(
                async move { late.update::<usize>(&id, "asked", &text(3 * THRESHOLD)).await },
            );
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.erase().await;
        let again = Client::new(&world.program());
        world.start(&again).await;
        again.signal(&world.id, "said", &"before").await.unwrap();
        signal.await.unwrap().unwrap();
        again.signal(&world.id, "said", &"after").await.unwrap();

        let host = world.program();
        let worker = App::new().workflow(hears).backend(host.clone()).worker().await.unwrap();
        let error = worker.run_until(update).await.unwrap().unwrap().unwrap_err();
        assert!(matches!(error, UpdateError::Refused { .. }), "{error:?}");
        again.signal(&world.id, "said", &"end").await.unwrap();
        world.run_until(&host, Status::Completed).await;
        let heard = world.heard().await;
        assert_eq!(heard.len(), 3, "{heard:?}");
        assert_eq!([&heard[0], &heard[2]], ["before", "after"]);
        assert!(heard[1].contains("has been erased: send it again"), "{heard:?}");
        // It stands in the log as it came, and other hosts replay it.
        let program = world.program();
        let history = Client::new(&program).history(&world.id).await.unwrap();
        let shown = format!("{history:?}");
        assert!(shown.contains("order-1"), "{shown}");
    }
}
