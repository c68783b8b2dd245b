//! Steps whose writes to DynamoDB happen exactly once.

mod kills;
mod races;
mod refusals;
mod returned;
mod table;

use aws_sdk_dynamodb::Client as Dynamo;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put,
    ScalarAttributeType, Update,
};
use everstep::dynamodb::{Markers, Transact, TransactError, transact};
use everstep::prelude::*;
use everstep_tests::dynamodb::config_at;
use serde::{Deserialize, Serialize};

/// The table of the shop's stock and sales, by name.
const SHOP: &str = "shop";

/// What a shop's steps fail by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
enum ShopError {
    #[error("{0} is sold out")]
    SoldOut(String),
    #[error(transparent)]
    Transact(#[from] TransactError),
}

/// A shop whose DynamoDB is at `url`, with this many cups.
async fn shop(url: &str, cups: u32) -> Markers {
    let dynamo = dynamo(url).await;
    let key = KeySchemaElement::builder().attribute_name("name").key_type(KeyType::Hash).build();
    let name = AttributeDefinition::builder()
        .attribute_name("name")
        .attribute_type(ScalarAttributeType::S)
        .build();
    let table = dynamo.create_table().table_name(SHOP).billing_mode(BillingMode::PayPerRequest);
    let table = table.key_schema(key.unwrap()).attribute_definitions(name.unwrap());
    table.send().await.unwrap();
    let put = dynamo.put_item().table_name(SHOP).item("name", text("cups"));
    put.item("pieces", number(cups.into())).send().await.unwrap();
    let markers = Markers::new(&dynamo, "markers");
    markers.setup().await.unwrap();
    markers
}

/// The same shop, seen through another address.
async fn at(url: &str) -> Markers {
    Markers::new(&dynamo(url).await, "markers")
}

async fn dynamo(url: &str) -> Dynamo {
    Dynamo::new(&config_at(url).await)
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Takes a cup, if there is one.
fn take_a_cup() -> Update {
    let take = Update::builder().table_name(SHOP).key("name", text("cups"));
    let take = take.update_expression("ADD pieces :less").condition_expression("pieces > :none");
    let take = take.expression_attribute_values(":less", number(-1));
    take.expression_attribute_values(":none", number(0)).build().unwrap()
}

/// Counts a sale: an effect that shows how often it happened.
fn count_sale(note: &str) -> Update {
    let count = Update::builder().table_name(SHOP).key("name", text(note));
    let count = count.update_expression("ADD sold :one");
    count.expression_attribute_values(":one", number(1)).build().unwrap()
}

/// An item that was not there.
fn new_item(name: &str) -> Put {
    let put = Put::builder().table_name(SHOP).item("name", text(name));
    let put = put.condition_expression("attribute_not_exists(#name)");
    put.expression_attribute_names("#name", "name").build().unwrap()
}

/// Takes a cup and counts it.
async fn sale(markers: &Markers, note: &str) -> Result<String, ShopError> {
    transact(markers, async || {
        let sold = Transact::new(format!("a cup, {note}"));
        Ok(sold.update("stock", take_a_cup()).update("sale", count_sale(note)))
    })
    .await
}

#[step(skip(markers), retry(max_attempts = 10, initial = "20ms"))]
async fn sell(markers: &Markers, note: &str) -> Result<String, ShopError> {
    sale(markers, note).await
}

/// Three sales, one after the other.
#[workflow]
async fn sell_three(
    State(markers): State<Markers>,
    note: String,
) -> Result<Vec<String>, ShopError> {
    let mut sold = Vec::new();
    for number in 1..=3 {
        sold.push(sell(&markers, &format!("{note}/{number}")).await?);
    }
    Ok(sold)
}

/// A number in the shop's table; 0 if there is none.
async fn look(url: &str, name: &str, attribute: &str) -> i64 {
    let dynamo = dynamo(url).await;
    let get = dynamo.get_item().table_name(SHOP).key("name", text(name)).consistent_read(true);
    let item = get.send().await.unwrap().item.unwrap_or_default();
    item.get(attribute).map_or(0, |value| value.as_n().unwrap().parse().unwrap())
}

/// How many items a table has.
async fn count(url: &str, table: &str) -> i32 {
    dynamo(url).await.scan().table_name(table).consistent_read(true).send().await.unwrap().count
}
