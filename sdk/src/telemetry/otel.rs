//! Metrics as OpenTelemetry's.

use futures::future::{BoxFuture, ready};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};

use super::measure::{Batch, Kind, Metric, OUTCOME, STEP, Unit, WORKFLOW};
use super::metrics::Sink;

/// The buckets of durations: those that the semantic conventions have for requests
/// (<https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>), and more for what takes longer.
const SECONDS: [f64; 21] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0,
    300.0, 900.0, 3_600.0, 86_400.0, 604_800.0,
];

/// An instrument for each metric, in the order of [`Metric::ALL`].
pub(super) struct Instruments(Vec<Instrument>);

enum Instrument {
    Counter(Counter<f64>),
    Histogram(Histogram<f64>),
    Gauge(Gauge<f64>),
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        Self(Metric::ALL.into_iter().map(|metric| instrument(meter, metric)).collect())
    }
}

fn instrument(meter: &Meter, metric: Metric) -> Instrument {
    let (name, kind, unit, description) = metric.about();
    let unit = match unit {
        Unit::Count(annotation) => annotation,
        Unit::Seconds => "s",
        Unit::Bytes => "By",
    };
    match kind {
        Kind::Counter => {
            let builder = meter.f64_counter(name).with_unit(unit);
            Instrument::Counter(builder.with_description(description).build())
        }
        Kind::Histogram => {
            let mut builder = meter.f64_histogram(name).with_unit(unit);
            if unit == "s" {
                builder = builder.with_boundaries(SECONDS.to_vec());
            }
            Instrument::Histogram(builder.with_description(description).build())
        }
        Kind::Gauge => {
            let builder = meter.f64_gauge(name).with_unit(unit);
            Instrument::Gauge(builder.with_description(description).build())
        }
    }
}

impl Sink for Instruments {
    fn take(&self, batch: &Batch<'_>) {
        for measure in batch.measures {
            let workflow = batch.workflow.map(|name| KeyValue::new(WORKFLOW, name.to_owned()));
            let step = measure.step.clone().map(|name| KeyValue::new(STEP, name));
            let outcome = measure.outcome.map(|outcome| KeyValue::new(OUTCOME, outcome));
            let attributes: Vec<KeyValue> =
                workflow.into_iter().chain(step).chain(outcome).collect();
            match self.0.get(measure.metric as usize) {
                Some(Instrument::Counter(counter)) => counter.add(measure.value, &attributes),
                Some(Instrument::Histogram(values)) => values.record(measure.value, &attributes),
                Some(Instrument::Gauge(gauge)) => gauge.record(measure.value, &attributes),
                None => {}
            }
        }
    }

    /// Whoever made the meter exports.
    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}
