//! What a runner or an app may be called: one rule for every place that a name comes in by.
//!
//! A name becomes a word of a command line, a part of a path, a label of a metric and a line on a terminal; none of these
//! can be made to read it as anything else.

/// The rule, for whoever broke it.
pub const RULE: &str =
    "1 to 64 letters, digits, \".\", \"-\", \"_\", beginning with a letter or digit";

/// The most bytes of a name.
const MAX: usize = 64;

/// Whether it is a name.
pub fn is_good(text: &str) -> bool {
    (1..=MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_nothing_else_to_a_shell_a_path_or_a_terminal() {
        for good in ["a", "7", "web-1", "db.example.org", "A_b", &"x".repeat(64)] {
            assert!(is_good(good), "{good}");
        }
        let long = "x".repeat(65);
        let bad =
            ["", "-x", "--join", ".", "..", "...", "_a", "a/b", "../a", "a b", " a", "a\n", "a\0"];
        for bad in
            bad.into_iter().chain(["\u{202e}a", "a\u{200b}", "ä", "a\x1b[2J", "a=b", "*", &long])
        {
            assert!(!is_good(bad), "{bad:?}");
        }
        assert!(!is_good(&"x".repeat(1 << 20)));
    }
}
