//! Why a command did not do what it was asked: an exit code, the chain of causes, and what to do.

use std::error::Error;
use std::fmt;
use std::io;

use everstep::archive::ArchiveUrlError;
use everstep::backend::BackendError;
use everstep::client::{
    DeleteError, EraseError, HistoryError, PromiseSendError, SendError, StartError, SweepError,
    UpdateError,
};
use everstep::payload::{PayloadError, PayloadsError};
use everstep::schedule::{InvalidScheduleId, ScheduleError};
use everstep::store::StoreError;
use everstep::wake::QueueError;

use crate::exit;
use crate::output::{printable, talk};
use crate::style::Styles;

type BoxError = Box<dyn Error + Send + Sync>;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the process ends with.
    pub(crate) code: u8,
    error: BoxError,
    todo: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: u8, error: impl Into<BoxError>) -> Self {
        Self { code, error: error.into(), todo: None }
    }

    /// A mistake in what was asked.
    pub(crate) fn usage(error: impl Into<BoxError>) -> Self {
        Self::new(exit::USAGE, error)
    }

    /// Says what to do about it.
    pub(crate) fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = Some(todo.into());
        self
    }

    pub(crate) fn is_closed_pipe(&self) -> bool {
        let io = self.error.downcast_ref::<io::Error>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Tells the whole chain, each text once.
    pub(crate) fn print(&self, styles: Styles) {
        let mut said = printable(&self.error.to_string());
        talk(format_args!("{} {said}", styles.error()));
        let mut source = self.error.source();
        while let Some(cause) = source {
            let text = printable(&cause.to_string());
            // Some libraries repeat their source in their own text.
            if !said.contains(&text) {
                talk(format_args!("  because: {text}"));
                said = text;
            }
            source = cause.source();
        }
        if let Some(todo) = &self.todo {
            talk(format_args!("  to do: {todo}"));
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(exit::UNEXPECTED, error)
    }
}

fn of_store(error: &StoreError) -> u8 {
    match error {
        StoreError::Unavailable { .. } => exit::UNAVAILABLE,
        StoreError::Unusable { .. } => exit::UNUSABLE,
        StoreError::TooLarge { .. } => exit::USAGE,
        StoreError::Corrupt { .. } => exit::CORRUPT,
        StoreError::Payload(error) => of_payload(error),
        _ => exit::UNEXPECTED,
    }
}

fn of_payload(error: &PayloadError) -> u8 {
    match error {
        PayloadError::Unavailable { .. } => exit::UNAVAILABLE,
        PayloadError::Unusable { .. }
        | PayloadError::NoStore { .. }
        | PayloadError::NoCodec { .. }
        | PayloadError::Newer { .. } => exit::UNUSABLE,
        PayloadError::Missing { .. } | PayloadError::Damaged { .. } => exit::CORRUPT,
        _ => exit::UNEXPECTED,
    }
}

fn of_payloads(error: &PayloadsError) -> u8 {
    match error {
        PayloadsError::Url { .. } => exit::USAGE,
        PayloadsError::NotBuiltIn { .. } => exit::UNUSABLE,
        PayloadsError::Store(error) => of_payload(error),
        _ => exit::UNEXPECTED,
    }
}

fn of_queue(error: &QueueError) -> u8 {
    match error {
        QueueError::Unavailable { .. } => exit::UNAVAILABLE,
        QueueError::Unusable { .. } => exit::UNUSABLE,
        _ => exit::UNEXPECTED,
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(of_store(&error), error)
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self::new(of_queue(&error), error)
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        let code = match &error {
            BackendError::Url(_) => exit::USAGE,
            BackendError::NotBuiltIn { .. } => exit::UNUSABLE,
            BackendError::Payloads(error) => of_payloads(error),
            BackendError::Archive(ArchiveUrlError::Url { .. }) => exit::USAGE,
            BackendError::Archive(_) => exit::UNUSABLE,
            BackendError::Store(error) => of_store(error),
            BackendError::Queue(error) => of_queue(error),
            _ => exit::UNEXPECTED,
        };
        Self::new(code, error)
    }
}

impl From<EraseError> for Failure {
    fn from(error: EraseError) -> Self {
        let code = match error {
            EraseError::History(error) => return error.into(),
            EraseError::Open { .. } | EraseError::StartedAgain { .. } => exit::CONFLICT,
            EraseError::NoStore => exit::UNUSABLE,
            _ => exit::UNEXPECTED,
        };
        Self::new(code, error)
    }
}

impl From<DeleteError> for Failure {
    fn from(error: DeleteError) -> Self {
        let code = match &error {
            DeleteError::History(_) => {
                let DeleteError::History(error) = error else { unreachable!("looked at above") };
                return error.into();
            }
            DeleteError::Open { .. }
            | DeleteError::Changed { .. }
            | DeleteError::Untold { .. }
            | DeleteError::Child { .. } => exit::CONFLICT,
            DeleteError::Payloads { .. } | DeleteError::Archive { .. } => exit::UNUSABLE,
            _ => exit::UNAVAILABLE,
        };
        Self::new(code, error)
    }
}

impl From<SweepError> for Failure {
    fn from(error: SweepError) -> Self {
        let code = match &error {
            SweepError::Store(error) => of_store(error),
            SweepError::Queue(error) => of_queue(error),
            _ => exit::UNEXPECTED,
        };
        Self::new(code, error)
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        let (code, todo) = match &error {
            HistoryError::Unknown { .. } => (exit::NOT_FOUND, Some(FIND)),
            HistoryError::Corrupt { .. } => (exit::CORRUPT, Some(RESTORE)),
            HistoryError::Store(error) => (of_store(error), None),
            _ => (exit::UNEXPECTED, None),
        };
        Self { code, error: error.into(), todo: todo.map(str::to_owned) }
    }
}

fn of_send(error: &SendError) -> (u8, Option<&'static str>) {
    match error {
        SendError::Unknown { .. } => (exit::NOT_FOUND, Some(FIND)),
        SendError::Closed { .. } => (exit::CLOSED, Some("`everstep show` tells how it ended")),
        SendError::Corrupt { .. } => (exit::CORRUPT, None),
        SendError::Invalid { .. } | SendError::Payload(_) | SendError::PayloadTooLarge { .. } => {
            (exit::USAGE, None)
        }
        SendError::Store(error) => (of_store(error), None),
        SendError::Wake(error) => (of_queue(error), None),
        _ => (exit::UNEXPECTED, None),
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        let (code, todo) = of_send(&error);
        Self { code, error: error.into(), todo: todo.map(str::to_owned) }
    }
}

impl Failure {
    /// Of an update with this id.
    pub(crate) fn of_update(error: UpdateError, update_id: &str) -> Self {
        let again = || Some(format!("repeat it with --update-id {update_id}"));
        let (code, todo) = match error {
            UpdateError::Send(source) => return Self::from(source).again(again()),
            UpdateError::History(source) => return Self::from(source).again(again()),
            UpdateError::Rejected { .. } | UpdateError::Refused { .. } => (exit::REJECTED, None),
            UpdateError::Closed { .. } => (exit::CLOSED, None),
            UpdateError::Blocked { .. } => (exit::BLOCKED, again()),
            UpdateError::NoAnswer { .. } => (exit::UNAVAILABLE, again()),
            _ => (exit::UNEXPECTED, None),
        };
        Self { code, error: error.into(), todo }
    }

    /// Says what to do where trying again may help.
    fn again(mut self, todo: Option<String>) -> Self {
        if self.code == exit::UNAVAILABLE {
            self.todo = todo;
        }
        self
    }
}

impl From<PromiseSendError> for Failure {
    fn from(error: PromiseSendError) -> Self {
        let (code, todo) = match error {
            PromiseSendError::History(error) => return error.into(),
            PromiseSendError::Send(error) => return error.into(),
            PromiseSendError::NoPromise { .. } => {
                (exit::NOT_FOUND, Some("`everstep show` lists the promises that are open"))
            }
            PromiseSendError::RunEnded { .. } => {
                (exit::CLOSED, Some("`everstep show` tells how it ended"))
            }
            PromiseSendError::Resolved { .. } => (exit::CONFLICT, None),
            PromiseSendError::Value(_) | PromiseSendError::TooLarge { .. } => (exit::USAGE, None),
            _ => (exit::UNEXPECTED, None),
        };
        Self { code, error: error.into(), todo: todo.map(str::to_owned) }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let (code, todo) = match &error {
            StartError::InvalidId(_)
            | StartError::InvalidName { .. }
            | StartError::UnknownWorkflow { .. }
            | StartError::WrongInput { .. }
            | StartError::Input(_)
            | StartError::InputTooLarge { .. }
            | StartError::TooLarge { .. }
            | StartError::InvalidTag { .. }
            | StartError::TooManyTags { .. } => (exit::USAGE, None),
            StartError::Exists { .. } => (exit::CONFLICT, Some(CONFLICT)),
            StartError::Corrupt { .. } => (exit::CORRUPT, Some(RESTORE)),
            StartError::Store { source, .. } => (of_store(source), None),
            StartError::Wake { source, .. } => (of_queue(source), None),
            StartError::Send { source, .. } | StartError::Message(source) => of_send(source),
            _ => (exit::UNEXPECTED, None),
        };
        Self { code, error: error.into(), todo: todo.map(str::to_owned) }
    }
}

impl From<InvalidScheduleId> for Failure {
    fn from(error: InvalidScheduleId) -> Self {
        Self::usage(error)
    }
}

impl From<ScheduleError> for Failure {
    fn from(error: ScheduleError) -> Self {
        let code = match error {
            ScheduleError::Start(error) => return error.into(),
            ScheduleError::History(error) => return error.into(),
            ScheduleError::Ask { source: UpdateError::NoAnswer { .. }, .. } => {
                return Self::new(exit::UNAVAILABLE, error).todo(
                    "it is asked and answers as soon as a worker with App::schedules() runs",
                );
            }
            ScheduleError::Ask { source: UpdateError::Blocked { .. }, .. } => {
                return Self::new(exit::BLOCKED, error)
                    .todo("`everstep resume everstep.schedule/ID` where workers serve schedules");
            }
            ScheduleError::Ask { source: UpdateError::Send(error), .. } => return error.into(),
            ScheduleError::Times(_)
            | ScheduleError::Input(_)
            | ScheduleError::InputTooLarge { .. }
            | ScheduleError::CatchUp => exit::USAGE,
            ScheduleError::Exists { .. } => exit::CONFLICT,
            ScheduleError::Unknown { .. } => {
                return Self::new(exit::NOT_FOUND, error)
                    .todo("`everstep schedule list` shows what there is");
            }
            ScheduleError::Refused { .. } => exit::REJECTED,
            ScheduleError::Unreadable { .. } => exit::CORRUPT,
            _ => exit::UNEXPECTED,
        };
        Self::new(code, error)
    }
}

const FIND: &str = "`everstep list` shows what there is, `--url` or EVERSTEP_URL says where";
const RESTORE: &str = "restore it from a backup: nothing is appended to a log that cannot be read";
const CONFLICT: &str = "choose another id, or another policy with --on-conflict";

/// An error with a text of its own and no cause.
#[derive(Debug)]
pub(crate) struct Text(pub(crate) String);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Text {}
