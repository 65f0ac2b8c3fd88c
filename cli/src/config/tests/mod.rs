//! What the config file may say, and what is told when it says something else.

mod bad;
mod documents;

use std::path::PathBuf;

use super::*;

fn source(text: &str) -> Source {
    Source { name: "ostler.toml".to_owned(), folder: PathBuf::from("/srv"), text: text.to_owned() }
}

/// Read on a host of four CPUs.
fn read(text: &str) -> Result<Settings, Vec<String>> {
    settings(&source(text), &Ground { cpus: 4, given: None })
}

fn good(text: &str) -> Settings {
    read(text).unwrap_or_else(|problems| panic!("{text}\n{}", problems.join("\n")))
}

const APP: &str = "[app.shop]\nserve = \"wsgi:shop.wsgi:application\"\n";

#[test]
fn an_app_alone_gets_all_requests_and_every_default() {
    let settings = good(APP);
    let gateway = &settings.gateway;
    let [route] = &gateway.routes[..] else { panic!("{:?}", gateway.routes) };
    assert!(matches!(&route.to, ostler_gateway::TargetConfig::App(name) if name == "shop"));
    assert_eq!((route.host.as_deref(), route.path.as_str()), (None, "/"));
    assert_eq!(route.within, Duration::from_secs(1));
    assert_eq!(route.body_max, 4 << 30);
    assert_eq!(route.timeouts.total, Duration::ZERO);
    assert_eq!(gateway.listen.http, ["0.0.0.0:8080".parse().unwrap()]);
    assert_eq!(gateway.listen.api, ["127.0.0.1:2691".parse().unwrap()]);
    assert_eq!(gateway.threads, 2);
    assert_eq!(gateway.limits.header_bytes, 32 << 10);
    assert_eq!(gateway.apps["shop"].queue_max, 1024);
    let [spec] = &settings.runner.apps[..] else { panic!("{:?}", settings.runner) };
    assert_eq!((spec.children_min, spec.children_max), (4, 16));
    assert_eq!(spec.root, PathBuf::from("/srv"));
    assert_eq!(settings.runner.orphan_grace, Some(Duration::from_secs(60)));
}

#[test]
fn the_presets_of_children_bend_to_what_is_written() {
    let children = |text: &str| {
        let spec = good(&format!("{APP}children = {text}\n")).runner.apps.remove(0);
        (spec.children_min, spec.children_max)
    };
    assert_eq!(children("3"), (3, 3));
    assert_eq!(children("{ min = 1 }"), (1, 16));
    assert_eq!(children("{ min = 100 }"), (100, 100));
    assert_eq!(children("{ max = 2 }"), (2, 2));
    assert_eq!(children("{ max = 9 }"), (4, 9));
}

#[test]
fn one_tenant_may_fill_half_the_queue_but_all_of_it_where_there_are_no_tenants() {
    let queue = |tenant: &str| {
        let text = format!("{APP}queue_max = 100\n[[route]]\ntenant = \"{tenant}\"\n");
        good(&text).gateway.apps["shop"].tenant_queue_max
    };
    assert_eq!(queue("client"), 50);
    assert_eq!(queue("header:X-Api-Key"), 50);
    assert_eq!(queue("none"), 100);
}

#[test]
fn relative_paths_start_from_the_folder_of_the_file() {
    let settings = good(&format!("{APP}root = \"shop\"\n[log]\naccess = \"access.log\"\n"));
    assert_eq!(settings.runner.apps[0].root, PathBuf::from("/srv/shop"));
    let ostler_gateway::AccessLog::File(path, _) = &settings.gateway.access_log else {
        panic!("{:?}", settings.gateway.access_log)
    };
    assert_eq!(path, &PathBuf::from("/srv/access.log"));
}

#[test]
fn doors_take_one_address_several_or_off() {
    let text =
        "[listen]\nhttp = [\"127.0.0.1:0\", \"[::1]:0\"]\nhttps = \"localhost:1\"\napi = \"off\"";
    let listen = good(&format!("{APP}{text}")).gateway.listen;
    assert_eq!(listen.http.len(), 2);
    assert_eq!(listen.https, ["127.0.0.1:1".parse().unwrap()]);
    assert!(listen.api.is_empty());
}

#[test]
fn hosts_and_paths_take_their_plainest_form() {
    let text = format!("{APP}[[route]]\nhost = \"*.Shop.Example\"\npath = \"/a/b/\"\n");
    let route = good(&text).gateway.routes.remove(0);
    assert_eq!(route.host.as_deref(), Some("*.shop.example"));
    assert_eq!(route.path, "/a/b");
}

#[test]
fn an_app_without_serve_is_left_to_runners_that_join() {
    let settings = good("[app.shop]\nqueue_max = 5\n");
    assert_eq!(settings.gateway.apps["shop"].queue_max, 5);
    assert!(settings.runner.apps.is_empty());
}

#[test]
fn each_language_has_a_key_for_its_interpreter_and_its_forms_are_told() {
    let told = keys::find(Place::App, "serve").unwrap();
    let told = format!("{:?} {}", told.kind, told.meaning);
    for about in ostler_runner::runtime::ALL.iter().map(|runtime| runtime.about()) {
        let key = keys::find(Place::App, about.name);
        assert!(key.is_some(), "[app.NAME] needs the key {} in keys.rs", about.name);
        let mut forms = about.forms.iter();
        assert!(forms.all(|form| told.contains(form.written)), "serve in keys.rs: {about:?}");
    }
}

#[test]
fn an_app_of_the_command_line_joins_a_file_without_one() {
    let serve = Serve::read("wsgi:hello:app").unwrap();
    let given = Given { name: "app".to_owned(), serve: Some(serve), root: PathBuf::from("/x") };
    let text = "[[route]]\npath = \"/shop\"\nto = \"app:app\"\n";
    let settings = settings(&source(text), &Ground { cpus: 1, given: Some(given) }).unwrap();
    assert_eq!(settings.runner.apps[0].root, PathBuf::from("/x"));
    assert_eq!(settings.gateway.routes[0].path, "/shop");
}

#[test]
fn what_works_but_hardly_as_meant_is_noted() {
    let text =
        format!("{APP}[listen]\napi = \"0.0.0.0:1\"\n[[route]]\nto = \"respond:503:Closed\"\n");
    assert_eq!(
        good(&text).notes,
        [
            "ostler.toml:2: app.shop.serve: no route leads to this app",
            "ostler.toml:4: listen.api: tokens come in cleartext on this address; a route to = \"api\" takes them over TLS",
        ]
    );
}

#[test]
fn without_routes_only_doors_that_are_asked_for_open() {
    let settings = good("[jobs]\nkeep_failed = \"1d\"\n");
    let listen = &settings.gateway.listen;
    assert!(
        settings.gateway.routes.is_empty() && listen.http.is_empty() && listen.https.is_empty()
    );
    assert_eq!(listen.api, ["127.0.0.1:2691".parse().unwrap()]);
    assert_eq!(settings.gateway.jobs.keep_failed, Duration::from_secs(86_400));
    let listen = good("[listen]\nhttp = \"127.0.0.1:1\"\n").gateway.listen;
    assert_eq!(listen.http, ["127.0.0.1:1".parse().unwrap()]);
}

#[test]
fn durable_jobs_get_a_slot_for_each_processor_unless_the_file_says_otherwise() {
    let runner = good(APP).runner;
    assert_eq!(
        (runner.job_slots, runner.job_users, runner.secrets),
        (4, JobUsers::default(), None)
    );
    let usual = JobsConfig::default();
    let usual = JobsConfig { tenants_share_user: true, ..usual };
    assert_eq!(good(APP).gateway.jobs, usual, "unless somebody says that it is meant");
    let text = "[runner]\njob_slots = 0\njob_users = \"build\"\nsecrets = \"s.env\"\n";
    let runner = good(text).runner;
    let users = JobUsers { more: ["build".to_owned()].into(), ..JobUsers::default() };
    assert_eq!((runner.job_slots, runner.job_users), (0, users));
    assert_eq!(runner.secrets, Some(PathBuf::from("/srv/s.env")));
}

#[test]
fn queues_of_the_file_are_below_each_other_in_any_order() {
    let text = "[queue.reports]\nparent = \"batch\"\nguarantee = 1.5\nceiling = 4\n[queue.batch]\ndiscipline = \"htb\"\n";
    let queues = good(text).gateway.jobs.queues;
    let reports = ostler_gateway::QueueShape {
        parent: ostler_gateway::QueueName::new("batch"),
        guarantee: ostler_gateway::Slots::read("1.5"),
        ceiling: ostler_gateway::Slots::read("4"),
        ..Default::default()
    };
    assert_eq!(queues[1].1, reports);
    for (text, told) in [
        (
            "[queue.a]\nparent = \"no\"\n",
            "queue.a.parent: there is no [queue.no] in this file; write one",
        ),
        (
            "[queue.a]\nparent = \"b\"\n[queue.b]\nparent = \"a\"\n",
            "queue.b.parent: it would be below itself (b below a below b)",
        ),
        (
            "[queue.a]\nguarantee = 0\n",
            "queue.a.guarantee: 0 is not allowed; expected slots from 0.001 to 100000",
        ),
        (
            "[queue.a]\nguarantee = \"2\"\n",
            "queue.a.guarantee: \"2\" is not allowed; expected slots",
        ),
        (
            "[queue.a]\nceiling = 2\n",
            "queue.a.ceiling: a ceiling counts below a queue whose discipline is htb",
        ),
        ("[queue.a]\nparent = \"b c\"\n[queue.b]\n", "queue.a.parent: \"b c\" is not a name"),
        (
            "[queue.b]\nparent = \"a\"\nguarantee = 3\n[queue.a]\ndiscipline = \"htb\"\nparent = \"z\"\nguarantee = 2\n[queue.z]\n\
             discipline = \"htb\"\n",
            "queue.a.guarantee: the queues below a are guaranteed 3 slots together, more than its guarantee of 2",
        ),
    ] {
        let problems = read(text).expect_err("it is wrong").join("\n");
        assert!(problems.contains(told), "{told} in {problems}");
    }
}

#[test]
fn a_queue_is_read_whole_and_all_that_is_wrong_with_one_is_told() {
    let text = "[queue.default]\nretry = 1\n[queue.mail]\nweight = 3\ndiscipline = \"fifo\"\nconcurrency = 4\n\
                rate = \"100/1m burst 20\"\ntenant_weights = { shop = 2 }\ntenant_concurrency = 5\ntenant_caps = { shop = 6 }\nwaiting_max = 9\nattach = [\"zone=b,gpu=a100\", \"runner:r7\"]\nexclusive = true\ntimeout = \"10m\"\nuser = \"mail\"\n";
    let queues = good(text).gateway.jobs.queues;
    let names: Vec<_> = queues.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["default", "mail"]);
    assert_eq!(queues[0].1.retry.as_ref().map(|it| it.attempts), Some(1));
    let expected = ostler_gateway::QueueShape {
        weight: 3,
        discipline: ostler_gateway::QueueDiscipline::Fifo,
        concurrency: Some(4),
        rate: ostler_gateway::Rate::read("100/1m burst 20").ok(),
        tenant_weights: [("shop".to_owned(), 2)].into(),
        tenant_concurrency: Some(5),
        tenant_caps: [("shop".to_owned(), 6)].into(),
        waiting_max: Some(9),
        attach: ["gpu=a100,zone=b", "runner:r7"]
            .map(|it| ostler_gateway::Selector::read(it).expect("it is one"))
            .into(),
        exclusive: true,
        timeout: Some(ostler_gateway::span(Duration::from_secs(600))),
        user: Some("mail".to_owned()),
        ..Default::default()
    };
    assert_eq!(queues[1].1, expected);
    let text = "[queue.-x]\n[queue.mail]\nweight = 0\nrate = \"5/1m burst 6\"\ntenant_weights = { a = 0 }\ntenant_caps = { b = 0 }\nattach = [\"gpu\"]\nconcurency = 1\n";
    let told = read(text).expect_err("it is wrong").join("\n");
    for part in [
        "queue.-x",
        "queue.mail.weight",
        "a burst of 6 is more than its 5 jobs",
        "tenant_weights.a",
        "tenant_caps.b",
        "queue.mail.attach",
        "\"gpu\" is no label; write NAME=VALUE",
        "did you mean concurrency",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn schedules_of_the_file_have_its_zone_unless_they_name_one() {
    let text = "[schedules]\nzone = \"Asia/Tokyo\"\n[schedule.b]\ncron = \"0 3 * * *\"\ncommand = \"x\"\nretry = 3\n\
                [schedule.a]\ncron = \"@daily\"\nzone = \"UTC\"\nargv = [\"y\", \"z\"]\nmissed = \"skip\"\n";
    let jobs = good(&format!("{APP}{text}")).gateway.jobs;
    assert_eq!(jobs.zone.as_deref(), Some("Asia/Tokyo"));
    let [(a, first), (b, second)] = &jobs.schedules[..] else { panic!("{:?}", jobs.schedules) };
    assert_eq!((a.as_str(), first.zone.as_str()), ("a", "UTC"));
    assert_eq!((b.as_str(), second.zone.as_str()), ("b", "Asia/Tokyo"));
    assert_eq!(second.spec.retry.attempts, 3);
    let command = first.spec.work.command().unwrap();
    assert_eq!((&command.line, &command.argv[..]), (&None, &["y".to_owned(), "z".to_owned()][..]));
}

#[test]
fn a_schedule_whose_queue_the_file_has_not_is_noted() {
    let notes = |queue: &str| {
        let text = format!(
            "{APP}[queue.mail]\n[schedule.a]\ncron = \"@daily\"\ncommand = \"x\"\nqueue = \"{queue}\"\n"
        );
        good(&text).notes
    };
    assert_eq!((notes("mail"), notes("default")), (Vec::new(), Vec::new()));
    assert_eq!(
        notes("slow"),
        [
            "ostler.toml:7: schedule.a.queue: there is no [queue.slow] in this file; until the API makes one, firings are refused"
        ]
    );
}
