//! Reads the values of a JSON body: each function takes a value and its place, a JSON pointer,
//! and says everything that is wrong with it, in sentences for whoever wrote it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::v1::problem::FieldError;

/// What was read, or everything that is wrong with it.
pub(crate) type Read<T> = Result<T, Vec<FieldError>>;

/// What is said of a field that only hooklog sets, when it is to be something else.
pub(crate) const READ_ONLY: &str = "It is set by hooklog: leave it out, or as it is.";

/// How unlike a known name an unknown one may be for the known one to be suggested: two
/// letters added, left out, exchanged or swapped.
const CLOSE: usize = 2;

/// One thing that is wrong.
pub(crate) fn wrong<T>(at: &str, detail: impl Into<String>) -> Read<T> {
    Err(vec![FieldError::at(at, detail.into())])
}

/// The place of a member of what stands at `at`.
pub(crate) fn member(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A text of so many characters, without NUL, which Postgres refuses.
pub(crate) fn text(value: &Value, at: &str, characters: RangeInclusive<usize>) -> Read<String> {
    let Value::String(text) = value else { return wrong(at, "It must be a text.") };
    if text.contains('\0') {
        return wrong(at, "It must not hold a NUL character.");
    }
    if !characters.contains(&text.chars().count()) {
        return wrong(at, format!("It must have {} characters.", bounds(&characters)));
    }
    Ok(text.clone())
}

/// A whole number.
pub(crate) fn number(value: &Value, at: &str, range: RangeInclusive<u32>) -> Read<u32> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    match number.filter(|number| range.contains(number)) {
        Some(number) => Ok(number),
        None => wrong(
            at,
            format!("It must be a whole number from {} to {}.", range.start(), range.end()),
        ),
    }
}

/// An array of so many items; `named` says what they are.
pub(crate) fn list<T>(
    value: &Value,
    at: &str,
    items: RangeInclusive<usize>,
    named: &str,
    read: impl Fn(&Value, &str) -> Read<T>,
) -> Read<Vec<T>> {
    let Value::Array(array) = value else {
        return wrong(at, format!("It must be an array of {named}."));
    };
    if !items.contains(&array.len()) {
        return wrong(at, format!("It must have {} {named}.", bounds(&items)));
    }
    all(array.iter().enumerate().map(|(index, item)| read(item, &format!("{at}/{index}"))))
}

/// An object as a map of at most so many members; `named` says what they are.
pub(crate) fn map<K: Ord, V>(
    value: &Value,
    at: &str,
    most: usize,
    named: &str,
    read: impl Fn(&str, &Value, &str) -> Read<(K, V)>,
) -> Read<BTreeMap<K, V>> {
    let object = object(value, at)?;
    if object.len() > most {
        return wrong(at, format!("It must have at most {most} {named}."));
    }
    let read = object.iter().map(|(name, value)| read(name, value, &member(at, name)));
    Ok(all(read)?.into_iter().collect())
}

/// An object.
pub(crate) fn object<'a>(value: &'a Value, at: &str) -> Read<&'a Map<String, Value>> {
    value.as_object().map_or_else(|| wrong(at, "It must be an object."), Ok)
}

/// Every value, or everything that is wrong with any of them.
pub(crate) fn all<T>(reads: impl Iterator<Item = Read<T>>) -> Read<Vec<T>> {
    let mut errors = Vec::new();
    let mut values = Vec::new();
    for read in reads {
        match read {
            Ok(value) => values.push(value),
            Err(wrong) => errors.extend(wrong),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

/// Both values, or everything that is wrong with either.
pub(crate) fn both<T, U>(first: Read<T>, second: Read<U>) -> Read<(T, U)> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (first, second) => {
            Err([first.err(), second.err()].into_iter().flatten().flatten().collect())
        }
    }
}

/// What is said of a name that is none of the `known` ones.
pub(crate) fn unknown_field(at: &str, name: &str, known: &[&str]) -> FieldError {
    let distance = |known: &str| strsim::damerau_levenshtein(known, name);
    // A distance is never less than the difference of the lengths, and takes time to compute.
    let near = known.iter().filter(|known| known.len().abs_diff(name.len()) <= CLOSE);
    let closest = near.map(|known| (distance(known), known)).min();
    let hint = match closest {
        Some((distance, known)) if distance <= CLOSE => format!(" Did you mean {known}?"),
        _ => String::new(),
    };
    FieldError::at(member(at, name), format!("There is no such field.{hint}"))
}

fn bounds(range: &RangeInclusive<usize>) -> String {
    match (range.start(), range.end()) {
        (0, most) => format!("at most {most}"),
        (least, most) => format!("{least} to {most}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_misspelled_name_is_told_the_name_that_was_meant() {
        let said = |name| unknown_field("/a", name, &["target_url", "labels"]).detail;
        assert_eq!(said("targeturl"), "There is no such field. Did you mean target_url?");
        assert_eq!(said("lables"), "There is no such field. Did you mean labels?");
        assert_eq!(said("colour"), "There is no such field.");
        assert_eq!(said(&"labels".repeat(10_000)), "There is no such field.");
        assert_eq!(unknown_field("/a", "b/c~d", &[]).pointer, "/a/b~1c~0d");
    }

    #[test]
    fn everything_that_is_wrong_with_a_list_is_told_with_its_place() {
        let read = |value| list(&value, "/l", 1..=3, "words", |item, at| text(item, at, 1..=2));
        assert_eq!(read(json!(["a", "bb"])), Ok(vec!["a".to_owned(), "bb".to_owned()]));
        let told = |value| -> Vec<(String, String)> {
            let errors = read(value).unwrap_err().into_iter();
            errors.map(|error| (error.pointer, error.detail.into_owned())).collect()
        };
        let one = |at: &str, detail: &str| (at.to_owned(), detail.to_owned());
        assert_eq!(told(json!("a")), [one("/l", "It must be an array of words.")]);
        assert_eq!(told(json!([])), [one("/l", "It must have 1 to 3 words.")]);
        assert_eq!(
            told(json!([7, "a", "\0"])),
            [one("/l/0", "It must be a text."), one("/l/2", "It must not hold a NUL character.")]
        );
        assert_eq!(told(json!(["ccc"])), [one("/l/0", "It must have 1 to 2 characters.")]);
    }

    #[test]
    fn a_number_is_whole_and_within_its_bounds() {
        let read = |value| number(&value, "/n", 1..=60);
        assert_eq!(read(json!(60)), Ok(60));
        for bad in [json!(0), json!(61), json!(-1), json!(1.5), json!("1"), json!(1_u64 << 40)] {
            let said = &read(bad).unwrap_err()[0].detail;
            assert_eq!(said, "It must be a whole number from 1 to 60.");
        }
    }
}
