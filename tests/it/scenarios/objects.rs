//! Virtual objects: each command is handled once and in its turn, whoever dies, and an object whose
//! life is over begins anew.

use std::time::Duration;

use everstep::client::UpdateError;
use everstep::prelude::*;
use everstep_tests::scenario::{ALL, check};
use serde::{Deserialize, Serialize};

/// Full at a hundred.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Till {
    cents: u64,
}

#[step]
async fn print(cents: u64) -> everstep::Result<u64> {
    Ok(cents)
}

impl Till {
    async fn handle(&mut self, cents: u64) -> Result<u64, String> {
        if cents == 0 {
            return Err("nothing".to_owned());
        }
        self.cents += cents;
        print(self.cents).await.map_err(|error| error.to_string())
    }
}

#[workflow]
async fn till(mut till: Object<Till>) -> everstep::Result<u64> {
    till.commands().until(|till| till.cents >= 100).handle(Till::handle).await;
    Ok(till.state.cents)
}

/// item 11 of the language
#[test]
fn each_command_is_handled_once_and_an_object_whose_life_is_over_begins_anew() {
    check(
        ALL,
        || App::new().workflow(till),
        async |world| {
            let client = world.client();
            let object = client.object(till, "one");
            let id = object.id().unwrap();
            let call = |cents: u64, id: &'static str| {
                object.call::<u64>(&cents).id(id).wait(Duration::from_secs(3_600))
            };
            let done = world.until(async {
                assert_eq!(call(30, "a").await?, 30);
                assert_eq!(call(50, "b").await?, 80);
                // The same again is the same answer, and nothing is done.
                assert_eq!(call(30, "a").await?, 30);
                let refused = call(0, "c").await.unwrap_err();
                assert_eq!(refused.rejection::<String>().as_deref(), Some("nothing"));
                assert_eq!(call(20, "d").await?, 100);
                world.settled(&id).await;
                assert_eq!(call(50, "b").await?, 80);
                assert_eq!(call(5, "e").await?, 5);
                Ok::<_, UpdateError>(())
            });
            done.await.unwrap();
            assert_eq!(world.number_of(&id, "WorkflowStarted").await, 2);
            assert_eq!(world.number_of(&id, "StepCompleted").await, 4, "one a command");
            assert_eq!(world.number_of(&id, "UpdateReplied").await, 5);
        },
    );
}
