//! Other Lambda functions, called from steps.
//!
//! [`Lambda::invoke`] is a call with its reply, of minutes at most. For longer work, and to be paid
//! for no waiting, [`Lambda::send`] hands a promise's token on, and the function
//! [replies](Call::reply) when it is done. `docs/guide/calling-others.md` is the guide.
//!
//! ```no_run
//! use everstep::invoke::{InvokeError, Lambda};
//! use everstep::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize)]
//! struct Resize<'a> { picture: &'a str, width: u32 }
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Resized { picture: String }
//!
//! #[step(skip(lambda), timeout = "1m", retry_if = InvokeError::is_retryable)]
//! async fn resize(lambda: &Lambda, picture: &str, width: u32) -> Result<Resized, InvokeError> {
//!     lambda.invoke("resize", &Resize { picture, width }).await
//! }
//!
//! #[workflow]
//! async fn publish_picture(
//!     State(lambda): State<Lambda>,
//!     picture: String,
//! ) -> everstep::Result<bool> {
//!     let small = resize(&lambda, &picture, 640).await?;
//!     // Asynchronously: the function has a day, and nobody waits for it awake.
//!     let clean = callback("scan", async move |token| lambda.send("scan", &small, &token).await)
//!         .timeout(days(1));
//!     Ok(clean.await?)
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let lambda = Lambda::new(&everstep::aws::load_config().await);
//! App::new().state(lambda).workflow(publish_picture).run().await?;
//! # Ok(())
//! # }
//! ```

mod callee;
mod error;

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use callee::{Call, Report};
pub use error::InvokeError;

use crate::context::idempotency_key;
use crate::id::PromiseToken;

/// The largest request and the largest reply of [`Lambda::invoke`], in bytes of JSON
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>: 6 MB).
///
/// ```
/// use everstep::invoke::{INVOKE_BYTES_MAX, SEND_BYTES_MAX};
///
/// /// Whether a step can hand these pages on as they are, or has to store them and hand on where.
/// fn fits(pages: &[String], wait: bool) -> bool {
///     let bytes = serde_json::to_vec(pages).map_or(usize::MAX, |json| json.len());
///     bytes <= if wait { INVOKE_BYTES_MAX } else { SEND_BYTES_MAX / 2 } // there is an envelope
/// }
///
/// assert!(fits(&["a page".repeat(500_000)], true) && !fits(&["a page".repeat(500_000)], false));
/// ```
pub const INVOKE_BYTES_MAX: usize = 6_000_000;

/// The largest request of [`Lambda::send`], in bytes of JSON with its envelope
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>: 1 MB).
///
/// ```
/// use everstep::invoke::{INVOKE_BYTES_MAX, SEND_BYTES_MAX};
///
/// assert!(SEND_BYTES_MAX < INVOKE_BYTES_MAX); // what is sent waits in a queue of Lambda's
/// ```
pub const SEND_BYTES_MAX: usize = 1_000_000;

/// What the step's idempotency key is called in the client context of an [`Lambda::invoke`].
///
/// ```
/// use everstep::invoke::KEY_IN_CONTEXT;
///
/// /// In the function: the key, from the client context as the runtime hands it over.
/// fn key(client_context: &serde_json::Value) -> Option<&str> {
///     client_context["custom"][KEY_IN_CONTEXT].as_str()
/// }
///
/// let context = serde_json::json!({ "custom": { "everstep-idempotency-key": "a key" } });
/// assert_eq!(key(&context), Some("a key"));
/// ```
pub const KEY_IN_CONTEXT: &str = "everstep-idempotency-key";

/// A client of Lambda, for steps. A clone is the same client.
#[derive(Clone)]
pub struct Lambda {
    client: aws_sdk_lambda::Client,
}

impl Lambda {
    /// A client with this configuration, such as that of [`load_config`](crate::aws::load_config).
    ///
    /// Its retries and time-outs are not used: the SDK would give up on a function that takes long
    /// and invoke it again. A call is made once and may take as long as a function may; the step's
    /// `timeout` and `retry` decide.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: crate::aws::patient_lambda(config) }
    }

    /// Calls `function` (a name, or an ARN, with a version or alias behind a `:`) and waits for its
    /// reply.
    ///
    /// The function gets the request as it is. The step's idempotency key is in the invocation's
    /// *client context*, which any runtime hands to the function: `custom` has it as
    /// [`KEY_IN_CONTEXT`]. The role needs `lambda:InvokeFunction`.
    ///
    /// A step pays for the time it waits. A network between may cut a connection that is idle for
    /// minutes: for what takes longer, [`send`](Self::send).
    ///
    /// Dropped, it does not stop the function.
    ///
    /// # Errors
    /// Nothing was called, the function failed, or what it said is no `Rep`: see [`InvokeError`].
    pub async fn invoke<Req, Rep>(&self, function: &str, request: &Req) -> Result<Rep, InvokeError>
    where
        Req: Serialize + ?Sized,
        Rep: DeserializeOwned,
    {
        let payload = payload(function, request, INVOKE_BYTES_MAX)?;
        let context = serde_json::json!({ "custom": { KEY_IN_CONTEXT: idempotency_key() } });
        let invoked = self
            .client
            .invoke()
            .function_name(function)
            .client_context(STANDARD.encode(context.to_string()))
            .payload(payload)
            .send()
            .await
            .map_err(|error| InvokeError::not_invoked(function, error))?;
        let reply = invoked.payload.map(Blob::into_inner).unwrap_or_default();
        if invoked.function_error.is_some() {
            return Err(InvokeError::function_failed(function, &reply));
        }
        // A function that returns nothing says `null`.
        let reply = if reply.is_empty() { &b"null"[..] } else { &reply };
        serde_json::from_slice(reply).map_err(|problem| InvokeError::Unreadable {
            function: function.to_owned(),
            problem: problem.to_string(),
        })
    }

    /// Hands a request to `function` and returns as soon as Lambda has taken it; the function
    /// completes the promise `reply_to`. To be used with [`callback`](crate::callback()).
    ///
    /// The function gets a [`Call`]: the request, the step's idempotency key and the token. Lambda
    /// calls a function that fails up to two times more
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>), and may
    /// call it twice anyway. If that is of no use the promise is never completed: give it a time-out,
    /// and the function a destination for failures (see [`Report`]).
    ///
    /// # Errors
    /// Lambda has not taken it: see [`InvokeError`]. If there was no answer it may have: the function
    /// is then called twice with one key.
    pub async fn send<Req>(
        &self,
        function: &str,
        request: &Req,
        reply_to: &PromiseToken,
    ) -> Result<(), InvokeError>
    where
        Req: Serialize + ?Sized,
    {
        let call = callee::envelope(request, idempotency_key(), reply_to);
        self.client
            .invoke()
            .function_name(function)
            .invocation_type(InvocationType::Event)
            .payload(payload(function, &call, SEND_BYTES_MAX)?)
            .send()
            .await
            .map_err(|error| InvokeError::not_invoked(function, error))?;
        Ok(())
    }
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lambda")
    }
}

fn payload<T: Serialize + ?Sized>(
    function: &str,
    request: &T,
    bytes_max: usize,
) -> Result<Blob, InvokeError> {
    let json = serde_json::to_vec(request).map_err(|problem| InvokeError::Refused {
        function: function.to_owned(),
        message: format!("the request cannot be written as JSON: {problem}"),
    })?;
    if json.len() > bytes_max {
        let (function, bytes) = (function.to_owned(), json.len());
        return Err(InvokeError::TooLarge { function, bytes, bytes_max });
    }
    Ok(Blob::new(json))
}
