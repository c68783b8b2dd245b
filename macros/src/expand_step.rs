//! What `#[step]` makes of a function.
//!
//! ```text
//! fn charge(card: &Card, amount: Cents)
//!     -> impl Future<Output = Result<..>> + StepSpec<Args = (ByReference<Card>, ..)> + Send + 'static
//! {
//!     struct Name;
//!     impl StepName for Name { const NAME: &str = "charge"; }
//!     step_of::<Name, (ByReference<Card>, ByValue<Cents>), ..>(
//!         Location::caller(), StepOptions { .. },
//!         |args| { args.arg("card", card); args.arg("amount", &amount); },
//!         || {                                       // called if the body may run here
//!             let card = borrowed(card);             // what the body owns
//!             let amount = owned(&amount);
//!             move || async move {                   // one clone of this an attempt
//!                 let card = &*card;
//!                 let amount = amount;
//!                 ..
//!             }
//!         },
//!         || (unborrowed(borrowed(card)), owned(&amount)), // what a mock gets
//!         Unsaid,                                    // of its undoing; or `UndoneBy`
//!     )
//! }
//! ```
//!
//! Where the types of the arguments cannot be named in the return type (`mockable`), it is `step`
//! without those, and tests know it by its name alone.

mod mock;
mod options;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, GenericArgument, Pat, PatIdent, PathArguments, Receiver, Type, parse_quote};

use mock::{given, mockable, taken};
use options::{options, retry_policy};

use crate::args::{StepArgs, UndoArg};
use crate::function::{Argument, Function, plain};
use crate::receiver;

/// The step's tokens. The function and the arguments have been checked, or what is wrong with
/// them is reported besides.
pub(crate) fn expand(args: &StepArgs, function: &Function, output: &Type) -> TokenStream {
    let private = {
        let everstep = &args.everstep.0;
        quote!(#everstep::__private)
    };
    let name = args.name.as_ref().map_or_else(|| function.name(), syn::LitStr::value);
    let arguments = function.arguments();
    let options = options(args, &private, output);
    let record = record(args, &arguments);
    let body = body(function, &arguments, &private, output);
    // What the result lacks is reported at its type.
    let span = generated_at(output);
    let ok = quote_spanned!(span=> <#output as #private::StepResult>::Ok);
    let error = quote_spanned!(span=> <#output as #private::StepResult>::Err);
    let with = returns_writes(output);
    let value = match with {
        true => quote_spanned!(span=> <#ok as #private::StepOutput<#error>>::Value),
        false => ok.clone(),
    };
    let undoing = undoing(args, function, &arguments, &private, &value);
    let mockable = mockable(function, &arguments);
    let taken = mockable.then(|| taken(&arguments, &private));
    let spec = taken.as_ref().map(|taken| quote!(+ #private::StepSpec<Args = #taken>));
    let returned = match with {
        true => quote!(::core::result::Result<#value, #error>),
        false => output.to_token_stream(),
    };
    let head = head(function, &arguments, &returned, spec.as_ref());
    let call = |plain: &str, with_writes: &str| {
        Ident::new(if with { with_writes } else { plain }, Span::mixed_site())
    };
    if let Some(taken) = taken {
        let given = given(&arguments, &private);
        let step_of = call("step_of", "step_of_with");
        return quote! {
            #head {
                struct __EverstepStep;
                impl #private::StepName for __EverstepStep {
                    const NAME: &'static ::core::primitive::str = #name;
                }
                #private::#step_of::<__EverstepStep, #taken, #ok, #error, _, _, _>(
                    ::core::panic::Location::caller(),
                    #options,
                    #record,
                    #body,
                    #given,
                    #undoing,
                )
            }
        };
    }
    let step = call("step", "step_with");
    quote! {
        #head {
            #private::#step::<#ok, #error, _, _>(
                &#private::Site { name: #name },
                ::core::panic::Location::caller(),
                #options,
                #record,
                #body,
                #undoing,
            )
        }
    }
}

/// Whether the result is, by its name, one that comes with writes: `Result<Transact<T>, E>`. What it
/// then is the compiler finds out; another type of that name is recorded like any other.
fn returns_writes(output: &Type) -> bool {
    let last = |ty: &Type| match plain(ty) {
        Type::Path(path) => path.path.segments.last().cloned(),
        _ => None,
    };
    let Some(PathArguments::AngleBracketed(of)) = last(output).map(|last| last.arguments) else {
        return false;
    };
    let Some(GenericArgument::Type(ok)) = of.args.first() else { return false };
    last(ok).is_some_and(|last| last.ident == "Transact")
}

/// Attributes, visibility and signature.
fn head(
    function: &Function,
    arguments: &[Argument],
    returned: &TokenStream,
    spec: Option<&TokenStream>,
) -> TokenStream {
    let Function { attributes, visibility, signature, .. } = function;
    let mut signature = signature.clone();
    signature.asyncness = None;
    let mut named = arguments.iter();
    for input in &mut signature.inputs {
        match input {
            // `mut self` is for the body, which has a variable of its own.
            FnArg::Receiver(receiver) if receiver.reference.is_none() => receiver.mutability = None,
            FnArg::Receiver(_) => {}
            FnArg::Typed(typed) => {
                if let Some(argument) = named.next() {
                    *typed.pat = Pat::Ident(binding(argument.ident.clone(), false));
                }
            }
        }
    }
    signature.output = parse_quote! {
        -> impl ::core::future::Future<Output = #returned> #spec + ::core::marker::Send + 'static
    };
    let tracked = attributes.iter().any(|attribute| attribute.path().is_ident("track_caller"));
    let track = (!tracked).then(|| quote!(#[track_caller]));
    quote!(#(#attributes)* #track #visibility #signature)
}

fn binding(ident: Ident, mutable: bool) -> PatIdent {
    let mutability = mutable.then(|| syn::Token![mut](ident.span()));
    PatIdent { attrs: Vec::new(), by_ref: None, mutability, ident, subpat: None }
}

/// `|args| { args.arg("card", card); }`
fn record(args: &StepArgs, arguments: &[Argument]) -> TokenStream {
    let list = Ident::new("args", Span::mixed_site());
    let skipped = |argument: &Argument| {
        args.skip.iter().any(|ident| syn::ext::IdentExt::unraw(ident) == argument.name)
    };
    let recorded = arguments.iter().filter(|argument| !skipped(argument)).map(|argument| {
        let Argument { name, ident, cfgs, .. } = argument;
        let value = if argument.referent().is_some() { quote!(#ident) } else { quote!(&#ident) };
        let span = generated_at(&argument.ty);
        quote_spanned!(span=> #(#cfgs)* #list.arg(#name, #value);)
    });
    quote!(|#list| { #(#recorded)* })
}

/// `|| { let card = borrowed(card); move || async move { .. } }`
fn body(
    function: &Function,
    arguments: &[Argument],
    private: &TokenStream,
    output: &Type,
) -> TokenStream {
    let statements = function.body.clone().unwrap_or_default();
    let (receiver, statements) = match function.signature.receiver() {
        Some(receiver) => (Some(Self_::of(receiver)), receiver::replace(statements)),
        None => (None, statements),
    };
    let own_self = receiver.as_ref().map(|receiver| receiver.own(private));
    let use_self = receiver.as_ref().map(Self_::bind);
    let own = arguments.iter().map(|argument| own(argument, private));
    let bind = arguments.iter().map(bind);
    quote! {
        || {
            #own_self
            #(#own)*
            move || async move {
                #use_self
                #(#bind)*
                // Never runs: it tells `?` and `return` what the block returns.
                if false {
                    return #private::never::<#output>();
                }
                #statements
            }
        }
    }
}

/// What the step says of its undoing:
/// `UndoneBy::new(|| { let card = borrowed(card); move |result| async move { refund(&card, &result).await } })`
fn undoing(
    args: &StepArgs,
    function: &Function,
    arguments: &[Argument],
    private: &TokenStream,
    value: &TokenStream,
) -> TokenStream {
    let path = match &args.undo {
        None => return quote!(#private::Unsaid),
        Some(UndoArg::Nothing) => return quote!(#private::NothingToUndo(true)),
        Some(UndoArg::By(path)) => path,
    };
    let receiver = function.signature.receiver().map(Self_::of);
    let own_self = receiver.as_ref().map(|receiver| receiver.own(private));
    let own = arguments.iter().map(|argument| own(argument, private));
    let give_self = receiver.as_ref().map(|receiver| {
        let local = &receiver.local;
        if receiver.by_reference { quote!(&*#local,) } else { quote!(#private::pass(&#local),) }
    });
    // What does not fit is reported where the undo is named.
    let span = generated_at(path);
    let give = arguments.iter().map(|argument| {
        let Argument { ident, cfgs, .. } = argument;
        if argument.referent().is_some() {
            quote_spanned!(span=> #(#cfgs)* &*#ident,)
        } else {
            quote_spanned!(span=> #(#cfgs)* #private::pass(&#ident),)
        }
    });
    let result = Ident::new("result", Span::mixed_site());
    let retry = match &args.undo_retry {
        Some(retry) => {
            let retry = retry_policy(retry, &args.everstep.0);
            quote!(::core::option::Option::Some(#retry))
        }
        None => quote!(::core::option::Option::None),
    };
    let call = quote_spanned!(span=> #path(#give_self #(#give)* &#result));
    let undoing = Ident::new("undoing", Span::mixed_site());
    let undone = quote_spanned!(span=> #private::undone(#undoing.await));
    quote! {
        #private::UndoneBy::new(
            || {
                #own_self
                #(#own)*
                move |#result: #value| async move {
                    let #undoing = #call;
                    #undone
                }
            },
            #retry,
        )
    }
}

/// What the body owns of an argument, made when it is known that the body may run.
fn own(argument: &Argument, private: &TokenStream) -> TokenStream {
    let Argument { ident, cfgs, ty, .. } = argument;
    let span = generated_at(ty);
    let owned = if argument.referent().is_some() {
        quote_spanned!(span=> borrowed(#ident))
    } else {
        quote_spanned!(span=> owned(&#ident))
    };
    quote!(#(#cfgs)* let #ident = #private::#owned;)
}

/// The argument as the body knows it: with its type, its pattern and its `mut`.
fn bind(argument: &Argument) -> TokenStream {
    let Argument { ident, cfgs, pattern, .. } = argument;
    let value = if argument.referent().is_some() { quote!(&*#ident) } else { quote!(#ident) };
    match pattern {
        Pat::Ident(name) if name.ident.to_string().starts_with('_') => quote! {
            #(#cfgs)*
            #[allow(clippy::no_effect_underscore_binding)]
            let #pattern = #value;
        },
        Pat::Ident(_) => quote!(#(#cfgs)* let #pattern = #value;),
        // In braces the value is moved whole, as a function's argument is.
        _ => quote!(#(#cfgs)* let #pattern = { #value };),
    }
}

/// The receiver of a step that is a method.
struct Self_ {
    token: syn::Token![self],
    local: Ident,
    by_reference: bool,
    mutable: bool,
}

impl Self_ {
    fn of(receiver: &Receiver) -> Self {
        let by_reference =
            receiver.reference.is_some() || matches!(plain(&receiver.ty), Type::Reference(_));
        Self {
            token: receiver.self_token,
            local: Ident::new(receiver::LOCAL, receiver.self_token.span),
            by_reference,
            mutable: receiver.mutability.is_some() && receiver.reference.is_none(),
        }
    }

    fn own(&self, private: &TokenStream) -> TokenStream {
        let Self { token, local, .. } = self;
        let span = token.span.resolved_at(Span::mixed_site());
        let owned = if self.by_reference {
            quote_spanned!(span=> borrowed(#token))
        } else {
            quote_spanned!(span=> owned(&#token))
        };
        quote!(let #local = #private::#owned;)
    }

    fn bind(&self) -> TokenStream {
        let local = &self.local;
        let value = if self.by_reference { quote!(&*#local) } else { quote!(#local) };
        let pattern = binding(local.clone(), self.mutable).into_token_stream();
        quote! {
            #[allow(unused_variables)]
            let #pattern = #value;
        }
    }
}

/// Generated code that the compiler reports at `tokens`.
fn generated_at(tokens: impl Spanned) -> Span {
    tokens.span().resolved_at(Span::mixed_site())
}
