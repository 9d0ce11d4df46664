//! Carries a schedule out. Each fault is a task of its own, so that they overlap as they fall.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::Api;
use crate::fault::{Blow, Fault, ProcessName, Role, Store, Timed};
use crate::fleet::Member;
use crate::world::{ONE_MORE, World};

/// What was done.
#[derive(Debug, Default)]
pub struct Dealt {
    /// How often each kind of fault met its victim.
    pub kinds: BTreeMap<String, usize>,
    /// Those that came while their victim was away already.
    pub missed: usize,
    /// How often a consumer may have lost what it had in hand (I7).
    pub losses: usize,
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
                dealt.losses += losses(timed.fault);
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

/// How often consumers may lose what they have in hand through a fault: the one that is hit, and
/// one that hands partitions over when it goes or comes back; all of them when Kafka is away,
/// for their sessions may end.
fn losses(fault: Fault) -> usize {
    let consumers = Role::Consumer.count() + 1;
    match fault {
        Fault::Process(ProcessName { role: Role::Consumer, .. }, _)
        | Fault::Crash(ProcessName { role: Role::Consumer, .. }, ..) => 2,
        Fault::OneMoreConsumer(_) | Fault::OneConsumerLess(_) => 2,
        Fault::Everything(_) | Fault::Store(Store::Kafka, _) => consumers,
        Fault::Process(..) | Fault::Crash(..) | Fault::Store(..) | Fault::Subscription(..) => 0,
    }
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
