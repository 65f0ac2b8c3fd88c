//! Checks of single values of a submitted object: what a system would not take, said before it is tried.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ostler_job::{
    durable::{
        Input, Payload, QueueName, RESOURCE_NAME_MAX, RESOURCES_MAX, Resources, ScheduleName,
        checked_mailto,
    },
    name,
};

use super::{
    Notes, step,
    submit::{Limits, Stdin, Submit},
    text::quoted,
};

/// Bytes of standard input within a record, at most.
const STDIN_MAX: usize = 32 << 10;
/// Bytes of a command line and of one argument: what Linux takes.
const ARG_MAX: usize = 128 << 10;
pub(crate) const LABEL_MAX: usize = 128;

pub(super) fn check_argv(argv: &[String], notes: &mut Notes) {
    match argv.first() {
        None => notes.add("/argv", "is empty; expected a program and its arguments"),
        Some(program) if program.trim().is_empty() => {
            notes.add("/argv/0", "is blank; expected a program");
        }
        Some(_) => {}
    }
    for (index, arg) in argv.iter().enumerate() {
        if !arg.is_empty() {
            checked(arg, &format!("/argv/{index}"), ARG_MAX, notes);
        }
    }
}

pub(super) fn env(env: BTreeMap<String, String>, notes: &mut Notes) -> BTreeMap<String, String> {
    for (name, value) in &env {
        let at = step("/env", name);
        if name.is_empty() || name.contains('=') || name.contains(char::is_control) {
            notes.add(&at, format!("{} is not a name of a variable", quoted(name)));
        }
        // A system takes name and value as one text.
        let bytes = name.len() + 1 + value.len();
        if bytes >= ARG_MAX {
            notes.add(
                &at,
                format!("{bytes} bytes are too many; a system takes fewer than {ARG_MAX}"),
            );
        } else if value.contains('\0') {
            notes.add(&at, "has a NUL, which no system takes");
        }
    }
    env
}

pub(super) fn secrets(names: Vec<String>, notes: &mut Notes) -> Vec<String> {
    for (index, name) in names.iter().enumerate() {
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        let good = name.starts_with(letter)
            && name.len() <= LABEL_MAX
            && name.chars().all(|c| letter(c) || c.is_ascii_digit());
        if !good {
            let text = format!("{} is not a name; expected letters, digits and _", quoted(name));
            notes.add(format!("/secrets/{index}"), text);
        }
    }
    names
}

pub(super) fn absolute(cwd: &str, notes: &mut Notes) {
    if !cwd.starts_with('/') {
        notes.add("/cwd", format!("{} is not absolute; begin it with /", quoted(cwd)));
    }
    checked(cwd, "/cwd", 4096, notes);
}

pub(super) fn input(stdin: Stdin, notes: &mut Notes) -> Input {
    let (bytes, input) = match stdin {
        Stdin::Text(text) => (text.len(), Input::Text(text)),
        Stdin::Base64(it) => match STANDARD.decode(&it.base64) {
            Ok(bytes) => (bytes.len(), Input::Base64(it.base64)),
            Err(error) => {
                notes.add("/stdin/base64", format!("is not base64 with padding: {error}"));
                (0, Input::Empty)
            }
        },
        Stdin::Payload(it) => {
            if it.payload.len() != 64
                || !it.payload.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            {
                notes.add(
                    "/stdin/payload",
                    "is not a SHA-256 in lower-case hex, as POST /v1/payloads answers it",
                );
            }
            (0, Input::Payload(Payload { sha256: it.payload, bytes: 0 }))
        }
    };
    if bytes > STDIN_MAX {
        notes.add("/stdin", format!("{bytes} bytes are too many here; {STDIN_MAX} are the most. POST them to /v1/payloads and give {{\"payload\": SHA256}}"));
    }
    match bytes == 0 && !matches!(input, Input::Payload(_)) {
        true => Input::Empty,
        false => input,
    }
}

pub(crate) fn user_name(user: &str, notes: &mut Notes) {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if user.is_empty() || user.len() > 32 || !user.chars().all(fit) || user.starts_with(['-', '.'])
    {
        notes.add("/user", format!("{} is not a name of a user", quoted(user)));
    }
}

/// Nobody is as good as nothing: it is how crontabs say so.
pub(super) fn mailto(text: &str, notes: &mut Notes) -> Option<String> {
    match checked_mailto(text) {
        Ok(addresses) => Some(addresses).filter(|it| !it.is_empty()),
        Err(wrong) => {
            notes.add("/mailto", wrong);
            None
        }
    }
}

pub(super) fn octal(text: &str, notes: &mut Notes) -> Option<u32> {
    let good = (1..=4).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let umask = u32::from_str_radix(text, 8).ok().filter(|umask| good && *umask <= 0o777);
    if umask.is_none() {
        notes.add("/umask", format!("{} is not a mask; write it as 022, up to 777", quoted(text)));
    }
    umask
}

pub(super) fn niceness(nice: i32, notes: &mut Notes) {
    if !(-20..=19).contains(&nice) {
        notes
            .add("/nice", format!("{nice} is not allowed; expected a whole number from -20 to 19"));
    }
}

pub(super) fn limits(asked: &Limits, notes: &mut Notes) -> BTreeMap<String, u64> {
    const MAX: u64 = (1 << 53) - 1;
    let all = [
        ("nofile", asked.nofile),
        ("core", asked.core),
        ("fsize", asked.fsize),
        ("nproc", asked.nproc),
        ("cpu", asked.cpu),
        ("as", asked.r#as),
    ];
    for (name, _) in all.iter().filter(|(_, limit)| limit.is_some_and(|limit| limit > MAX)) {
        notes.add(format!("/limits/{name}"), format!("expected a whole number from 0 to {MAX}"));
    }
    all.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), limit?))).collect()
}

/// A name for people: not empty, not long, nothing that would upset a terminal.
pub(crate) fn label(text: &str, at: &str, max: usize, notes: &mut Notes) {
    if let Err(problem) = label_problem(text, max) {
        notes.add(at, problem);
    }
}

/// The name of a runner.
pub(crate) fn runner(text: &str, at: &str, notes: &mut Notes) {
    if !name::is_good(text) {
        notes.add(at, format!("{} is not the name of a runner; {}", quoted(text), name::RULE));
    }
}

/// The name of a queue.
pub(crate) fn queue_name(text: &str) -> Result<QueueName, String> {
    let bad = || format!("{} is not the name of a queue; {}", quoted(text), name::RULE);
    QueueName::new(text).ok_or_else(bad)
}

/// The name of a schedule.
pub(crate) fn schedule_name(text: &str) -> Result<ScheduleName, String> {
    let bad = || format!("{} is not the name of a schedule; {}", quoted(text), name::RULE);
    ScheduleName::new(text).ok_or_else(bad)
}

/// A queue's name of a body.
pub(crate) fn queue(text: Option<&str>, at: &str, notes: &mut Notes) -> Option<QueueName> {
    match queue_name(text?) {
        Ok(name) => Some(name),
        Err(wrong) => {
            notes.add(at, wrong);
            None
        }
    }
}

pub(crate) fn label_problem(text: &str, max: usize) -> Result<(), String> {
    if text.is_empty() || text.chars().nth(max).is_some() {
        return Err(format!("{} is not allowed; expected 1 to {max} characters", quoted(text)));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{} has control characters", quoted(text)));
    }
    Ok(())
}

/// A serial key, and resources.
pub(super) fn needs(request: &mut Submit, notes: &mut Notes) -> Resources {
    let serial = request.serial.take();
    serial.iter().for_each(|key| label(key, "/serial", RESOURCE_NAME_MAX, notes));
    let asked = request.resources.take().unwrap_or_default();
    if asked.len() > RESOURCES_MAX {
        let text = format!("{} resources are too many; {RESOURCES_MAX} are the most", asked.len());
        notes.add("/resources", text);
    }
    let mut resources = BTreeMap::new();
    for (name, mode) in asked.into_iter().take(RESOURCES_MAX) {
        let at = step("/resources", &name);
        label(&name, &at, RESOURCE_NAME_MAX, notes);
        match serde_json::from_value(mode.clone().into()) {
            Ok(mode) => {
                resources.insert(name, mode);
            }
            Err(_) => notes.add(
                at,
                format!("{} is no way to have it; expected exclusive or shared", quoted(&mode)),
            ),
        }
    }
    let on_retry = request.on_retry.take().map(|it| it.0);
    if on_retry.is_some() && serial.is_none() && resources.is_empty() && !notes.any(&["/resources"])
    {
        notes.add("/on_retry", "has no meaning without serial or resources; leave it out");
    }
    Resources { serial, resources, on_retry: on_retry.unwrap_or_default() }
}

/// A command line.
pub(super) fn line(text: &str, notes: &mut Notes) {
    if !text.is_empty() && text.trim().is_empty() {
        notes.add("/command", "is blank; expected something to run");
    }
    checked(text, "/command", ARG_MAX, notes);
}

fn checked(text: &str, at: &str, max: usize, notes: &mut Notes) {
    if text.is_empty() {
        notes.add(at, "is empty");
    } else if text.len() >= max {
        notes
            .add(at, format!("{} bytes are too many; a system takes fewer than {max}", text.len()));
    } else if text.contains('\0') {
        notes.add(at, "has a NUL, which no system takes");
    }
}
