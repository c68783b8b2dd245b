//! What is printed of a schedule, and of all.

use everstep::ExecutionId;
use everstep::schedule::{Counts, Description, Schedule as Content, Start};
use serde::Serialize;

use crate::backend;
use crate::commands::record::time;
use crate::failure::Failure;
use crate::output::{Output, talk};
use crate::table::Rows;

pub(super) async fn list(
    url: &str,
    ended: bool,
    limit: usize,
    out: &mut Output,
) -> Result<(), Failure> {
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

pub(super) fn object(shown: &Description, out: &mut Output) -> Result<(), Failure> {
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

pub(super) fn show(shown: &Description, out: &mut Output) -> Result<(), Failure> {
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
