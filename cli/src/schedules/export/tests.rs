//! Schedules as files, and back.

use serde_json::{Map, Value, json};

use super::*;

fn bodies(all: Value) -> Map<String, Value> {
    all.as_object().unwrap().clone()
}

fn home(user: Option<&str>) -> Option<String> {
    Some(format!("/home/{}", user.unwrap_or("me")))
}

fn faithful(cron: &str, job: Value) -> Value {
    let mut body = json!({"cron": cron, "zone": "Europe/Berlin", "vixie": true, "missed": "skip", "overlap": "allow", "job": job});
    body["job"]["retry"] = json!({"attempts": 1});
    body
}

#[test]
fn a_crontab_has_what_it_can_say_and_a_comment_of_the_rest() {
    let all = bodies(json!({
        "a-backup": faithful("0 3 * * MON-FRI", json!({"command": "backup | mail -s \"50%\" x", "env": {"PATH": "/usr/bin:/bin", "A": "it's"}, "cwd": "/root"})),
        "b-input": faithful("@daily", json!({"argv": ["/bin/cat", "a b"], "stdin": "x%y\nz\n", "env": {"PATH": "/usr/bin:/bin"}})),
        "c-seconds": faithful("0 0 3 * * *", json!({"command": "x", "env": {"PATH": "/usr/bin:/bin"}})),
        "d-every": faithful("@every 90s", json!({"command": "x", "env": {"PATH": "/usr/bin:/bin"}})),
        "e-last": faithful("0 0 L * *", json!({"command": "x", "env": {"PATH": "/usr/bin:/bin"}})),
        "f-days": {"cron": "0 0 */2 * MON", "zone": "UTC", "job": {"command": "x", "env": {"PATH": "/usr/bin:/bin"}}},
        "g-user": faithful("0 0 * * *", json!({"command": "x", "user": "www-data", "env": {"PATH": "/usr/bin:/bin"}})),
        "h-lines": faithful("0 0 * * *", json!({"command": "a\nb", "env": {"PATH": "/usr/bin:/bin"}})),
        "i-rich": {"cron": "5 0 * * *", "zone": "UTC", "jitter": "5m", "ends": "2027-01-01T00:00:00Z",
            "job": {"command": "x", "queue": "mail", "tenant": "default", "env": {"PATH": "/usr/bin:/bin"}}},
    }));
    let made = crontab(&all, false, home);
    let expected = r#"# Made by ostler schedule export.

CRON_TZ=Europe/Berlin
MAILTO=""
PATH=/usr/bin:/bin

# b-input
@daily /bin/cat 'a b'%x\%y%z

# c-seconds
#   cannot be said here: cron knows no seconds and no years
#   0 0 3 * * * x

# d-every
#   cannot be said here: cron counts no lengths of time
#   @every 90s x

# e-last
#   cannot be said here: cron knows no L, W, #, ? and +
#   0 0 L * * x

# g-user
#   cannot be said here: it is run by www-data, and a user's own table has no user; --system has
#   0 0 * * * x

# h-lines
#   cannot be said here: a line of cron has no line ends in it
#   0 0 * * * a b

# f-days
#   cannot be said here: cron means other days by it: */2 restricts nothing there
#   0 0 */2 * MON x

CRON_TZ=UTC
RANDOM_DELAY=5

# i-rich
#   missed = one: cron makes up for nothing
#   overlap = skip: cron starts it beside the one before it
#   ends = 2027-01-01T00:00:00Z: cron fires it after that as well
#   jitter = 5m: only cronie knows RANDOM_DELAY, and draws it anew
#   retry = as its queue says: cron tries it once
#   queue = mail: cron has no word for it
5 0 * * * x

RANDOM_DELAY=0
A=it's
CRON_TZ=Europe/Berlin

# a-backup
0 3 * * MON-FRI cd /root || exit 1; backup | mail -s "50\%" x
"#;
    assert_eq!(made.text, expected);
    assert_eq!(made.left, 6);
}

#[test]
fn a_crontab_of_the_system_has_a_user_in_each_line() {
    let all = bodies(json!({
        "a": faithful("0 0 * * *", json!({"command": "x", "user": "www-data"})),
        "b": faithful("0 0 * * *", json!({"command": "x"})),
    }));
    let system = crontab(&all, true, home).text;
    assert!(
        system.contains("\n0 0 * * * www-data x\n")
            && system.contains("cannot be said here: it names no user"),
        "{system}"
    );
}

#[test]
fn what_a_crontab_says_is_read_from_it_again() {
    use ostler_cron_module::crontab::{Crontab, Table};
    let job = json!({"command": "echo \"100%\" 'a' \\\\%", "stdin": "one\n\n50%\n", "env": {"PATH": "/usr/bin:/bin", "X": " spaced "}});
    let made = crontab(&bodies(json!({"one": faithful("*/5 9-17 * * 1-5", job)})), false, home);
    let read = Crontab::read(&made.text, Table::User, "");
    assert_eq!(read.broken, []);
    let entry = &read.entries[0];
    assert_eq!(
        (entry.when.as_str(), entry.command.as_str()),
        ("*/5 9-17 * * 1-5", "echo \"100%\" 'a' \\\\%")
    );
    assert_eq!(entry.stdin.as_deref(), Some("one\n\n50%\n"));
    for stdin in ["\n", "a\n\n", "\na\n", "back\\%\n"] {
        let job = json!({"command": "cat", "stdin": stdin});
        let made = crontab(&bodies(json!({"one": faithful("@daily", job)})), false, home);
        let read = Crontab::read(&made.text, Table::User, "");
        assert_eq!(read.entries[0].stdin.as_deref(), Some(stdin), "{}", made.text);
    }
    assert_eq!(
        (entry.variables["X"].as_str(), entry.variables["CRON_TZ"].as_str()),
        (" spaced ", "Europe/Berlin")
    );
}

#[test]
fn a_variable_of_the_lines_above_is_none_of_a_line_that_has_it_not() {
    let job = |env: Value| faithful("0 3 * * *", json!({"command": "run", "env": env}));
    let made = crontab(
        &bodies(json!({
            "a": job(json!({"X": "1", "PATH": "/opt/bin", "SHELL": "/bin/bash"})),
            "b": job(json!({"Y": "say \"it's\""})),
        })),
        false,
        home,
    );
    let expected = "# Made by ostler schedule export.

CRON_TZ=Europe/Berlin
MAILTO=\"\"
PATH=/opt/bin
SHELL=/bin/bash
X=1

# a
0 3 * * * /bin/sh -c run

PATH=/usr/bin:/bin
SHELL=/bin/sh
Y=say \"it's\"

# b
0 3 * * * unset X; run
";
    assert_eq!(made.text, expected);
}

#[test]
fn output_is_mailed_by_the_crontab_to_whom_the_schedules_say() {
    use ostler_cron_module::crontab::{Crontab, Table};
    let job = |mailto: &str, env: Value| {
        faithful("0 3 * * *", json!({"command": "a", "mailto": mailto, "env": env}))
    };
    let ops = "ops@example.com,root";
    let made = crontab(
        &bodies(json!({
            "a": job(ops, json!({"MAILTO": ops})),
            "b": job(ops, json!({})),
            "c": faithful("0 4 * * *", json!({"command": "a"})),
            "d": job("eve", json!({"MAILTO": "x y"})),
        })),
        false,
        home,
    );
    let expected = "# Made by ostler schedule export.

CRON_TZ=Europe/Berlin
MAILTO=\"\"

# c
0 4 * * * a

MAILTO=eve

# d
0 3 * * * export MAILTO='x y'; a

MAILTO=ops@example.com,root

# a
0 3 * * * a

# b
0 3 * * * a
";
    assert_eq!(made.text, expected);
    let read = Crontab::read(&made.text, Table::User, "");
    let mailto: Vec<_> = read.entries.iter().map(|it| it.variables["MAILTO"].as_str()).collect();
    assert_eq!(mailto, ["", "eve", ops, ops]);
}

#[test]
fn a_configuration_has_a_table_for_each() {
    let all =
        bodies(json!({"nightly": {"cron": "0 3 * * *", "missed": {"limit": 10, "window": "1d"},
        "job": {"command": "backup", "env": {"A": "1"}, "tags": ["x"], "mailto": "ops"}}}));
    let text = toml(&all).unwrap();
    let read: Value = toml::from_str(&text).unwrap();
    let expected = json!({"schedule": {"nightly": {"cron": "0 3 * * *", "missed": {"limit": 10, "window": "1d"}, "command": "backup",
        "env": {"A": "1"}, "tags": ["x"], "mailto": "ops"}}});
    assert_eq!(read, expected, "{text}");
}
