//! The image example as a program: its demo, and its server, in a folder of their own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use everstep::event::Event;
use everstep::id::ExecutionId;
use everstep::{Backend, Client};
use serde_json::Value;

use super::order::program;

/// How long a picture may take. It takes a second, on a busy machine many.
const ENDED_MAX: Duration = Duration::from_secs(120);

/// The names of the renditions that are made of a picture.
pub const SIZES: [&str; 4] = ["large", "medium", "small", "thumbnail"];

/// A folder with a log and with what plays S3.
#[derive(Debug)]
pub struct ImageFolder {
    folder: tempfile::TempDir,
}

impl Default for ImageFolder {
    fn default() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }
}

impl ImageFolder {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("image", "image"));
        command.args(args).current_dir(self.path());
        command.env_remove("EVERSTEP_URL").env_remove("AWS_LAMBDA_RUNTIME_API");
        command
    }

    /// Runs the demo to its end.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn demo(&self, args: &[&str]) -> Output {
        self.command(&[&["--demo"], args].concat()).output().expect("the example starts")
    }

    /// Serves the page.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn serve(&self) -> Served {
        let mut command = self.command(&["--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut says = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        says.read_line(&mut line).expect("it speaks");
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("it says no URL: {line:?}")).to_owned();
        Served { child, url }
    }

    /// The file of a rendition.
    #[must_use]
    pub fn rendition(&self, id: &str, size: &str) -> PathBuf {
        self.path().join(format!("image-data/renditions/{id}/{size}.jpg"))
    }

    /// Which file each rendition is, if it is there: another one if it was made again.
    #[must_use]
    pub fn files(&self, id: &str) -> BTreeMap<&'static str, u64> {
        let file = |size| Some((size, std::fs::metadata(self.rendition(id, size)).ok()?.ino()));
        SIZES.into_iter().filter_map(file).collect()
    }

    /// What subscribers were told.
    ///
    /// # Panics
    /// It cannot be read.
    #[must_use]
    pub fn told(&self) -> Vec<Value> {
        let Ok(files) = std::fs::read_dir(self.path().join("image-data/told")) else {
            return Vec::new();
        };
        let read = |path| serde_json::from_slice(&std::fs::read(path).expect("a file"));
        files.map(|file| read(file.expect("a file").path()).expect("JSON")).collect()
    }

    /// The steps whose results are in the log, with the attempt that made each, and the result.
    ///
    /// # Panics
    /// The log cannot be read.
    pub async fn steps(&self, id: &str) -> Vec<(String, u32, Value)> {
        let url = format!("sqlite:{}", self.path().join("everstep.db").display());
        let client = Client::new(&Backend::from_url(&url).await.expect("a log"));
        let history = client.history(&ExecutionId::new(id).expect("an id")).await.expect("a log");
        let events = history.into_iter().flat_map(|commit| commit.events);
        let step = |event| match event {
            Event::StepCompleted(e) => {
                Some((e.key.name.to_string(), e.attempt, e.output.read().expect("JSON")))
            }
            Event::StepFailed(e) => Some((e.key.name.to_string(), e.attempt, Value::Null)),
            _ => None,
        };
        events.filter_map(step).collect()
    }
}

/// A server; it is killed when this is dropped.
#[derive(Debug)]
pub struct Served {
    child: Child,
    /// Where the page is; it ends in a slash.
    pub url: String,
}

impl Served {
    /// Uploads a file, and waits for the last view of its workflow. Returns its id as well.
    ///
    /// # Panics
    /// It is refused.
    pub async fn upload(&self, name: &str, file: Vec<u8>) -> (String, Value) {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("{}uploads/{name}", self.url);
        let answer = http.put(url).body(file).send().await.expect("an answer");
        assert_eq!(answer.status(), 202);
        let stored: Value = answer.json().await.expect("JSON");
        let id = stored["id"].as_str().expect("an id").to_owned();
        let view = self.ended(&id).await;
        (id, view)
    }

    /// Polls a view until it is the last.
    ///
    /// # Panics
    /// The server does not answer, or the view is never the last.
    pub async fn ended(&self, id: &str) -> Value {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("{}executions/{id}/view", self.url);
        let deadline = Instant::now() + ENDED_MAX;
        while Instant::now() < deadline {
            let answer = http.get(&url).send().await.expect("an answer");
            if answer.status() == 200 {
                let view: Value = answer.json().await.expect("JSON");
                if view["status"] != "processing" {
                    return view;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{id} does not end");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
