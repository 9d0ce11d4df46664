//! What a process shows of itself after it has worked, and whether the dashboard and the alert
//! rules find it there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::Method;
use metrics::Kind;
use metrics::registry::families;
use serde_json::{Value, json};
use test_bed::{Http, Receiver, TestBed, eventually, free_address};

use crate::running::Hooklog;

const SOON: Duration = Duration::from_secs(40);
const SECRET: &str = "your_secure_secret_key";
/// One retry after a second.
const QUICK_RETRIES: [(&str, &str); 2] =
    [("CELERY_MAX_RETRIES", "2"), ("CELERY_BASE_RETRY_DELAY_SECONDS", "1")];
const BODY: &str = r#"{"payload":{"canary":"must-not-be-seen"}}"#;

/// A page in Prometheus' text format, version 0.0.4: series by name and labels as they stand.
struct Scraped {
    types: BTreeMap<String, String>,
    helps: BTreeMap<String, String>,
    series: BTreeMap<String, f64>,
}

impl Scraped {
    fn parse(text: &str) -> Self {
        let mut page =
            Self { types: BTreeMap::new(), helps: BTreeMap::new(), series: BTreeMap::new() };
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').unwrap();
                assert!(page.helps.insert(name.to_owned(), text.to_owned()).is_none(), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(page.types.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line}");
                assert!(!series.contains('{') || series.ends_with("\"}"), "{line}");
                let value: f64 = value.parse().unwrap();
                assert!(page.series.insert(series.to_owned(), value).is_none(), "{line}");
            }
        }
        page
    }

    fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("no series {series}"))
    }
}

/// What the test has done, as the counters must have it in the end.
const COUNTED: [(&str, f64); 16] = [
    ("hooklog_ingest_requests_total{answer=\"accepted\",contract=\"a\"}", 6.0),
    ("hooklog_ingest_requests_total{answer=\"unauthorized\",contract=\"a\"}", 1.0),
    ("hooklog_ingest_requests_total{answer=\"not_found\",contract=\"a\"}", 1.0),
    ("hooklog_ingest_requests_total{answer=\"accepted\",contract=\"v1\"}", 1.0),
    ("hooklog_ingest_requests_total{answer=\"accepted\",contract=\"b\"}", 0.0),
    ("hooklog_events_total{decision=\"accepted\"}", 6.0),
    ("hooklog_events_total{decision=\"filtered_by_type\"}", 1.0),
    ("hooklog_front_door_events_total{end=\"fanned_out\"}", 1.0),
    ("hooklog_front_door_deliveries_total", 1.0),
    ("hooklog_calls_total{end=\"2xx\"}", 5.0),
    ("hooklog_calls_total{end=\"5xx\"}", 3.0),
    ("hooklog_call_seconds_count", 8.0),
    ("hooklog_deliveries_ended_total{state=\"delivered\"}", 5.0),
    ("hooklog_deliveries_ended_total{state=\"dead_lettered\"}", 1.0),
    ("hooklog_dead_letters_total{reason=\"exhausted\"}", 1.0),
    ("hooklog_retries_scheduled_total", 2.0),
];

/// Three deliveries that succeed at once, one that succeeds at its second call and one that never
/// does; an event that its subscription's filter does not want, and two requests that are refused;
/// and one event for all, which comes through the front door and succeeds.
async fn work(hooklog: &Hooklog, receiver: &Receiver) {
    let well = hooklog.subscribe(&receiver.url("/well"), Some(SECRET)).await;
    for _ in 0..3 {
        hooklog.ingest(&well, Some(SECRET), BODY).await;
    }
    let wrong = hooklog.try_ingest(&well, Some("another"), BODY).await.unwrap();
    assert_eq!(wrong.status, 403);
    let nobody = "00000000-0000-4000-8000-000000000000";
    assert_eq!(hooklog.try_ingest(nobody, None, BODY).await.unwrap().status, 404);
    for path in ["/second", "/never"] {
        let subscription = hooklog.subscribe(&receiver.url(path), None).await;
        hooklog.ingest(&subscription, None, BODY).await;
    }
    let json = [("content-type", "application/json")];
    let choosy = json!({
        "target_url": receiver.url("/well"), "event_types": ["order.created"],
    });
    let url = format!("{}/subscriptions/", hooklog.base);
    let choosy = hooklog.http.post(&url, &json, choosy.to_string()).await.json();
    let choosy = choosy["id"].as_str().unwrap();
    let other = r#"{"event_type":"order.deleted","payload":{}}"#;
    assert_eq!(hooklog.try_ingest(choosy, None, other).await.unwrap().status, 202);
    // One for all: the front door makes a delivery for the one whose filter names its type.
    delete_all_but(hooklog, choosy).await;
    let event = [("content-type", "application/json"), ("x-event-type", "order.created")];
    let answer = hooklog.http.post(&format!("{}/v1/events", hooklog.base), &event, "{}").await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// Deletes what would also take an event for all, once its deliveries have ended.
async fn delete_all_but(hooklog: &Hooklog, kept: &str) {
    eventually(SOON, || async {
        let page = hooklog.scrape().await;
        let ended = |state| {
            let series = format!("hooklog_deliveries_ended_total{{state=\"{state}\"}}");
            page.series.get(&series).copied()
        };
        (ended("delivered") == Some(4.0) && ended("dead_lettered") == Some(1.0)).then_some(())
    })
    .await;
    let url = format!("{}/subscriptions/", hooklog.base);
    let all = hooklog.http.get(&url).await.json();
    for subscription in all.as_array().unwrap() {
        let id = subscription["id"].as_str().unwrap();
        if id != kept {
            assert_eq!(hooklog.http.delete(&format!("{url}{id}")).await.status, 204);
        }
    }
}

impl Hooklog {
    async fn scrape(&self) -> Scraped {
        let answer = self.http.get(&self.operations("/metrics")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], metrics::CONTENT_TYPE);
        Scraped::parse(std::str::from_utf8(&answer.body).unwrap())
    }
}

fn receiver_script(path: &str, number: usize) -> u16 {
    match path {
        "/second" if number == 1 => 500,
        "/never" => 503,
        _ => 200,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_counts_what_has_happened_and_shows_every_metric_of_the_registry() {
    let bed = TestBed::start("metrics").await;
    let hooklog = Hooklog::start(&bed, &QUICK_RETRIES).await;
    let receiver = Receiver::start(|call| receiver_script(&call.path, call.number)).await;
    work(&hooklog, &receiver).await;

    let page = eventually(SOON, || async {
        let page = hooklog.scrape().await;
        let topics = bed.kafka().topics;
        let lag = |reader: &str, topic: String| {
            let labels = format!("{{loop=\"{reader}\",topic=\"{topic}\"}}");
            page.value(&format!("hooklog_consumer_lag_records{labels}"))
        };
        let is_at_rest = page.value("hooklog_deliveries_ended_total{state=\"delivered\"}") == 5.0
            && page.value("hooklog_calls_in_flight") == 0.0
            && page.value("hooklog_lanes{state=\"all\"}") == 4.0
            && page.value("hooklog_consumer_unfinished_records{loop=\"delivery-consumer\"}") == 0.0
            && page.value("hooklog_projection_oldest_unprojected_seconds") == 0.0
            && lag("delivery-consumer", topics.deliveries()) == 0.0
            && page.value("hooklog_janitor_last_round_timestamp_seconds") > 0.0
            && page.value("hooklog_projection_lag_looked_timestamp_seconds") > 0.0;
        is_at_rest.then_some(page)
    })
    .await;

    for (series, expected) in COUNTED {
        assert_eq!(page.value(series), expected, "{series}");
    }
    let sum_of = |family: &str| -> f64 {
        let of = |(series, _): &(&String, &f64)| series.split('{').next() == Some(family);
        page.series.iter().filter(of).map(|(_, value)| value).sum()
    };
    // 6 deliveries, 1 event, 2 retries and their releases; each call and each state is told.
    assert!(sum_of("hooklog_produce_seconds_count") >= 6.0 + 1.0 + 4.0 + 8.0);
    assert_eq!(sum_of("hooklog_produce_queue_bytes"), 0.0);
    assert_eq!(sum_of("hooklog_produce_queue_records"), 0.0);
    assert_eq!(sum_of("hooklog_role_ready"), 4.0);
    assert!(page.value("hooklog_releases_total{queue=\"retries\",to=\"deliveries\"}") >= 2.0);
    assert!(page.value("hooklog_release_late_seconds_count{queue=\"retries\"}") >= 2.0);
    assert!(page.value("hooklog_projector_records_total") >= 8.0 + 8.0);
    assert!(sum_of("hooklog_consumer_partitions") > 0.0);
    assert!(page.value("process_resident_memory_bytes") > 1e6);

    // Every metric is there, as the registry has it, and nothing else is.
    let known: BTreeMap<&str, _> = families().map(|family| (family.name, family)).collect();
    for (name, family) in &known {
        assert_eq!(page.types.get(*name).map(String::as_str), Some(family.kind.as_str()), "{name}");
        assert_eq!(page.helps.get(*name).map(String::as_str), Some(family.doc), "{name}");
    }
    assert_eq!(page.types.len(), known.len());
    for series in page.series.keys() {
        let name = series.split('{').next().unwrap();
        let family = known.iter().find(|(family, known)| match known.kind {
            Kind::Histogram(_) => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|end| name.strip_suffix(end) == Some(**family)),
            _ => name == **family,
        });
        assert!(family.is_some(), "{series}");
    }
    // SECURITY.md: nothing of a payload, a secret or a receiver is in a label.
    let all: String = page.series.keys().map(String::as_str).collect();
    for canary in ["canary", SECRET, "127.0.0.1", "http", "order."] {
        assert!(!all.contains(canary), "{canary}");
    }
}

/// A Prometheus that scrapes one process every second; it is killed when it is dropped.
struct Prometheus {
    child: Child,
    base: String,
    http: Http,
    _files: tempfile::TempDir,
}

impl Prometheus {
    /// `None` if there is none on this machine (`HOOKLOG_PROMETHEUS`, or `prometheus` in the path).
    fn start(target: &str) -> Option<Self> {
        let program = std::env::var("HOOKLOG_PROMETHEUS").unwrap_or("prometheus".to_owned());
        let files = tempfile::tempdir().unwrap();
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/prometheus/alerts.yml");
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [
                {"job_name": "hooklog", "static_configs": [{"targets": [target]}]}
            ],
        });
        // JSON is YAML.
        let config_file = files.path().join("prometheus.yml");
        std::fs::write(&config_file, config.to_string()).unwrap();
        let address = free_address();
        let child = Command::new(program)
            .arg(format!("--config.file={}", config_file.display()))
            .arg(format!("--storage.tsdb.path={}", files.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .spawn()
            .ok()?;
        let (base, http) = (format!("http://{address}"), Http::default());
        Some(Self { child, base, http, _files: files })
    }

    /// What a query comes to now; `None` if nobody answers yet.
    ///
    /// # Panics
    /// If Prometheus refuses the query.
    async fn query(&self, query: &str) -> Option<Vec<Value>> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let url = format!("{}/api/v1/query?query={encoded}", self.base);
        let answer = self.http.try_send(Method::GET, &url, &[], "").await?;
        if answer.status == 503 {
            return None;
        }
        let answer = answer.json();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        Some(answer["data"]["result"].as_array().unwrap().clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_answers_every_query_of_the_dashboard_and_evaluates_every_rule() {
    let bed = TestBed::start("promql").await;
    let hooklog = Hooklog::start(&bed, &QUICK_RETRIES).await;
    let target = hooklog.operations("");
    let Some(prometheus) = Prometheus::start(target.trim_start_matches("http://")) else {
        let said = writeln!(std::io::stderr(), "no prometheus: its queries are parsed only");
        return said.unwrap();
    };
    let receiver = Receiver::start(|call| receiver_script(&call.path, call.number)).await;
    work(&hooklog, &receiver).await;

    let dashboard = include_str!("../../../docs/grafana/hooklog.json");
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut left: BTreeSet<String> = targets
        .map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "1m"))
        .collect();
    assert!(left.len() > 40);
    // Each has an answer as soon as there are two scrapes.
    for query in std::mem::take(&mut left) {
        eventually(SOON, || async {
            let answer = prometheus.query(&query).await?;
            (!answer.is_empty()).then_some(())
        })
        .await;
    }

    let rules = eventually(SOON, || async {
        let url = format!("{}/api/v1/rules", prometheus.base);
        let answer = prometheus.http.try_send(Method::GET, &url, &[], "").await?;
        let rules = answer.json()["data"]["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    })
    .await;
    assert!(rules.len() > 10);
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        // Nothing is wrong with this installation.
        assert_ne!(rule["state"], "firing", "{rule}");
    }
}
