//! The two indexes: what is overdue, and what there is. Both are read shard by shard in
//! parallel, and both may be a moment behind the table.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::items::{self, Item, Kind, number, text};
use super::store::DynamoStore;
use super::transact::Patience;
use crate::id::ExecutionId;
use crate::store::{ListPage, ListQuery, Record, Status, StoreError};
use crate::time::Timestamp;

/// The index of what is due, by `due_shard` and `due_at`: keys only.
pub(super) const DUE: &str = "due";

/// The index of all records, by `status_shard` and `newest_key`.
pub(super) const BY_STATUS: &str = "by_status";

/// How many queries run at once.
const PARALLEL: usize = 16;

/// How many records a page of a filtered list reads at least.
const FILTERED_MIN: usize = 100;

/// How many rounds over all shards one call of `list` makes before it returns what it has:
/// with a filter on rare workflows a page may be short and not the last.
const LIST_ROUNDS_MAX: usize = 20;

/// How many items DynamoDB reads in one batch
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
const BATCH_MAX: usize = 100;

/// A part of an index, in ascending order.
struct Slice {
    index: &'static str,
    partition: (&'static str, AttributeValue),
    /// The sort key, a condition on it as `#sort`, and the condition's values.
    sort: Option<Sort>,
    workflow: Option<String>,
    /// Tags as they are stored, all of which a record must have.
    tags: Vec<String>,
    limit: usize,
}

type Sort = (&'static str, &'static str, Vec<(&'static str, AttributeValue)>);

/// One page of a slice.
struct Page {
    items: Vec<Item>,
    /// The key of the last item looked at, if more may follow.
    last: Option<Item>,
}

impl DynamoStore {
    async fn slice(&self, slice: &Slice, from: Option<Item>) -> Result<Page, StoreError> {
        let (partition, value) = &slice.partition;
        let mut condition = "#partition = :partition".to_owned();
        let limit = i32::try_from(slice.limit).unwrap_or(i32::MAX).max(1);
        let mut call = self
            .client
            .query()
            .table_name(self.table_name())
            .index_name(slice.index)
            .expression_attribute_names("#partition", *partition)
            .expression_attribute_values(":partition", value.clone())
            .limit(self.page_items.map_or(limit, |items| items.min(limit)))
            .set_exclusive_start_key(from);
        if let Some((name, bound, values)) = &slice.sort {
            condition.push_str(&format!(" AND {bound}"));
            call = call.expression_attribute_names("#sort", *name);
            for (name, value) in values {
                call = call.expression_attribute_values(*name, value.clone());
            }
        }
        let mut filters = Vec::new();
        if let Some(workflow) = &slice.workflow {
            filters.push("#workflow = :workflow".to_owned());
            call = call
                .expression_attribute_names("#workflow", "workflow")
                .expression_attribute_values(":workflow", text(workflow));
        }
        for (index, tag) in slice.tags.iter().enumerate() {
            filters.push(format!("contains(#tags, :tag{index})"));
            call = call
                .expression_attribute_names("#tags", "tags")
                .expression_attribute_values(format!(":tag{index}"), text(tag));
        }
        if !filters.is_empty() {
            call = call.filter_expression(filters.join(" AND "));
        }
        let answer = call
            .key_condition_expression(condition)
            .send()
            .await
            .map_err(|error| self.failed("dynamodb:Query", error))?;
        Ok(Page { items: answer.items.unwrap_or_default(), last: answer.last_evaluated_key })
    }

    /// The overdue executions of all shards, the longest overdue first.
    pub(super) async fn query_due(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let shards =
            stream::iter((0..self.shards.0).map(|shard| self.due_of(shard, before, limit)));
        let found = first_of(shards.buffer_unordered(PARALLEL).try_collect().await?, limit);
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// What is to be deleted, of all shards, the longest expired first: records of closed executions
    /// and graves, by their keys alone.
    pub(super) async fn query_expired(
        &self,
        from: Timestamp,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ExecutionId)>, StoreError> {
        if limit == 0 || from >= before {
            return Ok(Vec::new());
        }
        let shards = (0..self.shards.0).map(|shard| async move {
            let slice = Slice {
                sort: Some((
                    "due_at",
                    "#sort BETWEEN :from AND :until",
                    // DynamoDB includes both, and times are whole milliseconds.
                    vec![(":from", number(from.0)), (":until", number(before.0.saturating_sub(1)))],
                )),
                ..due_before(items::expired_shard(shard), before, limit)
            };
            let (mut found, mut from) = (Vec::new(), None);
            loop {
                let page = self.slice(&slice, from).await?;
                found.extend(page.items.iter().filter_map(due_at));
                from = page.last;
                if from.is_none() || found.len() >= limit {
                    return Ok::<_, StoreError>(found);
                }
            }
        });
        let shards = stream::iter(shards).buffer_unordered(PARALLEL);
        let found = first_of(shards.try_collect().await?, limit);
        Ok(found.into_iter().map(|(at, id)| (Timestamp(at), id)).collect())
    }

    /// Up to `limit` overdue executions of one shard.
    async fn due_of(
        &self,
        shard: u8,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(i64, ExecutionId)>, StoreError> {
        let slice = due_before(items::due_shard(shard), before, limit);
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut from = None;
        loop {
            let page = self.slice(&slice, from).await?;
            let mut hits = Vec::new();
            let mut receivers = Vec::new();
            for item in &page.items {
                let Some((due, id)) = due_at(item) else { continue };
                let is_item = matches!(items::kind(item), Kind::Inbox);
                if !seen.insert((id.clone(), is_item)) {
                    continue;
                }
                if is_item {
                    receivers.push(id.clone());
                }
                hits.push((due, id, is_item));
            }
            let deaf = self.deaf(receivers).await?;
            // A record is there for a reason, whatever becomes of the inbox.
            hits.retain(|(_, id, is_item)| !is_item || !deaf.contains(id));
            found.extend(hits.into_iter().map(|(due, id, _)| (due, id)));
            from = page.last;
            if from.is_none() || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    /// Those of `ids` whose inbox nobody is going to read: blocked, ended, or not there. A
    /// message to a blocked execution is not overdue until somebody resumes it.
    async fn deaf(&self, ids: Vec<ExecutionId>) -> Result<HashSet<ExecutionId>, StoreError> {
        let mut deaf: HashSet<ExecutionId> = ids.iter().cloned().collect();
        for chunk in ids.chunks(BATCH_MAX) {
            let keys = chunk.iter().map(|id| items::key(id, text(items::RECORD))).collect();
            for item in self.batch_status(keys).await? {
                let status = item.get("status").and_then(|status| status.as_s().ok());
                let status = status.and_then(|status| Status::parse(status));
                let is_swept = status.is_some_and(Status::is_swept);
                if let Some(id) = items::execution_of(&item).filter(|_| is_swept) {
                    deaf.remove(&id);
                }
            }
        }
        Ok(deaf)
    }

    /// The keys and the status of some records.
    async fn batch_status(&self, keys: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let mut patience = Patience::default();
        let mut found = Vec::new();
        let mut request = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .projection_expression("pk, #status")
            .expression_attribute_names("#status", "status")
            .build()
            .map_err(|error| StoreError::unusable("a request to DynamoDB is incomplete", error))?;
        loop {
            let call = self.client.batch_get_item().request_items(self.table_name(), request);
            let answer =
                call.send().await.map_err(|error| self.failed("dynamodb:BatchGetItem", error))?;
            let items = answer.responses.and_then(|mut tables| tables.remove(self.table_name()));
            found.extend(items.unwrap_or_default());
            // What DynamoDB had no time for comes back.
            let rest =
                answer.unprocessed_keys.and_then(|mut tables| tables.remove(self.table_name()));
            match rest.filter(|rest| !rest.keys().is_empty()) {
                None => return Ok(found),
                Some(rest) => request = rest,
            }
            if !patience.wait().await {
                return Err(StoreError::Unavailable {
                    reason: format!("{} throttles dynamodb:BatchGetItem", self.place),
                    source: None,
                });
            }
        }
    }

    /// One page of the list: round by round over all shards, as far as every shard has been read.
    pub(super) async fn query_list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let limit = query.page_size();
        let mut after = query.begins_after()?.map(|it| items::newest_key(it.started_at, it.id));
        let until = query.ends_before().map(|it| items::newest_key(it.started_at, it.id));
        let mut records = Vec::new();
        for _ in 0..LIST_ROUNDS_MAX {
            let left = limit - records.len();
            let bounds = (after.as_deref(), until.as_deref());
            if matches!(bounds, (Some(after), Some(until)) if after >= until) {
                after = None;
                break;
            }
            let (round, next) = self.list_round(query, left, bounds).await?;
            records.extend(round);
            after = next;
            if after.is_none() || records.len() >= limit {
                break;
            }
        }
        let next = after.as_deref().and_then(items::read_newest_key).map(|place| place.to_text());
        Ok(ListPage { records, next })
    }

    /// One page of each shard, and where it ended. What comes before the end of every page that
    /// has a next one is known completely; the rest is left for the next round.
    async fn list_round(
        &self,
        query: &ListQuery,
        limit: usize,
        (after, until): (Option<&str>, Option<&str>),
    ) -> Result<(Vec<Record>, Option<String>), StoreError> {
        let is_filtered = query.workflow.is_some() || !query.tags.is_empty();
        let statuses = Status::ALL.into_iter().filter(|s| query.status.is_none_or(|q| q == *s));
        let shards =
            statuses.flat_map(|status| (0..self.shards.0).map(move |shard| (status, shard)));
        let pages = shards.map(|(status, shard)| async move {
            let slice = Slice {
                index: BY_STATUS,
                partition: ("status_shard", items::status_shard(status, shard)),
                sort: between(after, until),
                workflow: query.workflow.clone(),
                tags: query.tags.iter().map(|(name, value)| items::tag(name, value)).collect(),
                // A filter is applied to what was read, so more has to be.
                limit: if is_filtered { limit.max(FILTERED_MIN) } else { limit },
            };
            self.slice(&slice, None).await
        });
        let pages: Vec<Page> = stream::iter(pages).buffer_unordered(PARALLEL).try_collect().await?;
        let place = |item: &Item| item.get("newest_key").and_then(|key| key.as_s().ok()).cloned();
        let known_to = pages.iter().filter_map(|page| page.last.as_ref().and_then(place)).min();
        let mut records: Vec<(String, Record)> = Vec::new();
        for item in pages.into_iter().flat_map(|page| page.items) {
            let (Some(id), Some(place)) = (items::execution_of(&item), place(&item)) else {
                continue;
            };
            if known_to.as_ref().is_none_or(|known_to| place <= *known_to) {
                records.push((place, items::read_record(&id, item)?));
            }
        }
        records.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        // An execution whose status changed between two queries may be in both answers.
        records.dedup_by(|(a, _), (b, _)| a == b);
        let cut = records.len() > limit;
        records.truncate(limit);
        let next = if cut { records.last().map(|(place, _)| place.clone()) } else { known_to };
        Ok((records.into_iter().map(|(_, record)| record).collect(), next))
    }
}

/// What of a shard of the index of what is due has come before `before`.
fn due_before(shard: AttributeValue, before: Timestamp, limit: usize) -> Slice {
    Slice {
        index: DUE,
        partition: ("due_shard", shard),
        sort: Some(("due_at", "#sort < :before", vec![(":before", number(before.0))])),
        workflow: None,
        tags: Vec::new(),
        limit,
    }
}

/// When an item of that index is due, and whose it is.
fn due_at(item: &Item) -> Option<(i64, ExecutionId)> {
    let due = item.get("due_at")?.as_n().ok()?.parse().ok()?;
    Some((due, items::execution_of(item)?))
}

/// Of what the shards have, the earliest.
fn first_of(shards: Vec<Vec<(i64, ExecutionId)>>, limit: usize) -> Vec<(i64, ExecutionId)> {
    let mut found: Vec<(i64, ExecutionId)> = shards.into_iter().flatten().collect();
    found.sort_unstable();
    let mut seen = HashSet::new();
    // By its record and by what is in its inbox.
    found.retain(|(_, id)| seen.insert(id.clone()));
    found.truncate(limit);
    found
}

/// What comes after the one place in the list and before the other. Between two, DynamoDB includes
/// them: at `until` there is nothing, and the first place after `after` is the one with a character
/// more that no id has. A page that began with `after` itself could have nothing else in it.
fn between(after: Option<&str>, until: Option<&str>) -> Option<Sort> {
    let after = match until {
        Some(_) => after.map(|after| text(format!("{after}\u{1}"))),
        None => after.map(text),
    };
    let until = until.map(text);
    let (condition, values) = match (after, until) {
        (None, None) => return None,
        (Some(after), None) => ("#sort > :after", vec![(":after", after)]),
        (None, Some(until)) => ("#sort < :until", vec![(":until", until)]),
        (Some(after), Some(until)) => {
            ("#sort BETWEEN :after AND :until", vec![(":after", after), (":until", until)])
        }
    };
    Some(("newest_key", condition, values))
}
