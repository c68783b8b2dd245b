//! What the bodies of the programs do before they end: nothing, unless whole turns run them.

use std::cell::RefCell;
use std::sync::Arc;

use futures::future::BoxFuture;

type Begin = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

thread_local! {
    static BEGIN: RefCell<Option<Begin>> = const { RefCell::new(None) };
}

/// What bodies on this thread do first.
#[cfg(feature = "testing")]
pub(super) fn set(begin: Begin) {
    BEGIN.set(Some(begin));
}

/// The first thing every body does.
pub(super) async fn begin() {
    let begin = BEGIN.with_borrow(|begin| begin.as_ref().map(|begin| begin()));
    if let Some(begin) = begin {
        begin.await;
    }
}
