//! A panic of user code as a text with its place, instead of a dead host.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// `Some` while user code runs under [`catch`] on this thread; holds the panic's text once
    /// there was one.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs user code. A panic comes back as its text and place, and is not printed.
///
/// Only with `panic = "unwind"`: under `abort` the host dies, and the claims without progress
/// count as strikes. Nothing relies on this for correctness.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let outer = CAUGHT.replace(Some(String::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    let caught = CAUGHT.replace(outer);
    result.map_err(|payload| match caught {
        Some(message) if !message.is_empty() => message,
        // A panic that the hook did not see: resume_unwind, or a hook set after ours.
        _ => payload_text(&*payload).to_owned(),
    })
}

/// Puts a hook before the program's own that notes the place of panics under [`catch`] and leaves
/// every other one to it.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let ours = CAUGHT.with_borrow_mut(|caught| {
                let Some(message) = caught else { return false };
                let text = payload_text(info.payload());
                *message = match info.location() {
                    Some(at) => format!("{text} ({}:{})", at.file(), at.line()),
                    None => text.to_owned(),
                };
                true
            });
            if !ours {
                previous(info);
            }
        }));
    });
}

fn payload_text(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}
