//! What a schedule starts, and when, as the arguments say it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use everstep::schedule::{Overlap, Schedule as Content, Times};

use crate::commands::record::tag;
use crate::failure::Failure;
use crate::input;

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The schedule's id.
    pub(super) id: String,

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
    pub(super) fn content(&self) -> Result<Content, Failure> {
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
