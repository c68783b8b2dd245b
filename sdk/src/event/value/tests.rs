use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::event::Json;

#[track_caller]
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let json = Json::record(&value).unwrap();
    assert_eq!(json.read::<T>().unwrap(), value, "from {json}");
    assert_eq!(json.as_str(), serde_json::to_string(&value).unwrap(), "serde_json's own text");
}

#[track_caller]
fn is_refused<T: Serialize + ?Sized>(value: &T, path: &str, problem: &str) {
    let message = Json::record(value).unwrap_err().to_string();
    let start = match path {
        "" => "the value cannot be recorded: ".to_owned(),
        path => format!("`{path}` cannot be recorded: "),
    };
    assert!(message.starts_with(&start), "{message}");
    assert!(message.contains(problem), "{message}");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Item {
    name: String,
    price: f64,
    note: Option<Option<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Shape {
    Dot,
    Line(Option<i64>),
    Box(u8, String),
    Text { body: String, size: Option<u16> },
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Wrapped<T>(T);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Unit;

fn item(price: f64, note: Option<Option<u8>>) -> Item {
    Item { name: "Bär".into(), price, note }
}

#[test]
fn values_at_the_edges_come_back_equal() {
    comes_back(u64::MAX);
    comes_back((i128::MIN, i128::MAX, u128::MAX));
    comes_back((f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 0.1 + 0.2));
    comes_back((f32::MAX, f32::MIN_POSITIVE, 0.1_f32, 1.0e-45_f32));
    comes_back(('\0', '\u{10ffff}', '"'));
    comes_back("\u{0}\u{1f}\u{7f}\u{2028}\\\"/ 日本 🦀".to_owned());
    comes_back(());
    comes_back(Unit);
    comes_back(None::<u8>);
    comes_back(BTreeMap::from([(i128::MIN, "a".to_owned()), (u64::MAX.into(), String::new())]));
    comes_back(BTreeMap::from([(false, 1), (true, 2)]));
    comes_back(HashMap::from([('a', 1.5)]));
    comes_back(BTreeMap::from([(Shape::Dot, Shape::Dot)]));
    comes_back(BTreeMap::from([(Wrapped("k".to_owned()), ())]));
    comes_back(BTreeMap::from([(Some(1), 1)]));
    comes_back(vec![Shape::Dot, Shape::Line(None), Shape::Line(Some(i64::MIN))]);
    comes_back(Shape::Box(0, "x".into()));
    comes_back(Shape::Text { body: "x".repeat(100_000), size: None });
    comes_back(Some(Some(3)));
    comes_back(Some(Shape::Line(None)));
    comes_back(Some(vec![None, Some(1)]));
    comes_back((Some(Wrapped((None::<u8>, 1))), Result::<Option<u8>, ()>::Ok(None)));
    comes_back(item(1.0, Some(Some(1))));
    comes_back(BTreeSet::from([vec![1], vec![]]));
    comes_back(serde_json::json!({ "a": [null, 1.5e300, u64::MAX, { "": "" }] }));
    comes_back(b"\x00\xff".to_vec());
}

#[test]
fn the_sign_of_zero_comes_back() {
    let zero: f64 = Json::record(&-0.0_f64).unwrap().read().unwrap();
    assert!(zero.is_sign_negative());
}

#[test]
fn recorded_json_is_written_as_it_is() {
    let json = Json::parse("[1, 2]".into()).unwrap();
    let text = Json::record(&(&json, Some(&json))).unwrap();
    assert_eq!(text.as_str(), "[[1, 2],[1, 2]]");
}

#[test]
fn numbers_that_are_not_finite_are_refused_by_path() {
    is_refused(&f64::NAN, "", "it is NaN, and JSON has only finite numbers");
    is_refused(&f32::NEG_INFINITY, "", "it is -inf");
    let order = BTreeMap::from([("items", vec![item(1.0, None), item(f64::INFINITY, None)])]);
    is_refused(&order, "items[1].price", "it is inf");
    is_refused(&BTreeMap::from([("a b", (0, f32::NAN))]), "[\"a b\"][1]", "it is NaN");
    is_refused(&Wrapped(Some(f64::NAN)), "", "it is NaN");
    is_refused(&BTreeMap::from([(1, Ok::<f64, ()>(f64::NAN))]), "[\"1\"].Ok", "it is NaN");
}

#[test]
fn some_of_a_null_is_refused_by_path() {
    let problem = "so it would read back as `None`";
    is_refused(&Some(None::<u8>), "", problem);
    is_refused(&Some(()), "", problem);
    is_refused(&Some(Unit), "", problem);
    is_refused(&Some(Some(Wrapped(None::<u8>))), "", problem);
    is_refused(&Some(serde_json::Value::Null), "", problem);
    is_refused(&Some(Json::null()), "", problem);
    is_refused(&vec![item(1.0, None), item(1.0, Some(None))], "[1].note", problem);
}

#[test]
fn a_map_that_would_lose_an_entry_is_refused() {
    #[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
    #[serde(untagged)]
    enum Key {
        Number(u8),
        Text(&'static str),
    }
    let map = BTreeMap::from([(Key::Number(1), 1), (Key::Number(2), 1), (Key::Text("1"), 2)]);
    is_refused(&Wrapped(vec![map]), "[0]", "two of its keys have the same text, \"1\"");

    #[derive(Serialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        more: BTreeMap<String, u8>,
    }
    is_refused(&Flat { id: 1, more: [("id".to_owned(), 2)].into() }, "", "\"id\"");

    #[derive(Serialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        One(One),
    }
    #[derive(Serialize)]
    struct One {
        kind: u8,
    }
    is_refused(&[Tagged::One(One { kind: 1 })], "[0]", "two fields `kind`");
}

#[test]
fn keys_that_json_does_not_have_are_refused() {
    let problem = "record the map as a list of pairs";
    is_refused(&BTreeMap::from([((1, 2), 3)]), "", problem);
    is_refused(&vec![BTreeMap::from([(None::<u8>, 3)])], "[0]", "is `None`");
    is_refused(&BTreeMap::from([(Shape::Line(None), 3)]), "", "the variant `Line` with data");
    is_refused(&BTreeMap::from([((), 3)]), "", "is `()`");
}

#[test]
fn nesting_is_refused_exactly_where_it_would_not_be_read_back() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Chain {
        End,
        Link(Box<Chain>),
        Both { next: Box<Chain> },
    }
    let links = |count: usize| (0..count).fold(Chain::End, |next, _| Chain::Link(Box::new(next)));
    comes_back(links(127));
    is_refused(&links(128), &["Link"; 127].join("."), "nested more than 127 levels");
    assert!(serde_json::to_string(&links(128)).unwrap().parse::<serde_json::Value>().is_err());

    let both =
        |count: usize| (0..count).fold(Chain::End, |next, _| Chain::Both { next: Box::new(next) });
    comes_back(both(63));
    assert!(Json::record(&both(64)).is_err());
}

#[test]
fn an_error_of_the_types_own_says_where_it_came_from() {
    struct Picky;
    impl Serialize for Picky {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("the path is not UTF-8"))
        }
    }
    is_refused(&BTreeMap::from([("file", [Picky])]), "file[0]", "the path is not UTF-8");
}

#[test]
fn an_error_that_is_swallowed_on_its_way_is_still_one() {
    struct Stubborn;
    impl Serialize for Stubborn {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            let mut seq = serializer.serialize_seq(None)?;
            let _ = seq.serialize_element(&f64::NAN);
            seq.end()
        }
    }
    is_refused(&Stubborn, "[0]", "it is NaN");
}

fn read_as<T: DeserializeOwned>(json: &Json, _like: &T) -> T {
    json.read().unwrap()
}

fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Dot),
        any::<Option<i64>>().prop_map(Shape::Line),
        any::<(u8, String)>().prop_map(|(a, b)| Shape::Box(a, b)),
        any::<(String, Option<u16>)>().prop_map(|(body, size)| Shape::Text { body, size }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_recorded_comes_back_equal(
        floats in any::<(f64, f32)>(),
        integers in any::<(u64, i64, u128, i128)>(),
        texts in any::<(String, char, Vec<u8>)>(),
        options in any::<(Option<Option<u8>>, Option<()>, Option<String>)>(),
        shapes in proptest::collection::vec(shapes(), 0..4),
        maps in any::<(BTreeMap<i64, String>, BTreeMap<String, f64>, HashMap<char, bool>)>(),
    ) {
        let value = (floats, integers, texts, options, shapes, maps);
        // Only what the rules name may be refused.
        let finite = value.0.0.is_finite() && value.0.1.is_finite()
            && value.5.1.values().all(|price| price.is_finite());
        let nullable = matches!(value.3, (Some(None), _, _) | (_, Some(()), _));
        match Json::record(&value) {
            Ok(json) => {
                prop_assert!(finite && !nullable);
                prop_assert_eq!(read_as(&json, &value), value);
            }
            Err(_) => prop_assert!(!finite || nullable),
        }
    }
}
