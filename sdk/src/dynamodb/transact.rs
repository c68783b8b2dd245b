//! What a step wants written, and its result.

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem, Update};

/// Writes that are one transaction, and what the step returns when they are done.
///
/// Each write has a name, by which a [refusal](super::TransactError::Refused) speaks of it. At most
/// [98](crate::limits::TRANSACT_WRITES_MAX) writes, of different items.
///
/// ```
/// use everstep::dynamodb::Transact;
/// use everstep::dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, Update};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = |text: &str| AttributeValue::S(text.to_owned());
///
/// let is_open = ConditionCheck::builder()
///     .table_name("shops")
///     .key("name", text("books"))
///     .condition_expression("attribute_not_exists(closed)");
/// let sale = Put::builder().table_name("sales").item("id", text("sale-7"));
/// let stock = Update::builder()
///     .table_name("stock")
///     .key("article", text("a cup"))
///     .update_expression("ADD pieces :minus_one")
///     .expression_attribute_values(":minus_one", AttributeValue::N("-1".to_owned()));
/// let offer = Delete::builder().table_name("offers").key("id", text("offer-7"));
///
/// // What a step returns, or the closure of `transact`: all four writes, or none.
/// let wanted = Transact::new("sale-7".to_owned())
///     .check("the shop", is_open.build()?)
///     .put("the sale", sale.build()?)
///     .update("the stock", stock.build()?)
///     .delete("the offer", offer.build()?);
/// # assert!(format!("{wanted:?}").contains("offer-7"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is written unless a step, or the closure of `transact`, returns it"]
pub struct Transact<T> {
    pub(super) result: T,
    pub(super) names: Vec<String>,
    pub(super) writes: Vec<TransactWriteItem>,
}

impl<T> Transact<T> {
    /// No writes yet, and this result. Without any, only the result is kept.
    pub fn new(result: T) -> Self {
        Self { result, names: Vec::new(), writes: Vec::new() }
    }

    /// Puts an item.
    pub fn put(self, name: impl Into<String>, put: Put) -> Self {
        self.write(name, TransactWriteItem::builder().put(put).build())
    }

    /// Changes an item.
    pub fn update(self, name: impl Into<String>, update: Update) -> Self {
        self.write(name, TransactWriteItem::builder().update(update).build())
    }

    /// Deletes an item.
    pub fn delete(self, name: impl Into<String>, delete: Delete) -> Self {
        self.write(name, TransactWriteItem::builder().delete(delete).build())
    }

    /// Writes the rest only if this holds.
    pub fn check(self, name: impl Into<String>, check: ConditionCheck) -> Self {
        self.write(name, TransactWriteItem::builder().condition_check(check).build())
    }

    fn write(mut self, name: impl Into<String>, write: TransactWriteItem) -> Self {
        self.names.push(name.into());
        self.writes.push(write);
        self
    }
}
