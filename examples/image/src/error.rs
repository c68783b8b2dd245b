//! Why a picture has no renditions.

use everstep::prelude::*;
use serde::{Deserialize, Serialize};

use crate::objects::ObjectError;
use crate::picture::{BYTES_MAX, PIXELS_MAX};

/// Why a picture has no renditions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum PictureError {
    /// It is something else.
    #[error("this file is no picture: only JPEG and PNG are known")]
    NoPicture,
    /// It begins as a picture and is none.
    #[error("this picture is damaged: {problem}")]
    Damaged {
        /// What is wrong with it.
        problem: String,
    },
    /// The file has too many bytes.
    #[error("this file has {bytes} bytes, and {BYTES_MAX} are the most that is read")]
    TooLarge {
        /// How many.
        bytes: u64,
    },
    /// It would be too large in memory. A file of a few bytes can be that.
    #[error(
        "this picture has {width} x {height} pixels, and {PIXELS_MAX} are the most that is read"
    )]
    TooManyPixels {
        /// From left to right.
        width: u32,
        /// From top to bottom.
        height: u32,
    },
    /// The upload is not there any more.
    #[error("there is no object {key}")]
    Missing {
        /// Its key.
        key: String,
    },
    /// Somebody has to give this program a permission, or to correct its configuration.
    #[error("this program may not do that: {problem}")]
    Refused {
        /// What was refused, and by whom.
        problem: String,
    },
    /// A service or its network: try again.
    #[error("something did not answer: {problem}")]
    NoAnswer {
        /// What was seen.
        problem: String,
    },
    /// The program itself is wrong.
    #[error("this picture cannot be dealt with: {problem}")]
    Broken {
        /// What was seen.
        problem: String,
    },
}

impl PictureError {
    /// What whoever has uploaded the picture is told. What is wrong in here (names of buckets and
    /// functions, what a service has said) is for whoever runs this program: the log has it.
    pub fn reason(&self) -> String {
        match self {
            Self::Refused { .. } | Self::NoAnswer { .. } => {
                "something is wrong here, and not with this file".to_owned()
            }
            _ => self.to_string(),
        }
    }

    /// Whether another attempt may end otherwise. A picture stays what it is.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::NoAnswer { .. })
    }
}

impl From<ObjectError> for PictureError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Missing { key } => Self::Missing { key },
            ObjectError::TooLarge { bytes } => Self::TooLarge { bytes },
            ObjectError::Refused { .. } | ObjectError::Key { .. } => {
                Self::Refused { problem: error.to_string() }
            }
            ObjectError::NoAnswer { .. } => Self::NoAnswer { problem: error.to_string() },
        }
    }
}

/// A step with a time-out fails with its last failure when no attempt is left.
impl From<StepFailure> for PictureError {
    fn from(failure: StepFailure) -> Self {
        Self::NoAnswer { problem: failure.to_string() }
    }
}
