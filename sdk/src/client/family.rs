//! An execution's parent and children, as its log has them.

use std::collections::HashMap;

use super::{Client, HistoryError};
use crate::event::{ChildOutcome, ClosePolicy, Commit, Event, OperationKey, Parent};
use crate::id::ExecutionId;

/// Whose child an execution is, and whose parent, in its current run.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn pack(what: String) -> everstep::Result<usize> { Ok(what.len()) }
/// # #[workflow] async fn fulfil(what: String) -> everstep::Result<usize> { Ok(child(pack, what).id("parcel-7").await?) }
/// # let env = everstep::testing::Env::new(App::new().workflow(pack).workflow(fulfil));
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::Family;
///
/// let order = client.start(fulfil, "cup".to_owned()).id("order-7").await?;
/// order.result().await?;
/// let family = Family::of(&order.history().await?);
/// assert!(family.parent.is_none());
/// assert_eq!(family.children[0].id.as_str(), "parcel-7");
///
/// let parcel = client.family(&family.children[0].id).await?;
/// assert_eq!(parcel.parent.expect("it has one").execution, *order.id());
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// Whose child it is, if it is one.
    pub parent: Option<Parent>,
    /// The children that it asked for, in the order of its calls.
    pub children: Vec<ChildInfo>,
}

/// A child, as its parent knows it.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn pack(what: String) -> everstep::Result<usize> { Ok(what.len()) }
/// # #[workflow] async fn fulfil(what: String) -> everstep::Result<usize> { Ok(child(pack, what).id("parcel-7").await?) }
/// # let env = everstep::testing::Env::new(App::new().workflow(pack).workflow(fulfil));
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::ChildInfo;
/// use everstep::event::ChildOutcome;
///
/// let order = client.start(fulfil, "cup".to_owned()).id("order-7").await?;
/// order.result().await?;
/// let parcel: ChildInfo = client.family(order.id()).await?.children.remove(0);
/// assert!(parcel.started && parcel.waits && parcel.on_close == ClosePolicy::Cancel);
/// let Some(ChildOutcome::Completed { output }) = parcel.outcome else { panic!("{parcel:?}") };
/// assert_eq!(output.read::<usize>()?, 3);
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildInfo {
    /// Its id.
    pub id: ExecutionId,
    /// The call that asked for it; the key's name is that of its workflow.
    pub key: OperationKey,
    /// Whether the parent knows that it exists.
    pub started: bool,
    /// Whether the parent waits for its result.
    pub waits: bool,
    /// What becomes of it when the parent ends first.
    pub on_close: ClosePolicy,
    /// How it ended, if the parent has heard of it.
    pub outcome: Option<ChildOutcome>,
}

impl Family {
    /// What a log says of it.
    #[must_use]
    pub fn of(log: &[Commit]) -> Self {
        let mut family = Self::default();
        // Where the child is that a call asked for: a parent may have thousands.
        let mut places = HashMap::new();
        for event in log.iter().flat_map(|commit| &commit.events) {
            match event {
                Event::WorkflowStarted(start) => {
                    places.clear();
                    family = Self { parent: start.parent.clone(), children: Vec::new() };
                }
                Event::ChildRequested(request) => {
                    places.insert(request.seq, family.children.len());
                    family.children.push(ChildInfo {
                        id: request.child.clone(),
                        key: request.key.clone(),
                        started: false,
                        waits: request.waits,
                        on_close: request.on_close,
                        outcome: None,
                    });
                }
                Event::ChildStarted(started) => {
                    if let Some(place) = places.get(&started.seq) {
                        family.children[*place].started = true;
                    }
                }
                Event::ChildCompleted(ended) => {
                    if let Some(place) = places.get(&ended.seq) {
                        family.children[*place].outcome = Some(ended.outcome.clone());
                    }
                }
                _ => {}
            }
        }
        family
    }
}

impl Client {
    /// An execution's parent and children, from the log of its current run.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert!(client.family(sale.id()).await?.children.is_empty());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// There is no such execution, its log cannot be read, or the store did not answer.
    pub async fn family(&self, id: &ExecutionId) -> Result<Family, HistoryError> {
        Ok(Family::of(&self.current_run(id).await?))
    }
}
