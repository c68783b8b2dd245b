//! Payloads that stand in several places, such as a result that is passed on: each once.

use std::collections::HashMap;

use crate::event::Json;

/// The different ones of `values`, and for each of these which it is.
pub(super) fn distinct(values: &[&mut Json]) -> (Vec<Json>, Vec<usize>) {
    let mut distinct = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::with_capacity(values.len());
    let places = values.iter().map(|value| {
        *known.entry(value.as_str()).or_insert_with(|| {
            distinct.push((**value).clone());
            distinct.len() - 1
        })
    });
    let places = places.collect();
    (distinct, places)
}
