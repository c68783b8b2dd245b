//! The page: uploads a picture, polls the view of its workflow, and shows the renditions.
//!
//! A file is put through this program, on a laptop and in Lambda alike, and not with a presigned URL
//! past it: one request, no rules for other origins in the bucket, and a limit that Lambda sets
//! anyway. What is larger is stored in the bucket by other means, and starts the same workflow.

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use uuid::Uuid;

use crate::arrivals::Arrivals;
use crate::objects::{JPEG, Objects, RENDITIONS, UPLOADS};
use crate::problem::Problem;

/// The largest file that the page takes, in bytes. In a Lambda function's request it is base64, a
/// third more, and of that 6 MB are the most
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub const UPLOAD_BYTES_MAX: usize = 4_000_000;

/// The longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 120;

/// What the page may load, and do: nothing but what is here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'none'";

/// What the page needs.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where uploads go to and renditions come from.
    pub objects: Objects,
    /// Who says that an upload is there.
    pub arrivals: Arrivals,
}

impl Page {
    /// The page and what it asks for. How far a picture has come it asks the interface beside it.
    pub fn routes(self) -> Router {
        let upload = put(upload).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX));
        Router::new()
            .route("/", get(async || file("text/html", include_str!("page/index.html"))))
            .route("/page.css", get(async || file("text/css", include_str!("page/page.css"))))
            .route("/page.js", get(async || file("text/javascript", include_str!("page/page.js"))))
            .route("/uploads/{name}", upload)
            .route("/renditions/{*key}", get(rendition))
            .with_state(self)
    }
}

fn file(media: &str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, format!("{media}; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, text).into_response()
}

/// Stores a file as a new upload. Each has a key of its own, so that none replaces another.
async fn upload(
    State(page): State<Page>,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let name = file_name(&name)?;
    let body = body?;
    if body.is_empty() {
        return Err(Problem::empty());
    }
    let id = format!("{}-{name}", Uuid::new_v4());
    let key = format!("{UPLOADS}{id}");
    page.objects.put(&key, body.into(), "application/octet-stream").await?;
    // Dies this process here, it tells of the upload when it starts again, as S3 does by itself.
    page.arrivals.tell(&key).await.map_err(|error| Problem::unavailable(&error))?;
    let view = format!("executions/{}/view", utf8_percent_encode(&id, NON_ALPHANUMERIC));
    let body = json!({ "id": id, "view": view }).to_string();
    let headers = [(CONTENT_TYPE, "application/json".to_owned()), (LOCATION, format!("/{view}"))];
    Ok((StatusCode::ACCEPTED, headers, body).into_response())
}

/// A rendition is a JPEG file that was made here. Uploads are shown to nobody: what is in them, and
/// what a browser would take it for, is a stranger's choice.
async fn rendition(State(page): State<Page>, Path(key): Path<String>) -> Result<Response, Problem> {
    let body = page.objects.get(&format!("{RENDITIONS}{key}")).await?;
    // A key's rendition is always the same.
    let headers = [(CONTENT_TYPE, JPEG), (CACHE_CONTROL, "private, max-age=31536000, immutable")];
    Ok((headers, body).into_response())
}

/// A file's name as a part of a key and of an execution's id.
fn file_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let rule = format!("a name has 1 to {NAME_BYTES_MAX} bytes");
        return Err(Problem::name(&rule));
    }
    if name.contains(char::is_control) {
        return Err(Problem::name("a name has no control characters"));
    }
    Ok(name.replace(['/', '\\', ':'], "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_key() {
        assert_eq!(file_name(" tea & <b>cups</b>.png ").unwrap(), "tea & <b>cups<_b>.png");
        assert_eq!(file_name("C:\\a/../b").unwrap(), "C__a_.._b");
        for refused in ["", "   ", "a\nb", "\u{7f}", &"n".repeat(121)] {
            assert!(file_name(refused).is_err(), "{refused:?}");
        }
    }
}
