//! The backend that `--url` names.

use everstep::archive::Archive;
use everstep::backend::{BackendError, BackendUrl};
use everstep::payload::Payloads;
use everstep::{Backend, Client};

use crate::failure::Failure;

/// Opens what `url` names and is there already: a command that only looks must not make an empty
/// file where a path was mistyped.
pub(crate) async fn existing(url: &str) -> Result<Client, Failure> {
    existing_with(url, None).await
}

/// The same, with the archive into which histories go before they are deleted.
pub(crate) async fn existing_with(url: &str, archive: Option<Archive>) -> Result<Client, Failure> {
    let mut backend = Backend::connect_existing(&parse(url)?).await?;
    backend.archive = archive;
    Ok(Client::new(&backend.with_payloads(payloads().await?)))
}

/// Opens what `url` names, a new SQLite file included.
pub(crate) async fn new(url: &str) -> Result<Backend, Failure> {
    connect(&parse(url)?).await
}

/// The same of a URL that is read already.
pub(crate) async fn connect(url: &BackendUrl) -> Result<Backend, Failure> {
    Ok(Backend::connect(url).await?.with_payloads(payloads().await?))
}

/// What `EVERSTEP_PAYLOADS` names.
async fn payloads() -> Result<Payloads, Failure> {
    Payloads::from_env().await.map_err(|error| Failure::from(BackendError::from(error)))
}

/// The dead letters of the queue that `url` names, if it has any.
#[cfg(feature = "aws")]
pub(crate) async fn dead_letters(url: &str) -> Result<Option<everstep::aws::DeadLetters>, Failure> {
    let BackendUrl::Dynamodb { queue, .. } = parse(url)? else { return Ok(None) };
    let queue = everstep::aws::SqsQueue::new(&everstep::aws::load_config().await, &queue)?;
    Ok(queue.dead_letters().await?)
}

pub(crate) fn parse(url: &str) -> Result<BackendUrl, Failure> {
    let url = url.parse().map_err(Failure::usage)?;
    if url == BackendUrl::Memory {
        let refused = "memory: ends with this command, so nothing can be there or stay there";
        return Err(Failure::usage(refused).todo("name a file: --url sqlite:PATH"));
    }
    Ok(url)
}
