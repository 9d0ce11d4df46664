//! Who may depend on whom, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand};

const ROLES: [&str; 4] =
    ["ingest-gateway", "delivery-consumer", "retry-scheduler", "status-projector"];
const PURE: [&str; 3] = ["pipeline", "signature", "settings"];

/// Each package of the workspace with the names of what it is built from.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .features(CargoOpt::AllFeatures)
        .no_deps()
        .exec()
        .expect("read the workspace with cargo metadata");
    metadata
        .packages
        .into_iter()
        .map(|package| {
            let normal = package.dependencies.into_iter();
            let normal = normal.filter(|dependency| dependency.kind == DependencyKind::Normal);
            (package.name.to_string(), normal.map(|dependency| dependency.name).collect())
        })
        .collect()
}

#[test]
fn roles_do_not_depend_on_each_other() {
    let all = dependencies();
    for role in ROLES {
        for other in ROLES {
            assert!(!all[role].contains(other), "{role} depends on {other}");
        }
    }
}

#[test]
fn pure_crates_do_no_io() {
    let all = dependencies();
    for pure in PURE {
        for io in ["rdkafka", "tokio", "tokio-postgres", "reqwest", "kafka-loop", "database"] {
            assert!(!all[pure].contains(io), "{pure} depends on {io}");
        }
    }
}

#[test]
fn librdkafka_is_reached_through_kafka_loop_alone() {
    let users: Vec<String> = dependencies()
        .into_iter()
        .filter(|(_, names)| names.contains("rdkafka"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(users, ["kafka-loop"]);
}

#[test]
fn outbound_http_is_reached_through_egress_alone() {
    let users: Vec<String> = dependencies()
        .into_iter()
        .filter(|(_, names)| names.contains("reqwest"))
        .map(|(name, _)| name)
        .collect();
    // hooklog's operator commands call the one URL that whoever runs them gives, and no receiver:
    // `hooklog_itself_uses_its_http_client_in_its_command_line_alone`. local-stack downloads Kafka
    // and PostgreSQL for developers. No role links either.
    assert_eq!(users, ["egress", "hooklog", "local-stack"]);
}

#[test]
fn hooklog_itself_uses_its_http_client_in_its_command_line_alone() {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../hooklog/src");
    let mut users = BTreeSet::new();
    let mut folders = vec![PathBuf::from(sources)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("list the sources") {
            let path = entry.expect("list the sources").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && fs::read_to_string(&path).expect("read a source").contains("reqwest::")
            {
                let user = path.strip_prefix(sources).expect("it is below").to_owned();
                users.insert(user.display().to_string());
            }
        }
    }
    let builds_a_client = "cli/client.rs";
    assert!(users.contains(builds_a_client), "{users:?}");
    assert!(users.iter().all(|user| user.starts_with("cli/")), "{users:?}");
}
