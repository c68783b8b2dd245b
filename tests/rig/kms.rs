//! Data keys of AWS KMS.
//!
//! ministack's KMS makes and unwraps data keys, checks the encryption context, the state of keys and,
//! with `AUTH=true`, IAM policies. It differs from AWS's in this: a data key is not authenticated, so one
//! that was changed is unwrapped to another one, and with it nothing can be read; a `Decrypt` that names
//! another key does the same, where AWS answers `IncorrectKeyException`; and policies do not know the
//! condition `kms:EncryptionContext:NAME`.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use everstep::aws::KmsKeys;
use everstep::backend::BackendError;
use everstep::client::{OnConflict, StartError};
use everstep::payload::{
    Encryption, Folder, KeyProvider, MemoryPayloads, PayloadError, PayloadStore, Payloads,
    PayloadsError,
};
use everstep::prelude::*;
use everstep::store::{Status, StoreError};
use everstep::testing::faults::{Fate, Faults, FaultyQueue};
use everstep::{Backend, ExecutionId};
use everstep_tests::aws::{Call, calls};
use everstep_tests::dynamodb::config_at;
use everstep_tests::ministack::Ministack;
use everstep_tests::proxy::{Fault, Proxy};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// A rig with a key, `alias/orders`, and the key's ARN.
async fn rig() -> (Ministack, SdkConfig, String) {
    let rig = Ministack::start().await;
    let arn = new_key(&rig);
    alias(&rig, "create_alias", &arn);
    let config = config_at(rig.url()).await;
    (rig, config, arn)
}

fn call(rig: &Ministack, operation: &str, with: Value) -> Value {
    calls(rig, &[("kms", operation, with)]).remove(0)
}

fn new_key(rig: &Ministack) -> String {
    let made = call(rig, "create_key", json!({}));
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

fn alias(rig: &Ministack, operation: &str, arn: &str) {
    let _ = call(rig, operation, json!({ "AliasName": "alias/orders", "TargetKeyId": arn }));
}

fn order(number: u32) -> ExecutionId {
    ExecutionId::new(format!("order-{number}")).unwrap()
}

#[tokio::test]
async fn a_data_key_is_unwrapped_for_its_execution_and_for_no_other() {
    let (_rig, config, arn) = rig().await;
    let id = arn.rsplit('/').next().unwrap().to_owned();
    let alias_arn = arn.replace(&format!("key/{id}"), "alias/orders");
    for key in ["alias/orders", &alias_arn, &id, &arn] {
        let keys = KmsKeys::new(&config, key).unwrap();
        let made = keys.generate_data_key(&order(1)).await.unwrap();
        let other = keys.generate_data_key(&order(1)).await.unwrap();
        assert_ne!(made.plain, other.plain);
        assert_ne!(made.wrapped, made.plain);
        assert_eq!(keys.unwrap(&order(1), &made.wrapped).await.unwrap(), made.plain);
        let error = keys.unwrap(&order(2), &made.wrapped).await.unwrap_err();
        let PayloadError::Damaged { problem } = &error else { panic!("{error:?}") };
        assert!(problem.contains("order-2"), "{problem}");
    }
}

#[tokio::test]
async fn an_alias_may_move_to_another_key_and_what_was_wrapped_before_is_unwrapped() {
    let (rig, config, _) = rig().await;
    let keys = KmsKeys::new(&config, "alias/orders").unwrap();
    let old = keys.generate_data_key(&order(1)).await.unwrap();
    let second = new_key(&rig);
    alias(&rig, "update_alias", &second);
    let new = keys.generate_data_key(&order(1)).await.unwrap();
    assert_eq!(keys.unwrap(&order(1), &old.wrapped).await.unwrap(), old.plain);
    let named = KmsKeys::new(&config, second).unwrap();
    assert_eq!(named.unwrap(&order(1), &new.wrapped).await.unwrap(), new.plain);
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_a_sentence_that_says_what_to_do() {
    let (rig, config, arn) = rig().await;
    let signs = json!({ "KeyUsage": "GENERATE_VERIFY_MAC", "KeySpec": "HMAC_256" });
    let signs = call(&rig, "create_key", signs)["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let dying = new_key(&rig);
    let keys = KmsKeys::new(&config, &arn).unwrap();
    let made = keys.generate_data_key(&order(1)).await.unwrap();
    let _ = call(&rig, "disable_key", json!({ "KeyId": arn }));
    let _ = call(&rig, "schedule_key_deletion", json!({ "KeyId": dying }));
    let nowhere = arn.replace("0", "1");
    for (key, says) in [
        (&*arn, "is disabled: enable it"),
        (&dying, "cancel its deletion"),
        (&signs, "name a symmetric key for encryption"),
        ("alias/nowhere", "does not exist: create it"),
        (&nowhere, "does not exist: create it"),
    ] {
        let keys = KmsKeys::new(&config, key).unwrap();
        let error = keys.generate_data_key(&order(1)).await.unwrap_err();
        let PayloadError::Unusable { remedy, .. } = &error else { panic!("{key}: {error:?}") };
        assert!(remedy.contains(key) && remedy.contains(says), "{remedy}");
    }
    let error = keys.unwrap(&order(1), &made.wrapped).await.unwrap_err();
    assert!(matches!(error, PayloadError::Unusable { .. }), "{error:?}");
    let error = keys.unwrap(&order(1), b"no ciphertext of KMS").await.unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_tried_again() {
    let (rig, config, arn) = rig().await;
    drop(rig);
    let keys = KmsKeys::new(&config, arn).unwrap();
    let error = keys.generate_data_key(&order(1)).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}

/// Whoever prints an error as `{:?}` prints its causes.
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_in_no_error() {
    let (rig, _, arn) = rig().await;
    let proxy = Proxy::start(rig.url()).await;
    let keys = KmsKeys::new(&config_at(proxy.url()).await, arn).unwrap();
    let body = r#"{"Plaintext":"c2VjcmV0","CiphertextBlob":7}"#.to_owned();
    proxy.fail("GenerateDataKey", 9, Fault::Answer { status: 200, body });
    let error = keys.generate_data_key(&order(1)).await.unwrap_err();
    assert!(proxy.faults_left() < 9, "it was answered");
    assert!(!format!("{error:?}").contains("c2VjcmV0"), "{error}");
}

/// A user whom this policy allows what it says, and nothing else.
fn user(rig: &Ministack, policy: &Value) -> Credentials {
    let name = "program";
    let policy = json!({ "Version": "2012-10-17", "Statement": policy });
    let asked: [Call<'_>; 3] = [
        ("iam", "create_user", json!({ "UserName": name })),
        (
            "iam",
            "put_user_policy",
            json!({
                "UserName": name, "PolicyName": "all", "PolicyDocument": policy.to_string(),
            }),
        ),
        ("iam", "create_access_key", json!({ "UserName": name })),
    ];
    let made = calls(rig, &asked).remove(2);
    let text = |key: &str| made["AccessKey"][key].as_str().unwrap().to_owned();
    Credentials::new(text("AccessKeyId"), text("SecretAccessKey"), None, None, "everstep-tests")
}

#[tokio::test]
async fn the_policy_of_the_page_is_enough_and_less_is_denied_in_a_sentence() {
    let page = include_str!("../../docs/guide/payloads.md");
    let policy = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
    let policy: Value = serde_json::from_str(policy.expect("a policy")).unwrap();
    let rig = Ministack::start_with(&[("AUTH", "true")]).await;
    let arn = new_key(&rig);
    let other = new_key(&rig);
    let mut policy = policy;
    policy["Resource"] = json!(arn);
    // What the rig does not know, and AWS asks for.
    let condition = policy.as_object_mut().unwrap().remove("Condition").unwrap();
    assert_eq!(condition["StringEquals"]["kms:EncryptionContext:everstep"], "data-key");
    let credentials = SharedCredentialsProvider::new(user(&rig, &policy));
    let config = config_at(rig.url()).await;
    let config = config.into_builder().credentials_provider(credentials).build();

    let keys = KmsKeys::new(&config, &arn).unwrap();
    let made = keys.generate_data_key(&order(1)).await.unwrap();
    assert_eq!(keys.unwrap(&order(1), &made.wrapped).await.unwrap(), made.plain);
    let error = KmsKeys::new(&config, &other).unwrap();
    let error = error.generate_data_key(&order(1)).await.unwrap_err();
    let PayloadError::Unusable { remedy, .. } = &error else { panic!("{error:?}") };
    let says = "may not use key";
    assert!(
        remedy.contains(says) && remedy.contains("allow kms:GenerateDataKey on it"),
        "{remedy}"
    );
}

#[step]
async fn charge(cents: u32) -> everstep::Result<String> {
    Ok(format!("receipt over {cents}"))
}

#[workflow]
async fn pay(cents: u32) -> everstep::Result<String> {
    let receipt = charge(cents).await?;
    sleep(seconds(1)).await;
    Ok(receipt)
}

/// A backend in memory with blobs that others share, as a program of its own has it.
fn program(config: &SdkConfig, base: &Backend, blobs: &MemoryPayloads) -> Backend {
    let keys = KmsKeys::new(config, "alias/orders").unwrap();
    let blobs: Arc<dyn PayloadStore> = Arc::new(blobs.clone());
    base.clone().with_payloads(Payloads::of(blobs).codec(Encryption::new(keys)))
}

#[tokio::test]
async fn a_key_that_is_disabled_is_no_outcome_and_goes_on_when_it_is_enabled() {
    let (rig, config, arn) = rig().await;
    let (base, blobs) = (Backend::memory(), MemoryPayloads::new());
    let client = Client::new(&program(&config, &base, &blobs));
    program(&config, &base, &blobs).setup().await.unwrap();
    assert_eq!(blobs.list(&Folder::of(&order(1))).await.unwrap(), [], "setup leaves nothing");
    let handle = client.start(pay, 100).id("order-1").await.unwrap();

    let _ = call(&rig, "disable_key", json!({ "KeyId": arn }));
    let error = program(&config, &base, &blobs).setup().await.unwrap_err();
    assert!(matches!(error, BackendError::Payloads(PayloadsError::Store(_))), "{error:?}");
    let error = client.start(pay, 100).id("order-2").await.unwrap_err();
    let StartError::Store { source: StoreError::Payload(error), .. } = error else {
        panic!("{error:?}")
    };
    assert!(error.to_string().contains("enable it"), "{error}");
    // A host that has not met the execution cannot read it, and does not end it for that.
    let host_on = |base| App::new().workflow(pay).backend(program(&config, base, &blobs)).worker();
    let given_back = Arc::new(Notify::new());
    let given = Arc::clone(&given_back);
    let seen = Faults::by(move |call| {
        if call.name == "queue.keep" {
            given.notify_one();
        }
        Fate::Proceed
    });
    let mut watched = base.clone();
    watched.queue = Arc::new(FaultyQueue::new(Arc::clone(&base.queue), &seen));
    host_on(&watched).await.unwrap().run_until(given_back.notified()).await.unwrap();
    let status = client.describe(handle.id()).await.unwrap().projection.status;
    assert_eq!(status, Status::Running);

    let _ = call(&rig, "enable_key", json!({ "KeyId": arn }));
    let host = || host_on(&base);
    let receipt = host().await.unwrap().run_until(handle.result()).await.unwrap().unwrap();
    assert_eq!(receipt, "receipt over 100");
    let erased = client.erase(handle.id()).await.unwrap();
    assert_eq!((erased.key, erased.readable), (true, 0));
    let again = client.start(pay, 7).id("order-1").on_conflict(OnConflict::Restart).await.unwrap();
    let receipt = host().await.unwrap().run_until(again.result()).await.unwrap().unwrap();
    assert_eq!(receipt, "receipt over 7");
}
