//! What makes two commands the same kind, when their submitter does not say.

/// Characters of an identity, at most.
pub(crate) const MAX: usize = 256;

/// A command line with runs of whitespace as one space and runs of digits as `#`, so that `resize  img-0017.png` and
/// `resize img-4.png` are of one kind.
pub(crate) fn of_line(line: &str) -> String {
    let mut identity = Normal::default();
    identity.add(line);
    identity.text
}

/// The same of a program and its arguments, as if they were written with spaces between.
pub(crate) fn of_argv(argv: &[String]) -> String {
    let mut identity = Normal::default();
    for word in argv {
        identity.add(word);
        identity.add(" ");
    }
    identity.text
}

#[derive(Default)]
struct Normal {
    text: String,
    chars: usize,
    space: bool,
}

impl Normal {
    fn add(&mut self, text: &str) {
        for c in text.chars() {
            if self.chars >= MAX {
                return;
            }
            if c.is_whitespace() {
                self.space = !self.text.is_empty();
            } else if c.is_ascii_digit() {
                if self.space || !self.text.ends_with('#') {
                    self.push('#');
                }
            } else if !c.is_control() {
                self.push(c);
            }
        }
    }

    fn push(&mut self, c: char) {
        if std::mem::take(&mut self.space) && self.chars + 1 < MAX {
            self.text.push(' ');
            self.chars += 1;
        }
        self.text.push(c);
        self.chars += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spaces_make_no_difference() {
        assert_eq!(of_line("  resize \t img-0017.png 80x60 "), "resize img-#.png #x#");
        assert_eq!(of_line("resize img-4.png 1x2"), "resize img-#.png #x#");
        assert_eq!(of_argv(&["sleep".into(), "10".into(), "7".into()]), "sleep # #");
    }

    #[test]
    fn an_identity_is_not_longer_than_an_index_likes() {
        let long = "ä ".repeat(10_000);
        assert_eq!(of_line(&long).chars().count(), MAX);
    }

    #[test]
    fn a_line_of_digits_only_has_an_identity() {
        assert_eq!(of_line("42"), "#");
    }
}
