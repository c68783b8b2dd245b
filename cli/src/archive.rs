//! Where histories go before they are deleted.

use clap::Args;
use everstep::archive::{ARCHIVE_VARIABLE, Archive};
use everstep::backend::BackendError;

use crate::failure::Failure;

/// What a command that deletes is told of the archive: the program that ran an execution may have one,
/// and this command cannot know it.
#[derive(Debug, Args)]
pub(crate) struct Archiving {
    /// Put each history into this archive first: `file:FOLDER` or `s3://BUCKET/PREFIX`, as the program
    /// has it. Without it, that of EVERSTEP_ARCHIVE.
    #[arg(long, value_name = "URL", conflicts_with = "no_archive")]
    archive: Option<String>,

    /// Keep no histories, whatever EVERSTEP_ARCHIVE says: what is deleted is gone.
    #[arg(long)]
    no_archive: bool,
}

impl Archiving {
    /// The archive; `None` if nothing is to be kept.
    ///
    /// # Errors
    /// Nobody has said that nothing is to be kept, and nobody where it is to go.
    pub(crate) async fn open(&self) -> Result<Option<Archive>, Failure> {
        if self.no_archive {
            return Ok(None);
        }
        let named = match &self.archive {
            Some(url) => Some(Archive::from_url(url).await.map_err(BackendError::from)?),
            None => Archive::from_env().await.map_err(BackendError::from)?,
        };
        match named {
            Some(archive) => Ok(Some(archive)),
            None => Err(Failure::usage("nothing says where histories go before they are deleted")
                .todo(format!(
                    "name the archive of the program, with --archive URL or {ARCHIVE_VARIABLE}; or \
                     say --no-archive, and they are gone"
                ))),
        }
    }
}
