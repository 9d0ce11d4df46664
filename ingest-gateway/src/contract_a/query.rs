//! Whole numbers in a query string, with bounds.

use std::ops::RangeInclusive;

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, Required};

use crate::contract_a::problem::{Problem, QUERY, Step};

/// A parameter with its default and its bounds.
pub(crate) struct Number {
    pub name: &'static str,
    pub default: i64,
    pub bounds: RangeInclusive<i64>,
}

impl Number {
    /// How many entries to leave out.
    pub(crate) const fn skip() -> Self {
        Self { name: "skip", default: 0, bounds: 0..=i64::MAX }
    }

    /// How many entries to answer with.
    pub(crate) const fn limit(default: i64) -> Self {
        Self { name: "limit", default, bounds: 1..=100 }
    }

    /// Reads it; of a parameter that is given twice the last one counts.
    ///
    /// # Errors
    /// It is no whole number, or out of bounds.
    pub(crate) fn read(&self, query: Option<&str>) -> Result<i64, Problem> {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let given = pairs.filter(|(name, _)| name == self.name).last();
        let Some((_, text)) = given else { return Ok(self.default) };
        let loc = [QUERY, Step::Name(self.name)];
        // i128 tells a number that is far too large from a text that is no number.
        let number: i128 = text.trim().parse().map_err(|_| Problem::int_parsing(&loc, &text))?;
        let (least, most) = (*self.bounds.start(), *self.bounds.end());
        match i64::try_from(number) {
            Ok(number) if self.bounds.contains(&number) => Ok(number),
            _ if number < i128::from(least) => Err(Problem::below(&loc, &text, least)),
            _ => Err(Problem::above(&loc, &text, most)),
        }
    }
}

/// [`Number::skip`] for the API document.
pub(crate) struct Skip;

/// [`Number::limit`] for the API document.
pub(crate) struct Limit<const DEFAULT: i64>;

impl IntoParams for Skip {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![Number::skip().documented("How many entries to leave out.")]
    }
}

impl<const DEFAULT: i64> IntoParams for Limit<DEFAULT> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![Number::limit(DEFAULT).documented("How many entries to answer with, at most.")]
    }
}

impl Number {
    fn documented(&self, description: &str) -> Parameter {
        let schema = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .default(Some(self.default.into()))
            .minimum(Some(*self.bounds.start()))
            .maximum(Some(*self.bounds.end()));
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(schema))
            .build()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_within_its_bounds_is_taken_and_a_missing_one_is_the_default() {
        let read = |query| Number::limit(20).read(query).unwrap();
        assert_eq!(read(None), 20);
        assert_eq!(read(Some("skip=3")), 20);
        assert_eq!(read(Some("limit=1")), 1);
        assert_eq!(read(Some("limit=7&limit=100")), 100);
    }

    #[test]
    fn anything_else_is_a_problem_in_pydantics_words() {
        for (text, kind, msg) in [
            (
                "x",
                "int_parsing",
                "Input should be a valid integer, unable to parse string as an integer",
            ),
            (
                "",
                "int_parsing",
                "Input should be a valid integer, unable to parse string as an integer",
            ),
            ("0", "greater_than_equal", "Input should be greater than or equal to 1"),
            ("101", "less_than_equal", "Input should be less than or equal to 100"),
            (
                "99999999999999999999",
                "less_than_equal",
                "Input should be less than or equal to 100",
            ),
        ] {
            let query = format!("limit={text}");
            let problem = Number::limit(20).read(Some(&query)).unwrap_err();
            let problem = serde_json::to_value(problem).unwrap();
            assert_eq!(problem["type"], kind, "{text}");
            assert_eq!(problem["msg"], msg);
            assert_eq!(problem["loc"], json!(["query", "limit"]));
            assert_eq!(problem["input"], text);
        }
    }
}
