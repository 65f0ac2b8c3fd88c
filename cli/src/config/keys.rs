//! The one table of every key in `ostler.toml`: its type, default and meaning.
//!
//! The reader takes bounds and defaults from here, messages the allowed keys, and
//! `docs/CONFIG.md` is written from it, so none of the three can say something else.

use ostler_gateway::{Discipline, ErrorDetails, LogFormat, QueueDiscipline};

/// A table of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Top,
    Listen,
    Certificate,
    App,
    Children,
    Route,
    Timeouts,
    Log,
    Limits,
    Gateway,
    Runner,
    Jobs,
    Queue,
    Schedules,
    Schedule,
}

/// What a value must look like. Numbers carry their bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A string with a form of its own, told in the words given.
    Text(&'static str),
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count(u64, u64),
    /// Bytes: a number, or a string such as `64KiB`.
    Size(u64, u64),
    /// A string such as `500ms`, no shorter than so many milliseconds.
    Duration(u64),
    /// A file or folder, relative to the config file.
    Path,
    /// An address, a list of them, or `off`.
    Addresses,
    /// A string or a list of strings.
    Texts(&'static str),
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A table of this shape.
    Table(Place),
    /// Named tables of this shape: `[app.NAME]`.
    Named(Place),
    /// A list of tables of this shape: `[[route]]`.
    Tables(Place),
    /// A table with keys of the writer's choice.
    Map(&'static str),
    /// Slots, to the thousandth.
    Slots,
    /// A value with a form of its own, told in the words given.
    Form(&'static str),
}

/// What holds when a key is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    /// This value, as it would be written without quotes.
    Value(&'static str),
    /// Nothing, or something computed: told in words.
    Words(&'static str),
    /// The key must be there.
    Required,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) preset: Preset,
    pub(crate) meaning: &'static str,
}

/// The keys of one table, in the order of the reference.
pub(crate) fn of(place: Place) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.place == place)
}

/// One key by its name.
pub(crate) fn find(place: Place, name: &str) -> Option<&'static Key> {
    of(place).find(|key| key.name == name)
}

/// No bound but the type's.
const ANY: u64 = i64::MAX as u64;
/// What a count of jobs, children or streams may reach.
const MANY: u64 = 10_000_000;

const fn key(
    place: Place,
    name: &'static str,
    kind: Kind,
    preset: Preset,
    meaning: &'static str,
) -> Key {
    Key { place, name, kind, preset, meaning }
}

use super::words::Words as _;
use Kind::{
    Addresses, Count, Duration, Flag, Form, Map, Named, OneOf, Path, Size, Slots, Table, Tables,
    Text, Texts,
};
use Place::{
    App, Certificate, Children, Gateway, Jobs, Limits, Listen, Log, Queue, Route, Runner, Schedule,
    Schedules, Timeouts, Top,
};
use Preset::{Required, Value, Words};

/// Every key. Adding one? Read it in `config/`, and bless `docs/CONFIG.md`; `ostler check` shows what was read.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key] = &[
    key(Top, "listen", Table(Listen), Words("all defaults"), "Where the gateway listens."),
    key(Top, "certificate", Tables(Certificate), Words("a development certificate, made and kept in the state folder"), "Certificates for HTTPS, chosen by SNI; the first one also serves clients that send no name."),
    key(Top, "app", Named(App), Words("what is found in the folder"), "The web apps, each under its name: `[app.shop]`."),
    key(Top, "route", Tables(Route), Words("everything goes to the app, if there is exactly one"), "Which requests go where. The most specific host wins, then the longest path."),
    key(Top, "log", Table(Log), Words("all defaults"), "The access log."),
    key(Top, "limits", Table(Limits), Words("all defaults"), "Bounds of the whole gateway."),
    key(Top, "gateway", Table(Gateway), Words("all defaults"), "How the gateway works."),
    key(Top, "runner", Table(Runner), Words("all defaults"), "The runner that `ostler serve` starts."),
    key(Top, "jobs", Table(Jobs), Words("all defaults"), "Durable jobs."),
    key(Top, "queue", Named(Queue), Words("`default` alone, and those that the API made"), "Queues of durable jobs, each under its name: `[queue.mail]`. What is here is changed here alone; docs/QUEUES.md tells what queues are for."),
    key(Top, "schedules", Table(Schedules), Words("all defaults"), "What holds for all schedules."),
    key(Top, "schedule", Named(Schedule), Words("those that the API made"), "What fires when, each under its name: `[schedule.nightly]`. What is here is changed here alone, and what is taken out has ended. The keys are the fields of a schedule (docs/API.md) and of its job, side by side."),

    key(Listen, "http", Addresses, Value("0.0.0.0:8080"), "Cleartext HTTP/1.1, and HTTP/2 by prior knowledge. Off without routes."),
    key(Listen, "https", Addresses, Value("0.0.0.0:8443"), "HTTPS with HTTP/2 and HTTP/1.1. Off without routes."),
    key(Listen, "api", Addresses, Value("127.0.0.1:2691"), "The API under `/v1` (docs/API.md); metrics and health: `/metrics`, `/healthz`, `/readyz`."),
    key(Listen, "api_hosts", Texts("host names"), Value("[]"), "Names by which the API may be asked for, besides addresses and `localhost`. On a loopback listener other names get 421, since any page can have a name that leads here; elsewhere they do once a name is given."),
    key(Listen, "runners", Addresses, Value("127.0.0.1:2692"), "Runners of other hosts, over mutual TLS."),

    key(Certificate, "cert", Path, Required, "PEM file with the chain, leaf first."),
    key(Certificate, "key", Path, Required, "PEM file with the private key."),

    key(App, "serve", Text("`wsgi:module:callable`"), Words("nothing here: only runners that join serve the app"), "What to load, such as `wsgi:shop.wsgi:application`. Without a callable: `application`, then `app`. `create_app()` calls a factory."),
    key(App, "root", Path, Value("."), "The folder that the app runs in."),
    key(App, "python", Path, Words("a virtual environment in the root, `$VIRTUAL_ENV`, then `python3` of the path"), "The Python interpreter."),
    key(App, "env", Map("text"), Value("{}"), "Environment variables added to those of the runner."),
    key(App, "children", Table(Children), Words("see below"), "How many children; a number N is short for `{ min = N, max = N }`."),
    key(App, "queue_max", Count(1, MANY), Value("1024"), "Requests that may wait for a slot; more are refused with 503."),
    key(App, "tenant_queue_max", Count(1, MANY), Words("half of `queue_max`; all of it when no route to the app has a tenant key"), "Requests of one tenant that may wait, so that a flood cannot fill the queue."),
    key(App, "tenant_slots_max", Count(1, MANY), Words("all slots"), "Slots that one tenant may hold at once."),
    key(App, "discipline", OneOf(Discipline::WORDS), Value("promise"), "The order of waiting requests: fair shares and then promises, or plain arrival."),
    key(App, "prefetch_max", Count(0, 256), Value("8"), "Requests that may be bound to a busy child whose handler takes well under a millisecond; 0: none."),
    key(App, "boot_timeout", Duration(1), Value("30s"), "Time from the spawn of a child until it is ready."),
    key(App, "grace", Duration(1), Value("10s"), "Time between the polite and the hard end of a child."),
    key(App, "idle_timeout", Duration(1), Value("60s"), "Idle time after which a child above `children.min` ends."),
    key(App, "max_requests", Count(0, ANY), Value("0"), "Requests after which a child is replaced, plus up to 10 % jitter; 0: never."),
    key(App, "max_lifetime", Duration(0), Value("0s"), "Age at which a child is replaced, plus up to 10 % jitter; 0s: never."),
    key(App, "user", Text("a user's name"), Words("the runner's own"), "The user that children run as; only root can change it."),
    key(App, "rlimits", Map("a number, a size or `unlimited`"), Value("{}"), "Resource limits of each child: `nofile`, `core`, `fsize`, `nproc`, `cpu` (seconds), `as`."),

    key(Children, "min", Count(1, 10_000), Words("the number of CPUs"), "Fewest children kept ready."),
    key(Children, "max", Count(1, 10_000), Words("4 times the CPUs, at least 4 and at least `min`"), "Most children."),

    key(Route, "host", Text("`shop.example` or `*.shop.example`"), Words("every host"), "The host that requests name, without port."),
    key(Route, "path", Text("a path that begins with `/`"), Value("/"), "Path prefix; it ends at a `/` boundary."),
    key(Route, "to", Text("`app:NAME`, `redirect:[STATUS:]LOCATION`, `respond:STATUS[:TEXT]` or `api`"), Words("the app, if there is exactly one"), "Where the requests go. A redirect's status is 308 unless given; `$host` and `$uri` in its location are replaced; `$host` is whatever the client says, so a route with it wants a `host`. `api` is the API (docs/API.md), over TLS only."),
    key(Route, "within", Duration(1), Value("1s"), "The promise: answered within this time. It decides the order among waiting requests."),
    key(Route, "tenant", Text("`header:NAME`, `client` or `none`"), Value("client"), "What names the tenant that a request is charged to: a header's value, the client's address, or nothing."),
    key(Route, "tenant_names", Map("text"), Value("{}"), "What tenants are called in logs and metrics, by the value of their header. The others are called by a keyed hash of it, since many such values are secrets."),
    key(Route, "tenant_listed", Flag, Value("false"), "Only values that are in `tenant_names` make a tenant; requests with another one, or none, are charged to their client's address. For fields that clients may fill as they like: whoever makes up values has the share of each of them."),
    key(Route, "weights", Map("a number from 1 to 10000"), Value("{}"), "Shares of tenants that differ from 1, by the header's value or the name that it has in `tenant_names`, or by address."),
    key(Route, "stream", Texts("`request` and `response`"), Value("[]"), "Bodies that are passed on as they come; the others are spooled, so that a slow client holds no child."),
    key(Route, "idempotent", Flag, Value("false"), "A request whose child died may be given to another child, whatever its method."),
    key(Route, "body_max", Size(0, ANY), Value("4GiB"), "Largest request body; larger ones get 413."),
    key(Route, "timeouts", Table(Timeouts), Words("see below"), "Time limits of a request."),

    key(Timeouts, "body", Duration(1), Value("30s"), "Between two pieces of a request body."),
    key(Timeouts, "queue", Duration(1), Value("30s"), "Waiting for a slot."),
    key(Timeouts, "first_byte", Duration(1), Value("60s"), "From the moment when the child could begin to the head of the reply."),
    key(Timeouts, "progress", Duration(1), Value("60s"), "Between two pieces of a reply, and for a client that takes none. `close()` may take as long as the longer of this and `first_byte`."),
    key(Timeouts, "total", Duration(0), Value("0s"), "From arrival to the end of the reply; 0s: no limit."),

    key(Log, "access", Text("`stdout`, `off` or a file"), Value("stdout"), "Where access log lines go."),
    key(Log, "format", OneOf(LogFormat::WORDS), Value("json"), "How a line looks: one JSON object, or the combined format of Apache and nginx."),

    key(Limits, "connections", Count(1, MANY), Value("16384"), "Open client connections; lowered at start when the process may not open that many files. One more closes the one that is idle for the longest, of the client with most; when all are at work, one of the client with most, if it has more than the one that came."),
    key(Limits, "header_timeout", Duration(1), Value("30s"), "Time for a request head, and until the first one begins."),
    key(Limits, "keep_alive", Duration(1), Value("75s"), "Time that a connection may be idle between two requests; longer than a load balancer in front keeps it."),
    key(Limits, "header_bytes", Size(1024, 1 << 20), Value("32KiB"), "Size of a request head; larger ones get 431 or 414."),
    key(Limits, "target_bytes", Size(1024, 60 << 10), Value("8KiB"), "Size of a request target; longer ones get 414."),
    key(Limits, "header_count", Count(1, 10_000), Value("100"), "Field lines of a request head. The pieces of a cookie in HTTP/2 are one."),
    key(Limits, "requests", Count(1, MANY), Value("32768"), "Requests under way, of all clients together; one client may have as many as are left to the others, and half of them at most. One more gets 503. A listed proxy stands for many clients."),
    key(Limits, "h2_streams", Count(1, 100_000), Value("128"), "Streams of one HTTP/2 connection."),
    key(Limits, "spool_memory", Size(0, 1 << 30), Value("256KiB"), "Bytes of a body kept in memory before it goes to a file."),
    key(Limits, "body_memory", Size(0, ANY), Value("256MiB"), "Bytes of all bodies in memory together; one client may have as much as is left to the others. What is beyond goes to files from the first byte."),
    key(Limits, "spool_total", Size(0, ANY), Value("16GiB"), "Bytes of all spool files together. When room runs out, the client that holds most is the first to be cut off."),
    key(Limits, "disk_reserve", Size(0, ANY), Words("5 % of the disk, at least 1GiB and at most 8GiB, but no more than a quarter of what is free at the start"), "Bytes of the state folder's disk that spool files, payloads and logs leave free for the store."),
    key(Limits, "metric_tenants", Count(0, 100_000), Value("100"), "Tenants that metrics name; the rest are `other`."),

    key(Gateway, "threads", Count(1, 1024), Words("half the CPUs, at least 1, because children run on the same ones"), "Serving threads."),
    key(Gateway, "trusted_proxies", Texts("networks such as `10.0.0.0/8`"), Value("[]"), "Peers whose `Forwarded`, `X-Forwarded-*` and `X-Request-Id` fields are believed."),
    key(Gateway, "drain", Duration(0), Value("30s"), "How long a stop waits for what runs."),
    key(Gateway, "details", OneOf(ErrorDetails::WORDS), Value("off"), "Who sees tracebacks and boot failures in answers: nobody, or clients on this host that ask for a loopback name, with nothing that a proxy adds. They are in the log in any case. Not for a host with a proxy or a tunnel."),

    key(Runner, "name", Text("letters, digits, `.`, `-`, `_`"), Value("local"), "The runner's name in logs and metrics."),
    key(Runner, "labels", Map("a label's value"), Value("{}"), "What is told of this host to whoever looks for runners: `{ gpu = \"a100\", zone = \"b\" }`. Names have 1 to 64 of a-z, 0-9, `.`, `_`, `-`; values 1 to 128 letters, digits, `.`, `_`, `-`, `:`, `/`, `+`, `@`."),
    key(Runner, "orphan_grace", Duration(0), Value("60s"), "How long children are kept when the gateway is gone; 0s: for ever."),
    key(Runner, "job_slots", Count(0, 10_000), Words("the number of CPUs"), "Durable jobs that run at once; 0: none."),
    key(Runner, "job_user", Text("a user's name"), Words("the runner's own"), "The user of durable jobs that name none; only root can change it."),
    key(Runner, "job_users", Texts("user names"), Value("[]"), "Further users that durable jobs may name; only root can change it."),
    key(Runner, "tenant_users", Map("a user's name"), Value("{}"), "The one user of a tenant's durable jobs: `{ shop = \"shop\" }`; only root can change it."),
    key(Runner, "job_own_user", Flag, Words("true, unless `job_user` or `tenant_users` is set"), "Whether durable jobs may run as the runner's own user."),
    key(Runner, "job_no_new_privs", Flag, Value("false"), "Durable jobs gain no rights by what they execute, such as `sudo`."),
    key(Runner, "log_max", Size(64 << 10, ANY), Value("1GiB"), "Bytes of an attempt's output that are kept, with what their times take, and its last 4 KiB. The job goes on when it writes more."),
    key(Runner, "job_drain", Duration(0), Value("1s"), "How long durable jobs may run on when the runner is told to end; then they are ended, and run again elsewhere or later. `ostler drain` lets them finish, however long they take."),
    key(Runner, "sendmail", Path, Words("`/usr/sbin/sendmail` or `/usr/lib/sendmail`, whichever is there"), "The program that mails the output of durable jobs with a `mailto`; it is run as the job's user."),
    key(Runner, "secrets", Path, Words("none"), "The file of secrets that durable jobs may name: one `NAME=VALUE` a line, readable by nobody else."),

    key(Jobs, "keep_succeeded", Duration(0), Value("7d"), "How long jobs that succeeded are kept, with their output."),
    key(Jobs, "keep_failed", Duration(0), Value("30d"), "How long jobs that ended otherwise are kept."),
    key(Jobs, "waiting_max", Count(1, 1_000_000_000), Value("10000000"), "Jobs that may wait, paused ones included; more are refused with 503. One tenant gets as many as it leaves to others: half at most."),
    key(Jobs, "payload_max", Size(1, ANY), Value("4GiB"), "Largest standard input of a job."),
    key(Jobs, "files_max", Size(1, ANY), Words("what `limits.disk_reserve` leaves"), "Bytes of all logs and payloads together; more payloads are refused with 503, and logs stay on their runners. One tenant gets as many as it leaves to others: half at most."),
    key(Jobs, "shared_user", Flag, Value("false"), "Tokens that are bound to a tenant may submit although jobs run as the gateway's own user, so that tenants can reach each other's jobs and the gateway's state."),

    key(Queue, "weight", Count(1, 1000), Value("1"), "Its share of the slots beside other queues that have jobs."),
    key(Queue, "discipline", OneOf(QueueDiscipline::WORDS), Value("promise"), "The order of its waiting jobs: fair shares and then promises, plain arrival, tenants in turns by hash, in turns by weight, or, among the queues below it, by guarantees and ceilings."),
    key(Queue, "parent", Text("the name of a queue of this file"), Words("none: it is at the top"), "The queue that it is below: that one's pause, concurrency, rate and share hold for it, too."),
    key(Queue, "guarantee", Slots, Words("none"), "Slots that it has before others borrow them, where its parent's discipline is `htb`."),
    key(Queue, "ceiling", Slots, Words("as many as there are slots"), "Slots that it may have there, however many are free."),
    key(Queue, "concurrency", Count(1, MANY), Words("as many as there are slots"), "Jobs of it, and of the queues below it, that may run at once."),
    key(Queue, "rate", Text("`100/1m` or `100/1m burst 20`"), Words("whatever starts"), "How many of those may start in which time, evenly spread, and how many of them at once after a quiet time."),
    key(Queue, "attach", Texts("selectors"), Value("[]"), "The runners that its jobs may go to: those that one of these means, by labels that a runner must all have (`gpu=a100,zone=b`) or by its name (`runner:r7`). Empty: all of them."),
    key(Queue, "exclusive", Flag, Value("false"), "One of those runners alone has jobs of it at any time; another one takes over when it is gone or drained."),
    key(Queue, "tenant_weights", Map("a number from 1 to 1000"), Value("{}"), "Shares of tenants in it that differ from 1."),
    key(Queue, "tenant_concurrency", Count(1, MANY), Words("as many as all together"), "Jobs of it that each tenant may run at once."),
    key(Queue, "tenant_caps", Map("a number from 1 to 10000000"), Value("{}"), "The same of tenants that it is another number for."),
    key(Queue, "waiting_max", Count(1, MANY), Words("as many as `jobs.waiting_max`"), "Jobs that may wait in it; more are refused with 503. One tenant gets as many as it leaves to others: half at most."),
    key(Queue, "retry", Count(1, 100), Words("4"), "Attempts that may fail in all, of its jobs that name no retry: from 10 s on, twice as long each time, up to 1 h. 1: none is tried again."),
    key(Queue, "timeout", Duration(1), Words("none"), "How long an attempt may run, for its commands that have no timeout."),
    key(Queue, "keep_succeeded", Duration(1), Words("`jobs.keep_succeeded`"), "How long its jobs that succeeded are kept, with their output."),
    key(Queue, "keep_failed", Duration(1), Words("`jobs.keep_failed`"), "How long its jobs that ended otherwise are kept."),
    key(Queue, "user", Text("a user's name"), Words("the runner's"), "The user of its commands that name none, where the runner permits it."),

    key(Schedules, "zone", Text("the IANA name of a time zone, such as `Europe/Berlin`"), Words("the host's"), "The time zone of schedules that name none, here and in the API."),
    key(Schedules, "tenant_max", Count(1, 1_000_000), Value("1000"), "Schedules of a tenant, whoever made them, from which on tokens that are bound to it make no more: 409. Other tokens and this file are not held to it."),

    key(Schedule, "cron", Text("an expression such as `0 3 * * *`"), Required, "When it fires: five fields, or six with seconds before them; `@daily` and the like; `@every 90s`; `@reboot`."),
    key(Schedule, "zone", Text("the IANA name of a time zone, such as `Europe/Berlin`"), Words("that of `[schedules]`"), "The time zone."),
    key(Schedule, "vixie", Flag, Value("false"), "It is read as crontabs are, where a field that begins with `*` does not restrict days."),
    key(Schedule, "gap", OneOf(&["after_gap", "skip"]), Value("after_gap"), "What fires whose time of day is not there, since clocks are set forward: it does at the end of the gap, or not."),
    key(Schedule, "fold", OneOf(&["first", "both"]), Value("first"), "When that fires whose time of day is there twice, since clocks are set back."),
    key(Schedule, "missed", Form("skip, one, or a table such as `{ limit = 10, window = \"1d\" }`"), Value("one"), "What becomes of firings that came due while no gateway was there, or while it was paused: none fires, the last one, or the last ten that came due at most a day ago."),
    key(Schedule, "overlap", OneOf(&["skip", "queue_one", "queue_all", "replace", "allow"]), Value("skip"), "What becomes of a firing while the one before it, retries included, has not finished: it does not run, it waits alone or with others, that one is ended for it, or it runs beside it."),
    key(Schedule, "jitter", Duration(0), Value("0s"), "It fires up to so much later, always by the same."),
    key(Schedule, "starts", Form("a moment such as 2026-12-01T00:00:00Z"), Words("at once"), "It does not fire before."),
    key(Schedule, "ends", Form("a moment such as 2026-12-01T00:00:00Z"), Words("never"), "Nor after this one."),
    key(Schedule, "expect_within", Duration(1), Words("however long"), "Without a success for so long it is overdue."),
    key(Schedule, "max_run", Duration(1), Words("however long"), "A firing that has not finished so long after it fired runs too long, which is told."),
    key(Schedule, "expires_in", Duration(1), Words("never"), "A firing that was not started so long after it fired expires."),
    key(Schedule, "command", Text("a command line"), Words("`argv`, or `module = \"noop\"`"), "What runs, by `/bin/sh -c`."),
    key(Schedule, "argv", Texts("a program and its arguments"), Words("`command`"), "The same without a shell."),
    key(Schedule, "module", OneOf(&["shell", "noop"]), Words("`shell`"), "What runs it: `noop` for nothing."),
    key(Schedule, "name", Text("1 to 128 characters"), Words("none"), "What people call its jobs."),
    key(Schedule, "tenant", Text("1 to 128 characters"), Words("`default`"), "Whose share they are charged to."),
    key(Schedule, "identity", Text("1 to 256 characters"), Words("made from the command"), "What makes two jobs the same kind."),
    key(Schedule, "tags", Texts("labels"), Words("none"), "Labels to find them by."),
    key(Schedule, "host", Text("the name of a runner"), Words("any"), "The one runner that may run them."),
    key(Schedule, "queue", Text("the name of a queue"), Words("`default`"), "The queue that they wait in."),
    key(Schedule, "env", Map("text"), Words("none"), "Variables added to the runner's base environment."),
    key(Schedule, "secrets", Texts("names"), Words("none"), "Secrets of the runner's own file that become variables."),
    key(Schedule, "cwd", Text("an absolute path"), Words("the runner's"), "The current folder."),
    key(Schedule, "stdin", Form("text, or a table such as `{ base64 = \"aGVsbG8K\" }`"), Words("nothing"), "Standard input, 32 KiB at most."),
    key(Schedule, "merge", Flag, Words("false"), "Standard error goes to standard output, by the same pipe."),
    key(Schedule, "user", Text("a user's name"), Words("the runner's own"), "The user to run as, where the runner permits it."),
    key(Schedule, "umask", Text("octal digits such as `022`"), Words("the runner's"), "File mode creation mask."),
    key(Schedule, "nice", Form("a whole number from -20 to 19"), Words("none"), "Niceness added."),
    key(Schedule, "limits", Map("a number"), Words("none"), "Resource limits: `nofile`, `core`, `fsize`, `nproc`, `cpu` (seconds), `as`."),
    key(Schedule, "timeout", Duration(1), Words("for ever"), "How long an attempt may run before it is killed."),
    key(Schedule, "grace", Duration(0), Words("10s"), "Time between SIGTERM and SIGKILL."),
    key(Schedule, "mailto", Text("addresses with commas between them"), Words("nobody"), "To whom what it writes is mailed when it is over, as cron does."),
    key(Schedule, "terminate", OneOf(&["all", "main"]), Words("`all`"), "Which processes are sent SIGTERM when it is to end."),
    key(Schedule, "within", Duration(1), Words("sometime"), "The promise: done within this time of its firing."),
    key(Schedule, "delivery", OneOf(&["at_least_once", "at_most_once"]), Words("`at_least_once`"), "What happens when a runner is lost with it."),
    key(Schedule, "retry", Form("a number of attempts, or a table such as `{ attempts = 3, delay = \"1m\" }`"), Words("as for other jobs that name none"), "What happens when an attempt fails; with the number alone the waits are those of a submit that names no others."),
    key(Schedule, "dedupe", Form("a table such as `{ scope = \"queued\", then = \"reject\" }`"), Words("none"), "Which other jobs make a firing superfluous; for other firings of its own `overlap` says that."),
    key(Schedule, "serial", Text("1 to 200 characters"), Words("none"), "A key: of all jobs that name it one runs at a time."),
    key(Schedule, "resources", Map("`exclusive` or `shared`"), Words("none"), "What it needs while it runs, by name."),
    key(Schedule, "on_retry", OneOf(&["hold", "pass"]), Words("`hold`"), "What becomes of its key and resources while it waits to be tried again."),
];
