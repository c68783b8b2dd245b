//! Log lines: [`init`] for programs that want what most do, [`JsonLines`] for others.
//!
//! ```
//! use everstep::telemetry::logs::{self, InitError};
//!
//! logs::init()?; // the first line of main
//! tracing::info!("the shop is open");
//! assert!(matches!(logs::init(), Err(InitError::Twice { .. })));
//! # Ok::<(), InitError>(())
//! ```

use std::fmt;
use std::io::Write;

use chrono::{SecondsFormat, Utc};
use serde::Serializer;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

/// Why log lines were not set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// A variable says something that is no filter: correct it.
    #[error(
        "{variable} is {value:?}: set it to a level, as info, or to a list, as warn,everstep=debug"
    )]
    Filter {
        /// Which.
        variable: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// `EVERSTEP_LOG_FORMAT` says something else than `json` or `text`: correct it.
    #[error("EVERSTEP_LOG_FORMAT is {value:?}: set it to json or text, or to nothing")]
    Format {
        /// What it says.
        value: String,
    },
    /// There is a subscriber already: call [`init`] once, and set up no other.
    #[error("this process has a subscriber of tracing already: set up one, and once")]
    Twice {
        /// What says so.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Shows log lines: in Lambda as JSON on stdout, a line for each and everything at its top level;
/// elsewhere as text on stderr. `EVERSTEP_LOG_FORMAT` (`json` or `text`) says otherwise.
///
/// Shown is what `RUST_LOG` says (`info`, or `warn,everstep=debug`), else what the function's
/// setting for application logs says (`AWS_LAMBDA_LOG_LEVEL`), else `info`.
///
/// # Errors
/// See [`InitError`].
pub fn init() -> Result<(), InitError> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let filter = ["RUST_LOG", "AWS_LAMBDA_LOG_LEVEL"]
        .into_iter()
        .find_map(|name| variable(name).map(|value| (name, value)));
    let filter = match filter {
        Some((variable, value)) => filter_of(variable, value)?,
        None => Targets::new().with_default(tracing::Level::INFO),
    };
    let in_lambda = std::env::var_os("AWS_LAMBDA_FUNCTION_NAME").is_some();
    let is_json = is_json(variable("EVERSTEP_LOG_FORMAT"), in_lambda)?;
    let json = is_json.then(|| JsonLines::new(std::io::stdout));
    let text =
        json.is_none().then(|| tracing_subscriber::fmt::layer().with_writer(std::io::stderr));
    tracing_subscriber::registry().with(filter).with(json).with(text).try_init().map_err(|error| {
        let source = error.into();
        InitError::Twice { source }
    })
}

/// Whether lines are JSON: as the variable says, or by the place where the program runs.
fn is_json(format: Option<String>, in_lambda: bool) -> Result<bool, InitError> {
    match format.as_deref() {
        None => Ok(in_lambda),
        Some("json") => Ok(true),
        Some("text") => Ok(false),
        Some(value) => Err(InitError::Format { value: value.to_owned() }),
    }
}

fn filter_of(variable: &'static str, value: String) -> Result<Targets, InitError> {
    // Lambda's setting also knows FATAL, which is nothing of tracing's.
    let text = if value.eq_ignore_ascii_case("fatal") { "error" } else { &value };
    let filter: Targets =
        text.parse().map_err(|error: tracing_subscriber::filter::ParseError| {
            InitError::Filter { variable, value: value.clone(), source: error.into() }
        })?;
    // A warning also says whose it is: its spans are there whatever else is shown.
    Ok(filter.with_target(super::spans::TARGET, LevelFilter::INFO))
}

/// A layer that writes each event as a line of JSON: `timestamp`, `level`, `target` and `message`,
/// then the fields of the spans around it from the outermost in, then its own. Of two of one name
/// the inner one stands.
///
/// So each line of a turn has `everstep.execution.id`, `everstep.workflow.name` and `everstep.run`,
/// and each of a step's body `everstep.step.name` and `everstep.step.attempt`, where CloudWatch Logs
/// Insights finds them. A line that cannot be written is left out.
///
/// ```
/// # use std::io::{self, Write};
/// # use std::sync::{Arc, Mutex};
/// use everstep::telemetry::logs::JsonLines;
/// use tracing_subscriber::prelude::*;
/// # #[derive(Clone, Default)] struct Lines(Arc<Mutex<Vec<u8>>>);
/// # impl Write for Lines {
/// #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.0.lock().unwrap().write(bytes) }
/// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
/// # }
///
/// # let lines = Lines::default();
/// # let to = lines.clone();
/// // To a file, say, beside other layers; `JsonLines::new(std::io::stdout)` is what `init` has.
/// let layer = JsonLines::new(move || to.clone());
/// tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
///     let _turn = tracing::info_span!("turn", order = 7).entered();
///     tracing::warn!(pieces = 2, "sold out");
/// });
/// let written = String::from_utf8(lines.0.lock().unwrap().clone())?;
/// assert!(written.ends_with("\"message\":\"sold out\",\"order\":7,\"pieces\":2}\n"), "{written}");
/// # Ok::<(), std::string::FromUtf8Error>(())
/// ```
pub struct JsonLines<W> {
    to: W,
}

impl<W> JsonLines<W> {
    /// To what this makes for each line: `std::io::stdout`.
    pub fn new(to: W) -> Self {
        Self { to }
    }
}

impl<W> fmt::Debug for JsonLines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonLines")
    }
}

/// Fields in the order they were set, each name once.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn set(&mut self, name: &'static str, value: Value) {
        if name.starts_with("otel.") {
            return; // These are for OpenTelemetry, and say nothing that others do not.
        }
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }
}

impl<S, W> tracing_subscriber::Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        // Another layer of these may have put the same there; to insert it twice would panic.
        span.extensions_mut().replace(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let about = event.metadata();
        let mut line = Fields::default();
        line.set("timestamp", Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true).into());
        line.set("level", about.level().as_str().into());
        line.set("target", about.target().into());
        line.set("message", Value::Null);
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                fields.0.iter().for_each(|(name, value)| line.set(name, value.clone()));
            }
        }
        event.record(&mut line);
        let mut json = Vec::with_capacity(256);
        let members = line.0.iter().map(|(name, value)| (name, value));
        let written = serde_json::Serializer::new(&mut json).collect_map(members);
        if written.is_ok() {
            json.push(b'\n');
            // Nobody can be told.
            let _ = self.to.make_writer_for(about).write_all(&json);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_of_lambda_is_a_filter_and_nonsense_is_named() {
        for level in ["INFO", "FATAL", "warn,everstep=debug"] {
            assert!(filter_of("RUST_LOG", level.to_owned()).is_ok(), "{level}");
        }
        let error = filter_of("RUST_LOG", "everstep=loud".to_owned()).expect_err("no level");
        assert!(error.to_string().starts_with("RUST_LOG is \"everstep=loud\": "), "{error}");
    }

    #[test]
    fn the_place_says_how_lines_are_written_unless_the_variable_does() {
        for in_lambda in [false, true] {
            let is_json = |format: Option<&str>| is_json(format.map(str::to_owned), in_lambda);
            assert_eq!(is_json(None).expect("the place"), in_lambda);
            assert!(is_json(Some("json")).expect("JSON"));
            assert!(!is_json(Some("text")).expect("text"));
            let error = is_json(Some("JSON")).expect_err("no format").to_string();
            assert!(error.contains("\"JSON\": set it to json or text"), "{error}");
        }
    }
}
