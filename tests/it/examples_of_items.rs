//! Every public item of the crate is named in an example that is tested: in its own docs, on the
//! page of its type, or on the page of its module. This reads the sources, as rustdoc does.
//!
//! What counts as named is code that a reader sees: no comment, no text, no import, no hidden line.
//! A method is named by its call. A type whose own docs have an example is shown by it, whether its
//! name is written there or inferred. Not asked for: implementations of traits, fields and variants,
//! what macros of the crate write, and what is `#[doc(hidden)]`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Expr, ImplItem, Item, Lit, Meta, TraitItem, Type, UseTree, Visibility};

const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk/src/lib.rs");
const MACROS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../macros/src/lib.rs");

/// The package that tests the macros' docs: those pages that it includes, and no others.
const OF_MACROS: &str = include_str!("../ui/lib.rs");

/// Modules of functions that nobody calls by name: `event_store_suite!` and its like do, with every
/// one of them, and are what has the examples.
const CALLED_BY_MACROS: &str = "testing::conformance::";

/// Modules that need a service to run: their examples are compiled only, by `no_run`.
const AWAY: &[&str] = &["aws", "dynamodb", "invoke", "limiter::redis", "postgres"];

/// Whether what is in `module`, or shown on its page, needs a service.
fn is_away(module: &str) -> bool {
    AWAY.iter().any(|away| {
        module
            .strip_prefix(away)
            .is_some_and(|inside| inside.is_empty() || inside.starts_with("::"))
    })
}

#[test]
fn every_public_item_is_named_in_a_tested_example() {
    let api = Crate::load();
    let items = api.public_items();
    assert!(items.len() > 900, "the sources are read: {} items", items.len());
    let missing: Vec<String> = items
        .iter()
        .filter(|item| !item.is_named())
        .map(|item| format!("{} ({})", item.path, item.file))
        .collect();
    assert!(missing.is_empty(), "no tested example names these:\n{}", missing.join("\n"));
}

#[test]
fn an_example_names_what_it_calls_and_no_more() {
    let docs = "Of `never`.\n```\nuse a::Imported;\n# let hidden = 0;\n\
                let made = Made::build(\"text\").turn::<u8>(made.field); // comment\n\
                impl Kept for T { fn keep() {} }\n```\n```text\nlet plain = 1;\n```\n\
                ```no_run\nlet compiled = Far::away();\n```";
    let names = Names::of(docs, false);
    for word in ["made", "Made", "Kept"] {
        assert!(names.words.contains(word), "{word}");
    }
    for word in ["never", "Imported", "hidden", "text", "comment", "plain", "compiled"] {
        assert!(!names.words.contains(word), "{word}");
    }
    assert!(names.functions.contains(&("Made".to_owned(), "build".to_owned())));
    assert!(names.methods.contains("turn") && names.methods.contains("keep"));
    assert!(!names.methods.contains("field"), "a field is not called");
    assert!(Names::of(docs, true).words.contains("compiled"));
}

/// One thing that users can name.
struct PublicItem {
    /// As users write it, with the type's name before a method's.
    path: String,
    file: String,
    name: String,
    kind: Kind,
    /// What its own docs name.
    own: Names,
    /// What the pages of its modules, and of its type, name.
    pages: Names,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Type,
    /// A function, a constant or a macro: named by its name.
    Plain,
    /// Called on a value, or defined in a trait.
    Method,
    /// Called by its type's name.
    Associated,
}

impl PublicItem {
    fn is_named(&self) -> bool {
        let named = |names: &Names| match self.kind {
            Kind::Type | Kind::Plain => names.words.contains(&self.name),
            Kind::Method => names.methods.contains(&self.name),
            Kind::Associated => {
                let owner = self.path.rsplit("::").nth(1).unwrap().to_owned();
                let (by_alias, name) = ("Self".to_owned(), self.name.clone());
                names.functions.contains(&(owner, name.clone()))
                    || names.functions.contains(&(by_alias, name))
            }
        };
        (self.kind == Kind::Type && self.own.examples > 0) || named(&self.own) || named(&self.pages)
    }
}

/// What tested examples name.
#[derive(Default, Clone)]
struct Names {
    examples: usize,
    words: BTreeSet<String>,
    /// `.name(`, `::name`, `fn name`.
    methods: BTreeSet<String>,
    /// `Type::name`.
    functions: BTreeSet<(String, String)>,
}

impl Names {
    /// Of the blocks of code in `docs` that are tested; if `away`, of those too that do not run.
    fn of(docs: &str, away: bool) -> Names {
        let mut names = Names::default();
        let mut block: Option<(bool, String)> = None;
        for line in docs.lines() {
            let trimmed = line.trim();
            if let Some(fence) = trimmed.strip_prefix("```") {
                block = match block.take() {
                    None => Some((is_tested(fence, away), String::new())),
                    Some((tested, code)) => {
                        if tested {
                            names.examples += 1;
                            names.read(&code);
                        }
                        None
                    }
                };
            } else if let Some((_, code)) = &mut block
                && trimmed != "#"
                && !trimmed.starts_with("# ")
            {
                code.push_str(line);
                code.push('\n');
            }
        }
        names
    }

    fn read(&mut self, code: &str) {
        let tokens = tokens(code);
        let at = |index: usize| tokens.get(index).map_or("", String::as_str);
        let mut importing = false;
        for (index, token) in tokens.iter().enumerate() {
            match token.as_str() {
                "use" => importing = true,
                ";" => importing = false,
                _ => {}
            }
            if importing || !token.starts_with(|first: char| first.is_alphabetic() || first == '_')
            {
                continue;
            }
            self.words.insert(token.clone());
            let before = if index == 0 { "" } else { at(index - 1) };
            let called = at(index + 1) == "(" || at(index + 1) == "::";
            if before == "::" || before == "fn" || (before == "." && called) {
                self.methods.insert(token.clone());
            }
            if before == "::" && index > 1 {
                // `Type::<T>::name` and `<Type as Trait>::name` say their type before a `>`.
                let owner = if at(index - 2) == ">" {
                    let open = tokens[..index - 2].iter().rposition(|token| token == "<");
                    let back = open.map_or(0, |open| if at(open - 1) == "::" { 2 } else { 1 });
                    open.map_or("", |open| at(open.saturating_sub(back)))
                } else {
                    at(index - 2)
                };
                self.functions.insert((owner.to_owned(), token.clone()));
            }
        }
    }

    fn add(&mut self, other: &Names) {
        self.examples += other.examples;
        self.words.extend(other.words.iter().cloned());
        self.methods.extend(other.methods.iter().cloned());
        self.functions.extend(other.functions.iter().cloned());
    }
}

fn is_tested(fence: &str, away: bool) -> bool {
    let words = fence.split([',', ' ']).filter(|word| !word.is_empty());
    words
        .into_iter()
        .all(|word| matches!(word, "rust" | "should_panic") || (away && matches!(word, "no_run")))
}

/// Names and marks of code; of its texts and comments nothing.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if first == '"' {
            text_length(rest)
        } else if first.is_alphanumeric() || first == '_' {
            let name = rest.find(|next: char| !next.is_alphanumeric() && next != '_');
            let name = name.unwrap_or(rest.len());
            tokens.push(rest[..name].to_owned());
            name
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (index, next) in rest.char_indices().skip(1) {
        match next {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The modules of the crate by their paths; the root's is empty, and that of the crate of macros
/// `everstep_macros`.
struct Crate {
    modules: BTreeMap<String, Module>,
}

#[derive(Default)]
struct Module {
    file: PathBuf,
    docs: String,
    /// Names of modules in it, and whether users reach them by it.
    modules: Vec<(String, bool)>,
    items: Vec<Declared>,
    uses: Vec<Use>,
    impls: Vec<Implementation>,
}

struct Declared {
    name: String,
    public: bool,
    kind: Kind,
    /// Whether it is a `macro_rules!`.
    is_macro: bool,
    docs: String,
    members: Vec<Member>,
}

struct Member {
    name: String,
    kind: Kind,
    docs: String,
}

struct Implementation {
    of: Vec<String>,
    docs: String,
    members: Vec<Member>,
}

struct Use {
    public: bool,
    path: Vec<String>,
    /// `None` for `*`.
    name: Option<String>,
}

/// What a path leads to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Module(String),
    /// The module, and the item's place in it.
    Item(String, usize),
}

impl Crate {
    fn load() -> Self {
        let mut loaded = Crate { modules: BTreeMap::new() };
        loaded.read(Path::new(SDK), String::new());
        loaded.read(Path::new(MACROS), "everstep_macros".to_owned());
        loaded
    }

    fn read(&mut self, file: &Path, path: String) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        let is_root =
            matches!(file.file_name().and_then(|n| n.to_str()), Some("lib.rs" | "mod.rs"));
        let folder = if is_root { file.parent().unwrap().into() } else { file.with_extension("") };
        self.module(file, &folder, path, &parsed.attrs, parsed.items);
    }

    fn module(
        &mut self,
        file: &Path,
        folder: &Path,
        path: String,
        attributes: &[Attribute],
        items: Vec<Item>,
    ) {
        let mut module =
            Module { file: file.to_owned(), docs: docs(attributes, file), ..Module::default() };
        for item in items {
            if let Item::Mod(inner) = item {
                if !is_built(&inner.attrs) {
                    continue;
                }
                let name = inner.ident.to_string();
                let public = is_public(&inner.vis) && !is_hidden(&inner.attrs);
                module.modules.push((name.clone(), public));
                let inside = join(&path, &name);
                match inner.content {
                    Some((_, items)) => {
                        self.module(file, &folder.join(&name), inside, &inner.attrs, items);
                    }
                    // The macros' modules are their own business.
                    None if path == "everstep_macros" => {
                        module.modules.pop();
                    }
                    None => self.read(&module_file(folder, &name, &inner.attrs), inside),
                }
            } else {
                module.add(item);
            }
        }
        self.modules.insert(path, module);
    }

    /// All that users can name, in the order of their paths.
    fn public_items(&self) -> Vec<PublicItem> {
        let mut shown: BTreeMap<Target, BTreeSet<String>> = BTreeMap::new();
        self.show(String::new(), &mut shown);

        let mut methods: BTreeMap<Target, Vec<&Implementation>> = BTreeMap::new();
        for (path, module) in &self.modules {
            for implementation in &module.impls {
                for target in self.resolve(path, &implementation.of, 0) {
                    if matches!(target, Target::Item(..)) {
                        methods.entry(target).or_default().push(implementation);
                    }
                }
            }
        }

        let mut items = Vec::new();
        for (target, pages) in &shown {
            let Target::Item(path, index) = target else { continue };
            let declared = &self.modules[path].items[*index];
            let is_function = declared.kind == Kind::Plain && !declared.is_macro;
            if is_function && path.starts_with(CALLED_BY_MACROS) {
                continue;
            }
            let away = is_away(path) || pages.iter().any(|page| is_away(page));
            let own = Names::of(&declared.docs, away);
            let mut of_modules = Names::default();
            for page in pages {
                of_modules.add(&Names::of(&self.modules[page].docs, away));
            }
            // Where the page is that users look at: not the root's again, if it has another one.
            let page = pages.iter().next_back().unwrap();
            let item = PublicItem {
                path: join(page, &declared.name),
                file: self.file(path),
                name: declared.name.clone(),
                kind: declared.kind,
                own: own.clone(),
                pages: of_modules.clone(),
            };
            let implementations = methods.get(target).map_or(&[][..], |found| &found[..]);
            let inherent = implementations.iter().flat_map(|found| &found.members);
            let members: Vec<&Member> = declared.members.iter().chain(inherent).collect();
            let mut of_type = of_modules;
            of_type.add(&own);
            for implementation in implementations {
                of_type.add(&Names::of(&implementation.docs, away));
            }
            for member in &members {
                of_type.add(&Names::of(&member.docs, away));
            }
            for member in members {
                items.push(PublicItem {
                    path: join(&item.path, &member.name),
                    file: item.file.clone(),
                    name: member.name.clone(),
                    kind: member.kind,
                    own: Names::of(&member.docs, away),
                    pages: of_type.clone(),
                });
            }
            let mut item = item;
            // The page of a type is the type's too: an example of a method may name it.
            item.pages = of_type;
            items.push(item);
        }
        items.sort_by(|one, other| one.path.cmp(&other.path));
        items
    }

    /// What users see on the page of a module, and of those in it. An exported macro, which belongs
    /// to the root wherever it is written, is with the module that it is written for.
    fn show(&self, page: String, shown: &mut BTreeMap<Target, BTreeSet<String>>) {
        let module = &self.modules[&page];
        for (index, _) in module.items.iter().enumerate().filter(|(_, item)| item.public) {
            shown.entry(Target::Item(page.clone(), index)).or_default().insert(page.clone());
        }
        for (name, public) in &module.modules {
            let inner = join(&page, name);
            if *public {
                self.show(inner, shown);
                continue;
            }
            let items = self.modules[&inner].items.iter().enumerate();
            for (index, _) in items.filter(|(_, item)| item.public && item.is_macro) {
                shown.entry(Target::Item(inner.clone(), index)).or_default().insert(page.clone());
            }
        }
        if page == "prelude" {
            return; // all that it has is the root's
        }
        for import in module.uses.iter().filter(|import| import.public) {
            for target in self.resolve(&page, &import.path, 0) {
                if matches!(target, Target::Item(..)) {
                    shown.entry(target).or_default().insert(page.clone());
                }
            }
        }
    }

    /// What a path in a module leads to: nothing, if it leads out of the crate.
    fn resolve(&self, module: &str, path: &[String], depth: usize) -> BTreeSet<Target> {
        let mut found = BTreeSet::new();
        let (Some((first, rest)), true) = (path.split_first(), depth < 8) else {
            return found;
        };
        let parent = || module.rsplit_once("::").map_or("", |(parent, _)| parent).to_owned();
        let starts: BTreeSet<Target> = match first.as_str() {
            "crate" => [Target::Module(String::new())].into(),
            "everstep_macros" => [Target::Module("everstep_macros".to_owned())].into(),
            "self" => [Target::Module(module.to_owned())].into(),
            "super" => [Target::Module(parent())].into(),
            name => self.lookup(module, name, depth),
        };
        for start in starts {
            match (&start, rest) {
                (_, []) => {
                    found.insert(start);
                }
                (Target::Module(inner), [next, after @ ..]) => {
                    if matches!(next.as_str(), "super" | "self") {
                        found.extend(self.resolve(inner, rest, depth + 1));
                    } else if after.is_empty() {
                        found.extend(self.lookup(inner, next, depth + 1));
                    } else {
                        found.extend(self.resolve(inner, rest, depth + 1));
                    }
                }
                (Target::Item(..), _) => {}
            }
        }
        found
    }

    fn lookup(&self, module: &str, name: &str, depth: usize) -> BTreeSet<Target> {
        let inside = &self.modules[module];
        let mut found = BTreeSet::new();
        for (index, item) in inside.items.iter().enumerate() {
            if item.name == name {
                found.insert(Target::Item(module.to_owned(), index));
            }
        }
        if inside.modules.iter().any(|(inner, _)| inner == name) {
            found.insert(Target::Module(join(module, name)));
        }
        for import in &inside.uses {
            match &import.name {
                Some(imported) if imported == name && import.path != [name] => {
                    found.extend(self.resolve(module, &import.path, depth + 1));
                }
                None => {
                    for target in self.resolve(module, &import.path, depth + 1) {
                        if let Target::Module(inner) = target
                            && inner != module
                            && depth < 6
                        {
                            found.extend(self.lookup(&inner, name, depth + 2));
                        }
                    }
                }
                Some(_) => {}
            }
        }
        found
    }

    fn file(&self, module: &str) -> String {
        let file = self.modules[module].file.to_string_lossy().into_owned();
        file.split_once("/../").map_or(file.clone(), |(_, file)| file.to_owned())
    }
}

impl Module {
    fn add(&mut self, item: Item) {
        let file = self.file.clone();
        let mut declare = |name: String, public: bool, kind, attributes: &[Attribute]| {
            if is_built(attributes) {
                let public = public && !is_hidden(attributes);
                let docs = docs(attributes, &file);
                let (is_macro, members) = (false, Vec::new());
                self.items.push(Declared { name, public, kind, is_macro, docs, members });
            }
        };
        match item {
            Item::Struct(item) => {
                declare(item.ident.to_string(), is_public(&item.vis), Kind::Type, &item.attrs);
            }
            Item::Enum(item) => {
                declare(item.ident.to_string(), is_public(&item.vis), Kind::Type, &item.attrs);
            }
            Item::Type(item) => {
                declare(item.ident.to_string(), is_public(&item.vis), Kind::Type, &item.attrs);
            }
            Item::Const(item) => {
                declare(item.ident.to_string(), is_public(&item.vis), Kind::Plain, &item.attrs);
            }
            Item::Static(item) => {
                declare(item.ident.to_string(), is_public(&item.vis), Kind::Plain, &item.attrs);
            }
            Item::Fn(item) => {
                let derived =
                    item.attrs.iter().find(|found| found.path().is_ident("proc_macro_derive"));
                let derived = derived.and_then(|found| match &found.meta {
                    Meta::List(list) => list.tokens.clone().into_iter().next(),
                    _ => None,
                });
                let name = derived.map_or(item.sig.ident.to_string(), |name| name.to_string());
                declare(name, is_public(&item.vis), Kind::Plain, &item.attrs);
            }
            Item::Macro(item) => {
                let exported = item.attrs.iter().any(|found| found.path().is_ident("macro_export"));
                if let Some(name) = item.ident
                    && is_built(&item.attrs)
                {
                    declare(name.to_string(), exported, Kind::Plain, &item.attrs);
                    self.items.last_mut().unwrap().is_macro = true;
                }
            }
            Item::Trait(item) => {
                declare(item.ident.to_string(), is_public(&item.vis), Kind::Type, &item.attrs);
                let members = item.items.into_iter().filter_map(|member| {
                    let (name, attributes) = match member {
                        TraitItem::Fn(member) => (member.sig.ident.to_string(), member.attrs),
                        TraitItem::Const(member) => (member.ident.to_string(), member.attrs),
                        _ => return None,
                    };
                    let docs = docs(&attributes, &file);
                    let kept = !is_hidden(&attributes) && is_built(&attributes);
                    kept.then_some(Member { name, kind: Kind::Method, docs })
                });
                if let Some(declared) = self.items.last_mut()
                    && is_built(&item.attrs)
                {
                    declared.members = members.collect();
                }
            }
            Item::Use(item) if is_built(&item.attrs) && !is_hidden(&item.attrs) => {
                self.import(is_public(&item.vis), &mut Vec::new(), &item.tree);
            }
            Item::Impl(item) if item.trait_.is_none() && is_built(&item.attrs) => {
                let Type::Path(of) = &*item.self_ty else { return };
                let of = of.path.segments.iter().map(|part| part.ident.to_string()).collect();
                let members = item.items.into_iter().filter_map(|member| {
                    let (name, public, kind, attributes) = match member {
                        ImplItem::Fn(member) => {
                            let called = member.sig.receiver().is_some();
                            let kind = if called { Kind::Method } else { Kind::Associated };
                            (member.sig.ident.to_string(), member.vis, kind, member.attrs)
                        }
                        ImplItem::Const(member) => {
                            (member.ident.to_string(), member.vis, Kind::Associated, member.attrs)
                        }
                        _ => return None,
                    };
                    let kept =
                        is_public(&public) && !is_hidden(&attributes) && is_built(&attributes);
                    kept.then(|| Member { name, kind, docs: docs(&attributes, &file) })
                });
                let members = members.collect();
                self.impls.push(Implementation { of, docs: docs(&item.attrs, &file), members });
            }
            _ => {}
        }
    }

    fn import(&mut self, public: bool, path: &mut Vec<String>, tree: &UseTree) {
        let mut push = |path: &[String], last: Option<&str>, name: Option<&str>| {
            let mut path = path.to_vec();
            path.extend(last.filter(|last| *last != "self").map(str::to_owned));
            self.uses.push(Use { public, path, name: name.map(str::to_owned) });
        };
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.import(public, path, &inner.tree);
                path.pop();
            }
            UseTree::Name(last) => {
                let last = last.ident.to_string();
                let name = if last == "self" { path.last().cloned() } else { None };
                push(path, Some(&last), Some(name.as_deref().unwrap_or(&last)));
            }
            UseTree::Rename(last) => {
                push(path, Some(&last.ident.to_string()), Some(&last.rename.to_string()));
            }
            UseTree::Glob(_) => push(path, None, None),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(public, path, tree);
                }
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    let mut hidden = attributes.iter().filter(|found| found.path().is_ident("doc"));
    hidden
        .any(|found| matches!(&found.meta, Meta::List(list) if list.tokens.to_string() == "hidden"))
}

/// Whether it is there in the docs: with all features, and no test.
fn is_built(attributes: &[Attribute]) -> bool {
    let mut conditions = attributes.iter().filter_map(|found| match &found.meta {
        Meta::List(list) if list.path.is_ident("cfg") => Some(list.tokens.to_string()),
        _ => None,
    });
    !conditions.any(|condition| {
        let absent = condition.starts_with("not") && condition.contains("feature");
        condition == "test"
            || condition == "doctest"
            || condition.starts_with("all (test")
            || absent
    })
}

/// The text of the docs, with that of the files that they include; of macros only what is tested.
fn docs(attributes: &[Attribute], file: &Path) -> String {
    let mut text = String::new();
    for found in attributes.iter().filter(|found| found.path().is_ident("doc")) {
        let Meta::NameValue(pair) = &found.meta else { continue };
        match &pair.value {
            Expr::Lit(literal) if file != Path::new(MACROS) => {
                if let Lit::Str(line) = &literal.lit {
                    text.push_str(&line.value());
                }
            }
            Expr::Macro(include) => {
                let name: syn::LitStr = syn::parse2(include.mac.tokens.clone()).unwrap();
                let name = name.value();
                if file != Path::new(MACROS) || OF_MACROS.contains(name.trim_start_matches("..")) {
                    let page = file.parent().unwrap().join(name);
                    text.push_str(&fs::read_to_string(page).unwrap());
                }
            }
            _ => {}
        }
        text.push('\n');
    }
    text
}

fn module_file(folder: &Path, name: &str, attributes: &[Attribute]) -> PathBuf {
    let named = attributes.iter().find(|found| found.path().is_ident("path"));
    if let Some(Meta::NameValue(pair)) = named.map(|found| &found.meta)
        && let Expr::Lit(literal) = &pair.value
        && let Lit::Str(path) = &literal.lit
    {
        return folder.join(path.value());
    }
    let file = folder.join(format!("{name}.rs"));
    if file.exists() { file } else { folder.join(name).join("mod.rs") }
}
