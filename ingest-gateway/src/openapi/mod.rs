//! The API document (OpenAPI 3.1), made of what stands at the handlers, and the page that shows it.
//!
//! A handler says by `#[utoipa::path]` what it takes and answers, and is named in one of the
//! lists below; a test fails while a route of the router has no operation here, or the other
//! way round. What every contract refuses is told by [`refusals`], from the refusals
//! themselves, and the operator's own header names are put in for the default ones.
//!
//! It describes each route once, in the form that its contract documents: without the second
//! form of its trailing slash, and contract B under `/api/v1` only.

pub(crate) mod pages;
pub(crate) mod parameters;
pub(crate) mod refusals;

use utoipa::openapi::OpenApi as Document;

use crate::config::IngestSettings;
use crate::{contract_a as a, contract_b as b, v1};

/// The order here is the order in the document.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "hooklog",
        description = include_str!("description.md"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/")),
    tags(
        (name = a::documented::TAG, description = "The first older service's routes. Frozen."),
        (name = b::documented::TAG, description = "The second older service's routes. Frozen. \
            They answer under `/api`, too."),
        (name = v1::documented::TAG, description = "hooklog's own routes. They grow."),
    ),
    paths(
        a::subscriptions::list,
        a::subscriptions::create,
        a::subscriptions::read,
        a::subscriptions::replace,
        a::subscriptions::delete,
        a::logs::of_subscription,
        a::ingest::ingest,
        a::status::status,
        a::logs::all,
    ),
    nest((path = "/api/v1", api = ContractB), (path = "/v1", api = V1)),
    components(schemas(a::documented::Detail, a::documented::Problems)),
)]
struct Whole;

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        b::subscriptions::list,
        b::subscriptions::create,
        b::subscriptions::read,
        b::subscriptions::amend,
        b::subscriptions::delete,
        b::ingest::ingest,
        b::status::delivery_task,
        b::status::attempts,
    ),
    components(schemas(
        b::documented::Message,
        b::documented::MessageAndError,
        b::documented::ErrorsOrMessage,
    ))
)]
struct ContractB;

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        v1::events::to_all,
        v1::events::to_one,
        v1::subscriptions::list,
        v1::subscriptions::create,
        v1::subscriptions::read,
        v1::subscriptions::patch,
        v1::subscriptions::delete,
        v1::subscription_actions::pause,
        v1::subscription_actions::resume,
        v1::subscription_actions::rotate_secret,
        v1::subscription_actions::test,
        v1::health::of_subscription,
        v1::health::list,
        v1::stats::read,
        v1::deliveries::list,
        v1::deliveries::read,
        v1::delivery_actions::retry,
        v1::delivery_actions::cancel,
        v1::replays::list,
        v1::replays::create,
        v1::replays::read,
        v1::replays::cancel,
        v1::stream::stream,
    ),
    components(schemas(v1::documented::Problem))
)]
struct V1;

/// The document of a gateway with these settings.
pub(crate) fn document(ingest: &IngestSettings) -> Document {
    let mut document = <Whole as utoipa::OpenApi>::openapi();
    parameters::name_headers(&mut document, ingest);
    document
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use axum::Router;
    use axum::body::Body;
    use http::header::ALLOW;
    use http::{Request, StatusCode};
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;
    use serde_json::Value;
    use settings::Environment;

    use super::*;
    use crate::Config;
    use crate::router::{router, routes_a, routes_b, routes_v1};
    use crate::run::parts;

    fn config(given: &[(&str, &str)]) -> Config {
        let pairs = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_environment(&Environment::from_pairs(pairs).unwrap()).unwrap()
    }

    pub(super) fn written(given: &[(&str, &str)]) -> Value {
        serde_json::to_value(document(&config(given).ingest)).unwrap()
    }

    /// The documented methods by path, without the slash that some paths end with.
    fn documented() -> BTreeMap<String, BTreeSet<String>> {
        let document = written(&[]);
        let methods =
            |item: &Value| item.as_object().unwrap().keys().map(|m| m.to_uppercase()).collect();
        let paths = document["paths"].as_object().unwrap().iter();
        paths.map(|(path, item)| (path.trim_end_matches('/').to_owned(), methods(item))).collect()
    }

    /// A gateway that needs neither Kafka nor Postgres for what is asked of it here.
    pub(crate) fn service() -> TowerToHyperService<Router> {
        let gateway = parts(config(&[]), &metrics::Page::default()).unwrap().gateway;
        gateway.gate.open();
        TowerToHyperService::new(router(Arc::new(gateway)))
    }

    /// What the router itself says of its routes, when it is asked for a method that none has.
    async fn routed() -> BTreeMap<String, BTreeSet<String>> {
        let service = service();
        let a = routes_a().into_iter().map(|(path, _)| path.to_owned());
        let b = routes_b().into_iter().map(|(path, _)| format!("/api/v1{path}"));
        let mut routed = BTreeMap::new();
        let v1 = routes_v1().into_iter().map(|(path, _)| format!("/v1{path}"));
        for path in a.chain(b).chain(v1) {
            let request = Request::builder().method("TRACE").uri(path.replace("{id}", "x"));
            let answer = service.call(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            let allowed = answer.headers()[ALLOW].to_str().unwrap().split(',');
            // Each GET route has it, too.
            let allowed = allowed.filter(|method| *method != "HEAD").map(str::to_owned);
            routed.insert(path, allowed.collect());
        }
        routed
    }

    #[tokio::test]
    async fn every_route_has_an_operation_and_every_operation_a_route() {
        assert_eq!(routed().await, documented());
    }

    #[test]
    fn the_document_is_what_it_was() {
        let mut document = document(&config(&[]).ingest);
        assert_eq!(document.info.version, env!("CARGO_PKG_VERSION"));
        document.info.version = "<version>".to_owned();
        insta::assert_json_snapshot!(document);
    }

    #[test]
    fn every_reference_and_every_link_leads_somewhere_and_no_operation_has_anothers_id() {
        let document = written(&[]);
        let mut ids = BTreeSet::new();
        let items = document["paths"].as_object().unwrap().values();
        for operation in items.flat_map(|item| item.as_object().unwrap().values()) {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{id}");
        }
        visit(&document, &mut |key, value| match (key, value) {
            ("$ref", Value::String(to)) => {
                let place = document.pointer(to.trim_start_matches('#'));
                assert!(place.is_some(), "{to}");
            }
            ("links", Value::Object(links)) => {
                for link in links.values() {
                    assert!(ids.contains(link["operationId"].as_str().unwrap()), "{link}");
                }
            }
            _ => {}
        });
    }

    fn visit(value: &Value, see: &mut impl FnMut(&str, &Value)) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    see(key, field);
                    visit(field, see);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| visit(item, see)),
            _ => {}
        }
    }

    #[test]
    fn the_headers_have_the_operators_names() {
        let given = [("WEBHOOK_SECRET_HEADER", "X-Sig"), ("WEBHOOK_EVENT_TYPE_HEADER", "X-Kind")];
        let names = |given| {
            let parameters = &written(given)["paths"]["/api/v1/ingest/{id}"]["post"]["parameters"];
            let names = parameters.as_array().unwrap().iter().map(|each| each["name"].clone());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(&given[..]), ["id", "X-Sig", "X-Kind"]);
        assert_eq!(names(&[]), ["id", "X-Hub-Signature-256", "X-Event-Type"]);
    }
}
