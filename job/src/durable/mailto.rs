//! To whom the output of a command is mailed: addresses that nothing takes for an option, for a second header or for a program to run.

/// Bytes of all addresses together, at most: a line of mail has 998.
pub const MAILTO_MAX: usize = 900;

/// What an address may have beside letters and digits, though not at its beginning.
const SIGNS: &str = "@!:%-.+_=";

/// The addresses as they are written in a header, without what is around them; empty where none is named. What is wrong, where
/// something is. It is what crond takes of `MAILTO`.
pub fn checked_mailto(text: &str) -> Result<String, String> {
    if text.len() > MAILTO_MAX {
        return Err(format!("has {} bytes; {MAILTO_MAX} are the most", text.len()));
    }
    let addresses: Vec<&str> = text.split(',').map(|it| it.trim_matches([' ', '\t'])).collect();
    if addresses == [""] {
        return Ok(String::new());
    }
    for address in &addresses {
        let is_good =
            |(at, c): (usize, char)| c.is_ascii_alphanumeric() || (at > 0 && SIGNS.contains(c));
        if address.is_empty() {
            return Err("names nobody beside a comma; leave the comma out".to_owned());
        }
        if !address.char_indices().all(is_good) {
            return Err(format!(
                "{address:?} is no address; expected names of users or addresses such as ops@example.com, with commas between them, of letters, digits and {SIGNS} that begin with a letter or digit"
            ));
        }
    }
    Ok(addresses.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_without_what_is_around_them() {
        for (text, taken) in [
            ("", ""),
            (" ", ""),
            ("root", "root"),
            ("bounce+x=example.org@example.com", "bounce+x=example.org@example.com"),
            ("ops@example.com", "ops@example.com"),
            (
                "ops+cron@mail.example.com, root ,\tx_y%z!w",
                "ops+cron@mail.example.com,root,x_y%z!w",
            ),
        ] {
            assert_eq!(checked_mailto(text).as_deref(), Ok(taken), "{text:?}");
        }
        assert!(checked_mailto(&"a".repeat(MAILTO_MAX)).is_ok());
    }

    #[test]
    fn nothing_is_taken_that_a_mailer_could_take_for_something_else() {
        for text in [
            "-C/etc/passwd",
            "root,-bs",
            "root, -oQ/tmp",
            "--",
            "@",
            "+x",
            ":include:",
            "|sh",
            "/etc/passwd",
            "a b",
            "root\n",
            "root\nBcc: x",
            "root\r\nBcc: x",
            "a\0",
            "a\u{b}b",
            "ä@example.com",
            "<root>",
            "\"x\"@y",
            "a;b",
            "a\\",
            "a`b",
            "$(x)",
            "a(b)",
            "root,",
            ",",
            "a,,b",
            "a\u{85}b",
        ] {
            assert!(checked_mailto(text).is_err(), "{text:?}");
        }
        let wrong = checked_mailto(&"a".repeat(MAILTO_MAX + 1)).unwrap_err();
        assert_eq!(wrong, "has 901 bytes; 900 are the most");
    }
}
