//! What the macros accept, and what the compiler says of what they refuse. After a change of a
//! message: `TRYBUILD=overwrite cargo test -p everstep-ui-tests`, and read the difference.

#[test]
fn every_misuse_has_an_error_that_says_what_to_do() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
    cases.compile_fail("fail/*.rs");
}
