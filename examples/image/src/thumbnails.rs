//! Who makes thumbnails: another Lambda function. On a laptop it is played by this process.

#[cfg(feature = "aws")]
use everstep::invoke::{InvokeError, Lambda};

use crate::error::PictureError;
use crate::studio::Workshop;
use crate::workflow::{Rendition, Size, Upload};

/// Whom to call for a thumbnail.
#[derive(Debug, Clone)]
pub enum Thumbnails {
    /// This process.
    Here(Workshop),
    /// A Lambda function.
    #[cfg(feature = "aws")]
    Function {
        /// A client of Lambda.
        lambda: Lambda,
        /// The function's name or ARN.
        name: String,
    },
}

impl Thumbnails {
    /// Has the thumbnail of an upload made. What is wrong with a picture is the function's reply,
    /// and told from what is wrong with the function.
    pub async fn call(&self, upload: &Upload) -> Result<Rendition, PictureError> {
        match self {
            Self::Here(workshop) => make(workshop, upload).await,
            #[cfg(feature = "aws")]
            Self::Function { lambda, name } => lambda
                .invoke::<_, Result<Rendition, PictureError>>(name, upload)
                .await
                .unwrap_or_else(|error| Err(error.into())),
        }
    }
}

/// What the other function does.
pub async fn make(workshop: &Workshop, upload: &Upload) -> Result<Rendition, PictureError> {
    workshop.render(upload, Size::Thumbnail).await
}

#[cfg(feature = "aws")]
impl From<InvokeError> for PictureError {
    fn from(error: InvokeError) -> Self {
        let problem = error.to_string();
        if error.is_retryable() { Self::NoAnswer { problem } } else { Self::Refused { problem } }
    }
}
