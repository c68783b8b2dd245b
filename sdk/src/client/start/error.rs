//! Why nothing was started.

use crate::client::send::SendError;
use crate::context::WrongInput;
use crate::event::{CorruptCommit, UnrecordableValue};
use crate::id::{ExecutionId, InvalidExecutionId};
use crate::limits::{COMMIT_BYTES_MAX, NAME_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX};
use crate::store::{Status, StoreError};
use crate::wake::QueueError;

/// Why nothing was started.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::client::StartError;
///
/// match client.start(sell, "4711".to_owned()).id("sale-7").await {
///     Err(StartError::Exists { id, difference, .. }) => {
///         assert_eq!(id.as_str(), "sale-7"); // somebody else's card
///         assert!(!difference.is_empty());
///     }
///     other => panic!("{other:?}"),
/// }
/// match client.start(sell, "4711".to_owned()).id("sale\n8").await {
///     Err(StartError::InvalidId(problem)) => assert!(problem.to_string().contains("control")),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The id breaks the rule for ids.
    #[error(transparent)]
    InvalidId(#[from] InvalidExecutionId),
    /// The workflow's name is empty, too long or has control characters.
    #[error(
        "a workflow's name has 1 to {NAME_BYTES_MAX} bytes and no control characters: {name:?}"
    )]
    InvalidName {
        /// The refused name.
        name: String,
    },
    /// This program has no workflow of that name; nothing is stored. If another program's hosts
    /// have one, start it [unchecked](super::Start::unchecked).
    #[error("there is no workflow {name:?} here: there are {known}")]
    UnknownWorkflow {
        /// The refused name.
        name: String,
        /// The names of the workflows there are.
        known: String,
    },
    /// The workflow cannot read the input; nothing is stored.
    #[error("workflow {workflow} cannot read its input")]
    WrongInput {
        /// The workflow.
        workflow: String,
        /// Where, and what is wrong there.
        source: WrongInput,
    },
    /// The input cannot be recorded.
    #[error("the input cannot be recorded: {0}")]
    Input(#[from] UnrecordableValue),
    /// A tag breaks the rule for tags; nothing is stored.
    #[error(
        "a tag is a name without '=' and a value, {TAG_BYTES_MAX} bytes together at most and without control characters: {name:.64}={value:.64}"
    )]
    InvalidTag {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// There are too many tags; nothing is stored.
    #[error("an execution has at most {TAGS_MAX} tags, and these are {count}")]
    TooManyTags {
        /// How many there are.
        count: usize,
    },
    /// The input is too large.
    #[error(
        "the input has {bytes} bytes and at most {bytes_max} can be recorded: store it elsewhere and pass where it is"
    )]
    InputTooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size: a payload store raises it.
        bytes_max: usize,
    },
    /// The input and what else comes with the start are too large together; nothing is stored.
    #[error(
        "what is to be stored with the start of execution {id} has {bytes} bytes and {COMMIT_BYTES_MAX} at most fit into one write: send the signals after the start, or store their payloads elsewhere"
    )]
    TooLarge {
        /// The id.
        id: ExecutionId,
        /// The size of all together.
        bytes: usize,
    },
    /// An execution with this id exists, and the policy or another input refuses the start.
    #[error("execution {id} exists ({status}) {difference}")]
    Exists {
        /// The id.
        id: ExecutionId,
        /// Where it stands.
        status: Status,
        /// What stands against attaching to it.
        difference: &'static str,
    },
    /// An execution with this id exists and its log cannot be read.
    #[error("execution {id} exists and its log cannot be read")]
    Corrupt {
        /// The id.
        id: ExecutionId,
        /// What is wrong.
        source: CorruptCommit,
    },
    /// The store failed. The execution may or may not have been started: start it again.
    #[error("execution {id} may or may not have been started: start it again with the same id")]
    Store {
        /// The id.
        id: ExecutionId,
        /// The cause.
        source: StoreError,
    },
    /// The execution exists, but a signal that came with the start is not sent. Where the store or
    /// the queue failed: start it again, with the same ids.
    #[error("execution {id} exists, and what came with its start is not sent")]
    Send {
        /// The id.
        id: ExecutionId,
        /// Why.
        source: SendError,
    },
    /// What is to come with the start cannot be sent; nothing is stored.
    #[error("what is to come with the start cannot be sent")]
    Message(#[source] SendError),
    /// The execution is stored, but nobody was told. A sweeper will; starting it again does at once.
    #[error(
        "execution {id} is started, but its wake was not sent: start it again or wait for a sweeper"
    )]
    Wake {
        /// The id.
        id: ExecutionId,
        /// The cause.
        source: QueueError,
    },
}
