//! Records, for tests of what holds them.

use std::collections::BTreeMap;

use everstep::id::ExecutionId;
use everstep::store::{Projection, Record, Status};
use everstep::time::Timestamp;

/// The record of an execution that has only its start.
#[must_use]
pub fn just_started(id: ExecutionId) -> Record {
    Record {
        id,
        workflow: "w".into(),
        started_at: Timestamp(0),
        born: None,
        arrivals: 0,
        tags: BTreeMap::new(),
        parent: None,
        projection: Projection {
            commit: 0,
            first: 0,
            status: Status::Running,
            wake_at: None,
            untold: None,
            telling: None,
            updated_at: Timestamp(0),
            code: String::new(),
            reason: None,
            view: None,
            tags: None,
            life: None,
        },
    }
}
