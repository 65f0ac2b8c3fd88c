//! From a submitted object to a job: what the types cannot say is checked here, and every default is filled in.

use std::collections::BTreeMap;

use ostler_job::{
    Span, Wall,
    durable::{self, Command, DedupeScope, Input, Spec, TENANT_DEFAULT, Terminate, Work},
};
use serde::Deserialize as _;
use serde_json::Value;

use super::{
    Notes,
    checks::{self, LABEL_MAX, label},
    identity,
    shape::prune,
    strict,
    submit::{Backoff, Dedupe, FIELDS, Limits, Module, Retry, Stdin, Submit},
    text::{Parsed, quoted},
};
use crate::problem::{Kind, Problem};

const TAGS_MAX: usize = 32;

/// What a job's meaning depends on beside its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    /// When it came.
    pub(crate) now: Wall,
    /// The tenant that the token is bound to.
    pub(crate) tenant: Option<&'a str>,
    /// The token may do everything.
    pub(crate) admin: bool,
}

/// A job to submit, and whether it begins paused. A payload's size is not known yet.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) spec: Spec,
    pub(crate) paused: bool,
    /// When it may start was said as a length of time.
    pub(crate) delayed: bool,
    /// The token is bound to the tenant.
    pub(crate) bound: bool,
}

/// Reads one object. The quick way first: straight into place; only when that fails is everything looked at one by one.
pub(crate) fn read(text: &[u8], given: Given<'_>) -> Result<Built, Problem> {
    let quick = serde_json::from_slice::<Submit>(text);
    let (request, mut notes) = match quick {
        Ok(request) => (request, Notes::default()),
        Err(_) => slowly(text)?,
    };
    let tenant = tenant(request.tenant.as_deref(), given)?;
    let built = build(request, tenant, given, &mut notes);
    match notes.0.is_empty() {
        true => Ok(built),
        false => Err(Problem::fields(notes.0)),
    }
}

/// What is right of an object that has something wrong, and what is wrong.
fn slowly(text: &[u8]) -> Result<(Submit, Notes), Problem> {
    let mut value: Value = strict::value(text).map_err(|error| bad_json(text, &error))?;
    let Some(object) = value.as_object_mut() else {
        return Err(Problem::fields(Notes::one("", "expected one object, {\"command\": …}").0));
    };
    let mut notes = Notes::default();
    prune(object, FIELDS, "", &mut notes);
    match Submit::deserialize(&value) {
        Ok(request) => Ok((request, notes)),
        Err(error) if notes.0.is_empty() => Err(bad_json(text, &error)),
        Err(_) => Err(Problem::fields(notes.0)),
    }
}

/// What a JSON parser says, with the place where it says it.
pub(crate) fn bad_json(text: &[u8], error: &serde_json::Error) -> Problem {
    let hint = if text.is_empty() { "; the body is empty" } else { "" };
    Problem::new(Kind::BadJson, format!("the body is not a JSON object: {error}{hint}"))
}

fn tenant(asked: Option<&str>, given: Given<'_>) -> Result<String, Problem> {
    match (asked, given.tenant) {
        (None, None) => Ok(TENANT_DEFAULT.to_owned()),
        (Some(asked), None) => Ok(asked.to_owned()),
        (None, Some(own)) => Ok(own.to_owned()),
        (Some(asked), Some(own)) if asked == own => Ok(own.to_owned()),
        (Some(asked), Some(own)) => Err(Problem::new(
            Kind::Forbidden,
            format!("the token is bound to the tenant {own:?} and cannot submit for {}; leave tenant out", quoted(asked)),
        )
        .at("/tenant")),
    }
}

fn build(request: Submit, tenant: String, given: Given<'_>, notes: &mut Notes) -> Built {
    labels(&request, &tenant, notes);
    let delayed = request.delay.is_some();
    let (not_before, expires) =
        times(request.not_before, request.delay, request.expires, given, notes);
    if request.nice.is_some_and(|nice| nice < 0) && !given.admin {
        notes.add(
            "/nice",
            "below 0 it takes from everybody else; that needs a token with the scope admin",
        );
    }
    let within = positive(request.within, "/within", notes);
    let retry = request.retry.map_or_else(Default::default, |retry| self::retry(retry, notes));
    once_or_again(request.delivery, &retry, notes);
    let dedupe = request.dedupe.and_then(|dedupe| self::dedupe(dedupe, notes));
    let work = Asked {
        command: request.command,
        argv: request.argv,
        module: request.module,
        env: request.env,
        secrets: request.secrets,
        cwd: request.cwd,
        stdin: request.stdin,
        merge: request.merge,
        user: request.user,
        umask: request.umask,
        nice: request.nice,
        limits: request.limits,
        timeout: request.timeout,
        grace: request.grace,
        terminate: request.terminate,
    }
    .work(notes);
    let content =
        request.identity.is_none().then(|| identity::content(&work, request.host.as_deref()));
    let identity = identity_of(request.identity, &work, notes);
    let spec = Spec {
        work,
        name: request.name,
        tenant,
        identity,
        content,
        tags: request.tags.unwrap_or_default(),
        host: request.host,
        not_before,
        expires,
        within,
        delivery: request.delivery.unwrap_or_default(),
        retry,
        dedupe,
    };
    let bound = given.tenant.is_some();
    Built { spec, paused: request.paused.unwrap_or(false), delayed, bound }
}

/// What people call it, and whom it is for.
fn labels(request: &Submit, tenant: &str, notes: &mut Notes) {
    label(tenant, "/tenant", LABEL_MAX, notes);
    request.name.iter().for_each(|name| label(name, "/name", LABEL_MAX, notes));
    request.host.iter().for_each(|host| checks::runner(host, "/host", notes));
    let tags = request.tags.as_deref().unwrap_or_default();
    if tags.len() > TAGS_MAX {
        notes.add("/tags", format!("{} tags are too many; {TAGS_MAX} are the most", tags.len()));
    }
    for (index, tag) in tags.iter().enumerate().take(TAGS_MAX) {
        label(tag, &format!("/tags/{index}"), LABEL_MAX, notes);
    }
}

fn identity_of(asked: Option<String>, work: &Work, notes: &mut Notes) -> String {
    if let Some(identity) = asked {
        label(&identity, "/identity", identity::MAX, notes);
        return identity;
    }
    match work.command() {
        None => work.module().to_owned(),
        Some(Command { line: Some(line), .. }) => identity::of_line(line),
        Some(Command { argv, .. }) => identity::of_argv(argv),
    }
}

fn times(
    not_before: Option<Parsed<Wall>>,
    delay: Option<Parsed<Span>>,
    expires: Option<Parsed<Span>>,
    given: Given<'_>,
    notes: &mut Notes,
) -> (Option<Wall>, Option<Wall>) {
    if not_before.is_some() && delay.is_some() {
        notes.add("/delay", "give not_before or delay, not both");
    }
    let not_before = parsed(not_before, "/not_before", notes);
    let delay = parsed(delay, "/delay", notes).filter(|delay| *delay > Span::ZERO);
    let expires = positive(expires, "/expires", notes);
    let later = |span| given.now.after(span);
    let (start, end) = (not_before.or_else(|| delay.map(later)), expires.map(later));
    if let (Some(start), Some(end)) = (start, end)
        && start >= end
    {
        notes.add("/expires", "it would expire before it may start; make expires longer");
    }
    (start, end)
}

/// What may have run is not run again, whatever it ended with.
fn once_or_again(delivery: Option<durable::Delivery>, retry: &durable::Retry, notes: &mut Notes) {
    if delivery == Some(durable::Delivery::AtMostOnce) && retry.attempts > 1 {
        let text = format!(
            "{} attempts are more than at_most_once allows; leave retry out, or deliver at_least_once",
            retry.attempts
        );
        notes.add("/retry/attempts", text);
    }
}

fn retry(asked: Retry, notes: &mut Notes) -> durable::Retry {
    let usual = durable::Retry::default();
    if !(1..=100).contains(&asked.attempts) {
        let text =
            format!("{} is not allowed; expected a whole number from 1 to 100", asked.attempts);
        notes.add("/retry/attempts", text);
    }
    let exit_codes = asked.exit_codes.unwrap_or_default();
    for (index, code) in exit_codes.iter().enumerate() {
        if !(0..=255).contains(code) {
            let text = format!("{code} is not allowed; expected a whole number from 0 to 255");
            notes.add(format!("/retry/exit_codes/{index}"), text);
        }
    }
    let delay = parsed(asked.delay, "/retry/delay", notes).unwrap_or(usual.delay);
    let delay_max = parsed(asked.delay_max, "/retry/delay_max", notes)
        .unwrap_or_else(|| usual.delay_max.max(delay));
    durable::Retry {
        attempts: asked.attempts,
        // The longest wait holds for the first one as well.
        delay: delay.min(delay_max),
        delay_max,
        constant: asked.backoff == Some(Backoff::Constant),
        exit_codes,
    }
}

fn dedupe(asked: Dedupe, notes: &mut Notes) -> Option<durable::Dedupe> {
    if asked.scope == DedupeScope::Done && asked.window.is_none() {
        notes.add("/dedupe/window", "is missing; the scope done needs a window, such as 10m");
    }
    let window = positive(asked.window, "/dedupe/window", notes);
    Some(durable::Dedupe { scope: asked.scope, window, then: asked.then })
}

/// The part of a submitted object that is about what to run.
struct Asked {
    command: Option<String>,
    argv: Option<Vec<String>>,
    module: Option<Module>,
    env: Option<BTreeMap<String, String>>,
    secrets: Option<Vec<String>>,
    cwd: Option<String>,
    stdin: Option<Stdin>,
    merge: Option<bool>,
    user: Option<String>,
    umask: Option<String>,
    nice: Option<i32>,
    limits: Option<Limits>,
    timeout: Option<Parsed<Span>>,
    grace: Option<Parsed<Span>>,
    terminate: Option<Terminate>,
}

impl Asked {
    fn work(self, notes: &mut Notes) -> Work {
        if self.module == Some(Module::Noop) {
            self.noop(notes);
            return Work::Noop;
        }
        let (argv, line) = match (self.command, self.argv) {
            (Some(line), None) => {
                checks::line(&line, notes);
                (vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()], Some(line))
            }
            (None, Some(argv)) => {
                checks::check_argv(&argv, notes);
                (argv, None)
            }
            (command, _) => {
                if !notes.any(&["/command", "/argv", "/module"]) {
                    let what = "give exactly one of command, argv and module: \"noop\"";
                    notes.add(if command.is_some() { "/argv" } else { "/command" }, what);
                }
                (Vec::new(), None)
            }
        };
        Work::Shell(Box::new(Command {
            argv,
            line,
            env: checks::env(self.env.unwrap_or_default(), notes),
            secrets: checks::secrets(self.secrets.unwrap_or_default(), notes),
            cwd: self.cwd.inspect(|cwd| checks::absolute(cwd, notes)),
            stdin: self.stdin.map_or(Input::Empty, |stdin| checks::input(stdin, notes)),
            merge: self.merge.unwrap_or_default(),
            user: self.user.inspect(|user| checks::user_name(user, notes)),
            umask: self.umask.and_then(|umask| checks::octal(&umask, notes)),
            nice: self.nice.inspect(|nice| checks::niceness(*nice, notes)),
            limits: self.limits.map_or_else(BTreeMap::new, |asked| checks::limits(&asked, notes)),
            timeout: positive(self.timeout, "/timeout", notes),
            grace: parsed(self.grace, "/grace", notes),
            terminate: self.terminate.unwrap_or_default(),
        }))
    }

    /// Nothing is run, so that nothing about running it has a meaning.
    fn noop(&self, notes: &mut Notes) {
        let given = [
            ("command", self.command.is_some()),
            ("argv", self.argv.is_some()),
            ("env", self.env.is_some()),
            ("secrets", self.secrets.is_some()),
            ("cwd", self.cwd.is_some()),
            ("stdin", self.stdin.is_some()),
            ("merge", self.merge.is_some()),
            ("user", self.user.is_some()),
            ("umask", self.umask.is_some()),
            ("nice", self.nice.is_some()),
            ("limits", self.limits.is_some()),
            ("timeout", self.timeout.is_some()),
            ("grace", self.grace.is_some()),
            ("terminate", self.terminate.is_some()),
        ];
        for (name, _) in given.iter().filter(|(_, given)| *given) {
            notes.add(format!("/{name}"), "has no meaning for the module noop; leave it out");
        }
    }
}

fn parsed<T>(value: Option<Parsed<T>>, at: &str, notes: &mut Notes) -> Option<T> {
    match value?.0 {
        Ok(value) => Some(value),
        Err(problem) => {
            notes.add(at, problem);
            None
        }
    }
}

fn positive(value: Option<Parsed<Span>>, at: &str, notes: &mut Notes) -> Option<Span> {
    let span = parsed(value, at, notes)?;
    if span == Span::ZERO {
        notes.add(at, "must be longer than nothing");
    }
    Some(span)
}
