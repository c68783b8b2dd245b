//! Finds what can be changed.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Stmt, UnOp};

use crate::plain;

/// One change: what stands at `at` is put between `before` and `after`, which choose at run time.
pub(crate) struct Mutant {
    pub(crate) number: usize,
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    pub(crate) function: String,
    pub(crate) kind: &'static str,
    pub(crate) what: String,
    pub(crate) at: Range<usize>,
    pub(crate) before: String,
    pub(crate) after: &'static str,
}

impl Mutant {
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let place = format!("{}:{}", self.file.display(), self.line);
        let Self { number, function, kind, what, .. } = self;
        json!({"number": number, "place": place, "function": function, "kind": kind, "what": what})
    }
}

/// All mutants, each at the place of its number, and the texts of the files they are in.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) mutants: Vec<Mutant>,
    pub(crate) files: Vec<(PathBuf, String)>,
}

/// What can be changed in `sources`, which are folders and files of the checkout at `root`.
pub(crate) fn find(root: &Path, sources: &[PathBuf]) -> anyhow::Result<Found> {
    let (mut files, mut found) = (BTreeSet::new(), Found::default());
    for source in sources {
        add_files(root, source, &mut files)?;
    }
    let mut tests = Vec::new();
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(root.join(&file))?;
        let parsed = syn::parse_file(&text).with_context(|| format!("{}", file.display()))?;
        tests.extend(modules_of_tests(&file, &parsed));
        all.push((file, text, parsed));
    }
    for (file, text, parsed) in all {
        if !tests.iter().any(|test| file.starts_with(test) || file == test.with_extension("rs")) {
            let mut finder =
                Finder { file: &file, text: &text, function: Vec::new(), mutants: found.mutants };
            finder.visit_file(&parsed);
            found.mutants = finder.mutants;
            found.files.push((file, text));
        }
    }
    Ok(found)
}

fn add_files(root: &Path, source: &Path, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let path = root.join(source);
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            add_files(root, &source.join(entry?.file_name()), files)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        files.insert(source.to_owned());
    }
    Ok(())
}

/// The folders of the modules with a file of their own that are compiled for tests only.
fn modules_of_tests(file: &Path, parsed: &syn::File) -> Vec<PathBuf> {
    let folder =
        if file.ends_with("mod.rs") { file.with_file_name("") } else { file.with_extension("") };
    let modules = parsed.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_test(&module.attrs) => {
            Some(folder.join(module.ident.to_string()))
        }
        _ => None,
    });
    modules.collect()
}

fn is_test(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let is_cfg_test = || attr.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"));
        attr.path().is_ident("test") || attr.path().is_ident("cfg") && is_cfg_test()
    })
}

struct Finder<'a> {
    file: &'a Path,
    text: &'a str,
    function: Vec<String>,
    mutants: Vec<Mutant>,
}

impl Finder<'_> {
    fn text(&self, of: &impl Spanned) -> &str {
        &self.text[of.span().byte_range()]
    }

    fn short(&self, of: &impl Spanned) -> String {
        let words = self.text(of).split_whitespace().collect::<Vec<_>>().join(" ");
        words.chars().take(90).collect()
    }

    /// `before` is made of what it is to ask whether the mutant is on.
    fn add(
        &mut self,
        of: &impl Spanned,
        (kind, what): (&'static str, String),
        before: impl FnOnce(&str) -> String,
        after: &'static str,
    ) {
        let number = self.mutants.len();
        self.mutants.push(Mutant {
            number,
            file: self.file.to_owned(),
            line: of.span().start().line,
            function: self.function.last().cloned().unwrap_or_default(),
            kind,
            what,
            at: of.span().byte_range(),
            before: before(&format!("crate::mutants::on({number})")),
            after,
        });
    }

    fn instead(&mut self, of: &Expr, kind: &'static str, what: String, changed: &str) {
        self.add(of, (kind, what), |on| format!("(if {on} {{ {changed} }} else {{ "), " })");
    }

    fn negated(&mut self, of: &Expr, kind: &'static str) {
        let what = format!("`{}` negated", self.short(of));
        self.add(of, (kind, what), |on| format!("({on} != ("), "))");
    }

    fn condition(&mut self, condition: &Expr) {
        // What these would become is there already.
        let again = matches!(condition, Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)))
            || matches!(condition, Expr::Binary(binary) if matches!(binary.op, BinOp::Eq(_) | BinOp::Ne(_)))
            || matches!(condition, Expr::Macro(_));
        if !again && !has_let(condition) {
            self.negated(condition, "condition");
        }
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        if let Some(first) = block.stmts.first() {
            for value in plain::values(&signature.output) {
                let what = format!("body is `{value}`");
                let before = |on: &str| format!("if {on} {{ return {value}; }} ");
                self.add(first, ("body", what), before, "");
            }
        }
    }
}

fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn others(op: &BinOp) -> &'static [&'static str] {
    match op {
        BinOp::Lt(_) => &["<=", ">"],
        BinOp::Gt(_) => &[">=", "<"],
        BinOp::Le(_) => &["<", ">"],
        BinOp::Ge(_) => &[">", "<"],
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::Add(_) => &["-"],
        BinOp::Sub(_) | BinOp::Mul(_) => &["+"],
        BinOp::Div(_) => &["*"],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        _ => &[],
    }
}

fn is_call(expr: &Expr) -> bool {
    match expr {
        Expr::Call(_) | Expr::MethodCall(_) => true,
        Expr::Await(inner) => is_call(&inner.base),
        Expr::Try(inner) => is_call(&inner.expr),
        _ => false,
    }
}

fn is_assignment(expr: &Expr) -> bool {
    use BinOp::{AddAssign, BitAndAssign, BitOrAssign, BitXorAssign, MulAssign, SubAssign};
    matches!(expr, Expr::Assign(_))
        || matches!(expr, Expr::Binary(binary) if matches!(binary.op, AddAssign(_) | SubAssign(_)
            | MulAssign(_) | BitAndAssign(_) | BitOrAssign(_) | BitXorAssign(_)))
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        // What is only printed when something is debugged.
        if !is_test(&item.attrs) && name.is_none_or(|name| name.ident != "Debug") {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) && item.sig.constness.is_none() {
            self.function.push(item.sig.ident.to_string());
            self.function(&item.sig, &item.block);
            self.visit_block(&item.block);
            self.function.pop();
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) && item.sig.constness.is_none() {
            self.function.push(item.sig.ident.to_string());
            if item.sig.ident != "default" {
                self.function(&item.sig, &item.block);
            }
            self.visit_block(&item.block);
            self.function.pop();
        }
    }

    // What is computed when it is compiled cannot ask.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_variant(&mut self, _: &'ast syn::Variant) {}
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        if let Stmt::Expr(expr, Some(_)) = stmt {
            let kind = match expr {
                expr if is_call(expr) => Some("call"),
                expr if is_assignment(expr) => Some("assignment"),
                _ => None,
            };
            if let Some(kind) = kind {
                let what = format!("`{}` removed", self.short(expr));
                self.add(stmt, (kind, what), |on| format!("if !{on} {{ "), " }");
            }
        }
        visit::visit_stmt(self, stmt);
    }

    fn visit_expr_if(&mut self, expr: &'ast syn::ExprIf) {
        self.condition(&expr.cond);
        visit::visit_expr_if(self, expr);
    }

    fn visit_expr_while(&mut self, expr: &'ast syn::ExprWhile) {
        self.condition(&expr.cond);
        visit::visit_expr_while(self, expr);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let Some((_, guard)) = arm.guard.as_ref().filter(|(_, guard)| !has_let(guard)) {
            let what = |is| format!("guard `{}` is `{is}`", self.short(guard));
            let (always, never) = (what(true), what(false));
            self.add(&**guard, ("guard", always), |on| format!("({on} || ("), "))");
            self.add(&**guard, ("guard", never), |on| format!("(!{on} && ("), "))");
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Binary(binary) if !has_let(expr) => {
                for other in others(&binary.op) {
                    let what = format!("`{}` with `{other}`", self.short(expr));
                    let (left, right) = (self.text(&binary.left), self.text(&binary.right));
                    let changed = format!("{left} {other} {right}");
                    self.instead(expr, "operator", what, &changed);
                }
            }
            Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)) => {
                let what = format!("`!` of `{}` removed", self.short(expr));
                let changed = self.text(&unary.expr).to_owned();
                self.instead(expr, "not", what, &changed);
            }
            Expr::Macro(expression) if expression.mac.path.is_ident("matches") => {
                self.negated(expr, "matches");
            }
            _ => {}
        }
        visit::visit_expr(self, expr);
    }
}

#[cfg(test)]
mod tests;
