//! An [`OnConflict`] as requests in JSON write it.

use serde::Deserialize;

use super::OnConflict;

/// What to do if there is an execution with this id.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Policy {
    /// Take the existing one if it has the same workflow and input, else refuse.
    #[default]
    Attach,
    /// Take the existing one, whatever its input.
    AttachToAny,
    /// Refuse.
    Reject,
    /// Start it again if it is closed, else refuse.
    Restart,
    /// Start it again if it is closed, else take it as it is.
    RestartIfClosed,
}

impl From<Policy> for OnConflict {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Attach => Self::Attach,
            Policy::AttachToAny => Self::AttachToAny,
            Policy::Reject => Self::Reject,
            Policy::Restart => Self::Restart,
            Policy::RestartIfClosed => Self::RestartIfClosed,
        }
    }
}
