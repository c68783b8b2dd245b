//! Colours, widths and pipes.

use std::io::Read;
use std::process::Stdio;

use everstep::store::Status;

use crate::support::{Place, Ran};

const ESCAPE: char = '\u{1b}';

fn finished() -> Place {
    let place = Place::new();
    place.ok(["start", "refuse", "--id", "a"]);
    place.work_until("a", Status::Failed);
    place
}

#[test]
fn there_is_colour_only_when_it_is_asked_for_or_seen() {
    let place = finished();
    for command in [&["history", "a"][..], &["list"], &["show", "a"]] {
        let with = |choice| [&["--color", choice], command].concat();
        assert!(!place.ok(command).contains(ESCAPE), "not on a pipe");
        assert!(place.ok(with("always")).contains(ESCAPE));
        assert!(!place.ok(with("never")).contains(ESCAPE));
        assert!(!place.ok([&["--json"], &*with("always")].concat()).contains(ESCAPE));
    }
    let coloured = |args: [&str; 4]| place.run(args).err.contains(ESCAPE);
    assert!(coloured(["--color", "always", "show", "none"]));
    assert!(coloured(["--color", "always", "list", "--lime"]), "mistakes too");
    assert!(!coloured(["--color", "never", "show", "none"]));
    assert!(!coloured(["--color", "never", "list", "--lime"]));
}

/// On a terminal, which the program `script` (util-linux) makes; where it is missing there is
/// nothing to see.
#[test]
fn a_terminal_has_colours_unless_no_color_is_set() {
    let place = finished();
    let on_terminal = |no_color: Option<&str>| {
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &format!("{} list", crate::support::EVERSTEP), "/dev/null"]);
        command.current_dir(place.path()).env_remove("NO_COLOR").env_remove("EVERSTEP_URL");
        command.stdin(Stdio::null());
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        command.output().ok().map(Ran::from)
    };
    let Some(ran) = on_terminal(None) else { return };
    assert!(ran.out.contains(ESCAPE), "{ran:?}");
    let quiet = |value| on_terminal(Some(value)).is_some_and(|ran| !ran.out.contains(ESCAPE));
    assert!(quiet("1"));
    assert!(!quiet(""), "an empty NO_COLOR is none");
}

#[test]
fn values_are_cut_to_the_width_unless_asked_for_in_full() {
    let place = Place::new();
    let long = format!("\"{}\"", "long ".repeat(100));
    place.ok(["start", "greet", "--id", "a", "--input", &long]);
    let run = |columns: &str, args: &[&str]| {
        let mut command = place.command(args);
        command.env("COLUMNS", columns);
        Ran::from(command.output().expect("it runs")).out
    };
    for args in [["history", "a"], ["show", "a"]] {
        for columns in ["80", "100", "300"] {
            let text = run(columns, &args);
            let widest = text.lines().map(|line| line.chars().count()).max();
            // A history's other columns take about sixty.
            assert!(widest <= Some(columns.parse::<usize>().unwrap().max(90)), "{text}");
            assert!(text.contains('…'), "{text}");
        }
        assert!(run("80", &[&args[..], &["--full"]].concat()).contains(&long));
    }
    assert!(run("80", &["history", "a", "--json"]).contains(&long));
}

#[test]
fn what_a_terminal_would_obey_is_never_printed_to_it() {
    let place = finished();
    let table = place.ok(["history", "a"]);
    assert!(table.contains("no\\u{1b}[31m way"), "{table}");
    for args in [["history", "a"], ["show", "a"]] {
        assert!(!place.ok(args).contains(ESCAPE));
    }
    assert!(!place.ok(["list"]).contains(ESCAPE));
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let place = Place::ready();
    // More than a pipe holds.
    let input = format!("\"{}\"", "x".repeat(150_000));
    std::fs::write(place.path().join("in.json"), input).unwrap();
    place.ok(["start", "greet", "--id", "a", "--input", "@in.json"]);
    let commands: [&[&str]; 4] = [
        &["history", "a", "--json"],
        &["history", "a", "--full"],
        &["show", "a", "--full"],
        &["completions", "zsh"],
    ];
    for args in commands {
        let mut command = place.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let mut first = [0; 1];
        let mut stdout = child.stdout.take().expect("piped");
        stdout.read_exact(&mut first).expect("a byte");
        drop(stdout);
        let ran = Ran::from(child.wait_with_output().expect("it ends"));
        assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{args:?}: {ran:?}");
    }
}
