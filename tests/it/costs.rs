//! What executions cost, counted in calls and written items: promises of the design, not
//! measurements.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use everstep::event::{Commit, Event, TurnEnd};
use everstep::prelude::*;
use everstep::testing::faults::Counts;
use everstep_tests::sim::{Fates, Host, HostOptions, World};

/// What an execution cost, its client's start included.
struct Bill {
    counts: Counts,
    log: Vec<Commit>,
    /// Inbox items sent and removed: two and one a signal.
    inbox: u64,
}

impl Bill {
    fn turns(&self) -> u64 {
        let of_turns = |event: &&Event| matches!(event, Event::TurnStarted(_));
        self.log.iter().flat_map(|commit| &commit.events).filter(of_turns).count() as u64
    }

    fn suspensions(&self) -> u64 {
        let events = self.log.iter().flat_map(|commit| &commit.events);
        let ends = events.filter(
            |event| matches!(event, Event::TurnEnded(end) if end.reason == TurnEnd::Suspended),
        );
        ends.count() as u64
    }

    fn written(&self) -> u64 {
        self.counts.items_written - self.inbox
    }

    fn commits_of_steps(&self) -> usize {
        let has_step = |commit: &&Commit| {
            commit.events.iter().any(|event| matches!(event, Event::StepCompleted(_)))
        };
        self.log.iter().filter(has_step).count()
    }
}

async fn bill<A, W>(workflow: W, input: (u64, u64), app: App, signals: u64) -> Bill
where
    W: everstep::Workflow<A>,
    W::Spec: everstep::__private::WorkflowSpec<Input = (u64, u64)>,
{
    let world = World::new();
    let fates = Fates::good(&world, "all");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let options = HostOptions { sweeps: false, ..HostOptions::default() };
    let host = Host::start(&world, app, backend.clone(), &fates, &options);
    tokio::time::sleep(Duration::from_millis(10)).await;
    fates.faults().take_counts();
    let client = Client::new(&backend).clock(world.clock.clone());
    let handle = client.start(workflow, input).id("x").await.unwrap();
    for signal in 0..signals {
        tokio::time::sleep(Duration::from_secs(1)).await;
        handle.signal("go", &signal).await.unwrap();
    }
    world.until("x", hours(10), |record| record.projection.status.is_closed()).await;
    world.until_no_wake_is_left(hours(1)).await;
    let counts = fates.faults().counts();
    let log = world.log("x").await;
    world.check_closed("x").await;
    host.kill().await;
    Bill { counts, log, inbox: signals * 3 }
}

#[workflow]
async fn steps_and_sleeps((steps, sleeps): (u64, u64)) -> everstep::Result<u64> {
    let mut total = 0;
    for number in 0..steps.max(sleeps) {
        if number < steps {
            total += step("one", async move || Ok::<u64, everstep::Error>(1)).await?;
        }
        if number < sleeps {
            sleep(minutes(1)).await;
        }
    }
    Ok(total)
}

#[tokio::test(start_paused = true)]
async fn a_sequential_workflow_writes_at_most_n_plus_2m_plus_4_items() {
    for (n, m) in
        [(0, 0), (1, 0), (2, 0), (10, 0), (50, 0), (0, 1), (0, 5), (1, 1), (5, 5), (10, 3), (3, 10)]
    {
        let bill = bill(steps_and_sleeps, (n, m), App::new().workflow(steps_and_sleeps), 0).await;
        assert_eq!(bill.suspensions(), m);
        let (written, most) = (bill.written(), n + 2 * m + 4);
        assert!(written <= most, "{n} steps, {m} sleeps: {written} > {most}\n{:#?}", bill.counts);
        assert_eq!(bill.counts.of("load"), bill.turns(), "one query a turn: {:#?}", bill.counts);
        assert_eq!(bill.counts.of("record"), 0, "{:#?}", bill.counts);
    }
}

#[workflow]
async fn signals((count, _): (u64, u64)) -> everstep::Result<u64> {
    let mut total = 0;
    for _ in 0..count {
        total += signal::<u64>("go").await?;
        total += step("one", async move || Ok::<u64, everstep::Error>(1)).await?;
    }
    Ok(total)
}

/// A signal is a suspension that also has an inbox item: two items to send it, one to remove it.
#[tokio::test(start_paused = true)]
async fn waiting_for_signals_costs_two_items_a_suspension_beside_the_inbox() {
    for n in [1, 4, 12] {
        let bill = bill(signals, (n, 0), App::new().workflow(signals), n).await;
        let m = bill.suspensions();
        assert_eq!(m, n);
        let (written, most) = (bill.written(), n + 2 * m + 4);
        assert!(written <= most, "{n} signals: {written} > {most}\n{:#?}", bill.counts);
        assert_eq!(bill.counts.of("load"), bill.turns(), "one query a turn: {:#?}", bill.counts);
    }
}

#[workflow]
async fn branches((width, depth): (u64, u64)) -> everstep::Result<u64> {
    let branch = async |of: u64| {
        let mut total = 0;
        for _ in 0..depth {
            // All of a rank finish at the same moment.
            total += step("rank", async move || {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok::<u64, everstep::Error>(1)
            })
            .input("of", &of)
            .await?;
        }
        Ok::<u64, everstep::Error>(total)
    };
    let all = join_all((0..width).map(branch)).await;
    all.into_iter().sum()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_steps_that_finish_together_are_written_together() {
    let bill = bill(branches, (100, 1), App::new().workflow(branches), 0).await;
    assert!(bill.written() <= 10, "{:#?}", bill.counts);
    assert_eq!(bill.commits_of_steps(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_branches_of_three_steps_need_three_commits_of_steps() {
    let bill = bill(branches, (100, 3), App::new().workflow(branches), 0).await;
    assert_eq!(bill.commits_of_steps(), 3);
    assert!(bill.written() <= 10, "{:#?}", bill.counts);
}

#[workflow]
async fn mapped((items, limit): (u64, u64)) -> everstep::Result<u64> {
    let one = async |n: u64| {
        let one = step("one", async move || {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok::<u64, everstep::Error>(1)
        });
        one.input("n", &n).await
    };
    let all = map(0..items, one);
    let all = if limit == 0 { all.await } else { all.concurrency(limit as usize).await };
    Ok(all?.iter().sum())
}

/// What ends together is written together, and the limit says how many that are.
#[tokio::test(start_paused = true)]
async fn a_map_of_a_thousand_takes_a_commit_for_each_group_that_ends_together() {
    for (limit, commits) in [(1, 1_000), (10, 100), (0, 1)] {
        let bill = bill(mapped, (1_000, limit), App::new().workflow(mapped), 0).await;
        assert_eq!(bill.commits_of_steps(), commits, "limit {limit}");
        let written = bill.written();
        assert!(written <= commits as u64 + 8, "limit {limit}: {written}\n{:#?}", bill.counts);
    }
}

/// What leads to no new body rides along with what follows.
#[tokio::test(start_paused = true)]
async fn the_last_result_and_the_end_are_one_write() {
    let bill = bill(steps_and_sleeps, (1, 1), App::new().workflow(steps_and_sleeps), 0).await;
    let mut together = BTreeMap::new();
    for commit in &bill.log {
        for event in &commit.events {
            together.insert(event.kind(), commit.number);
        }
    }
    assert_eq!(together["StepCompleted"], together["TimerStarted"]);
    assert_eq!(together["TimerStarted"], together["TurnEnded"]);
    assert_eq!(together["TimerFired"], together["WorkflowCompleted"]);
    assert_eq!(bill.log.len(), 4, "start, claim, result + timer + suspension, claim + end");
    let bill = self::bill(steps_and_sleeps, (1, 0), App::new().workflow(steps_and_sleeps), 0).await;
    let last = &bill.log.last().unwrap().events;
    let kinds: Vec<_> = last.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["StepCompleted", "WorkflowCompleted"]);
}

#[workflow]
async fn small(n: u64) -> everstep::Result<u64> {
    Ok(n)
}

#[workflow]
async fn hundreds((children, _): (u64, u64)) -> everstep::Result<u64> {
    let results = join_all((0..children).map(|n| child(small, n))).await;
    Ok(results.into_iter().sum::<Result<u64, _>>()?)
}

/// A child costs what any execution does, and its place in its parent's inbox: 2 items to start it,
/// 1 commit, 1 record, 2 to tell its parent, 1 to take that away. The parent's own commits hold many.
#[tokio::test(start_paused = true)]
async fn children_cost_what_each_does_alone_and_their_parent_little_however_many() {
    let app = || App::new().workflow(small).workflow(hundreds);
    // Ten times as many cost the same each.
    for children in [100, 1_000, 3_000] {
        let bill = bill(hundreds, (children, 0), app(), 0).await;
        let parents = bill.log.len() as u64;
        let of_children = bill.counts.items_written - parents;
        assert!(parents < 10, "{parents} commits of the parent: {:?}", bill.counts);
        assert!(of_children <= 7 * children + 10, "{of_children}: {:?}", bill.counts);
        let loads = bill.counts.of("load");
        assert!(loads <= children + children / 50 + 10, "{loads} loads for {children} children");
        let bytes = |commit: &Commit| serde_json::to_string(&commit.events).unwrap().len() as u64;
        let bytes: u64 = bill.log.iter().map(bytes).sum();
        assert!(
            bytes < 400 * children,
            "{bytes} bytes in the parent's log for {children} children"
        );
    }
}
