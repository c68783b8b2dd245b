//! The side of the function that is called.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::client::{Client, PromiseSendError, Resolution};
use crate::event::Json;
use crate::id::PromiseToken;
use crate::trigger::Action;

/// What a function gets that was called with [`Lambda::send`](super::Lambda::send): the request, and
/// where the reply goes.
///
/// It is the invocation's payload: `{"everstep":{"idempotency_key":…,"reply_to":…},"request":…}`.
/// With the Rust runtime it is the type of the event:
///
/// ```no_run
/// # use everstep::invoke::Call;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Deserialize)] struct Resized { picture: String }
/// # async fn scan(_: &str, _: &str) -> Result<bool, std::io::Error> { Ok(true) }
/// async fn handle(client: everstep::Client, call: Call<Resized>) -> everstep::Result<()> {
///     // The same when Lambda calls again: what was begun under this key is not begun twice.
///     let clean = scan(call.idempotency_key(), &call.request.picture).await;
///     call.reply(&client, &clean).await?;
///     Ok(())
/// }
/// ```
///
/// Functions in other languages complete the promise over HTTP
/// (`POST /promises/{token}/complete`), or return the reply and leave it to a destination: see
/// [`Report`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Call<Req> {
    /// What is asked.
    pub request: Req,
    everstep: Address,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Address {
    idempotency_key: String,
    reply_to: PromiseToken,
}

#[derive(Serialize)]
pub(super) struct Envelope<'a, Req: ?Sized> {
    everstep: Address,
    request: &'a Req,
}

pub(super) fn envelope<'a, Req: ?Sized>(
    request: &'a Req,
    idempotency_key: String,
    reply_to: &PromiseToken,
) -> Envelope<'a, Req> {
    Envelope { everstep: Address { idempotency_key, reply_to: reply_to.clone() }, request }
}

impl<Req> Call<Req> {
    /// The key of the step that called: the same each time Lambda calls for it.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.everstep.idempotency_key
    }

    /// The promise that is to be completed.
    #[must_use]
    pub fn reply_to(&self) -> &PromiseToken {
        &self.everstep.reply_to
    }

    /// Completes the promise with an `Ok`, or fails it with an `Err`'s text. Of several replies the
    /// first counts, and it can be repeated.
    ///
    /// # Errors
    /// See [`PromiseClient::complete`](crate::client::PromiseClient::complete). That the promise is
    /// over is one of them: nobody waits for the reply any more.
    pub async fn reply<Rep: Serialize, E: fmt::Display>(
        &self,
        client: &Client,
        reply: &Result<Rep, E>,
    ) -> Result<Resolution, PromiseSendError> {
        let promise = client.promise(self.reply_to());
        match reply {
            Ok(value) => promise.complete(value).await,
            Err(reason) => promise.fail(reason.to_string()).await,
        }
    }
}

/// What Lambda tells a *destination* of a function that was called with
/// [`Lambda::send`](super::Lambda::send): that it has returned, and what; or that it has failed for
/// good.
///
/// So a function needs to know nothing of promises: its reply is what it returns, its failure is
/// told too, and the program whose workflow waits takes both. With this program's function, or a
/// queue that it receives from, as the destination `OnSuccess` and `OnFailure`
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>):
///
/// ```
/// use everstep::invoke::Report;
/// use everstep::prelude::*;
/// use everstep::trigger::{Action, Invoke};
///
/// let app = App::new().on(|invoke: Invoke| -> everstep::Result<Action> {
///     Ok(invoke.json::<Report>()?.action())
/// });
/// # let _ = app;
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    request_context: Context,
    request_payload: Call<serde::de::IgnoredAny>,
    #[serde(default = "Json::null")]
    response_payload: Json,
    response_context: Option<Response>,
}

#[derive(Debug, Clone, Deserialize)]
struct Context {
    /// `Success`, `RetriesExhausted`, `EventAgeExceeded`.
    condition: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    function_error: Option<String>,
}

impl Report {
    /// The promise it is about.
    ///
    /// ```
    /// use everstep::invoke::Report;
    ///
    /// let report: Report = serde_json::from_str(r#"{
    ///     "requestContext": { "condition": "RetriesExhausted" },
    ///     "requestPayload": {
    ///         "everstep": { "idempotency_key": "a key", "reply_to": "p1.order-2.1.scan.1" },
    ///         "request": "cat.jpg"
    ///     },
    ///     "responseContext": { "functionError": "Unhandled" },
    ///     "responsePayload": { "errorMessage": "no scanner" }
    /// }"#)?;
    /// assert_eq!(report.reply_to().execution().as_str(), "order-2");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn reply_to(&self) -> &PromiseToken {
        self.request_payload.reply_to()
    }

    /// Completes the promise with what the function returned, or fails it with what Lambda says.
    pub fn action(&self) -> Action {
        let failed = self.response_context.as_ref().is_some_and(|it| it.function_error.is_some());
        if self.request_context.condition == "Success" && !failed {
            return Action::complete(self.reply_to(), &self.response_payload);
        }
        #[derive(Default, Deserialize)]
        struct Said {
            #[serde(default, rename = "errorMessage")]
            message: String,
        }
        let said: Said = self.response_payload.read().unwrap_or_default();
        let separator = if said.message.is_empty() { "" } else { ": " };
        let reason = format!("{}{separator}{}", self.request_context.condition, said.message);
        Action::fail(self.reply_to(), reason)
    }
}

impl<Req: DeserializeOwned> Call<Req> {
    /// Reads an invocation's payload, where no runtime does it.
    ///
    /// ```
    /// use everstep::invoke::Call;
    ///
    /// let payload = br#"{
    ///     "everstep": { "idempotency_key": "a key", "reply_to": "p1.order-2.1.scan.1" },
    ///     "request": "cat.jpg"
    /// }"#;
    /// let call = Call::<String>::from_payload(payload)?;
    /// assert_eq!((&*call.request, call.idempotency_key()), ("cat.jpg", "a key"));
    /// assert_eq!(call.reply_to().execution().as_str(), "order-2");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// It is none of a [`Lambda::send`](super::Lambda::send), or the request is no `Req`.
    pub fn from_payload(payload: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> PromiseToken {
        "p1.order-2.1.scan.1".parse().expect("a token")
    }

    #[test]
    fn a_call_is_read_as_it_was_sent() {
        let sent = envelope(&("a", 7), "key".to_owned(), &token());
        let payload = serde_json::to_vec(&sent).unwrap();
        let call = Call::<(String, u32)>::from_payload(&payload).unwrap();
        assert_eq!(call.request, ("a".to_owned(), 7));
        assert_eq!((call.idempotency_key(), call.reply_to()), ("key", &token()));
        assert!(Call::<u32>::from_payload(&payload).is_err(), "the request is no number");
        assert!(Call::<u32>::from_payload(b"7").is_err(), "no envelope");
    }

    /// As <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html> shows
    /// them.
    #[test]
    fn a_destination_s_record_is_what_the_promise_gets() {
        let action = |condition: &str, rest: &str| {
            let payload = serde_json::to_string(&envelope(&1, "key".to_owned(), &token())).unwrap();
            let record = format!(
                r#"{{"version":"1.0","timestamp":"2026-11-14T18:16:05.568Z","requestContext":{{"requestId":"e4b46cbf","functionArn":"arn:aws:lambda:us-east-2:123456789012:function:scan:$LATEST","condition":"{condition}","approximateInvokeCount":3}},"requestPayload":{payload},{rest}}}"#
            );
            let report: Report = serde_json::from_str(&record).unwrap();
            assert_eq!(report.reply_to(), &token());
            format!("{:?}", report.action())
        };
        let done = action(
            "Success",
            r#""responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":{"clean":true}"#,
        );
        assert!(done.contains("Complete") && done.contains("clean"), "{done}");
        let failed = action(
            "RetriesExhausted",
            r#""responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"it is broken"}"#,
        );
        assert!(failed.contains("RetriesExhausted: it is broken"), "{failed}");
        let late = action("EventAgeExceeded", r#""responsePayload":null"#);
        assert!(late.contains("Fail") && late.contains("EventAgeExceeded"), "{late}");
    }
}
