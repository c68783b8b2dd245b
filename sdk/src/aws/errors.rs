//! From the SDK's errors to ours: whether to try again, and otherwise what to do.

use std::error::Error;
use std::fmt;

use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::store::BoxError;

/// What a failed call means to its caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not now, or nobody knows: the reason.
    Later(String),
    /// Not until somebody has done something: what.
    Never(String),
}

/// A table or queue, as the sentences name it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    kind: &'static str,
    name: String,
    region: String,
    endpoint: Option<String>,
}

impl Place {
    /// The table or queue `name` that a client with this configuration uses.
    ///
    /// # Errors
    /// What to do, if the configuration has no region.
    pub(super) fn new(kind: &'static str, name: &str, config: &SdkConfig) -> Result<Self, String> {
        let Some(region) = config.region() else {
            return Err(format!(
                "no AWS region is set for {kind} {name:?}: set AWS_REGION, or a region in the \
                 AWS profile"
            ));
        };
        Ok(Self {
            kind,
            name: name.to_owned(),
            region: region.to_string(),
            endpoint: config.endpoint_url().map(str::to_owned),
        })
    }

    /// Another of the same kind, as the same client sees it.
    pub(super) fn beside(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} in region {}", self.kind, self.name, self.region)?;
        match &self.endpoint {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => Ok(()),
        }
    }
}

/// What `error` means for a call of `action` (`"dynamodb:PutItem"`) on `place`.
pub(super) fn classify<E>(
    action: &'static str,
    place: &Place,
    error: &SdkError<E, HttpResponse>,
) -> Fault
where
    E: Error + ProvideErrorMetadata + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let error = service.err();
            let status = service.raw().status().as_u16();
            service_fault(action, place, status, error.code(), error.message())
        }
        SdkError::TimeoutError(_) => Fault::Later(format!("{action} on {place} timed out")),
        // An answer that is no AWS answer: something between us and AWS, a proxy or a balancer.
        SdkError::ResponseError(_) => {
            Fault::Later(format!("the answer to {action} on {place} cannot be read"))
        }
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            match credentials_error(error) {
                Some(CredentialsError::ProviderTimedOut(_)) => {
                    Fault::Later(format!("AWS credentials for {place} came too late"))
                }
                Some(_) => Fault::Never(format!(
                    "there are no AWS credentials for {place}: set AWS_PROFILE, or \
                     AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this program a role"
                )),
                None if matches!(error, SdkError::ConstructionFailure(_)) => {
                    Fault::Never(format!("{action} on {place} cannot be asked for"))
                }
                None => Fault::Later(format!("{place} cannot be reached for {action}")),
            }
        }
        _ => Fault::Later(format!("{action} on {place} failed")),
    }
}

/// What an error answer of the service means.
fn service_fault(
    action: &str,
    place: &Place,
    status: u16,
    code: Option<&str>,
    message: Option<&str>,
) -> Fault {
    // Some codes of SQS still have the prefix of its old protocol.
    let code = code.unwrap_or_default();
    let code = code.rsplit_once('.').map_or(code, |(_, last)| last);
    match code {
        "ResourceNotFoundException" | "QueueDoesNotExist" | "NonExistentQueue" => {
            Fault::Never(format!(
                "{place} does not exist: create it with `everstep setup`, or correct \
                 EVERSTEP_URL or AWS_REGION"
            ))
        }
        "AccessDeniedException" | "AccessDenied" | "AuthorizationError" => Fault::Never(format!(
            "this program may not use {place}: allow {action} in its IAM policy"
        )),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken"
        | "ExpiredTokenException" => Fault::Never(format!(
            "AWS does not accept the credentials for {place} ({code}): check AWS_PROFILE or the \
             AWS_ACCESS_KEY_ID this program runs with, and its clock"
        )),
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestLimitExceeded"
        | "ProvisionedThroughputExceededException"
        | "TransactionConflictException"
        | "TransactionInProgressException"
        | "LimitExceededException"
        | "OverLimit"
        | "QueueDeletedRecently"
        | "RequestTimeout"
        | "RequestTimeoutException" => Fault::Later(format!("{action} on {place}: {code}")),
        _ if status >= 500 || status == 429 => {
            Fault::Later(format!("{action} on {place}: {code} (HTTP status {status})"))
        }
        "ValidationException" => Fault::Never(format!(
            "{place} does not take {action}: {}; if another program made it, choose another name \
             and run `everstep setup`",
            message.unwrap_or("no reason given")
        )),
        _ => Fault::Never(format!(
            "{place} refuses {action}: {code} (HTTP status {status}): {}",
            message.unwrap_or("no reason given")
        )),
    }
}

/// What the error of a failed call says, as the source of ours: the words of each of its causes, and
/// nothing else that it holds.
///
/// An error of the SDK has the raw answer in it, and one of DynamoDB the items that were in the way.
/// Whoever prints it as `{:?}` prints payloads with it, or a plain key.
pub(super) fn cause(error: &(dyn Error + 'static)) -> BoxError {
    Box::new(Said::by(error))
}

/// The same in a line.
pub(crate) fn words(error: &(dyn Error + 'static)) -> String {
    let causes =
        std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What an error has said, and its causes.
#[derive(Debug)]
struct Said {
    says: String,
    source: Option<Box<Self>>,
}

impl Said {
    fn by(error: &(dyn Error + 'static)) -> Self {
        let source = error.source().map(|source| Box::new(Self::by(source)));
        Self { says: error.to_string(), source }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

impl Error for Said {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The credentials' part in `error`, if they are its cause.
fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    std::iter::successors(error.source(), |error: &&'a (dyn Error + 'static)| (*error).source())
        .find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::put_item::PutItemError;
    use aws_sdk_dynamodb::types::AttributeValue;
    use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;

    use super::*;
    use crate::aws::DynamoStore;

    fn fault(status: u16, code: &str) -> Fault {
        let place = Place {
            kind: "table",
            name: "orders".into(),
            region: "eu-west-1".into(),
            endpoint: None,
        };
        service_fault("dynamodb:PutItem", &place, status, Some(code), Some("because"))
    }

    fn check_later(status: u16, code: &str) {
        assert!(matches!(fault(status, code), Fault::Later(_)), "{code}");
    }

    #[track_caller]
    fn check_never(status: u16, code: &str, says: &[&str]) {
        let Fault::Never(remedy) = fault(status, code) else { panic!("{code} is retried") };
        for part in says {
            assert!(remedy.contains(part), "{remedy:?} does not say {part:?}");
        }
    }

    #[test]
    fn what_passes_is_tried_again() {
        check_later(400, "ThrottlingException");
        check_later(400, "ProvisionedThroughputExceededException");
        check_later(400, "RequestLimitExceeded");
        check_later(400, "TransactionConflictException");
        check_later(500, "InternalServerError");
        check_later(503, "");
        check_later(429, "anything");
    }

    #[test]
    fn what_needs_a_hand_says_which() {
        let here = ["\"orders\"", "eu-west-1"];
        check_never(400, "ResourceNotFoundException", &here);
        check_never(400, "ResourceNotFoundException", &["everstep setup"]);
        check_never(400, "AWS.SimpleQueueService.NonExistentQueue", &["everstep setup"]);
        check_never(400, "AccessDeniedException", &here);
        check_never(400, "AccessDeniedException", &["dynamodb:PutItem", "IAM"]);
        check_never(400, "UnrecognizedClientException", &["credentials"]);
        check_never(400, "ValidationException", &["because"]);
        check_never(400, "SomethingNew", &["SomethingNew", "because"]);
    }

    /// Each way in which a call fails, with a payload in all that the SDK's error holds.
    fn with_a_payload(payload: &str) -> [SdkError<PutItemError, HttpResponse>; 2] {
        let raw = || HttpResponse::new(400.try_into().expect("a status"), payload.into());
        let refused = ConditionalCheckFailedException::builder()
            .message("the conditional request failed")
            .item("body", AttributeValue::S(payload.to_owned()))
            .build();
        [
            SdkError::service_error(PutItemError::ConditionalCheckFailedException(refused), raw()),
            SdkError::response_error("it is no JSON", raw()),
        ]
    }

    #[test]
    fn an_error_shows_what_was_said_and_no_payload() {
        let config = SdkConfig::builder()
            .region(aws_config::Region::new("eu-west-1"))
            .behavior_version(aws_config::BehaviorVersion::latest())
            .build();
        let store = DynamoStore::new(&config, "orders").expect("a store");
        for (error, says) in
            with_a_payload("4242").into_iter().zip(["the conditional request failed", "no JSON"])
        {
            assert!(format!("{error:?}").contains("4242"), "the SDK hides it: {error:?}");
            let said = words(&error);
            let error = store.failed("dynamodb:PutItem", error);
            let mut shown = vec![said.clone(), format!("{error:?}"), format!("{error:#?}")];
            let mut source = error.source();
            while let Some(cause) = source {
                shown.extend([cause.to_string(), format!("{cause:?}")]);
                source = cause.source();
            }
            assert!(shown.iter().all(|shown| !shown.contains("4242")), "{shown:#?}");
            assert!(said.contains(says), "{said}");
            assert!(shown[1].contains(says), "{}", shown[1]);
        }
    }
}
