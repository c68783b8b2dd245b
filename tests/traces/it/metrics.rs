//! Metrics as OpenTelemetry's.

use std::collections::BTreeSet;

use everstep::prelude::*;
use everstep::telemetry::Metrics;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

use super::world::World;

#[step]
async fn charge() -> everstep::Result<()> {
    Ok(())
}

#[workflow]
async fn sell(_: ()) -> everstep::Result<()> {
    charge().await?;
    sleep(minutes(2)).await;
    Ok(())
}

/// The same measures, as OpenTelemetry's.
#[tokio::test(start_paused = true)]
async fn opentelemetry_gets_what_cloudwatch_gets() {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    let metrics = Metrics::opentelemetry(&provider.meter("everstep"));
    let world = World::new();
    let host = world.host(App::new().workflow(sell).metrics(metrics), None);
    let handle = world.client().start(sell, ()).id("order-7").await.unwrap();
    handle.result().await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    host.kill().await;
    provider.force_flush().unwrap();
    let mut names = BTreeSet::new();
    let mut closed = Vec::new();
    for resource in exporter.get_finished_metrics().unwrap() {
        for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()) {
            names.insert(metric.name().to_owned());
            if metric.name() != "everstep.execution.closed" {
                continue;
            }
            assert_eq!(metric.unit(), "{execution}");
            let AggregatedMetrics::F64(MetricData::Sum(sum)) = metric.data() else {
                panic!("{metric:?}")
            };
            for point in sum.data_points() {
                let of = |key: &str| {
                    let mut all = point.attributes();
                    let found = all.find(|attribute| attribute.key.as_str() == key);
                    found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
                };
                closed.push((of("everstep.workflow.name"), of("everstep.outcome"), point.value()));
            }
        }
    }
    assert_eq!(closed, [("sell".to_owned(), "completed".to_owned(), 1.0)]);
    let expected = [
        "everstep.attempt.duration",
        "everstep.execution.closed",
        "everstep.execution.duration",
        "everstep.execution.started",
        "everstep.step.ended",
        "everstep.sweep.oldest",
        "everstep.sweep.overdue",
        "everstep.timer.lateness",
        "everstep.turn.commits",
        "everstep.turn.duration",
        "everstep.turn.replayed",
        "everstep.turn.written",
        "everstep.wake.handled",
    ];
    assert_eq!(names.iter().collect::<Vec<_>>(), expected);
}
