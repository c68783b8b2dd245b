//! Making the table.

use std::time::Duration;

use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType, TableDescription, TableStatus,
};

use super::index::{BY_STATUS, DUE};
use super::items;
use super::store::DynamoStore;
use crate::store::{BoxError, StoreError};

/// How long a new table may take until it can be used. It takes AWS about ten seconds.
const READY_MAX: Duration = Duration::from_secs(180);

/// How often a table that is being made is looked at: at first, and at last.
const LOOK_EVERY: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// Partition key and sort key of the table and of its indexes.
const KEYS: [(Option<&str>, [&str; 2]); 3] = [
    (None, ["pk", "sk"]),
    (Some(DUE), ["due_shard", "due_at"]),
    (Some(BY_STATUS), ["status_shard", "newest_key"]),
];

/// The one key that is a number.
const NUMBER_KEY: &str = "due_at";

/// Makes the table if it is missing, and waits until it and its indexes are active. Any number
/// of callers may do this at once.
pub(super) async fn setup(store: &DynamoStore) -> Result<(), StoreError> {
    let deadline = tokio::time::Instant::now() + READY_MAX;
    let [mut look, look_last] = LOOK_EVERY;
    loop {
        match describe(store).await? {
            None => create(store).await?,
            Some(table) => {
                check_keys(store, &table)?;
                if is_ready(&table) {
                    return Ok(());
                }
            }
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(StoreError::Unavailable {
                reason: format!("{} is still being made after {READY_MAX:?}", store.place),
                source: None,
            });
        }
        tokio::time::sleep(look).await;
        look = (look * 2).min(look_last);
    }
}

async fn describe(store: &DynamoStore) -> Result<Option<TableDescription>, StoreError> {
    match store.client.describe_table().table_name(store.table_name()).send().await {
        Ok(answer) => Ok(answer.table),
        Err(error) => match error.as_service_error() {
            Some(DescribeTableError::ResourceNotFoundException(_)) => Ok(None),
            _ => Err(store.failed("dynamodb:DescribeTable", error)),
        },
    }
}

async fn create(store: &DynamoStore) -> Result<(), StoreError> {
    let mut call = store
        .client
        .create_table()
        .table_name(store.table_name())
        .billing_mode(BillingMode::PayPerRequest);
    for (index, keys) in KEYS {
        for name in keys {
            let kind = match name {
                NUMBER_KEY => ScalarAttributeType::N,
                _ => ScalarAttributeType::S,
            };
            let definition =
                AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build();
            call = call.attribute_definitions(definition.map_err(incomplete)?);
        }
        let [hash, range] = keys;
        let hash = KeySchemaElement::builder().attribute_name(hash).key_type(KeyType::Hash);
        let range = KeySchemaElement::builder().attribute_name(range).key_type(KeyType::Range);
        let schema = vec![hash.build().map_err(incomplete)?, range.build().map_err(incomplete)?];
        let Some(index) = index else {
            call = call.set_key_schema(Some(schema));
            continue;
        };
        // The sweeper needs names only; the list shows records, without their views.
        let projected = Projection::builder();
        let projected = if index == DUE {
            projected.projection_type(ProjectionType::KeysOnly)
        } else {
            let listed = items::LISTED.map(ToOwned::to_owned).to_vec();
            projected.projection_type(ProjectionType::Include).set_non_key_attributes(Some(listed))
        };
        let index = GlobalSecondaryIndex::builder()
            .index_name(index)
            .set_key_schema(Some(schema))
            .projection(projected.build())
            .build();
        call = call.global_secondary_indexes(index.map_err(incomplete)?);
    }
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) => match error.as_service_error() {
            // Somebody else makes it at this moment.
            Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
            _ => Err(store.failed("dynamodb:CreateTable", error)),
        },
    }
}

/// Refuses a table that somebody made for another purpose.
fn check_keys(store: &DynamoStore, table: &TableDescription) -> Result<(), StoreError> {
    for (index, keys) in KEYS {
        let schema = match index {
            None => Some(table.key_schema()),
            Some(name) => table
                .global_secondary_indexes()
                .iter()
                .find(|index| index.index_name() == Some(name))
                .map(|index| index.key_schema()),
        };
        let is_ours = schema
            .is_some_and(|schema| schema.iter().map(KeySchemaElement::attribute_name).eq(keys));
        if !is_ours {
            let part = index.map_or("it has other keys".into(), |name| {
                format!("its index {name:?} is missing or has other keys")
            });
            return Err(StoreError::Unusable {
                remedy: format!(
                    "{} is there already and is not a table of Everstep ({part}): choose another \
                     name in EVERSTEP_URL",
                    store.place
                ),
                source: None,
            });
        }
    }
    Ok(())
}

fn is_ready(table: &TableDescription) -> bool {
    let active = |status: Option<&IndexStatus>| status == Some(&IndexStatus::Active);
    table.table_status() == Some(&TableStatus::Active)
        && table.global_secondary_indexes().iter().all(|index| active(index.index_status()))
}

fn incomplete(error: impl Into<BoxError>) -> StoreError {
    StoreError::unusable("a request to DynamoDB is incomplete", error)
}
