//! A place in the running stack that belongs to one test.

use database::DatabaseSettings;
use kafka_loop::record::Record;
use kafka_loop::{KafkaSettings, topic_reader};
use settings::Environment;
use tokio_postgres::NoTls;

const KAFKA: &str = "HOOKLOG_TEST_KAFKA";
const POSTGRES: &str = "HOOKLOG_TEST_DATABASE_URL";
const NO_STACK: &str = "this test needs real Kafka and PostgreSQL: run ./dev test";

/// A topic prefix and a migrated database of a test's own.
#[derive(Debug, Clone)]
pub struct TestBed {
    kafka: String,
    prefix: String,
    database_url: String,
}

impl TestBed {
    /// Makes a place in the stack that `./dev test` runs.
    pub async fn start(name: &str) -> Self {
        let kafka = std::env::var(KAFKA).expect(NO_STACK);
        let postgres = std::env::var(POSTGRES).expect(NO_STACK);
        Self::start_on(name, &kafka, &postgres).await
    }

    /// Makes a place in another stack; `postgres` is the URL of any database of a superuser.
    pub async fn start_on(name: &str, kafka: &str, postgres: &str) -> Self {
        let unique = format!("{}_{}", name.replace('-', "_"), uuid::Uuid::new_v4().simple());
        let admin = connect(postgres).await;
        admin.batch_execute(&format!("CREATE DATABASE {unique}")).await.expect("create database");
        let (server, _) = postgres.rsplit_once('/').expect("a database URL ends with /name");
        let bed = Self {
            kafka: kafka.to_owned(),
            prefix: format!("{name}-{}.", &unique[unique.len() - 12..]),
            database_url: format!("{server}/{unique}"),
        };
        let database = DatabaseSettings::from_environment(&bed.environment(&[])).unwrap();
        database::migrate(&database).await.expect("migrate the test's database");
        bed
    }

    /// The variables that point a process at this place; listeners get free ports, and
    /// receivers on loopback are allowed.
    pub fn variables(&self, given: &[(&str, &str)]) -> Vec<(String, String)> {
        let listen = crate::free_address().to_string();
        let ops = crate::free_address().to_string();
        let own = [
            ("HOOKLOG_KAFKA_BROKERS", self.kafka.as_str()),
            ("HOOKLOG_TOPIC_PREFIX", &self.prefix),
            ("DATABASE_URL", &self.database_url),
            ("HOOKLOG_LISTEN", &listen),
            ("HOOKLOG_OPS_LISTEN", &ops),
            ("HOOKLOG_EGRESS_ALLOW", "127.0.0.0/8"),
            // Few topics, for each one costs the broker time.
            ("HOOKLOG_PARTITIONS", "2"),
            ("HOOKLOG_RETRY_TIERS", "250ms,1s,2s,10s"),
        ];
        let pairs = own.iter().chain(given);
        pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The settings that [`TestBed::variables`] make; a later value hides an earlier one.
    pub fn environment(&self, given: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(self.variables(given)).unwrap()
    }

    /// How this place's topics are reached.
    pub fn kafka(&self) -> KafkaSettings {
        KafkaSettings::from_environment(&self.environment(&[])).unwrap()
    }

    /// A connection to this place's database.
    pub async fn postgres(&self) -> tokio_postgres::Client {
        connect(&self.database_url).await
    }

    /// Everything that is in a topic now.
    pub async fn records(&self, topic: &str) -> Vec<Record> {
        let (kafka, topic) = (self.kafka(), topic.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let mut records = Vec::new();
            topic_reader::read_to_end(&kafka, &topic, |record| records.push(record))
                .map(|()| records)
        });
        read.await.unwrap().expect("read the topic")
    }
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect(NO_STACK);
    // It ends with its client.
    tokio::spawn(connection);
    client
}
