//! CloudWatch's embedded metric format, read as CloudWatch reads it.

use std::collections::BTreeMap;

use serde_json::Value;

/// Sets of dimensions with their values, and the values of each metric.
pub type Said = (Vec<BTreeMap<String, String>>, BTreeMap<String, Vec<f64>>);

/// What a line says: the sets of dimensions, each with its values, and the values of each metric.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
/// # Panics
/// It breaks a rule of the format.
#[must_use]
pub fn check_emf(line: &Value) -> Said {
    const UNITS: [&str; 3] = ["Count", "Seconds", "Bytes"];
    let root = line.as_object().expect("an object");
    assert!(line.to_string().len() < 256 * 1024, "a line is too long");
    let about = root["_aws"].as_object().expect("_aws is an object");
    assert!(about["Timestamp"].as_u64().expect("milliseconds") > 1_500_000_000_000);
    let directives = about["CloudWatchMetrics"].as_array().expect("directives");
    let (mut sets, mut values) = (Vec::new(), BTreeMap::new());
    for directive in directives {
        let namespace = directive["Namespace"].as_str().expect("a namespace");
        assert!((1..=255).contains(&namespace.len()));
        let dimensions = directive["Dimensions"].as_array().expect("sets of dimensions");
        assert!(!dimensions.is_empty());
        for set in dimensions {
            let keys = set.as_array().expect("a set");
            assert!(keys.len() <= 30, "{keys:?}");
            let of = |key: &Value| {
                let key = key.as_str().expect("a key");
                assert!(key.is_ascii() && !key.starts_with(':') && (1..=250).contains(&key.len()));
                let value = root[key].as_str().expect("the value of a dimension is a string");
                let fits = value.is_ascii() && !value.chars().any(|char| char.is_ascii_control());
                assert!(fits && (1..=1024).contains(&value.len()) && !value.trim().is_empty());
                (key.to_owned(), value.to_owned())
            };
            let set: BTreeMap<_, _> = keys.iter().map(of).collect();
            assert_eq!(set.len(), keys.len(), "a dimension is named twice");
            sets.push(set);
        }
        let metrics = directive["Metrics"].as_array().expect("metrics");
        assert!((1..=100).contains(&metrics.len()));
        for metric in metrics {
            let name = metric["Name"].as_str().expect("a name");
            assert!(UNITS.contains(&metric["Unit"].as_str().expect("a unit")));
            let of_metric = match &root[name] {
                Value::Number(value) => vec![value.as_f64().unwrap()],
                Value::Array(values) => values.iter().map(|it| it.as_f64().unwrap()).collect(),
                other => panic!("{name} is {other}"),
            };
            assert!((1..=100).contains(&of_metric.len()), "{name}");
            assert!(of_metric.iter().all(|value| value.is_finite() && *value >= 0.0), "{name}");
            assert!(values.insert(name.to_owned(), of_metric).is_none(), "{name} is named twice");
        }
    }
    (sets, values)
}
