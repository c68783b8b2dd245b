//! The outside world of a test: who completes promises, and when.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::execution::recorded;
use super::{Execution, World, chain};
use crate::client::{Client, PromiseSendError};
use crate::event::{Event, Json};
use crate::id::{ExecutionId, PromiseToken};

/// What somebody says of a promise.
enum Word {
    Complete(Json),
    Fail(String),
    Heartbeat,
}

impl Word {
    async fn say(&self, client: &Client, token: &PromiseToken) -> Result<(), PromiseSendError> {
        let promise = client.promise(token);
        match self {
            Self::Complete(value) => promise.complete(value).await.map(|_| ()),
            Self::Fail(reason) => promise.fail(reason).await.map(|_| ()),
            Self::Heartbeat => promise.heartbeat().await,
        }
    }
}

impl<T, E> Execution<T, E> {
    /// The token of the oldest promise of this name that has no result, as the log has it now.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
    /// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
    /// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
    /// # }
    /// # let env = Env::new(App::new().workflow(asks));
    /// let question = env.start(asks, ());
    /// let token = question.promise("answer").unwrap();
    /// assert_eq!(token.execution(), question.id());
    /// ```
    #[must_use]
    pub fn promise(&self, name: &str) -> Option<PromiseToken> {
        let (world, id) = (Arc::clone(&self.inner.world), self.id().clone());
        self.inner.block_on(async {
            // What can be done now is done first.
            tokio::time::sleep(Duration::from_millis(1)).await;
            open_promise(&world, &id, name).await
        })
    }

    /// Completes the oldest promise of this name that has no result, now.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
    /// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
    /// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
    /// # }
    /// # let env = Env::new(App::new().workflow(asks));
    /// let question = env.start(asks, ());
    /// question.complete("answer", &7);
    /// assert_eq!(question.result().unwrap(), "7");
    /// ```
    ///
    /// # Panics
    /// There is none, or the value cannot be recorded.
    #[track_caller]
    pub fn complete<P: Serialize + ?Sized>(&self, promise: &str, value: &P) {
        self.say(promise, &Word::Complete(recorded(value)));
    }

    /// Completes the oldest promise of this name that has no result when so much virtual time has
    /// passed; if there is none then, the next one as soon as it is made. Time passes while the test
    /// waits, as in [`result`](Self::result).
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
    /// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
    /// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
    /// # }
    /// # let env = Env::new(App::new().workflow(asks));
    /// let question = env.start(asks, ());
    /// question.complete_after(minutes(50), "answer", &7);
    /// assert_eq!(question.result().unwrap(), "7");
    /// ```
    ///
    /// # Panics
    /// The value cannot be recorded.
    #[track_caller]
    pub fn complete_after<P: Serialize + ?Sized>(&self, after: Duration, promise: &str, value: &P) {
        self.say_after(after, promise, Word::Complete(recorded(value)));
    }

    /// [`complete`](Self::complete), but it fails with this reason.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
    /// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
    /// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
    /// # }
    /// # let env = Env::new(App::new().workflow(asks));
    /// let question = env.start(asks, ());
    /// question.fail_promise("answer", "nobody knows");
    /// assert!(question.result().unwrap().ends_with("nobody knows"));
    /// ```
    ///
    /// # Panics
    /// There is no such promise.
    #[track_caller]
    pub fn fail_promise(&self, promise: &str, reason: &str) {
        self.say(promise, &Word::Fail(reason.to_owned()));
    }

    /// [`complete_after`](Self::complete_after), but it fails with this reason.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
    /// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
    /// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
    /// # }
    /// # let env = Env::new(App::new().workflow(asks));
    /// let question = env.start(asks, ());
    /// question.fail_promise_after(minutes(50), "answer", "nobody knows");
    /// assert!(question.result().unwrap().ends_with("nobody knows"));
    /// ```
    pub fn fail_promise_after(&self, after: Duration, promise: &str, reason: &str) {
        self.say_after(after, promise, Word::Fail(reason.to_owned()));
    }

    /// A heartbeat for the oldest promise of this name that has no result, when so much virtual time
    /// has passed.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<String> {
    /// #     let answer = promise::<u32>("answer").heartbeat(hours(1)).await;
    /// #     Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.to_string()))
    /// # }
    /// # let env = Env::new(App::new().workflow(asks));
    /// let question = env.start(asks, ());
    /// question.heartbeat_after(minutes(50), "answer");
    /// question.complete_after(minutes(100), "answer", &7);
    /// assert_eq!(question.result().unwrap(), "7");
    /// ```
    pub fn heartbeat_after(&self, after: Duration, promise: &str) {
        self.say_after(after, promise, Word::Heartbeat);
    }

    #[track_caller]
    fn say(&self, name: &str, word: &Word) {
        let Some(token) = self.promise(name) else {
            panic!("execution {} has no open promise {name:?}", self.id());
        };
        let client = self.inner.world.client();
        if let Err(error) = self.inner.block_on(word.say(&client, &token)) {
            panic!("promise {name} was not heard of: {}", chain(&error));
        }
    }

    fn say_after(&self, after: Duration, name: &str, word: Word) {
        let (world, id) = (Arc::clone(&self.inner.world), self.id().clone());
        let name = name.to_owned();
        self.inner.runtime().spawn(async move {
            tokio::time::sleep(after).await;
            let token = loop {
                let mut changed = pin!(world.changed.notified());
                changed.as_mut().enable();
                if let Some(token) = open_promise(&world, &id, &name).await {
                    break token;
                }
                changed.await;
            };
            if let Err(error) = word.say(&world.client(), &token).await {
                tracing::warn!(%error, name, "a promise of this test was not heard of");
            }
        });
    }
}

/// The oldest promise of this name that has no result.
async fn open_promise(world: &World, id: &ExecutionId, name: &str) -> Option<PromiseToken> {
    let log = world.client().history(id).await.expect("it is in memory");
    let (mut run, mut open) = (1, Vec::new());
    for event in log.into_iter().flat_map(|commit| commit.events) {
        match event {
            Event::WorkflowStarted(start) => {
                run = start.run;
                open.clear();
            }
            Event::PromiseCreated(promise) if promise.key.name == name => open.push(promise.key),
            Event::PromiseResolved(resolved) => open.retain(|key| *key != resolved.key),
            _ => {}
        }
    }
    let key = open.into_iter().next()?;
    Some(PromiseToken::new(id.clone(), run, key))
}
