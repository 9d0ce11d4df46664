//! What comes from outside is text, and the page's policy holds where a mistake would not.

use serde_json::json;
use test_bed::{Receiver, TestBed, eventually};

use crate::driver::Browser;
use crate::page::SOON;
use crate::running::Hooklog;

const HOSTILE: &str = "<img src=x onerror=\"window.owned=1\"><script>window.owned=2</script>";
const OWNED: &str = "return [window.owned ?? null,
    document.querySelectorAll('main img, main script, main iframe').length];";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_producers_and_operators_write_is_shown_as_text() {
    let Some(browser) = Browser::start().await else { return };
    let bed = TestBed::start("hostile").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 200).await;
    let json_type = ("content-type", "application/json");
    let subscription = json!({
        "target_url": receiver.url("/<b>hostile</b>"), "description": HOSTILE,
        "event_types": ["*"], "labels": { "x": HOSTILE },
    });
    let url = format!("{}/v1/subscriptions", hooklog.base);
    let made = hooklog.http.post(&url, &[json_type], subscription.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let event = json!({ "event_type": HOSTILE, "data": { "x": HOSTILE } }).to_string();
    let url = format!("{}/v1/events", hooklog.base);
    assert_eq!(hooklog.http.post(&url, &[json_type], event).await.status, 202);
    eventually(SOON, || async { (receiver.count() == 1).then_some(()) }).await;

    let delivery = receiver.calls()[0].webhook_id();
    let id = made.json()["id"].as_str().unwrap().to_owned();
    for (route, shown) in [
        ("#/deliveries".to_owned(), HOSTILE),
        (format!("#/deliveries/{delivery}"), "<script>window.owned=2</script>\"\n}"),
        ("#/subscriptions".to_owned(), HOSTILE),
        (format!("#/subscriptions/{id}"), HOSTILE),
        (format!("#/deliveries?event_type={HOSTILE}"), "Event type"),
        (format!("#/{HOSTILE}"), "There is no such page"),
    ] {
        browser.open("about:blank").await;
        browser.open(&format!("{}/{route}", hooklog.base)).await;
        browser.is_complete().await;
        browser.shows(shown).await;
        assert_eq!(browser.script(OWNED, json!([])).await, json!([null, 0]), "{route}");
    }
    browser.is_content().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_stops_what_a_mistake_would_let_in() {
    let Some(browser) = Browser::start().await else { return };
    let bed = TestBed::start("policy").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let elsewhere = Receiver::start(|_| 200).await;
    browser.open(&format!("{}/#/settings", hooklog.base)).await;
    browser.is_at("Settings").await;
    browser.is_content().await;
    let attack = "
        const script = document.createElement('script');
        script.textContent = 'window.owned = 1';
        const image = document.createElement('div');
        image.innerHTML = '<img src=x onerror=\"window.owned=2\"><b style=\"color:red\">b</b>';
        document.querySelector('main').append(script, image);
        fetch(arguments[0]).catch(() => {});
        window.open(arguments[0]);
        return null;";
    browser.script(attack, json!([elsewhere.url("/stolen")])).await;
    let complaint = |complaints: Vec<String>| complaints.join("\n");
    let mut said = String::new();
    for directive in ["script-src", "connect-src", "style-src"] {
        while !said.contains(directive) {
            said += &complaint(browser.complaints().await);
            let open = browser.script("return window.owned ?? null;", json!([])).await;
            assert!(open.is_null(), "the policy let a script in");
        }
    }
    assert!(elsewhere.calls().iter().all(|call| call.header("origin").is_empty()));
}
