//! Kafka and PostgreSQL, taken away and brought back with their data.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use local_stack::Stack;
use local_stack::process::Process;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::Mutex as Turn;

use crate::fault::{Blow, Store};

/// A killed server may leave something behind for a moment that keeps the next one from starting.
const STARTS: usize = 5;

/// Both stores. Blows to the same one come one after the other; the second is left out.
pub struct Stores {
    stack: Arc<Mutex<Stack>>,
    run_folder: PathBuf,
    kafka: Turn<()>,
    postgres: Turn<()>,
}

impl Stores {
    pub fn new(stack: Stack) -> Self {
        let run_folder = stack.run_folder().to_owned();
        let stack = Arc::new(Mutex::new(stack));
        Self { stack, run_folder, kafka: Turn::new(()), postgres: Turn::new(()) }
    }

    /// Deals a blow and waits until the store is back; false if it is away already.
    ///
    /// # Errors
    /// It does not come back.
    pub async fn strike(&self, store: Store, blow: Blow) -> anyhow::Result<bool> {
        let turn = match store {
            Store::Kafka => &self.kafka,
            Store::Postgres => &self.postgres,
        };
        let Ok(_turn) = turn.try_lock() else { return Ok(false) };
        match blow {
            Blow::Freeze(lasts) => {
                self.signal(store, Signal::SIGSTOP);
                tokio::time::sleep(lasts).await;
                self.signal(store, Signal::SIGCONT);
            }
            Blow::Kill(away) => {
                self.signal(store, Signal::SIGKILL);
                tokio::time::sleep(away).await;
                self.start(store).await?;
            }
            Blow::Terminate(away) => {
                self.stop(store).await?;
                tokio::time::sleep(away).await;
                self.start(store).await?;
            }
        }
        Ok(true)
    }

    async fn stop(&self, store: Store) -> anyhow::Result<()> {
        let stack = Arc::clone(&self.stack);
        let stop = move || {
            let mut stack = stack.lock().unwrap_or_else(PoisonError::into_inner);
            match store {
                Store::Kafka => stack.stop_kafka(),
                Store::Postgres => stack.stop_postgres(),
            }
        };
        Ok(tokio::task::spawn_blocking(stop).await?)
    }

    async fn start(&self, store: Store) -> anyhow::Result<()> {
        let stack = Arc::clone(&self.stack);
        let start = move || {
            let mut stack = stack.lock().unwrap_or_else(PoisonError::into_inner);
            let mut tried = Ok(());
            for _ in 0..STARTS {
                tried = match store {
                    Store::Kafka => stack.start_kafka(),
                    Store::Postgres => stack.start_postgres(),
                };
                if tried.is_ok() {
                    break;
                }
            }
            tried.with_context(|| format!("start {} again", store.name()))
        };
        tokio::task::spawn_blocking(start).await?
    }

    /// PostgreSQL's backends are processes of their own; SIGKILL to the first one ends them all.
    fn signal(&self, store: Store, signal: Signal) {
        let Some(first) = Process::running(&self.run_folder, store.name()) else { return };
        let children = match signal {
            Signal::SIGKILL => Vec::new(),
            _ => children_of(first.pid()),
        };
        first.signal(signal);
        for child in children {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(child), signal);
        }
    }
}

fn children_of(pid: i32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}
