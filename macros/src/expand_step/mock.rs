//! What tests need to put something in the place of the body: the types of the arguments, and the
//! arguments.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;
use syn::visit::{self, Visit};

use super::generated_at;
use crate::function::{Argument, Function};

/// Whether the types of all arguments can be named in the return type.
pub(super) fn mockable(function: &Function, arguments: &[Argument]) -> bool {
    function.signature.receiver().is_none()
        && arguments.len() <= MOCKABLE_ARGUMENTS_MAX
        && arguments.iter().all(|argument| {
            let mut unnamed = Unnamed(false);
            unnamed.visit_type(argument.referent().unwrap_or(&argument.ty));
            argument.cfgs.is_empty() && !unnamed.0
        })
}

/// As far as `StepFn` and `MockArgs` of everstep go.
const MOCKABLE_ARGUMENTS_MAX: usize = 8;

/// Finds what cannot stand in a return type, or would mean something else there.
struct Unnamed(bool);

impl<'ast> Visit<'ast> for Unnamed {
    fn visit_type(&mut self, ty: &'ast Type) {
        self.0 |=
            matches!(ty, Type::ImplTrait(_) | Type::Reference(_) | Type::Macro(_) | Type::Infer(_));
        visit::visit_type(self, ty);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
        self.0 |= lifetime.ident != "static";
    }
}

/// How the arguments are taken: `(ByReference<Card>, ByValue<Cents>,)`.
pub(super) fn taken(arguments: &[Argument], private: &TokenStream) -> TokenStream {
    let taken = arguments.iter().map(|argument| match argument.referent() {
        Some(referent) => quote!(#private::ByReference<#referent>),
        None => {
            let ty = &argument.ty;
            quote!(#private::ByValue<#ty>)
        }
    });
    quote!((#(#taken,)*))
}

/// `|| (unborrowed(borrowed(card)), owned(&amount))`: what a mock gets.
pub(super) fn given(arguments: &[Argument], private: &TokenStream) -> TokenStream {
    let given = arguments.iter().map(|argument| {
        let Argument { ident, ty, .. } = argument;
        let span = generated_at(ty);
        if argument.referent().is_some() {
            let borrowed = quote_spanned!(span=> borrowed(#ident));
            quote!(#private::unborrowed(#private::#borrowed))
        } else {
            let owned = quote_spanned!(span=> owned(&#ident));
            quote!(#private::#owned)
        }
    });
    quote!(|| (#(#given),*))
}
