//! The workflow that a schedule is.
//!
//! ```text
//!   plan (a step) ──> sleep until then, or until somebody asks something ──> fire (a step) ──┐
//!    ^                                                                                       │
//!    └───────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Plans are steps though they compute only: what a calendar says may change with the program, and
//! what was once decided stands in the log. Requests are answered between two of these; a request
//! that is answered was seen before everything that starts after it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use serde::{Deserialize, Serialize};

use super::Schedule;
use super::fire::{Fire, Fired, Outcome, Starter};
use super::limits::{EVENTS_MAX, STARTED_ID_BYTES_MAX};
use super::state::{Firing, Plan, Planned, Start, State};
use crate::context::{
    Either, Needs, States, Update, Updates, WorkflowSpec, continue_as_new, execution_info, now,
    publish, race, random, sleep_until, step, updates,
};
use crate::id::ExecutionId;
use crate::limits::EXECUTION_ID_BYTES_MAX;
use crate::retry::Retry;
use crate::time::Timestamp;

/// The name of the updates by which a schedule is talked to.
pub(super) const REQUEST: &str = "schedule";

/// Store and queue may be away for as long as they like.
const ALWAYS: Retry = Retry::new().max_attempts(u32::MAX);

/// What is asked of a schedule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    Pause { why: String },
    Resume,
    Trigger { execution: ExecutionId },
    Update { schedule: Box<Schedule> },
    Delete,
}

/// What a schedule answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Done,
    Started { execution: ExecutionId },
    Waits { execution: ExecutionId },
    Skipped,
    Refused { problem: String },
}

/// The workflow `everstep.schedule`.
pub(crate) struct Life;

impl WorkflowSpec for Life {
    const NAME: &'static str = "everstep.schedule";
    type Input = State;
    type Output = ();
    type Error = String;

    fn needs(_: &mut Needs) {}

    fn run(states: &States, state: State) -> BoxFuture<'static, Result<(), String>> {
        let starter = states.get::<Starter>().0;
        Living { starter, state, renewed: false, over: false }.live().boxed()
    }
}

struct Living {
    starter: Starter,
    state: State,
    /// There is another schedule: it is the input of the next run.
    renewed: bool,
    /// There will be no further time.
    over: bool,
}

type Asked = Update<Request, Answer>;

impl Living {
    async fn live(mut self) -> Result<(), String> {
        let mut requests: Updates<Request, Answer> = updates(REQUEST);
        if self.state.done_until.is_none() {
            self.state.done_until = Some(now().into());
        }
        loop {
            let info = execution_info();
            if self.renewed || info.events >= EVENTS_MAX || info.continue_suggested() {
                drop(requests);
                return continue_as_new(&self.state).await;
            }
            if self.state.shown.paused.is_none() && self.state.shown.next.is_none() && !self.over {
                self.plan().await;
            }
            publish(self.state.shown());
            if self.over && self.state.waiting.is_none() {
                return Ok(());
            }
            let due = self.due();
            let asked = match due {
                None => Some(requests.next().await),
                Some(due) => match race(requests.next(), sleep_until(due.into())).await {
                    Either::Left(asked) => Some(asked),
                    Either::Right(()) => None,
                },
            };
            match asked {
                Some(asked) => {
                    let deletes = matches!(asked.request(), Request::Delete);
                    self.answer(asked).await?;
                    if deletes {
                        return Ok(());
                    }
                }
                None => self.due_now().await?,
            }
        }
    }

    /// When there is something to do.
    fn due(&self) -> Option<Timestamp> {
        let next = self.state.shown.next.map(|next| next.at);
        let waiting = self.state.waiting.as_ref().map(|waiting| waiting.again_at);
        next.into_iter().chain(waiting).min()
    }

    /// Finds the next time.
    async fn plan(&mut self) {
        let at = Timestamp::from(now());
        let last = self.state.done_until.unwrap_or(at);
        let state = self.state.clone();
        // Its result is known as of the code that made it.
        let compute = move || async move { state.plan(last, at).map_err(|e| e.to_string()) };
        let plan: Result<Plan, String> =
            step("plan", compute).input("after", &last).retry(Retry::none()).await;
        let plan = match plan {
            Ok(plan) => plan,
            // A program without that time zone, perhaps: someone has to look at it.
            Err(problem) => return self.state.pause(&problem),
        };
        if plan.missed > 0 {
            self.state.shown.counts.missed += plan.missed;
            // Whoever plans once more before the next start does not count them again.
            let before = plan.next.map_or(at, |next| next.before(Duration::from_millis(1)));
            self.state.done_until = Some(before);
        }
        let Some(time) = plan.next else {
            self.over = true;
            return;
        };
        let jitter = match self.state.schedule.jitter_millis {
            0 => 0,
            // A draw of 64 bits is as good as even over what is far less.
            most => random::<u64>() % most.saturating_add(1),
        };
        let at = time.after(Duration::from_millis(jitter));
        self.state.shown.next = Some(Planned { time, at });
    }

    /// Does what is due.
    async fn due_now(&mut self) -> Result<(), String> {
        let at = Timestamp::from(now());
        if self.state.waiting.as_ref().is_some_and(|waiting| waiting.again_at <= at) {
            return self.look_again().await;
        }
        let Some(next) = self.state.shown.next.take_if(|next| next.at <= at) else {
            return Ok(());
        };
        self.state.done_until = Some(next.time);
        // The time was there when this was planned; then nobody was.
        if at.since(next.at) > self.state.schedule.catch_up_window() {
            self.state.shown.counts.missed += 1;
            return Ok(());
        }
        match self.state.firing_at(next.time) {
            Some(firing) => self.fire(firing).await.map(drop),
            None => Ok(()),
        }
    }

    /// Starts what waits, if it can be now.
    async fn look_again(&mut self) -> Result<(), String> {
        let Some(waiting) = &self.state.waiting else { return Ok(()) };
        let firing = waiting.firing.clone();
        self.attempt(firing).await.map(drop)
    }

    /// Starts something new, if it can be now.
    async fn fire(&mut self, firing: Firing) -> Result<Answer, String> {
        use super::Overlap::{BufferOne, CancelOther, TerminateOther};
        if let Some(waiting) = &mut self.state.waiting {
            match self.state.schedule.overlap {
                BufferOne => {
                    self.state.skipped();
                    return Ok(Answer::Skipped);
                }
                CancelOther | TerminateOther => {
                    let execution = firing.execution.clone();
                    waiting.firing = firing;
                    self.state.skipped();
                    return Ok(Answer::Waits { execution });
                }
                super::Overlap::Skip | super::Overlap::AllowAll => self.state.wait_no_more(),
            }
        }
        self.attempt(firing).await
    }

    async fn attempt(&mut self, firing: Firing) -> Result<Answer, String> {
        let fire = Fire {
            starter: self.starter.clone(),
            id: self.state.id.clone(),
            schedule: Arc::new(self.state.schedule.clone()),
            open: self.state.open.clone(),
            firing: firing.clone(),
        };
        let fired: Fired = step("fire", move || fire.run())
            .input("execution", &firing.execution)
            .retry(ALWAYS)
            .await?;
        self.state.open.retain(|id| !fired.ended.contains(id));
        let at = Timestamp::from(now());
        let execution = firing.execution.clone();
        let answer = match fired.outcome {
            Outcome::Started => {
                self.state.waiting = None;
                self.state.started(firing, at);
                Answer::Started { execution }
            }
            Outcome::Waits => {
                self.state.waits(firing, at);
                Answer::Waits { execution }
            }
            Outcome::Skipped => {
                self.state.waiting = None;
                self.state.skipped();
                Answer::Skipped
            }
            Outcome::Refused(problem) => {
                self.state.waiting = None;
                self.state.failed(firing, at, &problem);
                if self.state.schedule.pause_on_failure {
                    self.state.pause(&problem);
                }
                Answer::Refused { problem }
            }
        };
        if let Some(failed) = fired.failed.filter(|_| self.state.schedule.pause_on_failure) {
            self.state.pause(&format!("{failed} has failed"));
        }
        Ok(answer)
    }

    /// Starts what somebody asks for, unless that was asked for before.
    async fn trigger(&mut self, execution: ExecutionId) -> Result<Answer, String> {
        let bytes = execution.as_str().len();
        if bytes > STARTED_ID_BYTES_MAX {
            let problem = format!(
                "its id has {bytes} bytes, and what a schedule starts has {STARTED_ID_BYTES_MAX} at most"
            );
            return Ok(Answer::Refused { problem });
        }
        let is_it = |start: &Start| start.execution == execution && start.problem.is_none();
        if self.state.shown.recent.iter().any(is_it) {
            return Ok(Answer::Started { execution });
        }
        if self.state.waiting.as_ref().is_some_and(|it| it.firing.execution == execution) {
            return Ok(Answer::Waits { execution });
        }
        self.fire(Firing { execution, time: None }).await
    }

    async fn answer(&mut self, asked: Asked) -> Result<(), String> {
        let answer = match asked.request().clone() {
            Request::Delete => {
                self.state.wait_no_more();
                Answer::Done
            }
            Request::Pause { why } => {
                self.state.pause(&why);
                Answer::Done
            }
            Request::Resume => {
                if self.state.shown.paused.take().is_some() {
                    // What was due meanwhile was not missed: it was not wanted.
                    self.state.done_until = Some(now().into());
                }
                Answer::Done
            }
            Request::Trigger { execution } => self.trigger(execution).await?,
            Request::Update { schedule } => {
                if !schedule.has_times_of(&self.state.schedule) {
                    // What other times there would have been were never due.
                    self.state.done_until = Some(now().into());
                }
                self.state.schedule = *schedule;
                self.state.shown.next = None;
                self.state.wait_no_more();
                (self.renewed, self.over) = (true, false);
                Answer::Done
            }
        };
        // Who has the answer sees what it changed.
        publish(self.state.shown());
        asked.reply(&answer);
        Ok(())
    }
}

// A time's name fits, and all of it into an id.
const _: () = assert!("/+262142-12-31T23:59:59.999Z".len() < 100);
const _: () = assert!(STARTED_ID_BYTES_MAX < EXECUTION_ID_BYTES_MAX);
