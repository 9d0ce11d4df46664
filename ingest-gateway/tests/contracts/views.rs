//! The views that dashboards read, and the counts that they rest on (`migrations/V5__views.sql`).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use test_bed::TestBed;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

const VIEWS: [&str; 6] = [
    "delivery_overview",
    "delivery_tasks",
    "failure_reasons",
    "subscription_health",
    "throughput_per_minute",
    "webhooks",
];
const READER: &str = "hooklog_reader";
const VIEWS_SQL: &str = include_str!("../../../migrations/V5__views.sql");
const QUESTIONS: &str = include_str!("../../../docs/dashboard-questions.sql");
const TOPIC: &str = "hooklog.outcomes";

/// Deliveries in every state, accepted in the last minutes.
async fn add_deliveries(postgres: &Client, count: i32) {
    let sql = "SELECT create_delivery_partitions((now() AT TIME ZONE 'UTC')::date - days) \
               FROM generate_series(0, 1) AS days";
    postgres.batch_execute(sql).await.unwrap();
    let sql = "INSERT INTO deliveries (id, accepted_at, subscription_id, message_id, event_type, \
                   content_type, payload, state, release, state_attempt, attempts, \
                   last_http_status, last_error) \
               SELECT gen_random_uuid(), now() - n * interval '1 second', gen_random_uuid(), \
                   gen_random_uuid(), 'order.created', 'application/json', \
                   convert_to('{\"n\": ' || n || '}', 'UTF8'), \
                   (ARRAY['pending', 'retrying', 'delivered', 'dead_lettered', 'cancelled'])[1 + n % 5], \
                   0, 1, 1, 500, NULL \
               FROM generate_series(0, $1::int - 1) AS n";
    postgres.execute(sql, &[&count]).await.unwrap();
}

async fn number(postgres: &Client, sql: &str) -> i64 {
    postgres.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_of_the_views_are_what_they_were() {
    let bed = TestBed::start("views").await;
    let postgres = bed.postgres().await;
    let sql = "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) \
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
               WHERE c.relkind = 'v' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 \
               ORDER BY c.relname, a.attnum";
    let mut written = String::new();
    for row in postgres.query(sql, &[]).await.unwrap() {
        let [view, column, of_type] = [0, 1, 2].map(|index| row.get::<_, String>(index));
        writeln!(written, "{view}.{column} {of_type}").unwrap();
    }
    insta::assert_snapshot!(written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_reads_the_views_and_nothing_else() {
    let bed = TestBed::start("views-reader").await;
    let postgres = bed.postgres().await;
    add_deliveries(&postgres, 5).await;
    let sql = "SELECT relname FROM pg_class \
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')";
    let rows = postgres.query(sql, &[]).await.unwrap();
    let relations: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(relations.len() > 15 && relations.iter().any(|name| name == "subscriptions"));
    postgres.batch_execute(&format!("SET ROLE {READER}")).await.unwrap();
    for name in relations {
        let read = postgres.query(&format!("SELECT * FROM public.{name}"), &[]).await;
        if VIEWS.contains(&name.as_str()) {
            read.unwrap_or_else(|error| panic!("{name}: {error}"));
        } else {
            let code = read.err().and_then(|error| error.code().cloned());
            assert_eq!(code, Some(SqlState::INSUFFICIENT_PRIVILEGE), "{name}");
        }
    }
    for sql in [
        "DELETE FROM webhooks",
        "UPDATE delivery_overview SET attempts = 0",
        "SELECT trim_rollups(now())",
        "SELECT roll_up_calls(0, 0, 1)",
        "CREATE TABLE mine (id int)",
    ] {
        let code = postgres.batch_execute(sql).await.err().and_then(|error| error.code().cloned());
        let refused =
            [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE];
        assert!(code.as_ref().is_some_and(|code| refused.contains(code)), "{sql}: {code:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_make_roles_migrates_all_the_same() {
    let bed = TestBed::start("views-plain").await;
    let postgres = bed.postgres().await;
    let name = format!("plain_{}", Uuid::new_v4().simple());
    let make = format!(
        "CREATE ROLE {name} NOLOGIN; CREATE SCHEMA {name} AUTHORIZATION {name}; \
         SET ROLE {name}; SET search_path = {name}"
    );
    postgres.batch_execute(&make).await.unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut files: Vec<(u32, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let stem = path.file_stem()?.to_str()?.strip_prefix('V')?.split_once("__")?.0;
            Some((stem.parse().ok()?, fs::read_to_string(&path).unwrap()))
        })
        .collect();
    files.sort();
    // A role that is there already would be used: this one is not, and cannot be made.
    let missing = format!("missing_{}", Uuid::new_v4().simple());
    for (version, sql) in files {
        let sql = sql.replace(READER, &missing);
        let done = postgres.batch_execute(&sql).await;
        done.unwrap_or_else(|error| panic!("V{version}: {error:?}"));
    }
    assert_eq!(number(&postgres, "SELECT count(*) FROM webhooks").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_services_views_use_their_words() {
    let bed = TestBed::start("views-compat").await;
    let postgres = bed.postgres().await;
    add_deliveries(&postgres, 5).await;
    let sql = "UPDATE deliveries SET payload = '\\xff' WHERE state = 'cancelled'";
    postgres.execute(sql, &[]).await.unwrap();
    let sql = "SELECT d.state, w.status, t.status, w.payload ->> 'n', t.last_error, \
                   w.ingested_at = d.accepted_at AND t.created_at = d.accepted_at \
               FROM deliveries d JOIN webhooks w USING (id) JOIN delivery_tasks t USING (id) \
               ORDER BY d.accepted_at DESC";
    let rows = postgres.query(sql, &[]).await.unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            assert!(row.get::<_, bool>(5));
            let texts = [0, 1, 2].map(|index| row.get::<_, String>(index));
            (texts, row.get::<_, Option<String>>(3), row.get::<_, Option<String>>(4))
        })
        .collect();
    let meant = [
        (["pending", "queued", "pending"], Some("0"), Some("HTTP 500")),
        (["retrying", "queued", "retrying"], Some("1"), Some("HTTP 500")),
        (["delivered", "succeeded", "succeeded"], Some("2"), None),
        (["dead_lettered", "failed", "failed"], Some("3"), Some("HTTP 500")),
        (["cancelled", "failed", "failed"], None, Some("HTTP 500")),
    ];
    let meant = meant.map(|(words, payload, error)| {
        (words.map(str::to_owned), payload.map(str::to_owned), error.map(str::to_owned))
    });
    assert_eq!(told, meant);
}

#[tokio::test(flavor = "multi_thread")]
async fn acceptances_are_counted_without_waiting_for_others() {
    let bed = TestBed::start("views-accepted").await;
    let (slow, quick) = (bed.postgres().await, bed.postgres().await);
    add_deliveries(&slow, 5).await;
    slow.batch_execute("BEGIN").await.unwrap();
    add_deliveries_only(&slow).await;
    let other = add_deliveries_only(&quick);
    tokio::time::timeout(Duration::from_secs(10), other).await.expect("it does not wait");
    slow.batch_execute("COMMIT").await.unwrap();
    // One that is there already is not accepted again.
    let again = "INSERT INTO deliveries SELECT * FROM deliveries \
                 ON CONFLICT (id, accepted_at) DO UPDATE SET attempts = 9";
    quick.execute(again, &[]).await.unwrap();
    let accepted = "SELECT sum(accepted)::bigint FROM throughput_per_minute";
    assert_eq!(number(&quick, accepted).await, 5 + 2 * 3);
}

async fn add_deliveries_only(postgres: &Client) {
    let sql = "INSERT INTO deliveries (id, accepted_at, subscription_id, message_id, state, \
                   release, state_attempt) \
               SELECT gen_random_uuid(), now(), gen_random_uuid(), gen_random_uuid(), 'pending', 0, 0 \
               FROM generate_series(1, 3)";
    postgres.execute(sql, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_counts_once_however_the_log_is_cut() {
    let bed = TestBed::start("views-roll-up").await;
    let postgres = bed.postgres().await;
    add_deliveries(&postgres, 1).await;
    // Thirty subscriptions, some of which fail for long; offsets with gaps.
    let sql = "INSERT INTO delivery_attempts (outcome_partition, outcome_offset, accepted_at, \
                   delivery_id, subscription_id, attempt, succeeded, state, target_url, \
                   http_status, error_kind, latency_micros, response_excerpt, \
                   response_truncated, attempted_at) \
               SELECT s % 3, n * 2, now(), gen_random_uuid(), md5(s::text)::uuid, 1, good, \
                   CASE WHEN good THEN 'delivered' ELSE 'retrying' END, '', \
                   CASE WHEN good THEN 200 WHEN n % 2 = 0 THEN 500 END, \
                   CASE WHEN good THEN NULL WHEN n % 2 = 0 THEN 'http_status' ELSE 'dns' END, \
                   n * 37, '', false, now() - (3000 - n) * interval '1 second' \
               FROM (SELECT n, n * 7 % 30 AS s, n * 7 % 30 > 20 AND n % 5 > 0 OR n % 11 > 5 AS good \
                   FROM generate_series(0, 2999) AS n) AS drawn";
    postgres.execute(sql, &[]).await.unwrap();
    let note = "INSERT INTO projector_offsets SELECT 'hooklog.outcomes', p, $1::bigint \
                FROM generate_series(0, 2) AS p \
                ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset";
    for (next_offset, batch) in [(100_i64, 1_i64), (1_000, 7), (1_001, 100), (6_000, 333)] {
        postgres.execute(note, &[&next_offset]).await.unwrap();
        let roll_up = "SELECT roll_up($1, $2)";
        while postgres.query_one(roll_up, &[&TOPIC, &batch]).await.unwrap().get(0) {}
        let counted = "SELECT sum(attempts)::bigint FROM attempt_minutes";
        let told = "SELECT count(*) FROM delivery_attempts WHERE outcome_offset < \
                    (SELECT min(next_offset) FROM projector_offsets)";
        assert_eq!(number(&postgres, counted).await, number(&postgres, told).await);
    }
    let slices = "SELECT slice_at, subscription_id, attempts, succeeded, trailing_failures, \
                      trailing_since, last_attempt_at, last_success_at FROM subscription_slices";
    let meant = "SELECT slice_at, subscription_id, count(*), count(*) FILTER (WHERE succeeded), \
                     count(*) FILTER (WHERE outcome_offset > last_good), \
                     min(attempted_at) FILTER (WHERE outcome_offset > last_good), \
                     max(attempted_at), max(attempted_at) FILTER (WHERE succeeded) \
                 FROM (SELECT *, COALESCE(max(outcome_offset) FILTER (WHERE succeeded) \
                         OVER (PARTITION BY subscription_id, slice_at), -1) AS last_good \
                     FROM (SELECT *, date_bin('5 minutes', attempted_at, 'epoch') AS slice_at \
                         FROM delivery_attempts) AS told) AS placed \
                 GROUP BY slice_at, subscription_id";
    for (one, other) in [(slices, meant), (meant, slices)] {
        let more = format!("SELECT count(*) FROM ({one} EXCEPT {other}) AS more");
        assert_eq!(number(&postgres, &more).await, 0);
    }
    let failures = "SELECT sum(failures)::bigint FROM failure_slices";
    let failed = "SELECT count(*) FROM delivery_attempts WHERE NOT succeeded";
    assert_eq!(number(&postgres, failures).await, number(&postgres, failed).await);

    postgres.execute("SELECT trim_rollups(now() + interval '1 hour')", &[]).await.unwrap();
    assert_eq!(number(&postgres, "SELECT count(*) FROM subscription_slices").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_can_be_made_again_over_tables_that_have_taken_the_place_of_others() {
    let bed = TestBed::start("views-again").await;
    let postgres = bed.postgres().await;
    add_deliveries(&postgres, 10).await;
    let swap = "CREATE SCHEMA old; \
         ALTER TABLE deliveries SET SCHEMA old; ALTER TABLE delivery_attempts SET SCHEMA old; \
         CREATE TABLE deliveries (LIKE old.deliveries INCLUDING ALL) PARTITION BY RANGE (accepted_at); \
         CREATE TABLE delivery_attempts (LIKE old.delivery_attempts INCLUDING ALL) \
             PARTITION BY RANGE (accepted_at); \
         CREATE TABLE all_deliveries PARTITION OF deliveries DEFAULT; \
         INSERT INTO deliveries SELECT * FROM old.deliveries LIMIT 7";
    postgres.batch_execute(swap).await.unwrap();
    let rows = "SELECT count(*) FROM delivery_overview";
    assert_eq!(number(&postgres, rows).await, 10);
    for _ in 0..2 {
        postgres.batch_execute(VIEWS_SQL).await.unwrap();
        assert_eq!(number(&postgres, rows).await, 7);
        let accepted = "SELECT sum(accepted)::bigint FROM throughput_per_minute";
        assert_eq!(number(&postgres, accepted).await, 7);
    }
    postgres.batch_execute("DROP SCHEMA old CASCADE").await.unwrap();
    assert_eq!(number(&postgres, rows).await, 7);
    postgres.batch_execute(&format!("SET ROLE {READER}")).await.unwrap();
    assert_eq!(number(&postgres, rows).await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_type_of_any_length_can_be_kept() {
    let bed = TestBed::start("views-type").await;
    let postgres = bed.postgres().await;
    add_deliveries(&postgres, 5).await;
    let longest = "\u{1F980}".repeat(1_024);
    let sql = "UPDATE deliveries SET event_type = $1";
    assert_eq!(postgres.execute(sql, &[&longest]).await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_question_can_be_asked_and_stands_in_the_document() {
    let bed = TestBed::start("views-questions").await;
    let postgres = bed.postgres().await;
    add_deliveries(&postgres, 50).await;
    let document = include_str!("../../../docs/dashboards.md");
    let questions: Vec<_> = QUESTIONS.split("-- question: ").skip(1).collect();
    assert!(questions.len() >= 15);
    for question in questions {
        let (name, sql) = question.split_once('\n').unwrap();
        postgres.query(sql.trim().trim_end_matches(';'), &[]).await.expect(name);
        assert!(document.contains(&format!("| {name} |")), "{name} is not in docs/dashboards.md");
    }
    for view in VIEWS {
        let columns =
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0";
        for row in postgres.query(columns, &[&view]).await.unwrap() {
            let column: String = row.get(0);
            let section = document.split(&format!("## `{view}`")).nth(1).expect(view);
            let section = section.split("\n## ").next().unwrap();
            assert!(section.contains(&format!("`{column}`")), "{view}.{column} is not documented");
        }
    }
}
