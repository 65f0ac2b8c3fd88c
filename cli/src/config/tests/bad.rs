//! Bad text, and word for word what is told about it.

use super::{APP, read};

/// Text after a good app, which has two lines, and the only line that is told.
const BAD: &[(&str, &str)] = &[
    (
        "colour = 1",
        "3: app.shop.colour: no such key; allowed here: serve, root, python, env, children, queue_max, tenant_queue_max, tenant_slots_max, discipline, prefetch_max, boot_timeout, grace, idle_timeout, max_requests, max_lifetime, user and rlimits",
    ),
    (
        "childern = 1",
        "3: app.shop.childern: no such key; did you mean children? allowed here: serve, root, python, env, children, queue_max, tenant_queue_max, tenant_slots_max, discipline, prefetch_max, boot_timeout, grace, idle_timeout, max_requests, max_lifetime, user and rlimits",
    ),
    (
        "[listen]\nhttpx = \"off\"",
        "4: listen.httpx: no such key; did you mean http? allowed here: http, https, api, api_hosts and runners",
    ),
    (
        "[lissten]",
        "3: lissten: no such key; did you mean listen? allowed here: listen, certificate, app, route, log, limits, gateway, runner, jobs, queue, schedules and schedule",
    ),
    (
        "[listen]\nhttp = 8080",
        "4: listen.http: 8080 is not allowed; expected an address such as \"0.0.0.0:8080\", a list of them, or \"off\"",
    ),
    (
        "[listen]\nhttp = \":8080\"",
        "4: listen.http: \":8080\" is not an address; write 0.0.0.0:8080, [::1]:8080 or \"off\"",
    ),
    (
        "[listen]\nhttp = \"off\"\nhttps = \"off\"",
        "4: listen.http: http and https are both off, so no request could come in",
    ),
    (
        "[listen]\nhttp = \"127.0.0.1:80\"\napi = \"127.0.0.1:80\"",
        "5: listen.api: 127.0.0.1:80 is the address of listen.http too",
    ),
    (
        "[listen]\nhttp = [\"127.0.0.1:80\", \"127.0.0.1:80\"]",
        "4: listen.http: 127.0.0.1:80 is there twice",
    ),
    (
        "[listen]\nhttp = \"0.0.0.0:80\"\napi = \"127.0.0.1:80\"",
        "5: listen.api: 127.0.0.1:80 and 0.0.0.0:80 of listen.http are the same port; choose another",
    ),
    (
        "[listen]\nhttps = [\"[::1]:80\", \"[::]:80\"]",
        "4: listen.https: [::]:80 and [::1]:80 of listen.https are the same port; choose another",
    ),
    (
        "[listen]\napi_hosts = [\"ops.example\", \"https://ops.example\"]",
        "4: listen.api_hosts: \"https://ops.example\" is not a host name; write ops.example, without scheme, port or path",
    ),
    (
        "[listen]\napi_hosts = \"ops.example:443\"",
        "4: listen.api_hosts: \"ops.example:443\" is not a host name; write ops.example, without scheme, port or path",
    ),
    (
        "[listen]\napi_hosts = \"*.example\"",
        "4: listen.api_hosts: \"*.example\" is not a host name; write ops.example, without scheme, port or path",
    ),
    (
        "[listen]\napi_hosts = \"\"",
        "4: listen.api_hosts: \"\" is not a host name; write ops.example, without scheme, port or path",
    ),
    ("[runner]\njob_users = [\"build\", \"\"]", "4: runner.job_users: \"\" is not a user's name"),
    ("[runner]\njob_user = \"a b\"", "4: runner.job_user: \"a b\" is not a user's name"),
    ("user = \"-u\"", "3: app.shop.user: \"-u\" is not a user's name"),
    (
        "[runner]\ntenant_users = { \"\" = \"shop\" }",
        "4: runner.tenant_users.: \"\" is not a tenant",
    ),
    (
        "[[route]]\nto = \"respond:204:gone\"",
        "4: route[1].to: an answer 204 has no text; write respond:204",
    ),
    (
        "[[route]]\nweights = { acme = 2 }",
        "4: route[1].weights.acme: \"acme\" is not an address, which tenants are here; or set tenant = \"header:NAME\"",
    ),
    (
        "[[route]]\nweights = { \"2001:DB8::1\" = 2 }",
        "4: route[1].weights.2001:DB8::1: \"2001:DB8::1\" is not how that address is told; write 2001:db8::1",
    ),
    (
        "[[certificate]]\nkey = \"/proc/self/status\"",
        "3: certificate[1].cert is missing; expected a path",
    ),
    (
        "queue_max = \"many\"",
        "3: app.shop.queue_max: \"many\" is not allowed; expected a whole number from 1 to 10000000",
    ),
    (
        "queue_max = 0",
        "3: app.shop.queue_max: 0 is not allowed; expected a whole number from 1 to 10000000",
    ),
    (
        "queue_max = -1",
        "3: app.shop.queue_max: -1 is not allowed; expected a whole number from 1 to 10000000",
    ),
    (
        "queue_max = 9\ntenant_queue_max = 10",
        "4: app.shop.tenant_queue_max: 10 is more than queue_max, which is 9",
    ),
    (
        "discipline = \"lifo\"",
        "3: app.shop.discipline: \"lifo\" is not allowed; expected promise or fifo",
    ),
    (
        "children = 0",
        "3: app.shop.children: 0 is not allowed; expected a whole number from 1 to 10000",
    ),
    (
        "children = \"4\"",
        "3: app.shop.children is not a table; expected a table with keys of its own",
    ),
    (
        "children = { min = 5, max = 2 }",
        "3: app.shop.children.min: 5 is more than app.shop.children.max, which is 2",
    ),
    ("boot_timeout = 30", "3: app.shop.boot_timeout: 30 has no unit; write 500ms, 30s, 5m"),
    (
        "boot_timeout = true",
        "3: app.shop.boot_timeout: true is not allowed; expected a duration such as 500ms, 30s or 5m",
    ),
    ("boot_timeout = \"0s\"", "3: app.shop.boot_timeout: \"0s\" is too short; at least 1ms"),
    ("boot_timeout = \"40000d\"", "3: app.shop.boot_timeout: \"40000d\" is longer than 100 years"),
    ("env = { PORT = 1 }", "3: app.shop.env.PORT: 1 is not allowed; expected text"),
    ("env = { \"A=B\" = \"1\" }", "3: app.shop.env.A=B: \"A=B\" is not a variable's name"),
    (
        "rlimits = { files = 1 }",
        "3: app.shop.rlimits.files: no such limit; allowed here: nofile, core, fsize, nproc, cpu and as",
    ),
    (
        "rlimits = { nofile = \"lots\" }",
        "3: app.shop.rlimits.nofile: \"lots\" is not a size; write 512B, 64KiB, 8MiB, 4GiB",
    ),
    ("python = \"venv/bin/python\"", "3: app.shop.python: there is no /srv/venv/bin/python"),
    ("python = \"no-such-python\"", "3: app.shop.python: \"no-such-python\" is nowhere in $PATH"),
    ("[[route]]\nto = \"app:shp\"", "4: route[1].to: there is no app \"shp\"; the apps are shop"),
    (
        "[[route]]\nto = \"upstream:old\"",
        "4: route[1].to: \"upstream:\" is not supported yet; write app:NAME, redirect:[STATUS:]LOCATION, respond:STATUS[:TEXT] or api",
    ),
    (
        "[[route]]\nto = \"files:/srv\"",
        "4: route[1].to: \"files:\" is not supported yet; write app:NAME, redirect:[STATUS:]LOCATION, respond:STATUS[:TEXT] or api",
    ),
    (
        "[[route]]\nto = \"shop\"",
        "4: route[1].to: \"shop\" leads nowhere; write app:NAME, redirect:[STATUS:]LOCATION, respond:STATUS[:TEXT] or api",
    ),
    (
        "[[route]]\nto = \"redirect:200:/x\"",
        "4: route[1].to: 200 is no redirect; write 301, 302, 303, 307 or 308",
    ),
    ("[[route]]\nto = \"respond:99\"", "4: route[1].to: \"99\" is not a status from 200 to 599"),
    (
        "[[route]]\nwithin = \"5 parsecs\"",
        "4: route[1].within: \"5 parsecs\" is not a duration; write 500ms, 30s, 5m, 1h30m, 2w",
    ),
    (
        "[[route]]\npath = \"shop\"",
        "4: route[1].path: \"shop\" does not begin with \"/\"; write /shop",
    ),
    (
        "[[route]]\npath = \"/a/../b\"",
        "4: route[1].path: \"/a/../b\" has empty or dot segments, which no request has",
    ),
    (
        "[[route]]\nhost = \"shop.example:80\"",
        "4: route[1].host: \"shop.example:80\" has a port; a route holds for all ports; write shop.example or *.shop.example",
    ),
    (
        "[[route]]\nhost = \"shop.example/x\"",
        "4: route[1].host: \"shop.example/x\" has a path, which belongs into `path`; write shop.example or *.shop.example",
    ),
    (
        "[[route]]\nhost = \"https://shop.example\"",
        "4: route[1].host: \"https://shop.example\" has a scheme; write shop.example or *.shop.example",
    ),
    (
        "[[route]]\nhost = \"shop..example\"",
        "4: route[1].host: \"shop..example\" is not a host name; write shop.example or *.shop.example",
    ),
    (
        "[[route]]\npath = \"/a\"\n[[route]]\npath = \"/a/\"",
        "6: route[2].path: route[1] has the same host and path",
    ),
    (
        "[[route]]\ntenant = \"token\"",
        "4: route[1].tenant: \"token\" is not supported yet; write \"header:x-api-key\", \"client\" or \"none\"",
    ),
    (
        "[[route]]\ntenant = \"header:a b\"",
        "4: route[1].tenant: \"a b\" is not a header name; write \"header:x-api-key\", \"client\" or \"none\"",
    ),
    (
        "[[route]]\ntenant = \"header:x-api-key\"\nweights = { gold = 0 }",
        "5: route[1].weights.gold: 0 is not allowed; expected a whole number from 1 to 10000",
    ),
    (
        "[[route]]\ntenant = \"none\"\nweights = { gold = 2 }",
        "5: route[1].weights: there are no tenants to weigh while tenant is \"none\"",
    ),
    (
        "[[route]]\nstream = \"both\"",
        "4: route[1].stream: \"both\" cannot be streamed; expected request and response",
    ),
    (
        "[[route]]\nidempotent = 1",
        "4: route[1].idempotent: 1 is not allowed; expected true or false",
    ),
    (
        "[[route]]\nbody_max = \"17GiB\"",
        "4: route[1].body_max: 17GiB is more than limits.spool_total, which is 16GiB; allow more there, or stream",
    ),
    (
        "[[route]]\nbody_max = \"4GB\"",
        "4: route[1].body_max: \"4GB\" is not a size; write 512B, 64KiB, 8MiB, 4GiB",
    ),
    (
        "[route]\npath = \"/\"",
        "3: route is not a list of tables; expected a list of tables, each headed [[NAME]]",
    ),
    (
        "[app.blog]",
        "1: route is missing; with 2 apps (blog and shop) it takes [[route]] tables to say which requests go where",
    ),
    (
        "[app.blog]\n[[route]]\npath = \"/\"",
        "4: route[1].to is missing; the apps are blog and shop",
    ),
    (
        "[app.\"my shop\"]\n[[route]]\nto = \"app:shop\"",
        "3: app.my shop: \"my shop\" is not a name; 1 to 64 letters, digits, \".\", \"-\", \"_\", beginning with a letter or digit",
    ),
    ("[log]\nformat = \"xml\"", "4: log.format: \"xml\" is not allowed; expected json or combined"),
    (
        "[limits]\nheader_bytes = \"2MiB\"",
        "4: limits.header_bytes: \"2MiB\" is not allowed; expected a size from 1KiB to 1MiB",
    ),
    (
        "[gateway]\nthreads = 0",
        "4: gateway.threads: 0 is not allowed; expected a whole number from 1 to 1024",
    ),
    (
        "[gateway]\ntrusted_proxies = \"10.1.0.0/8\"",
        "4: gateway.trusted_proxies: \"10.1.0.0/8\" has bits beyond its prefix; write 10.0.0.0/8",
    ),
    (
        "[gateway]\ntrusted_proxies = [\"10.0.0.0/33\"]",
        "4: gateway.trusted_proxies: \"10.0.0.0/33\" is not a network; write 10.0.0.0/8, fd00::/8 or 192.0.2.7",
    ),
    (
        "[runner]\njob_slots = -1",
        "4: runner.job_slots: -1 is not allowed; expected a whole number from 0 to 10000",
    ),
    ("[jobs]\nkeep_failed = 7", "4: jobs.keep_failed: 7 has no unit; write 500ms, 30s, 5m"),
    (
        "[schedule.a]\ncommand = \"x\"",
        "3: schedule.a.cron is missing; expected an expression such as `0 3 * * *`",
    ),
    (
        "[schedule.a]\ncron = \"0 3 * * FUN\"\ncommand = \"x\"",
        "4: schedule.a.cron: column 9: \"FUN\" is no day of week; write a number from 0 to 7, or SUN to SAT",
    ),
    (
        "[schedule.a]\ncron = \"0 0 31 2 *\"\ncommand = \"x\"",
        "4: schedule.a.cron: column 1: it never fires; there is no such day in any year",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"\nzone = \"Europe/Berlim\"\ncommand = \"x\"",
        "5: schedule.a.zone: there is no time zone \"Europe/Berlim\"; did you mean Europe/Berlin?",
    ),
    (
        "[schedules]\nzone = \"Berlin\"",
        "4: schedules.zone: there is no time zone \"Berlin\"; did you mean Europe/Berlin?",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"",
        "3: schedule.a.command: give exactly one of command, argv and module: \"noop\"",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"\ncommand = \"x\"\nmissed = { limit = 0, window = \"1d\" }",
        "6: schedule.a.missed: limit: 0 is not allowed; expected a whole number from 1 to 10000",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"\ncommand = \"x\"\nretry = 0",
        "6: schedule.a.retry: attempts: 0 is not allowed; expected a whole number from 1 to 100",
    ),
    (
        "[schedule.a]\ncron = \"@every 90s\"\ngap = \"skip\"\ncommand = \"x\"",
        "5: schedule.a.gap: gap has no meaning with @every, which counts time and not what clocks show; leave it out",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"\ncommand = \"x\"\njitter = 5",
        "6: schedule.a.jitter: 5 has no unit; write 500ms, 30s, 5m",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"\ncommand = \"x\"\noverlap = 5",
        "6: schedule.a.overlap: 5 is not allowed; expected skip, queue_one, queue_all, replace or allow",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"\ncommand = \"x\"\noverlap = \"drop\"",
        "6: schedule.a.overlap: \"drop\" is not allowed; expected skip, queue_one, queue_all, replace or allow",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"\ncommand = \"x\"\nvixie = \"yes\"",
        "6: schedule.a.vixie: \"yes\" is not allowed; expected true or false",
    ),
    (
        "[schedule.a]\ncron = 5\ncommand = \"x\"",
        "4: schedule.a.cron: 5 is not allowed; expected an expression such as `0 3 * * *`",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"\ncommand = \"x\"\njitter = \"8d\"",
        "6: schedule.a.jitter: jitter is longer than 7d; write at most that",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"\ncommand = \"x\"\nstarts = 2026-12-01",
        "6: schedule.a.starts: \"2026-12-01\" is not a time; write it as 2026-11-25T01:02:03Z (RFC 3339)",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"\ncommand = \"x\"\nenv = { A = 1 }",
        "6: schedule.a.env: A: 1 is not allowed; expected text",
    ),
    (
        "[schedule.a]\ncron = \"@daily\"\ncommand = \"x\"\nstdin = { payload = \"84d884d884d884d884d884d884d884d884d884d884d884d884d884d884d884d8\" }",
        "6: schedule.a.stdin: payload: is kept for as long as a job uses it, which a schedule is not; give the input as text or base64, 32 KiB at most, or let the command read a file",
    ),
    (
        "[schedule.\"a b\"]\ncron = \"@daily\"\ncommand = \"x\"",
        "3: schedule.a b: \"a b\" is not a name; 1 to 64 letters, digits, \".\", \"-\", \"_\", beginning with a letter or digit",
    ),
    (
        "[runner]\nname = \"\"",
        "4: runner.name: \"\" is not a name; 1 to 64 letters, digits, \".\", \"-\", \"_\", beginning with a letter or digit",
    ),
];

#[test]
fn every_mistake_is_told_with_line_key_and_cure() {
    let mut wrong = Vec::new();
    for (text, told) in BAD {
        let found = read(&format!("{APP}{text}\n")).err().unwrap_or_default();
        let expected = [format!("ostler.toml:{told}")];
        if found != expected {
            wrong.push(format!(
                "{text}\n  expected {}\n  found    {}",
                expected[0],
                found.join("\n           ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_apps_load_is_told_with_the_cure() {
    let bad = [
        (
            "shop",
            "\"shop\" is not an app; write wsgi:module:callable, such as wsgi:shop.wsgi:application",
        ),
        (
            "rack:config.ru",
            "\"rack:config.ru\" is not supported yet; write wsgi:module:callable, such as wsgi:shop.wsgi:application",
        ),
        ("wsgi:shop.py", "\"shop.py\" is a file, not a module; write wsgi:shop"),
        (
            "wsgi:shop:",
            "\"\" is not a callable's name; write wsgi:module:callable, such as wsgi:shop.wsgi:application",
        ),
        (
            "wsgi:a-b:c",
            "\"a-b\" is not a module's name; write wsgi:module:callable, such as wsgi:shop.wsgi:application",
        ),
    ];
    for (serve, told) in bad {
        let found = read(&format!("[app.shop]\nserve = \"{serve}\"\n")).unwrap_err();
        assert_eq!(found, [format!("ostler.toml:2: app.shop.serve: {told}")]);
    }
}

#[test]
fn all_problems_are_told_in_the_order_of_their_lines() {
    let found =
        read(&format!("{APP}grace = 1\nqueue_max = 0\n[zoo]\n[log]\nformat = 1\n")).unwrap_err();
    let lines: Vec<&str> = found.iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(lines, ["ostler.toml:3", "ostler.toml:4", "ostler.toml:5", "ostler.toml:7"]);
}

#[test]
fn text_that_is_no_toml_is_told_once_a_line() {
    let found = read("[listen]\nhttp = = 1\n[log\n").unwrap_err();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("ostler.toml:2: "), "{found:?}");
    assert!(found[1].starts_with("ostler.toml:3: "), "{found:?}");
}

#[test]
fn text_of_any_kind_is_read_or_refused_but_never_a_panic() {
    let whole = super::documents::FULL;
    for (at, _) in whole.char_indices() {
        let _ = read(&whole[..at]);
        let _ = read(&whole[at..]);
    }
    for junk in
        ["\0", "a.b.c = 1", "[[app]]", "app = 1", "route = [1]", "[app]\nx = 1", "[[[", "\u{feff}"]
    {
        let _ = read(junk);
    }
}
