//! What `#[workflow]` makes of a function.
//!
//! ```text
//! fn fulfil(State(shop): State<Shop>, order: Order)
//!     -> WorkflowFuture<impl WorkflowSpec<Input = Order, ..>, impl Future<Output = Result<..>>>
//! {
//!     struct Spec;
//!     impl WorkflowSpec for Spec { .. how a host runs it .. }
//!     WorkflowFuture::<Spec, _>::new(async move { .. })
//! }
//! ```
//!
//! The marker is inside the function and behind an `impl`, so the user's module gets no name it
//! did not ask for.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Pat, PatType, Type, parse_quote};

use crate::args::WorkflowArgs;
use crate::check::state;
use crate::function::Function;

/// The workflow's tokens. The function has been checked, and its body linted.
pub(crate) fn expand(args: &WorkflowArgs, function: &Function, output: &Type) -> TokenStream {
    let everstep = &args.everstep.0;
    let private = quote!(#everstep::__private);
    let name = args.name.as_ref().map_or_else(|| function.name(), syn::LitStr::value);
    let Function { attributes, visibility, signature, body } = function;
    let ident = &signature.ident;

    let mut signature = signature.clone();
    signature.asyncness = None;
    let typed = function.signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    let (states, inputs): (Vec<&PatType>, Vec<&PatType>) =
        typed.partition(|typed| state(&typed.ty).is_some());
    let state_types: Vec<&Type> = states.iter().filter_map(|typed| state(&typed.ty)).collect();
    let input = inputs.first().map_or_else(|| parse_quote!(()), |typed| (*typed.ty).clone());
    let input_span = input.span().resolved_at(Span::mixed_site());
    // Hygienic: the workflow itself may be called `input`.
    let [needs, given, started_with] =
        ["needs", "states", "input"].map(|name| Ident::new(name, Span::mixed_site()));
    let argument = inputs.first().map(|_| quote!(#started_with));

    // An argument with the function's own name would stand before it where `run` calls it.
    let mut rebound = TokenStream::new();
    for input in &mut signature.inputs {
        if let FnArg::Typed(typed) = input
            && matches!(&*typed.pat, Pat::Ident(pattern) if pattern.ident == *ident)
        {
            let argument = Ident::new("argument", Span::mixed_site());
            let pattern = std::mem::replace(&mut *typed.pat, parse_quote!(#argument));
            rebound.extend(quote!(let #pattern = #argument;));
        }
    }

    let blocks_new_steps = args.blocks_new_steps.then(|| {
        quote!(
            const BLOCKS_NEW_STEPS: ::core::primitive::bool = true;
        )
    });
    // At the function's own name: what is generated around it stands where the attribute does.
    let location = quote_spanned!(ident.span()=> ::core::panic::Location::caller());
    let result = quote_spanned!(output.span()=> <#output as #private::WorkflowResult>);
    signature.output = parse_quote! {
        -> #private::WorkflowFuture<
            impl #private::WorkflowSpec<
                Input = #input,
                Output = #result::Output,
                Error = #result::Error,
            >,
            impl ::core::future::Future<Output = #output> + ::core::marker::Send + 'static,
        >
    };
    let need = state_types.iter().map(|ty| {
        let span = ty.span().resolved_at(Span::mixed_site());
        quote_spanned!(span=> #needs.state::<#ty>();)
    });
    let associated_input = quote_spanned!(input_span=> type Input = #input;);
    let output_span = output.span().resolved_at(Span::mixed_site());
    let associated_results = quote_spanned! {output_span=>
        type Output = #result::Output;
        type Error = #result::Error;
    };
    quote! {
        #(#attributes)*
        #visibility #signature {
            struct __EverstepSpec;
            impl #private::WorkflowSpec for __EverstepSpec {
                const NAME: &'static ::core::primitive::str = #name;
                #blocks_new_steps
                const LOCATION: ::core::option::Option<
                    &'static ::core::panic::Location<'static>,
                > = ::core::option::Option::Some(#location);
                #associated_input
                #associated_results
                fn needs(#needs: &mut #private::Needs) {
                    #(#need)*
                }
                fn run(
                    #given: &#private::States,
                    #started_with: #input,
                ) -> #private::BoxFuture<
                    'static,
                    ::core::result::Result<#result::Output, #result::Error>,
                > {
                    ::std::boxed::Box::pin(
                        #ident(#(#given.get::<#state_types>(),)* #argument).into_inner(),
                    )
                }
            }
            #private::WorkflowFuture::<__EverstepSpec, _>::new(async move {
                // Never runs: it tells `?` and `return` what the block returns.
                if false {
                    return #private::never::<#output>();
                }
                #rebound
                #body
            })
        }
    }
}
