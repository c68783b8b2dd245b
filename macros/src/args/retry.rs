//! `retry(max_attempts = 6, initial = "200ms", max = "30s", factor = 2.0, jitter = true)`.

use std::time::Duration;

use syn::{Expr, Lit};

use super::raw::{self, Raw, Value};
use crate::errors::Errors;

/// The longest back-off where none is given: the default of the sdk's `Retry`.
const MAX_DEFAULT: Duration = Duration::from_secs(60);

/// What was written; `None` leaves the sdk's default.
#[derive(Default)]
pub(crate) struct RetryArgs {
    pub(crate) max_attempts: Option<u32>,
    pub(crate) initial: Option<Duration>,
    pub(crate) max: Option<Duration>,
    pub(crate) factor: Option<f64>,
    pub(crate) jitter: Option<bool>,
}

const KNOWN: &[&str] = &["max_attempts", "initial", "max", "factor", "jitter"];

impl RetryArgs {
    pub(super) fn parse(raw: Raw, errors: &mut Errors) -> Option<Self> {
        let tokens = match &raw.value {
            Value::List(tokens) => tokens.clone(),
            Value::Is(Expr::Path(path)) if path.path.is_ident("none") => {
                return Some(Self { max_attempts: Some(1), ..Self::default() });
            }
            _ => {
                errors.on(
                    &raw,
                    "say how: `retry(max_attempts = 6, initial = \"200ms\", max = \"30s\")`, or `retry = none` for a single attempt",
                );
                return None;
            }
        };
        let mut args = Self::default();
        let mut initial_text = None;
        for raw in raw::parse(tokens, "retry", KNOWN, errors) {
            match raw.name.to_string().as_str() {
                "max_attempts" => args.max_attempts = max_attempts(&raw, errors),
                "initial" => {
                    (args.initial, initial_text) = raw.duration("initial", errors).unzip();
                }
                "max" => args.max = raw.duration("max", errors).map(|(duration, _)| duration),
                "factor" => args.factor = factor(&raw, errors),
                "jitter" => args.jitter = jitter(&raw, errors),
                _ => {}
            }
        }
        if let (Some(initial), Some(text)) = (args.initial, initial_text) {
            match args.max {
                Some(max) if initial > max => errors.on(
                    text,
                    "the first back-off is longer than the longest: make `initial` at most `max`",
                ),
                None if initial > MAX_DEFAULT => errors.on(
                    text,
                    "the first back-off is longer than the longest, which is 60s by default: give `max` as well",
                ),
                _ => {}
            }
        }
        Some(args)
    }
}

fn max_attempts(raw: &Raw, errors: &mut Errors) -> Option<u32> {
    let attempts = match raw.literal() {
        Some(Lit::Int(int)) if matches!(int.suffix(), "" | "u32") => int.base10_parse::<u32>().ok(),
        _ => None,
    };
    match attempts {
        Some(0) => {
            errors.on(
                raw,
                "a step has at least one attempt, the first: write `max_attempts = 1` for no retry",
            );
            None
        }
        Some(attempts) => Some(attempts),
        None => {
            errors.on(raw, "write a whole number from 1 to 4294967295: `max_attempts = 6`");
            None
        }
    }
}

fn factor(raw: &Raw, errors: &mut Errors) -> Option<f64> {
    let factor = match raw.literal() {
        Some(Lit::Float(float)) if matches!(float.suffix(), "" | "f64") => {
            float.base10_parse().ok()
        }
        Some(Lit::Int(int)) if matches!(int.suffix(), "" | "f64") => int.base10_parse().ok(),
        _ => None,
    };
    match factor.filter(|factor: &f64| factor.is_finite() && *factor >= 1.0) {
        Some(factor) => Some(factor),
        None => {
            errors.on(
                raw,
                "each back-off is the one before times the factor, a number of at least 1: `factor = 2.0`",
            );
            None
        }
    }
}

fn jitter(raw: &Raw, errors: &mut Errors) -> Option<bool> {
    match raw.literal() {
        Some(Lit::Bool(jitter)) => Some(jitter.value),
        _ => {
            errors.on(raw, "write `jitter = true` or `jitter = false`");
            None
        }
    }
}
