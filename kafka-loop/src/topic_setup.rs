//! Topics are created and checked before a role starts.
//!
//! What is missing is created. What is there is compared with what hooklog needs: the strict
//! profile refuses to start on a topic that could lose an accepted event, the development
//! profile says what production would refuse.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, bail};
use pipeline::topics::{Kept, TopicSpec};
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::RDKafkaErrorCode;
use tokio_util::sync::CancellationToken;

use crate::client::{self, Calm};
use crate::settings::BROKER_TIMEOUT;
use crate::{KafkaSettings, Profile};

/// Between two tries while the broker is away.
const TRY_AGAIN: Duration = Duration::from_millis(500);
const THIRTY_DAYS_MS: &str = "2592000000";
const STRICT_REPLICATION: usize = 3;
const STRICT_MIN_IN_SYNC: i32 = 2;

/// Creates what is missing and checks what is there. Waits for the broker as long as
/// `shutdown` is not cancelled; true when the topics are ready.
///
/// # Errors
/// A topic that the strict profile refuses, or that could not be made.
pub async fn prepare(kafka: &KafkaSettings, shutdown: &CancellationToken) -> anyhow::Result<bool> {
    let admin: AdminClient<Calm> =
        client::base(kafka).create_with_context(Calm).context("create admin client")?;
    let specs = kafka.topics.specs(kafka.partitions, kafka.max_body);
    loop {
        let prepared = tokio::select! {
            () = shutdown.cancelled() => return Ok(false),
            prepared = try_prepare(&admin, kafka, &specs) => prepared,
        };
        match prepared {
            Ok(()) => return Ok(true),
            Err(Failure::Unusable(error)) => return Err(error),
            Err(Failure::Away(error)) => {
                tracing::warn!(error = format!("{error:#}"), "waiting for Kafka");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(false),
            () = tokio::time::sleep(TRY_AGAIN) => {}
        }
    }
}

enum Failure {
    /// The broker may answer later.
    Away(anyhow::Error),
    /// It has answered, and nothing will change by asking again.
    Unusable(anyhow::Error),
}

async fn try_prepare(
    admin: &AdminClient<Calm>,
    kafka: &KafkaSettings,
    specs: &[TopicSpec],
) -> Result<(), Failure> {
    create_missing(admin, kafka, specs).await?;
    let away = |error: anyhow::Error| Failure::Away(error);
    let partitions = tokio::task::block_in_place(|| partition_counts(admin)).map_err(away)?;
    let settings = topic_settings(admin, specs).await.map_err(away)?;
    let mut complaints = Vec::new();
    for spec in specs {
        let Some(&(count, replicas)) = partitions.get(&spec.name) else {
            return Err(Failure::Away(anyhow::anyhow!("{} is not there yet", spec.name)));
        };
        let empty = HashMap::new();
        let settings = settings.get(&spec.name).unwrap_or(&empty);
        complaints.extend(complaints_about(spec, count, replicas, settings));
    }
    if complaints.is_empty() {
        return Ok(());
    }
    let said = complaints.join("; ");
    if kafka.profile == Profile::Strict {
        return Err(Failure::Unusable(anyhow::anyhow!(
            "topics are not fit for production: {said}"
        )));
    }
    tracing::info!(
        complaints = complaints.len(),
        "development profile: production would refuse these topics"
    );
    tracing::debug!(said, "what production would refuse");
    Ok(())
}

async fn create_missing(
    admin: &AdminClient<Calm>,
    kafka: &KafkaSettings,
    specs: &[TopicSpec],
) -> Result<(), Failure> {
    let sizes: Vec<String> = specs.iter().map(|spec| spec.max_message_bytes.to_string()).collect();
    let in_sync = (kafka.replication_factor - 1).clamp(1, STRICT_MIN_IN_SYNC).to_string();
    let new: Vec<NewTopic<'_>> = specs
        .iter()
        .zip(&sizes)
        .map(|(spec, size)| {
            let replication = TopicReplication::Fixed(kafka.replication_factor);
            let topic = NewTopic::new(&spec.name, spec.partitions, replication)
                .set("max.message.bytes", size)
                .set("min.insync.replicas", &in_sync)
                .set("unclean.leader.election.enable", "false")
                .set("message.timestamp.type", "LogAppendTime");
            match spec.kept {
                Kept::Work => topic
                    .set("retention.ms", "-1")
                    .set("retention.bytes", "-1")
                    .set("segment.bytes", "67108864")
                    .set("segment.ms", "3600000"),
                Kept::ThirtyDays => topic.set("retention.ms", THIRTY_DAYS_MS),
                Kept::Compacted => topic.set("cleanup.policy", "compact"),
            }
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(BROKER_TIMEOUT));
    let options = options.request_timeout(Some(BROKER_TIMEOUT));
    let created = admin
        .create_topics(&new, &options)
        .await
        .context("create topics")
        .map_err(Failure::Away)?;
    for outcome in created {
        match outcome {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((
                topic,
                code @ (RDKafkaErrorCode::InvalidReplicationFactor
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::PolicyViolation
                | RDKafkaErrorCode::InvalidConfig),
            )) => {
                let error = anyhow::anyhow!("topic {topic} cannot be created: {code}");
                return Err(Failure::Unusable(error));
            }
            Err((topic, code)) => {
                return Err(Failure::Away(anyhow::anyhow!(
                    "topic {topic} was not created: {code}"
                )));
            }
        }
    }
    Ok(())
}

/// Each topic's partitions and the fewest replicas that one of them has. Blocks.
fn partition_counts(admin: &AdminClient<Calm>) -> anyhow::Result<HashMap<String, (i32, usize)>> {
    let metadata =
        admin.inner().fetch_metadata(None, BROKER_TIMEOUT).context("ask which topics there are")?;
    let counts = metadata.topics().iter().map(|topic| {
        let replicas = topic.partitions().iter().map(|p| p.replicas().len()).min().unwrap_or(0);
        (topic.name().to_owned(), (topic.partitions().len() as i32, replicas))
    });
    Ok(counts.collect())
}

async fn topic_settings(
    admin: &AdminClient<Calm>,
    specs: &[TopicSpec],
) -> anyhow::Result<HashMap<String, HashMap<String, String>>> {
    let names: Vec<ResourceSpecifier<'_>> =
        specs.iter().map(|spec| ResourceSpecifier::Topic(&spec.name)).collect();
    let options = AdminOptions::new().request_timeout(Some(BROKER_TIMEOUT));
    let described = admin.describe_configs(&names, &options).await.context("describe topics")?;
    let mut settings = HashMap::new();
    for resource in described {
        let ConfigResource { specifier, entries, .. } =
            resource.map_err(|code| anyhow::anyhow!("describe topics: {code}"))?;
        let rdkafka::admin::OwnedResourceSpecifier::Topic(name) = specifier else {
            bail!("describe topics: the answer is about something else");
        };
        let entries = entries.into_iter().filter_map(|e| e.value.map(|value| (e.name, value)));
        settings.insert(name, entries.collect());
    }
    Ok(settings)
}

/// What keeps a topic from being fit for production, in words for an operator.
fn complaints_about(
    spec: &TopicSpec,
    partitions: i32,
    replicas: usize,
    settings: &HashMap<String, String>,
) -> Vec<String> {
    let name = &spec.name;
    let value = |key: &str| settings.get(key).map_or("", String::as_str);
    let number = |key: &str| value(key).parse::<i64>().unwrap_or(0);
    let mut said = Vec::new();
    if partitions != spec.partitions {
        said.push(format!("{name} has {partitions} partitions instead of {}", spec.partitions));
    }
    if replicas < STRICT_REPLICATION {
        said.push(format!("{name} has {replicas} replicas, fewer than {STRICT_REPLICATION}"));
    }
    if number("min.insync.replicas") < i64::from(STRICT_MIN_IN_SYNC) {
        said.push(format!("{name} needs min.insync.replicas of at least {STRICT_MIN_IN_SYNC}"));
    }
    if value("unclean.leader.election.enable") == "true" {
        said.push(format!("{name} allows unclean leader election"));
    }
    if number("max.message.bytes") < spec.max_message_bytes as i64 {
        said.push(format!("{name} needs max.message.bytes of at least {}", spec.max_message_bytes));
    }
    match spec.kept {
        Kept::Work => {
            if number("retention.ms") != -1 || number("retention.bytes") != -1 {
                said.push(format!("{name} deletes records by age or size; it must keep them"));
            }
            if value("message.timestamp.type") != "LogAppendTime" {
                said.push(format!("{name} needs message.timestamp.type=LogAppendTime"));
            }
        }
        Kept::Compacted if value("cleanup.policy") != "compact" => {
            said.push(format!("{name} needs cleanup.policy=compact"));
        }
        Kept::Compacted | Kept::ThirtyDays => {}
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit() -> HashMap<String, String> {
        [
            ("min.insync.replicas", "2"),
            ("unclean.leader.election.enable", "false"),
            ("max.message.bytes", "1000"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
            ("message.timestamp.type", "LogAppendTime"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    fn spec() -> TopicSpec {
        TopicSpec { name: "t".into(), partitions: 8, kept: Kept::Work, max_message_bytes: 1_000 }
    }

    #[test]
    fn a_fit_topic_draws_no_complaint_and_each_flaw_draws_one() {
        assert_eq!(complaints_about(&spec(), 8, 3, &fit()), Vec::<String>::new());
        assert_eq!(complaints_about(&spec(), 7, 3, &fit()).len(), 1);
        assert_eq!(complaints_about(&spec(), 8, 2, &fit()).len(), 1);
        for (key, value) in [
            ("min.insync.replicas", "1"),
            ("unclean.leader.election.enable", "true"),
            ("max.message.bytes", "999"),
            ("retention.ms", "604800000"),
            ("retention.bytes", "1"),
            ("message.timestamp.type", "CreateTime"),
        ] {
            let mut flawed = fit();
            flawed.insert(key.to_owned(), value.to_owned());
            assert_eq!(complaints_about(&spec(), 8, 3, &flawed).len(), 1, "{key}={value}");
        }
    }
}
