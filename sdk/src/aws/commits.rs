//! Commits by their numbers.

use std::ops::Range;

use super::DynamoStore;
use super::items;
use crate::event::StoredCommit;
use crate::id::{CommitNumber, ExecutionId, Life};
use crate::store::StoreError;

impl DynamoStore {
    pub(super) async fn query_commits(
        &self,
        id: &ExecutionId,
        life: Life,
        numbers: Range<CommitNumber>,
    ) -> Result<Vec<StoredCommit>, StoreError> {
        let (mut commits, mut from) = (Vec::new(), None);
        // DynamoDB refuses a range whose end is before its beginning.
        let Some(last) = numbers.end.checked_sub(1).filter(|last| numbers.contains(last)) else {
            return Ok(commits);
        };
        loop {
            let call = self
                .client
                .query()
                .table_name(self.table_name())
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":pk", items::pk(id))
                .expression_attribute_values(":first", items::commit_sk(numbers.start))
                .expression_attribute_values(":last", items::commit_sk(last))
                .set_limit(self.page_items)
                .set_exclusive_start_key(from);
            let page = call.send().await.map_err(|error| self.failed("dynamodb:Query", error))?;
            for item in page.items.unwrap_or_default() {
                let commit = items::read_commit(id, item)?;
                // Any other is a stray.
                if commit.life.is_none_or(|of| of == life) {
                    commits.push(StoredCommit { life: None, ..commit });
                }
            }
            // A page may be empty and not the last.
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(commits);
            }
        }
    }
}
