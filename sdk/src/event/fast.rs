//! The short way for what most commits are: results of steps, and nothing else.
//!
//! A log is mostly these, and a load reads them by the ten thousand; serde spends several times as
//! long on them. The format is defined by the types in this folder and serde: what is written here
//! is byte for byte what serde writes, what is read here is what serde reads, and whatever looks
//! unusual is left to serde. Tests hold both sides together.

use std::str::FromStr;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::commit::Hex;
use super::text::Text;
use super::{Event, Json, OperationKey, StepCompleted};
use crate::id::{CommitNumber, WriterId};
use crate::time::Timestamp;

/// What a commit's text says before its events.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) number: CommitNumber,
    pub(super) writer: WriterId,
    pub(super) previous: [u8; 32],
}

/// The commit's text; `None` if that is left to serde.
pub(super) fn write(
    number: CommitNumber,
    writer: WriterId,
    previous: [u8; 32],
    events: &[Event],
) -> Option<String> {
    let mut bytes = 160;
    for event in events {
        let Event::StepCompleted(e) = event else { return None };
        if e.at.0 < 0 || !is_plain(&e.key.name) || !is_plain(&e.site) {
            return None;
        }
        bytes += 192 + e.key.name.len() + e.site.len();
        bytes += e.input.as_str().len() + e.output.as_str().len();
    }
    let mut out = String::with_capacity(bytes);
    let mut digits = itoa::Buffer::new();
    out.push_str("{\"v\":1,\"n\":");
    out.push_str(digits.format(number));
    out.push_str(",\"by\":\"");
    out.push_str(writer.0.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    out.push_str("\",\"prev\":\"");
    Hex(previous).push_to(&mut out);
    out.push_str("\",\"events\":");
    for (index, event) in events.iter().enumerate() {
        let Event::StepCompleted(e) = event else { return None };
        out.push_str(if index == 0 {
            "[{\"StepCompleted\":{\"at\":"
        } else {
            ",{\"StepCompleted\":{\"at\":"
        });
        out.push_str(digits.format(e.at.0));
        out.push_str(",\"seq\":");
        out.push_str(digits.format(e.seq));
        out.push_str(",\"key\":\"");
        out.push_str(&e.key.name);
        out.push('#');
        out.push_str(digits.format(e.key.count));
        out.push_str("\",\"site\":\"");
        out.push_str(&e.site);
        out.push_str("\",\"attempt\":");
        out.push_str(digits.format(e.attempt));
        out.push_str(",\"took_us\":");
        out.push_str(digits.format(e.took_us));
        out.push_str(",\"input\":");
        out.push_str(e.input.as_str());
        out.push_str(",\"output\":");
        out.push_str(e.output.as_str());
        out.push_str("}}");
    }
    out.push_str("]}");
    Some(out)
}

/// What `text` says, its events put behind those that are there; `None` if that is left to serde.
pub(super) fn read(text: &Text, events: &mut Vec<Event>) -> Option<Head> {
    let mut rest = Cursor { rest: text, text };
    rest.skip("{\"v\":1,\"n\":")?;
    let number = rest.number()?;
    rest.skip(",\"by\":\"")?;
    let writer = WriterId(Uuid::try_parse(rest.take(36)?).ok()?);
    rest.skip("\",\"prev\":\"")?;
    let previous = Hex::parse(rest.take(64)?)?.0;
    rest.skip("\",\"events\":[")?;
    let there = events.len();
    let all = rest.step_completeds(events);
    if all.is_none() {
        events.truncate(there);
    }
    all.map(|()| Head { number, writer, previous })
}

/// What has not been read yet of a text.
struct Cursor<'a> {
    rest: &'a str,
    text: &'a Text,
}

impl<'a> Cursor<'a> {
    fn step_completeds(&mut self, events: &mut Vec<Event>) -> Option<()> {
        loop {
            events.push(Event::StepCompleted(self.step_completed()?));
            if self.skip(",").is_none() {
                break;
            }
        }
        self.skip("]}")?;
        self.rest.is_empty().then_some(())
    }

    fn step_completed(&mut self) -> Option<StepCompleted> {
        self.skip("{\"StepCompleted\":{\"at\":")?;
        let at = Timestamp(self.number()?);
        self.skip(",\"seq\":")?;
        let seq = self.number()?;
        self.skip(",\"key\":\"")?;
        let key = OperationKey::parse(self.text()?)?;
        self.skip(",\"site\":\"")?;
        let site = self.text()?;
        let site = self.piece(site);
        self.skip(",\"attempt\":")?;
        let attempt = self.number()?;
        self.skip(",\"took_us\":")?;
        let took_us = self.number()?;
        self.skip(",\"input\":")?;
        let input = self.value()?;
        self.skip(",\"output\":")?;
        let output = self.value()?;
        self.skip("}}")?;
        Some(StepCompleted { at, seq, key, site, attempt, took_us, input, output })
    }

    fn skip(&mut self, literal: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    fn take(&mut self, bytes: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    /// A number without a sign, as JSON writes it.
    fn number<T: FromStr>(&mut self) -> Option<T> {
        let end = self.rest.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = self.rest.split_at(end);
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        self.rest = rest;
        digits.parse().ok()
    }

    /// The rest of a text without escapes, and its closing quote.
    fn text(&mut self) -> Option<&'a str> {
        let end = self.rest.bytes().position(|byte| !is_plain_byte(byte))?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix('"')?;
        Some(text)
    }

    fn value(&mut self) -> Option<Json> {
        if self.rest.starts_with(char::is_whitespace) {
            return None;
        }
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<&RawValue>();
        let value = values.next()?.ok()?;
        self.rest = self.rest.get(values.byte_offset()..)?;
        Some(Json::from_read(self.piece(value.get())))
    }

    /// `read`, which lies within the text, as a piece of it.
    fn piece(&self, read: &str) -> Text {
        let start = read.as_ptr().addr() - self.text.as_ptr().addr();
        self.text.piece(start..start + read.len())
    }
}

/// Whether JSON writes this text as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(is_plain_byte)
}

fn is_plain_byte(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

#[cfg(test)]
mod tests;
