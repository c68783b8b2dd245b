//! A panic of user code as a text with its place, instead of a dead host.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static WATCH: Cell<Watch> = const { Cell::new(Watch::Off) };
    /// What the last panic under [`catch`] said.
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Whether user code runs under [`catch`] on this thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watch {
    Off,
    On,
    /// It does, and has panicked: [`MESSAGE`] is about that.
    Panicked,
}

/// Runs user code. A panic comes back as its text and place, and is not printed.
///
/// Only with `panic = "unwind"`: under `abort` the host dies, and the claims without progress
/// count as strikes. Nothing relies on this for correctness.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let outer = WATCH.replace(Watch::On);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    let watch = WATCH.replace(outer);
    result.map_err(|payload| match MESSAGE.take() {
        message if watch == Watch::Panicked && !message.is_empty() => message,
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
            if WATCH.get() == Watch::Off {
                return previous(info);
            }
            let text = payload_text(info.payload());
            MESSAGE.set(match info.location() {
                Some(at) => format!("{text} ({}:{})", at.file(), at.line()),
                None => text.to_owned(),
            });
            WATCH.set(Watch::Panicked);
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
