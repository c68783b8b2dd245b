//! The versions of this function, as Lambda has them: how a wake comes to the one that its run is
//! pinned to.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use serde::Deserialize;

use crate::aws::config::{load_config, patient_lambda};
use crate::aws::errors::{Fault, Place, classify};
use crate::host::Registry;
use crate::turn::{HandOnError, Pin, Versions};
use crate::wake::{HandedBack, HandedOn};

/// What Lambda says to a function of itself
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).
const NAME_VARIABLE: &str = "AWS_LAMBDA_FUNCTION_NAME";
const VERSION_VARIABLE: &str = "AWS_LAMBDA_FUNCTION_VERSION";

/// What this process pins runs to, if its app does so.
pub(super) async fn pin(registry: &Registry) -> Option<Pin> {
    if !registry.pins() {
        return None;
    }
    let version = std::env::var(VERSION_VARIABLE).unwrap_or_default();
    let Some(version) = published(&version) else {
        tracing::warn!(version, "the app pins runs to published versions, and this is none");
        return None;
    };
    let function = std::env::var(NAME_VARIABLE).unwrap_or_default();
    match Published::of(&function, &load_config().await) {
        Ok(versions) => Some(Pin { version, versions: Box::new(versions) }),
        Err(problem) => {
            tracing::error!(problem, "runs are not pinned");
            None
        }
    }
}

/// The number of a published version; `$LATEST` has none.
fn published(version: &str) -> Option<u64> {
    version.parse().ok()
}

/// Those of the function at `place`.
struct Published {
    client: Client,
    place: Place,
}

impl Published {
    fn of(function: &str, config: &SdkConfig) -> Result<Self, String> {
        let place = Place::new("function", function, config)?;
        Ok(Self { client: patient_lambda(config), place })
    }
}

/// What Lambda says of an invocation that has failed.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Failed {
    error_type: String,
    error_message: String,
}

#[async_trait]
impl Versions for Published {
    async fn hand_on(
        &self,
        version: u64,
        handed: &HandedOn,
    ) -> Result<Option<HandedBack>, HandOnError> {
        let failed = |reason: String| HandOnError { version, reason };
        let place = self.place.beside(&format!("{}:{version}", self.place.name()));
        let invoked = self
            .client
            .invoke()
            .function_name(place.name())
            .payload(Blob::new(handed.to_event()))
            .send()
            .await;
        let answer = match invoked {
            Ok(answer) => answer,
            Err(error) => {
                if let Some(InvokeError::ResourceNotFoundException(_)) = error.as_service_error() {
                    return Ok(None);
                }
                return match classify("lambda:InvokeFunction", &place, &error) {
                    Fault::Later(reason) | Fault::Never(reason) => Err(failed(reason)),
                };
            }
        };
        let said = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if answer.function_error.is_some() {
            let Failed { error_type, error_message } =
                serde_json::from_slice(&said).unwrap_or_default();
            return Err(failed(format!("it failed with {error_type}: {error_message}")));
        }
        let back = serde_json::from_slice(&said);
        back.map(Some).map_err(|error| failed(format!("its answer cannot be read: {error}")))
    }
}

#[cfg(test)]
mod tests;
