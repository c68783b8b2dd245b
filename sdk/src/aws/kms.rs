//! Data keys of AWS KMS.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;

use super::errors::{Fault, Place, cause, classify};
use crate::id::ExecutionId;
use crate::payload::{DataKey, KeyProvider, PayloadError};

/// A [`KeyProvider`] whose data keys are wrapped by a key of AWS KMS, which never leaves it.
///
/// A new data key is a call of
/// [`GenerateDataKey`](https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html)
/// (`AES_256`), and one that is not in memory a call of
/// [`Decrypt`](https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html), both with the
/// [encryption context](https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html)
/// `everstep=data-key`, `execution=ID`. It is in CloudTrail in plain text, so no secret belongs into an
/// execution's id. The program's role needs `kms:GenerateDataKey` and `kms:Decrypt` on the key, by an
/// IAM policy that the key's own policy lets count.
///
/// What KMS does not answer, throttles or fails at is [`PayloadError::Unavailable`], after the tries of
/// the SDK; a key that is missing, disabled, about to be deleted, of another kind, or not this program's
/// to use is [`PayloadError::Unusable`], and says what to do.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::aws::{KmsKeys, S3Payloads, load_config};
/// use everstep::payload::{Encryption, Payloads};
///
/// let config = load_config().await;
/// let keys = KmsKeys::new(&config, "alias/orders")?;
/// let store = S3Payloads::new(&config, "my-bucket", "payloads")?;
/// let payloads = Payloads::new(store).codec(Encryption::new(keys)); // for `App::payloads`
/// # let _ = payloads;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct KmsKeys {
    client: Client,
    key: String,
    place: Place,
}

impl KmsKeys {
    /// With the symmetric key `key`: `alias/NAME`, a key's id, or the ARN of either. Nothing is asked
    /// yet.
    ///
    /// With an id, or a key's ARN, only that key unwraps data keys. An alias may come to mean another
    /// key: then that one wraps new data keys, and those before are unwrapped by the key that wrapped
    /// them, as long as the program may use it.
    ///
    /// # Errors
    /// The configuration has no region.
    pub fn new(config: &SdkConfig, key: impl Into<String>) -> Result<Self, PayloadError> {
        let key = key.into();
        let place = Place::new("key", &key, config)
            .map_err(|remedy| PayloadError::Unusable { remedy, source: None })?;
        Ok(Self { client: Client::new(config), key, place })
    }

    /// The key that must have wrapped a data key; `None` if any may have.
    fn only(&self) -> Option<&str> {
        let is_alias = self.key.starts_with("alias/") || self.key.contains(":alias/");
        (!is_alias).then_some(&*self.key)
    }

    fn failed<E>(
        &self,
        action: &'static str,
        execution: &ExecutionId,
        error: SdkError<E, HttpResponse>,
    ) -> PayloadError
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let place = &self.place;
        let remedy = match error.code().unwrap_or_default() {
            "NotFoundException" => {
                format!("{place} does not exist: create it, or name another, or its region")
            }
            "DisabledException" => format!("{place} is disabled: enable it"),
            "KMSInvalidStateException" => format!(
                "{place} cannot be used in its state ({}): cancel its deletion, or import its \
                 material",
                error.message().unwrap_or("no reason given")
            ),
            "InvalidKeyUsageException" | "UnsupportedOperationException" => {
                format!("{place} makes no data keys: name a symmetric key for encryption")
            }
            "InvalidArnException" => format!(
                "{place} is named by an ARN that KMS does not take: `arn:aws:kms:REGION:ACCOUNT:key/ID`"
            ),
            "IncorrectKeyException" => format!(
                "the data key of execution {execution} was wrapped with another key than {place}: \
                 name the key of the program that wrote it"
            ),
            "AccessDeniedException" => format!(
                "this program may not use {place}: allow {action} on it in the IAM policy of this \
                 program, and let the key's policy count that"
            ),
            // Of this one data key, so the others are not at stake.
            "InvalidCiphertextException" => {
                return PayloadError::damaged(format!(
                    "the data key of execution {execution} is none that KMS has wrapped for it"
                ));
            }
            _ => match classify(action, place, &error) {
                Fault::Later(reason) => return PayloadError::unavailable(reason, cause(&error)),
                Fault::Never(remedy) => remedy,
            },
        };
        PayloadError::unusable(remedy, cause(&error))
    }
}

/// The encryption context: a data key is unwrapped for the execution that it was made for, and for
/// nothing else that the account encrypts with this key.
fn context(execution: &ExecutionId) -> HashMap<String, String> {
    let pairs = [("everstep", "data-key"), ("execution", execution.as_str())];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[async_trait]
impl KeyProvider for KmsKeys {
    async fn generate_data_key(&self, execution: &ExecutionId) -> Result<DataKey, PayloadError> {
        let action = "kms:GenerateDataKey";
        let call = self.client.generate_data_key().key_id(&self.key).key_spec(DataKeySpec::Aes256);
        let call = call.set_encryption_context(Some(context(execution)));
        let made = call.send().await.map_err(|error| self.failed(action, execution, error))?;
        let wrapped = made.ciphertext_blob.ok_or_else(|| self.incomplete(action))?;
        let plain = made.plaintext.ok_or_else(|| self.incomplete(action))?;
        Ok(DataKey::new(self.plain(action, plain)?, wrapped.into_inner()))
    }

    async fn unwrap(
        &self,
        execution: &ExecutionId,
        wrapped: &[u8],
    ) -> Result<[u8; 32], PayloadError> {
        let action = "kms:Decrypt";
        let call = self.client.decrypt().ciphertext_blob(Blob::new(wrapped));
        let call = call
            .set_key_id(self.only().map(ToOwned::to_owned))
            .set_encryption_context(Some(context(execution)));
        let answer = call.send().await.map_err(|error| self.failed(action, execution, error))?;
        let plain = answer.plaintext.ok_or_else(|| self.incomplete(action))?;
        self.plain(action, plain)
    }
}

impl KmsKeys {
    fn plain(&self, action: &str, plain: Blob) -> Result<[u8; 32], PayloadError> {
        plain.into_inner().try_into().map_err(|_| self.incomplete(action))
    }

    /// No data key of 32 bytes was answered.
    fn incomplete(&self, action: &str) -> PayloadError {
        let reason = format!("the answer to {action} on {} has no data key", self.place);
        PayloadError::Unavailable { reason, source: None }
    }
}

impl fmt::Debug for KmsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsKeys").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(key: &str) -> KmsKeys {
        let region = aws_config::Region::new("eu-west-1");
        let config = SdkConfig::builder()
            .region(region)
            .behavior_version(aws_config::BehaviorVersion::latest())
            .build();
        KmsKeys::new(&config, key).expect("a region")
    }

    #[test]
    fn only_an_alias_may_come_to_mean_another_key() {
        for key in ["alias/orders", "arn:aws:kms:eu-west-1:123456789012:alias/orders"] {
            assert_eq!(keys(key).only(), None, "{key}");
        }
        let arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        for key in [arn, "1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234abcd"] {
            assert_eq!(keys(key).only(), Some(key));
        }
    }

    #[test]
    fn the_context_is_the_execution_and_what_the_key_is_for() {
        let id = ExecutionId::new("order/7 ü").expect("an id");
        let context = context(&id);
        assert_eq!(context["everstep"], "data-key");
        assert_eq!(context["execution"], "order/7 ü");
        assert_eq!(context.len(), 2);
    }

    #[test]
    fn without_a_region_the_error_says_what_to_set() {
        let config = SdkConfig::builder().build();
        let error = KmsKeys::new(&config, "alias/orders").expect_err("no region").to_string();
        assert!(error.contains("key \"alias/orders\"") && error.contains("AWS_REGION"), "{error}");
    }
}
