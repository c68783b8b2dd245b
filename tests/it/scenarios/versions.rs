//! A workflow is changed while its executions are open, in three deploys.

use everstep::event::Event;
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{ALL, Effects, World, check};

#[step(skip(effects))]
async fn pack(effects: &Effects, with: &str, order: u32) -> everstep::Result<String> {
    effects.note(format!("{with} {order}"));
    Ok(format!("{with} {order}"))
}

#[step]
async fn weigh(order: u32) -> everstep::Result<u32> {
    Ok(order * 100)
}

/// The first deploy: boxes only.
mod boxes {
    use super::*;

    #[workflow(name = "packing")]
    pub(super) async fn workflow(
        State(effects): State<Effects>,
        order: u32,
    ) -> everstep::Result<Vec<String>> {
        let mut packed = vec![pack(&effects, "box", order).await?];
        signal::<()>("more").await?;
        packed.push(pack(&effects, "box", order + 1).await?);
        Ok(packed)
    }
}

/// The second: new orders go into bags, which are weighed.
mod bags_beside_boxes {
    use super::*;

    #[derive(Versions)]
    enum Packing {
        Boxes = 1,
        Bags = 2,
    }

    #[workflow(name = "packing")]
    pub(super) async fn workflow(
        State(effects): State<Effects>,
        order: u32,
    ) -> everstep::Result<Vec<String>> {
        let pack_one = async |order| {
            Ok::<_, everstep::Error>(match version_of("packing") {
                Packing::Boxes => pack(&effects, "box", order).await?,
                Packing::Bags => {
                    let weight = weigh(order).await?;
                    pack(&effects, "bag", order).await? + &format!(" of {weight}")
                }
            })
        };
        let mut packed = vec![pack_one(order).await?];
        signal::<()>("more").await?;
        packed.push(pack_one(order + 1).await?);
        Ok(packed)
    }
}

/// The third: nobody knows any more what a box is.
mod bags {
    use super::*;

    #[derive(Versions)]
    enum Packing {
        Bags = 2,
    }

    #[workflow(name = "packing")]
    pub(super) async fn workflow(
        State(effects): State<Effects>,
        order: u32,
    ) -> everstep::Result<Vec<String>> {
        let mut packed = Vec::new();
        for order in order..order + 2 {
            if !packed.is_empty() {
                signal::<()>("more").await?;
            }
            match version_of("packing") {
                Packing::Bags => {
                    let weight = weigh(order).await?;
                    packed.push(pack(&effects, "bag", order).await? + &format!(" of {weight}"));
                }
            }
        }
        Ok(packed)
    }
}

fn first() -> App {
    App::new().workflow(boxes::workflow)
}

fn second() -> App {
    App::new().workflow(bags_beside_boxes::workflow)
}

fn third() -> App {
    App::new().workflow(bags::workflow)
}

const WAITS: Status = Status::Suspended;

/// D5
#[test]
fn open_executions_keep_their_branch_and_new_ones_take_the_new_one() {
    check(ALL, first, async |world| {
        let old = world.start(boxes::workflow, 1).await;
        world.until(world.status_is(old.id(), WAITS)).await;
        let new = world.start(boxes::workflow, 7).await;
        world.until_with(&second, world.status_is(new.id(), WAITS)).await;
        old.signal("more", &()).await.unwrap();
        world.until_with(&second, world.status_is(old.id(), Status::Completed)).await;
        assert_eq!(old.result().await.unwrap(), ["box 1", "box 2"]);
        assert_eq!(world.number_of(old.id(), "VersionChosen").await, 0);
        // The old one is gone, and with it the branch.
        new.signal("more", &()).await.unwrap();
        world.until_with(&third, world.status_is(new.id(), Status::Completed)).await;
        assert_eq!(new.result().await.unwrap(), ["bag 7 of 700", "bag 8 of 800"]);
        assert_eq!(world.number_of(new.id(), "VersionChosen").await, 1);
        for done in ["box 1", "box 2", "bag 7", "bag 8"] {
            world.did(done, 1);
        }
    });
}

/// D5
#[test]
fn every_claim_says_which_code_it_was() {
    let old = || first().version("1");
    let new = || second().version("2");
    check(ALL, old, async |world| {
        let handle = world.start(boxes::workflow, 1).await;
        world.until(world.status_is(handle.id(), WAITS)).await;
        handle.signal("more", &()).await.unwrap();
        world.until_with(&new, world.status_is(handle.id(), Status::Completed)).await;
        let events = world.events(handle.id()).await;
        let claims = events.iter().filter_map(|event| match event {
            Event::TurnStarted(claim) => Some(claim.code.to_string()),
            _ => None,
        });
        let codes: Vec<String> = claims.collect();
        assert!(codes.is_sorted(), "{codes:?}");
        assert!(codes.first().is_some_and(|code| code == "1"), "{codes:?}");
        assert!(codes.last().is_some_and(|code| code == "2"), "{codes:?}");
    });
}

/// Runs `deploy` on the execution `old`, which blocks for `reason` and then goes on with `fixed`.
async fn blocks(world: &World, id: &ExecutionId, deploy: fn() -> App, reason: &str) {
    let before = world.log(id).await;
    let record = world.until_with(&deploy, world.settled(id)).await;
    assert_eq!(record.projection.status, Status::Blocked);
    assert_eq!(record.projection.reason.as_deref(), Some(reason));
    let after = world.events(id).await;
    let steps = after.iter().filter(|event| event.kind().starts_with("Step")).count();
    let steps_before = before.iter().flat_map(|commit| &commit.events);
    assert_eq!(steps, steps_before.filter(|event| event.kind().starts_with("Step")).count());
}

/// D5
#[test]
fn a_removed_branch_that_is_still_needed_blocks_and_goes_on_when_it_is_back() {
    check(ALL, first, async |world| {
        let old = world.start(boxes::workflow, 1).await;
        world.until(world.status_is(old.id(), WAITS)).await;
        old.signal("more", &()).await.unwrap();
        let reason = "this execution is on version 1 of change \"packing\", since it came by there \
                      before the code asked for a version, and this code knows 2..=2. Put the \
                      branch of version 1 back and deploy: the execution then goes on";
        blocks(world, old.id(), third, reason).await;
        world.until_with(&second, world.status_is(old.id(), Status::Completed)).await;
        assert_eq!(old.result().await.unwrap(), ["box 1", "box 2"]);
        assert_eq!(world.effects().count("bag 2"), 0);
    });
}

/// A version that was decided is decided, also for the code of before.
mod only_boxes {
    use super::*;

    #[workflow(name = "packing")]
    pub(super) async fn workflow(
        State(effects): State<Effects>,
        order: u32,
    ) -> everstep::Result<Vec<String>> {
        let _only_one = version("packing", 1..=1);
        Ok(vec![pack(&effects, "box", order).await?])
    }
}

/// D5
#[test]
fn a_roll_back_below_a_decided_version_blocks_and_goes_on_with_the_newer_code() {
    check(ALL, second, async |world| {
        let new = world.start(bags_beside_boxes::workflow, 7).await;
        world.until(world.status_is(new.id(), WAITS)).await;
        new.signal("more", &()).await.unwrap();
        let roll_back = || App::new().workflow(only_boxes::workflow);
        let reason = "this execution is on version 2 of change \"packing\", and this code knows \
                      1..=1. Deploy code that knows version 2 again: the execution then goes on";
        blocks(world, new.id(), roll_back, reason).await;
        world.until_with(&second, world.status_is(new.id(), Status::Completed)).await;
        assert_eq!(new.result().await.unwrap(), ["bag 7 of 700", "bag 8 of 800"]);
    });
}

/// Decides, and then has a mistake.
mod bags_with_a_mistake {
    use super::*;

    #[workflow(name = "packing")]
    pub(super) async fn workflow(order: u32) -> everstep::Result<Vec<String>> {
        assert_eq!((version("packing", 1..=2), order), (1, order), "a mistake");
        Ok(Vec::new())
    }
}

/// D5
#[test]
fn a_version_decided_in_a_poll_that_panics_is_decided_anew_by_the_fix() {
    check(
        ALL,
        || App::new().workflow(bags_with_a_mistake::workflow),
        async |world| {
            let new = world.start(bags_with_a_mistake::workflow, 7).await;
            let record = world.until(world.settled(new.id())).await;
            assert_eq!(record.projection.status, Status::Blocked);
            assert!(record.projection.reason.unwrap().contains("a mistake"));
            assert_eq!(world.number_of(new.id(), "VersionChosen").await, 0);
            let roll_back = || App::new().workflow(only_boxes::workflow);
            world.until_with(&roll_back, world.status_is(new.id(), Status::Completed)).await;
            assert_eq!(new.result().await.unwrap(), ["box 7"]);
        },
    );
}

#[workflow]
async fn in_branches(
    State(effects): State<Effects>,
    rounds: u32,
) -> everstep::Result<Vec<Vec<String>>> {
    let branch = |from: u32| {
        let effects = &effects;
        async move {
            let mut packed = Vec::new();
            for order in from..from + rounds {
                packed.push(match version("in branches", 1..=3) {
                    3 => pack(effects, "crate", order).await?,
                    other => format!("version {other}"),
                });
                sleep(seconds(60)).await;
            }
            Ok::<_, everstep::Error>(packed)
        }
    };
    join_all([branch(0), branch(10), branch(20)]).await.into_iter().collect()
}

/// D5
#[test]
fn a_version_is_decided_once_for_branches_and_loops_and_before_any_body() {
    check(
        ALL,
        || App::new().workflow(in_branches),
        async |world| {
            let handle = world.start(in_branches, 2).await;
            let packed = world.result(&handle).await.unwrap();
            assert_eq!(packed[2], ["crate 20", "crate 21"]);
            let events = world.events(handle.id()).await;
            let place = |kind| events.iter().position(|event| event.kind() == kind).unwrap();
            assert!(place("VersionChosen") < place("StepCompleted"));
            assert_eq!(world.number_of(handle.id(), "VersionChosen").await, 1);
        },
    );
}
