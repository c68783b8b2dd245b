use quote::quote;

use super::*;

#[track_caller]
fn check_step(tokens: TokenStream, messages: &[&str]) -> StepArgs {
    let mut errors = Errors::default();
    let args = StepArgs::parse(tokens, &mut errors);
    let found = errors.messages();
    assert_eq!(found.len(), messages.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(messages) {
        assert!(found.contains(expected), "{found} does not hold {expected}");
    }
    args
}

#[test]
fn everything_a_step_can_be_told_is_read() {
    let args = check_step(
        quote!(
            skip(stripe, r#type),
            name = "charge the card",
            retry(
                max_attempts = 6,
                initial = "200ms",
                max = "1m 30s",
                factor = 1.5,
                jitter = false
            ),
            retry_if = |e: &PaymentError| matches!(e, PaymentError::Busy | PaymentError::Lost),
            timeout = "30s",
            at_most_once,
            crate = "durable::everstep",
        ),
        &[],
    );
    assert_eq!(args.skip, ["stripe", "r#type"]);
    assert_eq!(args.name.unwrap().value(), "charge the card");
    let retry = args.retry.unwrap();
    assert_eq!(retry.max_attempts, Some(6));
    assert_eq!(retry.initial, Some(Duration::from_millis(200)));
    assert_eq!(retry.max, Some(Duration::from_secs(90)));
    assert_eq!(retry.factor, Some(1.5));
    assert_eq!(retry.jitter, Some(false));
    assert!(args.retry_if.is_some() && args.at_most_once.is_some());
    assert_eq!(args.timeout.unwrap().0, Duration::from_secs(30));
    let everstep = args.everstep.0;
    assert_eq!(quote!(#everstep).to_string(), "durable :: everstep");
}

#[test]
fn no_retry_is_one_attempt() {
    let args = check_step(quote!(retry = none), &[]);
    assert_eq!(args.retry.unwrap().max_attempts, Some(1));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    check_step(
        quote!(
            nmae = "x",
            name = 5,
            skip,
            retry(
                max_attempts = 0,
                initial = "2m",
                max = "1m",
                factor = 0.5,
                jitter = 1,
                every = 3
            ),
            timeout = "soon",
            at_most_once = true,
            max_attempts = 3,
            timeout = "1s"
        ),
        &[
            "`step` has no argument `nmae`: it takes `skip`, `name`,",
            "(it goes into `retry(...)`)",
            "`timeout` is given twice",
            "write the name in quotes",
            "name the arguments that are not recorded",
            "`retry` has no argument `every`: it takes `max_attempts`,",
            "at least one attempt",
            "at least 1",
            "`jitter = true` or `jitter = false`",
            "make `initial` at most `max`",
            "`soon` is no duration",
            "takes no value",
        ],
    );
}

#[test]
fn a_first_back_off_over_the_default_maximum_asks_for_a_maximum() {
    check_step(quote!(retry(initial = "61s")), &["give `max` as well"]);
    check_step(quote!(retry(initial = "61s", max = "2m")), &[]);
    check_step(quote!(retry(initial = "60s")), &[]);
}

#[test]
fn names_have_a_length_and_no_control_characters() {
    let longest = "n".repeat(256);
    check_step(quote!(name = #longest), &[]);
    let longer = "é".repeat(129);
    check_step(quote!(name = #longer), &["this one has 258"]);
    check_step(quote!(name = ""), &["at least one character"]);
    check_step(quote!(name = "a\nb"), &["control character"]);
}

#[test]
fn a_time_out_of_zero_and_the_largest_one_do_not_break_anything() {
    check_step(quote!(timeout = "0s"), &["leave `timeout` out"]);
    check_step(quote!(timeout = "99999999999999999999years"), &["is no duration"]);
    check_step(quote!(retry(factor = 1e999)), &["at least 1"]);
    check_step(quote!(retry(max_attempts = 4294967296)), &["whole number"]);
    check_step(quote!(retry(max_attempts = -1)), &["whole number"]);
}

#[test]
fn a_workflow_is_told_where_an_argument_belongs() {
    let mut errors = Errors::default();
    WorkflowArgs::parse(quote!(retry(max_attempts = 3), name = "fulfil"), &mut errors);
    let messages = errors.messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains("it is one of `#[step]`"), "{messages:?}");
}
