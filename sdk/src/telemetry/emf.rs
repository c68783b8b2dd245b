//! CloudWatch's embedded metric format: JSON lines in the log, from which it makes metrics.
//!
//! The rules, of
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>:
//! a line is one object; its member `_aws` says which of its other members are metrics, and which
//! sets of them dimensions. A directive has at most 100 metrics, a metric at most 100 values, a set
//! at most 30 dimensions. Of dimensions
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>): a value
//! has 1 to 1024 ASCII characters, none of which is a control character.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::measure::{Batch, Kind, Measure, Metric, OUTCOME, STEP, Unit, WORKFLOW};
use super::metrics::Sink;
use crate::time::Timestamp;

/// How many values a metric has in one object.
const VALUES_MAX: usize = 100;

/// How many characters the value of a dimension has.
const DIMENSION_CHARS_MAX: usize = 1024;

/// How many workflows, and how many steps, have metrics of their own: each is paid for. A step's name
/// can be made while the program runs, and anybody who may start executions makes up names of
/// workflows: then there is no end of them.
const NAMES_MAX: usize = 500;

/// What stands for the names of all others.
const OTHER: &str = "(other)";

/// How many lines wait to be written; what is more is left out.
const LINES_MAX: usize = 1024;

enum Job {
    Line(String),
    /// Says when all lines before it are written.
    Flush(oneshot::Sender<()>),
}

/// Makes lines, for a thread that writes them.
pub(super) struct Emf {
    namespace: String,
    workflows: Names,
    steps: Names,
    jobs: SyncSender<Job>,
}

impl Emf {
    pub(super) fn new(namespace: String, to: impl Write + Send + 'static) -> Self {
        let (jobs, receiver) = sync_channel(LINES_MAX);
        // Without a thread there are no metrics, and everything else as ever.
        let _ = std::thread::Builder::new()
            .name("everstep-metrics".to_owned())
            .spawn(move || write_all(&receiver, to));
        Self { namespace, workflows: Names::default(), steps: Names::default(), jobs }
    }

    fn lines(&self, batch: &Batch<'_>, now: Timestamp) -> Vec<String> {
        let mut groups: BTreeMap<(Option<String>, Option<&str>), Vec<&Measure>> = BTreeMap::new();
        for measure in batch.measures {
            let step = measure.step.as_deref().map(|step| self.steps.bounded(step));
            groups.entry((step, measure.outcome)).or_default().push(measure);
        }
        let workflow = batch.workflow.map(|name| self.workflows.bounded(name));
        let mut lines = Vec::new();
        for ((step, outcome), measures) in groups {
            let mut dimensions = Vec::new();
            dimensions.extend(workflow.clone().map(|name| (WORKFLOW, name)));
            dimensions.extend(step.map(|step| (STEP, step)));
            dimensions.extend(outcome.map(|outcome| (OUTCOME, outcome.to_owned())));
            let mut values = added_up(&measures);
            while !values.is_empty() {
                lines.push(self.line(batch, now, &dimensions, &mut values));
            }
        }
        lines
    }

    /// One object with as many of `values` as it may have, which are taken out.
    fn line(
        &self,
        batch: &Batch<'_>,
        now: Timestamp,
        dimensions: &[(&'static str, String)],
        values: &mut Vec<(Metric, Vec<f64>)>,
    ) -> String {
        let mut object = Map::new();
        let mut metrics = Vec::new();
        values.retain_mut(|(metric, values)| {
            let (name, _, unit, _) = metric.about();
            let unit = match unit {
                Unit::Count(_) => "Count",
                Unit::Seconds => "Seconds",
                Unit::Bytes => "Bytes",
            };
            metrics.push(json!({ "Name": name, "Unit": unit }));
            let rest = values.split_off(values.len().min(VALUES_MAX));
            let written = std::mem::replace(values, rest);
            let value = match &*written {
                [value] => json!(value),
                values => json!(values),
            };
            object.insert(name.to_owned(), value);
            !values.is_empty()
        });
        let all: Vec<_> = dimensions.iter().map(|(key, _)| *key).collect();
        // An alarm is on one set of dimensions: this one is for all workflows together.
        let rolled_up: Vec<_> = all.iter().copied().filter(|key| *key == OUTCOME).collect();
        let sets = if all == rolled_up { vec![all] } else { vec![all, rolled_up] };
        object.extend(dimensions.iter().map(|(key, value)| ((*key).to_owned(), json!(value))));
        if let Some(execution) = batch.execution {
            object.insert("everstep.execution.id".to_owned(), json!(execution.as_str()));
        }
        if let Some(run) = batch.run {
            object.insert("everstep.run".to_owned(), json!(run));
        }
        let directive =
            json!({ "Namespace": self.namespace, "Dimensions": sets, "Metrics": metrics });
        let about = json!({ "Timestamp": now.0, "CloudWatchMetrics": [directive] });
        object.insert("_aws".to_owned(), about);
        let mut line = Value::Object(object).to_string();
        line.push('\n');
        line
    }
}

/// Names that have metrics of their own.
#[derive(Default)]
struct Names(Mutex<HashSet<String>>);

impl Names {
    /// The name as a dimension has it, if it may be one.
    fn bounded(&self, name: &str) -> String {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains(name) {
            if names.len() >= NAMES_MAX {
                return OTHER.to_owned();
            }
            names.insert(name.to_owned());
        }
        ascii(name)
    }
}

/// The values of each metric, as its kind adds them up.
fn added_up(measures: &[&Measure]) -> Vec<(Metric, Vec<f64>)> {
    let mut values: Vec<(Metric, Vec<f64>)> = Vec::new();
    for measure in measures {
        let place = values.iter().position(|(metric, _)| *metric == measure.metric);
        let place = place.unwrap_or_else(|| {
            values.push((measure.metric, Vec::new()));
            values.len() - 1
        });
        let values = &mut values[place].1;
        match (measure.metric.about().1, values.first_mut()) {
            (Kind::Counter, Some(sum)) => *sum += measure.value,
            (Kind::Gauge, Some(last)) => *last = measure.value,
            (Kind::Histogram, _) | (_, None) => values.push(measure.value),
        }
    }
    values
}

/// `name` as the value of a dimension.
fn ascii(name: &str) -> String {
    let mut ascii = String::with_capacity(name.len());
    for char in name.chars() {
        if char.is_ascii() && !char.is_ascii_control() {
            ascii.push(char);
        } else {
            ascii.extend(char.escape_default());
        }
    }
    ascii.truncate(DIMENSION_CHARS_MAX);
    // One of nothing but blanks is refused.
    if ascii.trim().is_empty() { OTHER.to_owned() } else { ascii }
}

fn write_all(jobs: &Receiver<Job>, mut to: impl Write) {
    while let Ok(job) = jobs.recv() {
        match job {
            // Nobody can be told.
            Job::Line(line) => _ = to.write_all(line.as_bytes()).and_then(|()| to.flush()),
            Job::Flush(done) => _ = done.send(()),
        }
    }
}

impl Sink for Emf {
    fn take(&self, batch: &Batch<'_>) {
        for line in self.lines(batch, Timestamp::from(chrono::Utc::now())) {
            let _ = self.jobs.try_send(Job::Line(line));
        }
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        let (done, written) = oneshot::channel();
        if self.jobs.try_send(Job::Flush(done)).is_err() {
            return Box::pin(futures::future::ready(()));
        }
        written.map(drop).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn workflows_that_nobody_has_are_no_end_of_dimensions() {
        let emf = Emf::new("Shop".to_owned(), std::io::sink());
        let outcome = Some("returned");
        let measures = [Measure { metric: Metric::WakeHandled, value: 1.0, step: None, outcome }];
        let mut named = BTreeSet::new();
        for number in 0..NAMES_MAX + 100 {
            let workflow = format!("made_up_{number}");
            let batch =
                Batch { workflow: Some(&workflow), measures: &measures, ..Batch::default() };
            for line in emf.lines(&batch, Timestamp(1_700_000_000_000)) {
                let line: Value = serde_json::from_str(&line).unwrap();
                named.insert(line[WORKFLOW].to_string());
            }
        }
        assert_eq!(named.len(), NAMES_MAX + 1);
    }
}
