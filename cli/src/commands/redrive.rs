use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use everstep::ExecutionId;
use everstep::aws::{DeadLetter, DeadLetters};
use everstep::client::{Client, HistoryError, SendError};
use everstep::store::{Status, StoreError};
use serde::Serialize;

use super::record::time;
use crate::backend;
use crate::exit;
use crate::failure::Failure;
use crate::output::{Output, talk};
use crate::table::Rows;

/// Deal with the dead letters of the queue: messages that were received too often.
///
/// A wake is given back to the queue; if its execution is blocked, that is asked to go on, as
/// `resume` does. A wake whose execution has ended is deleted. Everything else (messages that are no
/// wakes, wakes of a newer program or for executions that are not there or cannot be read) is shown
/// and stays, unless `--others` says otherwise. Fix what kept the messages from being dealt with
/// first.
#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// Only wakes of these executions.
    #[arg(value_name = "ID", conflicts_with = "others")]
    ids: Vec<ExecutionId>,

    /// Show what there is, and do nothing.
    #[arg(long, conflicts_with = "others")]
    list: bool,

    /// What becomes of everything that is no wake of an execution: `keep` it, `return` it to the
    /// queue as it is, or `delete` it for good.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Others::Keep)]
    others: Others,

    /// Look at no more than so many letters.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Others {
    Keep,
    Return,
    Delete,
}

/// What is done with a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Done {
    Kept,
    GivenBack,
    Resumed,
    Deleted,
}

impl Done {
    fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::GivenBack => "given back",
            Self::Resumed => "resumed",
            Self::Deleted => "deleted",
        }
    }
}

/// A letter and what it is about.
#[derive(Serialize)]
struct Row<'a> {
    execution: Option<&'a ExecutionId>,
    status: Option<&'static str>,
    sent_at: Option<String>,
    done: Done,
    /// Why it is no wake of an execution, or why that is blocked.
    reason: Option<String>,
    body: &'a str,
}

impl Redrive {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let client = backend::existing(url).await?;
        let Some(dead) = backend::dead_letters(url).await? else {
            return Err(Failure::new(
                exit::UNUSABLE,
                "the queue has no dead letters: its messages stay until they are dealt with",
            ));
        };
        let wanted: BTreeSet<&ExecutionId> = self.ids.iter().collect();
        let mut kept = Vec::new();
        let worked = self.work(&client, &dead, &wanted, &mut kept, out).await;
        // Also after a failure, of this too: what was only looked at must not stay out of sight.
        let mut put_back = Ok(());
        for letter in &kept {
            put_back = put_back.and(dead.put_back(letter).await.map_err(Failure::from));
        }
        worked.and(put_back)
    }

    async fn work(
        &self,
        client: &Client,
        dead: &DeadLetters,
        wanted: &BTreeSet<&ExecutionId>,
        kept: &mut Vec<DeadLetter>,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let mut rows = Rows::new(out, &["EXECUTION", "STATUS", "SENT (UTC)", "DONE", "REASON"]);
        let mut seen = 0;
        let mut more = false;
        'looks: loop {
            let mut letters = dead.look().await?.into_iter();
            if letters.len() == 0 {
                break;
            }
            while let Some(letter) = letters.next() {
                if seen == self.limit {
                    kept.push(letter);
                    kept.extend(letters);
                    more = true;
                    break 'looks;
                }
                seen += 1;
                match self.one(client, dead, wanted, &letter, &mut rows, out).await {
                    Ok(Done::Kept) => kept.push(letter),
                    Ok(_) => {}
                    Err(error) => {
                        kept.push(letter);
                        kept.extend(letters);
                        return Err(error);
                    }
                }
            }
        }
        if seen == 0 {
            talk(format_args!("there are no dead letters in {}", dead.name()));
        } else if !out.json {
            rows.print(out, false)?;
        }
        if more {
            out.finish()?;
            talk("there are more: ask again, or with a higher --limit");
        }
        Ok(())
    }

    /// Looks at one letter, deals with it and shows it.
    async fn one(
        &self,
        client: &Client,
        dead: &DeadLetters,
        wanted: &BTreeSet<&ExecutionId>,
        letter: &DeadLetter,
        rows: &mut Rows,
        out: &mut Output,
    ) -> Result<Done, Failure> {
        let about = match &letter.wake {
            Ok(wake) if !wanted.is_empty() && !wanted.contains(&wake.execution) => {
                return Ok(Done::Kept);
            }
            Err(_) if !wanted.is_empty() => return Ok(Done::Kept),
            Ok(wake) => About::of(client, &wake.execution).await?,
            Err(error) => About::Other(error.to_string()),
        };
        let done = match self.list {
            true => Done::Kept,
            false => self.deal_with(client, dead, letter, &about).await?,
        };
        show(letter, about, done, rows, out)?;
        Ok(done)
    }

    async fn deal_with(
        &self,
        client: &Client,
        dead: &DeadLetters,
        letter: &DeadLetter,
        about: &About,
    ) -> Result<Done, Failure> {
        match about {
            About::Execution(status, _) if status.is_closed() => {
                dead.delete(letter).await?;
                Ok(Done::Deleted)
            }
            About::Execution(Status::Blocked, _) => {
                if let Ok(wake) = &letter.wake {
                    // It sends a wake of its own.
                    match client.resume(&wake.execution).await {
                        Ok(()) | Err(SendError::Closed { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                dead.delete(letter).await?;
                Ok(Done::Resumed)
            }
            About::Execution(..) => {
                dead.give_back(letter).await?;
                Ok(Done::GivenBack)
            }
            About::Other(_) => match self.others {
                Others::Keep => Ok(Done::Kept),
                Others::Return => {
                    dead.give_back(letter).await?;
                    Ok(Done::GivenBack)
                }
                Others::Delete => {
                    dead.delete(letter).await?;
                    Ok(Done::Deleted)
                }
            },
        }
    }
}

/// What a letter is about.
enum About {
    /// An execution as it stands, and the reason in its record.
    Execution(Status, Option<String>),
    /// Something else: why.
    Other(String),
}

impl About {
    async fn of(client: &Client, id: &ExecutionId) -> Result<Self, Failure> {
        match client.describe(id).await {
            Ok(record) => Ok(Self::Execution(record.projection.status, record.projection.reason)),
            // Perhaps the queue belongs to another table: its wakes are not ours to delete.
            Err(HistoryError::Unknown { .. }) => {
                Ok(Self::Other("there is no such execution".to_owned()))
            }
            // One that cannot be read must not keep the others where they are.
            Err(HistoryError::Store(error @ StoreError::Corrupt { .. })) => {
                Ok(Self::Other(error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn show(
    letter: &DeadLetter,
    about: About,
    done: Done,
    rows: &mut Rows,
    out: &mut Output,
) -> Result<(), Failure> {
    let (status, reason) = match about {
        About::Execution(status, reason) => (Some(status), reason),
        About::Other(problem) => (None, Some(problem)),
    };
    let execution = letter.wake.as_ref().ok().map(|wake| &wake.execution);
    if out.json {
        let status = status.map(|status| status.as_str());
        let sent_at = letter.sent_at.map(|time| time.to_string());
        return out.object(&Row { execution, status, sent_at, done, reason, body: &letter.body });
    }
    // Where there is no wake, the text itself says most.
    let reason = match (execution, reason) {
        (None, Some(problem)) => format!("{problem}: {}", letter.body),
        (_, reason) => reason.unwrap_or_default(),
    };
    rows.add(vec![
        execution.map_or("", ExecutionId::as_str).into(),
        status.map_or("", |status| status.as_str()).into(),
        letter.sent_at.map_or(String::new(), time).into(),
        done.as_str().into(),
        reason.into(),
    ]);
    Ok(())
}
