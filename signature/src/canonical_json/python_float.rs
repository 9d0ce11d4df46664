//! Numbers with a fraction or an exponent as CPython reads and writes them: the nearest
//! double, and the shortest digits that read back as it (`float_repr_style` is `short`).

/// Up to this length the standard library reads every number right. It stops counting an
/// exponent past 65,535, which shows only if as many digits outweigh the exponent.
const SHORT_NUMBER: usize = 60_000;

/// The nearest double to a number of JSON's grammar; infinite if it is too large.
pub(super) fn read(number: &str) -> Option<f64> {
    if number.len() <= SHORT_NUMBER { number.parse().ok() } else { read_long(number) }
}

/// Moves the point behind the first digit that counts, so that the exponent is the truth.
fn read_long(number: &str) -> Option<f64> {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    let significant = digits.trim_start_matches('0');
    // More digits than an i64 has: too far away for any mantissa that fits in memory.
    let far = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
    let leading = significant.len() as i64 - fraction.len() as i64 - 1;
    let exponent = exponent.parse::<i64>().unwrap_or(far).saturating_add(leading);
    if significant.is_empty() || exponent < -400 {
        return format!("{sign}0").parse().ok();
    }
    if exponent > 400 {
        return format!("{sign}inf").parse().ok();
    }
    let (first, rest) = significant.split_at(1);
    format!("{sign}{first}.{rest}e{exponent}").parse().ok()
}

/// Writes `float.__repr__`, but an infinity as `json.dumps` does.
///
/// `ryu` and not the standard library: where two shortest forms are equally near, Python takes
/// the even last digit and the standard library the larger one (1125899906842625.25).
pub(super) fn write(value: f64, out: &mut Vec<u8>) {
    if value.is_infinite() {
        return out.extend(if value > 0.0 { &b"Infinity"[..] } else { b"-Infinity" });
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value.abs());
    // Its layout is Python's from 1e-4 to below 1e16. Elsewhere Python has an exponent with a
    // sign and two digits, and `ryu` one without, but none yet from 1e-5 on.
    if let Some((mantissa, exponent)) = shortest.split_once('e') {
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |it| ('-', it));
        out.extend(format!("{mantissa}e{sign}{digits:0>2}").bytes());
    } else if let Some(digits) = shortest.strip_prefix("0.0000") {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        out.extend(format!("{first}{point}{rest}e-05").bytes());
    } else {
        out.extend(shortest.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repr(number: &str) -> String {
        let mut out = Vec::new();
        write(read(number).unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn as_many_digits_as_an_exponent_takes_away_are_counted() {
        let zeros = "0".repeat(100_000);
        for (number, written) in [
            (format!("0.{zeros}1e100001"), "1.0"),
            (format!("-0.{zeros}125e+100002"), "-12.5"),
            (format!("1{zeros}e-100000"), "1.0"),
            (format!("1{zeros}.5E-100000"), "1.0"),
            (format!("0.{zeros}1e1000000"), "Infinity"),
            (format!("-1{zeros}e-1000000"), "-0.0"),
            (format!("0.{zeros}1e-1"), "0.0"),
            (format!("1{zeros}.0"), "Infinity"),
            (format!("-1{zeros}.0"), "-Infinity"),
            (format!("0.{zeros}e99999999999999999999"), "0.0"),
            (format!("0.{zeros}1e99999999999999999999"), "Infinity"),
            (format!("1{zeros}e-99999999999999999999"), "0.0"),
            (format!("0.{zeros}17976931348623159e100309"), "Infinity"),
            (format!("0.{zeros}17976931348623157e100309"), "1.7976931348623157e+308"),
            (format!("0.{zeros}5e99677"), "5e-324"),
            (format!("0.{zeros}2e99677"), "0.0"),
        ] {
            assert_eq!(repr(&number), written, "{}", &number[100_000..]);
        }
    }
}
