//! The rules a function must keep, each with its message and its place.

mod borrows;

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{FnArg, Ident, Pat, ReturnType, Signature, Type};

use self::borrows::{Borrow, Borrows};
use crate::errors::Errors;
use crate::function::{Function, plain};

/// What `#[step]` asks of a function.
pub(crate) fn step(function: &Function, errors: &mut Errors) {
    common(function, "step", errors);
    if function.body.is_none() {
        errors.on(
            &function.signature.ident,
            "a step has a body: put `#[step]` on the method where it is implemented",
        );
    }
    for input in &function.signature.inputs {
        match input {
            FnArg::Receiver(receiver) => receiver_of_step(receiver, errors),
            FnArg::Typed(typed) => argument_of_step(&typed.ty, errors),
        }
    }
}

/// What `#[workflow]` asks of a function.
pub(crate) fn workflow(function: &Function, errors: &mut Errors) {
    common(function, "workflow", errors);
    let signature = &function.signature;
    if let Some(receiver) = signature.receiver() {
        errors.on(
            receiver,
            "a workflow is a free function: a host runs it by name, without a `self`; take what `self` holds as `State<T>`",
        );
    } else if function.body.is_none() {
        errors.on(&signature.ident, "a workflow has a body, and is a free function");
    }
    if !signature.generics.params.is_empty() {
        errors.on(
            &signature.generics.params,
            "a workflow has no generics: a host finds it by its name alone; write one workflow for each type, and share a generic helper",
        );
    } else if let Some(clause) = &signature.generics.where_clause {
        errors.on(
            clause,
            "a workflow has no generics, so there is nothing to bound: remove the `where` clause",
        );
    }
    inputs_of_workflow(signature, errors);
}

fn common(function: &Function, what: &str, errors: &mut Errors) {
    let signature = &function.signature;
    if signature.asyncness.is_none() {
        errors.on(
            signature.fn_token,
            format_args!("`#[{what}]` goes on an `async fn`: write `async fn {}`", signature.ident),
        );
    }
    if let Some(token) = &signature.constness {
        errors.on(token, format_args!("a {what} runs when it is awaited: remove `const`"));
    }
    if let Some(token) = &signature.unsafety {
        errors.on(
            token,
            format_args!("a {what} is run by the host, which can promise nothing: remove `unsafe`, and keep it inside the body"),
        );
    }
    if let Some(abi) = &signature.abi {
        errors.on(abi, format_args!("a {what} is a Rust function: remove the `extern`"));
    }
    if let Some(variadic) = &signature.variadic {
        errors
            .on(variadic, format_args!("a {what} has a fixed list of arguments: remove the `...`"));
    }
    output(signature, what, errors);
    for attribute in &function.attributes {
        let last = attribute.path().segments.last().map(|segment| segment.ident.to_string());
        if let Some(name @ ("step" | "workflow")) = last.as_deref() {
            errors.on(
                attribute,
                format_args!("a function is one step or one workflow: remove `#[{name}]`, and put it on a function of its own"),
            );
        }
    }
}

fn output(signature: &Signature, what: &str, errors: &mut Errors) {
    let ty = match &signature.output {
        ReturnType::Default => {
            let end = signature.paren_token.span.close();
            errors.at(
                end,
                format_args!("a {what} returns a `Result`: add `-> everstep::Result<()>` (any serde-able error type will do)"),
            );
            return;
        }
        ReturnType::Type(_, ty) => &**ty,
    };
    let borrows = Borrows::of(ty);
    let owned = borrows.is_empty();
    for problem in borrows {
        match problem {
            Borrow::Impl(span) => errors.at(
                span,
                format_args!("a {what}'s result is recorded, so its type must have a name: write the type instead of `impl`"),
            ),
            Borrow::Reference(span) | Borrow::Lifetime(span) | Borrow::Mutable(span) => errors.at(
                span,
                format_args!("a {what}'s result is recorded and read back by another process, so it cannot borrow: return an owned type, such as `String` for `&str`"),
            ),
        }
    }
    if owned && never_a_result(ty) {
        errors.on(
            ty,
            format_args!("a {what} returns a `Result`: write `everstep::Result<...>` around it (any serde-able error type will do)"),
        );
    }
}

/// Whether the type is surely no `Result`, under whatever name: those that may be one are left
/// to the compiler.
fn never_a_result(ty: &Type) -> bool {
    const OTHERS: [&str; 23] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32",
        "i64", "i128", "isize", "f32", "f64", "String", "Option", "Vec", "Box", "Arc", "HashMap",
    ];
    match plain(ty) {
        Type::Array(_) | Type::Never(_) | Type::Slice(_) | Type::Tuple(_) => true,
        Type::Path(path) => {
            let last = path.path.segments.last();
            last.is_some_and(|last| OTHERS.iter().any(|other| last.ident == other))
        }
        _ => false,
    }
}

fn receiver_of_step(receiver: &syn::Receiver, errors: &mut Errors) {
    let by_mutable_reference =
        matches!(plain(&receiver.ty), Type::Reference(r) if r.mutability.is_some());
    if by_mutable_reference {
        errors.on(
            receiver,
            "a step cannot change its caller: on replay the body does not run, and the change would be missing; take `&self` and return what changes",
        );
        return;
    }
    if receiver.colon_token.is_none() {
        return;
    }
    let ty = match plain(&receiver.ty) {
        Type::Reference(reference) => &*reference.elem,
        other => other,
    };
    for problem in Borrows::of(ty) {
        let (Borrow::Impl(span)
        | Borrow::Reference(span)
        | Borrow::Lifetime(span)
        | Borrow::Mutable(span)) = problem;
        errors.at(
            span,
            "a step owns what its body needs, and each attempt gets a clone: take `self`, `&self` or `self: Arc<Self>`",
        );
    }
}

fn argument_of_step(ty: &Type, errors: &mut Errors) {
    let ty = match plain(ty) {
        Type::Reference(reference) if reference.mutability.is_some() => {
            errors.on(
                ty,
                "a step cannot change its caller's value: on replay the body does not run, and the change would be missing; take it by `&` or by value and return what changes",
            );
            return;
        }
        Type::Reference(reference) => plain(&reference.elem),
        other => other,
    };
    for problem in Borrows::of(ty) {
        match problem {
            Borrow::Mutable(span) => errors.at(
                span,
                "a step cannot change its caller's value: on replay the body does not run, and the change would be missing; return what changes",
            ),
            Borrow::Reference(span) | Borrow::Lifetime(span) => errors.at(
                span,
                "a step owns what its body needs, and only the outermost `&` of an argument is cloned into it: use an owned type here, such as `String` for `&str`",
            ),
            Borrow::Impl(_) => {}
        }
    }
}

/// What `skip(...)` asks of its names.
pub(crate) fn skipped(function: &Function, skip: &[Ident], errors: &mut Errors) {
    let names: Vec<String> = function.arguments().into_iter().map(|a| a.name).collect();
    for ident in skip {
        let name = syn::ext::IdentExt::unraw(ident).to_string();
        if name == "self" {
            errors.on(ident, "`self` is never recorded: take it out of `skip(...)`");
        } else if !names.contains(&name) {
            let list = match names.as_slice() {
                [] => "this step has none".to_owned(),
                names => {
                    let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
                    format!("the arguments are {}", list.join(", "))
                }
            };
            errors.on(ident, format_args!("`skip` names no argument `{name}`: {list}"));
        }
    }
}

/// How many arguments `Workflow` of the sdk is implemented for.
const ARGUMENTS_MAX: usize = 5;

fn inputs_of_workflow(signature: &Signature, errors: &mut Errors) {
    if let Some(argument) = signature.inputs.iter().nth(ARGUMENTS_MAX) {
        errors.on(
            argument,
            format_args!(
                "a workflow has at most {ARGUMENTS_MAX} arguments: put several states in one struct"
            ),
        );
    }
    let mut input: Option<&syn::PatType> = None;
    for argument in &signature.inputs {
        let FnArg::Typed(typed) = argument else { continue };
        let ty = state(&typed.ty).unwrap_or(&typed.ty);
        let is_state = state(&typed.ty).is_some();
        for problem in Borrows::of(ty) {
            match problem {
                Borrow::Impl(span) => errors.at(
                    span,
                    "a workflow's arguments are found by their type, which must have a name: write the type instead of `impl`",
                ),
                Borrow::Reference(span) | Borrow::Lifetime(span) | Borrow::Mutable(span) => {
                    let message = if is_state {
                        "a workflow's state outlives every execution: use an owned type, or an `Arc`"
                    } else {
                        "a workflow's input is recorded, and read back by whoever goes on with it: use an owned type, such as `String` for `&str`"
                    };
                    errors.at(span, message);
                }
            }
        }
        match input {
            None if is_state => {}
            None => input = Some(typed),
            Some(_) if is_state => errors.on(
                typed,
                "`State` arguments come before the input: move this one to the front",
            ),
            Some(_) => errors.on(
                typed,
                "a workflow has one input, which is recorded when it starts: put them in a struct (clients come as `State<T>`)",
            ),
        }
        if let Some(span) = by_reference(&typed.pat) {
            errors.at(span, "a workflow owns its arguments: remove `ref`, and borrow in the body");
        }
    }
}

/// `T` if the type is written `State<T>`.
pub(crate) fn state(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = plain(ty) else { return None };
    let last = path.path.segments.last()?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(syn::GenericArgument::Type(ty))
            if last.ident == "State" && arguments.args.len() == 1 =>
        {
            Some(ty)
        }
        _ => None,
    }
}

fn by_reference(pattern: &Pat) -> Option<Span> {
    struct Refs(Option<Span>);
    impl<'ast> Visit<'ast> for Refs {
        fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
            self.0 = self.0.or(pattern.by_ref.map(|token| token.span));
            visit::visit_pat_ident(self, pattern);
        }
    }
    let mut refs = Refs(None);
    refs.visit_pat(pattern);
    refs.0
}
