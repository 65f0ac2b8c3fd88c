//! docs/FROM_CRON.md does what it says: its commands are pasted one after the other into one shell.

use std::{path::Path, time::Duration};

use ostler_tests::{Script, blocks_of, command_of};

/// Ports that nobody else has; a person takes the default ones.
const CONFIG: &str = "[listen]\napi = \"127.0.0.1:0\"\nrunners = \"127.0.0.1:0\"\n";
const SECTION: &str = "=== ";

/// The session, and what it wrote.
struct Session {
    script: Script,
    told: String,
}

impl Session {
    fn run() -> Self {
        let document = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/FROM_CRON.md"));
        let mut text = String::new();
        for (heading, block) in blocks_of(document, "sh") {
            text += &format!("echo '{SECTION}{}'\n{block}", heading.replace('\'', ""));
        }
        let mut script = Script::start(&text, &[("ostler.toml", CONFIG)]);
        script.wait(Duration::from_secs(90));
        Self { told: script.told(), script }
    }

    /// What came below the headings that begin so.
    fn below(&self, heading: &str) -> String {
        let parts = self.told.split(SECTION).filter_map(|part| part.split_once('\n'));
        let lines: String =
            parts.filter(|(title, _)| title.starts_with(heading)).map(|(_, lines)| lines).collect();
        assert!(!lines.is_empty(), "nothing below {heading:?}:\n{}", self.told);
        lines
    }

    /// There is a line below the heading that has these words one after the other.
    fn has(&self, heading: &str, words: &str) {
        let lines = self.below(heading);
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(lines.lines().any(|it| line(it).contains(words)), "no {words:?} in:\n{lines}");
    }
}

#[test]
fn the_way_from_cron_can_be_pasted() {
    let session = Session::run();
    a_table_is_looked_at_and_taken_over(&session);
    a_firing_is_tried_and_its_habits_are_said(&session);
    nights_are_told_of(&session);
    schedules_are_paused_and_missed(&session);
    lines_are_cron_s_again(&session);
    assert!(!session.told.contains("error:"), "{}", session.told);
    let left: Vec<String> = session.script.left().into_iter().map(command_of).collect();
    assert!(left.is_empty(), "left running: {left:?}");
}

fn a_table_is_looked_at_and_taken_over(session: &Session) {
    for words in [
        "nightly-backup at 02:30 every day",
        "mail-the-staff at 09:00 on Monday to Friday",
        "tab:13:3: there is no hour 25; write a number from 0 to 23",
        "nothing was done; --apply makes 4 schedules of it",
        "exit code 65",
    ] {
        session.has("Look", words);
    }
    for words in
        ["schedule cleaning is made", "tab: 5 lines taken out", "#ostler# @reboot echo warm"]
    {
        session.has("Apply", words);
    }
    session.has("The system", "shop at 04:00 every day, up to 30m later");
    session.has("The system", "cron.d/shop: 1 line taken out");
    session.has("The system", "reports active every 5 minutes");
    session.has("The system", "schedule logrotate");
}

fn a_firing_is_tried_and_its_habits_are_said(session: &Session) {
    let tried = session.below("Run one now");
    assert!(tried.contains("\nDear all,\nthe coffee is ready.\n"), "{tried}");
    session.has("Run one now", "1 by first");
    session.has("Run one now", "2 succeeded 0");
    for words in [
        "overlap allow",
        "missed one",
        "jitter 5m",
        "expect within 1d2h",
        "max run 1h",
        "job retry attempts=3",
    ] {
        session.has("Habits", words);
    }
    let shown = session.below("Habits");
    assert!(!shown.contains("at_most_once"), "{shown}");
    session.has("Once", "the tea is ready");
}

fn nights_are_told_of(session: &Session) {
    for words in [
        "Sun 2027-03-28 03:00 CEST 2027-03-28 01:00Z",
        "02:30 is not there that night: it fires at 03:00",
        "02:30 is there twice that night: it fires the first time",
        "Sun 2027-10-31 02:30 CET 2027-10-31 01:30Z",
    ] {
        session.has("What happens", words);
    }
}

fn schedules_are_paused_and_missed(session: &Session) {
    session.has("Nothing fires", "reports paused every 5 minutes");
    session.has("Nothing fires", "schedule reports is resumed");
    session.has("Told", "heartbeat active+overdue every 1s");
}

fn lines_are_cron_s_again(session: &Session) {
    let undone = session.below("Undo");
    assert!(undone.ends_with("# Cleaning\n0 23 * * *  echo cleaned\n"), "{undone}");
    session.has("Undo", "schedule shop is deleted");
}
