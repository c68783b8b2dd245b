//! Which closure is asked about which trigger.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;

use super::action::{Action, IntoAction};
use super::{
    EventBridgeEvent, Invoke, S3Object, Schedule, SnsMessage, SqsMessage, TableChange, Trigger,
};

/// What a closure of [`App::on`](crate::App::on) can take: one source's type, or [`Trigger`] for
/// whatever no other closure takes.
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::trigger::{Action, Done, Invoke, Source};
/// # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(name) }
///
/// /// Takes what comes from a source, and does nothing.
/// fn drain<S: Source>(app: App) -> App {
///     app.on(|_: S| Action::ignore())
/// }
///
/// let env = Env::new(drain::<Invoke>(App::new().workflow(greet)));
/// let done = env.block_on(env.triggers().deliver("7", "invocation-1")).unwrap();
/// assert_eq!(done, [Done::Ignored]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no trigger",
    label = "nothing that a closure of `App::on` can take",
    note = "take an S3Object, SqsMessage, SnsMessage, EventBridgeEvent, TableChange, Schedule or Invoke of everstep::trigger, or a Trigger"
)]
pub trait Source: sealed::Sealed + Sized + 'static {}

impl<S: sealed::Sealed + Sized + 'static> Source for S {}

pub(crate) mod sealed {
    use super::Trigger;

    /// What the library knows of a source.
    pub trait Sealed {
        /// Its name; `None` if it is any.
        const NAME: Option<&'static str>;
        /// The trigger as this source, if it is one.
        fn of(trigger: Trigger) -> Option<Self>
        where
            Self: Sized;
    }
}

macro_rules! sources {
    ($($variant:ident: $type:ident),*) => { $(
        impl sealed::Sealed for $type {
            const NAME: Option<&'static str> = Some(stringify!($type));
            fn of(trigger: Trigger) -> Option<Self> {
                match trigger {
                    Trigger::$variant(it) => Some(it),
                    _ => None,
                }
            }
        }
    )*
        /// The name of a trigger's own type.
        fn name(trigger: &Trigger) -> &'static str {
            match trigger {
                $(Trigger::$variant(_) => stringify!($type),)*
            }
        }
    };
}

sources! {
    S3: S3Object, Sqs: SqsMessage, Sns: SnsMessage, EventBridge: EventBridgeEvent,
    Table: TableChange, Schedule: Schedule, Invoke: Invoke
}

impl sealed::Sealed for Trigger {
    const NAME: Option<&'static str> = None;
    fn of(trigger: Trigger) -> Option<Self> {
        Some(trigger)
    }
}

type Decide = Arc<dyn Fn(Trigger) -> Result<Action, Error> + Send + Sync>;

/// A program's closures.
#[derive(Clone, Default)]
pub(crate) struct Handlers(Vec<(Option<&'static str>, Decide)>);

impl Handlers {
    /// Adds one. The name of its source, if there was one for it already.
    pub(crate) fn add<S: Source, A: IntoAction>(
        &mut self,
        decide: impl Fn(S) -> A + Send + Sync + 'static,
    ) -> Option<&'static str> {
        let twice = self.0.iter().any(|(name, _)| *name == S::NAME);
        let decide = move |trigger| match S::of(trigger) {
            Some(it) => decide(it).into_action(),
            None => Ok(Action::ignore()),
        };
        self.0.push((S::NAME, Arc::new(decide)));
        twice.then_some(S::NAME.unwrap_or("Trigger"))
    }

    /// The closure for a trigger: its own source's, else the one for any.
    pub(super) fn of(&self, trigger: &Trigger) -> Option<&Decide> {
        let find = |wanted| self.0.iter().find(|(name, _)| *name == wanted);
        find(Some(name(trigger))).or_else(|| find(None)).map(|(_, decide)| decide)
    }

    /// What its closures take, in words.
    pub(super) fn known(&self) -> String {
        match self.0.len() {
            0 => "this program has no App::on at all".to_owned(),
            _ => {
                let names = self.0.iter().map(|(name, _)| name.unwrap_or("Trigger"));
                format!("App::on takes {}", names.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name.unwrap_or("Trigger"))).finish()
    }
}
