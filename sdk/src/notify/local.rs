//! Notifiers that need no service: for a laptop, for tests, and to build others from.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use async_trait::async_trait;

use super::{NotSent, Notification, Notifier, NotifyError};

/// Says each notification as an event of `tracing`, of level `INFO` and target `everstep::notify`.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::notify::{LogNotifier, Notifications};
/// # #[workflow] async fn fulfil(order: u8) -> everstep::Result<u8> { Ok(order) }
///
/// let app = App::new().workflow(fulfil).notifications(Notifications::to(LogNotifier));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct LogNotifier;

#[async_trait]
impl Notifier for LogNotifier {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        for notification in notifications {
            tracing::info!(
                target: "everstep::notify",
                id = %notification.id,
                everstep.execution.id = %notification.execution,
                kind = notification.notice.kind(),
                status = notification.status().map(tracing::field::display),
                "{}",
                notification.to_cloud_event()
            );
        }
        Vec::new()
    }
}

/// Calls a closure with each notification.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::notify::{Notifications, NotifierFn};
/// # #[workflow] async fn fulfil(order: u8) -> everstep::Result<u8> { Ok(order) }
///
/// let app = App::new().workflow(fulfil).notifications(Notifications::to(NotifierFn::new(
///     |told| println!("{} is {:?}", told.execution, told.status()),
/// )));
/// ```
///
/// It is called on the task of a turn, so it should return at once.
pub struct NotifierFn<F>(F);

impl<F: Fn(&Notification) + Send + Sync + 'static> NotifierFn<F> {
    /// A notifier that calls `tell`.
    pub fn new(tell: F) -> Self {
        Self(tell)
    }
}

#[async_trait]
impl<F: Fn(&Notification) + Send + Sync + 'static> Notifier for NotifierFn<F> {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        notifications.iter().for_each(&self.0);
        Vec::new()
    }
}

impl<F> fmt::Debug for NotifierFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotifierFn")
    }
}

/// Appends each notification to a file, a line of JSON each. The file is made if it is missing;
/// several processes may append to one.
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::notify::{Notification, Notifications, NotifierFn};
/// use everstep::notify::{JsonLines, Notifier};
/// # #[workflow] async fn fulfil(order: u8) -> everstep::Result<u8> { Ok(order) }
/// # let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
/// # let hears = std::sync::Arc::clone(&heard);
/// # let notifier = NotifierFn::new(move |told| hears.lock().unwrap().push(told.clone()));
/// # let app = App::new().workflow(fulfil).notifications(Notifications::to(notifier));
/// # let env = everstep::testing::Env::new(app);
/// # env.run(fulfil, 7).unwrap();
/// # let told: Vec<Notification> = heard.lock().unwrap().clone();
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let folder = std::env::temp_dir().join(ExecutionId::random().as_str());
/// # std::fs::create_dir(&folder)?;
/// # let path = folder.join("told.jsonl");
///
/// let lines = JsonLines::append_to(&path);
/// assert!(lines.send(&told).await.is_empty()); // all of them are in the file
/// assert_eq!(std::fs::read_to_string(&path)?.lines().count(), told.len());
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    file: Arc<Mutex<Option<File>>>,
}

impl JsonLines {
    /// Appends to the file at `path`, which is opened with the first notification.
    pub fn append_to(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: Arc::default() }
    }
}

#[async_trait]
impl Notifier for JsonLines {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        // In one write: lines of two processes do not mix.
        let lines: String = notifications.iter().map(|it| it.to_cloud_event() + "\n").collect();
        let (path, file) = (self.path.clone(), Arc::clone(&self.file));
        let written = tokio::task::spawn_blocking(move || append(&path, &file, &lines)).await;
        let error = match written {
            Ok(Ok(())) => return Vec::new(),
            Ok(Err(error)) => NotifyError::unusable(format!(
                "notifications cannot be appended to {}: {error}",
                self.path.display()
            )),
            Err(_) => NotifyError::unavailable("the program is stopping"),
        };
        NotSent::all(notifications.len(), &error)
    }
}

fn append(path: &std::path::Path, file: &Mutex<Option<File>>, lines: &str) -> io::Result<()> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    if file.is_none() {
        *file = Some(OpenOptions::new().create(true).append(true).open(path)?);
    }
    let written = file.as_mut().map_or(Ok(()), |file| file.write_all(lines.as_bytes()));
    if written.is_err() {
        // The next try opens it anew: it may have been moved or its disk mounted again.
        *file = None;
    }
    written
}
