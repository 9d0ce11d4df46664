//! One run from its start to its verdicts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Context;
use fault_point::Defect;
use kafka_loop::producer::Producer;
use kafka_loop::topic_reader;
use tokio::time::{Instant, sleep};

use crate::api::Api;
use crate::cast;
use crate::check::{self, Verdict};
use crate::client::Client;
use crate::draw::Draw;
use crate::evidence::{Evidence, Footprint};
use crate::fault::{ProcessName, Role, Timed};
use crate::fleet::FleetSettings;
use crate::journal::Journal;
use crate::load::Load;
use crate::receiver::{self, CallLog};
use crate::rest;
use crate::schedule::{CALM_BEFORE, Storm, schedule};
use crate::storm::{self, Dealt};
use crate::tier_log::TierLog;
use crate::world::{World, program_beside};
use crate::{report, story, tables_dump, topics_dump};

/// For a subscription's way through the outbox and the topic to every process.
const CONFIGURED: Duration = Duration::from_secs(2);
/// How long the relay may take to publish every subscription.
const PUBLISHED: Duration = Duration::from_secs(60);
/// After the faults until nothing moves any more: a lane may have put work aside for ten
/// minutes. A run is at rest long before that if lanes have kept up.
const REST: Duration = Duration::from_secs(660);
/// Until another projection has read the whole log.
const REBUILT: Duration = Duration::from_secs(90);
/// Idle connections to receivers are kept for 30 s, and looked at as rarely.
const SETTLED: Duration = Duration::from_secs(75);
/// Between two looks for subscriptions that a 410 has paused.
const WELCOME: Duration = Duration::from_secs(2);
/// Stories that are written down.
const STORIES: usize = 20;

/// What a run is to be like.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    pub seed: u64,
    pub load: Duration,
    /// Events per second.
    pub rate: u32,
    pub storm: Storm,
    pub defect: Option<Defect>,
}

/// What came of it.
pub struct Findings {
    pub verdicts: Vec<Verdict>,
    pub report: String,
}

/// The schedule of an order: known before anything is started.
pub fn faults_of(order: &Order) -> Vec<Timed> {
    let stage = cast::stage(&cast::cast(order.seed));
    schedule(order.seed, order.load, order.storm, &stage)
}

/// Runs it. Logs and stories go to `folder`.
///
/// # Errors
/// The run could not be made: nothing is said about hooklog then.
pub async fn run(
    order: &Order,
    folder: &Path,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<Findings> {
    let program = program_beside()?;
    let settings = FleetSettings { program, folder: folder.to_owned(), defect: order.defect };
    let world = World::start(settings).await?;
    say("Kafka, PostgreSQL and every role are up");
    let client = Client::default();
    let api = Arc::new(Api::new(client.clone(), world.gateways.clone()));
    let calls = CallLog::default();
    subscribe_all(order.seed, &api, &calls).await?;
    all_configured(&world, api.subscribed().len()).await?;
    say("every subscription is made; the load begins");

    let journal = Arc::new(Journal::default());
    let load = Load {
        client,
        api: Arc::clone(&api),
        journal: Arc::clone(&journal),
        producer: Producer::new(&world.kafka, Some(Duration::from_secs(5)))?,
        events_topic: world.kafka.topics.events(),
    };
    let tiers = TierLog::default();
    let following = tokio::spawn(tiers.clone().follow(world.kafka.clone()));
    let mut world = Arc::new(world);
    let faults = faults_of(order);
    let (dealt, before) = {
        let welcoming = tokio::spawn(welcome(Arc::clone(&api)));
        let ((), dealt, before) = tokio::join!(
            load.run(order.seed, order.rate, order.load),
            storm::rage(&world, &api, &faults),
            baseline(&world),
        );
        welcoming.abort();
        (dealt?, before)
    };
    say("the load and the faults are over");
    world.heal().await.context("start everything again")?;
    api.mend_receivers();
    api.resume_all().await?;
    let welcoming = tokio::spawn(welcome(Arc::clone(&api)));
    let rested = rest::come_to_rest(&world.kafka, &world.database_url, REST).await;
    welcoming.abort();
    following.abort();
    say(&match &rested {
        Ok(took) => format!("everything is at rest after {:.0} s", took.as_secs_f64()),
        Err(why) => why.clone(),
    });

    let mut evidence = Evidence {
        subscriptions: api.subscribed(),
        calls: calls.all(),
        unrest: rested.as_ref().err().cloned(),
        repeats: dealt.repeats,
        ..Evidence::default()
    };
    {
        let mut pages = journal.pages();
        evidence.sent = std::mem::take(&mut pages.sent);
        evidence.poison = std::mem::take(&mut pages.poison);
    }
    evidence.footprints = settled_footprints(&world, &before).await;
    let world = Arc::get_mut(&mut world).context("have the world to itself")?;
    evidence = dump(evidence, world, tiers).await?;
    {
        let mut log = world.log.lock().unwrap_or_else(PoisonError::into_inner);
        evidence.own_ends = std::mem::take(&mut log.own_ends);
        evidence.late_ends = std::mem::take(&mut log.late_ends);
    }
    judge(&evidence, &journal, &dealt, world, rested.ok(), folder)
}

fn judge(
    evidence: &Evidence,
    journal: &Journal,
    dealt: &Dealt,
    world: &World,
    rested: Option<Duration>,
    folder: &Path,
) -> anyhow::Result<Findings> {
    let verdicts = check::all(evidence);
    let log = world.log.lock().unwrap_or_else(PoisonError::into_inner);
    let report = report::text(evidence, &journal.pages(), dealt, &log, rested, &verdicts);
    let violations = verdicts.iter().flat_map(|verdict| verdict.violations.iter());
    let stories: Vec<String> = violations
        .filter_map(|violation| violation.delivery)
        .take(STORIES)
        .flat_map(|delivery| story::of(evidence, delivery))
        .collect();
    if !stories.is_empty() {
        fs::write(folder.join("stories.txt"), stories.join("\n")).context("write the stories")?;
    }
    Ok(Findings { verdicts, report })
}

async fn subscribe_all(seed: u64, api: &Api, calls: &CallLog) -> anyhow::Result<()> {
    for (place, member) in cast::cast(seed).into_iter().enumerate() {
        let draw = Draw::stream(seed, &format!("receiver {place}"));
        let address = receiver::start(member.behaviour, draw, calls.clone()).await?;
        api.subscribe(member, address).await?;
    }
    Ok(())
}

/// Waits until the compacted topic has every subscription, and every process has read it.
async fn all_configured(world: &World, count: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PUBLISHED;
    loop {
        let kafka = world.kafka.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut keys = std::collections::BTreeSet::new();
            topic_reader::read_to_end(&kafka, &kafka.topics.subscriptions(), |record| {
                keys.insert(record.key);
            })
            .map(|()| keys.len())
        });
        if read.await?? >= count {
            break;
        }
        anyhow::ensure!(Instant::now() < deadline, "the subscriptions are not published in time");
        sleep(Duration::from_millis(200)).await;
    }
    sleep(CONFIGURED).await;
    Ok(())
}

async fn welcome(api: Arc<Api>) {
    loop {
        sleep(WELCOME).await;
        api.welcome_back().await;
    }
}

type Baseline = BTreeMap<ProcessName, Footprint>;

/// What each process takes under load, just before the first fault.
async fn baseline(world: &World) -> Baseline {
    let deadline = Instant::now() + CALM_BEFORE.mul_f64(0.9);
    tokio::time::sleep_until(deadline).await;
    let taken = |member: &Arc<crate::fleet::Member>| Some((member.name, member.footprint()?));
    world.regulars().filter_map(taken).collect()
}

type Footprints = Vec<(Role, String, Footprint, Footprint)>;

/// What each process takes once it has had the time to close idle connections.
async fn settled_footprints(world: &World, before: &Baseline) -> Footprints {
    let deadline = Instant::now() + SETTLED;
    loop {
        let footprints = footprints(world, before);
        let back = footprints.iter().all(|(_, _, before, after)| check::is_back(before, after));
        if back || Instant::now() > deadline {
            return footprints;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn footprints(world: &World, before: &Baseline) -> Footprints {
    let both = |member: &Arc<crate::fleet::Member>| {
        let before = before.get(&member.name)?;
        Some((member.name.role, member.name.to_string(), *before, member.footprint()?))
    };
    world.regulars().filter_map(both).collect()
}

/// The topics, the tables, and the tables made again.
async fn dump(
    mut evidence: Evidence,
    world: &mut World,
    tiers: TierLog,
) -> anyhow::Result<Evidence> {
    let kafka = world.kafka.clone();
    let mut evidence = tokio::task::spawn_blocking(move || {
        topics_dump::fill(&mut evidence, &kafka)?;
        tiers.read(&kafka)?;
        let (waiting, complete) = tiers.take();
        evidence.waiting = waiting;
        evidence.waiting_has_gaps = !complete;
        anyhow::Ok(evidence)
    })
    .await??;
    let client = tables_dump::connect(&world.database_url).await?;
    evidence.rows = tables_dump::rows(&client).await?;
    // Of what still moves there are no two equal pictures.
    if evidence.unrest.is_none() {
        let url = world.rebuild().await?;
        let deadline = Instant::now() + REBUILT;
        while Instant::now() < deadline {
            if matches!(rest::projection_behind(&world.kafka, &url).await, Ok(None)) {
                let stand = tables_dump::digests(&client).await?;
                let rebuilt = tables_dump::connect(&url).await?;
                evidence.tables = Some((stand, tables_dump::digests(&rebuilt).await?));
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
    Ok(evidence)
}
