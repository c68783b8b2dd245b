//! An item, attribute by attribute, and what is wrong with one that cannot be read.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use uuid::Uuid;

use super::{BORN, Item, PARENT, PARENT_RUN, TAGS};
use crate::event::Json;
use crate::id::{Born, ExecutionId, WriterId};
use crate::store::{ParentRun, StoreError};

/// An item being read; each attribute is taken out, so that long ones are not copied.
pub(super) struct Reader<'a> {
    pub(super) id: &'a ExecutionId,
    pub(super) what: String,
    pub(super) item: Item,
}

impl Reader<'_> {
    pub(super) fn corrupt(&self, problem: &str) -> StoreError {
        StoreError::Corrupt { id: self.id.clone(), problem: format!("{} {problem}", self.what) }
    }

    pub(super) fn maybe_text(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        match self.item.remove(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.corrupt(&format!("has a {name:?} that is no string"))),
        }
    }

    pub(super) fn maybe_json(&mut self, name: &str) -> Result<Option<Json>, StoreError> {
        let json = self.maybe_text(name)?.map(Json::parse).transpose();
        json.map_err(|error| self.corrupt(&format!("has a {name:?} that is no JSON: {error}")))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, StoreError> {
        self.maybe_text(name)?.ok_or_else(|| self.corrupt(&format!("has no {name:?}")))
    }

    pub(super) fn tags(&mut self) -> Result<BTreeMap<String, String>, StoreError> {
        let tags = match self.item.remove(TAGS) {
            None => return Ok(BTreeMap::new()),
            Some(AttributeValue::Ss(tags)) => tags,
            Some(_) => return Err(self.corrupt("has \"tags\" that are no set of texts")),
        };
        let pairs = tags.iter().map(|tag| tag.split_once('='));
        let pairs = pairs.map(|pair| pair.map(|(name, value)| (name.to_owned(), value.to_owned())));
        pairs.collect::<Option<_>>().ok_or_else(|| self.corrupt("has a tag without \"=\""))
    }

    pub(super) fn parent(&mut self) -> Result<Option<ParentRun>, StoreError> {
        let Some(execution) = self.maybe_text(PARENT)? else { return Ok(None) };
        let run = self.number(PARENT_RUN)?;
        let execution = ExecutionId::new(execution)
            .map_err(|error| self.corrupt(&format!("has a parent that is no id: {error}")))?;
        Ok(Some(ParentRun { execution, run }))
    }

    pub(super) fn maybe_number<N: std::str::FromStr>(
        &mut self,
        name: &str,
    ) -> Result<Option<N>, StoreError> {
        match self.item.remove(name) {
            None => Ok(None),
            Some(value) => match value.as_n().ok().and_then(|digits| digits.parse().ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(self.corrupt(&format!("has a {name:?} that is no whole number"))),
            },
        }
    }

    pub(super) fn number<N: std::str::FromStr>(&mut self, name: &str) -> Result<N, StoreError> {
        self.maybe_number(name)?.ok_or_else(|| self.corrupt(&format!("has no {name:?}")))
    }

    pub(super) fn born(&mut self) -> Result<Option<Born>, StoreError> {
        let Some(text) = self.maybe_text(BORN)? else { return Ok(None) };
        match Born::parse(&text) {
            Some(born) => Ok(Some(born)),
            None => {
                Err(self.corrupt(&format!("has the {BORN:?} {text:?}, not 12 hexadecimal digits")))
            }
        }
    }

    pub(super) fn writer(&mut self) -> Result<WriterId, StoreError> {
        let writer = self.text("writer")?;
        Uuid::parse_str(&writer)
            .map(WriterId)
            .map_err(|_| self.corrupt(&format!("has the writer {writer:?}, which is no UUID")))
    }
}
