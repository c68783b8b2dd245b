//! Alarms on EventBridge Scheduler: a one-time schedule each.

use std::error::Error;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::config::http::HttpResponse;
use aws_sdk_scheduler::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_scheduler::operation::create_schedule::CreateScheduleError;
use aws_sdk_scheduler::operation::create_schedule_group::CreateScheduleGroupError;
use aws_sdk_scheduler::operation::delete_schedule::DeleteScheduleError;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, Target,
};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::errors::{Fault, Place, cause, classify};
use super::wake::{SqsQueue, to_sqs_text};
use crate::backend::SchedulerUrl;
use crate::time::Timestamp;
use crate::wake::{Alarm, AlarmClock, QueueError};

/// The latest time that the expression of a schedule can say: its year has four digits
/// (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>).
const SECONDS_MAX: i64 = 253_402_300_799;

/// How long, in seconds, and how often a delivery that fails is tried again: the most there is
/// (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html>).
const RETRY_MAX: [i32; 2] = [86_400, 185];

/// What begins the name of each schedule.
const PREFIX: &str = "everstep-";

/// Alarms as one-time schedules of a group, whose target is the queue.
///
/// A schedule's name follows from what it is for, so that to set an alarm twice makes one schedule.
/// Its time is the alarm's, rounded up to a whole second, without a flexible window; Scheduler
/// invokes targets within 60 seconds of that
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>). It is deleted
/// when it is done, or when nobody needs it any more. Should a delivery fail, Scheduler tries again
/// for a day; an execution whose wake is lost all the same is found by the sweeper.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::sync::Arc;
/// use everstep::aws::{EventBridgeScheduler, SqsQueue, load_config};
/// use everstep::backend::SchedulerUrl;
/// use everstep::wake::AlarmQueue;
///
/// let config = load_config().await;
/// let queue = SqsQueue::new(&config, "orders-wakes")?;
/// let group = SchedulerUrl::new("orders", Some("arn:aws:iam::123456789012:role/wakes"))?;
/// let clock = EventBridgeScheduler::new(&config, &queue, &group)?;
/// let queue = AlarmQueue::new(Arc::new(queue), Arc::new(clock)); // for `Backend::new`
/// # let _ = queue;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct EventBridgeScheduler {
    client: Client,
    queue: SqsQueue,
    group: Place,
    role: Option<String>,
    /// The queue's ARN, once it is known.
    target: OnceCell<String>,
}

impl EventBridgeScheduler {
    /// The alarms of `queue` in the group and with the role that `scheduler` names. Nothing is asked
    /// of AWS yet. Without a role no alarm can be set.
    ///
    /// # Errors
    /// The configuration has no region.
    pub fn new(
        config: &SdkConfig,
        queue: &SqsQueue,
        scheduler: &SchedulerUrl,
    ) -> Result<Self, QueueError> {
        let group = Place::new("schedule group", &scheduler.group, config)
            .map_err(|remedy| QueueError::Unusable { remedy, source: None })?;
        let (queue, role) = (queue.clone(), scheduler.role.clone());
        Ok(Self { client: Client::new(config), queue, group, role, target: OnceCell::new() })
    }

    async fn target(&self) -> Result<&str, QueueError> {
        self.target.get_or_try_init(|| self.queue.own_arn()).await.map(String::as_str)
    }

    fn failed<E>(&self, action: &'static str, error: SdkError<E, HttpResponse>) -> QueueError
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let said = error.as_service_error().map(|error| {
            (error.code().unwrap_or_default(), error.message().unwrap_or("no reason given"))
        });
        let (group, role) = (&self.group, self.role.as_deref().unwrap_or("none"));
        let remedy = match said {
            Some(("AccessDeniedException", why)) => format!(
                "this program may not use {group}: allow {action} on it, and iam:PassRole on the \
                 role {role} ({why})"
            ),
            // This is how it says that it cannot assume the role.
            Some(("ValidationException", why)) => format!(
                "{group} does not take {action}: {why}; scheduler.amazonaws.com must be allowed to \
                 assume the role {role}"
            ),
            _ => match classify(action, group, &error) {
                Fault::Later(reason) => return QueueError::unavailable(reason, cause(&error)),
                Fault::Never(remedy) => remedy,
            },
        };
        QueueError::unusable(remedy, cause(&error))
    }
}

#[async_trait]
impl AlarmClock for EventBridgeScheduler {
    /// Makes the group. The role is not ours to make.
    async fn setup(&self) -> Result<(), QueueError> {
        match self.client.create_schedule_group().name(self.group.name()).send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(CreateScheduleGroupError::ConflictException(_)) => Ok(()),
                _ => Err(self.failed("scheduler:CreateScheduleGroup", error)),
            },
        }
    }

    async fn set(&self, alarm: &Alarm) -> Result<(), QueueError> {
        let Some(role) = &self.role else {
            let remedy = format!(
                "no role is given for {}: add `scheduler_role=` to EVERSTEP_URL with the ARN of a role \
                 that scheduler.amazonaws.com may assume, and that may sqs:SendMessage to the queue",
                self.group
            );
            return Err(QueueError::Unusable { remedy, source: None });
        };
        let queue = self.target().await?;
        let not_asked_yet =
            |problem| QueueError::unusable("a schedule cannot be asked for", problem);
        let [age, attempts] = RETRY_MAX;
        let retries = RetryPolicy::builder()
            .maximum_event_age_in_seconds(age)
            .maximum_retry_attempts(attempts)
            .build();
        let target = Target::builder()
            .arn(queue)
            .role_arn(role)
            .input(input(alarm))
            .retry_policy(retries)
            .build()
            .map_err(not_asked_yet)?;
        let window = FlexibleTimeWindow::builder()
            .mode(FlexibleTimeWindowMode::Off)
            .build()
            .map_err(not_asked_yet)?;
        let call = self
            .client
            .create_schedule()
            .group_name(self.group.name())
            .name(name(queue, alarm))
            .schedule_expression(at(alarm.due))
            .schedule_expression_timezone("UTC")
            .flexible_time_window(window)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(target);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                // It is set already: its name says it all.
                Some(CreateScheduleError::ConflictException(_)) => Ok(()),
                _ => Err(self.failed("scheduler:CreateSchedule", error)),
            },
        }
    }

    async fn unset(&self, alarm: &Alarm) -> Result<(), QueueError> {
        let name = name(self.target().await?, alarm);
        let call = self.client.delete_schedule().group_name(self.group.name()).name(name);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteScheduleError::ResourceNotFoundException(_)) => Ok(()),
                _ => Err(self.failed("scheduler:DeleteSchedule", error)),
            },
        }
    }
}

/// A schedule's name follows from all that it holds, but for the role. At most 64 letters, digits and
/// `-_.`
/// (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>).
fn name(queue: &str, alarm: &Alarm) -> String {
    let mut hash = Sha256::new();
    // No ARN has a line break, and what follows it has a known length.
    hash.update(format!("{queue}\n{:020}{:020}{}", alarm.due.0, alarm.since.0, alarm.execution));
    let digits =
        hash.finalize().iter().take(20).map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{PREFIX}{digits}")
}

/// The expression for a time: never before it.
fn at(due: Timestamp) -> String {
    let seconds = due.0.saturating_add(999).div_euclid(1_000).clamp(0, SECONDS_MAX);
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    format!("at({})", time.format("%Y-%m-%dT%H:%M:%S"))
}

/// What the queue gets. Scheduler puts values of its own in the place of words in `<` and `>`
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>);
/// in JSON they stand within strings only, and can be escaped.
fn input(alarm: &Alarm) -> String {
    to_sqs_text(alarm.wake().to_body()).replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ExecutionId;
    use crate::wake::Wake;

    const QUEUE: &str = "arn:aws:sqs:eu-west-1:000000000000:wakes";

    fn alarm(execution: &str, due: i64, since: i64) -> Alarm {
        Alarm::new(ExecutionId::new(execution).unwrap(), Timestamp(due), Timestamp(since))
    }

    #[test]
    fn a_schedule_is_never_before_its_time() {
        assert_eq!(at(Timestamp(1_750_000_000_000)), "at(2025-06-15T15:06:40)");
        assert_eq!(at(Timestamp(1_750_000_000_001)), "at(2025-06-15T15:06:41)");
        assert_eq!(at(Timestamp(1_750_000_000_999)), "at(2025-06-15T15:06:41)");
        assert_eq!(at(Timestamp(1_767_225_599_500)), "at(2026-01-01T00:00:00)");
        assert_eq!(at(Timestamp(i64::MAX)), "at(9999-12-31T23:59:59)", "and hops from there");
    }

    #[test]
    fn a_name_follows_from_all_that_the_schedule_is_for() {
        let one = name(QUEUE, &alarm("a", 2, 1));
        assert_eq!(one, name(QUEUE, &alarm("a", 2, 1)));
        let others = [("b", 2, 1), ("a", 3, 1), ("a", 2, 2), ("1a", 2, 1)];
        for (execution, due, since) in others {
            assert_ne!(one, name(QUEUE, &alarm(execution, due, since)));
        }
        assert_ne!(one, name(&format!("{QUEUE}-2"), &alarm("a", 2, 1)));
        assert!(one.len() <= 64 && one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    }

    #[test]
    fn no_id_is_taken_for_a_word_of_schedulers() {
        let alarm = alarm("<aws.scheduler.scheduled-time>\u{ffff}", 2, 1);
        let input = input(&alarm);
        assert!(!input.contains(['<', '\u{ffff}']), "{input}");
        assert_eq!(Wake::from_body(&input).unwrap(), alarm.wake());
    }
}
