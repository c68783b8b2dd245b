use chrono::{DateTime, Utc};
use clap::Args;
use everstep::client;
use everstep::store::{Record, Status};

use super::record::{Execution, tag, time};
use crate::backend;
use crate::failure::Failure;
use crate::output::{Output, talk};
use crate::style::of_status;
use crate::table::{Rows, Text};

/// List executions, newest first.
///
/// Reads the records, not the logs; on DynamoDB an index of them, which may be a moment behind.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only executions of this workflow.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,

    /// Only executions with this status: running, suspended, blocked, completed, failed,
    /// cancelled or terminated.
    #[arg(long, value_parser = status)]
    status: Option<Status>,

    /// Only executions with this tag; several times for several tags. No index
    /// helps: everything else that is asked for is read.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,

    /// Only executions that started then or later: a time of RFC 3339, such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    started_from: Option<DateTime<Utc>>,

    /// Only executions that started earlier than that.
    #[arg(long, value_name = "TIME")]
    started_before: Option<DateTime<Utc>>,

    /// At most so many.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,

    /// All of them, however many.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

fn status(name: &str) -> Result<Status, String> {
    Status::parse(name).ok_or_else(|| {
        let names: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        format!("a status is one of {}", names.join(", "))
    })
}

impl List {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let client = backend::existing(url).await?;
        let mut left = if self.all { u64::MAX } else { self.limit };
        let mut after = None;
        let mut records = Vec::new();
        let more = loop {
            let page = self.query(&client, left, after).page().await?;
            let mut read = page.records;
            let cut = read.len() as u64 > left;
            read.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= read.len() as u64;
            if out.json {
                for record in &read {
                    out.object(&Execution::from(record))?;
                }
            } else {
                records.extend(read);
            }
            after = page.next;
            if left == 0 || after.is_none() {
                break cut || after.is_some();
            }
        };
        if !out.json {
            print(&records, out)?;
        }
        if more {
            // After the data, or it stands in its middle.
            out.finish()?;
            talk("there may be more: ask with --limit or --all");
        }
        Ok(())
    }

    fn query<'a>(
        &self,
        client: &'a everstep::Client,
        left: u64,
        after: Option<String>,
    ) -> client::List<'a> {
        let mut query = client.list();
        if let Some(workflow) = &self.workflow {
            query = query.workflow(workflow);
        }
        if let Some(status) = self.status {
            query = query.status(status);
        }
        for (name, value) in &self.tags {
            query = query.tag(name, value);
        }
        if let Some(time) = self.started_from {
            query = query.started_from(time);
        }
        if let Some(time) = self.started_before {
            query = query.started_before(time);
        }
        if !self.all {
            query = query.limit(usize::try_from(left).unwrap_or(usize::MAX));
        }
        if let Some(after) = after {
            query = query.after(after);
        }
        query
    }
}

fn print(records: &[Record], out: &mut Output) -> Result<(), Failure> {
    if records.is_empty() {
        talk("there is no such execution");
        return Ok(());
    }
    let mut rows = Rows::new(out, &["ID", "WORKFLOW", "STATUS", "STARTED (UTC)", "REASON"]);
    for record in records {
        let status = record.projection.status;
        rows.add(vec![
            record.id.as_str().into(),
            record.workflow.as_str().into(),
            Text::colored(status.as_str(), Some(of_status(status))),
            time(record.started_at).into(),
            record.projection.reason.as_deref().unwrap_or_default().into(),
        ]);
    }
    rows.print(out, false)
}
