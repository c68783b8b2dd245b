//! Exit codes: what a script learns without reading a word.

/// What was asked for is done.
pub const DONE: u8 = 0;
/// Something nobody foresaw.
pub const UNEXPECTED: u8 = 1;
/// The command line, the backend's URL or an input is wrong; nothing was asked of the backend.
pub const USAGE: u8 = 2;
/// There is no such execution or promise.
pub const NOT_FOUND: u8 = 3;
/// The execution has ended and takes no more messages.
pub const CLOSED: u8 = 4;
/// An execution with this id exists and stands against the start; a promise has another result.
pub const CONFLICT: u8 = 5;
/// The backend is missing, not set up, not ours to use, or not built in.
pub const UNUSABLE: u8 = 6;
/// The backend did not answer; trying again may help.
pub const UNAVAILABLE: u8 = 7;
/// What is stored cannot be read or does not match its hashes.
pub const CORRUPT: u8 = 8;
/// The execution is blocked.
pub const BLOCKED: u8 = 9;

/// The execution rejected the update.
pub const REJECTED: u8 = 10;

/// Every code and what it means, in the order of the numbers.
pub const ALL: [(u8, &str); 11] = [
    (DONE, "done"),
    (UNEXPECTED, "an unexpected failure"),
    (USAGE, "the command line, the URL or an input is wrong"),
    (NOT_FOUND, "there is no such execution or promise"),
    (CLOSED, "the execution has ended and takes no more messages"),
    (CONFLICT, "an execution or a result is there already and stands against this one"),
    (UNUSABLE, "the backend is missing, not set up or not allowed"),
    (UNAVAILABLE, "the backend did not answer: try again"),
    (CORRUPT, "what is stored cannot be read or was changed"),
    (BLOCKED, "the execution is blocked: it waits for a fix and a resume"),
    (REJECTED, "the execution rejected the update"),
];

/// The table of codes, as `--help` shows it.
pub(crate) fn help() -> String {
    ALL.iter().fold("Exit codes:".to_owned(), |text, (code, meaning)| {
        text + &format!("\n  {code}  {meaning}")
    })
}
