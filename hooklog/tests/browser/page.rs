//! The page as a person meets it: by labels, words and keys.

use std::sync::Mutex;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use test_bed::eventually;

use crate::driver::{Browser, Element, Refused};

/// How long something may take to appear.
pub const SOON: Duration = Duration::from_secs(20);

/// What a dialog covers is not there for anybody.
const FIND: &str = "
    const visible = (element) => element.checkVisibility() && !element.disabled;
    const dialogs = [...document.querySelectorAll('dialog[open]')];
    const place = dialogs.at(-1) ?? document.body;
    const named = (element) => (element.getAttribute('aria-label') ?? element.textContent).trim();
";

/// Which of the themes that a system can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

impl Theme {
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Browser {
    /// Goes to an address.
    pub async fn open(&self, url: &str) {
        self.command(Method::POST, "/url", json!({ "url": url })).await.expect("open a page");
    }

    /// Gives the window a size in CSS pixels and the system a theme, without motion.
    pub async fn look(&self, width: u32, height: u64, theme: Theme) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!([
            { "name": "prefers-color-scheme", "value": theme.name() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Clicks on the button or link with this text or name, as soon as there is one.
    pub async fn click(&self, text: &str) {
        let find = format!(
            "{FIND} return [...place.querySelectorAll('button, a, summary')]
                .find((one) => visible(one) && named(one) === arguments[0]) ?? null;"
        );
        self.act(text, &find, |element| async move { self.click_on(&element).await }).await;
    }

    /// Chooses what is shown with this text beside a radio button or a check box.
    pub async fn pick(&self, text: &str) {
        let find = format!(
            "{FIND} return [...place.querySelectorAll('label:has(input)')]
                .find((one) => visible(one) && named(one) === arguments[0]) ?? null;"
        );
        self.act(text, &find, |element| async move { self.click_on(&element).await }).await;
    }

    /// Replaces what is in the field with this label.
    pub async fn fill(&self, label: &str, text: &str) {
        let find = format!(
            "{FIND} const label = [...place.querySelectorAll('label[for]')]
                .find((one) => visible(one) && named(one) === arguments[0]);
            const field = label && document.getElementById(label.htmlFor);
            field?.select?.();
            return field ?? null;"
        );
        self.act(label, &find, |element| async move { self.type_into(&element, text).await }).await;
    }

    /// Waits until this text can be read, in the foremost dialog if there is one.
    pub async fn shows(&self, text: &str) {
        let body = format!("{FIND} return place.innerText.includes(arguments[0]);");
        self.until(text, &body, json!([text])).await;
    }

    /// Waits until the page's heading is this.
    pub async fn is_at(&self, heading: &str) {
        let body = "return document.querySelector('h1')?.textContent === arguments[0];";
        self.until(heading, body, json!([heading])).await;
    }

    /// Waits until nothing is being loaded any more.
    pub async fn is_complete(&self) {
        let body = "return document.querySelector('h1') !== null
            && document.querySelector('.skeleton') === null;";
        self.until("a page without skeletons", body, json!([])).await;
    }

    /// Waits until a function returns true; panics with what the page says instead.
    pub async fn until(&self, what: &str, body: &str, arguments: Value) {
        let looked = tokio::time::timeout(SOON, async {
            eventually(SOON * 2, || async {
                (self.script(body, arguments.clone()).await == true).then_some(())
            })
            .await;
        });
        if looked.await.is_err() {
            let page = self.text().await;
            panic!("not within {SOON:?}: {what}; the page says: {page}");
        }
    }

    /// What can be read on the page.
    pub async fn text(&self) -> String {
        let text = self.script("return document.body.innerText;", json!([])).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    async fn act<F: Future<Output = Result<(), Refused>>>(
        &self,
        what: &str,
        find: &str,
        act: impl Fn(Element) -> F,
    ) {
        let refusal = Mutex::new(None);
        let acted = tokio::time::timeout(SOON, async {
            eventually(SOON * 2, || async {
                let element = self.element(find, json!([what])).await?;
                act(element).await.map_err(|refused| *refusal.lock().unwrap() = Some(refused)).ok()
            })
            .await;
        });
        if acted.await.is_err() {
            let page = self.text().await;
            let refusal = refusal.into_inner().unwrap();
            panic!(
                "not to be found or not to be used ({refusal:?}): {what}; the page says: {page}"
            );
        }
    }

    /// Presses keys one after the other.
    pub async fn press(&self, keys: &str) {
        let down_and_up = |key: char| {
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let actions: Vec<Value> = keys.chars().flat_map(down_and_up).collect();
        let body = json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] });
        self.command(Method::POST, "/actions", body).await.expect("press keys");
    }
}
