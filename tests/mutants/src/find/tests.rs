use std::collections::BTreeSet;

use super::*;
use crate::text;

fn found(code: &str) -> (Vec<Mutant>, String) {
    let file = syn::parse_file(code).unwrap();
    let path = Path::new("a.rs");
    let mut finder = Finder { file: path, text: code, function: vec![], mutants: vec![] };
    finder.visit_file(&file);
    let mutants = finder.mutants;
    let changed = text::changed(code, mutants.iter(), &BTreeSet::new()).text;
    syn::parse_file(&changed).unwrap_or_else(|error| panic!("{error}: {changed}"));
    (mutants, changed.replace("crate::mutants::", ""))
}

#[track_caller]
fn check(code: &str, expected: &str) {
    assert_eq!(found(code).1, expected);
}

#[test]
fn every_kind_of_change_is_made() {
    check(
        "fn f() -> bool { x }",
        "fn f() -> bool { if on(0) { return true; } if on(1) { return false; } x }",
    );
    check(
        "fn f() -> &'a T { a < b }",
        "fn f() -> &'a T { (if on(0) { a <= b } else { (if on(1) { a > b } else { a < b }) }) }",
    );
    check(
        "fn f() -> &'a T { é; f(é)?.await; x = 1; }",
        "fn f() -> &'a T { é; if !on(0) { f(é)?.await; } if !on(1) { x = 1; } }",
    );
    check("fn f() -> &'a T { if c {} }", "fn f() -> &'a T { if (on(0) != (c)) {} }");
    check("fn f() -> &'a T { if !c {} }", "fn f() -> &'a T { if (if on(0) { c } else { !c }) {} }");
    check(
        "fn f() -> &'a T { match x { _ if g => 1 } }",
        "fn f() -> &'a T { match x { _ if (on(0) || ((!on(1) && (g)))) => 1 } }",
    );
    check("fn f() -> &'a T { matches!(a, B) }", "fn f() -> &'a T { (on(0) != (matches!(a, B))) }");
}

#[test]
fn one_change_is_in_the_unchanged_part_of_another() {
    check(
        "fn f() -> &'a T { a && b == c }",
        "fn f() -> &'a T { (if on(0) { a || b == c } else { a && (if on(1) { b != c } else { b == c }) }) }",
    );
    check(
        "fn f() -> &'a T { if a < b {} }",
        "fn f() -> &'a T { if (on(0) != ((if on(1) { a <= b } else { (if on(2) { a > b } else { a < b }) }))) {} }",
    );
}

#[test]
fn tests_and_what_is_computed_when_compiled_are_left_alone() {
    let code = "#[cfg(test)] mod tests { fn f() { f(); } } const fn g() -> bool { true } const X: u8 = 1 + 2; \
        fn f() -> &'a T { if let A = a && b {} }";
    check(code, code);
}

#[test]
fn a_mutant_that_is_off_is_not_in_the_text() {
    let code = "fn f() -> &'a T { a < b; }";
    let (mutants, _) = found(code);
    let changed = text::changed(code, mutants.iter(), &BTreeSet::from([0])).text;
    assert_eq!(
        changed.replace("crate::mutants::", ""),
        "fn f() -> &'a T { (if on(1) { a > b } else { a < b }); }"
    );
}

#[test]
fn an_error_is_of_the_mutant_whose_text_it_is_in_or_of_those_around_it() {
    let code = "fn f() -> &'a T { a && b == c }";
    let (mutants, _) = found(code);
    let changed = text::changed(code, mutants.iter(), &BTreeSet::new());
    let at = |part: &str| changed.text.rfind(part).unwrap();
    assert_eq!((changed.own_at(at("a || b")), changed.own_at(at("a && "))), (Some(0), None));
    assert_eq!((changed.around(at("b == c")), changed.around(at("a && "))), (Some(1), Some(0)));
    assert_eq!((changed.own_at(0), changed.around(0)), (None, None));
}
