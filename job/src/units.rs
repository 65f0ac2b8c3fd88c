//! Numbers with a unit as text: `500ms`, `7d`, `64KiB`. One reader and one writer for every place that they come in by; what a place
//! says of a wrong one is its own.

/// Units with what one of them is; the first is 1, and each is a multiple of the one before.
pub type Units = [(&'static str, u64); 5];

/// Durations, in milliseconds.
pub const DURATION: Units =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Sizes, in bytes.
pub const SIZE: Units =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// What is longer than a day, in milliseconds: people write it, and nothing is shown in it.
const WEEK: (&str, u64) = ("w", 7 * 86_400_000);

/// Whole numbers with their units, the longest unit first and none twice (`90s`, `1h30m`, `1w2d`): the digits and the unit of
/// each, and all of it in milliseconds. `None` when it is not that, or too large for a number.
pub fn duration(text: &str) -> Option<(Vec<(&str, &'static str)>, u64)> {
    let mut units = DURATION.iter().chain([&WEEK]).rev();
    let (mut parts, mut millis, mut rest) = (Vec::new(), 0_u64, text);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_lowercase).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        let (unit, factor) = units.find(|(name, _)| *name == unit)?;
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        parts.push((number, *unit));
        rest = &rest[digits + letters..];
    }
    (!parts.is_empty()).then_some((parts, millis))
}

/// The digits of a whole number, and its unit.
pub fn split<'a>(text: &'a str, units: &Units) -> Option<(&'a str, &'static str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (unit, _) = units.iter().find(|(name, _)| *name == unit)?;
    (digits > 0).then_some((number, unit))
}

/// A whole number with a unit; `None` when it is not one, or too large for a number.
pub fn read(text: &str, units: &Units) -> Option<u64> {
    let (number, unit) = split(text, units)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The shortest exact way to write a number that is not 0.
pub fn show(number: u64, units: &Units) -> String {
    let (unit, factor) = units
        .iter()
        .rev()
        .find(|(_, factor)| number.is_multiple_of(*factor))
        .expect("the first unit's factor is 1, which divides everything");
    format!("{}{unit}", number / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for (text, millis) in
            [("500ms", 500), ("30s", 30_000), ("90m", 5_400_000), ("7d", 604_800_000)]
        {
            assert_eq!(read(text, &DURATION), Some(millis));
            assert_eq!(show(millis, &DURATION), text);
        }
        assert_eq!(show(3 << 20, &SIZE), "3MiB");
        assert_eq!(show(1025, &SIZE), "1025B");
        assert_eq!(read("08m", &DURATION), Some(480_000));
    }

    #[test]
    fn a_duration_is_written_with_its_longest_unit_first() {
        for (text, millis) in [
            ("500ms", 500),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("1w", 604_800_000),
            ("1w2d3h4m5s6ms", 788_645_006),
            ("0s", 0),
            ("08m", 480_000),
        ] {
            assert_eq!(duration(text).map(|it| it.1), Some(millis), "{text}");
        }
        for bad in [
            "",
            "5",
            "s",
            "-5s",
            "+5s",
            "5 s",
            "5S",
            "1.5h",
            "30m1h",
            "1h1h",
            "1h 30m",
            "1h30",
            "1y",
            "٣s",
            " 5s",
            "5\u{fc}",
            "99999999999999999999ms",
            "18446744073709551615d",
            "1s18446744073709551615ms",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_else_is_read() {
        for bad in ["", "5", "s", "-5s", "+5s", "5 s", "5S", "1.5h", "5m30s", "5w", "٣s", " 5s"] {
            assert_eq!(read(bad, &DURATION), None, "{bad}");
        }
        assert_eq!(read("18446744073709551615d", &DURATION), None);
        assert_eq!(read("99999999999999999999ms", &DURATION), None);
    }
}
