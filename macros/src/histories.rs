//! `histories!("tests/histories", app)`: a test for each recorded history in a folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, LitStr, Token};

/// What a file of a history ends with.
const EXTENSION: &str = "jsonl";

/// What stands in the parentheses.
struct Call {
    folder: LitStr,
    app: Expr,
    everstep: syn::Path,
}

impl Parse for Call {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let folder = input.parse()?;
        input.parse::<Token![,]>()?;
        let app = input.parse()?;
        let mut everstep = syn::parse_quote!(::everstep);
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            everstep = input.parse::<LitStr>()?.parse_with(syn::Path::parse_mod_style)?;
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(Self { folder, app, everstep })
    }
}

/// The tests.
pub(crate) fn expand(tokens: TokenStream) -> TokenStream {
    let made = syn::parse2::<Call>(tokens).map_err(|error| {
        let text = format!(
            "write `histories!(\"tests/histories\", app)`, where `app()` makes the App (behind it may \
             stand `crate = \"my_everstep\"`): {error}"
        );
        syn::Error::new(error.span(), text)
    });
    made.and_then(|call| tests(&call)).unwrap_or_else(|error| error.to_compile_error())
}

fn tests(call: &Call) -> syn::Result<TokenStream> {
    let Call { folder, app, everstep } = call;
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let path = root.join(folder.value());
    let files = files(&path).map_err(|error| {
        let text = format!(
            "{} cannot be read ({error}): record histories there with `everstep export ID --out \
             {}`",
            path.display(),
            folder.value()
        );
        syn::Error::new(folder.span(), text)
    })?;
    let mut taken = BTreeSet::from(["added_since_the_last_build".to_owned()]);
    let mut tests = TokenStream::new();
    let mut names = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let test = test_name(&name, &mut taken);
        let text = file.to_string_lossy().into_owned();
        tests.extend(quote! {
            #[test]
            fn #test() {
                #everstep::testing::check_history((#app)(), #name, ::core::include_str!(#text));
            }
        });
        names.push(name);
    }
    let module = ident(&folder.value().rsplit('/').next().map(snake).unwrap_or_default());
    let folder = path.to_string_lossy().into_owned();
    Ok(quote! {
        mod #module {
            #[allow(unused_imports, reason = "where the app is made")]
            use super::*;

            #tests

            /// Cargo does not build again for a new file.
            #[test]
            fn added_since_the_last_build() {
                #everstep::testing::check_histories_but(#app, #folder, &[#(#names),*]);
            }
        }
    })
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A name for the test of a file, which no other one has.
fn test_name(file: &str, taken: &mut BTreeSet<String>) -> Ident {
    let stem = snake(file.trim_end_matches(&format!(".{EXTENSION}")));
    let mut name = stem.clone();
    for number in 2.. {
        if taken.insert(name.clone()) {
            break;
        }
        name = format!("{stem}_{number}");
    }
    ident(&name)
}

fn snake(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    text.chars().map(letter).collect()
}

fn ident(name: &str) -> Ident {
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let name = if begins_well { name.to_owned() } else { format!("history_{name}") };
    if syn::parse_str::<Ident>(&name).is_ok() {
        Ident::new(&name, Span::call_site())
    } else {
        Ident::new_raw(&name, Span::call_site())
    }
}

#[cfg(test)]
mod tests_of_names {
    use super::*;

    #[test]
    fn every_file_has_a_test_of_its_own() {
        let mut taken = BTreeSet::new();
        let names: Vec<String> =
            ["order-7.jsonl", "order_7.jsonl", "7.jsonl", "match.jsonl", "é.jsonl"]
                .iter()
                .map(|file| test_name(file, &mut taken).to_string())
                .collect();
        assert_eq!(names, ["order_7", "order_7_2", "history_7", "r#match", "history__"]);
    }
}
