//! Migrations against a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use database::DatabaseSettings;
use settings::Environment;
use test_bed::TestBed;

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_migrate_at_once_and_again_leave_one_schema() {
    let bed = TestBed::start("migration").await;
    let server = bed.postgres().await;
    let own: String = server.query_one("SELECT current_database()", &[]).await.unwrap().get(0);
    let empty = format!("{own}_empty");
    server.batch_execute(&format!("CREATE DATABASE {empty}")).await.unwrap();
    let variables = bed.variables(&[]).into_iter().map(|(name, value)| {
        let value = if name == "DATABASE_URL" { value.replace(&own, &empty) } else { value };
        (name, value)
    });
    let environment = Environment::from_pairs(variables).unwrap();
    let database = DatabaseSettings::from_environment(&environment).unwrap();

    let at_once: Vec<_> = (0..6)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move { database::migrate(&database).await })
        })
        .collect();
    for migrated in at_once {
        migrated.await.unwrap().unwrap();
    }
    database::migrate(&database).await.unwrap();

    let client = database::pool(&database).unwrap().get().await.unwrap();
    let applied = "SELECT count(*), count(DISTINCT version) FROM refinery_schema_history";
    let row = client.query_one(applied, &[]).await.unwrap();
    assert!(row.get::<_, i64>(0) >= 1);
    assert_eq!(row.get::<_, i64>(0), row.get::<_, i64>(1));
    client.query("SELECT FROM deliveries", &[]).await.unwrap();
}
