//! The name of a promise, as it is handed to others.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ExecutionId, InvalidExecutionId};
use crate::event::OperationKey;
use crate::limits::is_name;

/// Names one promise of one run of one execution. Whoever has it can complete or fail that promise.
///
/// As text it is safe in URLs and headers: `p1.order-2.1.approval.1` is the first promise called
/// `approval` of the first run of execution `order-2`. Letters, digits, `-` and `_` stand for
/// themselves, every other byte is written as `~` and two digits, so that two tokens are the same
/// promise only if they are equal byte for byte.
///
/// A token is a name and no secret: it can be guessed. What takes it from outside (a web hook, a
/// link in a mail) must know by other means who is calling, or hand out a secret of its own.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::event::OperationKey;
/// use everstep::prelude::*;
///
/// let approval = OperationKey { name: "approval".into(), count: 1 };
/// let token = PromiseToken::new(ExecutionId::new("order-2")?, 1, approval);
/// assert_eq!(token.to_string(), "p1.order-2.1.approval.1");
/// assert_eq!("p1.order-2.1.approval.1".parse::<PromiseToken>()?, token);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PromiseToken {
    execution: ExecutionId,
    run: u32,
    key: OperationKey,
}

/// Why a text is no [`PromiseToken`].
///
/// ```
/// use everstep::PromiseToken;
/// use everstep::id::InvalidPromiseToken;
///
/// let cut = "p1.order-2.1".parse::<PromiseToken>();
/// assert_eq!(cut, Err(InvalidPromiseToken::Parts { parts: 3 }));
/// let decoded = "p1.order/2.1.approval.1".parse::<PromiseToken>();
/// assert_eq!(decoded, Err(InvalidPromiseToken::Part { text: "order/2".to_owned() }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPromiseToken {
    /// It does not begin as tokens do.
    #[error("a promise token begins with \"p1.\"")]
    Prefix,
    /// It does not have its five parts.
    #[error("a promise token has five parts with dots between, this text has {parts}")]
    Parts {
        /// How many it has.
        parts: usize,
    },
    /// A part holds something that no token would, perhaps because it was cut or decoded on its way.
    #[error("a promise token has no {text:?} in it: was it cut or decoded on its way?")]
    Part {
        /// The part.
        text: String,
    },
    /// It names an execution that cannot be.
    #[error("the promise token names no execution")]
    Execution(#[from] InvalidExecutionId),
}

impl PromiseToken {
    /// The token of this promise, whether or not there is one.
    #[must_use]
    pub fn new(execution: ExecutionId, run: u32, key: OperationKey) -> Self {
        Self { execution, run, key }
    }

    /// Whose promise it is.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<u32> { Ok(promise::<u32>("answer").await?) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(asks));
    /// # let question = env.start(asks, ());
    /// let token = question.promise("answer").unwrap();
    /// assert_eq!(token.execution(), question.id());
    /// ```
    #[must_use]
    pub fn execution(&self) -> &ExecutionId {
        &self.execution
    }

    /// Of which run, from 1.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<u32> { Ok(promise::<u32>("answer").await?) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(asks));
    /// # let question = env.start(asks, ());
    /// let token = question.promise("answer").unwrap();
    /// assert_eq!(token.run(), 1);
    /// ```
    #[must_use]
    pub fn run(&self) -> u32 {
        self.run
    }

    /// Its name and which promise of that name it is.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn asks(_input: ()) -> everstep::Result<u32> { Ok(promise::<u32>("answer").await?) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(asks));
    /// # let question = env.start(asks, ());
    /// let token = question.promise("answer").unwrap();
    /// assert_eq!(token.key().to_string(), "answer#1");
    /// ```
    #[must_use]
    pub fn key(&self) -> &OperationKey {
        &self.key
    }
}

impl fmt::Display for PromiseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("p1.")?;
        escape(self.execution.as_str(), f)?;
        write!(f, ".{}.", self.run)?;
        escape(&self.key.name, f)?;
        write!(f, ".{}", self.key.count)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in text.bytes() {
        if is_plain(byte) {
            f.write_char(char::from(byte))?;
        } else {
            write!(f, "~{byte:02x}")?;
        }
    }
    Ok(())
}

/// What [`escape`] was given; `None` if it never writes `text`.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'~' {
            bytes.push(is_plain(byte).then_some(byte)?);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let lower = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        let digits = str::from_utf8(&digits).ok().filter(|_| digits.iter().all(lower))?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        bytes.push((!is_plain(byte)).then_some(byte)?);
    }
    String::from_utf8(bytes).ok()
}

/// A number from 1 as it is written: without a sign or leading zeros.
fn count(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count: &u32| *count > 0 && count.to_string() == text)
}

impl FromStr for PromiseToken {
    type Err = InvalidPromiseToken;

    fn from_str(text: &str) -> Result<Self, InvalidPromiseToken> {
        let rest = text.strip_prefix("p1.").ok_or(InvalidPromiseToken::Prefix)?;
        let parts: Vec<&str> = rest.split('.').collect();
        let [execution, run, name, number] = parts[..] else {
            return Err(InvalidPromiseToken::Parts { parts: parts.len() + 1 });
        };
        let wrong = |part: &str| InvalidPromiseToken::Part { text: part.to_owned() };
        let name = unescape(name).filter(|name| is_name(name)).ok_or_else(|| wrong(name))?;
        Ok(Self {
            execution: ExecutionId::new(unescape(execution).ok_or_else(|| wrong(execution))?)?,
            run: count(run).ok_or_else(|| wrong(run))?,
            key: OperationKey {
                name: Cow::Owned(name),
                count: count(number).ok_or_else(|| wrong(number))?,
            },
        })
    }
}

impl Serialize for PromiseToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PromiseToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(execution: &str, run: u32, name: &str, count: u32) -> PromiseToken {
        let key = OperationKey { name: Cow::Owned(name.to_owned()), count };
        PromiseToken::new(ExecutionId::new(execution).unwrap(), run, key)
    }

    #[test]
    fn a_plain_token_reads_as_what_it_names() {
        assert_eq!(token("order-2", 1, "approval", 1).to_string(), "p1.order-2.1.approval.1");
        assert_eq!(token("a/b c", 2, "ü#1.2", 30).to_string(), "p1.a~2fb~20c.2.~c3~bc~231~2e2.30");
    }

    #[test]
    fn what_is_no_token_is_refused_and_says_why() {
        for (text, problem) in [
            ("", "begins with"),
            ("order-2", "begins with"),
            ("p2.order-2.1.approval.1", "begins with"),
            ("p1.order-2.1.approval", "five parts"),
            ("p1.order-2.1.approval.1.1", "five parts"),
            ("p1..1.approval.1", "names no execution"),
            ("p1.order 2.1.approval.1", "\"order 2\""),
            ("p1.order%202.1.approval.1", "\"order%202\""),
            ("p1.order~2F2.1.approval.1", "\"order~2F2\""),
            ("p1.order~612.1.approval.1", "\"order~612\""),
            ("p1.order~2.1.approval.1", "\"order~2\""),
            ("p1.order~ff.1.approval.1", "\"order~ff\""),
            ("p1.order-2.0.approval.1", "\"0\""),
            ("p1.order-2.01.approval.1", "\"01\""),
            ("p1.order-2.+1.approval.1", "\"+1\""),
            ("p1.order-2.1.approval.4294967296", "\"4294967296\""),
            ("p1.order-2.1..1", "\"\""),
            ("p1.order-2.1.a~0ab.1", "\"a~0ab\""),
            ("p1.order-2.1.approval.1\n", "\"1\\n\""),
        ] {
            let error = text.parse::<PromiseToken>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_token_is_read_back_as_it_was_and_is_safe_in_a_url(
            execution in "[^\\p{C}\\s]{1,20}", run in 1_u32.., name in "[^\\p{C}]{1,20}", count in 1_u32..
        ) {
            let token = token(&execution, run, &name, count);
            let text = token.to_string();
            let safe = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
            prop_assert!(text.chars().all(safe), "{}", text);
            prop_assert_eq!(text.parse::<PromiseToken>().unwrap(), token);
        }

        #[test]
        fn whatever_is_read_as_a_token_is_written_so(text in "p1\\.[a-f0-9~.]{1,12}\\.1\\.[a-f~2]{1,5}\\.1") {
            if let Ok(token) = text.parse::<PromiseToken>() {
                prop_assert_eq!(token.to_string(), text);
            }
        }
    }
}
