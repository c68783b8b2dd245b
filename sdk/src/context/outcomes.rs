//! What became of each item of a map.

use std::fmt;
use std::ops::Index;

use serde::{Deserialize, Serialize};

/// What became of one item of a [`map`](super::map()). It can be recorded, in a result or an error.
///
/// ```
/// use everstep::Outcome;
///
/// let outcome = Outcome::from(Ok::<_, String>(7));
/// assert_eq!(outcome.succeeded(), Some(&7));
/// assert_eq!(outcome.failed(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<T, E> {
    /// It succeeded.
    Succeeded(T),
    /// It failed.
    Failed(E),
    /// It had begun when the map ended, and was dropped at its current await: steps of it may have
    /// run, or may run to their end still.
    Dropped,
    /// It had not begun when the map ended, and never will.
    NotStarted,
}

impl<T, E> Outcome<T, E> {
    /// Its result, if it has one.
    ///
    /// ```
    /// # use everstep::Outcome;
    /// assert_eq!(Outcome::<u32, String>::Succeeded(7).succeeded(), Some(&7));
    /// assert_eq!(Outcome::<u32, String>::NotStarted.succeeded(), None);
    /// ```
    pub fn succeeded(&self) -> Option<&T> {
        match self {
            Self::Succeeded(output) => Some(output),
            _ => None,
        }
    }

    /// Its error, if it has one.
    ///
    /// ```
    /// # use everstep::Outcome;
    /// assert_eq!(Outcome::<u32, &str>::Failed("no").failed(), Some(&"no"));
    /// ```
    pub fn failed(&self) -> Option<&E> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}

impl<T, E> From<Result<T, E>> for Outcome<T, E> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(output) => Self::Succeeded(output),
            Err(error) => Self::Failed(error),
        }
    }
}

/// What became of all items of a [`map`](super::map()), in the order of the items.
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn notify(address: &str) -> everstep::Result<()> { let _ = address; Ok(()) }
/// #[workflow]
/// async fn newsletter(addresses: Vec<String>) -> everstep::Result<Vec<String>> {
///     let sent = map(&addresses, async |to| notify(to).await).tolerate_share(0.1).await?;
///     let bounced = sent.iter().zip(&addresses).filter(|(sent, _)| sent.failed().is_some());
///     Ok(bounced.map(|(_, address)| address.clone()).collect())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outcomes<T, E>(Vec<Outcome<T, E>>);

impl<T, E> Outcomes<T, E> {
    pub(super) fn new(outcomes: Vec<Outcome<T, E>>) -> Self {
        Self(outcomes)
    }

    /// The outcome of each item.
    ///
    /// ```
    /// # let outcomes = r#"[{"succeeded":1},{"failed":"no"},"not_started"]"#;
    /// # let outcomes: everstep::Outcomes<u32, String> = serde_json::from_str(outcomes).unwrap();
    /// // One succeeded, one failed, one was not started.
    /// assert_eq!(outcomes.iter().count(), 3);
    /// ```
    pub fn iter(&self) -> std::slice::Iter<'_, Outcome<T, E>> {
        self.0.iter()
    }

    /// How many items there are.
    ///
    /// ```
    /// # let outcomes = r#"[{"succeeded":1},{"failed":"no"},"not_started"]"#;
    /// # let outcomes: everstep::Outcomes<u32, String> = serde_json::from_str(outcomes).unwrap();
    /// assert_eq!(outcomes.len(), 3);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    ///
    /// ```
    /// # let outcomes = r#"[{"succeeded":1},{"failed":"no"},"not_started"]"#;
    /// # let outcomes: everstep::Outcomes<u32, String> = serde_json::from_str(outcomes).unwrap();
    /// assert!(!outcomes.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many have succeeded.
    ///
    /// ```
    /// # let outcomes = r#"[{"succeeded":1},{"failed":"no"},"not_started"]"#;
    /// # let outcomes: everstep::Outcomes<u32, String> = serde_json::from_str(outcomes).unwrap();
    /// assert_eq!(outcomes.succeeded(), 1);
    /// ```
    #[must_use]
    pub fn succeeded(&self) -> usize {
        self.iter().filter(|outcome| outcome.succeeded().is_some()).count()
    }

    /// How many have failed.
    ///
    /// ```
    /// # let outcomes = r#"[{"succeeded":1},{"failed":"no"},"not_started"]"#;
    /// # let outcomes: everstep::Outcomes<u32, String> = serde_json::from_str(outcomes).unwrap();
    /// assert_eq!(outcomes.failed(), 1);
    /// ```
    #[must_use]
    pub fn failed(&self) -> usize {
        self.iter().filter(|outcome| outcome.failed().is_some()).count()
    }

    /// How many had not begun when the map ended.
    ///
    /// ```
    /// # let outcomes = r#"[{"succeeded":1},{"failed":"no"},"not_started"]"#;
    /// # let outcomes: everstep::Outcomes<u32, String> = serde_json::from_str(outcomes).unwrap();
    /// assert_eq!(outcomes.not_started(), 1);
    /// ```
    #[must_use]
    pub fn not_started(&self) -> usize {
        self.iter().filter(|outcome| matches!(outcome, Outcome::NotStarted)).count()
    }

    /// The results of those that have succeeded, in the order of the items.
    ///
    /// ```
    /// # let outcomes = r#"[{"succeeded":1},{"failed":"no"},"not_started"]"#;
    /// # let outcomes: everstep::Outcomes<u32, String> = serde_json::from_str(outcomes).unwrap();
    /// assert_eq!(outcomes.into_successes(), [1]);
    /// ```
    #[must_use]
    pub fn into_successes(self) -> Vec<T> {
        let succeeded = |outcome| match outcome {
            Outcome::Succeeded(output) => Some(output),
            _ => None,
        };
        self.0.into_iter().filter_map(succeeded).collect()
    }

    /// The errors of those that have failed, in the order of the items.
    ///
    /// ```
    /// # let outcomes = r#"[{"succeeded":1},{"failed":"no"},"not_started"]"#;
    /// # let outcomes: everstep::Outcomes<u32, String> = serde_json::from_str(outcomes).unwrap();
    /// assert_eq!(outcomes.errors().collect::<Vec<_>>(), ["no"]);
    /// ```
    pub fn errors(&self) -> impl Iterator<Item = &E> {
        self.0.iter().filter_map(Outcome::failed)
    }

    /// All results, or the error of a map that the first one ends.
    pub(super) fn all(self) -> Result<Vec<T>, E> {
        let mut outputs = Vec::with_capacity(self.0.len());
        for outcome in self.0 {
            match outcome {
                Outcome::Succeeded(output) => outputs.push(output),
                Outcome::Failed(error) => return Err(error),
                // The one that failed comes after it.
                Outcome::Dropped | Outcome::NotStarted => {}
            }
        }
        Ok(outputs)
    }
}

impl<T, E> Index<usize> for Outcomes<T, E> {
    type Output = Outcome<T, E>;

    fn index(&self, index: usize) -> &Outcome<T, E> {
        &self.0[index]
    }
}

impl<T, E> IntoIterator for Outcomes<T, E> {
    type Item = Outcome<T, E>;
    type IntoIter = std::vec::IntoIter<Outcome<T, E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T, E> IntoIterator for &'a Outcomes<T, E> {
    type Item = &'a Outcome<T, E>;
    type IntoIter = std::slice::Iter<'a, Outcome<T, E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// More items of a [`map`](super::map()) failed than it tolerates. It can be part of an error type
/// that is recorded.
///
/// ```
/// # use everstep::prelude::*;
/// #[step(retry = none)]
/// async fn ask(who: u32) -> everstep::Result<u32> {
///     Err(everstep::Error::msg(format!("{who} does not know")))
/// }
///
/// #[workflow]
/// async fn ask_all(people: u32) -> everstep::Result<usize> {
///     match map(0..people, |who| ask(who)).tolerate(1).await {
///         Ok(_) => Ok(0),
///         Err(too_many) => Ok(too_many.outcomes.failed()),
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(ask_all));
/// # assert!(env.run(ask_all, 3).unwrap() >= 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TooManyFailed<T, E> {
    /// What became of each item.
    pub outcomes: Outcomes<T, E>,
    /// How many failures were tolerated.
    pub tolerated: usize,
}

impl<T, E: fmt::Debug> fmt::Display for TooManyFailed<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, of) = (self.outcomes.failed(), self.outcomes.len());
        write!(f, "{failed} of {of} items failed and at most {} may", self.tolerated)?;
        match self.outcomes.errors().next() {
            Some(first) => write!(f, ", the first with {first:?}"),
            None => Ok(()),
        }
    }
}

impl<T: fmt::Debug, E: fmt::Debug> std::error::Error for TooManyFailed<T, E> {}
