//! Spans: one trace for each run, whoever takes its turns, and in it what ran and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use everstep::id::ExecutionId;
use everstep::prelude::*;
use everstep::store::Status;
use everstep::telemetry::TraceOf;
use opentelemetry::trace::{SpanId, SpanKind, Status as SpanStatus, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use tracing::Instrument;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use super::world::{Death, World, in_virtual_time};

/// Exports the spans of this thread.
fn exported(sampler: Sampler) -> (InMemorySpanExporter, DefaultGuard) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .with_sampler(sampler)
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let layer = layer.with_filter(LevelFilter::INFO);
    (exporter, tracing_subscriber::registry().with(layer).set_default())
}

fn attribute(span: &SpanData, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
    found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
}

/// The spans below `parent` by their start, each with its depth, and how it ended.
fn tree(spans: &[SpanData], parent: SpanId, depth: usize) -> Vec<String> {
    let mut below: Vec<_> = spans.iter().filter(|span| span.parent_span_id == parent).collect();
    below.sort_by_key(|span| span.start_time);
    let mut lines = Vec::new();
    for span in below {
        let outcomes = ["turn", "step", "attempt"];
        let outcome: String =
            outcomes.iter().map(|of| attribute(span, &format!("everstep.{of}.outcome"))).collect();
        let outcome = attribute(span, "everstep.step.outcome").is_empty().then_some(outcome);
        let outcome = outcome.unwrap_or_else(|| attribute(span, "everstep.step.outcome"));
        let error = match span.status {
            SpanStatus::Error { .. } => format!(" ERROR {}", attribute(span, "error.type")),
            _ => String::new(),
        };
        lines.push(format!("{}{} {outcome}{error}", "  ".repeat(depth), span.name));
        lines.extend(tree(spans, span.span_context.span_id(), depth + 1));
    }
    lines
}

/// Of all spans those of run `run` of execution `id`, as a tree.
fn trace(spans: &[SpanData], id: &str, run: u32) -> Vec<String> {
    let of = TraceOf::run(&id.parse().unwrap(), run);
    let own: Vec<SpanData> =
        spans.iter().filter(|it| it.span_context.trace_id() == of.id()).cloned().collect();
    let lines = tree(&own, of.context().span_id(), 0);
    assert_eq!(lines.len(), own.len(), "spans hang on nothing: {own:#?}");
    lines
}

#[step(retry(max_attempts = 2, initial = "10ms"))]
async fn charge(cents: u64) -> everstep::Result<u64> {
    if everstep::attempt() == 1 {
        return Err(everstep::Error::msg("the card is asleep"));
    }
    Ok(cents)
}

#[step]
async fn ship(cents: u64) -> everstep::Result<u64> {
    // The spans of a body are below its attempt.
    async { tokio::task::yield_now().await }.instrument(tracing::info_span!("label")).await;
    Ok(cents + 1)
}

#[step(retry(max_attempts = 1))]
async fn thank() -> everstep::Result<()> {
    Err(everstep::Error::msg("nobody is at home"))
}

#[workflow]
async fn sell(cents: u64) -> everstep::Result<u64> {
    let charged = charge(cents).await?;
    signal::<()>("packed").await?;
    let shipped = ship(charged).await?;
    let _ = thank().await;
    Ok(shipped)
}

/// A host with a process's memory of its own, on the file that others have too.
async fn host_on(url: &str, until: impl AsyncFnOnce(&Client)) {
    let backend = Backend::from_url(url).await.unwrap();
    let client = Client::new(&backend);
    let worker = App::new().workflow(sell).backend(backend).worker().await.unwrap();
    worker.run_until(until(&client)).await.unwrap();
}

async fn until_it_waits(client: &Client, id: &ExecutionId) {
    while client.describe(id).await.unwrap().projection.status != Status::Suspended {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn an_execution_that_two_hosts_work_on_is_one_trace_in_which_nothing_comes_twice() {
    let (exporter, _guard) = exported(Sampler::AlwaysOn);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("everstep.db").display());
    let id: ExecutionId = "order-7".parse().unwrap();
    host_on(&url, async |client| {
        client.start(sell, 3490).id("order-7").await.unwrap();
        until_it_waits(client, &id).await;
    })
    .await;
    host_on(&url, async |client| {
        client.signal(&id, "packed", &()).await.unwrap();
        let handle = client.start(sell, 3490).id("order-7").await.unwrap();
        assert_eq!(handle.result().await.unwrap(), 3491);
    })
    .await;
    let spans = exporter.get_finished_spans().unwrap();
    let expected = [
        "turn sell suspended",
        "  step charge completed",
        "    attempt charge failed ERROR error",
        "    attempt charge completed",
        "turn sell completed",
        "  step ship completed",
        "    attempt ship completed",
        "      label ",
        "  step thank failed ERROR error",
        "    attempt thank failed ERROR error",
    ];
    assert_eq!(trace(&spans, "order-7", 1), expected);
    let turns: Vec<_> = spans.iter().filter(|span| span.name == "turn sell").collect();
    for turn in &turns {
        assert_eq!(turn.span_kind, SpanKind::Consumer);
        assert_eq!(attribute(turn, "everstep.execution.id"), "order-7");
        assert_eq!(attribute(turn, "everstep.workflow.name"), "sell");
        assert_eq!(attribute(turn, "messaging.operation.type"), "process");
        assert!(turn.parent_span_is_remote);
    }
    let replayed: Vec<_> =
        turns.iter().map(|turn| attribute(turn, "everstep.turn.replayed")).collect();
    assert_eq!(replayed[0], "1");
    assert!(replayed[1].parse::<u32>().unwrap() > 4, "{replayed:?}");
}

/// Both hosts are told alike whether the trace is wanted: by its id.
#[tokio::test(start_paused = true)]
async fn a_sampler_that_goes_by_trace_ids_takes_all_turns_of_a_run_or_none() {
    let (exporter, _guard) = exported(Sampler::TraceIdRatioBased(0.5));
    let world = World::new();
    let host = world.host(App::new().workflow(sell), None);
    for order in 0..40 {
        let handle = world.client().start(sell, 1).id(format!("e-{order}")).await.unwrap();
        tokio::time::sleep(seconds(5)).await;
        handle.signal("packed", &()).await.unwrap();
        handle.result().await.unwrap();
    }
    host.kill().await;
    let mut turns: BTreeMap<String, usize> = BTreeMap::new();
    for span in exporter.get_finished_spans().unwrap() {
        if span.name == "turn sell" {
            *turns.entry(attribute(&span, "everstep.execution.id")).or_default() += 1;
        }
    }
    assert!((5..36).contains(&turns.len()), "{turns:?}");
    assert!(turns.values().all(|count| *count == 2), "{turns:?}");
}

#[test]
fn whatever_call_a_host_dies_at_its_turns_and_the_next_ones_are_in_one_trace() {
    let story = |death: Option<Death>| {
        in_virtual_time(async {
            let (exporter, _guard) = exported(Sampler::AlwaysOn);
            let world = World::new();
            let app = || App::new().workflow(sell);
            let first = world.host(app(), death);
            let handle = world.client().start(sell, 1).id("e").await.unwrap();
            handle.signal("packed", &()).await.unwrap();
            tokio::time::sleep(seconds(5)).await;
            let second = world.host(app(), None);
            assert_eq!(handle.result().await.unwrap(), 2, "{death:?}");
            let calls = first.calls();
            first.kill().await;
            second.kill().await;
            let spans = exporter.get_finished_spans().unwrap();
            let lines = trace(&spans, "e", 1);
            assert_eq!(lines.len(), spans.len(), "{death:?}: {spans:#?}");
            let ends = lines.iter().filter(|line| *line == "turn sell completed").count();
            // Who dies with the last commit written leaves an end that no turn is needed for.
            let is_known = ends == 1 || death.is_some_and(|death| ends == 0 && death.after);
            assert!(is_known, "{death:?}: {lines:#?}");
            // What is in the log was not done again, and so is no span of a second turn: twice at most,
            // if its host died before it was there.
            let most = 1 + usize::from(death.is_some());
            let once = lines.iter().filter(|line| line.contains("step charge completed")).count();
            assert!((1..=most).contains(&once), "{death:?}: {lines:#?}");
            calls
        })
    };
    let calls = story(None);
    assert!(calls >= 6, "{calls} calls are too few");
    for at in 0..calls {
        story(Some(Death { at, after: false }));
        story(Some(Death { at, after: true }));
    }
}

#[workflow]
async fn parent(_: ()) -> everstep::Result<u64> {
    child(counts, 1).id("child").await?;
    Ok(1)
}

#[workflow]
async fn counts(left: u64) -> everstep::Result<u64> {
    if left == 0 { Ok(0) } else { continue_as_new(&(left - 1)).await }
}

#[tokio::test(start_paused = true)]
async fn runs_and_children_are_traces_of_their_own_with_links_to_where_they_come_from() {
    let (exporter, _guard) = exported(Sampler::AlwaysOn);
    let world = World::new();
    let host = world.host(App::new().workflow(parent).workflow(counts), None);
    let handle = world.client().start(parent, ()).id("parent").await.unwrap();
    handle.result().await.unwrap();
    host.kill().await;
    let spans = exporter.get_finished_spans().unwrap();
    let of = |id: &str, run| TraceOf::run(&id.parse().unwrap(), run);
    let links_of = |id, run| -> BTreeSet<String> {
        let own = spans.iter().filter(|it| it.span_context.trace_id() == of(id, run).id());
        own.flat_map(|span| &span.links.links)
            .map(|link| link.span_context.span_id().to_string())
            .collect()
    };
    assert_eq!(trace(&spans, "child", 1), ["turn counts continued"]);
    assert_eq!(trace(&spans, "child", 2), ["turn counts completed"]);
    let [parent, first] =
        [of("parent", 1), of("child", 1)].map(|it| it.context().span_id().to_string());
    assert_eq!(links_of("parent", 1), BTreeSet::new());
    assert_eq!(links_of("child", 1), BTreeSet::from([parent.clone()]));
    assert_eq!(links_of("child", 2), BTreeSet::from([parent, first]));
}

/// A request starts an execution: each trace leads to the other's.
#[tokio::test(start_paused = true)]
async fn whoever_starts_an_execution_has_a_link_to_its_trace() {
    let (exporter, _guard) = exported(Sampler::AlwaysOn);
    let world = World::new();
    let start = async {
        world.client().start(sell, 1).id("e").await.unwrap();
        // What is there already is nobody's start.
        world.client().start(sell, 1).id("e").await.unwrap();
    };
    start.instrument(tracing::info_span!("request")).await;
    let [request] = &exporter.get_finished_spans().unwrap()[..] else { panic!("no span") };
    let links: Vec<_> = request.links.links.iter().map(|link| &link.span_context).collect();
    assert_eq!(links, [TraceOf::run(&"e".parse().unwrap(), 1).context()]);
    assert_ne!(request.span_context.trace_id(), links[0].trace_id());
}

#[workflow]
async fn breaks(_: ()) -> everstep::Result<()> {
    ship(1).await?;
    panic!("a bug");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_blocks_has_an_error_and_says_so_in_its_trace() {
    let (exporter, _guard) = exported(Sampler::AlwaysOn);
    let world = World::new();
    let host = world.host(App::new().workflow(breaks), None);
    world.client().start(breaks, ()).id("e").await.unwrap();
    tokio::time::sleep(seconds(5)).await;
    host.kill().await;
    let spans = exporter.get_finished_spans().unwrap();
    let lines = trace(&spans, "e", 1);
    assert_eq!(lines[0], "turn breaks blocked ERROR blocked", "{lines:#?}");
    let turn = spans.iter().find(|span| span.name == "turn breaks").unwrap();
    assert!(turn.events.events.iter().any(|event| event.name == "execution blocked"), "{turn:#?}");
}
