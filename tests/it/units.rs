//! What a call of DynamoDB takes of a table and of its indexes: the rules of `everstep_tests::meter`.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, Delete, Get,
    GlobalSecondaryIndex, KeySchemaElement, KeyType, KeysAndAttributes, Projection, ProjectionType,
    Put, PutRequest, ReturnConsumedCapacity, ScalarAttributeType, TransactGetItem,
    TransactWriteItem, Update, WriteRequest,
};
use everstep_tests::dynamodb::{DynamoDb, config_at, new_table};
use everstep_tests::meter::{Consumed, Meter, Units};

type Item = HashMap<String, AttributeValue>;

/// The indexes, all with the key `kind`: the first has no more than keys, the next `shown` too, the
/// last everything.
const INDEXES: [(&str, ProjectionType); 3] = [
    ("keys", ProjectionType::KeysOnly),
    ("shown", ProjectionType::Include),
    ("all", ProjectionType::All),
];

struct Table {
    _db: DynamoDb,
    meter: Meter,
    client: Client,
    name: String,
}

impl Table {
    async fn new() -> Self {
        let db = DynamoDb::emulate();
        let meter = Meter::before(db.url());
        let client = Client::new(&config_at(meter.url()).await);
        let name = new_table();
        let key = |name: &str, kind| {
            KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
        };
        let mut make = client
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range));
        for name in ["pk", "sk", "kind"] {
            let text = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S);
            make = make.attribute_definitions(text.build().unwrap());
        }
        for (index, kind) in INDEXES {
            let mut projection = Projection::builder().projection_type(kind.clone());
            if kind == ProjectionType::Include {
                projection = projection.non_key_attributes("shown");
            }
            let index = GlobalSecondaryIndex::builder()
                .index_name(index)
                .key_schema(key("kind", KeyType::Hash))
                .projection(projection.build());
            make = make.global_secondary_indexes(index.build().unwrap());
        }
        make.send().await.unwrap();
        let this = Self { _db: db, meter, client, name };
        assert_eq!(this.take(), Consumed::default(), "to make a table takes no units");
        this
    }

    fn take(&self) -> Consumed {
        self.meter.take(&self.name)
    }

    async fn put(&self, item: &Item) {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item.clone()));
        put.send().await.unwrap();
    }

    async fn has(&self, items: &[Item]) {
        for item in items {
            self.put(item).await;
        }
        let _ = self.take();
    }

    /// Makes an item of what is there, by a write of the kind `how`.
    async fn change(&self, how: How, before: Option<&Item>, after: Option<&Item>) {
        let table = &self.name;
        match (how, after) {
            (How::Put, Some(after)) => self.put(after).await,
            (How::Put, None) => {
                let delete = self.client.delete_item().table_name(table).set_key(Some(key("a")));
                delete.send().await.unwrap();
            }
            (How::Update, _) => {
                let change = Change::between(before, after);
                let update = self
                    .client
                    .update_item()
                    .table_name(table)
                    .set_key(Some(key("a")))
                    .update_expression(change.expression)
                    .set_expression_attribute_values(change.values);
                update.send().await.unwrap();
            }
            (How::Transaction, Some(after)) => {
                let put = Put::builder().table_name(table).set_item(Some(after.clone()));
                let write = TransactWriteItem::builder().put(put.build().unwrap()).build();
                self.client.transact_write_items().transact_items(write).send().await.unwrap();
            }
            (How::Transaction, None) => {
                let delete = Delete::builder().table_name(table).set_key(Some(key("a")));
                let write = TransactWriteItem::builder().delete(delete.build().unwrap()).build();
                self.client.transact_write_items().transact_items(write).send().await.unwrap();
            }
        }
    }
}

/// An update expression with its values.
struct Change {
    expression: String,
    values: Option<Item>,
}

impl Change {
    fn between(before: Option<&Item>, after: Option<&Item>) -> Self {
        let (none, keys) = (Item::new(), key("a"));
        let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
        let is_new = |name: &&String| !keys.contains_key(*name);
        let set: Vec<_> = after.keys().filter(is_new).map(|it| format!("{it} = :{it}")).collect();
        let gone = before.keys().filter(is_new).filter(|name| !after.contains_key(*name));
        let gone: Vec<_> = gone.cloned().collect();
        let values: Item = after
            .iter()
            .filter(|(name, _)| is_new(name))
            .map(|(n, v)| (format!(":{n}"), v.clone()))
            .collect();
        let mut expression = String::new();
        for (verb, parts) in [("SET", set), ("REMOVE", gone)] {
            if !parts.is_empty() {
                expression.push_str(&format!("{verb} {} ", parts.join(", ")));
            }
        }
        Self { expression, values: (!values.is_empty()).then_some(values) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// `PutItem` or `DeleteItem`.
    Put,
    Update,
    Transaction,
}

/// How many bytes [`key`] has, names included.
const KEY_BYTES: usize = 6;

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn key(sk: &str) -> Item {
    [("pk".to_owned(), text("p")), ("sk".to_owned(), text(sk))].into()
}

/// The item `a` with these attributes.
fn item(attributes: &[(&str, &str)]) -> Item {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
    key("a").into_iter().chain(attributes).collect()
}

/// An item of this many bytes.
fn of_bytes(sk: &str, bytes: usize) -> Item {
    let mut item = key(sk);
    item.insert("body".to_owned(), text(&"b".repeat(bytes - KEY_BYTES - "body".len())));
    item
}

/// An item of this many bytes in every index.
fn of_kind(sk: &str, bytes: usize) -> Item {
    let mut item = of_bytes(sk, bytes - "kindx".len());
    item.insert("kind".to_owned(), text("x"));
    item
}

fn wrote(table: f64, indexes: [f64; 3]) -> Consumed {
    let writes = |writes| Units { reads: 0.0, writes };
    let indexes = INDEXES.iter().zip(indexes).filter(|(_, units)| *units > 0.0);
    let indexes = indexes.map(|((name, _), units)| ((*name).to_owned(), writes(units))).collect();
    Consumed { table: writes(table), indexes }
}

fn read(reads: f64) -> Consumed {
    Consumed { table: Units { reads, writes: 0.0 }, ..Consumed::default() }
}

#[tokio::test]
async fn a_write_takes_of_the_table_by_the_larger_item_and_of_each_index_what_its_entry_does() {
    let long = "s".repeat(1_500);
    let longer = "b".repeat(3_000);
    let plain = item(&[("body", "b")]);
    let kind = item(&[("kind", "x"), ("body", "b")]);
    let cases = [
        ("a new item that is in no index", None, Some(plain.clone()), 1.0, [0.0; 3]),
        ("one of just 1 KB", None, Some(of_bytes("a", 1_024)), 1.0, [0.0; 3]),
        ("one of a byte more", None, Some(of_bytes("a", 1_025)), 2.0, [0.0; 3]),
        ("a new item that is in all", None, Some(kind.clone()), 1.0, [1.0; 3]),
        (
            "one that is larger than its entries",
            None,
            Some(item(&[("kind", "x"), ("body", &longer)])),
            3.0,
            [1.0, 1.0, 3.0],
        ),
        (
            "one whose entries are of different sizes",
            None,
            Some(item(&[("kind", "x"), ("shown", &long)])),
            2.0,
            [1.0, 2.0, 2.0],
        ),
        ("an item comes into the indexes", Some(plain.clone()), Some(kind.clone()), 1.0, [1.0; 3]),
        ("an item leaves the indexes", Some(kind.clone()), Some(plain.clone()), 1.0, [1.0; 3]),
        (
            "an index's key changes",
            Some(kind.clone()),
            Some(item(&[("kind", "y"), ("body", "b")])),
            1.0,
            [2.0; 3],
        ),
        (
            "an index's key changes, of large entries",
            Some(item(&[("kind", "x"), ("shown", &long)])),
            Some(item(&[("kind", "y"), ("shown", &long)])),
            2.0,
            [2.0, 4.0, 4.0],
        ),
        (
            "an index's key changes while the entry grows",
            Some(item(&[("kind", "x"), ("shown", "s")])),
            Some(item(&[("kind", "y"), ("shown", &long)])),
            2.0,
            [2.0, 3.0, 3.0],
        ),
        (
            "what some indexes show changes",
            Some(item(&[("kind", "x"), ("shown", "s")])),
            Some(item(&[("kind", "x"), ("shown", "t")])),
            1.0,
            [0.0, 1.0, 1.0],
        ),
        (
            "what some indexes show becomes shorter",
            Some(item(&[("kind", "x"), ("shown", &long)])),
            Some(item(&[("kind", "x"), ("shown", "t")])),
            2.0,
            [0.0, 2.0, 2.0],
        ),
        (
            "what some indexes show comes and goes",
            Some(item(&[("kind", "x"), ("shown", "s")])),
            Some(item(&[("kind", "x"), ("body", "b")])),
            1.0,
            [0.0, 1.0, 1.0],
        ),
        (
            "what one index shows changes",
            Some(kind.clone()),
            Some(item(&[("kind", "x"), ("body", "c")])),
            1.0,
            [0.0, 0.0, 1.0],
        ),
        ("nothing changes", Some(kind.clone()), Some(kind.clone()), 1.0, [0.0; 3]),
        (
            "an item becomes shorter",
            Some(item(&[("body", &longer)])),
            Some(plain.clone()),
            3.0,
            [0.0; 3],
        ),
        ("an item is deleted", Some(kind), None, 1.0, [1.0; 3]),
        (
            "a large item is deleted",
            Some(item(&[("kind", "x"), ("body", &longer)])),
            None,
            3.0,
            [1.0, 1.0, 3.0],
        ),
        ("an item that is in no index is deleted", Some(plain), None, 1.0, [0.0; 3]),
        ("there is nothing to delete", None, None, 1.0, [0.0; 3]),
    ];
    for (what, before, after, units, indexes) in &cases {
        for how in [How::Put, How::Update, How::Transaction] {
            if how == How::Update && after.is_none() {
                continue;
            }
            let table = Table::new().await;
            table.has(before.as_slice()).await;
            table.change(how, before.as_ref(), after.as_ref()).await;
            let times = if how == How::Transaction { 2.0 } else { 1.0 };
            assert_eq!(table.take(), wrote(units * times, *indexes), "{what}, by {how:?}");
        }
    }
}

#[tokio::test]
async fn each_write_of_a_transaction_and_of_a_batch_is_rounded_up_by_itself() {
    let table = Table::new().await;
    let items = [of_kind("a", 500), of_bytes("b", 1_500), of_bytes("c", 10)];
    let writes = items.iter().map(|item| {
        let put = Put::builder().table_name(&table.name).set_item(Some(item.clone()));
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    });
    let writes: Vec<_> = writes.collect();
    let call = table.client.transact_write_items().set_transact_items(Some(writes));
    let call = call.client_request_token("once");
    call.clone().send().await.unwrap();
    assert_eq!(table.take(), wrote(8.0, [1.0; 3]));
    // One that repeats what was done reads it.
    call.send().await.unwrap();
    assert_eq!(table.take(), read(6.0));

    let check = ConditionCheck::builder()
        .table_name(&table.name)
        .set_key(Some(key("b")))
        .condition_expression("attribute_exists(pk)");
    let check = TransactWriteItem::builder().condition_check(check.build().unwrap()).build();
    table.client.transact_write_items().transact_items(check).send().await.unwrap();
    assert_eq!(table.take(), wrote(4.0, [0.0; 3]), "a check is a write");

    let requests = [of_kind("d", 500), of_bytes("e", 1_500)].map(|item| {
        let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    });
    let call = table.client.batch_write_item().request_items(&table.name, requests.to_vec());
    call.send().await.unwrap();
    assert_eq!(table.take(), wrote(3.0, [1.0; 3]));
}

#[tokio::test]
async fn a_refused_write_takes_as_much_of_the_table_as_if_it_were_done() {
    let cases = [
        ("a small one where nothing is", None, 10, 1.0),
        ("a large one where nothing is", None, 2_500, 3.0),
        ("a small one where a large one is", Some(2_500), 10, 3.0),
        ("a large one where a small one is", Some(10), 2_500, 3.0),
    ];
    for (what, there, wanted, units) in cases {
        let table = Table::new().await;
        table.has(there.map(|bytes| of_bytes("a", bytes)).as_slice()).await;
        let put = Put::builder()
            .table_name(&table.name)
            .set_item(Some(of_bytes("a", wanted)))
            .condition_expression("attribute_exists(nowhere)")
            .build()
            .unwrap();
        let call = table.client.put_item().table_name(&table.name);
        let call = call.set_item(Some(put.item().clone()));
        let call = call.condition_expression("attribute_exists(nowhere)");
        assert!(call.send().await.is_err());
        assert_eq!(table.take(), wrote(units, [0.0; 3]), "{what}");
        let write = TransactWriteItem::builder().put(put).build();
        let other = Update::builder()
            .table_name(&table.name)
            .set_key(Some(key("b")))
            .update_expression("SET kind = :kind")
            .expression_attribute_values(":kind", text("x"));
        let other = TransactWriteItem::builder().update(other.build().unwrap()).build();
        let call = table.client.transact_write_items().transact_items(write).transact_items(other);
        assert!(call.send().await.is_err());
        assert_eq!(table.take(), wrote(2.0 * (units + 1.0), [0.0; 3]), "{what}, with another one");
    }
}

#[tokio::test]
async fn a_refused_update_and_deletion_take_what_is_there() {
    for (there, units) in [(None, 1.0), (Some(of_kind("a", 2_500)), 3.0)] {
        let table = Table::new().await;
        table.has(there.as_slice()).await;
        let delete = table.client.delete_item().table_name(&table.name).set_key(Some(key("a")));
        let delete = delete.condition_expression("attribute_exists(nowhere)");
        assert!(delete.send().await.is_err());
        assert_eq!(table.take(), wrote(units, [0.0; 3]));
        let update = table
            .client
            .update_item()
            .table_name(&table.name)
            .set_key(Some(key("a")))
            .condition_expression("attribute_exists(nowhere)")
            .update_expression("SET kind = :kind")
            .expression_attribute_values(":kind", text("y"));
        assert!(update.send().await.is_err());
        assert_eq!(table.take(), wrote(units, [0.0; 3]));
    }
    // One that is no request of DynamoDB's is not billed.
    let table = Table::new().await;
    assert!(table.client.put_item().table_name(&table.name).send().await.is_err());
    assert_eq!(table.take(), Consumed::default());
}

#[tokio::test]
async fn a_read_of_an_item_takes_by_its_size_and_half_if_it_need_not_be_consistent() {
    let cases = [
        ("nothing", None, 1.0),
        ("a small one", Some(10), 1.0),
        ("one of just 4 KB", Some(4_096), 1.0),
        ("one of a byte more", Some(4_097), 2.0),
    ];
    for (what, bytes, units) in cases {
        let table = Table::new().await;
        table.has(bytes.map(|bytes| of_bytes("a", bytes)).as_slice()).await;
        for (consistent, units) in [(true, units), (false, units / 2.0)] {
            let get = table.client.get_item().table_name(&table.name).set_key(Some(key("a")));
            get.consistent_read(consistent).send().await.unwrap();
            assert_eq!(table.take(), read(units), "{what}, consistent: {consistent}");
        }
        let get = Get::builder().table_name(&table.name).set_key(Some(key("a")));
        let get = TransactGetItem::builder().get(get.build().unwrap()).build();
        table.client.transact_get_items().transact_items(get).send().await.unwrap();
        assert_eq!(table.take(), read(2.0 * units), "{what}, in a transaction");
    }
}

#[tokio::test]
async fn a_query_takes_by_the_sum_of_what_it_reads_and_a_batch_item_by_item() {
    let table = Table::new().await;
    table.has(&[of_kind("a", 3_000), of_kind("b", 3_000), of_kind("c", 100)]).await;
    for (consistent, query, batch) in [(true, 2.0, 3.0), (false, 1.0, 1.5)] {
        let call = || {
            let call = table.client.query().table_name(&table.name).consistent_read(consistent);
            call.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text("p"))
        };
        call().send().await.unwrap();
        assert_eq!(table.take(), read(query));
        call().filter_expression("attribute_exists(nowhere)").send().await.unwrap();
        assert_eq!(table.take(), read(query), "what is left out has been read");
        let keys = ["a", "b", "c"].map(key).to_vec();
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(consistent);
        let call = table.client.batch_get_item().request_items(&table.name, keys.build().unwrap());
        call.send().await.unwrap();
        assert_eq!(table.take(), read(batch));
    }
    // No index is read consistently.
    for (index, kind, units) in
        [("keys", "x", 0.5), ("all", "x", 1.0), ("all", "of which there is none", 0.5)]
    {
        let call = table.client.query().table_name(&table.name).index_name(index);
        let call = call.key_condition_expression("kind = :kind");
        call.expression_attribute_values(":kind", text(kind)).send().await.unwrap();
        let taken = Units { reads: units, writes: 0.0 };
        let indexes = [(index.to_owned(), taken)].into();
        assert_eq!(table.take(), Consumed { indexes, ..Consumed::default() }, "{kind} in {index}");
    }
}

#[tokio::test]
async fn whoever_asks_what_a_call_takes_is_told_as_much_as_asked_for() {
    let table = Table::new().await;
    let put = async |how: Option<ReturnConsumedCapacity>| {
        let call = table.client.put_item().table_name(&table.name);
        let call = call.set_item(Some(of_kind("a", 1_500))).set_return_consumed_capacity(how);
        let answer = call.send().await.unwrap();
        let _ =
            table.client.delete_item().table_name(&table.name).set_key(Some(key("a"))).send().await;
        answer.consumed_capacity
    };
    assert_eq!(put(None).await, None);
    assert_eq!(put(Some(ReturnConsumedCapacity::None)).await, None);
    let total = put(Some(ReturnConsumedCapacity::Total)).await.unwrap();
    assert_eq!((total.capacity_units, total.table_name()), (Some(6.0), Some(&*table.name)));
    assert_eq!((total.table, total.global_secondary_indexes), (None, None));
    let parts = put(Some(ReturnConsumedCapacity::Indexes)).await.unwrap();
    assert_eq!(parts.capacity_units, Some(6.0));
    assert_eq!(parts.table.unwrap().capacity_units, Some(2.0));
    let indexes = parts.global_secondary_indexes.unwrap();
    let of = |name: &str| indexes[name].capacity_units;
    assert_eq!([of("keys"), of("shown"), of("all")], [Some(1.0), Some(1.0), Some(2.0)]);
    // Of each of these the meter has counted the deletion too.
    assert_eq!(table.take(), wrote(16.0, [8.0, 8.0, 16.0]));
    assert_eq!(table.take(), Consumed::default(), "and begins anew");
}
