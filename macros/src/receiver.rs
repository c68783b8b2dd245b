//! `self` in a step's body, which is moved into a closure, becomes a local variable.

use proc_macro2::{Group, Ident, Literal, TokenStream, TokenTree};

/// The name that stands for `self`. It is spelled out, and not hygienic, because format strings
/// capture by spelling.
pub(crate) const LOCAL: &str = "__self";

/// Macros whose first string captures variables: `format!("{self}")`.
const FORMAT: &[&str] = &[
    "anyhow",
    "assert",
    "assert_eq",
    "assert_ne",
    "bail",
    "debug",
    "debug_assert",
    "ensure",
    "eprint",
    "eprintln",
    "error",
    "format",
    "format_args",
    "info",
    "panic",
    "print",
    "println",
    "todo",
    "trace",
    "unimplemented",
    "unreachable",
    "warn",
    "write",
    "writeln",
];

/// `body` with every `self` that means the method's receiver replaced.
pub(crate) fn replace(body: TokenStream) -> TokenStream {
    rewrite(body, false)
}

fn rewrite(tokens: TokenStream, formats: bool) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut output = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let foreign = foreign(&tokens[at..]);
        if foreign > 0 {
            output.extend(tokens[at..at + foreign].iter().cloned());
            at += foreign;
            continue;
        }
        output.push(match &tokens[at] {
            TokenTree::Ident(ident) if ident == "self" && is_value(&tokens, at) => {
                TokenTree::Ident(Ident::new(LOCAL, ident.span()))
            }
            TokenTree::Group(group) => {
                let inside = rewrite(group.stream(), is_format(&tokens[..at]));
                let mut rebuilt = Group::new(group.delimiter(), inside);
                rebuilt.set_span(group.span());
                TokenTree::Group(rebuilt)
            }
            TokenTree::Literal(literal) if formats => TokenTree::Literal(captured(literal)),
            other => other.clone(),
        });
        at += 1;
    }
    output.into_iter().collect()
}

/// The length of an item at the start of `tokens` in which `self` means something else: a
/// function has its own, and in a `use` it is a module.
fn foreign(tokens: &[TokenTree]) -> usize {
    let function = match tokens {
        [TokenTree::Ident(keyword), TokenTree::Ident(_), ..] if keyword == "fn" => true,
        [TokenTree::Ident(keyword), next, ..] if keyword == "use" => {
            if is_punct(next, '<') {
                return 0;
            }
            false
        }
        _ => return 0,
    };
    let is_end = |tree: &TokenTree| {
        let body =
            matches!(tree, TokenTree::Group(g) if g.delimiter() == proc_macro2::Delimiter::Brace);
        is_punct(tree, ';') || (function && body)
    };
    tokens.iter().position(is_end).map_or(0, |end| end + 1)
}

/// `self` alone: not in `self::path`, `pub(self)` or a macro's `$self`.
fn is_value(tokens: &[TokenTree], at: usize) -> bool {
    let path =
        matches!(tokens.get(at + 1..at + 3), Some([a, b]) if is_punct(a, ':') && is_punct(b, ':'));
    let variable = at > 0 && is_punct(&tokens[at - 1], '$');
    !path && !variable
}

fn is_format(before: &[TokenTree]) -> bool {
    match before {
        [.., TokenTree::Ident(name), bang] => {
            is_punct(bang, '!') && FORMAT.iter().any(|f| name == f)
        }
        _ => false,
    }
}

/// A format string with `{self}` and `{self:?}` replaced.
fn captured(literal: &Literal) -> Literal {
    let text = literal.to_string();
    if !text.contains("{self}") && !text.contains("{self:") {
        return literal.clone();
    }
    let text =
        text.replace("{self}", &format!("{{{LOCAL}}}")).replace("{self:", &format!("{{{LOCAL}:"));
    match text.parse::<Literal>() {
        Ok(mut replaced) => {
            replaced.set_span(literal.span());
            replaced
        }
        Err(_) => literal.clone(),
    }
}

fn is_punct(tree: &TokenTree, char: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str) {
        let parse = |text: &str| text.parse::<TokenStream>().unwrap();
        assert_eq!(replace(parse(before)).to_string(), parse(after).to_string());
    }

    #[test]
    fn every_self_of_the_body_is_replaced_in_macros_and_format_strings_too() {
        check("self.a(self)", "__self.a(__self)");
        check("vec![self.a, b(|| self)]", "vec![__self.a, b(|| __self)]");
        check(r#"format!("{self} {self:?} {{x}}")"#, r#"format!("{__self} {__self:?} {{x}}")"#);
    }

    #[test]
    fn what_only_looks_like_the_receiver_stays() {
        check("self::a(); Self::b()", "self::a(); Self::b()");
        check("use a::{self, b}; self", "use a::{self, b}; __self");
        check("fn f(&self) -> A { self.a } self", "fn f(&self) -> A { self.a } __self");
        check(
            "impl A { pub(crate) fn f(self) { self } }",
            "impl A { pub(crate) fn f(self) { self } }",
        );
        check(r#"json!("{self}")"#, r#"json!("{self}")"#);
        check(
            "macro_rules! m { ($self:ident) => { $self } }",
            "macro_rules! m { ($self:ident) => { $self } }",
        );
    }
}
