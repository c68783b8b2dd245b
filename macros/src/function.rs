//! The function under an attribute, its body left as tokens.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    AttrStyle, Attribute, FnArg, Ident, Pat, PatIdent, PatType, ReturnType, Signature, Type,
    Visibility, braced,
};

/// A function. The body stays tokens: it is passed on as it was written, and macros in it are
/// only tokens anyway.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// `None` for the declaration of a trait's method.
    pub(crate) body: Option<TokenStream>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse()?;
        if input.peek(syn::Token![;]) {
            input.parse::<syn::Token![;]>()?;
            return Ok(Self { attributes, visibility, signature, body: None });
        }
        let content;
        braced!(content in input);
        for mut inner in content.call(Attribute::parse_inner)? {
            inner.style = AttrStyle::Outer;
            attributes.push(inner);
        }
        let body = Some(content.parse()?);
        Ok(Self { attributes, visibility, signature, body })
    }
}

impl Function {
    /// The function's name without `r#`.
    pub(crate) fn name(&self) -> String {
        self.signature.ident.unraw().to_string()
    }

    /// The declared return type, if there is one.
    pub(crate) fn output(&self) -> Option<&Type> {
        match &self.signature.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(ty),
        }
    }

    /// The arguments without `self`, in order.
    pub(crate) fn arguments(&self) -> Vec<Argument> {
        let typed = self.signature.inputs.iter().filter_map(|input| match input {
            FnArg::Receiver(_) => None,
            FnArg::Typed(typed) => Some(typed),
        });
        typed.enumerate().map(|(index, typed)| Argument::new(index + 1, typed)).collect()
    }
}

/// One argument of a function.
pub(crate) struct Argument {
    /// How it is called in the log and in `skip(...)`: the name it binds; `arg1`, `arg2` … by
    /// place where the pattern binds no name or several.
    pub(crate) name: String,
    /// What the generated function calls it.
    pub(crate) ident: Ident,
    pub(crate) pattern: Pat,
    pub(crate) ty: Type,
    /// Its `#[cfg(...)]`s: whatever is generated for this argument carries them.
    pub(crate) cfgs: Vec<Attribute>,
}

impl Argument {
    fn new(place: usize, typed: &PatType) -> Self {
        let mut bindings = Bindings::default();
        bindings.visit_pat(&typed.pat);
        let hygienic =
            |name: &str| Ident::new(name, Span::mixed_site().located_at(typed.pat.span()));
        let (name, ident) = match bindings.0.as_slice() {
            [one] => {
                let name = one.unraw().to_string();
                let ident = unused(&name).map_or_else(|| one.clone(), hygienic);
                (name, ident)
            }
            _ => (format!("arg{place}"), hygienic(&format!("arg{place}"))),
        };
        let cfgs = typed.attrs.iter().filter(|a| a.path().is_ident("cfg")).cloned().collect();
        Self { name, ident, pattern: (*typed.pat).clone(), ty: (*typed.ty).clone(), cfgs }
    }

    /// `Some` with the referent if the argument is a reference: `str` for `&str`.
    pub(crate) fn referent(&self) -> Option<&Type> {
        match plain(&self.ty) {
            Type::Reference(reference) => Some(&reference.elem),
            _ => None,
        }
    }
}

/// `x` for `_x`: the body does not use it, but the log does.
fn unused(name: &str) -> Option<&str> {
    let used = name.strip_prefix('_')?.trim_start_matches('_');
    used.starts_with(char::is_alphabetic).then_some(used)
}

#[derive(Default)]
struct Bindings(Vec<Ident>);

impl<'ast> Visit<'ast> for Bindings {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        // A pattern such as `None` parses as a binding too; names of bindings begin small.
        let name = pattern.ident.unraw().to_string();
        if !name.starts_with(char::is_uppercase) && !self.0.contains(&pattern.ident) {
            self.0.push(pattern.ident.clone());
        }
        visit::visit_pat_ident(self, pattern);
    }
}

/// The type without parentheses and without the invisible groups of `macro_rules!`.
pub(crate) fn plain(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => plain(&inner.elem),
        Type::Group(inner) => plain(&inner.elem),
        other => other,
    }
}

impl quote::ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, visibility, signature, body } = self;
        let end = match body {
            Some(body) => quote::quote!({ #body }),
            None => quote::quote!(;),
        };
        tokens.extend(quote::quote!(#(#attributes)* #visibility #signature #end));
    }
}
