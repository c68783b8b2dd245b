//! Crash everywhere: whatever call a host or a client dies at, before it or after it, the
//! execution ends as if nobody had died.

use std::collections::BTreeMap;
use std::time::Duration;

use everstep_tests::scenario::Backing;
use everstep_tests::sim::{Death, Dice, HostOptions, Plan, Setup, Story, essence, live};

fn run(plan: &Plan, setup: &Setup) -> Story {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(live(plan, setup))
}

fn clean(setup: &Setup) -> Story {
    run(&Plan::default(), setup)
}

/// The end is that of the clean run, and no body ran more often than deaths can explain.
fn check_same(plan: &Plan, story: &Story, clean: &Story) {
    let deaths = plan.hosts.len();
    let (mut got, mut expected) = (essence(&story.log), essence(&clean.log));
    if !story.report.charged {
        // Its host died while nobody can know whether it had run.
        assert!(deaths > 0);
        got.remove("charge#1");
        expected.remove("charge#1");
    }
    assert_eq!(got, expected, "{plan:?}");
    assert_eq!(story.report.total, clean.report.total, "{plan:?}");
    assert_eq!(story.report.signals, clean.report.signals, "{plan:?}");
    let ran = by_attempt(story.world.ledger.all_runs());
    let once = by_attempt(clean.world.ledger.all_runs());
    for (body, times) in &ran {
        let most = if body.contains("/charge ") { 1 } else { 1 + deaths };
        assert!(*times <= most, "{body} ran {times} times under {plan:?}");
    }
    for body in once.keys().filter(|body| !body.contains("/charge ")) {
        assert!(ran.contains_key(body), "{body} never ran under {plan:?}");
    }
}

fn by_attempt(runs: Vec<String>) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for run in runs {
        *times.entry(run).or_default() += 1;
    }
    times
}

fn deaths(calls: u64) -> impl Iterator<Item = Death> {
    (0..calls).flat_map(|at| [false, true].map(|after| Death { at, after }))
}

fn crash_hosts_everywhere(setup: &Setup) {
    let clean = clean(setup);
    for (body, times) in by_attempt(clean.world.ledger.all_runs()) {
        assert_eq!(times, 1, "{body}");
    }
    assert!(clean.report.charged);
    let calls = clean.world.calls_of("host0");
    assert!(calls > 40, "{calls} calls are too few for what the workflow does");
    // A call of the emulator takes milliseconds: every third there, before some and after others.
    let apart = if setup.backing == Backing::DynamoDb { 3 } else { 1 };
    for death in deaths(calls).step_by(apart) {
        let plan = Plan { hosts: vec![death], ..Plan::default() };
        let story = run(&plan, setup);
        check_same(&plan, &story, &clean);
    }
}

#[test]
fn a_host_may_die_before_and_after_each_of_its_calls() {
    crash_hosts_everywhere(&Setup::default());
}

#[test]
fn a_host_may_die_anywhere_also_when_claims_come_before_replay() {
    crash_hosts_everywhere(&Setup { redelivered: true, ..Setup::default() });
}

#[test]
fn a_host_may_die_before_and_after_each_of_its_calls_on_sqlite() {
    crash_hosts_everywhere(&Setup { backing: Backing::Sqlite, ..Setup::default() });
}

#[test]
fn a_host_may_die_before_or_after_its_calls_on_dynamodb() {
    crash_hosts_everywhere(&Setup { backing: Backing::DynamoDb, ..Setup::default() });
}

/// Wakes are enough: the sweeper is a net under lost ones.
#[test]
fn a_host_may_die_anywhere_also_without_a_sweeper() {
    let options = HostOptions { sweeps: false, ..HostOptions::default() };
    crash_hosts_everywhere(&Setup { options, ..Setup::default() });
}

/// A function's claims are not renewed and hold longer than the queue hides a message.
#[test]
fn an_invocation_of_a_function_may_die_anywhere() {
    let invocation = Some(Duration::from_secs(60));
    let options = HostOptions { invocation, sweeps: false, ..HostOptions::default() };
    crash_hosts_everywhere(&Setup { options, ..Setup::default() });
}

#[test]
fn a_client_may_die_before_and_after_each_of_its_calls() {
    for backing in [Backing::Memory, Backing::Sqlite, Backing::DynamoDb] {
        crash_clients_everywhere(&Setup { backing, ..Setup::default() });
    }
}

fn crash_clients_everywhere(setup: &Setup) {
    let clean = clean(setup);
    let calls = clean.world.calls_of("client0");
    assert!(calls >= 6, "a start and two signals are two calls each: {calls}");
    for death in deaths(calls) {
        let plan = Plan { clients: vec![death], ..Plan::default() };
        let story = run(&plan, setup);
        check_same(&plan, &story, &clean);
    }
}

#[test]
fn two_hosts_and_a_client_may_die_in_one_run() {
    let setup = Setup::default();
    let clean = clean(&setup);
    let (calls, client_calls) = (clean.world.calls_of("host0"), clean.world.calls_of("client0"));
    let mut dice = Dice::new(2);
    let mut death = |calls| Death { at: dice.below(calls), after: dice.chance(500) };
    for number in 0..200 {
        let hosts = vec![death(calls), death(calls / 2)];
        let clients = if number % 2 == 0 { vec![death(client_calls)] } else { vec![] };
        let plan = Plan { hosts, clients };
        let story = run(&plan, &setup);
        check_same(&plan, &story, &clean);
    }
}

#[test]
fn a_plan_that_is_run_twice_tells_the_same_story() {
    let setup = Setup::default();
    for at in [3, 17, 31, 44] {
        let plan = Plan { hosts: vec![Death { at, after: true }], ..Plan::default() };
        let (one, two) = (run(&plan, &setup), run(&plan, &setup));
        assert_eq!(one.world.trace(), two.world.trace());
        assert_eq!(one.world.ledger.all_runs(), two.world.ledger.all_runs());
        assert_eq!(essence(&one.log), essence(&two.log));
    }
}
