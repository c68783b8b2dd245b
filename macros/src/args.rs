//! What stands in the parentheses of an attribute: text to typed arguments.

mod raw;
mod retry;

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::{Expr, Ident, LitStr, Path};

use self::raw::{Raw, Value};
pub(crate) use self::retry::RetryArgs;
use crate::errors::Errors;

/// The longest name in bytes: `limits::NAME_BYTES_MAX` of the sdk.
const NAME_BYTES_MAX: usize = 256;

/// The arguments of `#[step(...)]`.
#[derive(Default)]
pub(crate) struct StepArgs {
    pub(crate) everstep: Everstep,
    pub(crate) name: Option<LitStr>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) retry: Option<RetryArgs>,
    pub(crate) retry_if: Option<Expr>,
    /// How long an attempt may take, and where that is written.
    pub(crate) timeout: Option<(Duration, Span)>,
    /// The same for all attempts, and for the silence between two heartbeats.
    pub(crate) total_timeout: Option<(Duration, Span)>,
    pub(crate) heartbeat_timeout: Option<(Duration, Span)>,
    /// Where `at_most_once` is written, if it is.
    pub(crate) at_most_once: Option<Span>,
    pub(crate) undo: Option<UndoArg>,
    /// How often the undo is tried.
    pub(crate) undo_retry: Option<RetryArgs>,
}

impl StepArgs {
    const KNOWN: &'static [&'static str] = &[
        "skip",
        "name",
        "retry",
        "retry_if",
        "timeout",
        "total_timeout",
        "heartbeat_timeout",
        "at_most_once",
        "undo",
        "undo_retry",
        "crate",
    ];

    /// Reads what can be read; the rest is in `errors`.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let mut undo_retry = None;
        for raw in raw::parse(tokens, "step", Self::KNOWN, errors) {
            match raw.name.to_string().as_str() {
                "crate" => args.everstep.set(raw, errors),
                "name" => args.name = name(raw, "charge", errors),
                "skip" => args.skip = skip(raw, errors),
                "retry" => args.retry = RetryArgs::parse(raw, errors),
                "retry_if" => args.retry_if = retry_if(raw, errors),
                "timeout" => args.timeout = timeout(raw, "timeout", errors),
                "total_timeout" => args.total_timeout = timeout(raw, "total_timeout", errors),
                "heartbeat_timeout" => {
                    args.heartbeat_timeout = timeout(raw, "heartbeat_timeout", errors);
                }
                "at_most_once" => args.at_most_once = at_most_once(raw, errors),
                "undo" => args.undo = undo(raw, errors),
                "undo_retry" => {
                    undo_retry = Some(raw.name.clone());
                    args.undo_retry = RetryArgs::parse(raw, errors);
                }
                _ => {}
            }
        }
        if let Some(name) = undo_retry
            && !matches!(args.undo, Some(UndoArg::By(_)))
            && errors.is_empty()
        {
            errors.on(
                name,
                "`undo_retry` says how often an undo is tried: name one, `undo = refund`, or leave it out",
            );
        }
        args
    }
}

/// What `undo = ...` says.
pub(crate) enum UndoArg {
    /// `none`: there is nothing to undo.
    Nothing,
    /// This function undoes the step.
    By(Path),
}

/// The arguments of `#[workflow(...)]`.
#[derive(Default)]
pub(crate) struct WorkflowArgs {
    pub(crate) everstep: Everstep,
    pub(crate) name: Option<LitStr>,
    /// Whether open executions refuse steps that are new where they wait.
    pub(crate) blocks_new_steps: bool,
}

impl WorkflowArgs {
    const KNOWN: &'static [&'static str] = &["name", "new_steps", "crate"];

    /// Reads what can be read; the rest is in `errors`.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        for raw in raw::parse(tokens, "workflow", Self::KNOWN, errors) {
            match raw.name.to_string().as_str() {
                "crate" => args.everstep.set(raw, errors),
                "name" => args.name = name(raw, "fulfil_order", errors),
                "new_steps" => args.blocks_new_steps = new_steps(raw, errors),
                _ => {}
            }
        }
        args
    }
}

/// Where the generated code finds everstep.
pub(crate) struct Everstep(pub(crate) Path);

impl Default for Everstep {
    fn default() -> Self {
        Self(syn::parse_quote!(::everstep))
    }
}

impl Everstep {
    /// From `#[of(crate = "...")]` on an item that derives.
    pub(crate) fn of_attribute(
        attributes: &[syn::Attribute],
        of: &'static str,
        errors: &mut Errors,
    ) -> Self {
        let mut everstep = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(of)) {
            match &attribute.meta {
                syn::Meta::List(list) => {
                    for raw in raw::parse(list.tokens.clone(), of, &["crate"], errors) {
                        everstep.set(raw, errors);
                    }
                }
                other => errors.on(other, format_args!("write `#[{of}(crate = \"my_everstep\")]`")),
            }
        }
        everstep
    }

    fn set(&mut self, raw: Raw, errors: &mut Errors) {
        const USE: &str = "write the path of everstep in quotes: `crate = \"my_everstep\"`";
        let Some(text) = raw.text(USE, errors) else { return };
        match text.parse_with(Path::parse_mod_style) {
            Ok(path) => self.0 = path,
            Err(_) => errors.on(&text, format_args!("`{}` is no path: {USE}", text.value())),
        }
    }
}

fn name(raw: Raw, example: &str, errors: &mut Errors) -> Option<LitStr> {
    let usage = format!("write the name in quotes: `name = \"{example}\"`");
    let text = raw.text(&usage, errors)?;
    let value = text.value();
    if value.is_empty() {
        errors
            .on(&text, "a name has at least one character: leave `name` out to use the function's");
    } else if value.len() > NAME_BYTES_MAX {
        let length = value.len();
        errors.on(
            &text,
            format_args!(
                "a name has at most {NAME_BYTES_MAX} bytes and this one has {length}: shorten it"
            ),
        );
    } else if value.chars().any(char::is_control) {
        errors.on(&text, "a name goes into logs and tables: take the control character out of it");
    } else {
        return Some(text);
    }
    None
}

fn skip(raw: Raw, errors: &mut Errors) -> Vec<Ident> {
    const USE: &str = "name the arguments that are not recorded: `skip(client)`";
    let Value::List(tokens) = &raw.value else {
        errors.on(&raw, USE);
        return Vec::new();
    };
    let idents = match raw::idents(tokens.clone()) {
        Ok(idents) => idents,
        Err(error) => {
            errors.push(syn::Error::new(error.span(), USE));
            return Vec::new();
        }
    };
    if idents.is_empty() {
        errors.on(&raw, format_args!("`skip()` skips nothing: {USE}, or leave it out"));
    }
    let mut kept: Vec<Ident> = Vec::new();
    for ident in idents {
        if kept.contains(&ident) {
            errors.on(&ident, format_args!("`{ident}` is skipped twice: name it once"));
        } else {
            kept.push(ident);
        }
    }
    kept
}

fn retry_if(raw: Raw, errors: &mut Errors) -> Option<Expr> {
    const USE: &str = "give a function of `&E` to `bool`: `retry_if = MyError::is_transient` or `retry_if = |error| ...`";
    match &raw.value {
        Value::Is(expr @ (Expr::Path(_) | Expr::Closure(_))) => Some(expr.clone()),
        _ => {
            errors.on(&raw, USE);
            None
        }
    }
}

fn timeout(raw: Raw, name: &str, errors: &mut Errors) -> Option<(Duration, Span)> {
    let span = raw.name.span();
    let (duration, text) = raw.duration(name, errors)?;
    if duration.is_zero() {
        errors.on(
            text,
            format_args!("no attempt ends within a time-out of zero: leave `{name}` out for none"),
        );
        return None;
    }
    Some((duration, span))
}

fn new_steps(raw: Raw, errors: &mut Errors) -> bool {
    const USE: &str = "write `new_steps = \"block\"` to block an open execution when new code asks \
                       for more where it waits, or `new_steps = \"accept\"`, the default";
    let Some(text) = raw.text(USE, errors) else { return false };
    match text.value().as_str() {
        "block" => true,
        "accept" => false,
        _ => {
            errors.on(&text, USE);
            false
        }
    }
}

fn at_most_once(raw: Raw, errors: &mut Errors) -> Option<Span> {
    match &raw.value {
        Value::Nothing => Some(raw.name.span()),
        _ => {
            errors.on(&raw, "`at_most_once` takes no value: write `at_most_once`, or leave it out");
            None
        }
    }
}

fn undo(raw: Raw, errors: &mut Errors) -> Option<UndoArg> {
    const USE: &str = "name the async function that undoes the step, `undo = refund`, or say that there is nothing to undo, `undo = none`";
    match &raw.value {
        Value::Is(Expr::Path(path)) if path.qself.is_none() && path.attrs.is_empty() => {
            let path = path.path.clone();
            Some(if path.is_ident("none") { UndoArg::Nothing } else { UndoArg::By(path) })
        }
        Value::Is(Expr::Closure(_)) => {
            errors.on(
                &raw,
                format_args!(
                    "an undo is a function, so that it can be tested, and not a closure: {USE}"
                ),
            );
            None
        }
        _ => {
            errors.on(&raw, USE);
            None
        }
    }
}

#[cfg(test)]
mod tests;
