//! Times: as people give them, and as they are shown to them.

use jiff::{SignedDuration, Timestamp};

/// For clap: [`read`] at this moment.
pub(crate) fn argument(text: &str) -> Result<Timestamp, String> {
    read(text, Timestamp::now())
}

/// A time as in RFC 3339, `now`, or a span before `now` such as `90s`, `15m`, `2h`, `7d`.
///
/// # Errors
/// What it has to look like.
pub(crate) fn read(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(now);
    }
    if let Some(ago) = span(text) {
        return now.checked_sub(ago).map_err(|_| format!("{text} ago is before all time"));
    }
    text.parse().map_err(|_| {
        "a time is written as 2026-03-04T05:06:07Z, or as a span before now: 90s, 15m, 2h, 7d"
            .to_owned()
    })
}

fn span(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
    Some(SignedDuration::from_secs(i64::from(count) * seconds))
}

/// A time of an answer, to the second.
pub(crate) fn shown(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(time) => {
            let second = Timestamp::from_second(time.as_second()).unwrap_or(time);
            second.to_string()
        }
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rfc_3339_or_a_span_before_now() {
        let now: Timestamp = "2026-03-04T05:06:07Z".parse().unwrap();
        let at = |text| read(text, now).map(|time| time.to_string());
        assert_eq!(at("now").unwrap(), "2026-03-04T05:06:07Z");
        assert_eq!(at("90s").unwrap(), "2026-03-04T05:04:37Z");
        assert_eq!(at("15m").unwrap(), "2026-03-04T04:51:07Z");
        assert_eq!(at("7d").unwrap(), "2026-02-25T05:06:07Z");
        assert_eq!(at("2026-03-04T05:06:07.25+01:00").unwrap(), "2026-03-04T04:06:07.25Z");
        for text in ["", "h", "1", "1w", "-1h", "yesterday", "2026-03-04", "99999999999d"] {
            assert!(at(text).unwrap_err().starts_with("a time is written as"), "{text}");
        }
    }

    #[test]
    fn a_time_is_shown_to_the_second_and_anything_else_as_it_is() {
        assert_eq!(shown("2026-03-04T05:06:07.999999Z"), "2026-03-04T05:06:07Z");
        assert_eq!(shown("soon"), "soon");
    }
}
