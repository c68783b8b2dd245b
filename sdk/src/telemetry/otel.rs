//! Metrics as OpenTelemetry's.

use futures::future::{BoxFuture, ready};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};

use super::measure::{Batch, Kind, Metric, OUTCOME, STEP, Unit, WORKFLOW};
use super::metrics::Sink;

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
            let builder = meter.f64_histogram(name).with_unit(unit);
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
