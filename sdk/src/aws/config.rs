//! The AWS SDK's configuration: the standard environment, our HTTP client and time-outs.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls;

/// How long a connection may take to open. Within a region it takes milliseconds.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// How long one try of a call may take. DynamoDB answers in milliseconds; one that takes longer
/// is better tried again on another connection.
const ATTEMPT_MAX: Duration = Duration::from_secs(5);

/// How long a call may take with all its tries, before it is reported as unavailable and the
/// caller decides.
const OPERATION_MAX: Duration = Duration::from_secs(15);

/// How long the second try of a call waits at most; each further one twice as long. Other SDKs
/// of AWS wait 25 to 50 ms for DynamoDB, the Rust SDK a second unless told otherwise.
const BACKOFF: Duration = Duration::from_millis(50);

/// The configuration from the standard AWS environment, with an HTTPS client that needs nothing
/// of the system, the SDK's standard retries (3 tries) and time-outs (2 s to connect, 5 s a try,
/// 15 s a call).
///
/// Neither a missing region nor missing credentials are errors here: they show at first use.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::aws::{DynamoStore, load_config};
///
/// let config = load_config().await;
/// if config.region().is_none() {
///     eprintln!("set AWS_REGION");
/// }
/// let store = DynamoStore::new(&config, "orders")?; // an error without a region
/// # let _ = store;
/// # Ok(()) }
/// ```
pub async fn load_config() -> SdkConfig {
    let http_client = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_MAX)
        .operation_attempt_timeout(ATTEMPT_MAX)
        .operation_timeout(OPERATION_MAX)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client)
        .retry_config(RetryConfig::standard().with_initial_backoff(BACKOFF))
        .timeout_config(timeouts)
        .load()
        .await
}

/// How long a call may take: the longest time-out of a function, 15 minutes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), and some.
#[cfg(feature = "lambda-invoke")]
const CALL_MAX: Duration = Duration::from_secs(15 * 60 + 20);

/// A client of Lambda whose calls are made once, and may take as long as a function may: whoever gave up
/// on one that takes long and called again would have its work done twice.
#[cfg(feature = "lambda-invoke")]
pub(crate) fn patient_lambda(config: &SdkConfig) -> aws_sdk_lambda::Client {
    let times = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(CALL_MAX)
        .operation_attempt_timeout(CALL_MAX)
        .operation_timeout(CALL_MAX);
    let config = aws_sdk_lambda::config::Builder::from(config)
        .retry_config(RetryConfig::disabled())
        .timeout_config(times.build());
    aws_sdk_lambda::Client::from_conf(config.build())
}
