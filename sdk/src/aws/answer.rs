//! What the Lambda host answers. The shapes are in the documentation of [`aws`](super).

use serde::Serialize;

/// The answer to messages of a queue, or to changes of a table: what is to come again. The rest is
/// done with.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchAnswer {
    pub(super) batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchItemFailure {
    pub(super) item_identifier: String,
}

impl FromIterator<String> for BatchAnswer {
    fn from_iter<I: IntoIterator<Item = String>>(failed: I) -> Self {
        let failure = |id| BatchItemFailure { item_identifier: id };
        Self { batch_item_failures: failed.into_iter().map(failure).collect() }
    }
}

/// The answer to a sweep.
#[derive(Debug, Serialize)]
pub(super) struct SweepAnswer {
    pub(super) woken: usize,
    /// How many executions were deleted, by a program that deletes any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deleted: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_message_is_reported_as_aws_expects() {
        let answer: BatchAnswer = ["m-1".to_owned()].into_iter().collect();
        let text = serde_json::to_string(&answer).expect("JSON");
        assert_eq!(text, r#"{"batchItemFailures":[{"itemIdentifier":"m-1"}]}"#);
    }
}
