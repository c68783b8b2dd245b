use clap::{Args, Subcommand};
use everstep::client::Resolution;
use everstep::id::PromiseToken;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, talk};
use crate::{backend, input};

/// Complete or fail a promise that an execution waits for, by its token.
///
/// The first result counts. `everstep show` lists the promises that are open.
#[derive(Debug, Args)]
pub(crate) struct Promise {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Give a promise its result.
    Complete {
        /// The promise's token.
        token: PromiseToken,

        /// The result: JSON, @FILE, or - for standard input.
        #[arg(value_name = "JSON", default_value = "null", allow_negative_numbers = true)]
        value: String,
    },
    /// Fail a promise: the workflow gets the reason.
    Fail {
        /// The promise's token.
        token: PromiseToken,

        /// Why.
        reason: String,
    },
    /// Say that somebody works on a promise still.
    Heartbeat {
        /// The promise's token.
        token: PromiseToken,
    },
}

#[derive(Serialize)]
struct Done<'a> {
    token: &'a PromiseToken,
    done: &'a str,
    /// Whether it had this result before; of a heartbeat, nothing.
    repeated: Option<bool>,
}

impl Promise {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let (token, done, resolution) = match self.what {
            What::Complete { token, value } => {
                let value = input::read("the result", &value)?;
                let sent = backend::existing(url).await?.promise(&token).complete(&value).await;
                (token, "completed", Some(sent?))
            }
            What::Fail { token, reason } => {
                let sent = backend::existing(url).await?.promise(&token).fail(reason).await;
                (token, "failed", Some(sent?))
            }
            What::Heartbeat { token } => {
                backend::existing(url).await?.promise(&token).heartbeat().await?;
                (token, "kept alive", None)
            }
        };
        let repeated = resolution.map(|resolution| resolution == Resolution::Repeated);
        if out.json {
            return out.object(&Done { token: &token, done, repeated });
        }
        let before = if repeated == Some(true) { "had been" } else { "is" };
        talk(format_args!("promise {token} {before} {done}"));
        Ok(())
    }
}
