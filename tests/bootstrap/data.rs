//! A Lambda function whose steps write to PostgreSQL and DynamoDB and take permits of a Redis, and
//! which tells a collector of OpenTelemetry what it did.

use std::path::Path;

use everstep::dynamodb::types::{AttributeValue, Update};
use everstep::dynamodb::{Client as DynamoDb, Markers, Transact, TransactError, transact};
use everstep::limiter::{ConcurrencyLimiter, RedisLimiter};
use everstep::postgres::{self, PgPool, Rollback};
use everstep::prelude::*;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

#[derive(Clone)]
struct Services {
    books: PgPool,
    shop: Markers,
    press: ConcurrencyLimiter,
}

/// Ends the process after an effect and before the step's result is in the log: once for each file of
/// this name in the folder that `DEATHS` names.
fn die_after(effect: &str) {
    let folder = std::env::var_os("DEATHS").unwrap_or_default();
    if std::fs::remove_file(Path::new(&folder).join(effect)).is_ok() {
        std::process::abort();
    }
}

#[step(skip(services))]
async fn book(services: &Services, note: &str) -> everstep::Result<i64> {
    let number = postgres::transaction(&services.books, async move |mut tx| {
        let write = "INSERT INTO books (note) VALUES ($1) RETURNING number";
        let number = sqlx::query_scalar::<_, i64>(write).bind(note).persistent(false);
        Ok::<_, Rollback<everstep::Error>>(number.fetch_one(&mut *tx).await?)
    })
    .await?;
    die_after("book");
    Ok(number)
}

/// Counts it in the shop's table.
fn count_of(note: &str) -> Update {
    Update::builder()
        .table_name("shop")
        .key("name", AttributeValue::S(note.to_owned()))
        .update_expression("ADD sold :one")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .build()
        .expect("all that an update needs")
}

#[step(skip(services))]
async fn sell(services: &Services, note: &str) -> everstep::Result<String> {
    let sold: Result<String, TransactError> = transact(&services.shop, async || {
        Ok(Transact::new(format!("sold for {note}")).update("sale", count_of(note)))
    })
    .await;
    let sold = sold?;
    die_after("sell");
    Ok(sold)
}

#[step]
async fn deliver(note: &str) -> everstep::Result<Transact<String>> {
    die_after("deliver");
    let count = count_of(&format!("{note}, delivered"));
    Ok(Transact::new(format!("delivered {note}")).update("delivery", count))
}

/// Writes to both, and returns what each has answered.
#[workflow]
async fn trade(
    State(services): State<Services>,
    note: String,
) -> everstep::Result<(i64, String, String)> {
    let number = book(&services, &note).await?;
    Ok((number, sell(&services, &note).await?, deliver(&note).await?))
}

#[step(skip(services), total_timeout = "10m")]
async fn print(services: &Services, text: &str) -> everstep::Result<String> {
    let permit = services.press.acquire("press").await?;
    let printed = format!("{text}, printed");
    permit.release().await?;
    Ok(printed)
}

/// Prints before and after somebody has looked at it.
#[workflow]
async fn publish_it(State(services): State<Services>, text: String) -> everstep::Result<String> {
    let proof = print(&services, &text).await?;
    let looked = signal::<String>("looked").await?;
    print(&services, &format!("{proof}, {looked}")).await
}

pub(crate) async fn run() -> Result<(), lambda_runtime::Error> {
    // Where to is in the variables that OpenTelemetry has for it.
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpJson).build()?;
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("data"));
    tracing_subscriber::registry().with(spans.with_filter(LevelFilter::INFO)).init();

    let redis = RedisLimiter::connect(&std::env::var("REDIS_URL")?).await?;
    let services = Services {
        books: PgPool::connect_lazy(&std::env::var("DATABASE_URL")?)?,
        shop: Markers::new(&DynamoDb::new(&everstep::aws::load_config().await), "markers"),
        press: ConcurrencyLimiter::new(redis, "press", 1),
    };
    let app = App::new().workflow(trade).workflow(publish_it).state(services);
    Ok(app.flush(move || _ = provider.force_flush()).run().await?)
}
