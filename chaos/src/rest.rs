//! Waits until nothing moves any more: every group has finished what its topics have, and the
//! projection has read all of it. Whatever has not come to its end by then never will.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_loop::KafkaSettings;
use kafka_loop::log_end::LogEnds;
use tokio::time::{Instant, sleep};

use crate::{tables_dump, topics_dump};

const LOOK: Duration = Duration::from_secs(1);
/// Looks in a row that must find rest: a record may be between two topics at one of them.
const LOOKS: usize = 2;

/// Waits for rest, at most for `bound`; then says what is still moving.
pub async fn come_to_rest(
    kafka: &KafkaSettings,
    database_url: &str,
    bound: Duration,
) -> Result<Duration, String> {
    let began = Instant::now();
    let mut found = 0;
    loop {
        let moving = match moving(kafka, database_url).await {
            Ok(moving) => moving,
            Err(error) => Some(format!("{error:#}")),
        };
        match moving {
            None => found += 1,
            Some(why) if began.elapsed() > bound => {
                return Err(format!("not at rest after {} s: {why}", bound.as_secs()));
            }
            Some(_) => found = 0,
        }
        if found == LOOKS {
            return Ok(began.elapsed());
        }
        sleep(LOOK).await;
    }
}

async fn moving(kafka: &KafkaSettings, database_url: &str) -> anyhow::Result<Option<String>> {
    let settings = kafka.clone();
    let lag = tokio::task::spawn_blocking(move || lag(&settings)).await??;
    if lag.is_some() {
        return Ok(lag);
    }
    projection_behind(kafka, database_url).await
}

fn lag(kafka: &KafkaSettings) -> anyhow::Result<Option<String>> {
    let (ends, readers) = (topics_dump::ends(kafka)?, topics_dump::readers(kafka));
    let mut at = BTreeMap::new();
    for commit in topics_dump::commits(kafka)? {
        at.insert((commit.group, commit.topic, commit.partition), commit.offset);
    }
    let behind = ends.iter().filter(|(_, end)| **end > 0).find_map(|((topic, partition), end)| {
        let group = readers.get(topic)?;
        let committed = at.get(&(group.clone(), topic.clone(), *partition)).copied().unwrap_or(0);
        (committed < *end)
            .then(|| format!("{group} is at {committed} of {end} in {topic}/{partition}"))
    });
    Ok(behind)
}

/// Whether the projection in this database has not read everything; what it lacks.
///
/// # Errors
/// A store is away.
pub async fn projection_behind(
    kafka: &KafkaSettings,
    database_url: &str,
) -> anyhow::Result<Option<String>> {
    let settings = kafka.clone();
    let ends = tokio::task::spawn_blocking(move || {
        let ends = LogEnds::new(&settings)?;
        let topics = [settings.topics.deliveries(), settings.topics.outcomes()];
        topics.into_iter().map(|topic| Ok((ends.of(&topic)?, topic))).collect()
    });
    let ends: anyhow::Result<Vec<(Vec<i64>, String)>> = ends.await?;
    let client = tables_dump::connect(database_url).await?;
    let positions = tables_dump::positions(&client).await?;
    for (ends, topic) in ends? {
        for (partition, end) in (0..).zip(ends) {
            let at = positions.get(&(topic.clone(), partition)).copied().unwrap_or(0);
            if at < end {
                return Ok(Some(format!(
                    "the projection is at {at} of {end} in {topic}/{partition}"
                )));
            }
        }
    }
    Ok(None)
}
