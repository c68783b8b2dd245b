//! What a workflow's body must not call, why, and what to call instead.
//!
//! docs/determinism/clippy.toml holds the same list for code that the macro cannot see.

/// Paths, and what is wrong with them.
pub(super) struct Rule {
    why: &'static str,
    instead: &'static str,
    paths: &'static [Pattern],
}

/// A path from its crate on.
struct Pattern {
    /// `std::thread::*` is everything in it.
    path: &'static str,
    /// How many of the last names are enough to know it by, as after a `use`.
    least: usize,
    /// What may be called all the same (after `*`).
    except: &'static [&'static str],
}

const fn known_by(least: usize, path: &'static str) -> Pattern {
    Pattern { path, least, except: &[] }
}

const fn all_of(path: &'static str, least: usize, except: &'static [&'static str]) -> Pattern {
    Pattern { path, least, except }
}

const RULES: &[Rule] = &[
    Rule {
        why: "reads the clock of this host, and a replay would see another time",
        instead: "use `everstep::now()`, which is recorded",
        paths: &[
            known_by(2, "std::time::SystemTime::now"),
            known_by(2, "std::time::Instant::now"),
            known_by(2, "tokio::time::Instant::now"),
            known_by(2, "chrono::Utc::now"),
            known_by(2, "chrono::Local::now"),
            known_by(2, "time::OffsetDateTime::now_utc"),
            known_by(2, "time::OffsetDateTime::now_local"),
            known_by(2, "jiff::Timestamp::now"),
            known_by(2, "jiff::Zoned::now"),
        ],
    },
    Rule {
        why: "makes a new id at every call, and a replay would make another",
        instead: "use `everstep::uuid()`, which is the same in every replay",
        paths: &[
            known_by(2, "uuid::Uuid::new_v4"),
            known_by(2, "uuid::Uuid::new_v7"),
            known_by(2, "uuid::Uuid::now_v1"),
            known_by(2, "uuid::Uuid::now_v6"),
            known_by(2, "uuid::Uuid::now_v7"),
        ],
    },
    Rule {
        why: "gives another value at every call, and so at every replay",
        instead: "use `everstep::random()`, which is the same in every replay",
        paths: &[
            all_of(
                "rand::*",
                2,
                &[
                    "CryptoRng",
                    "Error",
                    "Rng",
                    "RngCore",
                    "RngExt",
                    "SeedableRng",
                    "TryRngCore",
                    "distr",
                    "distributions",
                    "prelude",
                    "rngs",
                    "seq",
                ],
            ),
            known_by(1, "rand::thread_rng"),
            known_by(2, "rand::rngs::OsRng"),
            known_by(2, "rand::rngs::StdRng::from_entropy"),
            known_by(2, "rand::rngs::StdRng::from_os_rng"),
            all_of("fastrand::*", 2, &["Rng"]),
            all_of("getrandom::*", 2, &["Error"]),
        ],
    },
    Rule {
        why: "starts a task that a replay knows nothing of",
        instead: "do the work in a step, and await several with `join!` or `everstep::race`",
        paths: &[
            known_by(2, "tokio::spawn"),
            known_by(3, "tokio::task::spawn"),
            known_by(2, "tokio::task::spawn_blocking"),
            known_by(2, "tokio::task::spawn_local"),
            known_by(3, "tokio::task::block_in_place"),
            known_by(2, "tokio::task::JoinSet::new"),
            all_of("tokio::runtime::*", 3, &[]),
        ],
    },
    Rule {
        why: "waits in this process only, and is lost with it",
        instead: "use `everstep::sleep` or `everstep::timeout`, which last as long as the execution",
        paths: &[
            all_of("tokio::time::*", 3, &["Duration", "error"]),
            known_by(2, "tokio::time::sleep"),
            known_by(2, "tokio::time::sleep_until"),
            known_by(2, "tokio::time::timeout"),
            known_by(2, "tokio::time::timeout_at"),
            known_by(2, "tokio::time::interval"),
            known_by(2, "std::thread::sleep"),
        ],
    },
    Rule {
        why: "leaves the workflow, and a replay knows nothing of it",
        instead: "do it in a step, or use `everstep::sleep` to wait",
        paths: &[
            all_of("std::thread::*", 3, &["AccessError", "ThreadId"]),
            known_by(2, "std::thread::spawn"),
        ],
    },
    Rule {
        why: "acts on this process, and would again at every replay",
        instead: "do it in a step",
        paths: &[
            all_of("std::process::*", 3, &["ExitCode", "ExitStatus", "Output", "Termination"]),
            known_by(2, "std::process::exit"),
            known_by(2, "std::process::abort"),
            all_of("tokio::process::*", 3, &[]),
        ],
    },
    Rule {
        why: "depends on the host, and a replay may have another",
        instead: "read it when the program starts and pass it in as `State<T>`, or read it in a step",
        paths: &[
            all_of("std::env::*", 3, &["JoinPathsError", "VarError"]),
            known_by(2, "std::env::var"),
            known_by(2, "std::env::var_os"),
            known_by(2, "std::env::vars"),
            known_by(2, "std::env::vars_os"),
            known_by(2, "std::env::args"),
            known_by(2, "std::env::args_os"),
            known_by(2, "std::env::current_dir"),
            known_by(2, "std::env::temp_dir"),
        ],
    },
    Rule {
        why: "reaches outside the workflow, and would again at every replay",
        instead: "do it in a step, whose result is recorded",
        paths: &[
            all_of("std::fs::*", 3, &[]),
            all_of("tokio::fs::*", 3, &[]),
            known_by(2, "std::fs::read"),
            known_by(2, "std::fs::read_dir"),
            known_by(2, "std::fs::read_to_string"),
            known_by(2, "std::fs::write"),
            known_by(2, "std::fs::File::open"),
            known_by(2, "std::fs::File::create"),
            all_of(
                "std::net::*",
                3,
                &[
                    "AddrParseError",
                    "IpAddr",
                    "Ipv4Addr",
                    "Ipv6Addr",
                    "SocketAddr",
                    "SocketAddrV4",
                    "SocketAddrV6",
                ],
            ),
            all_of("tokio::net::*", 3, &[]),
            known_by(2, "tokio::net::TcpStream::connect"),
            known_by(2, "tokio::net::TcpListener::bind"),
            known_by(2, "tokio::net::UdpSocket::bind"),
            known_by(3, "std::io::stdin"),
            known_by(2, "reqwest::get"),
        ],
    },
];

impl Rule {
    /// The rule that `path` breaks. A single name counts only if it is `called`: it may be a
    /// variable.
    pub(super) fn broken_by(path: &[String], called: bool) -> Option<&'static Rule> {
        let broken = |pattern: &Pattern| pattern.matches(path) && (called || path.len() > 1);
        RULES.iter().find(|rule| rule.paths.iter().any(broken))
    }

    pub(super) fn message(&self, path: &str) -> String {
        let Self { why, instead, .. } = self;
        format!(
            "`{path}` {why}: {instead}\n\
             (if that cannot matter here: `#[allow_nondeterminism(\"why\")]` before the expression)"
        )
    }
}

impl Pattern {
    fn matches(&self, path: &[String]) -> bool {
        let pattern: Vec<&str> = self.path.split("::").collect();
        let (exact, open) = match pattern.split_last() {
            Some((&"*", module)) => (module, true),
            _ => (pattern.as_slice(), false),
        };
        let least = if open { self.least - 1 } else { self.least };
        (least..=exact.len()).any(|names| {
            let known = &exact[exact.len() - names..];
            let begins = path.len() >= names && known.iter().zip(path).all(|(a, b)| a == b);
            match (begins, open) {
                (false, _) => false,
                (true, false) => path.len() == names,
                (true, true) => {
                    path.get(names).is_some_and(|next| !self.except.contains(&next.as_str()))
                }
            }
        })
    }
}

#[cfg(test)]
impl Rule {
    /// Every path the lint knows, for the test that compares it with the clippy file.
    pub(super) fn paths() -> impl Iterator<Item = &'static str> {
        RULES.iter().flat_map(|rule| rule.paths).map(|pattern| pattern.path)
    }
}
