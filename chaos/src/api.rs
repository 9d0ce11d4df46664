//! Configuration over HTTP: makes the cast's subscriptions and changes them while work waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use hyper::Method;
use pipeline::ids::SubscriptionId;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cast::{Contract, Member};
use crate::client::{Answer, Client};
use crate::evidence::Subscribed;
use crate::fault::Change;
use crate::receiver::Address;

const JSON: (&str, &str) = ("content-type", "application/json");
/// A change waits for a gateway and for PostgreSQL this long.
const PATIENCE: Duration = Duration::from_secs(120);
const TRY_AGAIN: Duration = Duration::from_millis(300);
/// As long as a run: the old key goes on signing.
const OVERLAP_SECONDS: u32 = 86_400;

/// The gateways, and what was made over them.
pub struct Api {
    client: Client,
    gateways: Vec<String>,
    next: AtomicUsize,
    subscribed: Mutex<Vec<(Subscribed, Address)>>,
}

impl Api {
    pub fn new(client: Client, gateways: Vec<String>) -> Self {
        Self { client, gateways, next: AtomicUsize::new(0), subscribed: Mutex::default() }
    }

    /// Makes a subscription; its place is the number of those before it.
    ///
    /// # Errors
    /// It is refused, or nobody answers in time.
    pub async fn subscribe(&self, member: Member, address: Address) -> anyhow::Result<()> {
        let mut body = json!({
            "target_url": address.url("/hooks"),
            "event_types": &member.event_types,
        });
        let path = match member.contract {
            Contract::A => {
                body["secret"] = json!(member.secret);
                "/subscriptions/"
            }
            Contract::Own => {
                body["signing"] = json!({ "secret": member.secret });
                "/v1/subscriptions"
            }
        };
        let made = self.until_taken(Method::POST, path, &body).await?.json();
        let id = made["id"].as_str().context("read the new subscription's id")?;
        let id: SubscriptionId = id.parse().context("read the new subscription's id")?;
        let path = format!("/v1/subscriptions/{id}");
        self.until_taken(Method::PATCH, &path, &member.own_fields()).await?;
        address.belongs_to(id);
        let secrets = vec![member.secret.clone()];
        let subscribed = Subscribed { id, member, secrets, deleted: false };
        self.all().push((subscribed, address));
        Ok(())
    }

    /// Changes the subscription at this place, and waits until that is done.
    ///
    /// # Errors
    /// As [`Api::subscribe`].
    pub async fn change(&self, place: usize, change: Change) -> anyhow::Result<()> {
        let (id, address) = {
            let mut all = self.all();
            let (subscribed, address) = all.get_mut(place).context("find the subscription")?;
            // Before it is, for it may be and the answer be lost.
            subscribed.deleted |= change == Change::Delete;
            (subscribed.id, address.clone())
        };
        let path = format!("/v1/subscriptions/{id}");
        match change {
            Change::Pause(lasts) => {
                self.until_taken(Method::POST, &format!("{path}/pause"), &json!({})).await?;
                tokio::time::sleep(lasts).await;
                self.until_taken(Method::POST, &format!("{path}/resume"), &json!({})).await?;
            }
            Change::Move => {
                let moved = json!({ "target_url": address.url("/moved") });
                self.until_taken(Method::PATCH, &path, &moved).await?;
            }
            Change::Rotate => {
                let overlap = json!({ "overlap_seconds": OVERLAP_SECONDS });
                let path = format!("{path}/rotate-secret");
                let rotated = self.until_taken(Method::POST, &path, &overlap).await?.json();
                let secret = rotated["signing_secret"].as_str().map(str::to_owned);
                if let Some((subscribed, _)) = self.all().get_mut(place) {
                    subscribed.secrets.extend(secret);
                }
            }
            Change::Delete => {
                self.until_taken(Method::DELETE, &path, &Value::Null).await?;
            }
        }
        Ok(())
    }

    /// Makes every receiver a good one.
    pub fn mend_receivers(&self) {
        self.all().iter().for_each(|(_, address)| address.mend());
    }

    /// Resumes what is paused, for whatever reason.
    ///
    /// # Errors
    /// As [`Api::subscribe`].
    pub async fn resume_all(&self) -> anyhow::Result<()> {
        let ids: Vec<SubscriptionId> = {
            let all = self.all();
            all.iter().filter(|(s, _)| !s.deleted).map(|(subscribed, _)| subscribed.id).collect()
        };
        for id in ids {
            let path = format!("/v1/subscriptions/{id}/resume");
            self.until_taken(Method::POST, &path, &json!({})).await?;
        }
        Ok(())
    }

    /// Resumes what a 410 has paused, if anybody answers.
    pub async fn welcome_back(&self) {
        let path = "/v1/subscriptions?limit=100";
        let Some(answer) = self.once(Method::GET, path, &Value::Null).await else { return };
        let listed = answer.json();
        for subscription in listed["data"].as_array().into_iter().flatten() {
            if let (Some("gone"), Some(id)) =
                (subscription["paused"].as_str(), subscription["id"].as_str())
            {
                let path = format!("/v1/subscriptions/{id}/resume");
                self.once(Method::POST, &path, &json!({})).await;
            }
        }
    }

    /// Everything that was made, as the oracle knows it.
    pub fn subscribed(&self) -> Vec<Subscribed> {
        self.all().iter().map(|(subscribed, _)| subscribed.clone()).collect()
    }

    /// A gateway's address, each in turn.
    pub fn gateway(&self) -> &str {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        &self.gateways[turn % self.gateways.len()]
    }

    async fn until_taken(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.once(method.clone(), path, body).await {
                Some(answer) if answer.status < 300 => return Ok(answer),
                // A try whose answer was lost has deleted it.
                Some(answer) if answer.status == 404 && method == Method::DELETE => {
                    return Ok(answer);
                }
                Some(answer) if answer.status < 500 => {
                    let said = String::from_utf8_lossy(&answer.body);
                    bail!("{method} {path} was refused with {}: {said}", answer.status);
                }
                _ if Instant::now() > deadline => bail!("nobody took {method} {path}"),
                _ => tokio::time::sleep(TRY_AGAIN).await,
            }
        }
    }

    async fn once(&self, method: Method, path: &str, body: &Value) -> Option<Answer> {
        let url = format!("{}{path}", self.gateway());
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.client.send(method, &url, &[JSON], body).await
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<(Subscribed, Address)>> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
