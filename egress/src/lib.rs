//! The only module that opens outbound sockets to subscribers, and the policy for them.
//!
//! Owns SECURITY.md, section 1: which URLs a subscription may name ([`EgressPolicy::judge_url`],
//! at creation), which socket addresses are dialled (the same policy again, for every new
//! connection, on the very address), and how one delivery attempt is sent and its answer read
//! ([`EgressClient::post`]).
//!
//! Promises: an address that the policy denies never gets a packet; one denied answer rejects
//! a whole name; no redirect is followed, no proxy is used, no retry is made behind the
//! caller's back; an attempt ends within its deadline, body included, in bounded memory.
//!
//! It deliberately knows nothing of deliveries, signatures and retries: it gets headers and
//! bytes, and says what came back. Never build a client per request: [`EgressClient`] is the
//! one pool of a process and clones cheaply.
//!
//! | file | concept |
//! |---|---|
//! | `address_policy` | which addresses are public |
//! | `target_url` | what every target's URL must look like |
//! | `rules`, `policy` | what the operator adds to that, and the verdicts |
//! | `local_address` | whether an address is this machine's |
//! | `resolver` | names become vetted addresses |
//! | `client` | one attempt |
//! | `error` | why an attempt failed |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod address_policy;
mod client;
mod error;
mod local_address;
mod policy;
mod resolver;
mod rules;
mod target_url;

pub use client::{ClientLimits, EgressBuildError, EgressClient, Response};
pub use error::{FailureKind, RequestFailure};
pub use policy::{AddressDenial, EgressPolicy};
pub use rules::{AllowEntry, AllowEntryError, EgressRules, Nat64Prefix, Nat64PrefixError};
pub use target_url::{TargetUrl, UrlRejection};
