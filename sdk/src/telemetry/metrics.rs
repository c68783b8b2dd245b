//! Where measures go.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::emf::Emf;
use super::measure::{Batch, Measure, Metric};

/// The variable that says how metrics are written, where the program does not: `emf`, or
/// `emf:NAMESPACE`.
///
/// ```
/// use everstep::telemetry::METRICS_VARIABLE;
///
/// // A child process whose metrics are to be in a namespace of its own:
/// let mut child = std::process::Command::new("shop");
/// child.env(METRICS_VARIABLE, "emf:Shop/Batch");
/// assert_eq!(METRICS_VARIABLE, "EVERSTEP_METRICS");
/// ```
pub const METRICS_VARIABLE: &str = "EVERSTEP_METRICS";

/// The namespace of CloudWatch metrics by default.
const NAMESPACE: &str = "Everstep";

/// What CloudWatch takes
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>): of other
/// lines it makes no metrics, and says so to nobody.
const NAMESPACE_RULE: &str = "a namespace has 1 to 255 characters of ASCII, no control characters, and \
                              begins neither with ':' nor with 'AWS/'";

fn is_namespace(namespace: &str) -> bool {
    (1..=255).contains(&namespace.len())
        && namespace.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !namespace.starts_with(':')
        && !namespace.starts_with("AWS/")
}

/// Who gets batches of measures. It neither fails nor blocks.
pub(super) trait Sink: Send + Sync {
    fn take(&self, batch: &Batch<'_>);

    /// Ready when what it took before is on its way out of the process.
    fn flush(&self) -> BoxFuture<'_, ()>;
}

/// Where the metrics of a host go; see [`App::metrics`](crate::App::metrics).
///
/// What is measured is what was recorded: a turn that loses its claim counts nothing that another
/// one does again.
///
/// ```
/// # use std::io::{self, Write};
/// # use std::sync::{Arc, Mutex};
/// # use everstep::prelude::*;
/// use everstep::telemetry::Metrics;
/// # #[derive(Clone, Default)] struct Lines(Arc<Mutex<Vec<u8>>>);
/// # impl Write for Lines {
/// #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.0.lock().unwrap().write(bytes) }
/// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
/// # }
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = Backend::memory();
/// # let lines = Lines::default();
/// // `Metrics::emf("Shop")` writes them to stdout, which a function's log is.
/// let app = App::new().workflow(sell).metrics(Metrics::emf_to("Shop", lines.clone()));
/// # let sale = Client::new(&backend).start(sell, "4242".to_owned()).await?;
/// # app.backend(backend).worker().await?.run_until(sale.result()).await??;
/// let written = String::from_utf8(lines.0.lock().unwrap().clone())?; // when the worker has ended
/// assert!(written.contains(r#""Namespace":"Shop""#));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Metrics(Arc<dyn Sink>);

/// `EVERSTEP_METRICS` says something that is no way to write metrics.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::host::AppError;
/// use everstep::telemetry::{METRICS_VARIABLE, MetricsError};
///
/// /// What the operator of a program is told that does not run.
/// fn advice(error: &AppError) -> String {
///     match error {
///         AppError::Metrics(MetricsError { value, .. }) => format!("{METRICS_VARIABLE}={value}?"),
///         other => other.to_string(),
///     }
/// }
///
/// assert!(!advice(&AppError::NoWorkflow).contains(METRICS_VARIABLE));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{METRICS_VARIABLE} is {value:?}: set it to emf or emf:NAMESPACE, or to nothing; {NAMESPACE_RULE}"
)]
#[non_exhaustive]
pub struct MetricsError {
    /// What it says.
    pub value: String,
}

impl Metrics {
    /// Lines on stdout from which CloudWatch Logs makes metrics, in this namespace: the embedded
    /// metric format
    /// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
    ///
    /// A thread of its own writes them. If it cannot keep up, or stdout is closed, lines are left
    /// out, and nothing else happens.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::telemetry::Metrics;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    ///
    /// let app = App::new().workflow(sell).metrics(Metrics::emf("Shop/Orders"));
    /// # assert_eq!(everstep::testing::Env::new(app).run(sell, "4242".to_owned()).unwrap(), "4242");
    /// ```
    ///
    /// # Panics
    /// CloudWatch knows no such namespace: it has 1 to 255 characters of ASCII, no control characters,
    /// and begins neither with `:` nor with `AWS/`.
    #[must_use]
    #[track_caller]
    pub fn emf(namespace: impl Into<String>) -> Self {
        Self::emf_to(namespace, std::io::stdout())
    }

    /// The same lines, elsewhere.
    ///
    /// # Panics
    /// As [`emf`](Self::emf) does.
    #[must_use]
    #[track_caller]
    pub fn emf_to(namespace: impl Into<String>, to: impl Write + Send + 'static) -> Self {
        let namespace = namespace.into();
        assert!(
            is_namespace(&namespace),
            "{namespace:?} is no namespace of CloudWatch: {NAMESPACE_RULE}"
        );
        Self(Arc::new(Emf::new(namespace, to)))
    }

    /// OpenTelemetry's, made by this meter. Whoever made the meter exports them.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::telemetry::Metrics;
    /// # #[workflow] async fn sell(_: ()) -> everstep::Result<()> { Ok(()) }
    ///
    /// let meter = opentelemetry::global::meter("shop");
    /// let app = App::new().workflow(sell).metrics(Metrics::opentelemetry(&meter));
    /// # assert!(everstep::testing::Env::new(app).run(sell, ()).is_ok());
    /// ```
    #[cfg(feature = "opentelemetry")]
    #[must_use]
    pub fn opentelemetry(meter: &opentelemetry::metrics::Meter) -> Self {
        Self(Arc::new(super::otel::Instruments::new(meter)))
    }

    /// What a variable of this value asks for.
    pub(crate) fn by_variable(value: &str) -> Result<Option<Self>, MetricsError> {
        match value.split_once(':') {
            None if value.is_empty() => Ok(None),
            None if value == "emf" => Ok(Some(Self::emf(NAMESPACE))),
            Some(("emf", namespace)) if is_namespace(namespace) => Ok(Some(Self::emf(namespace))),
            _ => Err(MetricsError { value: value.to_owned() }),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Everybody who gets the measures of a host, and what else is to leave the process with them.
#[derive(Clone, Default)]
pub(crate) struct Watchers {
    pub(super) metrics: Vec<Metrics>,
    flushes: Vec<Arc<Flush>>,
}

/// Sends on what an exporter has.
struct Flush {
    call: Box<dyn Fn() + Send + Sync>,
    under_way: Mutex<()>,
}

impl Flush {
    /// Once at a time: one that hangs must not take a thread for each invocation.
    fn run(&self) {
        let _alone = match self.under_way.try_lock() {
            Err(TryLockError::WouldBlock) => return,
            Ok(alone) => alone,
            // It has panicked before, and may again.
            Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
        };
        (self.call)();
    }
}

impl Watchers {
    pub(crate) fn add(&mut self, metrics: Metrics) {
        self.metrics.push(metrics);
    }

    pub(crate) fn add_flush(&mut self, call: impl Fn() + Send + Sync + 'static) {
        let (call, under_way) = (Box::new(call), Mutex::new(()));
        self.flushes.push(Arc::new(Flush { call, under_way }));
    }

    /// Whether nobody gets any.
    pub(crate) fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    pub(super) fn take(&self, batch: &Batch<'_>) {
        for metrics in &self.metrics {
            metrics.0.take(batch);
        }
    }

    /// The sweeper has found so many executions overdue, the first of them for so long.
    pub(crate) fn swept(&self, overdue: usize, oldest: Duration) {
        if self.is_empty() {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a pass wakes a thousand at the most")]
        let values =
            [(Metric::SweepOverdue, overdue as f64), (Metric::SweepOldest, oldest.as_secs_f64())];
        let measures =
            values.map(|(metric, value)| Measure { metric, value, step: None, outcome: None });
        self.take(&Batch { measures: &measures, ..Batch::default() });
    }

    /// Returns when all is on its way out of the process, or the time is up: a frozen process, or
    /// one that has ended, sends nothing.
    pub(crate) async fn flush(&self, at_most: Duration) {
        if self.is_empty() && self.flushes.is_empty() {
            return;
        }
        let metrics = join_all(self.metrics.iter().map(|metrics| metrics.0.flush()));
        let others = join_all(self.flushes.iter().map(|flush| {
            let (flush, runtime) = (Arc::clone(flush), Handle::current());
            let (done, over) = oneshot::channel::<()>();
            // It may block: a thread of the runtime's would hold up its end. Should it panic, or
            // there be no thread, that is its own affair.
            let thread = std::thread::Builder::new().name("everstep-flush".to_owned());
            let _ = thread.spawn(move || {
                let _within = runtime.enter();
                flush.run();
                drop(done);
            });
            over
        }));
        let _ = tokio::time::timeout(at_most, futures::future::join(metrics, others)).await;
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watchers({})", self.metrics.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_a_variable_asks_for_is_taken_by_the_letter() {
        assert!(Metrics::by_variable("").expect("nothing").is_none());
        let longest = format!("emf:{}", "x".repeat(255));
        for value in ["emf", "emf:Shop", "emf:Shop/Orders 1.0", &longest] {
            assert!(Metrics::by_variable(value).expect(value).is_some());
        }
        let refused =
            [":Everstep", ":", "emf:", "EMF", "prometheus", "emf::Shop", "emf:AWS/Lambda"];
        for value in refused.into_iter().chain(["emf:Läden", "emf:a\nb", &(longest + "x")]) {
            let refused = Metrics::by_variable(value).expect_err(value);
            assert_eq!(refused.value, value);
        }
    }

    #[test]
    fn a_flush_that_hangs_holds_up_no_runtime_that_ends() {
        let (release, hangs) = channel::<()>();
        let hangs = Mutex::new(hangs);
        let mut watchers = Watchers::default();
        watchers.add_flush(move || {
            let _ = hangs.lock().unwrap().recv();
        });
        let (ended, over) = channel();
        std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_time().build().unwrap();
            runtime.block_on(watchers.flush(Duration::from_millis(10)));
            drop(runtime);
            ended.send(()).unwrap();
        });
        over.recv_timeout(Duration::from_secs(20)).expect("the runtime has ended");
        drop(release);
    }
}
