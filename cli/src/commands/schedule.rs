mod content;
mod show;

use clap::{Args, Subcommand};
use everstep::ExecutionId;
use everstep::schedule::{ScheduleHandle, Triggered};
use serde::Serialize;

use content::Create;
use show::{list, object, show};

use crate::backend;
use crate::failure::Failure;
use crate::output::{Output, talk};

/// Start workflows by the calendar or at intervals.
///
/// A schedule is an execution, of the workflow everstep.schedule: `create`, `list` and `show` need
/// no worker, the others wait for one that serves schedules.
#[derive(Debug, Args)]
pub(crate) struct Schedule {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Create a schedule. To repeat it is to have done it once.
    Create(Create),
    /// Put other content in the place of a schedule's.
    Update(Create),
    /// List the schedules there are, newest first.
    List {
        /// Those too that were deleted or are over.
        #[arg(long)]
        ended: bool,

        /// At most so many.
        #[arg(long, value_name = "COUNT", default_value_t = 50)]
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        limit: u16,
    },
    /// Show what it starts, when next, and what it has started last.
    Show {
        /// The schedule's id.
        id: String,
    },
    /// Start nothing until it is resumed. What is due meanwhile is left out.
    Pause {
        /// The schedule's id.
        id: String,

        /// Why, for those who look at it.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Go on, from the next time on.
    Resume {
        /// The schedule's id.
        id: String,
    },
    /// Start one now, also while the schedule is paused, and print its id.
    Trigger {
        /// The schedule's id.
        id: String,

        /// What comes after the schedule's id in the execution's, and the key by which a repeated
        /// trigger is known; a random one if absent.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// End it. What it has started goes on.
    Delete {
        /// The schedule's id.
        id: String,
    },
}

#[derive(Serialize)]
struct Done<'a> {
    schedule: &'a str,
    done: &'a str,
}

#[derive(Serialize)]
struct Triggering<'a> {
    schedule: &'a str,
    /// `None` if nothing is started.
    execution: Option<&'a ExecutionId>,
    /// Whether it waits for another's end.
    waits: bool,
}

impl Schedule {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        match self.what {
            What::Create(create) => {
                let content = create.content()?;
                let backend = backend::new(url).await?;
                let schedule = everstep::Client::new(&backend).schedule(create.id)?;
                schedule.create(&content).await?;
                done(&schedule, "created", out)
            }
            What::Update(update) => {
                let schedule = existing(url, &update.id).await?;
                schedule.update(&update.content()?).await?;
                done(&schedule, "updated", out)
            }
            What::List { ended, limit } => list(url, ended, limit.into(), out).await,
            What::Show { id } => {
                let shown = existing(url, &id).await?.describe().await?;
                if out.json { object(&shown, out) } else { show(&shown, out) }
            }
            What::Pause { id, reason } => {
                let schedule = existing(url, &id).await?;
                schedule.pause(reason).await?;
                done(&schedule, "paused", out)
            }
            What::Resume { id } => {
                let schedule = existing(url, &id).await?;
                schedule.resume().await?;
                done(&schedule, "resumed", out)
            }
            What::Trigger { id, name } => {
                let schedule = existing(url, &id).await?;
                let trigger = schedule.trigger();
                let triggered = match name {
                    Some(name) => trigger.id(name).await?,
                    None => trigger.await?,
                };
                triggered_by(&schedule, &triggered, out)
            }
            What::Delete { id } => {
                let schedule = existing(url, &id).await?;
                schedule.delete().await?;
                done(&schedule, "deleted", out)
            }
        }
    }
}

async fn existing(url: &str, id: &str) -> Result<ScheduleHandle, Failure> {
    Ok(backend::existing(url).await?.schedule(id)?)
}

fn done(schedule: &ScheduleHandle, done: &str, out: &mut Output) -> Result<(), Failure> {
    if out.json {
        return out.object(&Done { schedule: schedule.id(), done });
    }
    talk(format_args!("schedule {} is {done}", schedule.id()));
    Ok(())
}

fn triggered_by(
    schedule: &ScheduleHandle,
    triggered: &Triggered,
    out: &mut Output,
) -> Result<(), Failure> {
    let (execution, waits) = match triggered {
        Triggered::Started(id) => (Some(id), false),
        Triggered::Waits(id) => (Some(id), true),
        _ => (None, false),
    };
    if out.json {
        return out.object(&Triggering { schedule: schedule.id(), execution, waits });
    }
    match execution {
        Some(id) => out.line(id)?,
        None => talk("nothing is started: another is open, and the schedule skips then"),
    }
    if waits {
        talk("it is started when the open one has ended");
    }
    Ok(())
}
