//! The order example as a program: crash after a step, go on, look again.

use everstep_tests::order::{Effects, OrderFolder, SERVICES};

#[track_caller]
fn check(crash_after: &str, done_before: &[&str]) {
    let folder = OrderFolder::new(&[]);
    let crashed = folder.run(&["--crash-after", crash_after]);
    let says = String::from_utf8(crashed.stdout).unwrap();
    assert!(!crashed.status.success(), "it was to crash after {crash_after}: {says}");
    assert!(says.contains("cargo run -p order"), "it says how to go on: {says}");
    let before = folder.effects("order-1");
    for service in done_before {
        assert_eq!(
            before.get(*service),
            Some(&1),
            "{service} before the crash after {crash_after}"
        );
    }
    let again = folder.run(&["--crash-after", crash_after]);
    let says = String::from_utf8(again.stdout).unwrap();
    assert!(again.status.success(), "what is in the log does not crash it again: {says}");
    assert!(says.contains("order-1 is confirmed"), "{says}");
    let once: Effects = SERVICES.iter().map(|service| ((*service).to_owned(), 1)).collect();
    let mut after = folder.effects("order-1");
    if matches!(crash_after, "label" | "invoice") {
        // The other of the two parallel steps may have been under way.
        for service in ["label", "invoice"].iter().filter(|other| **other != crash_after) {
            after.entry((*service).to_owned()).and_modify(|times| *times = (*times).min(1));
        }
    }
    assert_eq!(after, once, "each thing is done once, crash after {crash_after}");
}

#[test]
fn after_a_crash_behind_the_reservation_it_goes_on() {
    check("reserve", &["reserve"]);
}

#[test]
fn after_a_crash_behind_the_charge_it_goes_on() {
    check("charge", &["reserve", "charge"]);
}

#[test]
fn after_a_crash_behind_a_parallel_step_it_goes_on() {
    check("label", &["reserve", "charge", "label"]);
}

#[test]
fn after_a_crash_in_the_wait_it_goes_on() {
    check("timer", &["reserve", "charge", "label", "invoice"]);
}

#[test]
fn after_a_crash_behind_the_last_step_there_is_nothing_left_to_do() {
    check("confirm", &SERVICES);
}

#[test]
fn a_second_run_of_a_finished_order_runs_nothing() {
    let folder = OrderFolder::new(&[]);
    assert!(folder.run(&[]).status.success());
    let again = folder.run(&[]);
    let says = String::from_utf8(again.stdout).unwrap();
    assert!(says.contains("done already"), "{says}");
    assert!(folder.effects("order-1").values().all(|times| *times == 1));
}

#[test]
fn a_check_says_that_an_open_order_goes_on_and_does_nothing_to_it() {
    let folder = OrderFolder::new(&[]);
    assert!(!folder.run(&["--crash-after", "charge"]).status.success());
    let before = folder.effects("order-1");
    let checked = folder.run(&["--check"]);
    let says = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{says}");
    let table = "workflow      go on  unblocked  would block  stay blocked  would end\n\
                 fulfil_order      1          0            0             0          0\n";
    assert!(says.contains(table), "{says}");
    assert_eq!(folder.effects("order-1"), before, "no step runs");
}
