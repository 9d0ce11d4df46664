//! What is wrong with the fields of a body, as marshmallow words it.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

/// A field that is required is not there.
pub(crate) const MISSING: &str = "Missing data for required field.";
pub(crate) const NULL: &str = "Field may not be null.";
pub(crate) const NOT_A_STRING: &str = "Not a valid string.";
pub(crate) const NOT_A_URL: &str = "Not a valid URL.";
/// The seed's rule for a target URL.
pub(crate) const LENGTH: &str = "Length must be between 1 and 255.";
/// The seed's rule for its other texts, which may be empty.
pub(crate) const TOO_LONG: &str = "Longer than maximum length 255.";
/// The most characters in any text, by both rules.
pub(crate) const MAX_CHARACTERS: usize = 255;
const UNKNOWN: &str = "Unknown field.";
const NOT_AN_OBJECT: &str = "Invalid input type.";
/// What marshmallow calls the body as a whole.
const WHOLE: &str = "_schema";

/// What is said of one field.
pub(crate) type Said = Vec<Cow<'static, str>>;

/// A list of texts by field, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors(Vec<(String, Said)>);

impl FieldErrors {
    /// The body is JSON and no object.
    pub(crate) fn not_an_object() -> Self {
        Self(vec![(WHOLE.to_owned(), vec![NOT_AN_OBJECT.into()])])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn names(&self, field: &str) -> bool {
        self.0.iter().any(|(name, _)| name == field)
    }

    pub(crate) fn put_first(&mut self, field: &str, said: &'static str) {
        self.0.insert(0, (field.to_owned(), vec![said.into()]));
    }

    /// A field that there is none of; one that stands twice is told once.
    pub(crate) fn unknown(&mut self, field: &str) {
        if !self.names(field) {
            self.0.push((field.to_owned(), vec![UNKNOWN.into()]));
        }
    }

    /// Notes what is wrong with a field, if anything is.
    pub(crate) fn note<T>(&mut self, field: &str, read: Result<T, Said>) -> Option<T> {
        read.map_err(|said| self.0.push((field.to_owned(), said))).ok()
    }

    /// These, and then what was found elsewhere.
    pub(crate) fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }
}

impl Serialize for FieldErrors {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(field, said)| (field, said)))
    }
}
