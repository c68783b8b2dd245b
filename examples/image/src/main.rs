//! Pictures: an upload lands in S3, its event starts a workflow, which makes renditions, has one made
//! by another Lambda function, and tells subscribers. A page uploads, polls and shows.
//!
//! ```console
//! $ cargo run -p image            # serves the page at http://127.0.0.1:8080, until ctrl-c
//! $ cargo run -p image -- --demo  # uploads a picture of its own, and waits for the end
//! $ cargo run -p image -- --demo --name b.jpg --crash-after render
//! $ cargo run -p image -- --demo --name b.jpg   # goes on where the other process died
//! ```
//!
//! Here a folder (`image-data`) plays S3, this process the other function, and a file for each
//! message SNS; the log is in `everstep.db` unless `EVERSTEP_URL` names another backend. Built with
//! `--features aws` the same program is both Lambda functions: docs/guide/pictures.md.

// The futures of AWS's clients are types within types.
#![cfg_attr(feature = "aws", recursion_limit = "256")]
#![allow(clippy::print_stdout, reason = "talking on the terminal is what it is for")]
#![allow(unreachable_pub, reason = "in a program `pub` reads better")]

mod arrivals;
#[cfg(feature = "aws")]
mod cloud;
mod demo;
mod error;
mod objects;
mod page;
mod picture;
mod problem;
mod studio;
mod subscribers;
mod thumbnails;
mod workflow;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;
use everstep::http::Front;
use everstep::prelude::*;
use everstep::trigger::{Action, S3Change, S3Object, StartAction};
use tokio::net::TcpListener;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use arrivals::Arrivals;
use demo::Demo;
use objects::{Objects, UPLOADS};
use page::Page;
use studio::{Studio, Workshop};
use subscribers::Subscribers;
use thumbnails::Thumbnails;
use workflow::{Upload, publish_picture};

/// Makes renditions of pictures, and survives every crash on the way.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Serve nothing: upload a picture, wait for its renditions, show what happened.
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    of_demo: Demo,
    /// Where the page is served: an address of this machine, for this machine only.
    #[arg(long, default_value = "127.0.0.1:8080", conflicts_with = "demo")]
    listen: SocketAddr,
    /// The folder that plays S3.
    #[arg(long, value_name = "PATH", default_value = "image-data")]
    data: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();

    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        #[cfg(feature = "aws")]
        return cloud::run().await;
        #[cfg(not(feature = "aws"))]
        anyhow::bail!("this is a Lambda function: build the program with --features aws");
    }
    let args = Args::parse();
    let objects = Objects::Folder(args.data.clone());
    let workshop = Workshop::new(objects.clone());
    let studio = Studio {
        workshop: workshop.clone(),
        thumbnails: Thumbnails::Here(workshop),
        subscribers: Subscribers::Folder(objects.clone()),
    };
    let mut app = app(studio).backend(Backend::from_env().await?);
    let arrivals = Arrivals::Here { triggers: app.triggers().await?, bucket: objects.bucket() };
    if args.demo {
        return args.of_demo.run(app, &objects, &arrivals).await;
    }

    arrivals.tell_of_all(&args.data).await?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("failed to listen at {}", args.listen))?;
    let address = listener.local_addr()?;
    ensure!(
        address.ip().is_loopback(),
        "others would reach {address}, and it asks for no password"
    );
    println!("open http://{address}/ (until ctrl-c)");
    let client = app.client().await?;
    let front = Front::new().merge(Page { objects, arrivals }.routes());
    let stop = async {
        // Without signals it is stopped by its end.
        let _ = tokio::signal::ctrl_c().await;
    };
    Ok(app.worker().await?.run_until(front.serve(&client, listener, stop)).await??)
}

/// The program: its workflow, what that needs, and what starts it.
fn app(studio: Studio) -> App {
    let bucket = studio.workshop.objects.bucket();
    App::new()
        .workflow(publish_picture)
        .state(studio)
        .on(move |object: S3Object| on_object(&bucket, object))
        .version(env!("CARGO_PKG_VERSION"))
}

/// An upload starts a workflow, whose id is the rest of its key: the same event again, also one that
/// comes another way, starts nothing. Nothing follows from our own renditions, nor from a key that
/// ends in a slash: S3's console makes such an object for a folder.
fn on_object(bucket: &str, object: S3Object) -> everstep::Result<Option<StartAction>> {
    if object.bucket != bucket {
        return Err(everstep::Error::msg(format!("nobody knows the bucket {:?}", object.bucket)));
    }
    let created = object.change == S3Change::Created && !object.key.ends_with('/');
    let upload = created.then_some(Upload { key: object.key });
    Ok(upload.and_then(|upload| {
        let id = upload.key.strip_prefix(UPLOADS)?.to_owned();
        Some(Action::start(publish_picture, upload).id(id))
    }))
}
