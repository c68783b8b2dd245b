//! A headless browser for tests: Chromium, told what to do by chromedriver over WebDriver
//! (<https://www.w3.org/TR/webdriver2/>). `tests/run` installs both.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The driver to start, if not the one in PATH.
pub const DRIVER_VARIABLE: &str = "EVERSTEP_TEST_CHROMEDRIVER";

/// How long the browser looks for an element that is not there yet.
const ELEMENT_MAX_MS: u64 = 90_000;

/// What WebDriver calls the id of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// No sandbox, since tests may run as root; and nothing that a browser does by itself.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with one page; it ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    http: reqwest::Client,
    /// The URL of its session.
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts one that knows nothing of any other.
    ///
    /// # Panics
    /// It is not installed or does not start: a test that needs it fails.
    pub async fn start() -> Self {
        use std::os::unix::process::CommandExt;
        let profile = tempfile::tempdir().expect("a folder");
        let program = std::env::var_os(DRIVER_VARIABLE).unwrap_or_else(|| "chromedriver".into());
        let mut driver = Command::new(&program)
            .arg("--port=0")
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // The browser is processes of the same group.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{program:?} does not start: {error}: use ./tests/run"));
        let mut says = BufReader::new(driver.stdout.take().expect("it is piped"));
        let port = port(&mut says);
        // Somebody must read the rest, or the driver waits for that.
        std::thread::spawn(move || std::io::copy(&mut says, &mut std::io::sink()));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let session = format!("http://127.0.0.1:{port}/session");
        let mut this = Self { driver, http, session, _profile: profile };
        let folder = this._profile.path().join("profile");
        let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", folder.display()));
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "implicit": ELEMENT_MAX_MS },
        } } });
        let begun = this.ask(Method::POST, "", &capabilities).await;
        let id = begun["sessionId"].as_str().expect("a session");
        this.session = format!("{}/{id}", this.session);
        this
    }

    /// Goes to a page and waits until it is loaded.
    ///
    /// # Panics
    /// There is none.
    pub async fn open(&self, url: &str) {
        self.ask(Method::POST, "/url", &json!({ "url": url })).await;
    }

    /// Loads the page once more.
    ///
    /// # Panics
    /// It cannot be loaded.
    pub async fn reload(&self) {
        self.ask(Method::POST, "/refresh", &json!({})).await;
    }

    /// Chooses a file in an input for files.
    ///
    /// # Panics
    /// There is no such input.
    pub async fn choose(&self, css: &str, file: &Path) {
        let element = self.element(css).await;
        let text = json!({ "text": file.to_str().expect("a path of text") });
        self.ask(Method::POST, &format!("/element/{element}/value"), &text).await;
    }

    /// The text of an element as it is seen, as soon as the page has such an element.
    ///
    /// # Panics
    /// It never has.
    pub async fn text(&self, css: &str) -> String {
        let element = self.element(css).await;
        let text = self.ask(Method::GET, &format!("/element/{element}/text"), &Value::Null).await;
        text.as_str().expect("a text").to_owned()
    }

    /// What a script returns, or what its promise becomes.
    ///
    /// # Panics
    /// It throws.
    pub async fn run(&self, script: &str) -> Value {
        let script = json!({ "script": script, "args": [] });
        self.ask(Method::POST, "/execute/sync", &script).await
    }

    /// What the browser has complained of since it was asked last: errors of scripts, what was not
    /// found, what the page's policy has kept from it.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn complaints(&self) -> Vec<String> {
        let said = self.ask(Method::POST, "/se/log", &json!({ "type": "browser" })).await;
        let entries = said.as_array().expect("entries").iter();
        entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The page as it is seen, a PNG file.
    ///
    /// # Panics
    /// The browser does not answer.
    pub async fn screenshot(&self) -> Vec<u8> {
        use base64::Engine;
        let shot = self.ask(Method::GET, "/screenshot", &Value::Null).await;
        let shot = shot.as_str().expect("a text");
        base64::engine::general_purpose::STANDARD.decode(shot).expect("base64")
    }

    async fn element(&self, css: &str) -> String {
        let by = json!({ "using": "css selector", "value": css });
        let found = self.ask(Method::POST, "/element", &by).await;
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// One command of WebDriver, and the value of its answer.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let mut request = self.http.request(method, format!("{}{path}", self.session));
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.expect("chromedriver answers");
        let status = answer.status();
        let mut said: Value = answer.json().await.expect("JSON");
        assert!(status.is_success(), "{path} {body}: {said}");
        said["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = format!("-{}", self.driver.id());
        // If either fails there is nothing left to end.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.driver.wait();
    }
}

/// The driver says its port: "... was started successfully on port 4444."
fn port(says: &mut impl BufRead) -> u16 {
    for line in says.lines() {
        let line = line.expect("text");
        if let Some((_, port)) = line.split_once("successfully on port ") {
            return port.trim_end_matches('.').parse().expect("a port");
        }
    }
    panic!("chromedriver ends without a port: run it by hand to see why");
}
