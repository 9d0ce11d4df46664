//! What stands behind the `?`: each known parameter at most once, and no other. A filter that is
//! misspelt would otherwise be answered as if it had not been there.

use jiff::Timestamp;

use crate::v1::problem::Problem;

/// The values of the parameters with these names, in their order.
///
/// # Errors
/// 400: a parameter of another name, or one that is there twice.
pub(crate) fn read<const N: usize>(
    query: Option<&str>,
    names: [&'static str; N],
) -> Result<[Option<String>; N], Problem> {
    let mut values = [const { None }; N];
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let Some(index) = names.iter().position(|known| *known == name) else {
            let detail = format!("There is a parameter that is none of {}.", names.join(", "));
            return Err(Problem::invalid_query(detail));
        };
        if values[index].replace(value.into_owned()).is_some() {
            return Err(Problem::invalid_query(format!("{} stands there twice.", names[index])));
        }
    }
    Ok(values)
}

/// A time as a client writes it.
///
/// # Errors
/// 400: it is none, or of a year that no delivery is from.
pub(crate) fn time(name: &'static str, text: &str) -> Result<Timestamp, Problem> {
    let time: Option<Timestamp> = text.parse().ok();
    // Within what PostgreSQL keeps.
    time.filter(|time| *time >= Timestamp::UNIX_EPOCH).ok_or_else(|| {
        let detail = format!(
            "{name} is a time as in RFC 3339, 1970 or later, such as 2026-03-04T05:06:07Z."
        );
        Problem::invalid_query(detail)
    })
}

/// One of a few words.
///
/// # Errors
/// 400: it is none of them.
pub(crate) fn word<T: Copy>(
    name: &'static str,
    text: &str,
    words: &[(&'static str, T)],
) -> Result<T, Problem> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Problem::invalid_query(format!("{name} is one of {}.", words.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T: std::fmt::Debug>(read: Result<T, Problem>) -> String {
        read.unwrap_err().detail().to_owned()
    }

    #[test]
    fn a_parameter_is_known_and_stands_there_once() {
        let names = ["limit", "status"];
        assert_eq!(read(None, names).unwrap(), [None, None]);
        let values = read(Some("status=a%2Cb+c&limit="), names).unwrap();
        assert_eq!(values, [Some(String::new()), Some("a,b c".to_owned())]);
        let unknown = told(read(Some("limit=1&state=x"), names));
        assert_eq!(unknown, "There is a parameter that is none of limit, status.");
        assert_eq!(told(read(Some("limit=1&limit=1"), names)), "limit stands there twice.");
    }

    #[test]
    fn a_time_has_an_offset_and_a_year_that_can_be() {
        let at = |text| time("from", text).map(|at| at.to_string());
        assert_eq!(at("2026-03-04T05:06:07.5+01:00").unwrap(), "2026-03-04T04:06:07.5Z");
        for text in ["", "now", "2026-03-04", "2026-03-04T05:06:07", "1969-12-31T23:59:59Z"] {
            assert!(told(at(text)).starts_with("from is a time as in RFC 3339"), "{text}");
        }
    }

    #[test]
    fn a_word_is_one_of_those_that_are_told() {
        let words = [("1h", 1), ("24h", 24)];
        assert_eq!(word("window", "24h", &words).unwrap(), 24);
        assert_eq!(told(word("window", "1H", &words)), "window is one of 1h, 24h.");
    }
}
