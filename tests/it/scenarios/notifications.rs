//! What others are told, in every weather: each change of status, step and view of the log at least
//! once, the same each time, and once and in order where nothing goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use everstep::event::{Commit, Event, TurnEnd};
use everstep::notify::{NotSent, Notice, Notification, Notifications, Notifier, NotifyError};
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{ALL, Profile, World, check};

/// What was heard since it was emptied. Every `fails`-th call of it fails, before or after.
#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    told: Vec<Notification>,
    calls: usize,
    fails: usize,
}

#[async_trait]
impl Notifier for Heard {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        let mut inner = self.0.lock().unwrap();
        inner.calls += 1;
        let fails = inner.fails > 0 && inner.calls.is_multiple_of(inner.fails);
        if !fails || inner.calls.is_multiple_of(2) {
            inner.told.extend(notifications.iter().cloned());
        }
        if !fails {
            return Vec::new();
        }
        NotSent::all(notifications.len(), &NotifyError::unavailable("it is that call's turn"))
    }
}

impl Heard {
    fn app(&self, app: App) -> App {
        app.notifications(Notifications::to(self.clone()).steps().views())
    }

    fn begin(&self, fails: usize) {
        *self.0.lock().unwrap() = Inner { fails, ..Inner::default() };
    }

    fn of(&self, id: &ExecutionId) -> Vec<Notification> {
        let inner = self.0.lock().unwrap();
        inner.told.iter().filter(|told| told.execution == *id).cloned().collect()
    }
}

/// What has to be told of this log, by id, in its order.
fn expected(id: &ExecutionId, log: &[Commit]) -> Vec<String> {
    let mut told = Vec::new();
    let mut before = None;
    for commit in log {
        let (mut status, mut place) = (before, 0);
        let mut of_commit = BTreeSet::new();
        for (index, event) in commit.events.iter().enumerate() {
            let now = match event {
                Event::WorkflowStarted(_) => {
                    of_commit.insert(index);
                    (before, status) = (Some(Status::Running), Some(Status::Running));
                    continue;
                }
                Event::StepCompleted(_)
                | Event::StepFailed(_)
                | Event::StepAttemptFailed(_)
                | Event::ViewPublished(_) => {
                    of_commit.insert(index);
                    continue;
                }
                Event::TurnStarted(_) => Status::Running,
                Event::TurnEnded(end) if end.reason == TurnEnd::Suspended => Status::Suspended,
                Event::TurnEnded(end) if end.reason == TurnEnd::Yielded => Status::Running,
                Event::WorkflowCompleted(_) => Status::Completed,
                Event::WorkflowFailed(_) => Status::Failed,
                Event::WorkflowCancelled(_) => Status::Cancelled,
                _ => continue,
            };
            if status != Some(now) {
                (status, place) = (Some(now), index);
            }
        }
        if status != before {
            of_commit.insert(place);
        }
        before = status;
        told.extend(of_commit.iter().map(|index| format!("{id}/{}/{index}", commit.number)));
    }
    told
}

/// Checks what was told of an execution that has ended and of which nothing is untold.
async fn check_told(world: &World, heard: &Heard, id: &ExecutionId, once: bool) {
    world.until(world.record_is(id, |it| it.projection.status.is_closed())).await;
    world.until(world.record_is(id, |it| it.projection.untold.is_none())).await;
    let log = world.client().history(id).await.unwrap();
    let expected = expected(id, &log);
    let told = heard.of(id);
    let ids: Vec<&String> = told.iter().map(|told| &told.id).collect();
    if once {
        assert_eq!(ids, expected.iter().collect::<Vec<_>>(), "once, and in order");
    }
    let distinct: BTreeSet<&String> = ids.into_iter().collect();
    assert_eq!(distinct, expected.iter().collect(), "all, and nothing else");
    let mut stories: BTreeMap<&str, String> = BTreeMap::new();
    for told in &told {
        let story = told.to_cloud_event();
        assert_eq!(*stories.entry(&told.id).or_insert_with(|| story.clone()), story);
        let log = &log[usize::try_from(told.commit).unwrap()];
        let event = &log.events[told.index.unwrap() as usize];
        assert_eq!(told.at, event.at());
        match (&told.notice, event) {
            (Notice::Step { key, .. }, Event::StepCompleted(step)) => assert_eq!(*key, step.key),
            (Notice::View { view }, Event::ViewPublished(it)) => {
                assert_eq!(view.as_ref(), Some(&it.view));
            }
            (Notice::Status { .. }, _) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[workflow]
async fn works(rounds: u32) -> everstep::Result<u32> {
    for round in 0..rounds {
        publish(&round);
        step("part", async move || Ok::<_, everstep::Error>(round)).await?;
        sleep(hours(1)).await;
    }
    let more = signal::<u32>("more").await?;
    if more > 0 {
        return continue_as_new(&(rounds - 1)).await;
    }
    Ok(rounds)
}

#[test]
fn all_is_told_at_least_once_in_every_weather_and_once_in_the_calm() {
    for (profiles, fails) in [(ALL, 0), (&[Profile::Warm, Profile::Twice][..], 3)] {
        for profile in profiles {
            let heard = Heard::default();
            let app = heard.clone();
            check(
                &[*profile],
                move || app.app(App::new().workflow(works)),
                async |world| {
                    heard.begin(fails);
                    let handle = world.start(works, 2).await;
                    handle.signal("more", &1).id("one").await.unwrap();
                    handle.signal("more", &0).id("none").await.unwrap();
                    assert_eq!(world.result(&handle).await.unwrap(), 1);
                    let calm = matches!(profile, Profile::Warm | Profile::Pages) && fails == 0;
                    check_told(world, &heard, handle.id(), calm).await;
                },
            );
        }
    }
}
