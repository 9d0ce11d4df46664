//! What the document says of the answers that every contract has for the same reasons, made of
//! the very [`Refusal`]s that are answered.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::Value;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::publisher::NotWritten;
use crate::refusal::Refusal;
use crate::request_body::BodyError;

type Responses = BTreeMap<String, RefOr<Response>>;

/// How a contract shapes a refusal: the schema's own, and an answer that shows it.
pub(crate) trait RefusalShape: ToSchema {
    const CONTENT_TYPE: &'static str = "application/json";

    /// The body of the answer.
    fn example(refusal: &Refusal) -> Value;
}

/// What any route may refuse.
pub(crate) struct Refused<S>(PhantomData<S>);

/// What a route may refuse that reads a body.
pub(crate) struct RefusedBody<S>(PhantomData<S>);

/// What a route may refuse that takes events in: goes after [`Refused`].
pub(crate) struct RefusedEvent<S>(PhantomData<S>);

/// What a route may refuse that waits for the projection: goes after [`Refused`].
pub(crate) struct RefusedStatus<S>(PhantomData<S>);

const ANYWHERE: [Refusal; 2] = [Refusal::STARTING, Refusal::DATABASE_AWAY];

impl<S: RefusalShape> IntoResponses for Refused<S> {
    fn responses() -> Responses {
        let mut told = told::<S>(ANYWHERE.into());
        // Answered before there is a route, and in no contract's words.
        let head = ResponseBuilder::new().description("The request's head is too large.");
        told.insert("431".to_owned(), head.build().into());
        told
    }
}

impl<S: RefusalShape> IntoResponses for RefusedBody<S> {
    fn responses() -> Responses {
        told::<S>(BodyError::ALL.map(Refusal::from).into())
    }
}

impl<S: RefusalShape> IntoResponses for RefusedEvent<S> {
    fn responses() -> Responses {
        let [starting, database] = ANYWHERE;
        told::<S>(vec![starting, database, NotWritten.into()])
    }
}

impl<S: RefusalShape> IntoResponses for RefusedStatus<S> {
    fn responses() -> Responses {
        let [starting, database] = ANYWHERE;
        told::<S>(vec![starting, database, Refusal::STATUS_NOT_KNOWN_YET])
    }
}

/// One response for each code, with every text that it may have.
fn told<S: RefusalShape>(refusals: Vec<Refusal>) -> Responses {
    let mut by_status: BTreeMap<StatusCode, Vec<Refusal>> = BTreeMap::new();
    for refusal in refusals {
        by_status.entry(refusal.status).or_default().push(refusal);
    }
    let told = |(status, refusals): (StatusCode, Vec<Refusal>)| {
        (status.as_str().to_owned(), response::<S>(&refusals).into())
    };
    by_status.into_iter().map(told).collect()
}

fn response<S: RefusalShape>(refusals: &[Refusal]) -> Response {
    let texts: Vec<_> = refusals.iter().map(|refusal| refusal.text).collect();
    let examples = refusals.iter().map(|refusal| {
        let example = ExampleBuilder::new().value(Some(S::example(refusal)));
        (refusal.text, example.build())
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(S::name())))
        .examples_from_iter(examples)
        .build();
    let response =
        ResponseBuilder::new().description(texts.join(" ")).content(S::CONTENT_TYPE, content);
    let waits = |refusal: &Refusal| matches!(&refusal.header, Some((RETRY_AFTER, _)));
    if refusals.iter().any(waits) {
        response.header("Retry-After", seconds()).build()
    } else {
        response.build()
    }
}

fn seconds() -> Header {
    let whole = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    HeaderBuilder::new().schema(Some(whole)).description(Some("How many seconds to wait.")).build()
}
