//! What stands at the start of some tokens.

use proc_macro2::{Delimiter, Group, TokenTree};

use super::ALLOW;

/// `#[allow_nondeterminism ...]` at the start of `tokens`, or the same under a path.
pub(super) fn allowance(tokens: &[TokenTree]) -> Option<&Group> {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = tokens else { return None };
    if hash.as_char() != '#' || group.delimiter() != Delimiter::Bracket {
        return None;
    }
    let mut path = group
        .stream()
        .into_iter()
        .take_while(|tree| matches!(tree, TokenTree::Ident(_)) || is_punct(tree, ':'));
    path.any(|tree| is_ident(&tree, ALLOW)).then_some(group)
}

/// How many tokens the expression or statement under an attribute has: up to the next `;` or
/// `,`, or to the closing brace of what begins like a block.
pub(super) fn extent(tokens: &[TokenTree]) -> usize {
    const BLOCKS: [&str; 7] = ["if", "match", "for", "while", "loop", "unsafe", "async"];
    // Further attributes of the same expression.
    let mut start = 0;
    while start + 1 < tokens.len() && is_punct(&tokens[start], '#') {
        start += 2;
    }
    let Some(first) = tokens.get(start) else { return tokens.len() };
    let statement = is_ident(first, "let");
    let block = is_brace(first) || BLOCKS.iter().any(|word| is_ident(first, word));
    let mut at = start;
    while let Some(tree) = tokens.get(at) {
        let turbofish = turbofish(&tokens[at..]);
        if turbofish > 0 {
            at += turbofish;
            continue;
        }
        at += 1;
        if is_punct(tree, ';') || (is_punct(tree, ',') && !statement) {
            return at;
        }
        let goes_on = tokens.get(at).is_some_and(|next| {
            is_ident(next, "else") || is_punct(next, '.') || is_punct(next, '?')
        });
        if block && is_brace(tree) && !goes_on {
            return at;
        }
    }
    tokens.len()
}

/// `fn name ... { ... }`: a function inside the body runs where it is called, and a step among
/// them may do anything.
pub(super) fn nested_function(tokens: &[TokenTree]) -> Option<usize> {
    let [TokenTree::Ident(keyword), TokenTree::Ident(_), ..] = tokens else { return None };
    if keyword != "fn" {
        return None;
    }
    let end = tokens.iter().position(|tree| is_brace(tree) || is_punct(tree, ';'))?;
    Some(end + 1)
}

/// Whether a path can begin at `tree`: not a method, a field, or the rest of another path.
pub(super) fn starts_path(before: &[TokenTree], tree: &TokenTree) -> bool {
    let TokenTree::Ident(_) = tree else { return false };
    match before {
        [.., TokenTree::Punct(a), TokenTree::Punct(b)] if a.as_char() == '.' => b.as_char() == '.',
        [.., TokenTree::Punct(dot)] => dot.as_char() != '.',
        _ => true,
    }
}

/// `( ... )` or `::<...>( ... )`: the tokens before the group, and the group.
pub(super) fn call(tokens: &[TokenTree]) -> Option<(usize, &Group)> {
    let at = turbofish(tokens);
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {
            Some((at, group))
        }
        _ => None,
    }
}

/// The length of the `::<...>` at the start of `tokens`, or 0.
pub(super) fn turbofish(tokens: &[TokenTree]) -> usize {
    let [a, b, c, ..] = tokens else { return 0 };
    if !(is_punct(a, ':') && is_punct(b, ':') && is_punct(c, '<')) {
        return 0;
    }
    let mut depth = 0_u32;
    for (index, tree) in tokens.iter().enumerate().skip(2) {
        let arrow = is_punct(&tokens[index - 1], '-');
        if is_punct(tree, '<') {
            depth += 1;
        } else if is_punct(tree, '>') && !arrow {
            depth -= 1;
            if depth == 0 {
                return index + 1;
            }
        }
    }
    0
}

pub(super) fn macro_call(tokens: &[TokenTree]) -> Option<&Group> {
    match tokens {
        [TokenTree::Punct(bang), TokenTree::Group(group), ..] if bang.as_char() == '!' => {
            Some(group)
        }
        _ => None,
    }
}

pub(super) fn starts_closure(tree: &TokenTree) -> bool {
    is_ident(tree, "async") || is_ident(tree, "move") || is_punct(tree, '|')
}

pub(super) fn is_punct(tree: &TokenTree, char: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == char)
}

pub(super) fn is_ident(tree: &TokenTree, word: &str) -> bool {
    matches!(tree, TokenTree::Ident(ident) if ident == word)
}

pub(super) fn is_brace(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}
