//! Everything without a pointer, and one always sees where one is.

use serde_json::json;
use test_bed::{Receiver, TestBed};

use crate::driver::Browser;
use crate::running::Hooklog;

// The protocol's code points for keys (section 15.4.2).
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
/// No page has more stops than this.
const STOPS: usize = 60;

/// What has the focus: its name, and whether something shows it.
const FOCUS: &str = "
    const element = document.activeElement;
    const shown = element.matches('input[type=radio], input[type=checkbox]')
        ? element.nextElementSibling ?? element : element;
    const label = element.labels?.[0]?.textContent;
    return {
        name: (element.getAttribute('aria-label') ?? label ?? element.textContent).trim(),
        seen: getComputedStyle(shown).outlineStyle !== 'none',
        body: element === document.body,
    };";

impl Browser {
    /// Presses the tab key until what has this name has the focus.
    async fn tab_to(&self, name: &str) {
        for _ in 0..STOPS {
            self.press(TAB).await;
            let focus = self.script(FOCUS, json!([])).await;
            assert!(focus["body"] == true || focus["seen"] == true, "{focus} cannot be seen");
            if focus["name"] == name {
                return;
            }
        }
        panic!("no way to {name} by the tab key: {}", self.text().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_created_paused_and_deleted_with_the_keyboard_alone() {
    let Some(browser) = Browser::start().await else { return };
    let bed = TestBed::start("keyboard").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 200).await;

    browser.open(&format!("{}/#/subscriptions", hooklog.base)).await;
    browser.shows("No subscriptions yet").await;
    browser.tab_to("Skip to the page").await;
    browser.press(ENTER).await;
    browser.tab_to("Create a subscription").await;
    browser.press(ENTER).await;
    browser.is_at("New subscription").await;
    let heading = "return document.activeElement === document.querySelector('h1');";
    assert_eq!(browser.script(heading, json!([])).await, true);
    browser.tab_to("Target URL").await;
    browser.press(&receiver.url("/keys")).await;
    browser.tab_to("Description").await;
    browser.press("Keys").await;
    browser.tab_to("Create").await;
    browser.press(ENTER).await;
    browser.shows("The signing secret").await;
    browser.tab_to("I have stored it").await;
    browser.press(ENTER).await;
    browser.is_at("Keys").await;

    browser.tab_to("Pause").await;
    browser.press(ENTER).await;
    browser.shows("Paused").await;
    // The page is drawn again with what is possible now.
    browser.shows("Resume").await;
    browser.tab_to("Delete").await;
    browser.press(ENTER).await;
    browser.shows("Delete this subscription?").await;
    browser.press(ESCAPE).await;
    let closed = "return document.querySelector('dialog[open]') === null;";
    browser.until("the dialog is closed", closed, json!([])).await;
    let back = browser.script(FOCUS, json!([])).await;
    assert_eq!(back["name"], "Delete");
    browser.press(ENTER).await;
    browser.shows("Delete this subscription?").await;
    browser.tab_to("Type delete to confirm").await;
    browser.press("delete").await;
    browser.press(ENTER).await;
    browser.shows("No subscriptions yet").await;
    browser.is_content().await;
}
