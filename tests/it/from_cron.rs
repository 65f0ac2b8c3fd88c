//! docs/FROM_CRON.md does what it says: its commands are pasted one after the other into one shell.

use std::time::Duration;

use ostler_tests::Session;

/// There is a line below the heading that has these words one after the other.
fn has(session: &Session, heading: &str, words: &str) {
    let rows = session.rows(heading);
    assert!(rows.iter().any(|row| row.join(" ").contains(words)), "no {words:?} in:\n{rows:#?}");
}

#[test]
fn the_way_from_cron_can_be_pasted() {
    let session = Session::of("FROM_CRON.md", Duration::from_secs(90));
    a_table_is_looked_at_and_taken_over(&session);
    a_firing_is_tried_and_its_habits_are_said(&session);
    nights_are_told_of(&session);
    schedules_are_paused_and_missed(&session);
    lines_are_cron_s_again(&session);
    assert!(!session.told().contains("error:"), "{}", session.told());
    let left = session.left();
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
        has(session, "Look", words);
    }
    for words in
        ["schedule cleaning is made", "tab: 5 lines taken out", "#ostler# @reboot echo warm"]
    {
        has(session, "Apply", words);
    }
    has(session, "The system", "shop at 04:00 every day, up to 30m later");
    has(session, "The system", "cron.d/shop: 1 line taken out");
    has(session, "The system", "reports active every 5 minutes");
    has(session, "The system", "schedule logrotate");
}

fn a_firing_is_tried_and_its_habits_are_said(session: &Session) {
    let tried = session.below("Run one now");
    assert!(tried.contains("\nDear all,\nthe coffee is ready.\n"), "{tried}");
    for line in ["To: ops@example.com", "X-Ostler-Schedule: mail-the-staff"] {
        assert!(tried.contains(&format!("\n{line}\n")), "{tried}");
    }
    has(session, "Run one now", "1 by first");
    has(session, "Run one now", "2 succeeded 0");
    for words in [
        "overlap allow",
        "missed one",
        "jitter 5m",
        "expect within 1d2h",
        "max run 1h",
        "job retry attempts=3",
    ] {
        has(session, "Habits", words);
    }
    let shown = session.below("Habits");
    assert!(!shown.contains("at_most_once"), "{shown}");
    has(session, "Once", "the tea is ready");
}

fn nights_are_told_of(session: &Session) {
    for words in [
        "Sun 2027-03-28 03:00 CEST 2027-03-28 01:00Z",
        "02:30 is not there that night: it fires at 03:00",
        "02:30 is there twice that night: it fires the first time",
        "Sun 2027-10-31 02:30 CET 2027-10-31 01:30Z",
    ] {
        has(session, "What happens", words);
    }
}

fn schedules_are_paused_and_missed(session: &Session) {
    has(session, "Nothing fires", "reports paused every 5 minutes");
    has(session, "Nothing fires", "schedule reports is resumed");
    has(session, "Told", "heartbeat active+overdue every 1s");
}

fn lines_are_cron_s_again(session: &Session) {
    let undone = session.below("Undo");
    assert!(undone.ends_with("# Cleaning\n0 23 * * *  echo cleaned\n"), "{undone}");
    has(session, "Undo", "schedule shop is deleted");
}
