//! Every page at a desk's and a phone's width, in light and in dark: nothing is to be scrolled
//! sideways, everything has a name, every text can be read, and the browser has no complaint.
//!
//! `./dev screenshots` keeps a picture of each.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use serde_json::{Value, json};
use test_bed::{Receiver, TestBed, eventually};

use crate::driver::Browser;
use crate::page::Theme;
use crate::running::Hooklog;

/// Where pictures go, if anywhere.
const FOLDER: &str = "HOOKLOG_SCREENSHOTS";
const WIDTHS: [u32; 2] = [1_440, 390];
const HEIGHT: u64 = 900;
/// A breaker may open before the last attempt of a delivery.
const BREAKER: Duration = Duration::from_secs(60);
const RULES: &str = include_str!("rules.js");

#[tokio::test(flavor = "multi_thread")]
async fn every_page_can_be_read_and_used_at_every_width_in_both_themes() {
    let Some(browser) = Browser::start().await else { return };
    let bed = TestBed::start("pages").await;
    let settings = [("CELERY_MAX_RETRIES", "2"), ("CELERY_BASE_RETRY_DELAY_SECONDS", "1")];
    let hooklog = Hooklog::start(&bed, &settings).await;
    let pages = Pages::with_traffic(&hooklog).await;
    for width in WIDTHS {
        for theme in [Theme::Light, Theme::Dark] {
            for (name, route) in &pages.routes {
                browser.look(width, HEIGHT, theme).await;
                browser.open("about:blank").await;
                browser.open(&format!("{}/{route}", hooklog.base)).await;
                browser.is_complete().await;
                let broken = browser.script(RULES, json!([])).await;
                let place = format!("{name} at {width} pixels in {}", theme.name());
                assert_eq!(broken, json!([]), "{place}");
                browser
                    .keep_picture(&format!("{name}-{width}-{}", theme.name()), width, theme)
                    .await;
            }
        }
    }
    browser.is_content().await;
}

impl Browser {
    /// The whole page, however long.
    async fn keep_picture(&self, name: &str, width: u32, theme: Theme) {
        let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
        let height = self.script("return document.documentElement.scrollHeight;", json!([])).await;
        self.look(width, height.as_u64().unwrap_or(HEIGHT).max(HEIGHT), theme).await;
        let picture = self.command(Method::GET, "/screenshot", Value::Null).await;
        let picture = picture.expect("a picture");
        let bytes = BASE64_STANDARD.decode(picture.as_str().expect("base64")).expect("base64");
        std::fs::create_dir_all(&folder).expect("make the folder for pictures");
        std::fs::write(folder.join(format!("{name}.png")), bytes).expect("write a picture");
    }
}

/// Every page, with something on it.
struct Pages {
    routes: Vec<(&'static str, String)>,
    _receivers: [Receiver; 2],
}

impl Pages {
    async fn with_traffic(hooklog: &Hooklog) -> Self {
        let good = Receiver::start(|_| 200).await;
        let bad = Receiver::start(
            |call| if call.path == "/flaky" && call.number > 1 { 200 } else { 503 },
        );
        let bad = bad.await;
        let shop =
            subscribe(hooklog, &good.url("/hooks/orders"), "Shop orders", &["order.*"]).await;
        subscribe(hooklog, &good.url("/ingest"), "CRM sync", &["customer.created", "order.paid"])
            .await;
        let billing = subscribe(
            hooklog,
            &bad.url("/v2/webhooks/hooklog?tenant=eu-central"),
            "Billing",
            &["invoice.*"],
        )
        .await;
        subscribe(hooklog, &bad.url("/flaky"), "Search index", &["product.*"]).await;
        let paused = subscribe(
            hooklog,
            &good.url("/partner/with/a/rather/long/path/that/goes/on"),
            "",
            &["order.created"],
        )
        .await;
        let url = format!("{}/v1/subscriptions/{paused}/pause", hooklog.base);
        assert_eq!(hooklog.http.post(&url, &[], "").await.status, 200);

        let types = [
            "order.created",
            "order.paid",
            "invoice.finalized",
            "customer.created",
            "product.price_changed",
        ];
        let event = |number: usize| {
            let order = json!({ "id": format!("ord_{}", 8_000 + number), "amount": 249.5, "customer": { "name": "Zo\u{eb}", "vip": true } });
            json!({ "event_type": types[number % types.len()], "data": order }).to_string()
        };
        let batch: Vec<String> = (0..100).map(event).collect();
        let url = format!("{}/v1/events", hooklog.base);
        let sent = hooklog
            .http
            .post(&url, &[("content-type", "application/x-ndjson")], batch.join("\n"))
            .await;
        assert_eq!(sent.status, 202, "{sent:?}");
        let failed = "status=dead_lettered&limit=1&subscription_id=";
        let failed = first_delivery(hooklog, &format!("{failed}{billing}")).await;
        let delivered =
            first_delivery(hooklog, &format!("status=delivered&limit=1&subscription_id={shop}"))
                .await;
        let routes = vec![
            ("overview", "#/".to_owned()),
            ("subscriptions", "#/subscriptions".to_owned()),
            ("subscription", format!("#/subscriptions/{billing}")),
            ("subscription-edit", format!("#/subscriptions/{shop}/edit")),
            ("subscription-new", "#/subscriptions/new".to_owned()),
            ("deliveries", "#/deliveries".to_owned()),
            ("deliveries-none", "#/deliveries?event_type=nothing".to_owned()),
            ("delivery-failed", format!("#/deliveries/{failed}")),
            ("delivery", format!("#/deliveries/{delivered}")),
            ("replays", "#/replays".to_owned()),
            ("replay-new", "#/replays/new".to_owned()),
            ("send", "#/send".to_owned()),
            ("send-publish", "#/send?form=publish".to_owned()),
            ("send-lookup", "#/send?form=lookup".to_owned()),
            ("settings", "#/settings".to_owned()),
            ("nowhere", "#/nowhere".to_owned()),
        ];
        Self { routes, _receivers: [good, bad] }
    }
}

async fn subscribe(hooklog: &Hooklog, target: &str, name: &str, types: &[&str]) -> String {
    let description = if name.is_empty() { Value::Null } else { json!(name) };
    let body = json!({ "target_url": target, "description": description, "event_types": types, "labels": { "stage": "prod" } });
    let url = format!("{}/v1/subscriptions", hooklog.base);
    let made =
        hooklog.http.post(&url, &[("content-type", "application/json")], body.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["id"].as_str().expect("an id").to_owned()
}

/// The id of the first delivery that fits, once there is one.
async fn first_delivery(hooklog: &Hooklog, query: &str) -> String {
    let url = format!("{}/v1/deliveries?{query}", hooklog.base);
    eventually(BREAKER, || async {
        let page = hooklog.http.get(&url).await.json();
        page["data"][0]["id"].as_str().map(str::to_owned)
    })
    .await
}
