//! What to paste after `up`: two lines that send a signed event through the whole pipeline.

use std::net::SocketAddr;

/// The text that `up` prints when everything is ready.
pub fn text(api: SocketAddr) -> String {
    format!(
        r#"
API        http://{api}/

a receiver, in another terminal:  ./dev listen --secret demo-secret
then paste these two lines: create a subscription, send it a signed event

ID=$(curl -sS -X POST http://{api}/subscriptions/ -H 'Content-Type: application/json' -d '{{"target_url":"http://127.0.0.1:9000/","secret":"demo-secret"}}' | sed -E 's/.*"id":"([^"]+)".*/\1/'); echo "subscription $ID"
BODY='{{"event_type":"demo.hello","payload":{{"hello":"world"}}}}'; curl -sS -X POST "http://{api}/ingest/$ID" -H 'Content-Type: application/json' -H "X-Hub-Signature-256: sha256=$(printf %s "$BODY" | openssl dgst -sha256 -hmac demo-secret | sed 's/^.*= *//')" --data-binary "$BODY"; echo
"#
    )
}
