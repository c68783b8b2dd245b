//! `name`, `name = expression` and `name(tokens)`: the shapes an argument can have.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Token, parenthesized};

use crate::errors::Errors;

/// One argument as it is written.
pub(super) struct Raw {
    pub(super) name: Ident,
    pub(super) value: Value,
    tokens: TokenStream,
}

pub(super) enum Value {
    Nothing,
    Is(Expr),
    List(TokenStream),
}

impl Parse for Raw {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        if input.peek(Token![=]) {
            let equals = input.parse::<Token![=]>()?;
            let expr: Expr = input.parse()?;
            let tokens = quote::quote!(#name #equals #expr);
            return Ok(Self { name, value: Value::Is(expr), tokens });
        }
        if input.peek(syn::token::Paren) {
            let content;
            let paren = parenthesized!(content in input);
            let list: TokenStream = content.parse()?;
            let mut tokens = name.to_token_stream();
            paren.surround(&mut tokens, |inner| list.to_tokens(inner));
            return Ok(Self { name, value: Value::List(list), tokens });
        }
        let tokens = name.to_token_stream();
        Ok(Self { name, value: Value::Nothing, tokens })
    }
}

impl ToTokens for Raw {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.tokens.to_tokens(tokens);
    }
}

impl Raw {
    /// The string literal after `=`; `usage` is the error otherwise.
    pub(super) fn text(&self, usage: &str, errors: &mut Errors) -> Option<LitStr> {
        match self.literal() {
            Some(Lit::Str(text)) if text.suffix().is_empty() => Some(text.clone()),
            _ => {
                errors.on(self, usage);
                None
            }
        }
    }

    /// The literal after `=`.
    pub(super) fn literal(&self) -> Option<&Lit> {
        match &self.value {
            Value::Is(Expr::Lit(ExprLit { lit, .. })) => Some(lit),
            _ => None,
        }
    }

    /// The duration after `=`, and the text it is written in.
    pub(super) fn duration(&self, what: &str, errors: &mut Errors) -> Option<(Duration, LitStr)> {
        let text = self.text(&format!("write a duration in quotes: `{what} = \"30s\"`"), errors)?;
        match humantime::parse_duration(&text.value()) {
            Ok(duration) => Some((duration, text)),
            Err(error) => {
                let value = text.value();
                errors.on(
                    &text,
                    format_args!(
                        "`{value}` is no duration ({error}): write for example \"200ms\", \"30s\" or \"1h 30m\""
                    ),
                );
                None
            }
        }
    }
}

/// The arguments of attribute `of`, unknown and repeated ones left out and reported.
pub(super) fn parse(
    tokens: TokenStream,
    of: &str,
    known: &[&str],
    errors: &mut Errors,
) -> Vec<Raw> {
    let list = match Punctuated::<Raw, Token![,]>::parse_terminated.parse2(tokens) {
        Ok(list) => list,
        Err(error) => {
            errors.at(
                error.span(),
                format_args!(
                    "{error}: arguments are `name`, `name = value` or `name(...)`, with commas between"
                ),
            );
            return Vec::new();
        }
    };
    let mut kept: Vec<Raw> = Vec::new();
    for raw in list {
        let name = raw.name.to_string();
        if !known.contains(&name.as_str()) {
            errors.on(&raw.name, unknown(&name, of, known));
        } else if kept.iter().any(|other| other.name == raw.name) {
            errors.on(&raw.name, format_args!("`{name}` is given twice: give it once"));
        } else {
            kept.push(raw);
        }
    }
    kept
}

fn unknown(name: &str, of: &str, known: &[&str]) -> String {
    let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let elsewhere = match (of, name) {
        ("step", "max_attempts" | "initial" | "max" | "factor" | "jitter") => {
            " (it goes into `retry(...)`)"
        }
        ("step" | "retry", "retries" | "max_retries" | "attempts") => {
            " (the number of attempts, the first one included, is `retry(max_attempts = 6)`)"
        }
        (
            "workflow",
            "skip" | "retry" | "retry_if" | "timeout" | "total_timeout" | "heartbeat_timeout"
            | "at_most_once" | "undo" | "undo_retry",
        ) => " (it is one of `#[step]`)",
        _ => "",
    };
    format!("`{of}` has no argument `{name}`{elsewhere}: it takes {list}")
}

/// `a, b, c`.
pub(super) fn idents(tokens: TokenStream) -> syn::Result<Vec<Ident>> {
    let parser = |input: ParseStream<'_>| input.parse_terminated(Ident::parse_any, Token![,]);
    Ok(parser.parse2(tokens)?.into_iter().collect())
}
