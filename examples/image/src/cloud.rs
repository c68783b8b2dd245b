//! AWS: the program as its two Lambda functions, with a bucket of S3 and a topic of SNS.

use std::time::Duration;

use anyhow::Context;
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sns::types::MessageAttributeValue;
use axum::http::Method;
use axum::http::request::Parts;
use everstep::http::Front;
use everstep::invoke::Lambda;
use lambda_runtime::{LambdaEvent, service_fn};

use crate::app;
use crate::arrivals::Arrivals;
use crate::error::PictureError;
use crate::objects::{ObjectError, Objects};
use crate::page::Page;
use crate::picture::BYTES_MAX;
use crate::studio::{Studio, Workshop};
use crate::subscribers::Subscribers;
use crate::thumbnails::{self, Thumbnails};
use crate::workflow::Upload;

/// The bucket, of both functions.
const BUCKET: &str = "IMAGE_BUCKET";

/// The ARN of the topic.
const TOPIC: &str = "IMAGE_TOPIC";

/// The name or ARN of the function that makes thumbnails.
const THUMBNAILS: &str = "IMAGE_THUMBNAILS";

/// Set to `thumbnails`, it makes this program that function.
const FUNCTION: &str = "IMAGE_FUNCTION";

/// How long S3 may take for one object. The configuration's own time-outs are for a few bytes.
const OBJECT_MAX: Duration = Duration::from_secs(30);

/// Runs the program as a Lambda function, until Lambda ends it.
pub async fn run() -> anyhow::Result<()> {
    let config = everstep::aws::load_config().await;
    let workshop = Workshop::new(Objects::S3(Bucket::new(&config, variable(BUCKET)?)));
    if std::env::var(FUNCTION).is_ok_and(|function| function == "thumbnails") {
        return make_thumbnails(workshop).await;
    }
    let objects = workshop.objects.clone();
    let (lambda, name) = (Lambda::new(&config), variable(THUMBNAILS)?);
    let studio = Studio {
        workshop,
        thumbnails: Thumbnails::Function { lambda, name },
        subscribers: Subscribers::Sns(Topic::new(&config, variable(TOPIC)?)),
    };
    let page = Page { objects, arrivals: Arrivals::FromS3 };
    let front = Front::new().merge(page.routes()).allow_if(for_visitors);
    Ok(app(studio).http(front).run().await?)
}

/// The other function.
async fn make_thumbnails(workshop: Workshop) -> anyhow::Result<()> {
    let make = service_fn(move |event: LambdaEvent<Upload>| {
        let workshop = workshop.clone();
        // What is wrong with a picture is a reply, and no failure of this function.
        async move {
            let made = thumbnails::make(&workshop, &event.payload).await;
            Ok::<_, lambda_runtime::Error>(made)
        }
    });
    lambda_runtime::run(make).await.map_err(|error| anyhow::anyhow!(error))
}

/// What strangers may: see the page, upload, and ask for the view of an id that they know. The rest
/// of the interface is for who has AWS's permissions, and uses the command line.
fn for_visitors(request: &Parts) -> bool {
    let path = request.uri.path();
    let of_page = ["/", "/page.css", "/page.js"].contains(&path)
        || ["/uploads/", "/renditions/"].iter().any(|prefix| path.starts_with(prefix));
    let of_view = path.strip_prefix("/executions/").is_some_and(|of| of.ends_with("/view"));
    of_page || (request.method == Method::GET && of_view)
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("failed to read the function's variable {name}"))
}

/// A bucket of S3.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: aws_sdk_s3::Client,
    name: String,
}

impl Bucket {
    /// The bucket of this name. Nothing is asked yet.
    fn new(config: &SdkConfig, name: String) -> Self {
        // What listens at an endpoint of one's own need not know a host's name for each bucket.
        let own =
            config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(OBJECT_MAX)
            .operation_timeout(2 * OBJECT_MAX)
            .build();
        let config = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(own)
            .timeout_config(timeouts)
            .build();
        Self { client: aws_sdk_s3::Client::from_conf(config), name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// See [`Objects::get`].
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, ObjectError> {
        let object = self.client.get_object().bucket(&self.name).key(key).send().await;
        let object = object.map_err(|error| self.problem(key, error))?;
        let bytes = object.content_length().ok_or_else(|| ObjectError::NoAnswer {
            problem: format!("S3 does not say how large {key} is"),
        })?;
        let bytes = bytes.unsigned_abs();
        if bytes > BYTES_MAX {
            return Err(ObjectError::TooLarge { bytes });
        }
        let body = object
            .body
            .collect()
            .await
            .map_err(|error| ObjectError::NoAnswer { problem: words(error) })?;
        Ok(body.into_bytes().into())
    }

    /// See [`Objects::put`].
    pub async fn put(&self, key: &str, body: Vec<u8>, media: &str) -> Result<(), ObjectError> {
        let body = ByteStream::from(body);
        let put = self.client.put_object().bucket(&self.name).key(key).content_type(media);
        put.body(body).send().await.map_err(|error| self.problem(key, error))?;
        Ok(())
    }

    fn problem<E>(&self, key: &str, error: E) -> ObjectError
    where
        E: ProvideErrorMetadata + std::error::Error,
    {
        if error.code() == Some("NoSuchKey") {
            return ObjectError::Missing { key: key.to_owned() };
        }
        match refusal(&error) {
            Some(code) => {
                let problem = format!("S3 refuses {key} in bucket {}: {code}", self.name);
                ObjectError::Refused { problem }
            }
            None => ObjectError::NoAnswer { problem: words(error) },
        }
    }
}

/// A topic of SNS.
#[derive(Debug, Clone)]
pub struct Topic {
    client: aws_sdk_sns::Client,
    arn: String,
}

impl Topic {
    fn new(config: &SdkConfig, arn: String) -> Self {
        Self { client: aws_sdk_sns::Client::new(config), arn }
    }

    /// Publishes a message, with the key as the attribute `idempotency-key`: subscribers can tell
    /// by it that they know the message, and SNS can filter by it.
    pub async fn publish(&self, message: String, key: String) -> Result<(), PictureError> {
        let key = MessageAttributeValue::builder().data_type("String").string_value(key).build();
        let key = key.map_err(|error| PictureError::Broken { problem: error.to_string() })?;
        let publish = self.client.publish().topic_arn(&self.arn).message(message);
        let published = publish.message_attributes("idempotency-key", key).send().await;
        published.map(|_| ()).map_err(|error| match refusal(&error) {
            Some(code) => {
                PictureError::Refused { problem: format!("SNS refuses {}: {code}", self.arn) }
            }
            None => PictureError::NoAnswer { problem: words(error) },
        })
    }
}

/// An error and its causes, without what else it holds: the raw answer has a picture in it.
fn words(error: impl std::error::Error) -> String {
    format!("{:#}", everstep::Error::from(error))
}

/// The code of an error that stays until somebody changes something: a permission, a name, a policy.
fn refusal(error: &impl ProvideErrorMetadata) -> Option<&str> {
    const CODES: [&str; 10] = [
        "AccessDenied",
        "AuthorizationError",
        "AuthorizationErrorException",
        "InvalidParameter",
        "InvalidParameterException",
        "KMSAccessDenied",
        "KMSAccessDeniedException",
        "NoSuchBucket",
        "NotFound",
        "NotFoundException",
    ];
    error.code().filter(|code| CODES.contains(code))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn visitors_have_the_page_and_the_views_of_ids_that_they_know() {
        let may = |method: Method, path: &str| {
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            for_visitors(&request.into_parts().0)
        };
        for path in ["/", "/page.js", "/renditions/a/large.jpg", "/executions/a%2Fb/view"] {
            assert!(may(Method::GET, path), "{path}");
        }
        assert!(may(Method::PUT, "/uploads/a.jpg"));
        // The second is the description of an execution named view.
        for path in ["/executions", "/executions/view", "/executions/a/view/stream", "/view"] {
            assert!(!may(Method::GET, path), "{path}");
        }
        assert!(!may(Method::POST, "/executions/a/view"));
    }
}
