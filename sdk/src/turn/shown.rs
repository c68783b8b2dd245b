//! What an execution's log shows that its record may not yet: the view, and the tags.

use std::collections::BTreeMap;

use crate::event::Json;
use crate::replay::History;
use crate::store::Record;

/// What a record is to be given.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    pub(super) view: Option<Json>,
    pub(super) tags: Option<BTreeMap<String, String>>,
}

impl Shown {
    /// What `record` lacks of what the log shows.
    pub(super) fn missing_in(record: &Record, history: &History) -> Self {
        let view =
            history.view.as_ref().filter(|view| record.projection.view.as_ref() != Some(*view));
        let tags = (history.tags != record.tags).then(|| history.tags.clone());
        Self { view: view.cloned(), tags }
    }
}
