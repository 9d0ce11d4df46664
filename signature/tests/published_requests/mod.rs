//! Requests that their presets accept, as the providers publish them. The tests of this crate
//! and those of the routes include this file.

/// A request that is accepted, at the time at which it was signed.
pub struct Request {
    pub preset: &'static str,
    pub secret: &'static str,
    /// The signature's first.
    pub headers: Vec<(&'static str, String)>,
    pub body: &'static [u8],
    /// In seconds; 0 where the scheme has no time.
    pub signed_at: i64,
}

/// Docs of GitHub, "Validating webhook deliveries".
pub fn github() -> Request {
    let digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    Request {
        preset: r#"{"preset":"github"}"#,
        secret: "It's a Secret to Everybody",
        headers: vec![("x-hub-signature-256", format!("sha256={digest}"))],
        body: b"Hello, World!",
        signed_at: 0,
    }
}

/// stripe-dotnet, `StripeEventUtilityTest`: header, secret and body, the `v0` included.
pub fn stripe() -> Request {
    let v1 = "dca14f723dfa3bf47a310c3d6c3aff8bdb2534263d051dd2613ece097b8bdea4";
    let v0 = "63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef";
    Request {
        preset: r#"{"preset":"stripe"}"#,
        secret: "whsec_H68eTX02a4bCbiQOOoSAsIytOvuWZrQC",
        headers: vec![("stripe-signature", format!("t=1493329224,v1={v1},v0={v0}"))],
        body: include_bytes!("stripe_event.json"),
        signed_at: 1_493_329_224,
    }
}

/// Shopify publishes none. This one is of SQLPage's tests, and `openssl dgst -sha256 -hmac`
/// gives the same.
pub fn shopify() -> Request {
    let signature = "QNyObTlKbMx2qDlPF/ZOZcBqg5OgPg+2oky3zldc0Gw=";
    Request {
        preset: r#"{"preset":"shopify"}"#,
        secret: "test-webhook-secret",
        headers: vec![("x-shopify-hmac-sha256", signature.to_owned())],
        body: br#"{"id":1234567890,"email":"customer@example.com","total_price":"123.45"}"#,
        signed_at: 0,
    }
}

/// Docs of Slack, "Verifying requests from Slack".
pub fn slack() -> Request {
    let digest = "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    Request {
        preset: r#"{"preset":"slack"}"#,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        headers: vec![
            ("x-slack-signature", format!("v0={digest}")),
            ("x-slack-request-timestamp", "1531420618".to_owned()),
        ],
        body: b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&\
            channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&\
            command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2F\
            commands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=\
            398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        signed_at: 1_531_420_618,
    }
}

/// SECURITY.md, section 2; Svix's documentation has the same.
pub fn standard_webhooks() -> Request {
    let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    Request {
        preset: r#"{"preset":"standard_webhooks"}"#,
        secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        headers: vec![
            ("webhook-signature", signature.to_owned()),
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()),
            ("webhook-timestamp", "1614265330".to_owned()),
        ],
        body: br#"{"test": 2432232314}"#,
        signed_at: 1_614_265_330,
    }
}

/// The seeds' vector of API.md, with the header's name changed.
pub fn hub() -> Request {
    let digest = "3396f2b35a246984a0e61d668d25c60a727603fe496b17cb217112a5d2ff722f";
    Request {
        preset: r#"{"preset":"hub","header":"X-Seed-Signature"}"#,
        secret: "your_secure_secret_key",
        headers: vec![("x-seed-signature", format!("sha256={digest}"))],
        body: br#"{"event_type":"user.created","payload":{"action":"created","timestamp":"...","user_id":123}}"#,
        signed_at: 0,
    }
}

/// RFC 2202, section 3, test case 2.
pub fn generic_over_the_body() -> Request {
    let digest = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
    Request {
        preset: r#"{"preset":"generic","algorithm":"sha1","header":"X-Sig","prefix":"sha1="}"#,
        secret: "Jefe",
        headers: vec![("x-sig", format!("sha1={digest}"))],
        body: b"what do ya want for nothing?",
        signed_at: 0,
    }
}

/// Computed with `openssl dgst -sha512 -hmac 'generic key' -binary | base64`.
pub fn generic_with_a_timestamp() -> Request {
    let signature =
        "UJXdPyZkVTKCF0dGNblgYGRSZt84qTn8JZLYBBJf+S8KCnv4K07HNUUpsI9k3GqkWOCcPpcdFCWHKJOul8Tmbw==";
    Request {
        preset: r#"{"preset":"generic","algorithm":"sha512","encoding":"base64",
            "header":"X-Sig","timestamp_header":"X-Time","tolerance_seconds":10}"#,
        secret: "generic key",
        headers: vec![("x-sig", signature.to_owned()), ("x-time", "1614265330".to_owned())],
        body: br#"{"test": 2432232314}"#,
        signed_at: 1_614_265_330,
    }
}

pub fn every_request() -> [Request; 8] {
    [
        github(),
        stripe(),
        shopify(),
        slack(),
        standard_webhooks(),
        hub(),
        generic_over_the_body(),
        generic_with_a_timestamp(),
    ]
}
