//! The verbs for durable jobs as a shell uses them: what they print, and how they exit.

use std::{
    io::{Read as _, Write as _},
    process::{Child, Command, Output, Stdio},
};

use nix::sys::signal::Signal;
use ostler_tests::{Api, Gateway, Setup, ostler, own_address, signal, wait_until};
use serde_json::{Value, json};

fn setup() -> Setup {
    Setup::bare().more("[runner]\njob_slots = 4\n").args(&["--no-app"])
}

fn start() -> Gateway {
    setup().start()
}

/// `ostler` with the state folder of a gateway, and nothing of this shell's own settings.
fn command(gateway: &Gateway, words: &[&str]) -> Command {
    let mut command = Command::new(ostler());
    for name in ["API", "TOKEN", "CA", "JOIN"] {
        command.env_remove(format!("OSTLER_{name}"));
    }
    command.args(words).env("OSTLER_STATE", gateway.state()).current_dir(gateway.state());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(gateway: &Gateway, words: &[&str]) -> Output {
    command(gateway, words).output().expect("the binary under test starts")
}

/// With this on standard input.
fn feed(gateway: &Gateway, words: &[&str], text: &[u8]) -> Output {
    let child = command(gateway, words).stdin(Stdio::piped()).spawn();
    let mut child = child.expect("the binary under test starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(text).expect("it reads its standard input");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it writes text")
}

fn code(out: &Output) -> i32 {
    let told = (text(&out.stdout), text(&out.stderr));
    out.status.code().unwrap_or_else(|| panic!("it was killed: {told:?}"))
}

/// What it printed; it succeeds.
fn printed(gateway: &Gateway, words: &[&str]) -> String {
    let out = run(gateway, words);
    assert_eq!(code(&out), 0, "{words:?}: {}", text(&out.stderr));
    text(&out.stdout).to_owned()
}

fn submit(gateway: &Gateway, words: &[&str]) -> u64 {
    let id = printed(gateway, &[&["submit"], words].concat());
    id.trim().parse().expect("it prints the id")
}

/// It fails with this code, tells these words, and prints nothing.
fn assert_fails(gateway: &Gateway, words: &[&str], expected: i32, tells: &str) {
    let out = run(gateway, words);
    assert_eq!((code(&out), text(&out.stdout)), (expected, ""), "{words:?}");
    let told = text(&out.stderr);
    assert!(told.contains(tells), "{words:?}: {told}");
}

#[test]
fn submit_that_waits_shows_both_streams_and_exits_as_the_job_does() {
    let gateway = start();
    let wait = |words: &[&str]| run(&gateway, &[&["submit", "--wait"], words].concat());
    let out = wait(&["--", "echo out; echo err >&2; exit 7"]);
    assert_eq!((code(&out), text(&out.stdout), text(&out.stderr)), (7, "out\n", "err\n"));
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--", "true"], 0, ""),
        (&["--", "kill -KILL $$"], 137, "is dead (SIGKILL)"),
        (&["--", "kill -TERM $$"], 143, "is dead (SIGTERM)"),
        (&["--timeout", "200ms", "--", "sleep", "300"], 124, "is dead (timeout)"),
        (&["--", "no-such-command"], 125, "(unstartable): command not found: no-such-command"),
        (&["--paused", "--expires", "1ms", "--", "true"], 125, "is expired\n"),
    ];
    for (words, expected, tells) in cases {
        let out = wait(words);
        let told = text(&out.stderr);
        assert_eq!(code(&out), expected, "{words:?}: {told}");
        assert!(told.contains(tells), "{words:?}: {told}");
    }
}

#[test]
fn submit_that_waits_in_another_format_prints_nothing_but_the_job() {
    let gateway = start();
    let out = run(&gateway, &["submit", "--wait", "-o", "json", "--", "echo out; echo err >&2"]);
    let job: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&job["state"], text(&out.stderr)), (&json!("succeeded"), "err\n"));
}

#[test]
fn a_killed_job_ends_who_waits_for_it_and_ctrl_c_does_not_end_the_job() {
    let gateway = start();
    let api = Api::of(&gateway);
    let wait = || {
        let words = ["submit", "--wait", "--", "echo begun; sleep 300"];
        let mut child = command(&gateway, &words).spawn().unwrap();
        // It follows the job once it has shown something of it.
        let mut begun = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut begun).unwrap();
        child
    };
    let ends = |child: Child| child.wait_with_output().unwrap();
    let waiting = wait();
    signal(waiting.id(), Signal::SIGINT);
    let out = ends(waiting);
    assert_eq!((code(&out), text(&out.stdout)), (130, ""));
    assert!(text(&out.stderr).contains("job 1 goes on"), "{}", text(&out.stderr));
    assert_eq!(api.job(1)["state"], "running");

    let waiting = wait();
    let out = run(&gateway, &["kill", "1", "2"]);
    assert_eq!((code(&out), text(&out.stderr)), (0, "cancelled 2 jobs\n"));
    assert_eq!(code(&ends(waiting)), 143);
    assert_eq!(api.wait_finished(1)["state"], "cancelled");
    assert_fails(&gateway, &["kill", "999"], 66, "there is no job 999; `ostler list` shows");
}

#[test]
fn submit_waits_through_a_restart_of_the_gateway() {
    let gateway = setup().args(&["--api", &own_address().to_string()]).start();
    let door = gateway.api_address().to_string();
    let go = gateway.state().join("go");
    let line = format!("echo before; until test -e {}; do sleep 0.05; done; exit 9", go.display());
    let mut child = command(&gateway, &["submit", "--wait", "--", &line]).spawn().unwrap();
    let mut before = [0; 7];
    child.stdout.as_mut().unwrap().read_exact(&mut before).unwrap();
    let (state, _remains) = gateway.crash();
    let gateway = setup().args(&["--api", &door]).early().start_in(state);
    std::fs::write(&go, "").unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!((code(&out), text(&out.stdout)), (9, ""), "{}", text(&out.stderr));
    drop(gateway);
}

#[test]
fn wait_goes_on_while_the_gateway_starts_again() {
    let gateway = setup().args(&["--api", &own_address().to_string()]).start();
    let door = gateway.api_address().to_string();
    let go = gateway.state().join("go");
    let line = |end: u8| format!("until test -e {}; do sleep 0.05; done; exit {end}", go.display());
    let ids = [
        submit(&gateway, &["--retries", "0", "--", &line(9)]),
        submit(&gateway, &["--", &line(0)]),
    ];
    let [one, two] = ids.map(|id| id.to_string());
    let all = command(&gateway, &["wait", &one, &two]).spawn().unwrap();
    let first = command(&gateway, &["wait", &one]).spawn().unwrap();
    let (state, _remains) = gateway.crash();
    let gateway = setup().args(&["--api", &door]).early().start_in(state);
    std::fs::write(&go, "").unwrap();
    let ends = |child: Child| child.wait_with_output().unwrap();
    assert_eq!(code(&ends(first)), 9);
    let all = ends(all);
    assert_eq!((code(&all), text(&all.stderr)), (1, ""), "{}", text(&all.stdout));
    drop(gateway);
}

#[test]
fn a_list_is_waited_for_with_a_summary_and_all_or_the_good_ones_are_taken() {
    let gateway = start();
    let out = feed(&gateway, &["submit", "--wait", "--tag", "l"], b"# two\ntrue\n\nfalse\n");
    assert_eq!(code(&out), 1);
    assert_eq!(text(&out.stdout), "dead       1\nsucceeded  1\n\n2  dead  1  false #l\n");

    let bad = b"- echo a\n- command: echo b\n  timeout: soon\n";
    let out = feed(&gateway, &["submit"], bad);
    assert_eq!((code(&out), text(&out.stdout)), (65, ""));
    assert!(text(&out.stderr).starts_with("stdin:2: \"soon\" is not"), "{}", text(&out.stderr));
    assert_eq!(Api::of(&gateway).list("").len(), 2, "nothing of it is taken");
    let out = feed(&gateway, &["submit", "--partial"], bad);
    assert_eq!(code(&out), 65);
    let id: u64 = text(&out.stdout).trim().parse().unwrap();
    assert_eq!(Api::of(&gateway).wait_finished(id)["command"], "echo a");

    let out =
        feed(&gateway, &["submit", "--wait"], b"{\"command\":\"true\"}\n{\"argv\":[\"true\"]}\n");
    assert_eq!((code(&out), text(&out.stdout)), (0, "succeeded  2\n"));
}

#[test]
fn a_list_that_cannot_be_taken_or_read_tells_whether_it_may_be_later_and_where() {
    let gateway = setup().more("[jobs]\nwaiting_max = 4\n").start();
    let waits = ["submit", "--partial", "--paused"];
    let out = feed(&gateway, &waits, b"true\ntrue\ntrue\ntrue\ntrue\ntrue\n");
    assert_eq!(code(&out), 75, "there may be room later: {}", text(&out.stderr));
    let out = feed(&gateway, &waits, b"- command: true\n  timeout: soon\n- command: 'true'\n");
    assert_eq!(code(&out), 65, "that one never: {}", text(&out.stderr));
    let out = feed(&gateway, &["submit"], b"true\n\necho gr\xfc\xdfe\n");
    assert_eq!(code(&out), 65);
    assert!(text(&out.stderr).starts_with("stdin:3: not UTF-8 text"), "{}", text(&out.stderr));
    for list in ["", "[]", "\n# none\n"] {
        let out = feed(&gateway, &["wait", "-"], list.as_bytes());
        assert_eq!((code(&out), text(&out.stderr)), (0, "note: no jobs in stdin\n"), "{list:?}");
    }
}

#[test]
fn what_is_listed_in_any_format_can_be_retried_and_deleted() {
    let gateway = start();
    let api = Api::of(&gateway);
    let tagged = ["submit", "--wait", "--tag", "t"];
    assert_eq!(code(&feed(&gateway, &tagged, b"false\ntrue\nexit 2\n")), 1);
    let wanted = ["list", "tag=t", "exit_status!=0", "-o"];
    for (number, format) in ["table", "json", "yaml", "ndjson"].iter().enumerate() {
        let listed = printed(&gateway, &[&wanted[..], &[format]].concat());
        let out = feed(&gateway, &["retry", "-"], listed.as_bytes());
        assert_eq!((code(&out), text(&out.stderr)), (0, "will retry 2 jobs\n"), "{format}");
        wait_until("they have failed again", || {
            let jobs = api.list("tag=t&state=dead");
            jobs.len() == 2 && jobs.values().all(|job| job["attempts"] == json!(number + 2))
        });
    }
    let listed = printed(&gateway, &["list", "tag=t"]);
    assert_eq!(feed(&gateway, &["delete", "-"], listed.as_bytes()).stderr, b"deleted 3 jobs\n");
    assert_eq!(run(&gateway, &["list", "tag=t"]).stderr, b"note: no jobs\n");
    let out = feed(&gateway, &["delete", "-"], b"one\n");
    assert_eq!((code(&out), text(&out.stderr)), (65, "stdin:1: \"one\" is no job's id\n"));
}

#[test]
fn a_filter_without_a_state_kills_what_has_not_finished_and_retries_what_failed() {
    let gateway = start();
    let api = Api::of(&gateway);
    feed(&gateway, &["submit", "--wait", "--tag", "x"], b"true\nfalse\n");
    let waits = submit(&gateway, &["--tag", "x", "--delay", "1h", "--", "true"]);
    assert_eq!(run(&gateway, &["kill", "tag=x"]).stderr, b"cancelled 1 job\n");
    assert_eq!(api.job(waits)["state"], "cancelled");
    assert_eq!(run(&gateway, &["kill", "tag=x"]).stderr, b"note: no such jobs\n");
    let out = run(&gateway, &["kill", "1"]);
    assert_eq!(code(&out), 65);
    assert_eq!(text(&out.stderr), "ostler: job 1 is succeeded, which does not allow this\n");
    assert_eq!(run(&gateway, &["retry", "tag=x"]).stderr, b"will retry 1 job\n");
    wait_until("it has failed again", || api.job(2)["attempts"] == 2);
    assert_eq!(api.job(1)["attempts"], 1);
}

#[test]
fn lists_have_an_order_and_conditions_of_names_ends_and_ids_and_are_counted() {
    let gateway = start();
    let wait = ["submit", "--wait", "--retries", "0"];
    for (name, command) in [("nightly-1", "exit 3"), ("nightly-2", "true"), ("other", "true")] {
        run(&gateway, &[&wait[..], &["--name", name, "--shell", command]].concat());
    }
    let waits = submit(&gateway, &["--name", "nightly-3", "--paused", "--", "true"]);
    let ids = |words: &[&str]| -> Vec<u64> {
        let listed = printed(&gateway, &[&["list"], words].concat());
        listed
            .lines()
            .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
            .collect()
    };
    assert_eq!((waits, ids(&["name=nightly*"])), (4, vec![4, 2, 1]));
    assert_eq!(ids(&["name=nightly-2"]), [2]);
    assert_eq!(ids(&["--sort", "id", "id=2-"]), [2, 3, 4]);
    assert_eq!(ids(&["--sort=-finished", "--limit", "2"]), [3, 2]);
    assert_eq!(ids(&["--sort", "finished", "finished_since=1h"]), [1, 2, 3]);
    assert_eq!(ids(&["reason=exit_status", "finished_since=1h"]), [1]);
    let counted = printed(&gateway, &["list", "--count-by", "state,exit_status", "id=1-3"]);
    assert_eq!(counted, "state=succeeded  exit_status=0  2\nstate=dead       exit_status=3  1\n");
    let counted = printed(&gateway, &["list", "--count-by", "reason", "-o", "ndjson", "id=2-"]);
    assert_eq!(counted, "{\"jobs\":2,\"reason\":\"ok\"}\n{\"jobs\":1,\"reason\":null}\n");
    assert_eq!(run(&gateway, &["list", "--count-by", "user", "id=9"]).stderr, b"note: no jobs\n");
    assert_fails(&gateway, &["list", "id=90-5"], 64, "it goes backwards; write 5-90");
    assert_fails(
        &gateway,
        &["list", "reason=tired"],
        64,
        "\"tired\" is not a reason; there are ok",
    );
    let sorted = run(&gateway, &["list", "--sort", "tenant"]);
    assert_eq!(code(&sorted), 64);
    assert!(text(&sorted.stderr).contains("-id, id, -submitted"), "{}", text(&sorted.stderr));
}

#[test]
fn lists_are_lines_that_begin_with_the_id_and_status_is_of_now() {
    let gateway = start();
    let id = submit(&gateway, &["--name", "nap", "--tag", "x", "--", "sleep", "300"]);
    Api::of(&gateway).wait_state(id, "running");
    let line = printed(&gateway, &["list", "state=running"]);
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..5], ["1", "running", "-", "local", "1"], "{line}");
    assert!(line.ends_with("nap: sleep 300 #x\n"), "{line}");
    let status = printed(&gateway, &["status"]);
    assert!(status.contains("running  1\n") && status.contains("1 of 4 busy"), "{status}");
    let waiting = submit(&gateway, &["--paused", "--", "true"]);
    wait_until("the status has the job", || printed(&gateway, &["status"]).contains("paused"));
    for verb in ["pause", "resume"] {
        let out = run(&gateway, &[verb, &waiting.to_string()]);
        assert_eq!((code(&out), text(&out.stderr)), (0, &*format!("{verb}d 1 job\n")));
    }
}

#[test]
fn several_follow_the_log_of_a_job_until_it_ends() {
    let gateway = start();
    let go = gateway.state().join("go");
    let line = format!("echo one; until test -e {}; do sleep 0.05; done; echo two", go.display());
    let id = submit(&gateway, &["--", &line]).to_string();
    let mut followers: Vec<Child> =
        (0..3).map(|_| command(&gateway, &["logs", "-f", &id]).spawn().unwrap()).collect();
    for follower in &mut followers {
        let mut one = [0; 4];
        follower.stdout.as_mut().unwrap().read_exact(&mut one).unwrap();
        assert_eq!(&one, b"one\n");
    }
    std::fs::write(&go, "").unwrap();
    for follower in followers {
        let out = follower.wait_with_output().unwrap();
        assert_eq!((code(&out), text(&out.stdout)), (0, "two\n"));
    }
    assert_eq!(printed(&gateway, &["logs", &id]), "one\ntwo\n");
}

#[test]
fn mistakes_are_told_with_their_cure_and_an_exit_code_of_their_kind() {
    let gateway = start();
    // A job that was run proves that the runner, which messages name, is there.
    printed(&gateway, &["submit", "--wait", "--", "true"]);
    let cases: [(&[&str], i32, &str); 19] = [
        (&["submit", "--timeout", "soon", "--", "true"], 64, "500ms, 30s, 5m, 1h30m, 7d or 2w"),
        (&["submit", "--retries", "100", "--", "true"], 64, "expected a whole number from 0 to 99"),
        (&["submit", "--dedupe", "done", "--", "true"], 64, "field /dedupe/window is missing"),
        (
            &["submit", "--host", "nobody", "--refuse-unrunnable", "--", "true"],
            65,
            "there are local (field /host)",
        ),
        (&["submit", "no-such-file"], 66, "there is no file no-such-file; a command is written"),
        (&["list", "state=lost"], 64, "\"lost\" is not a state"),
        (&["list", "stat=dead"], 64, "is no filter; filters are state"),
        (&["list", "--token", "wrong"], 77, "the token is unknown, expired or revoked"),
        (&["list", "--api", "127.0.0.1:1"], 69, "no gateway answers at http://127.0.0.1:1"),
        (&["show", "one"], 64, "expected a job's number, such as 17"),
        (&["explain", "9-5"], 64, "9-5 goes backwards; write 5-9"),
        (&["explain", "1-2"], 66, "there is no job 2"),
        (&["list", "17"], 64, "write id=17, or `ostler show 17`"),
        (&["list", "--limit", "0"], 64, "expected a whole number from 1\n"),
        (
            &["list", "--count-by", "state", "reason=rate"],
            64,
            "list those that wait for it, and count them",
        ),
        (&["queue", "put", "m ail"], 64, "1 to 64 letters, digits"),
        (&["queue", "show", "m ail"], 66, "is not the name of a queue"),
        (&["logs", "7"], 66, "there is no job 7; `ostler list` shows those there are"),
        (&["drain", "nobody"], 66, "there is no runner \"nobody\"; there are local"),
    ];
    for (words, expected, tells) in cases {
        assert_fails(&gateway, words, expected, tells);
    }
    let out = feed(&gateway, &["submit"], b"caf\xe9\n");
    assert_eq!(code(&out), 65);
    assert!(text(&out.stderr).starts_with("stdin:1: not UTF-8 text"), "{}", text(&out.stderr));
    assert_eq!(
        Api::of(&gateway).list("").len(),
        1,
        "nothing is half stored beside the job that ran"
    );
}

#[test]
fn who_gives_jobs_to_a_runner_that_there_is_not_is_told_so() {
    let gateway = start();
    printed(&gateway, &["submit", "--wait", "--", "true"]);
    let told = |words: &[&str]| {
        let out = run(&gateway, words);
        assert_eq!(code(&out), 0, "{words:?}: {}", text(&out.stderr));
        text(&out.stderr).to_owned()
    };
    let says = "note: job 2 waits: it may run on the runner web-9 alone, of which nothing has been heard\n";
    assert_eq!(told(&["submit", "--host", "web-9", "--", "true"]), says);
    let says = |host: &str| {
        format!("note: there is no runner {host} now; whatever it alone may run waits for it\n")
    };
    assert!(told(&["move", "2", "--host", "web-8"]).starts_with(&says("web-8")));
    assert!(told(&["edit", "2", "--host", "web-7"]).starts_with(&says("web-7")));
    assert!(!told(&["edit", "2", "--within", "1h"]).contains("note"), "nothing of it is new");
    assert!(!told(&["move", "2", "--host", "local"]).contains("note"), "that one is there");
}

#[test]
fn a_token_may_do_what_its_scopes_say_until_it_is_revoked() {
    let gateway = start();
    let token = printed(&gateway, &["token", "create", "reader", "--scope", "read"]);
    let token = token.trim();
    printed(&gateway, &["list", "--token", token]);
    let words = ["submit", "--token", token, "--", "true"];
    assert_fails(&gateway, &words, 77, "a token with the scope \"submit\"");
    printed(&gateway, &["token", "revoke", "reader"]);
    assert_fails(&gateway, &["list", "--token", token], 77, "revoked");
}

/// The old history: a backup, and after it a restart, a job of which the log is large, and a token that is revoked.
fn lose_history(kept: u64, gateway: Gateway) -> tempfile::TempDir {
    printed(&gateway, &["backup", "copy.db"]);
    assert_fails(&gateway, &["backup", "copy.db"], 73, "exists already");
    assert_fails(&gateway, &["restore", "copy.db"], 69, "stop it, restore, and start it again");
    let (state, remains) = gateway.crash();
    drop(remains);
    let gateway = setup().start_in(state);
    let old = "for i in $(seq 3000); do echo OLD line $i; done";
    let lost = submit(&gateway, &["--", "sh", "-c", old]);
    assert!(lost > kept);
    printed(&gateway, &["logs", "-f", &lost.to_string()]);
    printed(&gateway, &["token", "revoke", "reader"]);
    let (state, remains) = gateway.crash();
    drop(remains);
    state
}

fn check_restored(kept: u64, token: &str, gateway: &Gateway) {
    let listed = printed(gateway, &["list"]);
    assert!(listed.starts_with(&format!("{kept}  scheduled")), "{listed}");
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let new =
        submit(gateway, &["--", "sh", "-c", "for i in $(seq 3000); do echo new line $i; done"]);
    assert!(new > kept + 1, "the lost job's id is not given again");
    let log = printed(gateway, &["logs", "-f", &new.to_string()]);
    assert!(!log.contains("OLD") && log.lines().count() == 3000, "{}", &log[..200.min(log.len())]);
    assert_fails(gateway, &["list", "--token", token], 77, "revoked");
}

fn restore(state: &std::path::Path, copy: &std::path::Path) {
    let restored = Command::new(ostler())
        .args(["restore", "--state"])
        .args([state, copy])
        .output()
        .expect("it runs");
    let says = String::from_utf8_lossy(&restored.stderr).into_owned();
    assert!(says.contains("restored 1 job, 1 of them unfinished"), "{says} {restored:?}");
}

#[test]
fn a_backup_that_is_restored_on_another_host_lets_its_operator_in() {
    let gateway = start();
    let kept = submit(&gateway, &["--delay", "1h", "--", "true"]);
    printed(&gateway, &["backup", "copy.db"]);
    let old = gateway.stop();
    // A folder that is new, and one of a gateway that ran already and has a token of its own.
    for other in [tempfile::tempdir().unwrap(), start().stop()] {
        restore(other.path(), &old.path().join("copy.db"));
        let gateway = setup().start_in(other);
        let listed = printed(&gateway, &["list"]);
        assert!(listed.starts_with(&format!("{kept}  scheduled")), "{listed}");
        let tokens = printed(&gateway, &["token", "list"]);
        assert_eq!(tokens.matches("first").count(), 2, "the old one is good as ever: {tokens}");
        // Once, and not at every start.
        let gateway = setup().start_in(gateway.stop());
        assert_eq!(printed(&gateway, &["token", "list"]).matches("first").count(), 2);
    }
    // Where it comes from, its token is known.
    restore(old.path(), &old.path().join("copy.db"));
    let gateway = setup().start_in(old);
    assert_eq!(printed(&gateway, &["token", "list"]).matches("first").count(), 1);
}

#[test]
fn a_backup_that_is_restored_has_the_jobs_of_its_time_and_repeats_nothing() {
    let gateway = start();
    let kept = submit(&gateway, &["--delay", "1h", "--", "true"]);
    let token = printed(&gateway, &["token", "create", "reader", "--scope", "read"]);
    let token = token.trim();
    let state = lose_history(kept, gateway);
    let at = |name: &str| state.path().join(name);
    let backup = std::fs::read(at("copy.db")).unwrap();
    restore(state.path(), &at("copy.db"));
    assert!(at("jobs.db.before-1").exists());
    let gateway = setup().start_in(state);
    check_restored(kept, token, &gateway);
    // The same by hand, over the restored one.
    let (state, remains) = gateway.crash();
    drop(remains);
    let at = |name: &str| state.path().join(name);
    std::fs::write(at("jobs.db"), backup).unwrap();
    std::fs::remove_file(at("jobs.db-wal")).unwrap();
    std::fs::remove_file(at("jobs.db-shm")).unwrap();
    check_restored(kept, token, &setup().start_in(state));
}
