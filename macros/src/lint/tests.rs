use quote::quote;

use super::*;

/// What the lint finds in `body`, as the paths its messages begin with.
#[track_caller]
fn check(body: TokenStream, expected: &[&str]) {
    let mut errors = Errors::default();
    lint(body, &mut errors);
    let found: Vec<String> = errors
        .messages()
        .iter()
        .map(|message| message.split('`').nth(1).unwrap_or_default().to_owned())
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn clocks_ids_and_randomness_are_found_however_they_are_written() {
    check(
        quote! {
            let a = SystemTime::now();
            let b = ::std::time::Instant::now().elapsed();
            let c = x.unwrap_or_else(Utc::now);
            let d = Some(chrono::Local::now());
            let e = [uuid::Uuid::new_v4(), Uuid::now_v7()];
            let f: u8 = rand::random();
            let g = rand::random::<u64>() + thread_rng().gen::<u64>();
            if fastrand::bool() {}
        },
        &[
            "SystemTime::now",
            "std::time::Instant::now",
            "Utc::now",
            "chrono::Local::now",
            "uuid::Uuid::new_v4",
            "Uuid::now_v7",
            "rand::random",
            "rand::random",
            "thread_rng",
            "fastrand::bool",
        ],
    );
}

#[test]
fn tasks_timers_and_the_outside_are_found() {
    check(
        quote! {
            tokio::spawn(async {});
            tokio::task::spawn_blocking(|| 1).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            time::timeout(d, f).await;
            thread::sleep(d);
            std::thread::Builder::new();
            std::process::Command::new("ls");
            let home = std::env::var("HOME").or(env::var("home"));
            std::fs::read("x")?;
            tokio::fs::File::open("x").await?;
            std::net::TcpStream::connect("x")?;
            tokio::net::TcpListener::bind("x").await?;
        },
        &[
            "tokio::spawn",
            "tokio::task::spawn_blocking",
            "tokio::time::sleep",
            "time::timeout",
            "thread::sleep",
            "std::thread::Builder::new",
            "std::process::Command::new",
            "std::env::var",
            "env::var",
            "std::fs::read",
            "tokio::fs::File::open",
            "std::net::TcpStream::connect",
            "tokio::net::TcpListener::bind",
        ],
    );
}

#[test]
fn the_lint_sees_inside_macros_closures_and_use_groups() {
    check(
        quote! {
            println!("{}", SystemTime::now());
            tokio::join!(a(Uuid::new_v4()), async { rand::random::<u8>() });
            let ids = list.iter().map(|_| Uuid::new_v4());
            use std::{thread::{self, sleep}, time::Duration};
            use tokio::time::*;
        },
        &[
            "SystemTime::now",
            "Uuid::new_v4",
            "rand::random",
            "Uuid::new_v4",
            "std::thread::sleep",
            "tokio::time::*",
        ],
    );
}

#[test]
fn words_methods_and_other_peoples_types_are_left_alone() {
    check(
        quote! {
            let rand = 5; let thread_rng = rand; let spawn = thread_rng;
            crate::clock::Instant::now(); clock::Instant::now(); Instant::from_millis(5);
            self::rand::random(); jobs.spawn(rand); pool.thread_rng(); a.tokio.spawn();
            "tokio::spawn(SystemTime::now())";
            // Uuid::new_v4()
            let at: std::time::SystemTime = now(); let wait: tokio::time::Duration = d;
            let ip: std::net::IpAddr = "::1".parse()?;
            let code = std::process::ExitCode::SUCCESS;
            let seeded = rand::rngs::StdRng::seed_from_u64(random());
            task::spawn(1); Command::new("place an order"); thread::find(5);
            everstep::now(); everstep::uuid(); random(); sleep(d).await; Uuid::from_u128(5);
        },
        &[],
    );
}

#[test]
fn select_is_accepted_with_its_branches_in_order() {
    check(quote!(tokio::select! { biased; a = f() => a, b = g() => b }), &[]);
    check(quote!(futures::select_biased! { a = f() => a }), &[]);
    check(quote!(select(a, b).await;), &[]);
    check(quote!(tokio::select! { a = f() => a, b = g() => b }), &["select!"]);
    check(quote!(select! { a = biased() => a }), &["select!"]);
    check(quote!(futures::select! { a = f() => a }), &["futures::select!"]);
    check(quote!(tokio::select! { biased; a = f() => SystemTime::now() }), &["SystemTime::now"]);
}

#[test]
fn the_closure_of_an_inline_step_may_do_anything_and_nothing_around_it() {
    check(quote!(step("a", async move || { Uuid::new_v4() }).await), &[]);
    check(
        quote!(everstep::step("a", move || {
            let t = now();
            async move { f(t, Utc::now()) }
        })),
        &[],
    );
    check(quote!(everstep::step::<u8, _>("a", || async { tokio::spawn(f()) })), &[]);
    check(quote!(step(format!("{}", Uuid::new_v4()), async || 5)), &["Uuid::new_v4"]);
    check(quote!(step("a", async || 5).within(Instant::now())), &["Instant::now"]);
    check(quote!(this.step("a", || Utc::now())), &["Utc::now"]);
    check(quote!(my::other::step("a", || Utc::now())), &["Utc::now"]);
}

#[test]
fn functions_inside_the_body_may_do_anything() {
    check(
        quote! {
            async fn helper() -> Uuid { Uuid::new_v4() }
            fn pointer(f: fn(u8) -> u8) {}
            impl A { fn b() { SystemTime::now(); } }
            let f: fn() -> SystemTime = SystemTime::now;
        },
        &["SystemTime::now"],
    );
}

#[track_caller]
fn check_stripped(body: TokenStream, left: TokenStream, messages: &[&str]) {
    let mut errors = Errors::default();
    let stripped = lint(body, &mut errors);
    assert_eq!(stripped.to_string(), left.to_string());
    let found = errors.messages();
    assert_eq!(found.len(), messages.len(), "{found:?}");
    for (found, expected) in found.iter().zip(messages) {
        assert!(found.contains(expected), "{found} does not hold {expected}");
    }
}

#[test]
fn an_allowance_lifts_the_lint_for_its_expression_and_is_taken_out() {
    check_stripped(
        quote! {
            #[allow_nondeterminism("only logged")]
            let at: HashMap<u8, u8> = f(Uuid::new_v4(), Utc::now());
            g(#[everstep::allow_nondeterminism("only logged")] f::<u8, u8>(Utc::now()), 5);
            #[allow(unused)]
            let x = 5;
        },
        quote! {
            let at: HashMap<u8, u8> = f(Uuid::new_v4(), Utc::now());
            g(f::<u8, u8>(Utc::now()), 5);
            #[allow(unused)]
            let x = 5;
        },
        &[],
    );
}

#[test]
fn an_allowance_ends_with_its_expression() {
    check_stripped(
        quote! {
            #[allow_nondeterminism("logged")]
            if Utc::now() > x { f(Utc::now()); } else { Utc::now(); }
            g(#[allow_nondeterminism("logged")] Utc::now(), Uuid::new_v4());
            #[allow_nondeterminism("logged")] Utc::now();
            SystemTime::now()
        },
        quote! {
            if Utc::now() > x { f(Utc::now()); } else { Utc::now(); }
            g(Utc::now(), Uuid::new_v4());
            Utc::now();
            SystemTime::now()
        },
        &["`Uuid::new_v4`", "`SystemTime::now`"],
    );
}

#[test]
fn an_allowance_says_why() {
    let left = quote!(f(););
    check_stripped(quote!(#[allow_nondeterminism] f();), left.clone(), &["say why"]);
    check_stripped(quote!(#[allow_nondeterminism("")] f();), left.clone(), &["say why"]);
    check_stripped(quote!(#[allow_nondeterminism(" ")] f();), left.clone(), &["say why"]);
    check_stripped(quote!(#[allow_nondeterminism(5)] f();), left.clone(), &["say why"]);
    check_stripped(quote!(#[allow_nondeterminism = "x"] f();), left, &["say why"]);
}

#[test]
fn the_clippy_file_forbids_what_the_lint_knows() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/determinism/clippy.toml");
    let file = std::fs::read_to_string(file).unwrap();
    for path in rules::Rule::paths() {
        let entry = match path.strip_suffix('*') {
            Some(module) => format!("path = \"{module}"),
            None => format!("path = \"{path}\""),
        };
        assert!(file.contains(&entry), "{path} is not in docs/determinism/clippy.toml");
    }
    for line in file.lines().filter(|line| line.contains("path = ")) {
        let path = line.split('"').nth(1).unwrap();
        let segments: Vec<String> = path.split("::").map(str::to_owned).collect();
        let seen = rules::Rule::broken_by(&segments, true).is_some();
        let method = path.ends_with("::elapsed") || path.ends_with("ThreadRng");
        assert!(seen || method, "the lint does not know {path}");
    }
}
