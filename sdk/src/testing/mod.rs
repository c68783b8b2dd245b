//! For tests: of workflows, and of stores and queues.
//!
//! [`Env`] runs workflows in this process and in virtual time; [`crash_everywhere`] lets the host
//! of an execution die at every boundary, and [`explore`] tries it in weather from seeds;
//! [`replay`](replay()) holds code against recorded histories. `docs/testing.md` is the guide.
//!
//! ```
//! use everstep::prelude::*;
//! use everstep::testing::Env;
//!
//! #[step]
//! async fn charge(card: &str, cents: u64) -> everstep::Result<String> {
//!     Err(everstep::Error::msg(format!("no bank is there to take {cents} from {card}")))
//! }
//!
//! #[workflow]
//! async fn sell(card: String) -> everstep::Result<String> {
//!     let approved = timeout(days(10), signal::<bool>("approval")).await;
//!     match approved {
//!         Ok(Ok(true)) => charge(&card, 69_80).await,
//!         _ => Ok("not sold".to_owned()),
//!     }
//! }
//!
//! // In a #[test]:
//! let env = Env::new(App::new().workflow(sell));
//! env.mock(charge, |(card, cents)| Ok(format!("{cents} from {card}")));
//! env.fail(charge, 1..=2, everstep::Error::msg("the bank is busy"));
//!
//! let sale = env.start(sell, "4242".to_owned());
//! sale.signal_after(days(9), "approval", &true);
//! assert_eq!(sale.result().unwrap(), "6980 from 4242");
//!
//! assert_eq!((env.runs("charge"), env.completed_runs("charge")), (3, 1));
//! env.assert_cost(12);
//!
//! // Without an approval:
//! assert_eq!(env.run(sell, "4242".to_owned()).unwrap(), "not sold");
//! ```
//!
//! Beside such tests, in a module of them, each recorded history is one:
//!
//! ```
//! # use everstep::prelude::*;
//! # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
//! fn app() -> App {
//!     App::new().workflow(sell)
//! }
//!
//! everstep::testing::histories!("../tests/fixtures/histories", app); // from the package's root
//! # fn main() {}
//! ```
//!
//! For authors of stores and queues there are [`conformance`] suites and [`faults`].

pub mod conformance;
mod env;
mod everywhere;
mod explore;
pub mod faults;
mod replay;

pub use env::{Env, Execution};
pub use everstep_macros::histories;
pub use everywhere::{Crashes, crash_everywhere};
pub use explore::{Explored, explore};
pub use replay::{Recorded, ReplayError, replay};
#[doc(hidden)]
pub use replay::{check_histories_but, check_history};
