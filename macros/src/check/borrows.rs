//! What in a type borrows, or has no name.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    BoundLifetimes, GenericParam, Ident, Lifetime, ParenthesizedGenericArguments, Type, TypeBareFn,
    TypeImplTrait, TypeReference,
};

/// A part of a type that cannot be owned or named.
pub(super) enum Borrow {
    Reference(Span),
    Mutable(Span),
    Lifetime(Span),
    Impl(Span),
}

/// Looks for borrows in a type. What stands behind a `fn(...)`, a `Fn(...)` or a `for<'a>` is
/// borrowed in a call only, and `'static` is as good as owned.
#[derive(Default)]
pub(super) struct Borrows {
    found: Vec<Borrow>,
    bound: Vec<Ident>,
}

impl Borrows {
    pub(super) fn of(ty: &Type) -> Vec<Borrow> {
        let mut borrows = Self::default();
        borrows.visit_type(ty);
        borrows.found
    }
}

impl<'ast> Visit<'ast> for Borrows {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        let is_static = reference.lifetime.as_ref().is_some_and(|l| l.ident == "static");
        if let Some(token) = &reference.mutability {
            self.found.push(Borrow::Mutable(
                reference.and_token.span.join(token.span).unwrap_or(token.span),
            ));
        } else if !is_static {
            self.found.push(Borrow::Reference(reference.span()));
        } else {
            self.visit_type(&reference.elem);
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" && !self.bound.contains(&lifetime.ident) {
            self.found.push(Borrow::Lifetime(lifetime.span()));
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.found.push(Borrow::Impl(ty.impl_token.span));
        visit::visit_type_impl_trait(self, ty);
    }

    fn visit_bound_lifetimes(&mut self, bound: &'ast BoundLifetimes) {
        for param in &bound.lifetimes {
            if let GenericParam::Lifetime(lifetime) = param {
                self.bound.push(lifetime.lifetime.ident.clone());
            }
        }
    }

    fn visit_type_bare_fn(&mut self, _: &'ast TypeBareFn) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
}
