//! The id in a route's path.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use uuid::Uuid;

use crate::contract_a::problem::{PATH, Problem, Step};

/// What the handlers get; a segment may not even be UTF-8.
pub(crate) type Segment = Result<Path<String>, PathRejection>;

/// The UUID that a segment is, in any of the forms that the seed takes; `name` is what the
/// seed calls it.
///
/// # Errors
/// The segment is no UUID.
pub(crate) fn uuid(segment: Segment, name: &'static str) -> Result<Uuid, Problem> {
    let text = segment.map(|Path(text)| text).unwrap_or_default();
    Uuid::parse_str(&text)
        .map_err(|error| Problem::uuid_parsing(&[PATH, Step::Name(name)], &error, &text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_uuid_is_a_problem_in_pydantics_words() {
        let problem = uuid(Ok(Path("nonsense".to_owned())), "webhook_id").unwrap_err();
        let why = Uuid::parse_str("nonsense").unwrap_err().to_string();
        assert_eq!(
            serde_json::to_value(problem).unwrap(),
            json!({"type": "uuid_parsing", "loc": ["path", "webhook_id"], "input": "nonsense",
                "msg": format!("Input should be a valid UUID, {why}"), "ctx": {"error": why}})
        );
    }
}
