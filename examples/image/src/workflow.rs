//! The workflow: what becomes of an upload, from its arrival to the word that its renditions are
//! there.

use everstep::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::PictureError;
use crate::studio::Studio;

/// Makes three renditions of an upload here and one in another function, all at once, and tells the
/// subscribers. Whoever looks sees the [`Progress`].
#[workflow]
pub async fn publish_picture(
    State(studio): State<Studio>,
    upload: Upload,
) -> Result<Gallery, PictureError> {
    publish(&Progress::Processing);
    let made = make_renditions(&studio, &upload).await;
    let gallery = match made {
        Ok(gallery) => gallery,
        Err(error) => {
            publish(&Progress::Failed { reason: error.reason() });
            return Err(error);
        }
    };
    publish(&Progress::Complete(gallery.clone()));
    tell_subscribers(&studio, &upload, &gallery).await?;
    Ok(gallery)
}

async fn make_renditions(studio: &Studio, upload: &Upload) -> Result<Gallery, PictureError> {
    let original = inspect(studio, upload).await?; // what is no picture ends here
    let (large, medium, small, thumbnail) = tokio::join!(
        render(studio, upload, Size::Large),
        render(studio, upload, Size::Medium),
        render(studio, upload, Size::Small),
        call_for_thumbnail(studio, upload),
    );
    Ok(Gallery { original, renditions: vec![large?, medium?, small?, thumbnail?] })
}

/// Is it a picture, and one that can be dealt with?
///
/// Like all steps here it is tried for most of a day: whoever has uploaded the picture has done what
/// they can, a service that is away comes back, and to wait costs nothing but the tries.
#[step(skip(studio), retry(max_attempts = 100, max = "10m"), retry_if = PictureError::is_transient)]
pub async fn inspect(studio: &Studio, upload: &Upload) -> Result<Dimensions, PictureError> {
    studio.inspect(upload).await
}

/// Makes a rendition. Its key follows from the upload's: a second attempt writes the same object.
#[step(skip(studio), retry(max_attempts = 100, max = "10m"), retry_if = PictureError::is_transient)]
pub async fn render(
    studio: &Studio,
    upload: &Upload,
    size: Size,
) -> Result<Rendition, PictureError> {
    studio.render(upload, size).await
}

/// Has the thumbnail made by another function.
#[step(skip(studio), timeout = "1m", retry(max_attempts = 100, max = "10m"), retry_if = PictureError::is_transient)]
pub async fn call_for_thumbnail(
    studio: &Studio,
    upload: &Upload,
) -> Result<Rendition, PictureError> {
    studio.thumbnails.call(upload).await
}

/// Tells whoever subscribes, with the step's idempotency key: a repeated word can be told.
#[step(skip(studio), retry(max_attempts = 100, max = "10m"), retry_if = PictureError::is_transient)]
pub async fn tell_subscribers(
    studio: &Studio,
    upload: &Upload,
    gallery: &Gallery,
) -> Result<(), PictureError> {
    studio.subscribers.tell(upload, gallery, idempotency_key()).await
}

/// What was uploaded: the workflow's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// The object's key, which begins with `uploads/`.
    pub key: String,
}

/// What the page shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Progress {
    /// Renditions are being made.
    Processing,
    /// They are there.
    Complete(Gallery),
    /// There will be none.
    Failed {
        /// Why: a sentence for people.
        reason: String,
    },
}

/// What is made of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gallery {
    /// The upload's size.
    pub original: Dimensions,
    /// From the largest to the thumbnail.
    pub renditions: Vec<Rendition>,
}

/// A picture made of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendition {
    /// Which one it is.
    pub size: Size,
    /// The object's key.
    pub key: String,
    /// The size of the picture.
    pub dimensions: Dimensions,
    /// The size of the file.
    pub bytes: usize,
}

/// Width and height, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimensions {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// The sizes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// At most 1280 pixels wide and high.
    Large,
    /// At most 640.
    Medium,
    /// At most 320.
    Small,
    /// A square of at most 160, cut out of the middle.
    Thumbnail,
}

#[cfg(test)]
mod tests {
    use everstep::client::ResultError;
    use everstep::testing::{Env, crash_everywhere};

    use super::*;
    use crate::objects::Objects;
    use crate::studio::Workshop;
    use crate::subscribers::Subscribers;
    use crate::thumbnails::Thumbnails;

    const ORIGINAL: Dimensions = Dimensions { width: 1600, height: 1000 };

    fn rendition(size: Size) -> Rendition {
        let key = format!("renditions/a.jpg/{}.jpg", size.name());
        Rendition { size, key, dimensions: ORIGINAL, bytes: 7 }
    }

    /// A studio that is played.
    fn env() -> Env {
        let objects = Objects::Folder("bucket".into());
        let workshop = Workshop::new(objects.clone());
        let env = Env::new(crate::app(Studio {
            workshop: workshop.clone(),
            thumbnails: Thumbnails::Here(workshop),
            subscribers: Subscribers::Folder(objects),
        }));
        env.mock(inspect, |_| Ok(ORIGINAL));
        env.mock(render, |(_, _, size)| Ok(rendition(size)));
        env.mock(call_for_thumbnail, |_| Ok(rendition(Size::Thumbnail)));
        env.mock(tell_subscribers, |_| Ok(()));
        env
    }

    fn upload() -> Upload {
        Upload { key: "uploads/a.jpg".to_owned() }
    }

    #[test]
    fn an_upload_is_processed_shown_and_told_of() {
        let env = env();
        let picture = env.start(publish_picture, upload());
        let gallery = picture.result().unwrap();
        assert_eq!(gallery.original, ORIGINAL);
        let sizes: Vec<_> = gallery.renditions.iter().map(|rendition| rendition.size).collect();
        assert_eq!(sizes, [Size::Large, Size::Medium, Size::Small, Size::Thumbnail]);
        assert_eq!(picture.view(), Some(Progress::Complete(gallery)));
        assert_eq!((env.runs("render"), env.runs("tell_subscribers")), (3, 1));
    }

    #[test]
    fn what_is_no_picture_fails_at_once_and_says_why() {
        let env = env();
        env.mock(inspect, |_| Err(PictureError::NoPicture));
        let picture = env.start(publish_picture, upload());
        let failure = picture.result().unwrap_err();
        assert!(matches!(failure, ResultError::Failed(PictureError::NoPicture)), "{failure}");
        let reason = PictureError::NoPicture.to_string();
        assert_eq!(picture.view(), Some(Progress::Failed { reason }));
        assert_eq!((env.runs("inspect"), env.runs("render")), (1, 0), "and is tried once");
    }

    #[test]
    fn what_is_wrong_in_here_is_in_the_log_and_not_shown() {
        let env = env();
        env.mock(inspect, |_| Err(PictureError::Refused { problem: "bucket acme".to_owned() }));
        let picture = env.start(publish_picture, upload());
        match picture.result().unwrap_err() {
            ResultError::Failed(PictureError::Refused { problem }) => {
                assert_eq!(problem, "bucket acme");
            }
            failure => panic!("{failure}"),
        }
        let reason = "something is wrong here, and not with this file".to_owned();
        assert_eq!(picture.view(), Some(Progress::Failed { reason }));
    }

    #[test]
    fn a_service_that_is_away_for_a_while_is_asked_again() {
        let env = env();
        let away = || PictureError::NoAnswer { problem: "no route".to_owned() };
        env.fail(call_for_thumbnail, 1..=2, away());
        env.fail(tell_subscribers, 1..=50, away()); // for hours
        let picture = env.start(publish_picture, upload());
        assert!(matches!(picture.view(), Some(Progress::Processing)));
        assert_eq!(picture.result().unwrap().renditions.len(), 4);
        assert_eq!((env.runs("render"), env.runs("call_for_thumbnail")), (3, 3));
        assert_eq!(env.runs("tell_subscribers"), 51);
    }

    #[test]
    fn an_event_that_comes_again_or_another_way_starts_nothing_more() {
        let env = env();
        let event = |bucket: &str, key: &str, name: &str| {
            serde_json::json!({ "Records": [{ "eventSource": "aws:s3", "eventName": name,
                "s3": { "bucket": { "name": bucket }, "object": { "key": key } } }] })
            .to_string()
        };
        let created = event("bucket", "uploads/a+%26+b.jpg", "ObjectCreated:Put");
        let deleted = event("bucket", "uploads/a+%26+b.jpg", "ObjectRemoved:Delete");
        let ours = event("bucket", "renditions/a.jpg/large.jpg", "ObjectCreated:Put");
        let folder = event("bucket", "uploads/", "ObjectCreated:Put");
        let others = event("elsewhere", "uploads/a.jpg", "ObjectCreated:Put");
        let triggers = env.triggers();
        let deliver = |event: &str, id: &str| {
            env.block_on(triggers.deliver(event, id))
                .map(|done| serde_json::to_value(done).unwrap()[0].clone())
        };
        let started = deliver(&created, "1").unwrap();
        assert_eq!(started, serde_json::json!({ "id": "a & b.jpg", "new": true }));
        assert_eq!(deliver(&created, "2").unwrap()["new"], false);
        assert_eq!(deliver(&deleted, "3").unwrap(), "ignored");
        assert_eq!(deliver(&ours, "4").unwrap(), "ignored");
        assert_eq!(deliver(&folder, "6").unwrap(), "ignored");
        let refused = deliver(&others, "5").unwrap_err().to_string();
        assert!(refused.contains("nobody knows the bucket \"elsewhere\""), "{refused}");
    }

    #[test]
    fn a_picture_survives_every_crash() {
        let crashes = crash_everywhere(env, |env| env.start(publish_picture, upload()));
        assert!(crashes.repeated.contains("render#1"), "its key is the same, and its picture");
    }
}
