//! The item that marks a step's writes as done.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::error::{TransactError, Trouble, trouble};
use super::markers::Markers;
use crate::event::Json;
use crate::replay::IdempotencyKey;
use crate::time::Clock;

/// The table's key.
pub(super) const KEY: &str = "pk";

/// When the marker may go, in seconds of the epoch.
pub(super) const EXPIRES: &str = "expires";

const RESULT: &str = "result";

type Item = HashMap<String, AttributeValue>;

/// Which marker.
pub(super) struct Name {
    key: String,
    part: String,
    step: IdempotencyKey,
}

impl Name {
    pub(super) fn new(step: IdempotencyKey, part: &str) -> Self {
        Self { key: format!("{}#{part}", step.uuid()), part: part.to_owned(), step }
    }

    pub(super) fn part(&self) -> &str {
        &self.part
    }

    /// The result in the marker, if there is one.
    pub(super) async fn find(&self, markers: &Markers) -> Result<Option<String>, Trouble> {
        let call = markers.client.get_item().table_name(&markers.table).consistent_read(true);
        let answer = call.key(KEY, text(&self.key)).send().await;
        // To read does nothing, so there is no doubt about it.
        let answer = answer.map_err(|error| match trouble(&error) {
            Trouble::Again { message, .. } => Trouble::Again { message, in_doubt: false },
            never @ Trouble::Never(_) => never,
        })?;
        Ok(answer.item.map(|item| result_of(&item)))
    }

    /// The write that makes it, if there is none.
    pub(super) fn write(
        &self,
        markers: &Markers,
        result: &Json,
    ) -> Result<TransactWriteItem, TransactError> {
        let now = Clock::system().now();
        let expires = now.after(markers.kept).0 / 1_000 + 1;
        let item: Item = [
            (KEY, text(&self.key)),
            (RESULT, text(result.as_str())),
            ("execution", text(self.step.execution.as_str())),
            ("run", AttributeValue::N(self.step.run.to_string())),
            ("step", text(&self.step.key.to_string())),
            ("part", text(&self.part)),
            ("at", text(&now.to_string())),
            (EXPIRES, AttributeValue::N(expires.to_string())),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let put = Put::builder()
            .table_name(&markers.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| TransactError::Invalid { message: error.to_string() })?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// What a marker says. Nobody else writes there; what is no marker reads as no value.
pub(super) fn result_of(marker: &Item) -> String {
    let result = marker.get(RESULT).and_then(|result| result.as_s().ok());
    result.cloned().unwrap_or_default()
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}
