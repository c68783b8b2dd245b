//! Listing schedules.

use super::ScheduleHandle;
use crate::client::Client;
use crate::context::WorkflowSpec;
use crate::limits::UPDATE_WAIT;
use crate::schedule::life::Life;
use crate::store::StoreError;

/// A listing of schedules that has not been asked for.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::{Schedule, Schedules, Times};
/// # #[workflow] async fn report(shop: String) -> everstep::Result<String> { Ok(shop) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(&Backend::memory());
/// for shop in ["north", "south"] {
///     let daily = Schedule::new(Times::every(days(1)), report, shop.to_owned());
///     client.schedule(shop)?.create(&daily).await?;
/// }
///
/// let mut shops = Vec::new();
/// let mut list: Schedules = client.schedules().limit(1);
/// loop {
///     let page = list.page().await?;
///     shops.extend(page.schedules.iter().map(|schedule| schedule.id().to_owned()));
///     let Some(next) = page.next else { break };
///     list = client.schedules().limit(1).after(next);
/// }
/// shops.sort();
/// assert_eq!(shops, ["north", "south"]);
/// assert_eq!(client.schedules().with_ended().page().await?.schedules.len(), 2);
/// # Ok(()) }
/// ```
#[must_use = "nothing is listed unless a page is asked for"]
#[derive(Debug)]
pub struct Schedules<'a> {
    pub(super) client: &'a Client,
    pub(super) limit: usize,
    pub(super) after: Option<String>,
    pub(super) ended: bool,
}

/// A page of schedules.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::{Schedule, SchedulePage, Times};
/// # #[workflow] async fn report(shop: String) -> everstep::Result<String> { Ok(shop) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(&Backend::memory());
/// for shop in ["north", "south"] {
///     let daily = Schedule::new(Times::every(days(1)), report, shop.to_owned());
///     client.schedule(shop)?.create(&daily).await?;
/// }
///
/// let page: SchedulePage = client.schedules().page().await?;
/// assert_eq!((page.schedules.len(), page.next), (2, None));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SchedulePage {
    /// The schedules.
    pub schedules: Vec<ScheduleHandle>,
    /// Where the next page begins; `None` if this is the last one. A page may have no schedule and
    /// yet not be the last.
    pub next: Option<String>,
}

impl Schedules<'_> {
    /// At most so many a page; by default the store's own page size.
    pub fn limit(mut self, schedules: usize) -> Self {
        self.limit = schedules;
        self
    }

    /// Begin where the page before ended: its `next`.
    pub fn after(mut self, next: impl Into<String>) -> Self {
        self.after = Some(next.into());
        self
    }

    /// Those too that were deleted or are over.
    pub fn with_ended(mut self) -> Self {
        self.ended = true;
        self
    }

    /// One page.
    ///
    /// # Errors
    /// The store did not answer or cannot be used.
    pub async fn page(&self) -> Result<SchedulePage, StoreError> {
        let mut list = self.client.list().workflow(Life::NAME);
        if self.limit > 0 {
            list = list.limit(self.limit);
        }
        if let Some(after) = &self.after {
            list = list.after(after);
        }
        let page = list.page().await?;
        let shown = page
            .records
            .into_iter()
            .filter(|record| self.ended || !record.projection.status.is_closed());
        let schedules = shown.filter_map(|record| {
            let id = record.id.as_str().strip_prefix(Life::NAME)?.strip_prefix('/')?.to_owned();
            let (client, wait) = (self.client.clone(), UPDATE_WAIT);
            Some(ScheduleHandle { client, id, execution: record.id, wait })
        });
        Ok(SchedulePage { schedules: schedules.collect(), next: page.next })
    }
}
