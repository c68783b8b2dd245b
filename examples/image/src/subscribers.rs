//! Who is told when renditions are there: the subscribers of an SNS topic. On a laptop a file for
//! each message plays them.

use serde::Serialize;

#[cfg(feature = "aws")]
use crate::cloud::Topic;
use crate::error::PictureError;
use crate::objects::Objects;
use crate::workflow::{Gallery, Upload};

/// Whom to tell.
#[derive(Debug, Clone)]
pub enum Subscribers {
    /// A folder, with a file for each message.
    Folder(Objects),
    /// A topic of SNS.
    #[cfg(feature = "aws")]
    Sns(Topic),
}

/// What they are told.
#[derive(Debug, Serialize)]
struct News<'a> {
    /// The upload's key.
    upload: &'a str,
    #[serde(flatten)]
    gallery: &'a Gallery,
}

impl Subscribers {
    /// Tells them that the renditions of an upload are there. Whoever is told twice knows by the
    /// key: it is the same for every attempt.
    pub async fn tell(
        &self,
        upload: &Upload,
        gallery: &Gallery,
        idempotency_key: String,
    ) -> Result<(), PictureError> {
        let news = serde_json::to_string(&News { upload: &upload.key, gallery })
            .map_err(|error| PictureError::Broken { problem: error.to_string() })?;
        match self {
            Self::Folder(objects) => {
                let key = format!("told/{idempotency_key}.json");
                Ok(objects.put(&key, news.into_bytes(), "application/json").await?)
            }
            #[cfg(feature = "aws")]
            Self::Sns(topic) => topic.publish(news, idempotency_key).await,
        }
    }
}
