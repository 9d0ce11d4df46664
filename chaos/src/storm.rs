//! Carries a schedule out. Each fault is a task of its own, so that they overlap as they fall.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::Api;
use crate::evidence::RepeatBound;
use crate::fault::{Blow, Fault, ProcessName, Role, Store, Timed};
use crate::fleet::Member;
use crate::world::{MAX_IN_FLIGHT, ONE_MORE, World};

/// What was done.
#[derive(Debug, Default)]
pub struct Dealt {
    /// How often each kind of fault met its victim.
    pub kinds: BTreeMap<String, usize>,
    /// Those that came while their victim was away already.
    pub missed: usize,
    /// What consumers may have repeated (I7).
    pub repeats: RepeatBound,
}

/// Deals every fault at its time and waits until the last one is over.
///
/// # Errors
/// A store does not come back, or a change of a subscription is refused.
pub async fn rage(world: &Arc<World>, api: &Arc<Api>, faults: &[Timed]) -> anyhow::Result<Dealt> {
    let began = Instant::now();
    let dealt = Arc::new(Mutex::new(Dealt::default()));
    let mut tasks = JoinSet::new();
    for timed in faults.iter().copied() {
        let (world, api, dealt) = (Arc::clone(world), Arc::clone(api), Arc::clone(&dealt));
        tasks.spawn(async move {
            sleep_until(began + timed.at).await;
            let met = deal(&world, &api, timed.fault).await?;
            let mut dealt = dealt.lock().unwrap_or_else(PoisonError::into_inner);
            if met {
                *dealt.kinds.entry(timed.fault.kind()).or_default() += 1;
                let RepeatBound { lost, belated } = repeats(timed.fault);
                dealt.repeats.lost += lost;
                dealt.repeats.belated += belated;
            } else {
                dealt.missed += 1;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    drop(tasks);
    Ok(std::mem::take(&mut *dealt.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// A process that dies, or is frozen for longer than its session: its running calls, and what it
/// has finished since its last commit (100 ms, and the commit's own way).
const DEATH: usize = MAX_IN_FLIGHT + 36;
/// A partition that is handed over in order: calls that run for longer than the grace of a
/// second. Their lanes are suspect, and suspect lanes hold half of the slots.
const HANDOVER: usize = MAX_IN_FLIGHT / 2;
/// Kafka away: no outcome is acknowledged, and calls go on until as many again wait for that.
const UNACKNOWLEDGED: usize = 2 * MAX_IN_FLIGHT;

/// What consumers may repeat through a fault. Whoever comes or goes makes others hand partitions
/// over, too.
fn repeats(fault: Fault) -> RepeatBound {
    let consumers = Role::Consumer.count() + 1;
    let (lost, belated) = match fault {
        Fault::Process(ProcessName { role: Role::Consumer, .. }, blow) => match blow {
            Blow::Kill(_) => (DEATH + HANDOVER, 0),
            Blow::Terminate(_) => (2 * HANDOVER, 0),
            // When it goes on it does not know for a moment that it has lost everything.
            Blow::Freeze(_) => (DEATH + HANDOVER, MAX_IN_FLIGHT),
        },
        // Terminated first, to be armed.
        Fault::Crash(ProcessName { role: Role::Consumer, .. }, ..) => (DEATH + 2 * HANDOVER, 0),
        Fault::OneMoreConsumer(_) | Fault::OneConsumerLess(_) => (2 * HANDOVER, 0),
        Fault::Everything(_) => (consumers * (DEATH + HANDOVER), 0),
        // Sessions may end meanwhile, each with its consumer's work in hand.
        Fault::Store(Store::Kafka, _) => (consumers * UNACKNOWLEDGED, consumers * MAX_IN_FLIGHT),
        Fault::Process(..) | Fault::Crash(..) | Fault::Store(..) | Fault::Subscription(..) => {
            (0, 0)
        }
    };
    RepeatBound { lost, belated }
}

/// False if the victim was away.
async fn deal(world: &World, api: &Api, fault: Fault) -> anyhow::Result<bool> {
    match fault {
        Fault::Process(name, blow) => return Ok(strike(world.member(name)?, blow).await),
        Fault::Everything(blow) => {
            let all = world.regulars().map(|member| strike(member, blow));
            futures_util::future::join_all(all).await;
        }
        Fault::Store(store, blow) => return world.stores.strike(store, blow).await,
        Fault::Crash(name, point, nth) => {
            let member = world.member(name)?;
            if !member.is_running() {
                return Ok(false);
            }
            member.crash_at(point, nth);
        }
        Fault::OneMoreConsumer(lasts) => {
            let guest = world.member(ONE_MORE)?;
            guest.switch_on();
            sleep(lasts).await;
            guest.switch_off();
        }
        Fault::OneConsumerLess(lasts) => {
            let one = world.member(ProcessName { role: Role::Consumer, index: 1 })?;
            one.switch_off();
            sleep(lasts).await;
            one.switch_on();
        }
        Fault::Subscription(place, change) => api.change(place, change).await?,
    }
    Ok(true)
}

async fn strike(member: &Arc<Member>, blow: Blow) -> bool {
    if !member.is_running() {
        return false;
    }
    match blow {
        Blow::Kill(away) => member.kill(away),
        Blow::Terminate(away) => member.terminate(away),
        Blow::Freeze(lasts) => {
            member.freeze();
            sleep(lasts).await;
            member.thaw();
        }
    }
    true
}
