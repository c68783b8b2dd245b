//! An AWS account for tests of docs/deploy: ministack that enforces IAM, AWS's own command line to
//! deploy with, and the order example's release program to be deployed.

mod page;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::SharedCredentialsProvider;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::aws::{Call, calls};
use super::dynamodb::{REGION, config_at};
use super::function::function;
use super::ministack::{Ministack, program as ministack};
use super::order::program;

/// The beginning of a program in Python: botocore's clients, and what is done more than once.
const CLIENT: &str = r#"
import json, sys, zipfile, botocore.session
asked = json.loads(sys.argv[1])
session = botocore.session.get_session()
def client(service):
    return session.create_client(service, region_name=asked[1], endpoint_url=asked[0],
        aws_access_key_id="test", aws_secret_access_key="test")
def zip(release):
    # Not compressed: that takes longer than it saves here.
    with zipfile.ZipFile(f"order-{release}.zip", "w") as package:
        package.write("bootstrap")
        package.writestr("release", str(release))
def mend():
    functions = client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(
            UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": 50})
"#;

/// Uploads a release, deploys a stack with it and prints the stack's outputs.
const DEPLOY: &str = r#"
template, name, parameters = asked[2:]
storage, stacks, bucket = client("s3"), client("cloudformation"), "programs-" + name
location = {"LocationConstraint": asked[1]}
storage.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
storage.put_object(Bucket=bucket, Key="order-1.zip", Body=open("order-1.zip", "rb").read())
parameters = {"Name": name, "CodeBucket": bucket, "CodeKey": "order-1.zip", **parameters}
stacks.create_stack(
    StackName=name, TemplateBody=open(template).read(),
    Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])
try:
    waiter = stacks.get_waiter("stack_create_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 90})
except Exception:
    events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    sys.exit("\n".join(f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}" for e in events))
mend()
stack = stacks.describe_stacks(StackName=name)["Stacks"][0]
print(json.dumps({it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}))
"#;

/// Prints the headers that sign a request to a function's URL, whose body is in a file.
const SIGN: &str = r#"
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
key, secret, method, url = asked[2:]
request = AWSRequest(method=method, url=url, data=open("signed", "rb").read())
SigV4Auth(Credentials(key, secret), "lambda", asked[1]).add_auth(request)
print(json.dumps(dict(request.headers.items())))
"#;

/// How long a command may take, in seconds.
const TYPED_MAX: &str = "120";

/// How long an execution may take to come where a page says it comes.
const ARRIVE_MAX: Duration = Duration::from_secs(120);

/// The account, and a folder to work in. What is typed there finds `aws`, `everstep`, the templates,
/// and the order example as `bootstrap`, `order-1.zip` and `order-2.zip`, which are two releases.
#[derive(Debug)]
pub struct Cloud {
    rig: Ministack,
    folder: TempDir,
}

/// Who makes a call.
#[derive(Debug, Clone)]
pub struct Credentials {
    key: String,
    secret: String,
}

impl Credentials {
    /// May do everything.
    #[must_use]
    pub fn root() -> Self {
        Self { key: "test".into(), secret: "test".into() }
    }

    /// Somebody who says to be this one, and is not.
    #[must_use]
    pub fn forged(&self) -> Self {
        Self { key: self.key.clone(), secret: "a guess".into() }
    }
}

/// What a deployed stack says of itself.
#[derive(Debug, Clone)]
pub struct Stack(BTreeMap<String, String>);

impl Stack {
    /// What it says under `key`.
    ///
    /// # Panics
    /// It says nothing of that.
    #[must_use]
    pub fn output(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("no output {key}: {:?}", self.0))
    }
}

/// What a command printed.
#[derive(Debug)]
pub struct Printed {
    /// Whether it ended with 0.
    pub done: bool,
    /// Both streams.
    pub text: String,
}

impl Cloud {
    /// An empty account. `environment` is that of all functions, beside what their templates say.
    ///
    /// # Panics
    /// Something that `tests/run` installs or builds is missing.
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        Self::of(&function("order"), environment).await
    }

    /// The same with another program in the place of the order example.
    ///
    /// # Panics
    /// See [`start`](Self::start).
    pub async fn of(program: &Path, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let world = folder.path().join("world.db");
        let mut all = vec![("AUTH", "true"), ("ORDER_WORLD", world.to_str().expect("UTF-8"))];
        all.extend(environment);
        let rig = Ministack::start_with(&all).await;
        let this = Self { rig, folder };
        this.furnish(program);
        this
    }

    fn furnish(&self, bootstrap: &Path) {
        let (folder, python) = (self.path(), ministack().with_file_name("python"));
        let bin = folder.join("bin");
        std::fs::create_dir(&bin).expect("a folder");
        // Not the script that pip installs: that breaks when the folder is moved. Version 1 does not ask
        // the SQS of its environment, only the one that it is told of.
        let aws = format!(
            "#!/bin/sh\n[ \"$1\" = sqs ] && set -- --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"\n\
             exec {} -m awscli \"$@\"\n",
            python.display()
        );
        std::fs::write(bin.join("aws"), aws).expect("a script");
        Command::new("chmod").arg("+x").arg(bin.join("aws")).status().expect("chmod runs");
        link(&program("everstep-cli", "everstep"), &bin.join("everstep"));
        let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
        link(&docs.canonicalize().expect("the docs are there"), &folder.join("docs"));
        std::fs::copy(bootstrap, folder.join("bootstrap")).expect("the program is there");
    }

    /// Makes the zip of a release.
    fn zip(&self, release: u32) {
        let script = format!("{CLIENT}\nzip({release})");
        self.python(&script, &json!([self.url(), REGION]));
    }

    /// What a program in Python prints.
    fn python(&self, script: &str, asked: &Value) -> Vec<u8> {
        let mut python = Command::new(ministack().with_file_name("python"));
        python.args(["-c", script, &asked.to_string()]).current_dir(self.path());
        let output = python.output().expect("python starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        output.stdout
    }

    /// The services' address.
    #[must_use]
    pub fn url(&self) -> &str {
        self.rig.url()
    }

    /// The services.
    #[must_use]
    pub fn rig(&self) -> &Ministack {
        &self.rig
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Does what somebody types, with `more` in the environment.
    ///
    /// # Panics
    /// There is no shell.
    #[must_use]
    pub fn types(&self, who: &Credentials, command: &str, more: &[(String, String)]) -> Printed {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("timeout")
            .args([TYPED_MAX, "sh", "-c", &format!("{{ {command}\n}} 2>&1")])
            .current_dir(self.path())
            .env("PATH", format!("{}:{path}", self.path().join("bin").display()))
            .env("AWS_ENDPOINT_URL", self.url())
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", &who.key)
            .env("AWS_SECRET_ACCESS_KEY", &who.secret)
            .env("AWS_PAGER", "")
            .env_remove("EVERSTEP_URL")
            .env_remove("AWS_LAMBDA_RUNTIME_API")
            .envs(more.iter().cloned())
            .output();
        let Output { status, stdout, .. } = output.expect("there is a shell");
        Printed { done: status.success(), text: String::from_utf8_lossy(&stdout).into_owned() }
    }

    /// What AWS answers to the root user, call by call.
    ///
    /// # Panics
    /// It refuses one.
    #[must_use]
    pub fn ask(&self, asked: &[Call<'_>]) -> Vec<Value> {
        calls(&self.rig, asked)
    }

    /// A template with other words in the place of some of its own: its path.
    ///
    /// # Panics
    /// It does not have these words, or more than once.
    #[must_use]
    pub fn edited(&self, template: &str, edits: &[(&str, &str)]) -> String {
        let mut text = std::fs::read_to_string(self.path().join(template)).expect("a template");
        for (old, new) in edits {
            assert_eq!(text.matches(old).count(), 1, "{template}: {old}");
            text = text.replace(old, new);
        }
        std::fs::write(self.path().join("edited.yaml"), text).expect("a file");
        "edited.yaml".to_owned()
    }

    /// Deploys the template at this path as a stack of the name `name`, with release `order-1.zip`,
    /// and returns what the stack says of itself.
    ///
    /// # Panics
    /// It is refused.
    pub fn deploy(&self, template: &str, name: &str, parameters: &[(&str, &str)]) -> Stack {
        let parameters: BTreeMap<&str, &str> = parameters.iter().copied().collect();
        let asked = json!([self.url(), REGION, template, name, parameters]);
        let said = self.python(&format!("{CLIENT}\nzip(1)\n{DEPLOY}"), &asked);
        Stack(serde_json::from_slice(&said).expect("JSON"))
    }

    /// Gives release `release` to a stack that has another one, as docs/deploy.md does.
    ///
    /// # Panics
    /// It is refused.
    pub fn release(&self, template: &str, name: &str, release: u32) {
        self.zip(release);
        let command = format!(
            "aws s3 cp order-{release}.zip s3://programs-{name}/ && \
             aws cloudformation deploy --stack-name {name} --capabilities CAPABILITY_IAM \
             --template-file {template} --parameter-overrides CodeKey=order-{release}.zip"
        );
        let said = self.types(&Credentials::root(), &command, &[]);
        assert!(said.done, "{}", said.text);
        self.mend();
    }

    /// ministack keeps a number that is a parameter of a stack as a text, and its poller compares
    /// that with numbers.
    fn mend(&self) {
        self.python(&format!("{CLIENT}\nmend()"), &json!([self.url(), REGION]));
    }

    /// A new user, who has these policies of a stack and no others.
    ///
    /// # Panics
    /// The stack has no such policy.
    #[must_use]
    pub fn user(&self, stack: &Stack, name: &str, policies: &[&str]) -> Credentials {
        let who = || json!({ "UserName": name });
        let mut asked = vec![("iam", "create_user", who())];
        for policy in policies {
            let arn = stack.output(&format!("{policy}PolicyArn"));
            asked.push((
                "iam",
                "attach_user_policy",
                json!({ "UserName": name, "PolicyArn": arn }),
            ));
        }
        asked.push(("iam", "create_access_key", who()));
        let made = self.ask(&asked).pop().expect("an answer");
        let part = |name: &str| made["AccessKey"][name].as_str().expect("a key").to_owned();
        Credentials { key: part("AccessKeyId"), secret: part("SecretAccessKey") }
    }

    /// What a program of `who` makes its clients with.
    pub async fn config(&self, who: &Credentials) -> SdkConfig {
        let keys = Keys::new(&*who.key, &*who.secret, None, None, "everstep-tests");
        let config = config_at(self.url()).await.into_builder();
        config.credentials_provider(SharedCredentialsProvider::new(keys)).build()
    }

    /// The headers with which `who` signs a request to a function's URL.
    ///
    /// # Panics
    /// There is no room for the body, as a file.
    #[must_use]
    pub fn signed(
        &self,
        who: &Credentials,
        method: &str,
        url: &str,
        body: &str,
    ) -> BTreeMap<String, String> {
        std::fs::write(self.path().join("signed"), body).expect("a file");
        let asked = json!([self.url(), REGION, who.key, who.secret, method, url]);
        let said = self.python(&format!("{CLIENT}\n{SIGN}"), &asked);
        serde_json::from_slice(&said).expect("JSON")
    }

    /// Runs `everstep` on the backend `url`.
    #[must_use]
    pub fn everstep(&self, who: &Credentials, url: &str, arguments: &str) -> Printed {
        let variable = ("EVERSTEP_URL".to_owned(), url.to_owned());
        self.types(who, &format!("everstep {arguments}"), &[variable])
    }

    /// Waits until an execution has come to `status`.
    ///
    /// # Panics
    /// It does not come there.
    pub fn until(&self, url: &str, id: &str, status: &str) {
        let deadline = Instant::now() + ARRIVE_MAX;
        loop {
            let shown = self.everstep(&Credentials::root(), url, &format!("show {id} --json"));
            let record: Value = serde_json::from_str(&shown.text).unwrap_or_default();
            if record["status"] == status {
                return;
            }
            assert!(Instant::now() < deadline, "{id} does not become {status}: {}", shown.text);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn link(to: &Path, from: &Path) {
    std::os::unix::fs::symlink(to, from).expect("a link");
}
