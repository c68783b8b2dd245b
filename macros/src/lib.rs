//! The macros of everstep: `#[workflow]`, `#[step]`, `#[derive(Versions)]` and `histories!`. Use
//! them through `everstep`, which re-exports them.

mod args;
mod check;
mod errors;
mod expand_step;
mod expand_workflow;
mod function;
mod histories;
mod lint;
mod receiver;
mod versions;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;

use crate::args::{StepArgs, WorkflowArgs};
use crate::errors::Errors;
use crate::function::Function;

#[doc = include_str!("../docs/step.md")]
#[proc_macro_attribute]
pub fn step(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    step_tokens(args.into(), item.into()).into()
}

#[doc = include_str!("../docs/workflow.md")]
#[proc_macro_attribute]
pub fn workflow(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    workflow_tokens(args.into(), item.into()).into()
}

#[doc = include_str!("../docs/versions.md")]
#[proc_macro_derive(Versions, attributes(versions))]
pub fn versions(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    versions::derive(item.into()).into()
}

/// A test for each recorded history in a folder: `histories!("tests/histories", app);` beside the
/// tests of a package, where `app()` makes the `App` and the folder is named from the package's
/// root. Each file (`*.jsonl`, as `everstep export` writes them) is a test of its name, in a module
/// of the folder's name; it fails with the first difference between the history and the code.
///
/// `histories!("tests/histories", app, crate = "my_everstep")` finds everstep under another name.
#[proc_macro]
pub fn histories(tokens: proc_macro::TokenStream) -> proc_macro::TokenStream {
    histories::expand(tokens.into()).into()
}

fn step_tokens(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = StepArgs::parse(args, &mut errors);
    let Some(function) = parse(&item, "step", &mut errors) else {
        return with_item(errors, item);
    };
    check::skipped(&function, &args.skip, &mut errors);
    let mut of_function = Errors::default();
    check::step(&function, &mut of_function);
    let expanded = match function.output() {
        Some(output) if of_function.is_empty() => expand_step::expand(&args, &function, output),
        _ => item,
    };
    let (errors, of_function) = (errors.into_tokens(), of_function.into_tokens());
    quote!(#errors #of_function #expanded)
}

fn workflow_tokens(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = WorkflowArgs::parse(args, &mut errors);
    let Some(mut function) = parse(&item, "workflow", &mut errors) else {
        return with_item(errors, item);
    };
    function.body = function.body.map(|body| lint::lint(body, &mut errors));
    let mut of_function = Errors::default();
    check::workflow(&function, &mut of_function);
    let expanded = match function.output() {
        Some(output) if of_function.is_empty() => expand_workflow::expand(&args, &function, output),
        _ => quote!(#function),
    };
    let (errors, of_function) = (errors.into_tokens(), of_function.into_tokens());
    quote!(#errors #of_function #expanded)
}

/// The function under attribute `of`, or an error that says where the attribute belongs.
fn parse(item: &TokenStream, of: &str, errors: &mut Errors) -> Option<Function> {
    match syn::parse2(item.clone()) {
        Ok(function) => Some(function),
        Err(error) => {
            let is_fn = |tree| matches!(tree, TokenTree::Ident(word) if word == "fn");
            if item.clone().into_iter().any(is_fn) {
                errors.push(error);
            } else {
                let message = format!("`#[{of}]` goes on an `async fn`, and on nothing else");
                errors.at(Span::call_site(), message);
            }
            None
        }
    }
}

/// On an error the user's item stays, so that one mistake is one message and an editor still
/// sees the function.
fn with_item(errors: Errors, item: TokenStream) -> TokenStream {
    let errors = errors.into_tokens();
    quote!(#errors #item)
}
