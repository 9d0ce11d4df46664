//! Publishes a batch while it arrives: an answer per item, and one that is bad does not spoil the
//! others.
//!
//! Bounded: of a batch at most [`WINDOW`] items and [`WINDOW_BYTES`] (and one item more) are
//! under way, and [`BATCHES_AT_ONCE`] batches in a process. The next bytes are read only when
//! there is room. A client that goes away in the middle has published what was under way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use http_body_util::BodyExt as _;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::refusal::Refusal;
use crate::request_body::BodyError;
use crate::v1::event_item;
use crate::v1::event_request::ItemForm;
use crate::v1::idempotency::IdempotencyKey;
use crate::v1::item_splitter::{BatchForm, ItemSplitter, NotAnArray, Piece};
use crate::v1::publish::{
    FilteredBy, ListedDelivery, MAX_LISTED, NotPublished, Published, Target, publish,
};

const WINDOW: usize = 256;
const WINDOW_BYTES: usize = 1 << 20;
const BATCHES_AT_ONCE: usize = 64;
/// How long a batch may wait for its turn, and how long all of it may take.
const TURN_PATIENCE: Duration = Duration::from_secs(5);
const WHOLE_BATCH: Duration = Duration::from_secs(60);
/// Deliveries that the answer to a batch lists; after that an item tells their count alone.
const MAX_LISTED_IN_ALL: usize = 10 * MAX_LISTED;

/// Who may publish a batch now.
#[derive(Debug, Clone)]
pub(crate) struct BatchTurns(Arc<Semaphore>);

impl Default for BatchTurns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BATCHES_AT_ONCE)))
    }
}

/// A batch as its headers describe it.
pub(crate) struct Batch {
    pub form: BatchForm,
    pub item: ItemForm,
    pub target: Target,
    /// Names each item by its place, unless an item has a key of its own.
    pub key: Option<IdempotencyKey>,
}

/// What became of a batch.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = v1::BatchAnswer)]
pub(crate) struct BatchAnswer {
    pub accepted: usize,
    pub filtered: usize,
    pub rejected: usize,
    /// In the order of the items.
    #[schema(value_type = Vec<ItemAnswerShape>)]
    pub results: Vec<ItemAnswer>,
    #[serde(skip)]
    listed: usize,
    #[serde(skip)]
    pub unavailable: usize,
}

/// What became of one item.
#[derive(Debug, Serialize)]
pub(crate) struct ItemAnswer {
    /// The item's place in the batch, from 0.
    index: usize,
    #[serde(flatten)]
    answer: Answer,
}

/// What became of one item: as an event alone, or why it was rejected.
#[derive(ToSchema)]
#[schema(as = v1::ItemAnswer)]
#[expect(dead_code, reason = "only the schema is used; an answer is one of two shapes")]
struct ItemAnswerShape {
    /// The item's place in the batch, from 0.
    index: usize,
    /// `accepted`, `filtered` or `rejected`.
    status: String,
    /// Of an item that is not rejected, as are the next three.
    event_id: Option<String>,
    reason: Option<FilteredBy>,
    delivery_count: Option<usize>,
    deliveries: Option<Vec<ListedDelivery>>,
    /// The stable code of a rejection.
    code: Option<String>,
    detail: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Published(Published),
    Rejected { status: Rejected, code: &'static str, detail: String },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Rejected {
    Rejected,
}

impl Answer {
    fn rejected(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Rejected { status: Rejected::Rejected, code, detail: detail.into() }
    }
}

impl BatchAnswer {
    fn enter(&mut self, answer: Answer) {
        let answer = match answer {
            Answer::Published(published) => {
                let is_filtered = published.is_filtered();
                *(if is_filtered { &mut self.filtered } else { &mut self.accepted }) += 1;
                self.listed += published.deliveries().len();
                let enough = self.listed > MAX_LISTED_IN_ALL;
                Answer::Published(if enough { published.without_list() } else { published })
            }
            Answer::Rejected { code, .. } => {
                self.rejected += 1;
                self.unavailable += usize::from(code == NotPublished::Unavailable.code());
                answer
            }
        };
        self.results.push(ItemAnswer { index: self.results.len(), answer });
    }
}

/// Publishes the batch whose body this is.
///
/// # Errors
/// What is refused before the first item is published. What goes wrong later stands in the
/// answer, for what was published before stays published.
pub(crate) async fn publish_batch(
    gateway: &Gateway,
    batch: &Batch,
    first_bytes: Bytes,
    body: Body,
) -> Result<BatchAnswer, Refusal> {
    let turn = timeout(TURN_PATIENCE, gateway.batch_turns.0.acquire()).await;
    let Ok(Ok(_turn)) = turn else { return Err(Refusal::BUSY) };
    let splitter = ItemSplitter::new(batch.form, gateway.limits.max_body);
    let run = Run {
        gateway,
        batch,
        waiting: VecDeque::new(),
        taken: 0,
        under_way: FuturesOrdered::new(),
        under_way_bytes: 0,
        answer: BatchAnswer::default(),
    };
    Ok(run.publish_all(splitter, first_bytes, body).await)
}

struct Run<'g> {
    gateway: &'g Gateway,
    batch: &'g Batch,
    /// Items that have been cut off and are not under way yet.
    waiting: VecDeque<Piece>,
    /// Items that have been taken from there.
    taken: usize,
    under_way: FuturesOrdered<BoxFuture<'g, (usize, Answer)>>,
    under_way_bytes: usize,
    answer: BatchAnswer,
}

impl Run<'_> {
    async fn publish_all(
        mut self,
        mut splitter: ItemSplitter,
        first_bytes: Bytes,
        body: Body,
    ) -> BatchAnswer {
        let mut stop = self.read(&mut splitter, first_bytes, body).await.err();
        if stop.is_none() {
            let ended = splitter.finish(|piece| self.waiting.push_back(piece));
            stop = ended.err().map(|error| not_an_array(&error)).or_else(|| self.cut_off());
        }
        while self.start() || !self.under_way.is_empty() {
            if let Some(ended) = self.under_way.next().await {
                self.end(ended);
            }
        }
        // What ended the batch before its end stands where the next item would.
        stop.into_iter().for_each(|answer| self.answer.enter(answer));
        self.answer
    }

    /// Reads the body to its end, while items are published.
    ///
    /// # Errors
    /// Why no more is read, as the last item's answer.
    async fn read(
        &mut self,
        splitter: &mut ItemSplitter,
        first_bytes: Bytes,
        mut body: Body,
    ) -> Result<(), Answer> {
        let limits = self.gateway.limits;
        let deadline = Instant::now() + WHOLE_BATCH;
        let (mut chunk, mut left) = (Some(first_bytes), limits.max_batch_bytes);
        loop {
            if let Some(chunk) = chunk.take() {
                left = left.checked_sub(chunk.len()).ok_or_else(|| {
                    let most = limits.max_batch_bytes;
                    too_large(format!("A batch has at most {most} bytes; the rest was not read."))
                })?;
                let pushed = splitter.push(&chunk, |piece| self.waiting.push_back(piece));
                pushed.map_err(|error| not_an_array(&error))?;
                self.cut_off().map_or(Ok(()), Err)?;
            }
            self.start();
            let next = timeout_at(deadline, timeout(limits.body_read_timeout, body.frame()));
            tokio::select! {
                Some(ended) = self.under_way.next() => self.end(ended),
                frame = next, if self.waiting.is_empty() => match frame {
                    Ok(Ok(Some(Ok(frame)))) => chunk = frame.into_data().ok(),
                    Ok(Ok(None)) => return Ok(()),
                    Ok(Ok(Some(Err(_)))) => return Err(unread(BodyError::Incomplete)),
                    Ok(Err(_)) | Err(_) => return Err(unread(BodyError::TooSlow)),
                },
            }
        }
    }

    /// Drops the items that are more than a batch may have.
    fn cut_off(&mut self) -> Option<Answer> {
        let most = self.gateway.limits.max_batch;
        let beyond = self.taken + self.waiting.len() > most;
        self.waiting.truncate(most - self.taken.min(most));
        beyond.then(|| {
            too_large(format!("A batch has at most {most} items; the others were not taken."))
        })
    }

    /// Takes items in as far as there is room; true if there was one.
    fn start(&mut self) -> bool {
        let taken_before = self.taken;
        while self.under_way.len() < WINDOW && self.under_way_bytes < WINDOW_BYTES {
            let Some(piece) = self.waiting.pop_front() else { break };
            let size = if let Piece::Item(bytes) = &piece { bytes.len() } else { 0 };
            self.under_way_bytes += size;
            let (gateway, batch, index) = (self.gateway, self.batch, self.taken);
            self.taken += 1;
            self.under_way.push_back(Box::pin(async move {
                (size, publish_piece(gateway, batch, index, piece).await)
            }));
        }
        self.taken > taken_before
    }

    fn end(&mut self, (bytes, answer): (usize, Answer)) {
        self.under_way_bytes -= bytes;
        self.answer.enter(answer);
    }
}

async fn publish_piece(gateway: &Gateway, batch: &Batch, index: usize, piece: Piece) -> Answer {
    let Piece::Item(bytes) = piece else {
        let most = gateway.limits.max_body;
        return too_large(format!("An item has at most {most} bytes."));
    };
    let key = batch.key.as_ref().map(|key| key.of_item(index));
    match event_item::read(&batch.item, bytes, key, Uuid::now_v7()) {
        Err(error) => Answer::rejected(error.code(), error.to_string()),
        Ok(item) => match publish(gateway, item, &batch.target).await {
            Ok(published) => Answer::Published(published),
            Err(error) => Answer::rejected(error.code(), error.to_string()),
        },
    }
}

fn too_large(detail: String) -> Answer {
    Answer::rejected("payload_too_large", detail)
}

fn not_an_array(error: &NotAnArray) -> Answer {
    Answer::rejected("malformed_json", format!("{error}."))
}

fn unread(error: BodyError) -> Answer {
    let refusal = Refusal::from(error);
    Answer::rejected("incomplete_batch", refusal.text)
}
