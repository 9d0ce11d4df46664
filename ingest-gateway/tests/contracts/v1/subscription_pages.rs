//! The list.

use std::collections::BTreeSet;

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::json;

use super::own_subscription::{PATH, create, path, problem};
use crate::running::Running;

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_through_the_pages_meets_each_one_once_whatever_comes_and_goes_meanwhile() {
    let gateway = Running::start("v1-pages", &[]).await;
    let created = join_all((0..120).map(|_| create(&gateway, json!({})))).await;
    let all: BTreeSet<String> = created.iter().map(path).collect();
    assert_eq!(all.len(), 120);

    let first = gateway.get(&format!("{PATH}?limit=7")).await.json();
    let mut seen: Vec<String> = first["data"].as_array().unwrap().iter().map(path).collect();
    let mut cursor = first["next_cursor"].as_str().map(str::to_owned);
    let mut deleted = BTreeSet::new();
    while let Some(at) = cursor {
        // One that was seen goes, one that was not goes, and a new one comes.
        let behind = seen.iter().find(|path| !deleted.contains(*path)).unwrap().clone();
        let ahead = all.iter().find(|path| !seen.contains(path) && !deleted.contains(*path));
        for path in ahead.cloned().into_iter().chain([behind]) {
            assert_eq!(gateway.send(Method::DELETE, &path, "").await.status, 204);
            deleted.insert(path);
        }
        if deleted.len() < 10 {
            create(&gateway, json!({})).await;
        }
        let page = gateway.get(&format!("{PATH}/?limit=7&cursor={at}")).await.json();
        seen.extend(page["data"].as_array().unwrap().iter().map(path));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
    }
    let distinct: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "none is met twice");
    assert!(all.difference(&deleted).all(|path| distinct.contains(path)), "none is left out");

    let default = gateway.get(PATH).await.json();
    assert_eq!(default["data"].as_array().unwrap().len(), 50);
    for query in ["limit=0", "limit=101", "cursor=x"] {
        let (status, _) = problem(&gateway.get(&format!("{PATH}?{query}")).await);
        assert_eq!(status, 400, "{query}");
    }
    gateway.stop().await;
}
