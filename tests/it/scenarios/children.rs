//! Executions that start others: children.

use everstep::client::ResultError;
use everstep::event::{ChildOutcome, Event};
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{
    ALL, Backing, ELSEWHERE, Effects, IN_MEMORY, MOST, Profile, WARM, World, check, check_on,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum PackError {
    NoBox { for_what: String },
}

#[step(skip(effects))]
async fn wrap(effects: &Effects, what: &str) -> everstep::Result<u32> {
    effects.note(format!("wrap {what}"));
    Ok(u32::try_from(what.len())?)
}

/// Packs anything but what begins with "huge", after an hour.
#[workflow]
async fn pack(State(effects): State<Effects>, what: String) -> Result<u32, PackError> {
    let no_box = || PackError::NoBox { for_what: what.clone() };
    sleep(hours(1)).await;
    if what.starts_with("huge") {
        return Err(no_box());
    }
    wrap(&effects, &what).await.map_err(|_| no_box())
}

#[workflow]
async fn order(State(effects): State<Effects>, what: String) -> Result<u32, ChildError<PackError>> {
    let weight = child(pack, what).await?;
    effects.note("packed");
    Ok(weight)
}

/// Caught, and something else is done.
#[workflow]
async fn careful(_effects: State<Effects>, what: String) -> everstep::Result<String> {
    Ok(match child(pack, what).await {
        Ok(weight) => format!("{weight} g"),
        Err(ChildError::Failed(PackError::NoBox { for_what })) => format!("no box for {for_what}"),
        Err(other) => return Err(other.into()),
    })
}

fn app() -> App {
    App::new().workflow(pack).workflow(order).workflow(careful)
}

fn child_of(handle: &ExecutionId) -> ExecutionId {
    ExecutionId::new(format!("{handle}/pack#1")).unwrap()
}

/// C1
#[test]
fn a_childs_result_comes_back_to_its_parent() {
    check(ALL, app, async |world| {
        let handle = world.start(order, "cup".to_owned()).await;
        assert_eq!(world.result(&handle).await.unwrap(), 3);
        world.did("wrap cup", 1);
        let kinds = kinds(world, handle.id()).await;
        let of_child = ["ChildRequested", "ChildStarted", "ChildCompleted", "WorkflowCompleted"];
        assert_eq!(kinds, of_child, "in this order, and once");
        let child = world.events(&child_of(handle.id())).await;
        let Some(Event::WorkflowStarted(start)) = child.first() else { panic!("{child:?}") };
        let parent = start.parent.as_ref().unwrap();
        assert_eq!((&parent.execution, parent.seq), (handle.id(), 0));
    });
}

/// C1
#[test]
fn a_childs_typed_error_can_be_caught_by_its_parent() {
    check(ALL, app, async |world| {
        let handle = world.start(careful, "huge sofa".to_owned()).await;
        assert_eq!(world.result(&handle).await.unwrap(), "no box for huge sofa");
        world.did("wrap huge sofa", 0);
    });
}

/// C1
#[test]
fn a_childs_error_that_nobody_catches_fails_its_parent() {
    check(ALL, app, async |world| {
        let handle = world.start(careful, "cup".to_owned()).await;
        assert_eq!(world.result(&handle).await.unwrap(), "3 g");

        let handle = world.start(failing, ()).await;
        let Err(ResultError::Failed(error)) = world.result(&handle).await else { panic!() };
        assert!(error.to_string().contains("NoBox"), "{error}");
    });

    #[workflow]
    async fn failing(_input: ()) -> everstep::Result<u32> {
        Ok(child(pack, "huge sofa".to_owned()).await?)
    }

    fn app() -> App {
        super::children::app().workflow(failing)
    }
}

/// C2
#[test]
fn a_parent_that_dies_before_it_hears_of_its_child_has_one_child_and_one_result() {
    check(ALL, app, async |world| {
        let handle = world.start(order, "cup".to_owned()).await;
        world.die_when(world.has(handle.id(), "ChildStarted", 1)).await;
        world.die_when(world.has(&child_of(handle.id()), "WorkflowCompleted", 1)).await;
        assert_eq!(world.result(&handle).await.unwrap(), 3);
        assert_eq!(world.number_of(handle.id(), "ChildRequested").await, 1);
        assert_eq!(world.number_of(handle.id(), "ChildCompleted").await, 1);
        let child = child_of(handle.id());
        assert_eq!(world.number_of(&child, "WorkflowStarted").await, 1);
        assert_eq!(world.number_of(&child, "WorkflowCompleted").await, 1);
        world.did("wrap cup", 1);
    });
}

#[workflow]
async fn in_sequence(_effects: State<Effects>, _input: ()) -> everstep::Result<Vec<u32>> {
    let first = child(pack, "a".to_owned()).await?;
    let second = child(pack, "b".repeat(first as usize + 1)).await?;
    Ok(vec![first, second])
}

/// C3
#[test]
fn two_children_in_sequence_each_run_once() {
    let app = || super::children::app().workflow(in_sequence);
    check(ALL, app, async |world| {
        let handle = world.start(in_sequence, ()).await;
        assert_eq!(world.result(&handle).await.unwrap(), [1, 2]);
        world.did("wrap a", 1);
        world.did("wrap bb", 1);
    });
}

#[workflow]
async fn in_parallel(_effects: State<Effects>, count: usize) -> everstep::Result<Vec<u32>> {
    let packed = join_all((1..=count).map(|n| child(pack, "x".repeat(n)))).await;
    Ok(packed.into_iter().collect::<Result<_, _>>()?)
}

/// C3
#[test]
fn ten_children_in_parallel_each_run_once_and_their_results_are_in_order() {
    let app = || super::children::app().workflow(in_parallel);
    check(&[MOST, &[Profile::Pages]].concat(), app, ten_in_parallel);
    // There they end in another order: no log is the same.
    check_on(ELSEWHERE, MOST, app, ten_in_parallel);
}

async fn ten_in_parallel(world: &World) {
    let handle = world.start(in_parallel, 10).await;
    assert_eq!(world.result(&handle).await.unwrap(), (1..=10).collect::<Vec<_>>());
    for n in 1..=10 {
        world.did(&format!("wrap {}", "x".repeat(n)), 1);
    }
    let mut keys = world.keys(handle.id(), "ChildCompleted").await;
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 10);
}

#[workflow]
async fn weigh(_effects: State<Effects>, what: u32) -> everstep::Result<u32> {
    Ok(what * 3)
}

#[workflow]
async fn weighed(_effects: State<Effects>, count: u32) -> everstep::Result<Vec<u32>> {
    let weights = join_all((0..count).map(|what| child(weigh, what))).await;
    Ok(weights.into_iter().collect::<Result<_, _>>()?)
}

/// C3: hundreds of one parent, whose log stays small; what thousands cost is counted among the costs.
#[test]
fn five_hundred_children_in_parallel_on_dynamodb_cost_their_parent_few_commits() {
    const CHILDREN: u32 = 500;
    let app = || App::new().workflow(weigh).workflow(weighed);
    check_on(&[Backing::DynamoDb], WARM, app, async |world| {
        let handle = world.start(weighed, CHILDREN).await;
        let weights = world.result(&handle).await.unwrap();
        assert!(weights.into_iter().eq((0..CHILDREN).map(|what| what * 3)));
        let done = world.number_of(handle.id(), "ChildCompleted").await;
        assert_eq!(done, CHILDREN as usize);
        let (parents, counts) = (world.log(handle.id()).await.len(), world.counts());
        assert!(parents < 20, "{parents} commits of the parent: {counts:?}");
        let loads = counts.of("load");
        let most = u64::from(CHILDREN + CHILDREN / 50 + 10);
        assert!(loads <= most, "{loads} loads for {CHILDREN} children: {counts:?}");
    });
}

#[workflow]
async fn owner(_effects: State<Effects>, policy: Option<ClosePolicy>) -> everstep::Result<u32> {
    let packing = child(pack, "cup".to_owned());
    Ok(match policy {
        Some(policy) => packing.close_policy(policy).await?,
        None => packing.await?,
    })
}

async fn cancelled_with_a_child(world: &World, policy: Option<ClosePolicy>) -> ExecutionId {
    let handle = world.start(owner, policy).await;
    let child = child_of(handle.id());
    world.until(world.has(handle.id(), "ChildStarted", 1)).await;
    world.until(world.status_is(&child, Status::Suspended)).await;
    handle.cancel("no longer wanted").await.unwrap();
    let error = world.result(&handle).await.unwrap_err();
    assert!(matches!(error, ResultError::Cancelled { .. }), "{error:?}");
    child
}

/// C4, E1
#[test]
fn a_cancelled_parent_cancels_the_child_that_it_waits_for() {
    let app = || super::children::app().workflow(owner);
    check(ALL, app, async |world| {
        let child = cancelled_with_a_child(world, None).await;
        let record = world.until(world.settled(&child)).await;
        assert_eq!(record.projection.status, Status::Cancelled);
        assert!(record.projection.reason.unwrap().contains("e-1, has ended"));
        world.did("wrap cup", 0);
    });
}

/// C4
#[test]
fn a_child_with_the_policy_leave_goes_on_without_its_parent() {
    let app = || super::children::app().workflow(owner);
    check(ALL, app, async |world| {
        let child = cancelled_with_a_child(world, Some(ClosePolicy::Leave)).await;
        let record = world.until(world.settled(&child)).await;
        assert_eq!(record.projection.status, Status::Completed);
        world.did("wrap cup", 1);
    });
}

#[workflow]
async fn forgetful(
    _effects: State<Effects>,
    policy: Option<ClosePolicy>,
) -> everstep::Result<ExecutionId> {
    let packing = child(pack, "cup".to_owned()).id("parcel-7");
    let packing = match policy {
        Some(policy) => packing.close_policy(policy),
        None => packing,
    };
    Ok(packing.start().await?)
}

#[test]
fn a_child_that_is_started_and_forgotten_outlives_its_parent() {
    let app = || super::children::app().workflow(forgetful);
    check(MOST, app, async |world| {
        let handle = world.start(forgetful, None).await;
        let child = world.result(&handle).await.unwrap();
        assert_eq!(child.as_str(), "parcel-7");
        let record = world.until(world.settled(&child)).await;
        assert_eq!(record.projection.status, Status::Completed);
        world.did("wrap cup", 1);
        assert_eq!(world.number_of(handle.id(), "ChildCompleted").await, 0, "nobody asked");
    });
}

#[test]
fn a_child_that_is_started_and_not_left_is_cancelled_when_its_parent_ends_well() {
    let app = || super::children::app().workflow(forgetful);
    check(MOST, app, async |world| {
        let handle = world.start(forgetful, Some(ClosePolicy::Cancel)).await;
        let child = world.result(&handle).await.unwrap();
        let record = world.until(world.settled(&child)).await;
        assert_eq!(record.projection.status, Status::Cancelled);
    });
}

#[test]
fn a_child_whose_id_is_taken_is_not_started() {
    let app = || super::children::app().workflow(forgetful);
    check(MOST, app, async |world| {
        let taken = world.client().start(pack, "pot".to_owned()).id("parcel-7").await.unwrap();
        let handle = world.start(forgetful, Some(ClosePolicy::Cancel)).await;
        let Err(ResultError::Failed(error)) = world.result(&handle).await else { panic!() };
        let says = "parcel-7 could not be started: another execution has this id (of workflow pack";
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(world.result(&taken).await.unwrap(), 3, "it is nobody's child");
    });
}

#[workflow]
async fn impatient(_effects: State<Effects>, _input: ()) -> everstep::Result<u32> {
    match timeout(minutes(1), child(pack, "cup".to_owned())).await {
        Ok(weight) => Ok(weight?),
        Err(_) => {
            sleep(hours(2)).await;
            Ok(0)
        }
    }
}

#[test]
fn the_result_of_a_child_that_nobody_waits_for_any_more_changes_nothing() {
    let app = || super::children::app().workflow(impatient);
    check(MOST, app, async |world| {
        let handle = world.start(impatient, ()).await;
        assert_eq!(world.result(&handle).await.unwrap(), 0);
        world.did("wrap cup", 1);
        let events = world.events(handle.id()).await;
        let told = events.iter().any(|event| match event {
            Event::ChildCompleted(e) => matches!(e.outcome, ChildOutcome::Completed { .. }),
            _ => false,
        });
        assert!(told, "it is in the log all the same: {events:?}");
    });
}

#[workflow]
async fn hasty(_effects: State<Effects>, _input: ()) -> everstep::Result<u32> {
    let packing = child(pack, "cup".to_owned()).close_policy(ClosePolicy::Leave);
    Ok(timeout(minutes(1), packing).await.map_or(Ok(0), |weight| weight)?)
}

#[test]
fn a_child_that_ends_after_its_parent_is_heard_by_nobody_and_ends_well() {
    let app = || super::children::app().workflow(hasty);
    check(MOST, app, async |world| {
        let handle = world.start(hasty, ()).await;
        assert_eq!(world.result(&handle).await.unwrap(), 0);
        let record = world.until(world.settled(&child_of(handle.id()))).await;
        assert_eq!(record.projection.status, Status::Completed);
        assert_eq!(kinds(world, handle.id()).await.last().unwrap(), "WorkflowCompleted");
    });
}

#[workflow]
async fn grandparent(_effects: State<Effects>, _input: ()) -> everstep::Result<u32> {
    Ok(child(order, "cup".to_owned()).await? + 1)
}

#[test]
fn a_cancel_reaches_the_children_of_children() {
    let app = || super::children::app().workflow(grandparent);
    check(IN_MEMORY, app, async |world| {
        let handle = world.start(grandparent, ()).await;
        assert_eq!(world.result(&handle).await.unwrap(), 4);

        let handle = world.start(grandparent, ()).await;
        let grandchild = ExecutionId::new(format!("{}/order#1/pack#1", handle.id())).unwrap();
        let child = ExecutionId::new(format!("{}/order#1", handle.id())).unwrap();
        world.until(world.has(handle.id(), "ChildStarted", 1)).await;
        world.until(world.has(&child, "ChildStarted", 1)).await;
        world.until(world.status_is(&grandchild, Status::Suspended)).await;
        handle.cancel("enough").await.unwrap();
        let record = world.until(world.settled(&grandchild)).await;
        assert_eq!(record.projection.status, Status::Cancelled);
    });
}

async fn kinds(world: &World, id: &ExecutionId) -> Vec<String> {
    let events = world.events(id).await;
    let kinds = events.iter().map(|event| event.kind().to_owned());
    kinds.filter(|kind| kind.starts_with("Child") || kind == "WorkflowCompleted").collect()
}
