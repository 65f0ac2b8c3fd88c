//! From a submitted object to a job: what the types cannot say is checked here, and every default is filled in.

use std::collections::BTreeMap;

use ostler_job::{
    Span, Wall,
    durable::{self, Command, DedupeScope, Delivery, Input, Spec, TENANT_DEFAULT, Work},
};

use serde_json::Value;

use super::{
    Notes,
    checks::{self, LABEL_MAX, label},
    identity,
    shape::Fielded as _,
    slowly, strict,
    submit::{self, Backoff, Dedupe, Module, Retry, Submit, Unrunnable},
    text::{LengthOfTime, Parsed, quoted},
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
    /// Whoever submits waits for the end.
    pub(crate) waits: bool,
}

/// A job to submit, and whether it begins paused. A payload's size is not known yet.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) spec: Spec,
    pub(crate) paused: bool,
    /// It is not taken when nobody could run it as things are.
    pub(crate) refuses_unrunnable: bool,
    /// When it may start was said as a length of time.
    pub(crate) delayed: bool,
    /// The token is bound to the tenant.
    pub(crate) bound: bool,
    /// It names no retry, and has its queue's: a second attempt does no harm, neither to what may run once, nor to somebody who waits
    /// and would rather know now, nor to who comes next for what it has for itself.
    pub(crate) takes_queues_retry: bool,
}

/// Reads one object. The quick way first: straight into place; only when that fails is everything looked at one by one.
pub(crate) fn read(text: &[u8], given: Given<'_>) -> Result<Built, Problem> {
    let quick = serde_json::from_slice::<Submit>(text);
    let (request, mut notes) = match quick {
        Ok(request) => (request, Notes::default()),
        Err(_) => slowly(text, "expected one object, {\"command\": …}")?,
    };
    let tenant = tenant(request.tenant.as_deref(), given)?;
    if request.module == Some(Module::Noop) {
        nothing_of_a_command(&strict::value(text).unwrap_or_default(), &mut notes);
    }
    let built = build(request, tenant, given, &mut notes);
    match notes.0.is_empty() {
        true => Ok(built),
        false => Err(Problem::fields(notes.0)),
    }
}

/// The job of a schedule. What is wrong with the text has been told.
pub(super) fn of_schedule(
    request: Submit,
    given: Given<'_>,
    notes: &mut Notes,
) -> Result<Built, Problem> {
    let tenant = tenant(request.tenant.as_deref(), given)?;
    Ok(build(request, tenant, given, notes))
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

fn build(mut request: Submit, tenant: String, given: Given<'_>, notes: &mut Notes) -> Built {
    labels(&request, &tenant, notes);
    let delayed = request.delay.is_some();
    let (not_before, expires) = times(&mut request, given, notes);
    if request.nice.is_some_and(|nice| nice < 0) && !given.admin {
        notes.add(
            "/nice",
            "below 0 it takes from everybody else; that needs a token with the scope admin",
        );
    }
    let queue = checks::queue(request.queue.as_deref(), "/queue", notes);
    let within = positive(request.within.take(), "/within", notes);
    let named =
        request.retry.take().map(|retry| self::retry(retry, &durable::Retry::default(), notes));
    let delivery = request.delivery.map(|delivery| delivery.0).unwrap_or_default();
    once_or_again(delivery, named.as_ref(), notes);
    let needs = checks::needs(&mut request, notes);
    // What it may have half done stands between it and whoever comes next: that is for somebody to look at.
    let takes_queues_retry = named.is_none()
        && !given.waits
        && delivery != Delivery::AtMostOnce
        && !needs.is_exclusive();
    let retry = named.unwrap_or_else(|| match takes_queues_retry {
        true => durable::Retry::usual(),
        false => durable::Retry::default(),
    });
    let dedupe = request.dedupe.take().and_then(|dedupe| self::dedupe(dedupe, notes));
    let work = work(&mut request, notes);
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
        // The one that is always there needs no name.
        queue: queue.filter(|queue| !queue.is_default()),
        not_before,
        expires,
        within,
        delivery,
        retry,
        dedupe,
        needs,
        firing: None,
        edited: None,
    };
    let bound = given.tenant.is_some();
    let paused = request.paused.unwrap_or(false);
    let refuses_unrunnable = request.unrunnable.is_some_and(|it| it == Unrunnable::Refuse);
    Built { spec, paused, refuses_unrunnable, delayed, bound, takes_queues_retry }
}

/// What people call it, and whom it is for.
fn labels(request: &Submit, tenant: &str, notes: &mut Notes) {
    label(tenant, "/tenant", LABEL_MAX, notes);
    request.name.iter().for_each(|name| label(name, "/name", LABEL_MAX, notes));
    request.host.iter().for_each(|host| checks::runner(host, "/host", notes));
    tags(request.tags.as_deref().unwrap_or_default(), notes);
}

pub(crate) fn tags(tags: &[String], notes: &mut Notes) {
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
    request: &mut Submit,
    given: Given<'_>,
    notes: &mut Notes,
) -> (Option<Wall>, Option<Wall>) {
    if request.not_before.is_some() && request.delay.is_some() {
        notes.add("/delay", "give not_before or delay, not both");
    }
    let not_before = parsed(request.not_before.take().map(|it| it.0), "/not_before", notes);
    let delay = parsed(request.delay.take().map(|it| it.0), "/delay", notes);
    let delay = delay.filter(|delay| *delay > Span::ZERO);
    let expires = positive(request.expires.take(), "/expires", notes);
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
fn once_or_again(delivery: Delivery, named: Option<&durable::Retry>, notes: &mut Notes) {
    if delivery == Delivery::AtMostOnce
        && let Some(retry) = named.filter(|retry| retry.attempts > 1)
    {
        let text = format!(
            "{} attempts are more than at_most_once allows; leave retry out, or deliver at_least_once",
            retry.attempts
        );
        notes.add("/retry/attempts", text);
    }
}

/// What is not said of it is as usual.
pub(crate) fn retry(asked: Retry, usual: &durable::Retry, notes: &mut Notes) -> durable::Retry {
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
    let delay = parsed(asked.delay.map(|it| it.0), "/retry/delay", notes).unwrap_or(usual.delay);
    let delay_max = parsed(asked.delay_max.map(|it| it.0), "/retry/delay_max", notes)
        .unwrap_or_else(|| usual.delay_max.max(delay));
    durable::Retry {
        attempts: asked.attempts,
        // The longest wait holds for the first one as well.
        delay: delay.min(delay_max),
        delay_max,
        constant: asked.backoff == Some(Backoff::Constant),
        exit_codes,
        only_started: usual.only_started,
    }
}

fn dedupe(asked: Dedupe, notes: &mut Notes) -> Option<durable::Dedupe> {
    if asked.scope.0 == DedupeScope::Done && asked.window.is_none() {
        notes.add("/dedupe/window", "is missing; the scope done needs a window, such as 10m");
    }
    let window = positive(asked.window, "/dedupe/window", notes);
    Some(durable::Dedupe { scope: asked.scope.0, window, then: asked.then.0 })
}

/// What to run, taken out of the object.
fn work(request: &mut Submit, notes: &mut Notes) -> Work {
    if request.module == Some(Module::Noop) {
        return Work::Noop;
    }
    let (argv, line) = match (request.command.take(), request.argv.take()) {
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
    let limits = request.limits.take();
    Work::Shell(Box::new(Command {
        argv,
        line,
        env: checks::env(request.env.take().unwrap_or_default(), notes),
        secrets: checks::secrets(request.secrets.take().unwrap_or_default(), notes),
        cwd: request.cwd.take().inspect(|cwd| checks::absolute(cwd, notes)),
        stdin: request.stdin.take().map_or(Input::Empty, |stdin| checks::input(stdin, notes)),
        merge: request.merge.unwrap_or_default(),
        user: request.user.take().inspect(|user| checks::user_name(user, notes)),
        umask: request.umask.take().and_then(|umask| checks::octal(&umask, notes)),
        nice: request.nice.inspect(|nice| checks::niceness(*nice, notes)),
        limits: limits.map_or_else(BTreeMap::new, |asked| checks::limits(&asked, notes)),
        timeout: positive(request.timeout.take(), "/timeout", notes),
        grace: parsed(request.grace.take().map(|it| it.0), "/grace", notes),
        terminate: request.terminate.map(|terminate| terminate.0).unwrap_or_default(),
        mailto: request.mailto.take().and_then(|mailto| checks::mailto(&mailto, notes)),
    }))
}

/// Where nothing is run, nothing about running it has a meaning.
pub(super) fn nothing_of_a_command(written: &Value, notes: &mut Notes) {
    for field in Submit::fields().iter().filter(|field| !submit::OF_ALL.contains(&&*field.name)) {
        let at = format!("/{}", field.name);
        if !written[&*field.name].is_null() && !notes.of(&at) {
            notes.add(at, "has no meaning for the module noop; leave it out");
        }
    }
}

pub(crate) fn parsed<T>(value: Option<Parsed<T>>, at: &str, notes: &mut Notes) -> Option<T> {
    match value?.0 {
        Ok(value) => Some(value),
        Err(problem) => {
            notes.add(at, problem);
            None
        }
    }
}

/// A length of time that is longer than nothing.
pub(crate) fn positive(value: Option<LengthOfTime>, at: &str, notes: &mut Notes) -> Option<Span> {
    let span = parsed(value.map(|it| it.0), at, notes)?;
    if span == Span::ZERO {
        notes.add(at, "must be longer than nothing");
    }
    Some(span)
}
