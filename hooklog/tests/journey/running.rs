//! `hooklog up` as a process, and a producer that speaks to it.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use signature::{Secret, sign_hub};
use test_bed::{Answer, Http, TestBed, eventually};

/// How long the process may take until it is ready.
const START: Duration = Duration::from_secs(60);

/// A running `hooklog up`; it is killed when it is dropped.
pub struct Hooklog {
    variables: Vec<(String, String)>,
    child: Child,
    pub http: Http,
    pub base: String,
    ops: String,
}

impl Hooklog {
    /// Starts the process on `bed` and waits until it is ready.
    pub async fn start(bed: &TestBed, settings: &[(&str, &str)]) -> Self {
        let defaults = [("HOOKLOG_LOG", "info,kafka_loop=info")];
        let settings: Vec<(&str, &str)> = defaults.iter().chain(settings).copied().collect();
        let variables = bed.variables(&settings);
        let value = |name: &str| {
            let found = variables.iter().rev().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).expect("the bed sets it")
        };
        let hooklog = Self {
            child: spawn(&variables),
            http: Http::default(),
            base: format!("http://{}", value("HOOKLOG_LISTEN")),
            ops: format!("http://{}", value("HOOKLOG_OPS_LISTEN")),
            variables,
        };
        hooklog.ready().await;
        hooklog
    }

    /// The URL of a path on the operations port.
    pub fn operations(&self, path: &str) -> String {
        format!("{}{path}", self.ops)
    }

    /// Waits until every role is ready.
    pub async fn ready(&self) {
        let url = format!("{}/readyz", self.ops);
        eventually(START, || async {
            let answer = self.http.try_send(http::Method::GET, &url, &[], "").await?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// SIGKILL, and a new process with the same settings; does not wait until it is ready.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().expect("kill hooklog");
        self.child.wait().expect("wait for hooklog");
        self.child = spawn(&self.variables);
    }

    /// SIGTERM; how the process ended, and how long that took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).expect("signal hooklog");
        let status = self.child.wait().expect("wait for hooklog");
        (status, started.elapsed())
    }

    /// Whether the process that was started last is still the one that runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("look at hooklog").is_none()
    }

    /// Creates a subscription and returns its id.
    pub async fn subscribe(&self, target_url: &str, secret: Option<&str>) -> String {
        let body = json!({ "target_url": target_url, "secret": secret }).to_string();
        let url = format!("{}/subscriptions/", self.base);
        let answer = self.http.post(&url, &[("content-type", "application/json")], body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Sends an event; `None` if nobody answered.
    pub async fn try_ingest(
        &self,
        subscription: &str,
        secret: Option<&str>,
        body: &str,
    ) -> Option<Answer> {
        let url = format!("{}/ingest/{subscription}", self.base);
        let signature =
            secret.map(|s| sign_hub(&Secret::from_text(s).expect("a secret"), body.as_bytes()));
        let mut headers = vec![("content-type", "application/json")];
        if let Some(signature) = &signature {
            headers.push(("X-Hub-Signature-256", signature));
        }
        self.http.try_send(http::Method::POST, &url, &headers, body.to_owned()).await
    }

    /// Sends an event that is accepted; returns its `webhook_id`.
    pub async fn ingest(&self, subscription: &str, secret: Option<&str>, body: &str) -> String {
        let answer = self.try_ingest(subscription, secret, body).await.expect("an answer");
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["webhook_id"].as_str().expect("a webhook_id").to_owned()
    }

    /// The status of a delivery once it is `wanted`.
    pub async fn status_once(&self, webhook_id: &str, wanted: &str, within: Duration) -> Value {
        let url = format!("{}/status/{webhook_id}", self.base);
        eventually(within, || async {
            let answer = self.http.try_send(http::Method::GET, &url, &[], "").await?;
            let status = (answer.status == 200).then(|| answer.json())?;
            (status["status"] == wanted).then_some(status)
        })
        .await
    }
}

impl Drop for Hooklog {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the binary with nothing of the test's own environment but what it needs.
pub fn command(variables: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hooklog"));
    command.arg("up").stdin(Stdio::null()).env_clear();
    command.envs(
        ["PATH", "SSL_CERT_FILE", "RUST_BACKTRACE"]
            .iter()
            .filter_map(|name| std::env::var(name).ok().map(|value| ((*name).to_owned(), value))),
    );
    command.envs(variables.iter().cloned());
    command
}

fn spawn(variables: &[(String, String)]) -> Child {
    command(variables).spawn().expect("start hooklog")
}
