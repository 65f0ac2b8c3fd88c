//! Parts of slots, as people write them: `2`, or `1.5`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// So many thousandths of a slot. It is kept as that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slots(u32);

/// How they are written, for whoever wrote them otherwise.
pub const SLOTS_RULE: &str = "expected slots from 0.001 to 100000, such as 2 or 1.5";

impl Slots {
    /// The most slots.
    pub const MAX: u32 = 100_000;

    /// So many slots, to the thousandth.
    pub fn new(slots: f64) -> Option<Self> {
        let thousandths = (slots * 1000.0).round();
        let fits = (1.0..=f64::from(Self::MAX) * 1000.0).contains(&thousandths);
        fits.then_some(Self(thousandths as u32))
    }

    /// Reads digits, with up to three of them after a point.
    pub fn read(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let good = is_number(whole) && is_number(part) && part.len() <= 3;
        text.parse().ok().filter(|_| good).and_then(Self::new)
    }

    /// In thousandths.
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// In slots.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_read_as_people_write_them_and_written_so() {
        for (text, thousandths) in
            [("2", 2000), ("1.5", 1500), ("0.001", 1), ("100000", 100_000_000)]
        {
            let slots = Slots::read(text).unwrap();
            assert_eq!((slots.thousandths(), slots.to_string().as_str()), (thousandths, text));
            assert_eq!(Slots::new(slots.as_f64()), Some(slots));
        }
        for bad in
            ["", "0", "0.0", "-1", "+1", "1.", ".5", "1.0005", "1e3", "100000.001", "x", "NaN"]
        {
            assert_eq!(Slots::read(bad), None, "{bad:?}");
        }
        assert_eq!([f64::NAN, -1.0, 0.0004, 1e9].map(Slots::new), [None; 4]);
    }
}
