//! `POST /v1/events` and `POST /v1/subscriptions/{id}/events`: events come in, one or many.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use pipeline::cloud_event_http;
use tokio::time::timeout;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::ingest::content_type;
use crate::openapi::parameters::{EventTypeHeader, IdempotencyKeyHeader};
use crate::refusal::Refusal;
use crate::request_body::{self, BodyError};
use crate::v1::batch::{Batch, BatchAnswer, publish_batch};
use crate::v1::documented::{Problem as ProblemShape, Refused, RefusedBody, RefusedEvent, TAG};
use crate::v1::event_item::{self, CloudEventShape, DescribedEvent, Item, NotAnItem};
use crate::v1::event_request::{self, ItemForm, RequestForm};
use crate::v1::idempotency::IdempotencyKey;
use crate::v1::item_splitter::BatchForm;
use crate::v1::path::SubscriptionPath;
use crate::v1::problem::Problem;
use crate::v1::publish::{NotPublished, Published, Target, publish};

/// An answer whose shape depends on what was sent.
type Answer = Result<Response, Problem>;

/// What `/v1` answers for events.
#[derive(ToSchema)]
#[schema(as = v1::Taken)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the schema is used")]
enum Taken {
    One(Published),
    Many(BatchAnswer),
}

/// An event that describes itself, or many of them.
#[derive(ToSchema)]
#[schema(as = v1::EventOrEvents)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the schema is used")]
enum EventOrEvents {
    One(DescribedEvent),
    Many(Vec<DescribedEvent>),
}

/// Publish events to everybody who wants them
///
/// The request is one event or a batch; its headers say which. With `X-Event-Type` the body is
/// the event's, whatever it is. Without, JSON is a described event or an array of them. NDJSON is
/// a batch, and CloudEvents come in binary, structured or batch mode. A 202 means that the broker
/// has what is accepted; every item of a batch has its own result.
#[utoipa::path(
    post,
    path = "/events",
    operation_id = "v1_publish",
    tag = TAG,
    params(EventTypeHeader, IdempotencyKeyHeader),
    request_body(content(
        (EventOrEvents = "application/json"),
        (CloudEventShape = "application/cloudevents+json"),
        (Vec<CloudEventShape> = "application/cloudevents-batch+json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        RefusedBody,
        (status = 202, description = "What became of it.", body = Taken),
        (
            status = 400,
            description = "It is no event, or the body broke off.",
            body = ProblemShape,
            content_type = "application/problem+json",
        ),
        (
            status = 422,
            description = "The key was used for another event; or no item of a batch is one.",
            content(
                (ProblemShape = "application/problem+json"),
                (BatchAnswer = "application/json"),
            ),
        ),
        Refused,
        RefusedEvent,
    ),
)]
pub(crate) async fn to_all(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    take(&gateway, Target::All, &headers, body).await
}

/// Publish events to one subscription
///
/// As for all; what the subscription's filter does not let through is told and not stored.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/events",
    operation_id = "v1_publish_to_subscription",
    tag = TAG,
    params(
        ("id" = Uuid, Path, description = "The subscription's id."),
        EventTypeHeader,
        IdempotencyKeyHeader,
    ),
    request_body(content(
        (EventOrEvents = "application/json"),
        (CloudEventShape = "application/cloudevents+json"),
        (Vec<CloudEventShape> = "application/cloudevents-batch+json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        RefusedBody,
        (status = 202, description = "What became of it.", body = Taken),
        (
            status = 400,
            description = "It is no event, or the body broke off.",
            body = ProblemShape,
            content_type = "application/problem+json",
        ),
        (
            status = 404,
            description = "There is no such subscription.",
            body = ProblemShape,
            content_type = "application/problem+json",
        ),
        (
            status = 422,
            description = "The key was used for another event; or no item of a batch is one.",
            content(
                (ProblemShape = "application/problem+json"),
                (BatchAnswer = "application/json"),
            ),
        ),
        Refused,
        RefusedEvent,
    ),
)]
pub(crate) async fn to_one(
    State(gateway): State<Arc<Gateway>>,
    SubscriptionPath(id): SubscriptionPath,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    match gateway.lookup.find(id).await {
        Ok(Some(subscription)) => take(&gateway, Target::One(subscription), &headers, body).await,
        missing => {
            request_body::discard(body).await;
            Err(missing.map_or_else(Problem::from, |_| Problem::subscription_not_found()))
        }
    }
}

async fn take(gateway: &Gateway, target: Target, headers: &HeaderMap, body: Body) -> Answer {
    let read = async {
        let form = event_request::form(headers, &gateway.ingest.event_type_header.name)?;
        Ok((form, event_request::idempotency_key(headers)?))
    };
    let (form, key) = match read.await {
        Ok(read) => read,
        Err(problem) => {
            request_body::discard(body).await;
            return Err(problem);
        }
    };
    match form {
        RequestForm::One(item) => {
            let bytes = request_body::read(headers, body, gateway.limits).await?;
            one(gateway, &target, single(&item, headers, bytes, key)?).await
        }
        RequestForm::BinaryCloudEvent => {
            let bytes = request_body::read(headers, body, gateway.limits).await?;
            one(gateway, &target, binary(headers, bytes)?).await
        }
        RequestForm::Batch(form, item) => {
            many(gateway, Batch { form, item, target, key }, headers, Bytes::new(), body).await
        }
        RequestForm::OneOrArray => one_or_many(gateway, target, key, headers, body).await,
    }
}

/// A body that begins with `[` is a batch, and any other one event.
async fn one_or_many(
    gateway: &Gateway,
    target: Target,
    key: Option<IdempotencyKey>,
    headers: &HeaderMap,
    mut body: Body,
) -> Answer {
    let mut begun = Vec::new();
    let is_array = loop {
        if let Some(first) = begun.iter().find(|byte: &&u8| !byte.is_ascii_whitespace()) {
            break *first == b'[';
        }
        match timeout(gateway.limits.body_read_timeout, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                if begun.len() + data.len() > gateway.limits.max_batch_bytes {
                    return Err(Refusal::TOO_LARGE.into());
                }
                begun.extend_from_slice(&data);
            }
            Ok(None) => break false,
            Ok(Some(Err(_))) => return Err(BodyError::Incomplete.into()),
            Err(_) => return Err(BodyError::TooSlow.into()),
        }
    };
    let begun = Bytes::from(begun);
    if is_array {
        let batch = Batch { form: BatchForm::Array, item: ItemForm::Described, target, key };
        return many(gateway, batch, headers, begun, body).await;
    }
    let bytes = request_body::read_on(headers, begun, body, gateway.limits).await?;
    one(gateway, &target, single(&ItemForm::Described, headers, bytes, key)?).await
}

async fn one(gateway: &Gateway, target: &Target, item: Item) -> Answer {
    let published: Published = publish(gateway, item, target).await?;
    Ok((StatusCode::ACCEPTED, Json(published)).into_response())
}

async fn many(
    gateway: &Gateway,
    batch: Batch,
    headers: &HeaderMap,
    first_bytes: Bytes,
    body: Body,
) -> Answer {
    request_body::refuse_encoded(headers)?;
    if request_body::announced(headers)
        .is_some_and(|length| length > gateway.limits.max_batch_bytes as u64)
    {
        request_body::discard(body).await;
        return Err(Refusal::TOO_LARGE.into());
    }
    let answer = publish_batch(gateway, &batch, first_bytes, body).await?;
    batch_answer(answer)
}

/// 202 if anything of it is in order; else the items say why not.
fn batch_answer(answer: BatchAnswer) -> Answer {
    if answer.results.is_empty() {
        return Err(Problem::bad_request("empty_batch", "The batch holds no event."));
    }
    let status = match (answer.accepted + answer.filtered, answer.unavailable) {
        (0, 0) => StatusCode::UNPROCESSABLE_ENTITY,
        (0, _) => return Err(NotPublished::Unavailable.into()),
        _ => StatusCode::ACCEPTED,
    };
    Ok((status, Json(answer)).into_response())
}

fn single(
    form: &ItemForm,
    headers: &HeaderMap,
    bytes: Bytes,
    key: Option<IdempotencyKey>,
) -> Result<Item, NotAnItem> {
    let drawn = Uuid::now_v7();
    match form {
        ItemForm::Raw(event_type) => {
            event_item::raw(event_type.clone(), content_type(headers), bytes, key, drawn)
        }
        form => event_item::read(form, bytes, key, drawn),
    }
}

fn binary(headers: &HeaderMap, data: Bytes) -> Result<Item, NotAnItem> {
    let received = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let all = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let event = cloud_event_http::from_binary(all, received.map(str::to_owned), data)?;
    event_item::cloud_event(event)
}

impl From<NotAnItem> for Problem {
    fn from(error: NotAnItem) -> Self {
        Self::bad_request(error.code(), error.to_string())
    }
}

impl From<NotPublished> for Problem {
    fn from(error: NotPublished) -> Self {
        let problem = |status| Self::new(status, error.code(), error.to_string());
        match error {
            NotPublished::Unavailable => problem(StatusCode::SERVICE_UNAVAILABLE)
                .with_header(RETRY_AFTER, HeaderValue::from_static("1")),
            NotPublished::KeyReused | NotPublished::NoSuchAddress => {
                problem(StatusCode::UNPROCESSABLE_ENTITY)
            }
        }
    }
}
