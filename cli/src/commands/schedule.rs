use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use everstep::ExecutionId;
use everstep::schedule::{
    Counts, Description, Overlap, Schedule as Content, ScheduleHandle, Start, Times, Triggered,
};
use serde::Serialize;

use super::record::{tag, time};
use crate::failure::Failure;
use crate::output::{Output, talk};
use crate::table::Rows;
use crate::{backend, input};

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

#[derive(Debug, Args)]
struct Create {
    /// The schedule's id.
    id: String,

    /// The name of the workflow it starts.
    workflow: String,

    /// The workflow's input: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON", default_value = "null", allow_negative_numbers = true)]
    input: String,

    /// When: minute, hour, day of the month, month, day of the week.
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,

    /// Whose clocks: a name of the IANA database.
    #[arg(long, value_name = "ZONE", default_value = "UTC", conflicts_with = "every")]
    zone: String,

    /// At this interval, counted from 1970: 5m, 1h30m, 7d.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[arg(required_unless_present = "cron", conflicts_with = "cron")]
    every: Option<Duration>,

    /// So much after each interval's begin.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[arg(conflicts_with = "cron", default_value = "0s")]
    offset: Duration,

    /// What to do if the one before is still open.
    #[arg(long, value_name = "POLICY", default_value = "skip")]
    overlap: Policy,

    /// Nothing before this moment (RFC 3339).
    #[arg(long, value_name = "TIME")]
    from: Option<DateTime<Utc>>,

    /// Nothing after this moment (RFC 3339).
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,

    /// Delay each start by a random time of up to this.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[arg(default_value = "0s")]
    jitter: Duration,

    /// Start late what was missed for no longer than this.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[arg(default_value = "1d")]
    catch_up: Duration,

    /// Pause when one of its executions has failed.
    #[arg(long)]
    pause_on_failure: bool,

    /// A tag of what it starts; several times for several tags.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Policy {
    /// Start nothing this time.
    Skip,
    /// Keep one until the open one has ended, and skip others.
    BufferOne,
    /// Start it beside the open one.
    AllowAll,
    /// Cancel the open one, and start it when that has ended.
    CancelOther,
    /// Terminate the open one, and start it when that has ended.
    TerminateOther,
}

impl Create {
    fn content(&self) -> Result<Content, Failure> {
        let times = match (&self.cron, self.every) {
            (Some(expression), _) => Times::cron(expression).zone(&self.zone),
            (None, every) => Times::every(every.unwrap_or_default()).offset(self.offset),
        };
        let input = input::read("the input", &self.input)?;
        let mut content = Content::named(times, &self.workflow, input)
            .overlap(match self.overlap {
                Policy::Skip => Overlap::Skip,
                Policy::BufferOne => Overlap::BufferOne,
                Policy::AllowAll => Overlap::AllowAll,
                Policy::CancelOther => Overlap::CancelOther,
                Policy::TerminateOther => Overlap::TerminateOther,
            })
            .jitter(self.jitter)
            .catch_up(self.catch_up);
        if let Some(from) = self.from {
            content = content.from(from);
        }
        if let Some(until) = self.until {
            content = content.until(until);
        }
        if self.pause_on_failure {
            content = content.pause_on_failure();
        }
        Ok(self.tags.iter().fold(content, |content, (name, value)| content.tag(name, value)))
    }
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

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    status: &'static str,
    reason: Option<&'a str>,
    paused: Option<&'a str>,
    next: Vec<String>,
    waiting: Option<&'a ExecutionId>,
    counts: Counts,
    recent: &'a [Start],
    schedule: &'a Content,
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

async fn list(url: &str, ended: bool, limit: usize, out: &mut Output) -> Result<(), Failure> {
    let client = backend::existing(url).await?;
    let (mut after, mut found) = (None, Vec::new());
    let more = loop {
        let mut query = client.schedules();
        if ended {
            query = query.with_ended();
        }
        if let Some(after) = after {
            query = query.after(after);
        }
        let page = query.page().await?;
        for schedule in page.schedules {
            found.push(schedule.describe().await?);
            if found.len() > limit {
                break;
            }
        }
        after = page.next;
        if found.len() > limit || after.is_none() {
            break found.len() > limit;
        }
    };
    found.truncate(limit);
    if out.json {
        found.iter().try_for_each(|shown| object(shown, out))?;
    } else if found.is_empty() {
        talk("there is no schedule");
    } else {
        let mut rows = Rows::new(out, &["ID", "WORKFLOW", "STATE", "NEXT (UTC)", "TIMES"]);
        for shown in &found {
            let next = shown.next.first().map(|next| time((*next).into())).unwrap_or_default();
            rows.add(vec![
                shown.id.as_str().into(),
                shown.schedule.workflow().into(),
                state(shown).into(),
                next.into(),
                shown.schedule.times().to_string().into(),
            ]);
        }
        rows.print(out, false)?;
    }
    if more {
        out.finish()?;
        talk("there are more: ask with --limit");
    }
    Ok(())
}

fn state(shown: &Description) -> &'static str {
    match shown.status {
        status if status.is_closed() => "ended",
        everstep::store::Status::Blocked => "blocked",
        _ if shown.paused.is_some() => "paused",
        _ => "active",
    }
}

fn object(shown: &Description, out: &mut Output) -> Result<(), Failure> {
    out.object(&Shown {
        id: &shown.id,
        status: shown.status.as_str(),
        reason: shown.problem.as_deref(),
        paused: shown.paused.as_deref(),
        next: shown
            .next
            .iter()
            .map(|next| everstep::time::Timestamp::from(*next).to_string())
            .collect(),
        waiting: shown.waiting.as_ref(),
        counts: shown.counts,
        recent: &shown.recent,
        schedule: &shown.schedule,
    })
}

fn show(shown: &Description, out: &mut Output) -> Result<(), Failure> {
    let mut rows = Rows::new(out, &[]);
    let mut row = |name: &str, value: String| rows.add(vec![name.into(), value.into()]);
    row("id", shown.id.clone());
    row("state", state(shown).to_owned());
    if let Some(why) = shown.paused.iter().chain(&shown.problem).find(|why| !why.is_empty()) {
        row("why", why.clone());
    }
    row("workflow", shown.schedule.workflow().to_owned());
    row("input", shown.schedule.input().as_str().to_owned());
    row("times", shown.schedule.times().to_string());
    row("overlap", format!("{:?}", shown.schedule.overlap_policy()));
    for next in &shown.next {
        row("next", time((*next).into()));
    }
    if let Some(waiting) = &shown.waiting {
        row("waiting", waiting.to_string());
    }
    for start in &shown.recent {
        let how = start.problem.as_ref().map(|problem| format!(" was refused: {problem}"));
        row("start", format!("{} {}{}", time(start.at), start.execution, how.unwrap_or_default()));
    }
    let Counts { started, skipped, missed, failed, .. } = shown.counts;
    row(
        "counts",
        format!("{started} started, {skipped} skipped, {missed} missed, {failed} refused"),
    );
    rows.print(out, false)
}
