//! `?cursor=&limit=`: which part of a list is asked for.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::cursor::{self, Place};
use crate::v1::problem::Problem;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 100;

/// What the handlers get.
pub(crate) type PageQuery = Result<Query<Parameters>, QueryRejection>;

/// As they stand in the query.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    cursor: Option<String>,
    limit: Option<String>,
}

/// Where a page begins, and how much it holds at most.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// `None` for the first page.
    pub after: Option<Place>,
    pub limit: usize,
}

/// A page's body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Page)]
pub(crate) struct PageShape<T> {
    data: Vec<T>,
    /// Null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl Page {
    /// # Errors
    /// 400: a limit out of bounds, or a cursor that no answer held.
    pub(crate) fn read(query: PageQuery) -> Result<Self, Problem> {
        let Query(Parameters { cursor, limit }) =
            query.map_err(|error| Problem::invalid_query(error.body_text()))?;
        Self::of(cursor.as_deref(), limit.as_deref())
    }

    /// The same of texts as they stand in a query.
    ///
    /// # Errors
    /// As [`Page::read`].
    pub(crate) fn of(cursor: Option<&str>, limit: Option<&str>) -> Result<Self, Problem> {
        let limit = match limit {
            None => DEFAULT_LIMIT,
            Some(text) => {
                let number = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                let detail = || format!("limit is a number from 1 to {MAX_LIMIT}.");
                number.ok_or_else(|| Problem::invalid_query(detail()))?
            }
        };
        let after = cursor.map(|text| {
            let detail = "cursor is the next_cursor of an answer, as it stood there.";
            cursor::read(text).ok_or_else(|| Problem::bad_request("invalid_cursor", detail))
        });
        Ok(Self { after: after.transpose()?, limit })
    }

    /// How many rows tell whether there is another page: one more than this one holds.
    pub(crate) fn look_ahead(&self) -> i64 {
        self.limit as i64 + 1
    }

    /// The body for rows that were asked for with [`Page::look_ahead`].
    pub(crate) fn shape<'a, R, T: From<&'a R>>(
        &self,
        rows: &'a [R],
        place: impl Fn(&R) -> Place,
    ) -> PageShape<T> {
        self.shape_with(rows.iter().collect(), |row| place(row), T::from)
    }

    /// The same, each row in a shape that `shape` makes.
    pub(crate) fn shape_with<R, T>(
        &self,
        mut rows: Vec<R>,
        place: impl Fn(&R) -> Place,
        shape: impl Fn(R) -> T,
    ) -> PageShape<T> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next_cursor = rows.last().filter(|_| more).map(|last| cursor::write(place(last)));
        PageShape { data: rows.into_iter().map(shape).collect(), next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Page, &'static str> {
        let uri = format!("/?{query}").parse().unwrap();
        Page::read(Query::try_from_uri(&uri)).map_err(|problem| problem.code())
    }

    #[test]
    fn a_page_has_a_default_and_bounds() {
        assert_eq!(read(""), Ok(Page { after: None, limit: 50 }));
        assert_eq!(read("limit=1&other=x").unwrap().limit, 1);
        assert_eq!(read("limit=100").unwrap().limit, 100);
        for query in ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1&limit=2"] {
            assert_eq!(read(query), Err("invalid_query"), "{query}");
        }
        for query in ["cursor=", "cursor=x", "cursor=%00"] {
            assert_eq!(read(query), Err("invalid_cursor"), "{query}");
        }
        let place = Place { at: jiff::Timestamp::UNIX_EPOCH, id: uuid::Uuid::nil() };
        let cursor = cursor::write(place);
        assert_eq!(read(&format!("cursor={cursor}")).unwrap().after, Some(place));
    }
}
