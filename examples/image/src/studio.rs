//! What the workflow needs of this process: where objects are, who makes the thumbnail, who is told,
//! and how many pictures are dealt with at once.

use std::num::NonZero;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::PictureError;
use crate::objects::{JPEG, Objects, RENDITIONS, UPLOADS};
use crate::picture;
use crate::subscribers::Subscribers;
use crate::thumbnails::Thumbnails;
use crate::workflow::{Dimensions, Rendition, Size, Upload};

/// What the workflow needs.
#[derive(Debug, Clone)]
pub struct Studio {
    /// Makes renditions.
    pub workshop: Workshop,
    /// The other function.
    pub thumbnails: Thumbnails,
    /// Who is told.
    pub subscribers: Subscribers,
}

impl Studio {
    /// The size of an upload, if it is a picture.
    pub async fn inspect(&self, upload: &Upload) -> Result<Dimensions, PictureError> {
        self.workshop.work(upload, picture::inspect).await
    }

    /// Makes a rendition here.
    pub async fn render(&self, upload: &Upload, size: Size) -> Result<Rendition, PictureError> {
        self.workshop.render(upload, size).await
    }
}

/// Where renditions are made.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// Where uploads come from and renditions go to.
    pub objects: Objects,
    /// A place for each processor: who works on a picture keeps a processor busy, and up to 300 MB
    /// of memory.
    places: Arc<Semaphore>,
}

impl Workshop {
    /// One with as many places as this machine has processors.
    pub fn new(objects: Objects) -> Self {
        let places = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { objects, places: Arc::new(Semaphore::new(places)) }
    }

    /// Makes a rendition, and stores it under a key that follows from the upload's.
    pub async fn render(&self, upload: &Upload, size: Size) -> Result<Rendition, PictureError> {
        let scaled = self.work(upload, move |file| picture::scale(file, size)).await?;
        let name = upload.key.strip_prefix(UPLOADS).unwrap_or(&upload.key);
        let key = format!("{RENDITIONS}{name}/{}.jpg", size.name());
        let bytes = scaled.jpeg.len();
        self.objects.put(&key, scaled.jpeg, JPEG).await?;
        Ok(Rendition { size, key, dimensions: scaled.dimensions, bytes })
    }

    /// Works on an upload's file, on a thread of its own: the runtime's have leases to keep.
    ///
    /// Dropped, it does not wait for the thread, which ends its work for nobody.
    async fn work<T: Send + 'static>(
        &self,
        upload: &Upload,
        work: impl FnOnce(&[u8]) -> Result<T, PictureError> + Send + 'static,
    ) -> Result<T, PictureError> {
        let broken = |problem: &dyn ToString| PictureError::Broken { problem: problem.to_string() };
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|e| broken(&e))?;
        let file = self.objects.get(&upload.key).await?;
        let worked = tokio::task::spawn_blocking(move || {
            let _place = place; // given back when the work is done, not when nobody waits any more
            work(&file)
        });
        worked.await.unwrap_or_else(|died| Err(broken(&died)))
    }
}
