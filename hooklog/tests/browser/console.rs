//! What the browser complains of.

use http::Method;
use serde_json::{Value, json};

use crate::driver::Browser;

impl Browser {
    /// Every warning and error since this was asked last.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.command(Method::POST, "/se/log", json!({ "type": "browser" })).await;
        let entries = log.expect("read the console");
        let loud = |entry: &&Value| entry["level"] != "INFO" && entry["level"] != "DEBUG";
        let all = entries.as_array().expect("a list").iter().filter(loud);
        all.filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect()
    }

    /// Nothing was complained of.
    pub async fn is_content(&self) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}
