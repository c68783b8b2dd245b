//! What the attribute says of attempts: `StepOptions { .. }`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::args::{RetryArgs, StepArgs};

pub(super) fn options(args: &StepArgs, private: &TokenStream, output: &Type) -> TokenStream {
    let some = quote!(::core::option::Option::Some);
    let error = quote_spanned!(output.span()=> <#output as #private::StepResult>::Err);
    let retry = args.retry.as_ref().map(|retry| {
        let everstep = &args.everstep.0;
        let retry = retry_policy(retry, everstep);
        quote!(retry: #some(#retry),)
    });
    // A `let` gives the mildest error for a closure of another type, or one that captures.
    let retry_if = args.retry_if.as_ref().map(|function| {
        quote!(retry_if: {
            let worth_it: fn(&#error) -> ::core::primitive::bool = #function;
            #some(worth_it)
        },)
    });
    let times = [
        (quote!(timeout), args.timeout),
        (quote!(total_timeout), args.total_timeout),
        (quote!(heartbeat_timeout), args.heartbeat_timeout),
    ];
    let limits = times.iter().filter_map(|(option, time)| {
        let duration = duration_tokens((*time)?.0);
        Some(quote!(#option: #some(#duration),))
    });
    let at_most_once = args.at_most_once.map(|_| quote!(at_most_once: true,));
    // The body's error must be able to say that it was interrupted: the compiler checks it at
    // the argument that asks for it.
    let asked = times.iter().find_map(|(_, time)| Some((*time)?.1)).or(args.at_most_once);
    let from_failure = match asked {
        Some(span) => {
            let require = quote_spanned!(span.resolved_at(Span::mixed_site())=> require_from_failure::<#error>());
            quote!(#some(#private::#require))
        }
        None => quote!({
            use #private::{FromFailureNo as _, FromFailureYes as _};
            (&&#private::FromFailure::<#error>::new()).get()
        }),
    };
    quote! {
        #private::StepOptions::<#error> {
            #retry #retry_if #(#limits)* #at_most_once
            from_failure: #from_failure,
            ..::core::default::Default::default()
        }
    }
}

pub(super) fn retry_policy(retry: &RetryArgs, everstep: &syn::Path) -> TokenStream {
    let RetryArgs { max_attempts, initial, max, factor, jitter } = retry;
    let max_attempts = max_attempts.map(|count| quote!(.max_attempts(#count)));
    let initial = initial.map(duration_tokens).map(|duration| quote!(.initial(#duration)));
    let max = max.map(duration_tokens).map(|duration| quote!(.max(#duration)));
    let factor = factor.map(|factor| quote!(.factor(#factor)));
    let jitter = jitter.map(|jitter| quote!(.jitter(#jitter)));
    quote!(#everstep::Retry::new() #max_attempts #initial #max #factor #jitter)
}

fn duration_tokens(duration: std::time::Duration) -> TokenStream {
    let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanoseconds))
}
