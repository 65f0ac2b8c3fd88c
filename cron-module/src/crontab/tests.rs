//! Tables as people have them.

use super::{Crontab, Entry, Table};

fn user(text: &str) -> Crontab {
    Crontab::read(text, Table::User, "root")
}

fn only(text: &str) -> Entry {
    let crontab = user(text);
    assert_eq!(crontab.broken, [], "{text}");
    let [entry] = <[Entry; 1]>::try_from(crontab.entries).expect("one line");
    entry
}

#[test]
fn a_line_has_fields_and_a_command_and_what_is_set_above_it() {
    let text = "MAILTO=\"ops@example.com\"\nPATH = /usr/local/bin:/usr/bin \n\n# Nightly backup\n 30  2 * *\tMON-FRI   /opt/backup --all  \n";
    let entry = only(text);
    assert_eq!((entry.line, entry.comment.as_deref()), (5, Some("Nightly backup")));
    assert_eq!(
        (entry.when.as_str(), entry.command.as_str()),
        ("30  2 * *\tMON-FRI", "/opt/backup --all")
    );
    assert_eq!(entry.variables["MAILTO"], "ops@example.com");
    assert_eq!(entry.variables["PATH"], "/usr/local/bin:/usr/bin");
    assert_eq!(entry.stdin, None);
}

#[test]
fn variables_are_those_above_a_line_and_not_those_below() {
    let crontab = user("A=1\n* * * * * one\nA=2\nB='x y'\nEMPTY=\n* * * * * two\n");
    let of = |at: usize, key: &str| crontab.entries[at].variables.get(key).cloned();
    assert_eq!((of(0, "A"), of(0, "B")), (Some("1".into()), None));
    assert_eq!(
        (of(1, "A"), of(1, "B"), of(1, "EMPTY")),
        (Some("2".into()), Some("x y".into()), Some(String::new()))
    );
    // What has an equals sign in its command is a command.
    assert_eq!(only("* * * * * env A=1 run\n").command, "env A=1 run");
}

#[test]
fn a_percent_sign_ends_a_line_and_the_first_one_the_command() {
    let entry = only("0 0 * * * mail -s report%Dear all,%%bye\n");
    assert_eq!(
        (entry.command.as_str(), entry.stdin.as_deref()),
        ("mail -s report", Some("Dear all,\n\nbye\n"))
    );
    for (line, command, stdin) in [
        (r"cat%a%", "cat", Some("a\n")),
        (r"cat%a%%", "cat", Some("a\n\n")),
        (r"cat%", "cat", None),
        (r"cat%%", "cat", Some("\n")),
        (r"echo \\%a", r"echo \\", Some("a\n")),
        (r"echo \\\%a", r"echo \\%a", None),
        (r"cat%50\% \n\\% \", "cat", Some("50% \\n\\% \\\n")),
    ] {
        let entry = only(&format!("0 0 * * * {line}\n"));
        assert_eq!((entry.command.as_str(), entry.stdin.as_deref()), (command, stdin), "{line}");
    }
    let entry = only("0 0 * * * date +\\%F >/tmp/a\\%b\n");
    assert_eq!((entry.command.as_str(), entry.stdin), ("date +%F >/tmp/a%b", None));
}

#[test]
fn the_systems_tables_have_a_user_in_each_line() {
    let text = "17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly\n@reboot www-data /usr/bin/warm\n";
    let crontab = Crontab::read(text, Table::System, "system");
    let users: Vec<_> = crontab.entries.iter().map(|it| it.user.as_deref()).collect();
    assert_eq!(users, [Some("root"), Some("www-data")]);
    assert_eq!(crontab.entries[0].command, "cd / && run-parts --report /etc/cron.hourly");
    let crontab = Crontab::read("@daily\n* * * * * root\n", Table::System, "system");
    let faults: Vec<String> = crontab.broken.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "line 1, column 7: the user is missing; write who runs it before the command",
            "line 2, column 15: the command is missing; write it after the user",
        ]
    );
}

#[test]
fn a_broken_line_is_told_with_its_place_and_the_others_are_read() {
    let crontab = user(
        "* * * * * one\n61 * * * * two\n  * * 32 * * three\n* * *\n@every 5m four\n-*/5 * * * * five\n",
    );
    let commands: Vec<_> =
        crontab.entries.iter().map(|it| (it.command.as_str(), it.quiet)).collect();
    assert_eq!(commands, [("one", false), ("four", false), ("five", true)]);
    let faults: Vec<String> = crontab.broken.iter().map(ToString::to_string).collect();
    assert_eq!(faults[0], "line 2, column 1: there is no minute 61; write a number from 0 to 59");
    assert_eq!(
        faults[1],
        "line 3, column 7: there is no day of month 32; write a number from 1 to 31"
    );
    assert!(faults[2].starts_with("line 4, column 1: there are 3 fields"), "{}", faults[2]);
}

#[test]
fn a_comment_names_the_line_below_it_unless_it_is_one_of_several_or_a_line_that_was_taken_out() {
    let named = |text: &str| only(text).comment;
    assert_eq!(named("### Rotate logs ---\n0 0 * * * rotate\n").as_deref(), Some("Rotate logs"));
    assert_eq!(
        named("# m h  dom mon dow   command\n\n0 0 * * * rotate\n"),
        None,
        "a line is between them"
    );
    assert_eq!(named("# one\n# two\n0 0 * * * rotate\n"), None);
    assert_eq!(named("# 5 4 * * * old\n0 0 * * * rotate\n"), None);
    assert_eq!(named("#\n0 0 * * * rotate\n"), None);
    let crontab = user("# first\n0 0 * * * a\n0 1 * * * b\n");
    assert_eq!(crontab.entries[1].comment, None);
}

#[test]
fn a_last_line_without_an_end_is_none_as_in_cron() {
    let crontab = user("0 0 * * * a\n0 1 * * * b");
    assert_eq!(crontab.entries.len(), 1);
    assert_eq!(
        crontab.broken[0].to_string(),
        "line 2, column 12: the last line has no end, and cron does not run it; end it"
    );
    assert_eq!(user("0 0 * * * a\n# end").entries.len(), 1);
}

#[test]
fn days_are_read_as_vixies_cron_reads_them() {
    let entry = only("0 0 */2 * MON a\n");
    assert!(entry.expression.words().ends_with("if it is Monday"), "{}", entry.expression.words());
}

#[test]
fn windows_line_ends_and_odd_characters_lose_nothing() {
    let entry = only("0 0 * * * grüße 'a b'\r\n");
    assert_eq!(entry.command, "grüße 'a b'");
}

#[test]
fn lines_of_other_crons_are_told_as_such_and_read_where_that_means_the_same() {
    let told = |text: &str| {
        let crontab = user(&format!("{text}\n"));
        crontab.broken.iter().map(ToString::to_string).next().unwrap_or_else(|| panic!("{text}"))
    };
    for text in ["!mailto(ops)", "@ 30 run", "&bootrun(true) 0 4 * * * run", "%nightly * 21-23 run"]
    {
        assert!(told(text).starts_with("line 1, column 1: it is a line of fcron's; "), "{text}");
    }
    for (text, cure) in [
        ("1 5 cron.daily run-parts /etc/cron.daily", "put cron.daily @daily -- COMMAND"),
        ("7\t10\tcron.weekly\tnice run", "put cron.weekly @weekly -- COMMAND"),
        ("@monthly 45 cron.monthly run", "put cron.monthly @monthly -- COMMAND"),
        ("3 5 each-third run", "put each-third '@every 3d' -- COMMAND"),
    ] {
        let told = told(text);
        assert!(told.contains("it is a line of anacron's") && told.ends_with(cure), "{told}");
    }
    assert!(
        told("@30 run")
            .ends_with("write @every 30s, which counts from the start of the one before it")
    );
    let crontab = user(
        "@every_minute a\n@every_second b\n0 * * * * -q c\n0 * * * * -ns d -s\n0 * * * * -x e\n",
    );
    let is: Vec<_> =
        crontab.entries.iter().map(|it| (it.when.as_str(), it.command.as_str())).collect();
    let hourly = "0 * * * *";
    assert_eq!(
        is,
        [("* * * * *", "a"), ("@every 1s", "b"), (hourly, "c"), (hourly, "d -s"), (hourly, "-x e")]
    );
    let flags = |at: usize| {
        let it = &crontab.entries[at];
        (it.quiet, it.single, it.mails_failures)
    };
    assert_eq!(
        (flags(2), flags(3), flags(4)),
        ((true, false, false), (false, true, true), (false, false, false))
    );
}

#[test]
fn what_cron_would_read_as_something_else_than_was_meant_is_told() {
    let system =
        Crontab::read("0 3 * * * /opt/backup --all\n*/5 0 3 * * * root a\n", Table::System, "");
    let faults: Vec<String> = system.broken.iter().map(ToString::to_string).collect();
    let cure = "a line of the system's tables has its user right after five fields, and those of a user's own have none";
    assert_eq!(
        faults,
        [
            format!("line 1, column 11: /opt/backup is no user; {cure}"),
            format!("line 2, column 13: * is no user; {cure}"),
        ]
    );
    let crontab = user(
        "0 0 3 * * * a\n0 3 * * * 2026 b\nTZ=UTC 0 5 * * * c\nA=b 1 2 3\nB=\"x 0 5 * * * c\"\n0 3 * * * d\n* * * a\n",
    );
    let faults: Vec<String> = crontab.broken.iter().map(ToString::to_string).collect();
    let fields = "as if there were more fields; a crontab has five, without seconds and years";
    assert_eq!(
        faults[1..3],
        [
            format!("line 2, column 11: the command begins with 2026, {fields}"),
            "line 3, column 7: cron takes all of it for the value of TZ, and runs nothing; put TZ on a line of its own".to_owned(),
        ]
    );
    assert!(faults[3].contains("there are 4 fields; write five (minute,"), "{}", faults[3]);
    assert_eq!(crontab.entries.len(), 1, "a value may have blanks in it");
    assert_eq!(crontab.entries[0].variables["A"], "b 1 2 3");
}

#[test]
fn a_comment_that_goes_on_further_in_is_of_the_one_above_it() {
    let text = "# nightly\n#   overlap = skip: cron has no word for it\n0 0 * * * rotate\n";
    assert_eq!(only(text).comment.as_deref(), Some("nightly"));
}

#[test]
fn a_sixth_star_is_no_command() {
    for (text, table) in [
        ("* * * * * * run\n", Table::User),
        ("* * * * * *\n", Table::User),
        ("@daily\t* run\n", Table::User),
        ("0 * * * * * root run\n", Table::System),
    ] {
        let crontab = Crontab::read(text, table, "a");
        assert_eq!((crontab.entries.len(), crontab.broken.len()), (0, 1), "{text}");
    }
    assert_eq!(only("* * * * * ./*\n").command, "./*");
}

#[test]
fn a_variable_that_cron_would_not_take_is_told_as_one() {
    for (text, column, words) in [
        ("A=\"b\" # c\n", 3, "what begins with a quotation mark has to end with it"),
        ("A = \"b\n", 5, "what begins with a quotation mark"),
        ("A='b'c'\n", 3, "what begins with a quotation mark"),
        ("A='\n", 3, "what begins with a quotation mark"),
        ("A.B=c\n", 1, "\"A.B\" is no name of a variable; write letters, digits and _"),
        ("  1A=c\n", 3, "\"1A\" is no name of a variable"),
        ("=c\n", 1, "\"\" is no name of a variable"),
    ] {
        let crontab = user(text);
        let told = crontab.broken.first().map(ToString::to_string).unwrap_or_default();
        assert!(told.starts_with(&format!("line 1, column {column}: {words}")), "{text}: {told}");
    }
    for (text, value) in
        [("A=it's", "it's"), ("A=say \"x\"", "say \"x\""), ("A='say \"x\"'", "say \"x\"")]
    {
        assert_eq!(only(&format!("{text}\n* * * * * run\n")).variables["A"], value);
    }
    assert_eq!(only("@daily A=1 run\n").command, "A=1 run");
}

#[test]
fn blanks_at_the_end_of_a_command_stay_where_they_are_escaped() {
    assert_eq!(only("* * * * * echo a \t \n").command, "echo a");
    assert_eq!(only("* * * * * echo a\\ \n").command, "echo a\\ ");
    assert_eq!(only("* * * * * cat\\ %in\n").command, "cat\\ ");
}

#[test]
fn variables_above_many_lines_are_read_up_to_a_bound_for_all_of_them() {
    let table = format!("A={}\n{}", "x".repeat(1 << 20), "* * * * * true\n".repeat(100));
    let crontab = user(&table);
    assert_eq!((crontab.entries.len(), crontab.broken.len()), (31, 69));
    let told = crontab.broken[0].to_string();
    assert!(told.contains("line 33, ") && told.contains("several tables"), "{told}");
}
