//! What makes two commands the same kind, and what the same work, when their submitter does not say.

use ostler_job::durable::{Command, Work};
use sha2::{Digest as _, Sha256};

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

/// Hash of everything that is run, and of where: nothing that differs is left out. A command line and the `/bin/sh` that
/// it stands for are the same.
pub(crate) fn content(work: &Work, host: Option<&str>) -> u64 {
    let plain = work.command().map_or_else(
        || work.clone(),
        |command| Work::Shell(Box::new(Command { line: None, ..command.clone() })),
    );
    // Tables are in the order of their names, so the same is written the same.
    let text =
        serde_json::to_vec(&(plain, host)).expect("a job is written as JSON when it is kept");
    let hash = Sha256::digest(text);
    let first = hash.first_chunk().expect("it has 32 bytes");
    u64::from_be_bytes(*first)
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

    fn content_of(text: &str) -> Option<u64> {
        let given = crate::parse::build::Given {
            now: ostler_job::Wall(0),
            tenant: None,
            admin: true,
            waits: false,
        };
        let built = crate::parse::build::read(text.as_bytes(), given);
        built.expect("it is right").spec.content
    }

    /// Stores have these. A new field must not be written where it says nothing, or no job that is kept is the same as a new one.
    #[test]
    fn the_hash_of_a_work_stays_what_it_is() {
        for (text, content) in [
            (r#"{"command":"./import 1"}"#, 0xb690_4b23_9f40_3a90),
            (r#"{"argv":["a","b c"],"host":"web-1"}"#, 0x8e6e_503c_00e7_f381),
            (r#"{"module":"noop"}"#, 0xe8f5_ca76_5c8b_d5ea),
            (
                r#"{"command":"./import 1","env":{"A":"1"},"secrets":["S"],"cwd":"/srv","user":"www-data","host":"web-1",
                "stdin":"a","umask":"077","merge":true,"terminate":"main","nice":1,"limits":{"nofile":9},"timeout":"1m",
                "grace":"5s"}"#,
                0x00e7_004a_3c52_9ee5,
            ),
        ] {
            assert_eq!(content_of(text), Some(content), "{text}");
        }
    }

    #[test]
    fn whatever_differs_in_what_is_run_is_another_work() {
        let content = content_of;
        let long = format!(r#"{{"command":"echo {}1"}}"#, "x".repeat(300));
        let all = [
            r#"{"command":"./import 1"}"#,
            r#"{"command":"./import 7731"}"#,
            r#"{"command":"./import  1"}"#,
            r#"{"command":"./import 1","env":{"CUSTOMER":"a"}}"#,
            r#"{"command":"./import 1","env":{"CUSTOMER":"b"}}"#,
            r#"{"command":"./import 1","env":{"CUSTOMER":"a","X":"1"}}"#,
            r#"{"command":"./import 1","secrets":["CUSTOMER"]}"#,
            r#"{"command":"./import 1","cwd":"/srv"}"#,
            r#"{"command":"./import 1","user":"www-data"}"#,
            r#"{"command":"./import 1","host":"web-1"}"#,
            r#"{"command":"./import 1","host":"web-2"}"#,
            r#"{"command":"./import 1","stdin":"a"}"#,
            r#"{"command":"./import 1","stdin":"b"}"#,
            r#"{"command":"./import 1","umask":"077"}"#,
            r#"{"command":"./import 1","merge":true}"#,
            r#"{"command":"./import 1","terminate":"main"}"#,
            r#"{"command":"./import 1","mailto":"ops"}"#,
            r#"{"command":"./import 1","nice":1}"#,
            r#"{"command":"./import 1","limits":{"nofile":9}}"#,
            r#"{"command":"./import 1","timeout":"1m"}"#,
            r#"{"argv":["a","b c"]}"#,
            r#"{"argv":["a b","c"]}"#,
            r#"{"argv":["a","b","c"]}"#,
            r#"{"module":"noop"}"#,
            &long,
            &long.replace("x1", "x2"),
        ];
        let contents: std::collections::BTreeSet<_> = all.iter().map(|it| content(it)).collect();
        assert_eq!(contents.len(), all.len());
        // What people call it, and when it runs, makes no other work of it; nor does how it is written.
        for same in [
            r#"{"name":"n","tags":["t"],"delay":"1m","within":"5m","paused":true,"command":"./import 1"}"#,
            r#"{ "retry": {"attempts": 3}, "command" : "./imp\u006frt 1" }"#,
            r#"{"argv":["/bin/sh","-c","./import 1"]}"#,
        ] {
            assert_eq!(content(same), content(all[0]), "{same}");
        }
        assert_eq!(content(r#"{"command":"./import 1","identity":"import"}"#), None);
    }

    #[test]
    fn a_line_of_digits_only_has_an_identity() {
        assert_eq!(of_line("42"), "#");
    }
}
