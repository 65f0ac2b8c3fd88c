//! The key table, the document that is written from it, and the effective config agree.

use std::{fs, path::Path};

use super::{
    super::{effective, reference},
    good, keys,
    keys::Preset,
};

/// Every key but `certificate`, whose files must be there, each with a value that is not its preset.
pub(super) const FULL: &str = r#"
[listen]
http = ["127.0.0.1:8080", "[::1]:8080"]
https = "127.0.0.1:8444"
api = "off"
api_hosts = ["ostler.example"]
runners = "127.0.0.1:2693"
[app.shop]
serve = "wsgi:shop.wsgi:application"
root = "shop"
python = "/bin/sh"
env = { A = "one \"quoted\"\nword", "B.C" = "" }
children = { min = 3, max = 5 }
queue_max = 77
tenant_queue_max = 7
tenant_slots_max = 2
discipline = "fifo"
prefetch_max = 0
boot_timeout = "90s"
grace = "1500ms"
idle_timeout = "5m"
max_requests = 1_000
max_lifetime = "1d"
user = "nobody"
rlimits = { nofile = 100, as = "1GiB", core = "unlimited" }
[app."other.app"]
[[route]]
host = "*.shop.example"
path = "/x"
to = "app:shop"
within = "250ms"
tenant = "header:x-api-key"
tenant_names = { sk_live_1 = "gold" }
weights = { gold = 3, "very gold" = 5 }
stream = ["request", "response"]
idempotent = true
body_max = "10MiB"
timeouts = { body = "1s", queue = "2s", first_byte = "3s", progress = "4s", total = "5s" }
[[route]]
to = "redirect:301:https://$host$uri"
[[route]]
path = "/gone"
to = "respond:410:Gone: for good"
[[route]]
path = "/ostler"
to = "api"
[[route]]
path = "/other"
to = "app:other.app"
[log]
access = "access.log"
format = "combined"
[limits]
connections = 100
header_timeout = "5s"
keep_alive = "6s"
target_bytes = "9KiB"
header_bytes = 8192
header_count = 50
requests = 1000
h2_streams = 10
spool_memory = 0
spool_total = "1TiB"
body_memory = "1GiB"
disk_reserve = "2GiB"
metric_tenants = 0
[gateway]
threads = 3
trusted_proxies = ["10.0.0.0/8", "::1", "192.0.2.7"]
drain = "0s"
details = "loopback"
[runner]
name = "left"
orphan_grace = "0s"
job_slots = 0
job_user = "batch"
job_users = ["build", "www-data"]
tenant_users = { shop = "shop", "a b" = "ab" }
job_own_user = true
job_no_new_privs = true
log_max = "10MiB"
job_drain = "1m"
sendmail = "/usr/bin/msmtp"
secrets = "secrets.env"
[jobs]
keep_succeeded = "1h"
keep_failed = "0s"
waiting_max = 100
payload_max = "1MiB"
files_max = "8MiB"
shared_user = true
[queue.mail]
weight = 3
discipline = "fifo"
concurrency = 4
rate = "100/1m burst 20"
tenant_weights = { shop = 2, "a b" = 3 }
tenant_concurrency = 5
tenant_caps = { shop = 9 }
retry = 1
timeout = "10m"
user = "mail"
keep_succeeded = "1h"
keep_failed = "2h"
[queue.default]
waiting_max = 9
parent = "batch"
guarantee = 1.5
ceiling = 4
[queue.batch]
discipline = "htb"
[schedules]
zone = "Europe/Berlin"
[schedule.nightly]
cron = "30 2 * * MON"
zone = "America/Santiago"
vixie = true
gap = "skip"
fold = "both"
missed = { limit = 10, window = "1d" }
overlap = "queue_all"
jitter = "5m"
starts = 2026-12-01T00:00:00Z
ends = "2030-01-01T00:00:00Z"
expect_within = "1d2h"
max_run = "1h"
expires_in = "90s"
command = "backup --all"
module = "shell"
name = "nightly"
tenant = "shop"
identity = "backup"
tags = ["b"]
host = "left"
queue = "mail"
env = { A = "1" }
secrets = ["S"]
cwd = "/srv"
stdin = { base64 = "aGVsbG8K" }
merge = true
user = "www-data"
umask = "022"
nice = -1
limits = { nofile = 9 }
timeout = "2h"
grace = "5s"
terminate = "main"
mailto = "ops@example.com"
within = "1h"
delivery = "at_least_once"
retry = { attempts = 3, delay = "1s" }
dedupe = { scope = "queued", then = "reject" }
serial = "k"
resources = { disk = "shared" }
on_retry = "pass"
[schedule.heartbeat]
cron = "@every 90s"
argv = ["ping", "db"]
retry = 2
"#;

#[test]
fn the_effective_config_means_the_same_when_it_is_read_again() {
    for text in [FULL, super::APP, "[app.a]\n[[route]]\nto = \"app:a\"\n[log]\naccess = \"off\"\n"]
    {
        let first = good(text);
        let again = good(&effective(&first));
        let debug =
            |settings: &super::Settings| format!("{:#?} {:#?}", settings.gateway, settings.runner);
        assert_eq!(debug(&first), debug(&again), "{}", effective(&first));
    }
}

#[test]
fn the_effective_config_has_every_key() {
    let text = effective(&good(FULL));
    for key in keys::KEYS {
        let head =
            [format!("[{}]", key.name), format!("[[{}]]", key.name), format!("[{}.", key.name)];
        let found = text.lines().any(|line| {
            line.starts_with(&format!("{} = ", key.name))
                || head.iter().any(|head| line.starts_with(head))
                || line.contains(&format!(".{}]", key.name))
                || line.contains(&format!("{{ {} = ", key.name))
                || line.contains(&format!(", {} = ", key.name))
        });
        let needs_files =
            matches!(key.place, keys::Place::Certificate) || key.name == "certificate";
        assert!(found || needs_files, "{} is not printed:\n{text}", key.name);
    }
}

#[test]
fn no_key_is_there_twice_and_every_preset_can_be_written_in_the_file() {
    for key in keys::KEYS {
        assert_eq!(
            keys::of(key.place).filter(|other| other.name == key.name).count(),
            1,
            "{key:?}"
        );
    }
    // What the table calls a preset must be what the file may say, in the file's own form.
    for key in keys::KEYS {
        let Preset::Value(value) = key.preset else { continue };
        let number = value.parse::<u64>().is_ok();
        let bare = number || matches!(value, "true" | "false" | "[]" | "{}");
        let value = if bare { value.to_owned() } else { format!("{value:?}") };
        let text = match key.place {
            keys::Place::App => format!("{}{} = {value}\n", super::APP, key.name),
            keys::Place::Route => format!("{}[[route]]\n{} = {value}\n", super::APP, key.name),
            keys::Place::Timeouts => {
                format!("{}[[route]]\ntimeouts = {{ {} = {value} }}\n", super::APP, key.name)
            }
            // A queue of the file with nothing but defaults is a queue all the same.
            keys::Place::Queue => {
                let text = format!("{}[queue.mail]\n{} = {value}\n", super::APP, key.name);
                let plain = format!("{}[queue.mail]\n", super::APP);
                assert_eq!(good(&text).gateway.jobs, good(&plain).gateway.jobs, "{text}");
                continue;
            }
            keys::Place::Schedule => {
                let plain =
                    format!("{}[schedule.a]\ncron = \"@hourly\"\ncommand = \"x\"\n", super::APP);
                let text = format!("{plain}{} = {value}\n", key.name);
                assert_eq!(good(&text).gateway.jobs, good(&plain).gateway.jobs, "{text}");
                continue;
            }
            keys::Place::Top | keys::Place::Certificate | keys::Place::Children => continue,
            place @ (keys::Place::Listen
            | keys::Place::Log
            | keys::Place::Limits
            | keys::Place::Gateway
            | keys::Place::Runner
            | keys::Place::Jobs
            | keys::Place::Schedules) => {
                let place = format!("{place:?}").to_lowercase();
                format!("{}[{place}]\n{} = {value}\n", super::APP, key.name)
            }
        };
        let debug = |text: &str| format!("{:?}", good(text).gateway);
        assert_eq!(debug(&text), debug(super::APP), "{text}");
    }
}

#[test]
fn the_reference_document_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CONFIG.md");
    if std::env::var_os("OSTLER_BLESS").is_some() {
        fs::write(&path, reference()).unwrap();
    }
    let document = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        document == reference(),
        "docs/CONFIG.md is old; write it again with OSTLER_BLESS=1 cargo test -p ostler-cli reference"
    );
}
