//! The lint of a workflow's body: what would give another value on replay, found by its path.
//!
//! It reads tokens and not syntax, so that it sees into the arguments of macros too. It is a
//! lint and no guarantee: aliases, helper functions and the order of a `HashMap` escape it.

mod path;
mod rules;
mod tokens;

use proc_macro2::{Group, TokenStream, TokenTree};

use self::path::{Found, read};
use self::rules::Rule;
use self::tokens::{
    allowance, call, extent, is_ident, is_punct, macro_call, nested_function, starts_closure,
    starts_path,
};
use crate::errors::Errors;

/// The attribute that lifts the lint.
const ALLOW: &str = "allow_nondeterminism";

/// Reports what `body` must not call, and gives it back without `#[allow_nondeterminism]`.
pub(crate) fn lint(body: TokenStream, errors: &mut Errors) -> TokenStream {
    Lint { errors, lifted: 0 }.stream(body)
}

struct Lint<'a> {
    errors: &'a mut Errors,
    /// How many exemptions stand around the tokens being read.
    lifted: u32,
}

impl Lint<'_> {
    fn stream(&mut self, tokens: TokenStream) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut output = Vec::with_capacity(tokens.len());
        self.run(&tokens, &mut output);
        output.into_iter().collect()
    }

    fn run(&mut self, tokens: &[TokenTree], output: &mut Vec<TokenTree>) {
        let mut at = 0;
        while at < tokens.len() {
            let rest = &tokens[at..];
            at += if let Some(reason) = allowance(rest) {
                self.reason(reason);
                let end = 2 + extent(&rest[2..]);
                self.exempt(&rest[2..end], output);
                end
            } else if let Some(end) = nested_function(rest) {
                self.lifted += 1;
                output.extend(rest[..end].iter().map(|tree| self.tree(tree)));
                self.lifted -= 1;
                end
            } else if starts_path(&tokens[..at], &rest[0]) {
                self.path(rest, output)
            } else {
                let tree = self.tree(&rest[0]);
                output.push(tree);
                1
            };
        }
    }

    /// Passes tokens on without looking at what they call.
    fn exempt(&mut self, tokens: &[TokenTree], output: &mut Vec<TokenTree>) {
        self.lifted += 1;
        self.run(tokens, output);
        self.lifted -= 1;
    }

    fn tree(&mut self, tree: &TokenTree) -> TokenTree {
        let TokenTree::Group(group) = tree else { return tree.clone() };
        self.group(group, Self::stream)
    }

    fn group(
        &mut self,
        group: &Group,
        inside: impl FnOnce(&mut Self, TokenStream) -> TokenStream,
    ) -> TokenTree {
        let stream = inside(self, group.stream());
        let mut rebuilt = Group::new(group.delimiter(), stream);
        rebuilt.set_span(group.span());
        TokenTree::Group(rebuilt)
    }

    /// A path, whatever it stands for: gives back how many tokens it took.
    fn path(&mut self, tokens: &[TokenTree], output: &mut Vec<TokenTree>) -> usize {
        let path = read(tokens);
        if self.lifted == 0 {
            for found in &path.found {
                self.judge(found, &tokens[path.length..]);
            }
        }
        output.extend(tokens[..path.length].iter().cloned());
        let Some((arguments, group)) = call(&tokens[path.length..]) else { return path.length };
        if !path.found.iter().any(Found::is_inline_step) {
            return path.length;
        }
        output.extend(tokens[path.length..path.length + arguments].iter().cloned());
        let group = self.group(group, Self::arguments_of_step);
        output.push(group);
        path.length + arguments + 1
    }

    fn judge(&mut self, found: &Found, after: &[TokenTree]) {
        if let Some(group) = macro_call(after) {
            if found.segments.last().is_some_and(|last| last == "select") {
                self.select(found, group);
            }
            return;
        }
        let called = call(after).is_some();
        if let Some(rule) = Rule::broken_by(&found.segments, called) {
            self.errors.push(syn::Error::new_spanned(&found.tokens, rule.message(&found.text())));
        }
    }

    fn select(&mut self, found: &Found, group: &Group) {
        let mut inside = group.stream().into_iter();
        let biased = matches!(inside.next(), Some(TokenTree::Ident(ident)) if ident == "biased")
            && matches!(inside.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == ';');
        let random = found.segments.len() > 1 && found.segments[0].starts_with("futures");
        let message = if random {
            "`futures::select!` picks a random branch, and replay would pick another: use `everstep::race`, or `futures::select_biased!`"
        } else if !biased {
            "`select!` picks a random branch, and replay would pick another: use `everstep::race`, or write `biased;` first in it"
        } else {
            return;
        };
        self.errors.push(syn::Error::new_spanned(&found.tokens, message));
    }

    /// The arguments of `step("name", async move || ...)`: the closure is a step's body, which
    /// may do what it likes.
    fn arguments_of_step(&mut self, tokens: TokenStream) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let starts = tokens.iter().enumerate().position(|(at, tree)| {
            let first = at == 0 || is_punct(&tokens[at - 1], ',');
            first && starts_closure(tree)
        });
        let (before, closure) = tokens.split_at(starts.unwrap_or(tokens.len()));
        let mut output = Vec::with_capacity(tokens.len());
        self.run(before, &mut output);
        self.exempt(closure, &mut output);
        output.into_iter().collect()
    }

    fn reason(&mut self, attribute: &Group) {
        let mut inside = attribute.stream().into_iter().skip_while(|tree| !is_ident(tree, ALLOW));
        inside.next();
        let reason = match (inside.next(), inside.next()) {
            (Some(TokenTree::Group(group)), None) => {
                syn::parse2::<syn::LitStr>(group.stream()).ok()
            }
            _ => None,
        };
        match reason {
            Some(reason) if !reason.value().trim().is_empty() => {}
            _ => self.errors.at(
                attribute.span(),
                "say why replay cannot be harmed: `#[allow_nondeterminism(\"only logged\")]`",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
