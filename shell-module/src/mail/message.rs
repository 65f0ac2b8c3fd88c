//! The message: headers that no text of a job can add to, and the output in a form that every mailer takes and people can read
//! in the raw, as they do in a mailbox on a host.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use ostler_job::durable::{Finish, Reason};

use super::letter::Letter;
use crate::{environment::moment, kept::Output};

/// Characters of a command in the subject, at most.
const SUBJECT_MAX: usize = 200;
/// Bytes of text in one encoded word, at most: RFC 2047 gives it 75 characters.
const WORD_BYTES: usize = 42;
/// The longest line that is sent as it is: RFC 5322 gives it 998 characters.
const LINE_MAX: usize = 990;
/// The longest line of quoted-printable, with the sign that it goes on.
const QUOTED_MAX: usize = 76;

/// The whole message; lines end as on this host, which is what a sendmail reads.
pub(super) fn message(
    letter: &Letter,
    finish: &Finish,
    (user, host): (&str, &str),
    output: &Output,
) -> Vec<u8> {
    let text = body(finish, output);
    let is_plain = is_plain(&text);
    let key = finish.key;
    let mut head = String::new();
    let mut line = |name: &str, value: &str| {
        // A header of our own may be as long as its value; none has another line in it.
        let _ = writeln!(head, "{name}: {}", value.replace(char::is_control, " "));
    };
    line("From", &format!("\"Ostler\" <{}>", address_of(user)));
    line("To", &letter.mailto);
    line("MIME-Version", "1.0");
    line("Content-Type", "text/plain; charset=UTF-8");
    line("Content-Transfer-Encoding", if is_plain { "8bit" } else { "quoted-printable" });
    line("Auto-Submitted", "auto-generated");
    line("Precedence", "bulk");
    line("X-Cron-Env", &format!("<MAILTO={}>", letter.mailto));
    line("X-Cron-Env", &format!("<LOGNAME={}>", address_of(user)));
    line("X-Ostler-Job", &key.job.to_string());
    line("X-Ostler-Attempt", &key.attempt.to_string());
    line("X-Ostler-Reason", finish.ending.reason.code());
    if let Some(status) = finish.ending.exit_status {
        line("X-Ostler-Exit-Status", &status.to_string());
    }
    if let Some(signal) = finish.ending.signal {
        line("X-Ostler-Signal", &signal.to_string());
    }
    if let Some(firing) = &letter.firing {
        line("X-Ostler-Schedule", firing.schedule.as_str());
        line("X-Ostler-Due", &moment(firing.due));
    }
    let has_failed = finish.ending.reason != Reason::Ok;
    let subject = subject(user, host, &letter.command, has_failed);
    let _ = write!(head, "Subject: {subject}\n\n");
    let text = if is_plain { text } else { quoted_printable(&text) };
    [head, text].concat().into_bytes()
}

/// The output, and what of it is left out.
fn body(finish: &Finish, output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.begin).into_owned();
    if output.left_out > 0 {
        let end = if output.end.is_empty() { "" } else { ", and its end follows" };
        let _ = write!(
            text,
            "\n[{} bytes of the output are left out here{end}; `ostler logs {}` has all that was kept]\n",
            output.left_out, finish.key.job
        );
        text.push_str(&String::from_utf8_lossy(&output.end));
    }
    // A carriage return is the end of a line of a mail, or lost, as the mailer has it.
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Whether a mailer takes it as it is.
fn is_plain(text: &str) -> bool {
    !text.contains('\0') && text.split('\n').all(|line| line.len() <= LINE_MAX)
}

/// Lines of RFC 2045 (6.7) that say the same: what is text and short stays as it is.
fn quoted_printable(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + text.len() / 8);
    for line in text.split_terminator('\n') {
        let mut length = 0;
        for (at, byte) in line.bytes().enumerate() {
            // Room for the widest, and for the sign that the line goes on.
            if length + 4 > QUOTED_MAX {
                quoted.push_str("=\n");
                length = 0;
            }
            let is_blank = matches!(byte, b' ' | b'\t') && at + 1 < line.len();
            let is_plain = (b'!'..=b'~').contains(&byte) && byte != b'=';
            // A dot at the beginning ends a mail where a mailer is not careful.
            let is_literal = is_blank || is_plain && !(byte == b'.' && length == 0);
            match is_literal {
                true => quoted.push(char::from(byte)),
                false => {
                    let _ = write!(quoted, "={byte:02X}");
                }
            }
            length += if is_literal { 1 } else { 3 };
        }
        quoted.push('\n');
    }
    quoted
}

/// As crond writes it, and Debian's with `-L 4` of one that failed; in encoded words where it is not all printable ASCII, or looks like one of those.
fn subject(user: &str, host: &str, command: &str, has_failed: bool) -> String {
    let is_long = command.chars().nth(SUBJECT_MAX).is_some();
    let command: String = command.chars().take(SUBJECT_MAX).collect();
    let more = if is_long { "…" } else { "" };
    let failed = if has_failed { " (failed)" } else { "" };
    let text = format!("Cron <{user}@{host}> {command}{more}{failed}");
    let text = text.replace(char::is_control, " ");
    match text.bytes().all(|b| (b' '..=b'~').contains(&b)) && !text.contains("=?") {
        true => text,
        false => encoded(&text),
    }
}

/// Text of any characters as words of RFC 2047, one a line.
fn encoded(text: &str) -> String {
    let mut words: Vec<String> = vec![String::new()];
    for c in text.chars() {
        let word = words.last_mut().expect("there is one from the beginning");
        match word.len() + c.len_utf8() > WORD_BYTES {
            true => words.push(c.to_string()),
            false => word.push(c),
        }
    }
    let words = words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
    words.collect::<Vec<_>>().join("\n ")
}

/// A user's name where an address is expected: what cannot be one there is left out.
fn address_of(user: &str) -> String {
    let is_good = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    user.chars().filter(is_good).collect()
}

#[cfg(test)]
mod tests {
    use ostler_job::{
        JobId, Span, Wall,
        durable::{AttemptKey, Ending, Fence, FiringKey, LogState, Retry, ScheduleName, Usage},
    };

    use super::*;

    fn finish() -> Finish {
        let (exit_status, reason) = (Some(3), Reason::ExitStatus);
        Finish {
            key: AttemptKey { job: JobId(17), attempt: 2, fence: Fence(9) },
            ending: Ending { reason, exit_status, signal: None, detail: None },
            started_at: None,
            ran: Span::ZERO,
            stopped: Span::ZERO,
            usage: Usage::default(),
            log: LogState::default(),
        }
    }

    fn letter(command: &str) -> Letter {
        let schedule = ScheduleName::new("nightly").unwrap();
        Letter {
            mailto: "ops@example.com,root".into(),
            user: None,
            command: command.into(),
            firing: Some(Box::new(FiringKey { schedule, due: Wall(0) })),
            retry: Retry::default(),
            once: false,
        }
    }

    fn output(begin: &[u8], left_out: u64, end: &[u8]) -> Output {
        Output { begin: begin.to_vec(), left_out, end: end.to_vec() }
    }

    fn of(command: &str, output: &Output) -> String {
        let message = message(&letter(command), &finish(), ("www-data", "web"), output);
        String::from_utf8(message).unwrap()
    }

    /// As RFC 2045 has it, by another way than it is written.
    fn decoded(quoted: &str) -> String {
        let whole = quoted.replace("=\n", "");
        let mut parts = whole.split('=');
        let mut bytes = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_message_is_as_cron_writes_it_and_says_which_attempt_it_is_of() {
        let expected = "From: \"Ostler\" <www-data>\nTo: ops@example.com,root\nMIME-Version: 1.0\n\
            Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nAuto-Submitted: auto-generated\n\
            Precedence: bulk\nX-Cron-Env: <MAILTO=ops@example.com,root>\nX-Cron-Env: <LOGNAME=www-data>\n\
            X-Ostler-Job: 17\nX-Ostler-Attempt: 2\nX-Ostler-Reason: exit_status\nX-Ostler-Exit-Status: 3\n\
            X-Ostler-Schedule: nightly\nX-Ostler-Due: 1970-01-01T00:00:00Z\n\
            Subject: Cron <www-data@web> backup /srv (failed)\n\nhällo\n.\nFrom x\n";
        let output = output("hällo\n.\nFrom x\n".as_bytes(), 0, b"");
        assert_eq!(of("backup /srv", &output), expected);
    }

    #[test]
    fn no_text_of_a_command_becomes_a_header_or_a_body() {
        for command in [
            "a\nBcc: evil@x",
            "a\r\n\r\nbody",
            "a\rBcc: x",
            "a\u{85}b",
            "a\u{b}b\0",
            "ä\nBcc: x",
            "=?UTF-8?Q?x=0ABcc:_y?=",
        ] {
            let message = of(command, &output(b"x\n", 0, b""));
            let (head, body) = message.split_once("\n\n").unwrap();
            assert_eq!(body, "x\n", "{command:?}");
            assert!(!head.contains('\r') && head.is_ascii(), "{head}");
            let names = head.lines().filter(|line| !line.starts_with(' '));
            assert!(names.clone().all(|line| !line.to_lowercase().starts_with("bcc")), "{head}");
            assert_eq!(names.count(), 16, "{head}");
        }
    }

    #[test]
    fn a_subject_is_bounded_and_in_words_where_it_is_not_ascii() {
        assert_eq!(subject("u", "h", "echo x", false), "Cron <u@h> echo x");
        assert_eq!(subject("u", "h", "echo x", true), "Cron <u@h> echo x (failed)");
        let long = subject("u", "h", &"ü".repeat(5000), true);
        assert!(long.lines().all(|line| line.len() <= 76) && long.len() < 1000, "{long}");
        let words = long.lines().map(|word| {
            let word = word.trim().strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
            String::from_utf8(STANDARD.decode(word).unwrap()).expect("no character is cut in two")
        });
        assert_eq!(words.collect::<String>(), format!("Cron <u@h> {}… (failed)", "ü".repeat(200)));
    }

    #[test]
    fn output_that_no_mailer_takes_as_it_is_is_quoted_and_says_the_same() {
        let odd = format!(
            "{}\n.\n..x \n\t\n= =3D\n\0\x1b[31mürgh {}\n",
            "x".repeat(2000),
            ". ".repeat(300)
        );
        let long = format!("{}\n", "ü".repeat(496));
        for text in ["a\0b\n", &odd, &long, &format!("{}\n", " ".repeat(991))] {
            let message = of("x", &output(text.as_bytes(), 0, b""));
            let (head, body) = message.split_once("\n\n").unwrap();
            assert!(head.contains("\nContent-Transfer-Encoding: quoted-printable\n"), "{head}");
            assert!(body.lines().all(|line| line.len() <= 76 && !line.starts_with('.')), "{body}");
            assert!(body.lines().all(|line| !line.ends_with([' ', '\t'])), "{body}");
            assert!(body.is_ascii() && !body.contains('\0'), "{body}");
            assert_eq!(decoded(body), text);
        }
    }

    #[test]
    fn text_is_mailed_as_it_is_with_lines_that_end_as_those_of_mails() {
        let long = format!("{}\n", "x".repeat(990));
        for (bytes, shown) in [
            (&b"\x1b[31mred\x1b[0m\x07\n"[..], "\u{1b}[31mred\u{1b}[0m\u{7}\n"),
            (b"a\r\nb\r\n\r\n", "a\nb\n\n"),
            (b"10%\r20%\r\n", "10%\n20%\n"),
            (b"no end", "no end\n"),
            (b"\xff\xfe caf\xe9\n", "\u{fffd}\u{fffd} caf\u{fffd}\n"),
            (long.as_bytes(), &long),
        ] {
            let message = of("x", &output(bytes, 0, b""));
            let (head, body) = message.split_once("\n\n").unwrap();
            assert!(head.contains("\nContent-Transfer-Encoding: 8bit\n"), "{head}");
            assert_eq!(body, shown);
        }
    }

    #[test]
    fn what_is_left_out_is_told_where_it_is() {
        let message = of("x", &output(b"begin", 70, b"end\n"));
        let told = "begin\n[70 bytes of the output are left out here, and its end follows; `ostler logs 17` has all that was kept]\nend\n";
        assert!(message.ends_with(told), "{message}");
    }

    #[test]
    fn a_name_that_is_no_address_adds_nothing_to_one() {
        assert_eq!(address_of("www-data"), "www-data");
        assert_eq!(address_of("a>\nBcc: x@y,z"), "aBccxyz");
    }
}
