//! Answers by idempotency key, so that a repeat gets the answer that its first one got.
//!
//! A convenience of this process and not what keeps a repeat from being delivered twice: the ids
//! of a keyed event are derived, and the consumer suppresses what it has seen. So nothing is lost
//! with this cache, and gateways need not share it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use sha2::{Digest as _, Sha256};

use crate::v1::publish::{NotPublished, Published};

/// What a keyed event costs here beside its key and the ids in its answer, in bytes.
const ENTRY_BYTES: usize = 400;
const BYTES_PER_DELIVERY: usize = 40;

/// A producer's name for one event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct IdempotencyKey(String);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to {} visible ASCII characters", IdempotencyKey::MAX_LENGTH)]
pub(crate) struct NotAKey;

impl IdempotencyKey {
    pub(crate) const MAX_LENGTH: usize = 255;

    /// # Errors
    /// It is empty, too long, or has other characters.
    pub(crate) fn new(text: &str) -> Result<Self, NotAKey> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len());
        let is_visible = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        (fits && is_visible).then(|| Self(text.to_owned())).ok_or(NotAKey)
    }

    /// The key of the item at `index` of a batch that has this key as a whole.
    pub(crate) fn of_item(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What was published under a key: a hash of the type and the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyHash([u8; 32]);

impl BodyHash {
    pub(crate) fn of(event_type: &str, body: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update((event_type.len() as u64).to_be_bytes());
        hash.update(event_type);
        hash.update(body);
        Self(hash.finalize().into())
    }
}

/// The answers of the last while, bounded in bytes.
#[derive(Clone)]
pub(crate) struct IdempotentAnswers {
    /// By scope (whose key, and for which subscription) and key.
    answers: Cache<(String, IdempotencyKey), (BodyHash, Published)>,
}

/// Why there is no answer for a key.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The key names another event already.
    OtherBody,
    NotPublished(Arc<NotPublished>),
}

impl IdempotentAnswers {
    /// Keeps answers for `window`, and `max_bytes` of them.
    pub(crate) fn new(window: Duration, max_bytes: u64) -> Self {
        let weigh = |(scope, key): &(String, IdempotencyKey), (_, answer): &(_, Published)| {
            let ids = answer.deliveries().len() * BYTES_PER_DELIVERY;
            u32::try_from(scope.len() + key.0.len() + ids + ENTRY_BYTES).unwrap_or(u32::MAX)
        };
        let answers =
            Cache::builder().time_to_live(window).max_capacity(max_bytes).weigher(weigh).build();
        Self { answers }
    }

    /// The answer for the key, made by `publish` if there is none yet. Requests with one key that
    /// come at once share one publication; one that failed is not kept.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(crate) async fn get_or_publish(
        &self,
        scope: String,
        key: IdempotencyKey,
        hash: BodyHash,
        publish: impl Future<Output = Result<Published, NotPublished>>,
    ) -> Result<Published, NoAnswer> {
        let made = async { publish.await.map(|answer| (hash, answer)) };
        match self.answers.try_get_with((scope, key), made).await {
            Ok((known, answer)) if known == hash => Ok(answer),
            Ok(_) => Err(NoAnswer::OtherBody),
            Err(error) => Err(NoAnswer::NotPublished(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn answers() -> IdempotentAnswers {
        IdempotentAnswers::new(Duration::from_secs(60), 1 << 20)
    }

    fn key() -> IdempotencyKey {
        IdempotencyKey::new("k").unwrap()
    }

    #[test]
    fn a_key_is_visible_ascii_of_a_bounded_length() {
        assert!(IdempotencyKey::new("a~!9").is_ok());
        let long = "x".repeat(256);
        for bad in ["", "a b", "a\n", "\u{e9}", "\u{7f}", &long] {
            assert_eq!(IdempotencyKey::new(bad), Err(NotAKey), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn one_key_is_published_once_and_another_body_under_it_is_told() {
        let (answers, count) = (answers(), AtomicUsize::new(0));
        let publish = || async {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(Published::to_all("e".to_owned(), Vec::new(), 0))
        };
        let hash = BodyHash::of("t", b"1");
        let ask = || answers.get_or_publish("s".to_owned(), key(), hash, publish());
        let (first, second) = tokio::join!(ask(), ask());
        assert_eq!((first.unwrap(), second.unwrap().event_id()), (ask().await.unwrap(), "e"));
        assert_eq!(count.load(Ordering::Relaxed), 1);
        for other in [BodyHash::of("t", b"2"), BodyHash::of("T", b"1")] {
            let told = answers.get_or_publish("s".to_owned(), key(), other, publish()).await;
            assert!(matches!(told, Err(NoAnswer::OtherBody)));
        }
        answers.get_or_publish("other".to_owned(), key(), hash, publish()).await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_publication_that_failed_is_tried_again() {
        let answers = answers();
        let hash = BodyHash::of("t", b"1");
        let failing = async { Err(NotPublished::Unavailable) };
        let told = answers.get_or_publish("s".to_owned(), key(), hash, failing).await;
        assert!(matches!(told, Err(NoAnswer::NotPublished(_))));
        let working = async { Ok(Published::to_all("e".to_owned(), Vec::new(), 0)) };
        assert!(answers.get_or_publish("s".to_owned(), key(), hash, working).await.is_ok());
    }
}
