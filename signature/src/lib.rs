//! Checks the signatures that come in and makes those that go out.
//!
//! Owns the wire rules of `X-Hub-Signature-256` ([`hub`]), of the providers that may send to an
//! ingest URL ([`inbound`]), of Standard Webhooks `v1` with a
//! shared secret ([`standard`]) and `v1a` with an ed25519 key pair ([`key_pair`]), and what a
//! secret's text means ([`secret`]). Owns the form of a JSON body that the first seed signs
//! ([`canonical_json`]).
//!
//! Promises: a comparison with a signature takes the same time wherever the two differ, every
//! active secret is tried whatever the first ones said, and no key is ever printed: `Debug`
//! of everything here that holds a key says so and no more.
//!
//! Pure: no I/O, no clock, no randomness of its own. The time and random bytes are arguments.
//! It deliberately does not know which secrets are active, nor how an HTTP answer looks.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod canonical_json;
pub mod hub;
pub mod inbound;
pub mod key_pair;
mod replay_window;
pub mod secret;
pub mod standard;

pub use canonical_json::{CanonicalError, canonical};
pub use hub::{HubRejection, sign_hub, verify_hub};
pub use inbound::preset::Preset;
pub use inbound::{InboundRejection, Verifier};
pub use key_pair::{KeyPairError, PublicKey, SigningKey};
pub use secret::{Secret, SecretError, generate_secret};
pub use standard::{
    StandardHeaders, StandardRejection, sign_standard, sign_standard_with_key_pair,
    verify_standard, verify_standard_with_public_key,
};
