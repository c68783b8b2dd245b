//! `#[derive(Versions)]`: the rules for such an enum, and what is made of it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprLit, Fields, Ident, ItemEnum, Lit, Variant};

use crate::args::Everstep;
use crate::errors::Errors;

/// How such an enum looks, for those who have something else.
const USE: &str = "`#[derive(Versions)]` goes on an enum that says which version each of its \
                   variants is: `enum Packing { Boxes = 1, Bags = 2 }`";

/// The `impl`, or all that is wrong with the enum.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Ok(item) = syn::parse2::<ItemEnum>(item) else {
        errors.at(proc_macro2::Span::call_site(), USE);
        return errors.into_tokens();
    };
    let everstep = Everstep::of_attribute(&item.attrs, "versions", &mut errors);
    let versions = check(&item, &mut errors);
    let (Some(oldest), Some(newest), true) = (versions.first(), versions.last(), errors.is_empty())
    else {
        return errors.into_tokens();
    };
    let (name, everstep) = (&item.ident, &everstep.0);
    let ((_, from), (last, to)) = (oldest, newest);
    let earlier = versions
        .iter()
        .take(versions.len() - 1)
        .map(|(variant, version)| quote!(#version => Self::#variant,));
    quote! {
        #[automatically_derived]
        impl #everstep::Versions for #name {
            const KNOWN: ::core::ops::RangeInclusive<::core::primitive::u32> =
                ::core::ops::RangeInclusive::new(#from, #to);

            fn of_version(version: ::core::primitive::u32) -> Self {
                match version {
                    #(#earlier)*
                    _ => Self::#last,
                }
            }
        }
    }
}

/// The variants with their versions.
fn check<'a>(item: &'a ItemEnum, errors: &mut Errors) -> Vec<(&'a Ident, u32)> {
    if item.variants.is_empty() {
        errors.on(&item.ident, format_args!("there is no version in it: {USE}"));
    }
    if !item.generics.params.is_empty() {
        errors.on(&item.generics, "versions have no generics: take them away");
    }
    let mut versions: Vec<(&Ident, u32)> = Vec::new();
    for (variant, number) in item.variants.iter().zip(1_u32..) {
        let Some(version) = version(variant, number, errors) else { continue };
        if version == 0 {
            errors.on(variant, "versions count from 1, which is the code before the change");
        } else if let Some((before, last)) = versions.last()
            && version != last + 1
        {
            errors.on(
                variant,
                format_args!(
                    "version {} follows `{before} = {last}`: versions go up one by one, and are \
                     removed from the oldest on",
                    last + 1
                ),
            );
        }
        versions.push((&variant.ident, version));
    }
    versions
}

/// The version of a variant, which is `number`th of them.
fn version(variant: &Variant, number: u32, errors: &mut Errors) -> Option<u32> {
    let name = &variant.ident;
    if !matches!(variant.fields, Fields::Unit) {
        errors.on(
            variant,
            format_args!("a version carries nothing: write `{name} = {number}`, without fields"),
        );
        return None;
    }
    match &variant.discriminant {
        Some((_, Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }))) => {
            let version = literal.base10_parse().ok();
            if version.is_none() {
                errors.on(literal, "this number is too large for a version");
            }
            version
        }
        Some((_, other)) => {
            errors.on(other, format_args!("write the version as a number: `{name} = {number}`"));
            None
        }
        None => {
            errors.on(
                variant,
                format_args!(
                    "say which version this is: `{name} = {number}`. It stays the same number when others \
                     are added and removed"
                ),
            );
            None
        }
    }
}
