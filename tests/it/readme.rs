//! What README.md tells a reader to type does what it says. The session on AWS is in `tests/rig`.

use everstep_tests::order::OrderFolder;
use everstep_tests::readme::run_session;

const README: &str = include_str!("../../README.md");

#[test]
fn the_sessions_of_the_readme_print_what_it_says() {
    run_session(README, "sqlite", &OrderFolder::new(&[]));
}

#[test]
fn the_script_that_the_readme_names_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    let script = std::fs::metadata(concat!(env!("CARGO_MANIFEST_DIR"), "/run")).unwrap();
    assert!(script.permissions().mode() & 0o111 != 0);
    assert!(README.contains("./tests/run"));
}
