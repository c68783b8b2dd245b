//! How it is known that an upload has arrived: S3 says so. On a laptop this process plays S3, with
//! the same event, which takes the same way.

use std::path::Path;

use everstep::trigger::{DeliverError, Done, TriggerError, Triggers};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::objects::uploads;

/// Who says that an upload is there.
#[derive(Debug, Clone)]
pub enum Arrivals {
    /// This process.
    Here {
        /// What the program does with events.
        triggers: Triggers,
        /// The name of what plays the bucket.
        bucket: String,
    },
    /// S3 does, by its notifications.
    #[cfg(feature = "aws")]
    FromS3,
}

impl Arrivals {
    /// Tells the program of an upload, unless S3 does. To be told twice starts nothing twice.
    pub async fn tell(&self, key: &str) -> Result<Vec<Done>, DeliverError> {
        match self {
            Self::Here { triggers, bucket } => {
                let key = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
                let event = json!({ "Records": [{
                    "eventSource": "aws:s3",
                    "eventName": "ObjectCreated:Put",
                    "s3": { "bucket": { "name": bucket }, "object": { "key": key } },
                }] });
                triggers.deliver(&event.to_string(), &key).await
            }
            #[cfg(feature = "aws")]
            Self::FromS3 => Ok(Vec::new()),
        }
    }

    /// Tells of everything in a folder: nothing that arrived is lost with a process that died before
    /// it has told.
    pub async fn tell_of_all(&self, folder: &Path) -> anyhow::Result<()> {
        for key in uploads(folder)? {
            match self.tell(&key).await {
                // No execution can have this name. Those of the others can.
                Err(DeliverError::Trigger(TriggerError::InvalidId(error))) => {
                    tracing::warn!(%key, %error, "this upload starts nothing");
                }
                told => {
                    told?;
                }
            }
        }
        Ok(())
    }
}
