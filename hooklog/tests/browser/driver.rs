//! A headless Chromium through its driver, by the WebDriver protocol
//! (<https://www.w3.org/TR/webdriver2/>) and what chromedriver adds to it.
//!
//! A client of our own, for the known ones bring reqwest or licences that `deny.toml` keeps out,
//! and the few commands that are needed here are JSON over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use test_bed::{Http, eventually, free_address};

/// How long Chromium may take until it is there.
const START: Duration = Duration::from_secs(60);
/// How long it may take to go away.
const END: Duration = Duration::from_secs(10);
/// Where the protocol puts an element's reference (section 12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const ARGUMENTS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--lang=en",
];

/// One browser with one window; it ends when it is dropped.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    http: Http,
    session: String,
}

/// A command that the driver refused: the code of the error, and its text.
#[derive(Debug)]
#[expect(dead_code, reason = "for the words of a panic")]
pub struct Refused {
    code: String,
    text: String,
}

/// An element of the page that is shown.
#[derive(Debug, Clone)]
pub struct Element(String);

impl Browser {
    /// Starts one; `None` if none is installed.
    ///
    /// # Panics
    /// None is installed, and this is CI.
    pub async fn start() -> Option<Self> {
        let address = free_address();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={}", address.port()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(driver) = driver else {
            let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!in_ci, "CI needs chromium and chromium-driver");
            let said = "not tested: no chromedriver (Debian: chromium and chromium-driver)";
            let _ = writeln!(std::io::stderr(), "{said}");
            return None;
        };
        let mut browser = Self { driver, address, http: Http::default(), session: String::new() };
        eventually(START, || async {
            let ready = browser.send(Method::GET, "/status", Value::Null).await.ok()?;
            (ready["ready"] == true).then_some(())
        })
        .await;
        let wanted = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": ARGUMENTS },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": wanted } });
        let made = browser.send(Method::POST, "/session", wanted).await.expect("start Chromium");
        let id = made["sessionId"].as_str().expect("a session has an id");
        browser.session = format!("/session/{id}");
        Some(browser)
    }

    /// A command of the session.
    ///
    /// # Errors
    /// The driver refuses it.
    pub async fn command(&self, method: Method, path: &str, body: Value) -> Result<Value, Refused> {
        self.send(method, &format!("{}{path}", self.session), body).await
    }

    /// A command that only Chromium knows.
    pub async fn devtools(&self, name: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": name, "params": parameters });
        let answer = self.command(Method::POST, "/goog/cdp/execute", body).await;
        answer.unwrap_or_else(|refused| panic!("{name}: {refused:?}"))
    }

    /// Runs the body of a function in the page and returns what it returns.
    pub async fn script(&self, body: &str, arguments: Value) -> Value {
        let command = json!({ "script": body, "args": arguments });
        let answer = self.command(Method::POST, "/execute/sync", command).await;
        answer.unwrap_or_else(|refused| panic!("{refused:?} in {body}"))
    }

    /// The element that the body of a function returns, if it returns one.
    pub async fn element(&self, body: &str, arguments: Value) -> Option<Element> {
        let found = self.script(body, arguments).await;
        found[ELEMENT].as_str().map(|id| Element(id.to_owned()))
    }

    /// Clicks on the middle of an element, as a person would.
    ///
    /// # Errors
    /// It is gone, or something else is in front of it.
    pub async fn click_on(&self, Element(id): &Element) -> Result<(), Refused> {
        self.command(Method::POST, &format!("/element/{id}/click"), json!({})).await.map(drop)
    }

    /// Types into an element.
    ///
    /// # Errors
    /// It is gone, or cannot be typed into.
    pub async fn type_into(&self, Element(id): &Element, text: &str) -> Result<(), Refused> {
        let body = json!({ "text": text });
        self.command(Method::POST, &format!("/element/{id}/value"), body).await.map(drop)
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value, Refused> {
        let url = format!("http://{}{path}", self.address);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("content-type", "application/json")];
        let Some(answer) = self.http.try_send(method, &url, &headers, body).await else {
            return Err(Refused { code: "no answer".to_owned(), text: path.to_owned() });
        };
        let value = answer.json()["value"].take();
        if answer.status == 200 {
            return Ok(value);
        }
        let part = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Err(Refused { code: part("error"), text: part("message") })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends Chromium only if it is asked to.
        let _ = end_session(self.address, &self.session);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Without a runtime, for there is none in a drop.
fn end_session(address: SocketAddr, session: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, END)?;
    stream.set_read_timeout(Some(END))?;
    write!(stream, "DELETE {session} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}
