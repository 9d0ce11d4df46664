use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::*;
use crate::openapi::tests::service;

type Answered = (StatusCode, HeaderMap, String);

async fn ask(method: &str, path: &str, known: &str) -> Answered {
    ask_of(&service(), method, path, known).await
}

async fn ask_of(
    service: &TowerToHyperService<Router>,
    method: &str,
    path: &str,
    known: &str,
) -> Answered {
    let request = Request::builder().method(method).uri(path).header(IF_NONE_MATCH, known);
    let answer = service.call(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8_lossy(&body).into_owned())
}

/// What a text names between `before` and the next quote.
fn named<'t>(text: &'t str, before: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next())
}

/// A module's imports as paths under `/dashboard/`.
fn imports(path: &str, text: &str) -> Vec<String> {
    let folder = path.rsplit_once('/').unwrap().0;
    let resolve = |import: &str| match import.strip_prefix("../") {
        Some(rest) => format!("{}/{rest}", folder.rsplit_once('/').unwrap().0),
        None => format!("{folder}/{}", import.strip_prefix("./").unwrap()),
    };
    let lines = text.lines().filter(|line| line.starts_with("import "));
    lines.flat_map(|line| named(line, " from \"")).map(resolve).collect()
}

#[tokio::test]
async fn the_page_and_its_files_come_with_their_guards_and_types() {
    let (status, headers, page) = ask("GET", "/", "").await;
    assert_eq!((status, page.as_str()), (StatusCode::OK, PAGE.1));
    assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
    let service = service();
    for (path, text) in FILES {
        let (status, headers, body) =
            ask_of(&service, "GET", &format!("/dashboard/{path}"), "").await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, *text), "{path}");
        assert_ne!(headers[CONTENT_TYPE], "application/octet-stream", "{path}");
        assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY);
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[REFERRER_POLICY], "no-referrer");
    }
}

#[tokio::test]
async fn a_file_that_a_browser_has_is_not_sent_again() {
    let (_, headers, _) = ask("GET", "/", "").await;
    let tag = headers[ETAG].to_str().unwrap();
    for known in [tag.to_owned(), format!("\"other\", W/{tag}")] {
        let (status, headers, body) = ask("GET", "/", &known).await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
        assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY);
    }
    assert_eq!(ask("GET", "/", "\"other\"").await.0, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_file_of_it_is_answered_in_the_words_of_the_root() {
    for path in
        ["/dashboard/", "/dashboard/mod.rs", "/dashboard/../Cargo.toml", "/dashboard/scripts/"]
    {
        let (status, _, body) = ask("GET", path, "").await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, r#"{"detail":"Not Found"}"#));
    }
    let (status, _, body) = ask("POST", "/", "").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(body, r#"{"detail":"Method Not Allowed"}"#);
}

#[test]
fn everything_that_is_named_is_there_and_everything_that_is_there_is_named() {
    let page = named(PAGE.1, "\"/dashboard/").map(str::to_owned);
    let modules = FILES.iter().filter(|(path, _)| path.ends_with(".js"));
    let imported = modules.flat_map(|(path, text)| imports(path, text));
    let named: BTreeSet<String> = page.chain(imported).collect();
    let there: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(named, there);
}

#[test]
fn nothing_stands_in_the_page_that_its_policy_forbids_and_nothing_comes_from_elsewhere() {
    assert!(!PAGE.1.contains(" style=") && !PAGE.1.contains("<style"));
    assert!(!PAGE.1.contains(" onclick") && !PAGE.1.contains("<script>"));
    for (path, text) in FILES {
        let elsewhere =
            text.replace("http://www.w3.org/", "").replace("https://shop.example.com", "");
        assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"), "{path}");
    }
}

/// Text from outside stays text only as long as nothing reads markup.
#[test]
fn no_script_reads_markup_or_code() {
    let readers =
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval("];
    for (path, text) in FILES {
        for reader in readers {
            assert!(!text.contains(reader), "{path} uses {reader}");
        }
    }
}
