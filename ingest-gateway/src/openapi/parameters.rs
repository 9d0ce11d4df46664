//! Header parameters, whose names are the operator's.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, OpenApi, RefOr, Required};

use crate::config::IngestSettings;

/// Stand in the handlers' annotations until the names are known.
const SIGNATURE: &str = "X-Hub-Signature-256";
const EVENT_TYPE: &str = "X-Event-Type";

/// Where a producer's signature stands.
pub(crate) struct SignatureHeader;

/// Where an event's type stands.
pub(crate) struct EventTypeHeader;

impl IntoParams for SignatureHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "`sha256=` and the HMAC-SHA256 of the body in hexadecimal, by the \
                           subscription's secret. Required if the subscription has one.";
        vec![header(SIGNATURE, description)]
    }
}

impl IntoParams for EventTypeHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "The event's type, which the subscription's filter is asked for.";
        vec![header(EVENT_TYPE, description)]
    }
}

/// The producer's name for an event.
pub(crate) struct IdempotencyKeyHeader;

impl IntoParams for IdempotencyKeyHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "Names the event: a repeat is delivered once and gets the same answer. \
                           In a batch each item's name is this and its place.";
        let mut parameter = header("Idempotency-Key", description);
        let text = ObjectBuilder::new().schema_type(Type::String);
        let key = text.min_length(Some(1)).max_length(Some(255)).pattern(Some("^[\\x21-\\x7e]+$"));
        parameter.schema = Some(key.into());
        vec![parameter]
    }
}

fn header(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

/// Gives the header parameters the names that the operator has given the headers.
pub(crate) fn name_headers(document: &mut OpenApi, ingest: &IngestSettings) {
    let names =
        [(SIGNATURE, &ingest.signature_header.text), (EVENT_TYPE, &ingest.event_type_header.text)];
    let parameters = document.paths.paths.values_mut().flat_map(|item: &mut PathItem| {
        item.post.iter_mut().flat_map(|operation| operation.parameters.iter_mut().flatten())
    });
    for parameter in parameters {
        let RefOr::T(parameter) = parameter else { continue };
        if let Some((_, own)) = names.iter().find(|(default, _)| *default == parameter.name) {
            parameter.name.clone_from(own);
        }
    }
}
