//! Which payload store: chosen by a URL, usually that of `EVERSTEP_PAYLOADS`.

use super::{FilePayloads, MemoryPayloads, PayloadError, Payloads};

/// The environment variable that names the payload store.
pub const PAYLOADS_VARIABLE: &str = "EVERSTEP_PAYLOADS";

/// Why there are no [`Payloads`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadsError {
    /// The URL is not one: correct it.
    #[error(
        "{url:?} names no payload store ({problem}): use `file:FOLDER`, with `?threshold=BYTES` behind it \
         where that is wanted"
    )]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What the URL names cannot be used.
    #[error(transparent)]
    Store(#[from] PayloadError),
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Parsed<'a> {
    place: Place<'a>,
    threshold: Option<usize>,
}

#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Memory,
    File(&'a str),
}

impl Payloads {
    /// What the variable `EVERSTEP_PAYLOADS` names; without it, [`none`](Self::none).
    ///
    /// | URL | payload store |
    /// |---|---|
    /// | `file:FOLDER` | a folder, made if it is missing |
    /// | `memory:` | this process; gone when it ends |
    ///
    /// Behind it may stand `?threshold=BYTES`; see [`threshold`](Self::threshold).
    ///
    /// # Errors
    /// The variable has another text, or names what cannot be used.
    pub async fn from_env() -> Result<Self, PayloadsError> {
        match std::env::var(PAYLOADS_VARIABLE) {
            Ok(url) if url.is_empty() => Ok(Self::none()),
            Ok(url) => Self::from_url(&url).await,
            Err(std::env::VarError::NotPresent) => Ok(Self::none()),
            Err(std::env::VarError::NotUnicode(url)) => {
                Err(wrong(&url.to_string_lossy(), "it is no text"))
            }
        }
    }

    /// What `url` names; see [`from_env`](Self::from_env).
    ///
    /// # Errors
    /// See [`from_env`](Self::from_env).
    pub async fn from_url(url: &str) -> Result<Self, PayloadsError> {
        let Parsed { place, threshold } = parse(url)?;
        let mut payloads = match place {
            Place::Memory => Self::new(MemoryPayloads::new()),
            Place::File(folder) => Self::new(FilePayloads::new(folder)),
        };
        if let Some(bytes) = threshold {
            payloads = payloads.threshold(bytes);
        }
        Ok(payloads)
    }
}

fn wrong(url: &str, problem: impl Into<String>) -> PayloadsError {
    PayloadsError::Url { url: url.to_owned(), problem: problem.into() }
}

fn parse(url: &str) -> Result<Parsed<'_>, PayloadsError> {
    let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
    let place = if let Some(folder) = place.strip_prefix("file:") {
        if folder.is_empty() {
            return Err(wrong(url, "it names no folder"));
        }
        Place::File(folder)
    } else if place == "memory:" {
        Place::Memory
    } else {
        return Err(wrong(url, "it begins otherwise"));
    };
    let mut parsed = Parsed { place, threshold: None };
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("threshold", bytes)) => {
                let bytes = bytes.parse().map_err(|_| wrong(url, "a threshold is a number"))?;
                parsed.threshold = Some(bytes);
            }
            _ => return Err(wrong(url, format!("{parameter:?} is no parameter"))),
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_place_and_what_is_done_on_the_way() {
        let parsed = parse("file:/var/payloads?threshold=10").expect("a URL");
        assert_eq!(parsed, Parsed { place: Place::File("/var/payloads"), threshold: Some(10) });
        assert_eq!(parse("memory:").expect("a URL").place, Place::Memory);
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        for (url, problem) in [
            ("", "begins otherwise"),
            ("http://x", "begins otherwise"),
            ("file:", "no folder"),
            ("file:x?threshold=many", "a threshold is a number"),
            ("file:x?size=1", "\"size=1\" is no parameter"),
        ] {
            let error = parse(url).expect_err(url).to_string();
            assert!(error.contains(problem) && error.contains("file:FOLDER"), "{error}");
        }
    }
}
