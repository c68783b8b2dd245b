//! Every example is one command that ends by itself, and the README names it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use everstep_tests::order::program;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The examples, what they are called with, and what they say at their end.
const EXAMPLES: [(&str, &[&str], &str); 7] = [
    ("agent", &[], "Lisbon is 17 degrees warmer than Oslo."),
    ("approval", &[], "approved by"),
    ("cart", &[], "'s order goes out"),
    ("image", &["--demo"], "demo.jpg is published"),
    ("order", &[], "order-1 is confirmed"),
    ("signup", &[], "has an account"),
    ("trip", &[], "is booked"),
];

fn says(example: &str, args: &[&str], folder: &Path) -> String {
    let output = Command::new(program(example, example))
        .args(args)
        .current_dir(folder)
        .env_remove("EVERSTEP_URL")
        .env_remove("AWS_LAMBDA_RUNTIME_API")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example}: {}\n{said}\n{errors}", output.status);
    said
}

#[test]
fn each_runs_on_a_new_machine_and_again_and_ends_by_itself() {
    std::thread::scope(|scope| {
        for (example, args, end) in EXAMPLES {
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                for run in ["first", "second"] {
                    let said = says(example, args, folder.path());
                    assert!(said.contains(end), "{run} run of {example}: {said}");
                }
            });
        }
    });
}

#[test]
fn a_cancelled_agent_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let said = says("agent", &["--cancel"], folder.path());
    assert!(said.contains("the user has closed the window"), "{said}");
    assert!(!said.contains("degrees"), "{said}");
}

#[test]
fn a_cancel_that_comes_after_the_end_waits_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["--id", "a"][..], &["--id", "a", "--cancel"]] {
        let said = says("agent", args, folder.path());
        assert!(said.contains("Lisbon is 17 degrees warmer than Oslo."), "{said}");
    }
}

#[test]
fn the_readme_names_them_all() {
    let listed: BTreeSet<_> = EXAMPLES.map(|(example, ..)| example.to_owned()).into();
    let folders = std::fs::read_dir(Path::new(ROOT).join("examples")).unwrap();
    let there: BTreeSet<_> = folders
        .map(|folder| folder.unwrap())
        .filter(|folder| folder.path().join("Cargo.toml").is_file())
        .map(|folder| folder.file_name().into_string().unwrap())
        .collect();
    assert_eq!(listed, there);
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    for example in there {
        let command = format!("cargo run -p {example}");
        assert!(readme.contains(&command), "README.md does not say {command}");
    }
}
