//! Everstep under another name, from the older edition, and with every lint on: that this
//! compiles without a warning is the test.

#![deny(missing_docs, warnings, clippy::all, clippy::pedantic, clippy::nursery)]

use std::sync::Arc;

use durable::{step, workflow, State, StepFailure};
use serde::{Deserialize, Serialize};

/// What sends mail.
pub trait Mail: Send + Sync {
    /// Sends one.
    fn send(&self, to: &str) -> u32;
}

/// Why no mail is sent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailError {
    /// Nobody to send it to.
    Nobody,
    /// The mail server did not answer.
    NoAnswer,
}

impl MailError {
    const fn is_transient(&self) -> bool {
        matches!(self, Self::NoAnswer)
    }
}

impl From<StepFailure> for MailError {
    fn from(_: StepFailure) -> Self {
        Self::NoAnswer
    }
}

/// Sends a mail.
///
/// # Errors
/// There is nobody to send it to.
#[step(
    skip(mail),
    retry(max_attempts = 3, initial = "200ms", factor = 1.5),
    retry_if = MailError::is_transient,
    timeout = "30s",
    crate = "durable"
)]
pub async fn send(
    mail: &Arc<dyn Mail>,
    to: &str,
    mut copies: Vec<String>,
    (subject, _): (String, u8),
    _priority: u8,
) -> Result<u32, MailError> {
    if to.is_empty() {
        return Err(MailError::Nobody);
    }
    copies.push(subject);
    Ok(mail.send(to) + u32::try_from(copies.len()).unwrap_or(u32::MAX))
}

/// A list of customers.
#[derive(Debug, Clone)]
pub struct Customers<T> {
    names: Vec<T>,
}

impl<T: AsRef<str> + Clone + Send + Sync + 'static> Customers<T> {
    /// The name of one of them.
    ///
    /// # Errors
    /// There is no such customer.
    #[step(crate = "durable")]
    pub async fn name(&self, number: usize) -> durable::Result<String> {
        let name = self.names.get(number).ok_or_else(|| durable::Error::msg("no such customer"))?;
        Ok(name.as_ref().to_owned())
    }
}

/// How a parcel is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, durable::Versions)]
#[versions(crate = "durable")]
pub enum Packing {
    /// In a box.
    Boxes = 1,
    /// In a bag.
    Bags = 2,
}

/// Packs a parcel.
///
/// # Errors
/// None.
#[workflow(crate = "durable", new_steps = "block")]
pub async fn pack() -> durable::Result<u32> {
    Ok(match durable::version_of("packing") {
        Packing::Boxes => 1,
        Packing::Bags => 2,
    })
}

/// Writes to a customer.
///
/// # Errors
/// As [`send`] and [`Customers::name`].
#[workflow(crate = "durable", name = "write to a customer")]
pub async fn write(
    State(mail): State<Arc<dyn Mail>>,
    State(customers): State<Customers<String>>,
    number: usize,
) -> durable::Result<u32> {
    let name = customers.name(number).await?;
    send(&mail, &name, vec![], ("Hello".to_owned(), 5), 1)
        .await
        .map_err(|error| durable::Error::msg(format!("{error:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Post;
    impl Mail for Post {
        fn send(&self, to: &str) -> u32 {
            u32::try_from(to.len()).unwrap_or(0)
        }
    }

    #[test]
    fn everstep_works_under_another_name() {
        let mail: Arc<dyn Mail> = Arc::new(Post);
        let customers = Customers { names: vec!["Ada".to_owned()] };
        let sent = futures::executor::block_on(async {
            write(State(Arc::clone(&mail)), State(customers), 0).await
        });
        assert_eq!(sent, Ok(4));
        let nobody = send(&mail, "", Vec::new(), (String::new(), 0), 0);
        assert_eq!(futures::executor::block_on(nobody), Err(MailError::Nobody));
    }
}
