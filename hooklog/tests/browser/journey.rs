//! What an operator does: create, send, see it arrive, see one fail and why, repair.

use test_bed::{Receiver, TestBed, eventually};

use crate::driver::Browser;
use crate::page::{SOON, Theme};
use crate::running::Hooklog;

const TWO_ATTEMPTS: [(&str, &str); 2] =
    [("CELERY_MAX_RETRIES", "2"), ("CELERY_BASE_RETRY_DELAY_SECONDS", "1")];

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delivery_is_found_and_shows_why_it_failed() {
    let Some(browser) = Browser::start().await else { return };
    let bed = TestBed::start("failed").await;
    let hooklog = Hooklog::start(&bed, &TWO_ATTEMPTS).await;
    let receiver = Receiver::start(|_| 500).await;
    let subscription = hooklog.subscribe(&receiver.url("/broken"), None).await;

    browser.look(1_440, 900, Theme::Dark).await;
    browser.open(&format!("{}/#/send?form=publish", hooklog.base)).await;
    browser.fill("Event type", "order.lost").await;
    browser.click("Publish").await;
    browser.shows("Accepted for 1 subscription.").await;
    eventually(SOON, || async { (receiver.count() == 2).then_some(()) }).await;

    browser.click("Deliveries").await;
    browser.pick("Dead letter").await;
    browser.fill("Event type", "order.lost").await;
    browser.click("order.lost").await;
    for text in ["Dead letter", "every attempt failed", "1. HTTP 500", "2. HTTP 500"] {
        browser.shows(text).await;
    }
    assert_eq!(receiver.calls()[0].webhook_id(), receiver.calls()[1].webhook_id());
    browser.open(&format!("{}/#/deliveries?status=delivered", hooklog.base)).await;
    browser.shows("Nothing matches").await;
    browser.open(&format!("{}/#/subscriptions/{subscription}", hooklog.base)).await;
    browser.shows("/broken").await;
    browser.click("Pause").await;
    browser.click("Resume").await;
    browser.click("Send test").await;
    browser.is_at("hooklog.test").await;
}
