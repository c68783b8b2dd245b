//! Paths in tokens: `a::b::c`, and each of `a::{b, c::d}`.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::tokens::is_punct;

/// What [`read`] found at the start of some tokens.
pub(super) struct Read {
    /// How many tokens the path has.
    pub(super) length: usize,
    /// One path, or as many as a `use` group names.
    pub(super) found: Vec<Found>,
}

/// One path.
#[derive(Clone, Default)]
pub(super) struct Found {
    /// Its names, without a leading `::`; `*` for a glob.
    pub(super) segments: Vec<String>,
    /// Its tokens, for the place of an error.
    pub(super) tokens: TokenStream,
}

impl Found {
    /// The path as the user wrote it.
    pub(super) fn text(&self) -> String {
        self.segments.join("::")
    }

    /// Whether this is `step`, `everstep::step` or `renamed::step`.
    pub(super) fn is_inline_step(&self) -> bool {
        self.segments.len() <= 2 && self.segments.last().is_some_and(|last| last == "step")
    }

    fn push(&mut self, name: String, tokens: &[TokenTree]) {
        self.segments.push(name);
        self.tokens.extend(tokens.iter().cloned());
    }
}

/// Reads the path at the start of `tokens`, whose first token is a name.
pub(super) fn read(tokens: &[TokenTree]) -> Read {
    read_after(Found::default(), tokens)
}

fn read_after(mut path: Found, tokens: &[TokenTree]) -> Read {
    let mut at = 0;
    loop {
        match tokens.get(at) {
            // `use std::{thread::{self}}` names the module.
            Some(TokenTree::Ident(ident)) if ident == "self" && !path.segments.is_empty() => {
                at += 1;
            }
            Some(TokenTree::Ident(ident)) => {
                path.push(ident.to_string(), &tokens[at..=at]);
                at += 1;
            }
            Some(star) if at > 0 && is_punct(star, '*') => {
                path.push("*".to_owned(), &tokens[at..=at]);
                return Read { length: at + 1, found: vec![path] };
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                let found = inside
                    .split(|tree| is_punct(tree, ','))
                    .filter(|part| !part.is_empty())
                    .flat_map(|part| read_after(path.clone(), part).found)
                    .collect();
                return Read { length: at + 1, found };
            }
            _ => return Read { length: at, found: vec![path] },
        }
        let Some([a, b, next]) = tokens.get(at..at + 3) else { break };
        let goes_on = matches!(next, TokenTree::Ident(_))
            || is_punct(next, '*')
            || matches!(next, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        if !(is_punct(a, ':') && is_punct(b, ':') && goes_on) {
            break;
        }
        path.tokens.extend([a.clone(), b.clone()]);
        at += 2;
    }
    Read { length: at, found: vec![path] }
}
