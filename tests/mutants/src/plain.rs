//! Plain values of a type.

use syn::{GenericArgument, PathArguments, ReturnType, Type};

/// What a body may be replaced by. Not all compile.
pub(crate) fn values(output: &ReturnType) -> Vec<String> {
    match output {
        ReturnType::Default => vec!["()".into()],
        ReturnType::Type(_, of) => values_of(of),
    }
}

fn values_of(of: &Type) -> Vec<String> {
    let all = |values: &[&str]| values.iter().copied().map(String::from).collect();
    match of {
        Type::Tuple(tuple) if tuple.elems.is_empty() => all(&["()"]),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return vec![] };
            match last.ident.to_string().as_str() {
                "bool" => all(&["true", "false"]),
                "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => all(&["0", "1"]),
                "Option" => all(&["None"]),
                "Result" => {
                    let PathArguments::AngleBracketed(args) = &last.arguments else {
                        return vec![];
                    };
                    let Some(GenericArgument::Type(of)) = args.args.first() else { return vec![] };
                    values_of(of).iter().map(|value| format!("Ok({value})")).collect()
                }
                _ => all(&["Default::default()"]),
            }
        }
        Type::Tuple(_) => all(&["Default::default()"]),
        _ => vec![],
    }
}
