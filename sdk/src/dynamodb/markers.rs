//! The table of markers.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    TimeToLiveSpecification, TimeToLiveStatus,
};

use super::marker::{EXPIRES, KEY};
use crate::limits::MARKER_KEPT;
use crate::store::BoxError;

/// How long a new table may take until it can be used. It takes AWS about ten seconds.
const READY_MAX: Duration = Duration::from_secs(180);

/// How often a table that is being made is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where markers are kept: a table of DynamoDB, in the account and region of the tables that are
/// written to with them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Markers {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) kept: Duration,
}

/// Why the table of markers could not be made.
///
/// ```
/// use everstep::dynamodb::SetupError;
///
/// /// Whether it is worth calling `setup` again, of a program that begins with it.
/// fn may_help(error: &SetupError) -> bool {
///     !matches!(error, SetupError::OtherTable { .. })
/// }
///
/// let other = SetupError::OtherTable { table: "orders".to_owned() };
/// assert!(!may_help(&other));
/// assert!(other.to_string().starts_with("the table orders is no table of markers"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// It is there, with other keys: it is another table.
    #[error("the table {table} is no table of markers: its only key has to be a string \"pk\"")]
    OtherTable {
        /// Its name.
        table: String,
    },
    /// It is being made and takes longer than three minutes. Call again.
    #[error("the table {table} is still being made")]
    Slow {
        /// Its name.
        table: String,
    },
    /// DynamoDB refused, or did not answer.
    #[error("the table {table} of markers cannot be made")]
    Failed {
        /// Its name.
        table: String,
        /// What DynamoDB said.
        #[source]
        source: BoxError,
    },
}

impl Markers {
    /// The markers in `table`. Nothing is looked up.
    pub fn new(client: &Client, table: impl Into<String>) -> Self {
        Self { client: client.clone(), table: table.into(), kept: MARKER_KEPT }
    }

    /// How long a marker stays at least; by default [`MARKER_KEPT`]. Longer than any execution may stand
    /// between a step's writes and the commit that logs its result: no longer than an attempt if all goes
    /// well, as long as it stays blocked, or its hosts are down, if not.
    #[must_use]
    pub fn keep(mut self, kept: Duration) -> Self {
        self.kept = kept;
        self
    }

    /// Makes the table if it is missing, and turns its time to live on. Safe to repeat, and to call from
    /// many hosts at once. Needs `dynamodb:{CreateTable,DescribeTable,UpdateTimeToLive,DescribeTimeToLive}`.
    ///
    /// # Errors
    /// DynamoDB did not do it, or there is another table of this name.
    pub async fn setup(&self) -> Result<(), SetupError> {
        let deadline = tokio::time::Instant::now() + READY_MAX;
        while !self.is_ready().await? {
            if tokio::time::Instant::now() >= deadline {
                return Err(SetupError::Slow { table: self.table.clone() });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.turn_expiry_on().await
    }

    /// Whether the table can be used; makes it where there is none.
    async fn is_ready(&self) -> Result<bool, SetupError> {
        let described = self.client.describe_table().table_name(&self.table).send().await;
        let table = match described {
            Ok(answer) => answer.table,
            Err(error) => match error.as_service_error() {
                Some(DescribeTableError::ResourceNotFoundException(_)) => None,
                _ => return Err(self.failed(error)),
            },
        };
        let Some(table) = table else {
            self.create().await?;
            return Ok(false);
        };
        let keys: Vec<&str> = table.key_schema().iter().map(|key| key.attribute_name()).collect();
        if keys != [KEY] {
            return Err(SetupError::OtherTable { table: self.table.clone() });
        }
        Ok(table.table_status() == Some(&TableStatus::Active))
    }

    async fn create(&self) -> Result<(), SetupError> {
        let key = KeySchemaElement::builder().attribute_name(KEY).key_type(KeyType::Hash).build();
        let text = AttributeDefinition::builder()
            .attribute_name(KEY)
            .attribute_type(ScalarAttributeType::S)
            .build();
        let call = self
            .client
            .create_table()
            .table_name(&self.table)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key.map_err(|error| self.failed(error))?)
            .attribute_definitions(text.map_err(|error| self.failed(error))?);
        match call.send().await {
            Ok(_) => Ok(()),
            // Somebody else was faster.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_in_use_exception()) =>
            {
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn turn_expiry_on(&self) -> Result<(), SetupError> {
        let described = self.client.describe_time_to_live().table_name(&self.table).send().await;
        let described = described.map_err(|error| self.failed(error))?;
        let status = described.time_to_live_description.and_then(|told| told.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let on = TimeToLiveSpecification::builder().attribute_name(EXPIRES).enabled(true).build();
        let call = self.client.update_time_to_live().table_name(&self.table);
        let call = call.time_to_live_specification(on.map_err(|error| self.failed(error))?);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                // Somebody else may have done it at this very moment.
                let again =
                    self.client.describe_time_to_live().table_name(&self.table).send().await;
                let status = again.ok().and_then(|told| {
                    told.time_to_live_description.and_then(|told| told.time_to_live_status)
                });
                match status {
                    Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling) => Ok(()),
                    _ => Err(self.failed(error)),
                }
            }
        }
    }

    fn failed(&self, source: impl Into<BoxError>) -> SetupError {
        SetupError::Failed { table: self.table.clone(), source: source.into() }
    }
}
