//! Which form a text has, and what is read from it.

use super::*;

fn read(text: &str) -> Vec<(usize, String)> {
    let entries = parse(text, None).unwrap_or_else(|wrong| panic!("{text}\n{wrong:?}"));
    entries.into_iter().map(|entry| (entry.line, Value::Object(entry.job).to_string())).collect()
}

fn wrong(text: &str) -> Vec<Wrong> {
    parse(text, None).expect_err(text)
}

fn job(line: usize, json: &str) -> (usize, String) {
    (line, json.to_owned())
}

#[test]
fn the_first_line_that_says_something_decides_the_form() {
    let texts = [
        ("", Kind::Lines),
        ("make all\n", Kind::Lines),
        ("# comment\n\n- make\n", Kind::Yaml),
        ("---\ncommand: make\n", Kind::Yaml),
        ("command: make\n", Kind::Yaml),
        ("name: x\ncommand: make\n", Kind::Yaml),
        ("echo: no field\n", Kind::Lines),
        ("command:make\n", Kind::Lines),
        ("{\"command\": \"make\"}\n{\"command\": \"true\"}\n", Kind::Ndjson),
        ("{\"command\": make}\n", Kind::Ndjson),
        ("{\n\"command\": \"make\"\n}\n", Kind::Yaml),
        ("{ echo a; echo b; } | sort\n", Kind::Lines),
        ("[{\"command\": \"make\"}]\n", Kind::Yaml),
        ("[ -f x ] && rm x\n", Kind::Lines),
        ("[]\n", Kind::Yaml),
    ];
    for (text, kind) in texts {
        assert_eq!(detect(text), kind, "{text}");
    }
}

#[test]
fn one_command_line_a_line_leaves_out_blanks_and_comments() {
    let text = "  make all  \n\n# not this\necho 'a # b'\r\n";
    let expected = [job(1, r#"{"command":"make all"}"#), job(4, r#"{"command":"echo 'a # b'"}"#)];
    assert_eq!(read(text), expected);
}

#[test]
fn yaml_lists_and_documents_keep_the_line_of_each_job() {
    let text =
        "# jobs\n- command: make\n  tags: [a, b]\n- just a line\n\n- argv:\n    - x\n    - y z\n";
    let expected = [
        job(2, r#"{"command":"make","tags":["a","b"]}"#),
        job(4, r#"{"command":"just a line"}"#),
        job(6, r#"{"argv":["x","y z"]}"#),
    ];
    assert_eq!(read(text), expected);
    let text =
        "---\ncommand: one\n---\n- two\n- command: three\n  nice: 5\n--- {command: four}\n...\n";
    let expected = [
        job(2, r#"{"command":"one"}"#),
        job(4, r#"{"command":"two"}"#),
        job(5, r#"{"command":"three","nice":5}"#),
        job(7, r#"{"command":"four"}"#),
    ];
    assert_eq!(read(text), expected);
}

#[test]
fn json_is_read_a_line_or_as_a_whole() {
    let text = "{\"command\":\"a\"}\n\n{\"argv\":[\"b\"]}\n";
    assert_eq!(read(text), [job(1, r#"{"command":"a"}"#), job(3, r#"{"argv":["b"]}"#)]);
    let text = "[{\"command\":\"a\"},\n {\"command\":\"b\"}]\n";
    assert_eq!(read(text), [job(1, r#"{"command":"a"}"#), job(2, r#"{"command":"b"}"#)]);
}

#[test]
fn what_is_wrong_is_told_for_every_line_at_once() {
    let found = wrong("{\"command\":\"a\"}\n{\"command\":\n[1]\n");
    assert_eq!(found.iter().map(|wrong| wrong.line).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(found[1].text, "not a JSON object");
    let found = wrong("- command: a\n- 7\n- [x]\n");
    assert_eq!(found.iter().map(|wrong| wrong.line).collect::<Vec<_>>(), [2, 3]);
    let found = wrong("- command: a\n- command: b\n  command: c\n");
    assert_eq!(found[0].line, 3, "{found:?}");
    assert!(found[0].text.starts_with("not YAML: "), "{found:?}");
}

#[test]
fn the_form_can_be_said() {
    let entries = parse("- make", Some(Kind::Lines)).unwrap();
    assert_eq!(entries[0].job, command("- make"));
}
