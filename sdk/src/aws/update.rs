//! An update expression, attribute by attribute, so that no name can be a reserved word.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// The parts of an `UpdateItem`.
#[derive(Debug, Default)]
pub(super) struct Update {
    set: Vec<String>,
    remove: Vec<String>,
    add: Vec<String>,
    /// `#name` for every attribute of the expressions.
    pub(super) names: HashMap<String, String>,
    /// `:name` for every value of the expressions.
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Update {
    /// Sets the attribute to the value, or removes it.
    pub(super) fn put(&mut self, name: &str, value: Option<AttributeValue>) {
        self.name(name);
        match value {
            Some(value) => {
                self.set.push(format!("#{name} = :{name}"));
                self.value(name, value);
            }
            None => self.remove.push(format!("#{name}")),
        }
    }

    /// Adds the number to the attribute.
    pub(super) fn add(&mut self, name: &str, value: AttributeValue) {
        self.name(name);
        self.add.push(format!("#{name} :{name}"));
        self.value(name, value);
    }

    /// Makes `#name` usable in a condition.
    pub(super) fn name(&mut self, name: &str) {
        self.names.insert(format!("#{name}"), name.to_owned());
    }

    /// Makes `:name` usable in a condition.
    pub(super) fn value(&mut self, name: &str, value: AttributeValue) {
        self.values.insert(format!(":{name}"), value);
    }

    /// The update expression.
    pub(super) fn expression(&self) -> String {
        let mut clauses = Vec::new();
        if !self.set.is_empty() {
            clauses.push(format!("SET {}", self.set.join(", ")));
        }
        if !self.remove.is_empty() {
            clauses.push(format!("REMOVE {}", self.remove.join(", ")));
        }
        if !self.add.is_empty() {
            clauses.push(format!("ADD {}", self.add.join(", ")));
        }
        clauses.join(" ")
    }
}
