//! `chaos`: what `./dev chaos` runs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use chaos::fault::{Role, Store};
use chaos::run::{self, Findings, Order};
use chaos::schedule::Storm;
use clap::Parser;
use fault_point::Defect;

/// A violation was found.
const FOUND: u8 = 1;
/// The run could not be made.
const NOT_RUN: u8 = 2;

/// Kills, freezes and restarts everything on a schedule drawn from a seed, and checks that
/// nothing is lost.
#[derive(Parser)]
#[command(name = "chaos")]
struct Arguments {
    /// What the run is drawn from; without one it is drawn itself.
    #[arg(long)]
    seed: Option<u64>,
    /// How long the load lasts.
    #[arg(long, default_value_t = 3.0)]
    minutes: f64,
    /// Events per second.
    #[arg(long, default_value_t = 60)]
    rate: u32,
    /// `mixed`, `calm`, `kills:<role>:<times>` or `away:<kafka|postgres>:<seconds>`.
    #[arg(long, default_value = "mixed", value_parser = read_storm)]
    storm: Storm,
    /// Plants a defect that the run has to find.
    #[arg(long, value_parser = read_defect)]
    defect: Option<Defect>,
    /// Prints the whole schedule before the run.
    #[arg(long)]
    verbose: bool,
    /// Where logs and stories go; a new temporary folder, kept after a violation, without it.
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn read_defect(text: &str) -> Result<Defect, String> {
    Defect::named(text).ok_or_else(|| {
        let names: Vec<&str> = Defect::ALL.iter().map(|defect| defect.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn read_storm(text: &str) -> Result<Storm, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let storm = match parts[..] {
        ["mixed"] => Some(Storm::Mixed),
        ["calm"] => Some(Storm::Calm),
        ["kills", role, times] => {
            let role = Role::ALL.into_iter().find(|known| known.name() == role);
            role.zip(times.parse().ok()).map(|(role, times)| Storm::Kills(role, times))
        }
        ["away", store, seconds] => {
            let store =
                [Store::Kafka, Store::Postgres].into_iter().find(|known| known.name() == store);
            let away = seconds.parse().ok().map(Duration::from_secs);
            store.zip(away).map(|(store, away)| Storm::Away(store, away))
        }
        _ => None,
    };
    storm.ok_or_else(|| {
        "expected mixed, calm, kills:<role>:<times> or away:<kafka|postgres>:<seconds>".to_owned()
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| u64::from(uuid::Uuid::new_v4().as_fields().0));
    let order = Order {
        seed,
        load: Duration::from_secs_f64(arguments.minutes.clamp(0.3, 600.0) * 60.0),
        rate: arguments.rate,
        storm: arguments.storm,
        defect: arguments.defect,
    };
    match make(&order, &arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FOUND),
        Err(error) => {
            let mut said = std::io::stderr();
            let _ = writeln!(said, "chaos: {error:#}");
            let _ = writeln!(said, "chaos: seed {seed} could not be run");
            ExitCode::from(NOT_RUN)
        }
    }
}

/// True if nothing was found.
fn make(order: &Order, arguments: &Arguments) -> anyhow::Result<bool> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "seed {}: {:.0} s of load at {} events/s{}",
        order.seed,
        order.load.as_secs_f64(),
        order.rate,
        order
            .defect
            .map(|defect| format!(", with the defect {}", defect.name()))
            .unwrap_or_default()
    )?;
    if arguments.verbose {
        print_schedule(&mut out, order)?;
    }
    let temporary = tempfile::Builder::new().prefix("hooklog-chaos-").tempdir();
    let mut temporary = temporary.context("make a folder for logs")?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder).context("make the folder for logs")?;

    let findings = run_or_interrupt(order, &folder)?;
    write!(out, "{}", findings.report)?;
    let violated: Vec<&str> = findings
        .verdicts
        .iter()
        .filter(|verdict| !verdict.violations.is_empty())
        .map(|verdict| verdict.name)
        .collect();
    let good = violated.is_empty();
    if !good {
        if !arguments.verbose {
            print_schedule(&mut out, order)?;
        }
        temporary.disable_cleanup(arguments.folder.is_none());
        writeln!(out, "logs and stories are in {}", folder.display())?;
    }
    let word =
        if good { "nothing found".to_owned() } else { format!("found {}", violated.join(" ")) };
    writeln!(out, "{word}; replay with: {}", replay(arguments, order))?;
    Ok(good)
}

fn print_schedule(out: &mut impl Write, order: &Order) -> std::io::Result<()> {
    run::faults_of(order).iter().try_for_each(|timed| writeln!(out, "{timed}"))
}

fn replay(arguments: &Arguments, order: &Order) -> String {
    let mut line = format!("./dev chaos --seed {} --minutes {}", order.seed, arguments.minutes);
    if arguments.rate != 60 {
        line.push_str(&format!(" --rate {}", arguments.rate));
    }
    match order.storm {
        Storm::Mixed => {}
        Storm::Calm => line.push_str(" --storm calm"),
        Storm::Kills(role, times) => {
            line.push_str(&format!(" --storm kills:{}:{times}", role.name()));
        }
        Storm::Away(store, away) => {
            line.push_str(&format!(" --storm away:{}:{}", store.name(), away.as_secs()));
        }
    }
    if let Some(defect) = order.defect {
        line.push_str(&format!(" --defect {}", defect.name()));
    }
    line
}

fn run_or_interrupt(order: &Order, folder: &Path) -> anyhow::Result<Findings> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the async runtime")?;
    let began = std::time::Instant::now();
    let mut say = move |line: &str| {
        let at = began.elapsed().as_secs_f64();
        let _ = writeln!(std::io::stdout(), "{at:6.1} s  {line}");
    };
    let findings = runtime.block_on(async {
        tokio::select! {
            findings = run::run(order, folder, &mut say) => findings,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        }
    });
    // Whatever still runs, the processes too, ends here.
    runtime.shutdown_timeout(Duration::from_secs(20));
    findings
}
