//! The promises of a stack, on the real servers: it serves, it ends with its owner however
//! that ends, and every refusal is one clear sentence.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use local_stack::process::Process;
use local_stack::wait::eventually;
use local_stack::{Options, Stack};
use nix::sys::signal::Signal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_local-stack");
/// Downloads may come first.
const START_BOUND: Duration = Duration::from_secs(300);
const END_BOUND: Duration = Duration::from_secs(40);

#[test]
fn both_servers_serve_and_a_stopped_stack_leaves_no_process_and_no_folder() -> Result<()> {
    let stack = Stack::start(&Options::default())?;
    let servers = servers_in(stack.run_folder())?;
    let folder = stack.run_folder().to_owned();
    TcpStream::connect(stack.kafka_address()).context("connect to Kafka")?;
    ensure!(stack.postgres_url().starts_with("postgres://hooklog@127.0.0.1:"));

    stack.stop();

    ensure!(servers.iter().all(|server| !server.is_alive()), "a server survived");
    ensure!(!folder.exists(), "{} was left behind", folder.display());
    Ok(())
}

#[test]
fn kafka_can_be_taken_away_and_comes_back_on_the_same_port() -> Result<()> {
    let mut stack = Stack::start(&Options::default())?;
    let address = stack.kafka_address();

    stack.stop_kafka();
    ensure!(TcpStream::connect(&address).is_err(), "Kafka still listens");
    ensure!(stack.missing() == ["kafka"]);

    stack.start_kafka()?;
    ensure!(stack.kafka_address() == address);
    TcpStream::connect(&address).context("connect to Kafka again")?;
    Ok(())
}

#[test]
fn a_killed_server_is_noticed_and_started_again() -> Result<()> {
    let mut stack = Stack::start(&Options::default())?;
    for server in servers_in(stack.run_folder())? {
        server.signal(Signal::SIGKILL);
        eventually(END_BOUND, || (!server.is_alive()).then_some(())).context("end the server")?;
    }
    ensure!(stack.missing() == ["kafka", "postgres"]);

    stack.start_missing()?;

    ensure!(stack.missing().is_empty());
    Ok(())
}

#[test]
fn sigterm_of_the_owner_leaves_nothing() -> Result<()> {
    let code = owner_ends_by(Signal::SIGTERM)?;
    ensure!(code == Some(128 + Signal::SIGTERM as i32), "exit code {code:?}");
    Ok(())
}

#[test]
fn sigint_of_the_owner_leaves_nothing() -> Result<()> {
    let code = owner_ends_by(Signal::SIGINT)?;
    ensure!(code == Some(128 + Signal::SIGINT as i32), "exit code {code:?}");
    Ok(())
}

#[test]
fn sigkill_of_the_owner_leaves_no_process() -> Result<()> {
    owner_ends_by(Signal::SIGKILL)?;
    Ok(())
}

#[test]
fn run_passes_the_exit_code_on_and_tells_the_command_where_the_servers_are() -> Result<()> {
    let script = "test -n \"$HOOKLOG_TEST_KAFKA\" && test -n \"$HOOKLOG_TEST_DATABASE_URL\" \
                  && test -s \"$HOOKLOG_TEST_STACK_CONTROL/kafka.pid\" \
                  && test -s \"$HOOKLOG_TEST_STACK_CONTROL/postgres.pid\" && exit 7";
    let output = local_stack(["run", "--", "sh", "-c", script]).output()?;
    ensure!(output.status.code() == Some(7), "{output:?}");
    Ok(())
}

#[test]
fn a_file_with_a_wrong_checksum_is_refused() -> Result<()> {
    let cache = tempfile::tempdir()?;
    let repository = serve_the_same_bytes_for_everything(b"not the pinned jar")?;
    let output = local_stack(["run", "--", "true"])
        .env("HOOKLOG_CACHE_DIR", cache.path())
        .env("HOOKLOG_ARTIFACT_REPOSITORY", repository)
        .output()?;
    ensure!(!output.status.success());
    let sentence = last_line(&output);
    ensure!(sentence.contains("wrong checksum") && sentence.contains("was not used"), "{sentence}");
    let jars = Command::new("find").arg(cache.path()).args(["-name", "*.jar"]).output()?;
    ensure!(jars.stdout.is_empty(), "kept {}", String::from_utf8_lossy(&jars.stdout));
    Ok(())
}

#[test]
fn a_repository_that_cannot_be_reached_is_one_clear_sentence() -> Result<()> {
    let cache = tempfile::tempdir()?;
    let [port] = local_stack::port::free().context("a free port")?;
    let output = local_stack(["run", "--", "true"])
        .env("HOOKLOG_CACHE_DIR", cache.path())
        .env("HOOKLOG_ARTIFACT_REPOSITORY", format!("http://127.0.0.1:{port}"))
        .output()?;
    ensure!(!output.status.success());
    let sentence = last_line(&output);
    ensure!(sentence.contains("check the network"), "{sentence}");
    ensure!(sentence.contains("HOOKLOG_ARTIFACT_REPOSITORY"), "{sentence}");
    Ok(())
}

#[test]
fn a_missing_java_is_one_clear_sentence() -> Result<()> {
    let output = local_stack(["run", "--", "true"])
        .env("PATH", "/nonexistent")
        .env("JAVA_HOME", "/nonexistent")
        .output()?;
    ensure!(!output.status.success());
    let sentence = last_line(&output);
    ensure!(sentence.contains("Kafka needs Java 17 or newer and there is none"), "{sentence}");
    Ok(())
}

#[test]
fn a_busy_port_is_one_clear_sentence_that_names_its_variable() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let folder = dev_folder()?;
    let output = local_stack(["serve"])
        .env("HOOKLOG_DEV_DIR", folder.path())
        .env("HOOKLOG_DEV_KAFKA_PORT", port.to_string())
        .output()?;
    ensure!(!output.status.success());
    let sentence = last_line(&output);
    ensure!(sentence.contains(&format!("port {port} for Kafka is taken")), "{sentence}");
    ensure!(sentence.contains("HOOKLOG_DEV_KAFKA_PORT"), "{sentence}");
    Ok(())
}

#[test]
fn up_starts_only_what_is_missing_and_down_leaves_no_process() -> Result<()> {
    let stage = Stage::new()?;
    stage.succeeds(["up", "--detach"])?;
    let before = stage.running()?;
    ensure!(before.len() == 4, "owner, Kafka, PostgreSQL and hooklog, not {before:?}");

    let hooklog = Process::running(&stage.run_folder(), "hooklog").context("hooklog runs")?;
    hooklog.signal(Signal::SIGKILL);
    eventually(END_BOUND, || (!hooklog.is_alive()).then_some(())).context("end hooklog")?;
    stage.succeeds(["up", "--detach"])?;
    let after = stage.running()?;
    ensure!(after[..3] == before[..3], "the servers were restarted: {before:?} {after:?}");
    ensure!(after.len() == 4 && after[3] != before[3], "{after:?}");

    stage.succeeds(["up", "--detach"])?;
    ensure!(stage.running()? == after, "an up with nothing missing changed something");

    let output = stage.succeeds(["down"])?;
    ensure!(last_stdout_line(&output) == "stopped hooklog, kafka, postgres");
    ensure!(after.iter().all(|process| !process.is_alive()), "a process survived");
    let output = stage.succeeds(["down"])?;
    ensure!(last_stdout_line(&output) == "nothing was running");
    Ok(())
}

#[test]
fn an_up_in_the_foreground_takes_everything_with_it_even_when_it_is_killed() -> Result<()> {
    let stage = Stage::new()?;
    let mut up = KilledOnDrop(stage.command(["up"]).stdout(Stdio::piped()).spawn()?);
    wait_for_line(&mut up.0, "Ctrl-C stops everything")?;
    let running = stage.running()?;
    ensure!(running.len() == 4, "{running:?}");

    drop(up);

    let all_gone = || running.iter().all(|process| !process.is_alive()).then_some(());
    eventually(END_BOUND, all_gone).context("everything ends with the killed up")
}

#[test]
fn a_role_that_dies_at_start_is_shown_with_its_last_words() -> Result<()> {
    let stage = Stage::new()?;
    let output = stage.command(["up", "--detach"]).env("STAND_IN_FAILS", "1").output()?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(errors.contains("hooklog ended") && errors.contains("no such setting"), "{errors}");
    Ok(())
}

/// A folder with this program and a stand-in for hooklog beside it, and a dev folder on
/// free ports. Dropping it stops whatever still runs.
struct Stage {
    folder: tempfile::TempDir,
    ports: [u16; 4],
}

/// Answers 200 to everything on its operations port, as hooklog does once it is ready.
const STAND_IN: &str = r#"#!/bin/sh
[ "$1" = migrate ] && exit 0
[ -n "$STAND_IN_FAILS" ] && { echo "no such setting"; exit 3; }
exec perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(LocalAddr => $ENV{HOOKLOG_OPS_LISTEN}, Listen => 5, ReuseAddr => 1) or die;
    while (my $c = $s->accept) { <$c>; print $c "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"; close $c }'
"#;

impl Stage {
    fn new() -> Result<Self> {
        let folder = dev_folder()?;
        fs::copy(PROGRAM, folder.path().join("local-stack"))?;
        let stand_in = folder.path().join("hooklog");
        fs::write(&stand_in, STAND_IN)?;
        fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755))?;
        let ports = local_stack::port::free().context("free ports")?;
        Ok(Self { folder, ports })
    }

    fn command<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let [kafka, postgres, api, ops] = self.ports;
        let mut command = Command::new(self.folder.path().join("local-stack"));
        command
            .args(arguments)
            .stdin(Stdio::null())
            .env_remove("HOOKLOG_LOCAL_STACK")
            .env("HOOKLOG_DEV_DIR", self.folder.path().join("dev"))
            .env("HOOKLOG_DEV_KAFKA_PORT", kafka.to_string())
            .env("HOOKLOG_DEV_POSTGRES_PORT", postgres.to_string())
            .env("HOOKLOG_LISTEN", format!("127.0.0.1:{api}"))
            .env("HOOKLOG_OPS_LISTEN", format!("127.0.0.1:{ops}"));
        command
    }

    fn succeeds<const N: usize>(&self, arguments: [&str; N]) -> Result<Output> {
        let output = self.command(arguments).output()?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(output)
    }

    fn run_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("dev/run")
    }

    /// Owner, Kafka, PostgreSQL, hooklog: those that run.
    fn running(&self) -> Result<Vec<Process>> {
        let names = ["stack", "kafka", "postgres", "hooklog"];
        Ok(names.iter().filter_map(|name| Process::running(&self.run_folder(), name)).collect())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.command(["down"]).output();
    }
}

fn local_stack<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Starts `run` with a command that prints where its servers are and then hangs, ends `run`
/// with the signal, and makes sure that servers and command end too.
fn owner_ends_by(signal: Signal) -> Result<Option<i32>> {
    let script = "echo \"$HOOKLOG_TEST_STACK_CONTROL\"; exec sleep 600";
    let child = local_stack(["run", "--", "sh", "-c", script]).stdout(Stdio::piped()).spawn()?;
    let mut owner = KilledOnDrop(child);
    let control = wait_for_line(&mut owner.0, "/")?;
    let control = Path::new(control.trim());
    let mut processes = servers_in(control)?;
    // The command may speak before its guard has written down its number.
    let command = eventually(END_BOUND, || Process::running(control, "command"));
    processes.push(command.context("the command runs")?);

    let identity = Process::of(owner.0.id()).context("the owner runs")?;
    ensure!(identity.signal(signal));
    let status = eventually(END_BOUND, || owner.0.try_wait().transpose());
    let status = status.context("the owner ends")??;

    let all_gone = || processes.iter().all(|process| !process.is_alive()).then_some(());
    eventually(END_BOUND, all_gone).with_context(|| format!("still running: {processes:?}"))?;
    if signal == Signal::SIGKILL {
        fs::remove_dir_all(control.parent().context("the stack's folder")?)?;
    } else {
        ensure!(!control.exists(), "{} was left behind", control.display());
    }
    Ok(status.code())
}

/// A failed assertion must not leave the owner, and so its servers, behind.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn servers_in(run_folder: &Path) -> Result<Vec<Process>> {
    ["kafka", "postgres"]
        .into_iter()
        .map(|name| Process::running(run_folder, name).with_context(|| format!("{name} runs")))
        .collect()
}

/// The first line of the child's output with this text in it.
fn wait_for_line(child: &mut Child, text: &str) -> Result<String> {
    let output = child.stdout.take().context("a piped output")?;
    let (sender, inbox) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    loop {
        let line = inbox.recv_timeout(START_BOUND).with_context(|| format!("wait for {text}"))?;
        if line.contains(text) {
            return Ok(line);
        }
    }
}

/// PostgreSQL's account must be able to enter it.
fn dev_folder() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

fn serve_the_same_bytes_for_everything(body: &'static [u8]) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    Ok(format!("http://{address}"))
}

fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned()
}

fn last_stdout_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}
