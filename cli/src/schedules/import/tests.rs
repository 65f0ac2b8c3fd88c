//! Crontabs as people have them, and what becomes of them.

mod crontabs;

use ostler_cron_module::crontab::Table;
use serde_json::json;

use super::{tables::Owner, *};

fn here() -> Here {
    fn home(user: Option<&str>) -> Option<String> {
        match user {
            Some("root") => Some("/root".to_owned()),
            Some("nobody-here") => None,
            Some(user) => Some(format!("/home/{user}")),
            None => Some("/home/me".to_owned()),
        }
    }
    Here { clock: Clock::for_tests(), home }
}

fn file(table: Table, owner: Owner, text: &str) -> TableFile {
    TableFile { label: "tab".to_owned(), path: None, table, owner, text: text.to_owned() }
}

fn berlin() -> Wishes {
    Wishes { tz: Some("Europe/Berlin".to_owned()), ..Wishes::default() }
}

fn read(table: Table, owner: Owner, text: &str) -> Import {
    Import::read(&[file(table, owner, text)], &berlin(), &here())
}

fn user(text: &str) -> Import {
    read(Table::User, Owner::User("eve".to_owned()), text)
}

fn names(import: &Import) -> Vec<&str> {
    import.schedules.iter().map(|it| it.name.as_str()).collect()
}

#[test]
fn a_line_runs_as_cron_runs_it() {
    let import =
        user("MAILTO=ops@example.com\n# Nightly backup\n30 2 * * MON-FRI  backup --all%yes%\n");
    let draft = &import.schedules[0];
    assert_eq!((draft.name.as_str(), draft.line), ("eve-nightly-backup", 3));
    assert_eq!(draft.words, "at 02:30 on Monday to Friday");
    assert_eq!(draft.next.as_deref(), Some("2026-11-30T02:30:00+01:00"));
    let expected = json!({
        "cron": "30 2 * * MON-FRI", "zone": "Europe/Berlin", "vixie": true, "missed": "skip", "overlap": "allow",
        "job": {
            "command": "backup --all", "stdin": "yes\n", "cwd": "/home/eve", "user": "eve", "delivery": "at_most_once", "mailto": "ops@example.com",
            "env": {"MAILTO": "ops@example.com", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}, "retry": {"attempts": 1},
        },
    });
    assert_eq!(draft.schedule, expected);
    assert_eq!(import.left.len(), 0);
    let note = "tab: MAILTO=ops@example.com: output of a line is mailed there, as by cron, by the sendmail of whichever host runs it";
    assert_eq!(import.notes, [note]);
}

#[test]
fn variables_say_shell_home_path_delay_and_zone() {
    let text = "SHELL=/bin/bash\nHOME=/srv\nPATH=/opt/bin\nLOGNAME=mallory\nRANDOM_DELAY=7\nCRON_TZ=Asia/Tokyo\nTZ=UTC\nA='x y'\n0 3 * * * run [[ a ]]\n@reboot warm\n";
    let mut wishes = berlin();
    let both = |wishes: &Wishes| {
        Import::read(&[file(Table::User, Owner::User("eve".to_owned()), text)], wishes, &here())
    };
    let of_flag = both(&wishes);
    assert_eq!(of_flag.schedules[0].schedule["zone"], "Europe/Berlin");
    wishes.tz = None;
    let import = both(&wishes);
    let body = &import.schedules[0].schedule;
    assert_eq!((&body["zone"], &body["jitter"]), (&json!("Asia/Tokyo"), &json!("7m")));
    assert_eq!(import.schedules[0].words, "at 03:00 every day, up to 7m later");
    assert_eq!(body["job"]["argv"], json!(["/bin/bash", "-c", "run [[ a ]]"]));
    assert_eq!(body["job"]["cwd"], "/srv");
    assert_eq!(
        body["job"]["env"],
        json!({"A": "x y", "HOME": "/srv", "PATH": "/opt/bin", "SHELL": "/bin/bash", "TZ": "UTC"})
    );
    let reboot = &import.schedules[1];
    assert_eq!((&reboot.schedule["cron"], reboot.next.as_deref()), (&json!("@reboot"), None));
    assert_eq!(reboot.schedule["jitter"], json!(null), "a start of the host has no delay");
    assert!(
        import.notes.iter().any(|it| it.contains("TZ=UTC is for the commands alone")),
        "{:?}",
        import.notes
    );
    let unknown = Import::read(
        &[file(Table::User, Owner::Nobody, "CRON_TZ=Mars/Base\n0 3 * * * a\n")],
        &wishes,
        &here(),
    );
    assert!(
        unknown.left[0]
            .told()
            .starts_with("tab:2: CRON_TZ=Mars/Base: there is no time zone \"Mars/Base\""),
        "{:?}",
        unknown.left
    );
}

#[test]
fn output_is_mailed_to_whom_cron_mails_it() {
    let text = "0 1 * * * before\nMAILTO=ops@example.com, root\n0 2 * * * a\n0 3 * * * b\nMAILTO=\"\"\n0 4 * * * off\nMAILTO=<ops@example.com>\n0 5 * * * unsafe\n MAILTO = 'x+y=z@example.com'\n0 6 * * * last\n";
    let import = user(text);
    let mailto: Vec<_> =
        import.schedules.iter().map(|it| it.schedule["job"]["mailto"].as_str()).collect();
    let ops = Some("ops@example.com,root");
    assert_eq!(mailto, [Some("eve"), ops, ops, None, None, Some("x+y=z@example.com")]);
    let told: Vec<&str> = import.notes.iter().map(String::as_str).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].starts_with("tab: MAILTO=ops@example.com,root: output of 2 lines is mailed"));
    assert!(told[2].starts_with("tab: no MAILTO: output of a line is mailed to eve, who runs it"));
    let wrong = "tab: MAILTO=<ops@example.com>: \"<ops@example.com>\" is no address; ";
    assert!(told[3].starts_with(wrong) && told[3].ends_with(" is not mailed, as by cron"));
    // The command has the variable as it is written.
    assert_eq!(import.schedules[1].schedule["job"]["env"]["MAILTO"], "ops@example.com, root");
}

#[test]
fn without_mailto_whoever_runs_a_line_gets_its_output_if_that_is_known() {
    let system = read(Table::System, Owner::Nobody, "0 1 * * * root a\n0 2 * * * www-data b\n");
    let mailto: Vec<_> = system.schedules.iter().map(|it| &it.schedule["job"]["mailto"]).collect();
    assert_eq!(mailto, ["root", "www-data"]);
    let unknown = read(Table::User, Owner::Nobody, "0 1 * * * a\n");
    assert_eq!(unknown.schedules[0].schedule["job"]["mailto"], json!(null));
    let note = "tab: no MAILTO: output of a line is mailed to nobody, since no user is named";
    assert!(unknown.notes.iter().any(|it| it.starts_with(note)), "{:?}", unknown.notes);
}

#[test]
fn what_cannot_be_taken_over_is_told_with_its_place_and_the_cure() {
    let import = user("61 * * * * a\n0 3 * * * caf\u{fffd}\n0 3 * * *\n0 4 * * * last");
    let told: Vec<String> = import.left.iter().map(Left::told).collect();
    assert_eq!(
        told,
        [
            "tab:1:1: there is no minute 61; write a number from 0 to 59",
            "tab:2: it is not UTF-8 text; convert the file, as by iconv -f latin1 -t utf8",
            "tab:3:10: the command is missing; write it after the fields",
            "tab:4:15: the last line has no end, and cron does not run it; end it",
        ]
    );
    assert!(import.schedules.is_empty());
}

#[test]
fn names_are_unique_and_the_same_each_time() {
    let text = "# Backup\n0 1 * * * a\n# Backup\n0 2 * * * b\n0 3 * * * /opt/report.sh\n0 4 * * * /opt/report.sh --long\n#ostler: the lines\n#ostler# 0 3 * * * old\n0 5 * * * next\n";
    let expected = ["eve-backup", "eve-backup-2", "eve-report", "eve-report-2", "eve-next"];
    assert_eq!(names(&user(text)), expected);
    assert_eq!(names(&user(text)), expected);
    let head = "# m h dom mon dow command\n0 1 * * * a\n#minute hour mday month wday who command\n0 2 * * * b\n";
    assert_eq!(names(&user(head)), ["eve-a", "eve-b"]);
    let wishes = Wishes { prefix: "old-".to_owned(), ..berlin() };
    let long = format!("# {}\n0 1 * * * a\n", "word ".repeat(40));
    let import =
        Import::read(&[file(Table::User, Owner::File("x".repeat(70)), &long)], &wishes, &here());
    assert!(
        ostler_gateway::name::is_good(&import.schedules[0].name),
        "{}",
        import.schedules[0].name
    );
}

#[test]
fn a_table_that_names_no_user_says_so() {
    let import = read(Table::User, Owner::Nobody, "0 3 * * * a\n");
    assert_eq!(import.schedules[0].schedule["job"]["user"], json!(null));
    assert_eq!(import.schedules[0].schedule["job"]["cwd"], "/home/me");
    assert!(import.notes[1].contains("--run-as USER"), "{:?}", import.notes);
    let wishes = Wishes { run_as: Some("www-data".to_owned()), ..berlin() };
    let import =
        Import::read(&[file(Table::User, Owner::Nobody, "0 3 * * * a\n")], &wishes, &here());
    assert_eq!(import.schedules[0].schedule["job"]["user"], "www-data");
    let unknown = read(Table::User, Owner::User("nobody-here".to_owned()), "0 3 * * * a\n");
    assert!(
        unknown.notes[1].contains("there is no user nobody-here on this host"),
        "{:?}",
        unknown.notes
    );
    let import = read(Table::User, Owner::Nobody, "0 3 * * * root a\n");
    assert!(import.notes.iter().any(|it| it.contains("give --system")), "{:?}", import.notes);
}

#[test]
fn a_command_that_is_a_shell_within_a_shell_without_end_has_a_name_all_the_same() {
    let import = user(&format!("* * * * * {}\n", "sh -c '".repeat(100_000)));
    assert_eq!((names(&import).len(), import.left.len()), (1, 0));
}
