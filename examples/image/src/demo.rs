//! The demo: a picture is painted and uploaded, and the terminal shows what becomes of it.

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use everstep::event::Event;
use everstep::prelude::*;
use everstep::trigger::Done;

use crate::arrivals::Arrivals;
use crate::objects::{JPEG, ObjectError, Objects, UPLOADS};
use crate::picture::encode;
use crate::workflow::{Dimensions, Progress, Rendition, publish_picture};

/// The size of the picture that is painted.
const PICTURE: Dimensions = Dimensions { width: 1600, height: 1000 };

/// What the demo can be told.
#[derive(Debug, Args)]
pub struct Demo {
    /// The picture's name. Running the same name again goes on with it, and uploads no second one.
    #[arg(long, default_value = "demo.jpg", requires = "demo")]
    name: ExecutionId,
    /// Upload this file instead of painting a picture.
    #[arg(long, value_name = "PATH", requires = "demo")]
    file: Option<std::path::PathBuf>,
    /// Abort this process as soon as the result of this step is in the log.
    #[arg(long, value_name = "STEP", requires = "demo")]
    crash_after: Option<CrashAfter>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CrashAfter {
    Inspect,
    Render,
    Thumbnail,
    Tell,
}

impl CrashAfter {
    fn is(self, event: &Event) -> bool {
        let step = match self {
            Self::Inspect => "inspect",
            Self::Render => "render",
            Self::Thumbnail => "call_for_thumbnail",
            Self::Tell => "tell_subscribers",
        };
        matches!(event, Event::StepCompleted(e) if e.key.name == step)
    }
}

impl Demo {
    /// Uploads the picture, unless an earlier process has, waits for the end of its workflow, and
    /// shows what happened.
    pub async fn run(
        self,
        mut app: App,
        objects: &Objects,
        arrivals: &Arrivals,
    ) -> anyhow::Result<()> {
        let key = format!("{UPLOADS}{}", self.name);
        match objects.get(&key).await {
            Err(ObjectError::Missing { .. }) => {
                objects.put(&key, self.picture().await?, JPEG).await?;
                println!("{key} is uploaded");
            }
            there => println!("{key} is there already: {} bytes", there?.len()),
        }
        // S3 tells of it, once more than it must.
        let [done, again] = [arrivals.tell(&key).await?, arrivals.tell(&key).await?];
        let [Done::Started { id, new }] = &done[..] else {
            anyhow::bail!("the upload has started nothing: {done:?}");
        };
        ensure!(
            matches!(&again[..], [Done::Started { id: same, new: false }] if same == id),
            "the event that came twice has started something: {again:?}"
        );
        let handle = app.client().await?.handle(publish_picture, id.clone());
        if !new {
            let ended = handle.describe().await?.projection.status.is_closed();
            let done = if ended { "is done already" } else { "goes on where it stopped" };
            println!("its workflow was begun by another process, and {done}:");
            for event in handle.history().await?.iter().flat_map(|commit| &commit.events) {
                show("in log", event);
            }
        }

        let (of, crash_after) = (id.clone(), self.crash_after);
        let app = app.observe(move |execution, event| {
            if *execution == of {
                show("done", event);
                if crash_after.is_some_and(|step| step.is(event)) {
                    println!("this process dies now, as asked; the same command goes on");
                    std::process::abort();
                }
            }
        });
        let result = app.worker().await?.run_until(handle.result()).await?;
        match handle.view::<Progress>().await? {
            Some(Progress::Complete(_)) => println!("status: complete"),
            Some(Progress::Failed { reason }) => println!("status: failed: {reason}"),
            Some(Progress::Processing) | None => println!("status: processing"),
        }
        let gallery = result.with_context(|| format!("{id} has no renditions"))?;
        for Rendition { key, dimensions, bytes, .. } in gallery.renditions {
            let Dimensions { width, height } = dimensions;
            println!("  {width:>4} x {height:<4} {bytes:>7} bytes  {}/{key}", objects.bucket());
        }
        println!("{id} is published; its log: everstep history {id}");
        Ok(())
    }

    async fn picture(&self) -> anyhow::Result<Vec<u8>> {
        let file = self.file.clone();
        tokio::task::spawn_blocking(move || match file {
            None => Ok(encode(PICTURE, &paint(PICTURE))?),
            Some(path) => {
                std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))
            }
        })
        .await?
    }
}

/// A line for what happened, or is in the log from before.
fn show(when: &str, event: &Event) {
    match event {
        Event::StepCompleted(step) => {
            let took = format!("{} ms", step.took_us / 1000);
            let note = match step.output.read::<Rendition>() {
                Ok(rendition) => format!("{took:>8}  {}", rendition.size.name()),
                Err(_) => format!("{took:>8}"),
            };
            println!("  {when:<7}{:<19}{note}", step.key.name);
        }
        Event::StepAttemptFailed(step) => {
            println!("  {:<7}{:<19}{}", "retry", step.key.name, step.failure.message());
        }
        Event::StepFailed(step) => {
            println!("  {:<7}{:<19}{}", "failed", step.key.name, step.failure.message());
        }
        Event::ViewPublished(view) => {
            let status = match view.view.read() {
                Ok(Progress::Processing) => "processing",
                Ok(Progress::Complete(_)) => "complete",
                Ok(Progress::Failed { .. }) => "failed",
                Err(_) => "?",
            };
            println!("  {:<7}{status}", "status");
        }
        _ => {}
    }
}

/// An evening: a sun between two hills, row by row.
fn paint(size: Dimensions) -> Vec<u8> {
    let (width, height) = (size.width as f32, size.height as f32);
    let mut rgb = Vec::with_capacity((size.width * size.height * 3) as usize);
    for row in 0..size.height {
        let y = row as f32 / height;
        for column in 0..size.width {
            let x = column as f32 / width;
            let to_sun = ((x - 0.62) * width / height).hypot(y - 0.55);
            let near = 0.72 + 0.07 * (x * 7.0).sin();
            let far = 0.62 + 0.09 * (x * 4.0 + 2.0).sin();
            let glow = (0.5 - to_sun).max(0.0);
            rgb.extend(match () {
                () if y > near => [38, 50, 72],
                () if y > far => [72, 78, 110],
                () if to_sun < 0.12 => [255, 226, 150],
                () => [
                    (90.0 + 150.0 * y + 120.0 * glow).min(255.0) as u8,
                    (110.0 + 50.0 * y + 90.0 * glow).min(255.0) as u8,
                    (190.0 - 60.0 * y).max(0.0) as u8,
                ],
            });
        }
    }
    rgb
}
