//! An agent that survives any crash: a loop of model and tool calls, each paid for once.
//!
//! ```console
//! $ cargo run -p agent                       # asks, uses tools, answers
//! $ cargo run -p agent -- --id a --budget 50 # too little: it fails, and says so
//! $ cargo run -p agent -- --id b --cancel    # cancelled after its first tool
//! ```
//!
//! The log is in `everstep.db` unless `EVERSTEP_URL` names another backend; the model is played by
//! an HTTP server in this process. Running an id again goes on with it and pays for nothing twice.

#![allow(clippy::print_stdout, reason = "talking on the terminal is what it is for")]
#![allow(unreachable_pub, reason = "in a program of four files `pub` reads better")]

mod model;
mod tools;
mod workflow;

use clap::Parser;
use everstep::client::ResultError;
use everstep::event::Event;
use everstep::prelude::*;
use tokio::sync::mpsc;

use tools::Tools;
use workflow::{Desk, Model, Task, work_on};

/// Asks a model that uses tools, and survives every crash on the way.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The task's name. Running the same name again goes on with it, and starts no second one.
    /// Another one each time if absent.
    #[arg(long)]
    id: Option<ExecutionId>,
    /// How many tokens it may cost.
    #[arg(long, default_value_t = 1_000)]
    budget: u32,
    /// Cancel it as soon as a tool was used.
    #[arg(long)]
    cancel: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let backend = Backend::from_env().await?;
    let client = Client::new(&backend);
    let desk = Desk { model: Model::at(model::serve().await?), tools: Tools };

    let (tell, mut told) = mpsc::unbounded_channel();
    let app = App::new().workflow(work_on).state(desk).backend(backend).observe(move |_, event| {
        show(event);
        if matches!(event, Event::StepCompleted(step) if step.key.name == "run") {
            let _ = tell.send(());
        }
    });

    let question = "How much warmer is Lisbon than Oslo?".to_owned();
    let id = args.id.unwrap_or_else(ExecutionId::random);
    println!("{id}: {question}");
    let task = Task { question, budget: args.budget };
    let work = client.start(work_on, task).id(id).await?;
    let result = async {
        let result = work.result();
        tokio::pin!(result);
        if args.cancel {
            tokio::select! {
                biased;
                // One that has ended uses no more tools.
                ended = &mut result => return Ok::<_, anyhow::Error>(ended),
                _ = told.recv() => {}
            }
            work.cancel("the user has closed the window").await?;
        }
        Ok(result.await)
    };
    match app.worker().await?.run_until(result).await?? {
        Ok(answer) => println!("{} ({} tokens)", answer.text, answer.tokens),
        Err(ResultError::Failed(error)) => println!("no answer: {error}"),
        Err(ended) => println!("no answer: {ended}"),
    }
    Ok(())
}

/// A line for each thing that happened.
fn show(event: &Event) {
    match event {
        Event::StepCompleted(step) => {
            println!("  {:<7} {} -> {}", step.key.to_string(), step.input, step.output);
        }
        Event::StepAttemptFailed(step) => {
            println!("  {:<7} again: {}", step.key.to_string(), step.failure.message());
        }
        _ => {}
    }
}
