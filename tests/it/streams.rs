//! Children that take several requests at once: a child of the tests' own speaks the wire by docs/WIRE.md.

use std::{fs, os::unix::fs::PermissionsExt as _, thread::JoinHandle};

use ostler_tests::{App, Conn, Gateway, Response, Runner, Setup, create_token, wait_until};

/// The child, as an interpreter that looks at no word of its command line.
const CHILD: &str = include_str!("streams.py");

/// An app whose children say this of themselves, and the key that names their program.
fn app(hello: &str) -> (App, String) {
    let app = App::of("application = None\n");
    app.write("hello", hello);
    app.write("child", CHILD);
    let child = app.file("child");
    fs::set_permissions(&child, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let key = format!("python = {child:?}");
    (app, key)
}

/// Asks beside others.
fn ask(gateway: &Gateway, path: &'static str) -> JoinHandle<Response> {
    let address = gateway.http();
    std::thread::spawn(move || Conn::open(address).get(path))
}

/// The child that answered, and how many requests it had at once until then.
fn told(answer: &Response) -> (u32, usize) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let (pid, most) = text.split_once(' ').expect("two words");
    (pid.parse().expect("a process"), most.parse().expect("a number"))
}

/// Waits until so many requests wait for a child, holds them all for as long as that takes, and gives their answers.
fn held(gateway: &Gateway, app: &App, requests: usize, waiting: usize) -> Vec<(u32, usize)> {
    let asked: Vec<_> = (0..requests).map(|_| ask(gateway, "/hold/go")).collect();
    wait_until("the others are with the child", || app.count("/hold/go") == requests - waiting);
    gateway.wait_waiting(waiting);
    app.release("go");
    let answers = asked.into_iter().map(|it| told(&it.join().expect("it is answered")));
    answers.collect()
}

#[test]
fn a_child_is_given_as_many_requests_at_once_as_it_says_and_no_more() {
    for (hello, at_once) in [
        (":streams 4\n:caps board", 4),
        // Nothing is sent ahead, and so nothing is to be given back.
        (":streams 4\n:caps board,cost,recall", 4),
        (":caps board", 1),
        (":streams 0\n:caps board", 1),
        (":streams -1\n:caps board", 1),
        (":streams many\n:caps board", 1),
        (":streams 4294967296\n:caps board", 1),
        (":streams 2\n:streams 6\n:caps board", 2),
        (":streams 4294967295\n:caps board", 7),
    ] {
        let (app, key) = app(hello);
        let gateway = Setup::new(&app).app_keys(&key).start();
        let answers = held(&gateway, &app, 7, 7 - at_once);
        let pid = answers[0].0;
        assert!(answers.iter().all(|it| it.0 == pid), "{hello:?}: {answers:?}");
        assert_eq!(answers.iter().map(|it| it.1).max(), Some(at_once), "{hello:?}");
    }
}

#[test]
fn a_request_whose_time_is_up_leaves_the_others_of_its_child_alone() {
    let (app, key) = app(":streams 4\n:caps board");
    let brief = "[[route]]\npath = \"/hold/never\"\nto = \"app:app\"\ntimeouts = { first_byte = \"300ms\" }\n";
    let gateway = Setup::new(&app).app_keys(&key).app_keys("grace = \"500ms\"").more(brief).start();
    let before = told(&gateway.get("/")).0;
    let asked: Vec<_> = (0..2).map(|_| ask(&gateway, "/hold/go")).collect();
    wait_until("they are with the child", || app.count("/hold/go") == 2);
    // The last that it has begun each time, and longer than its grace.
    for _ in 0..4 {
        assert_eq!(gateway.get("/hold/never").status, 504);
    }
    assert_eq!(told(&gateway.get("/")).0, before);
    app.release("go");
    assert!(asked.into_iter().all(|it| told(&it.join().expect("it is answered")).0 == before));
    assert_eq!(gateway.metric("ostler_jobs_waiting", &[]), 0.0);
}

#[test]
fn a_request_that_its_child_keeps_beyond_its_time_costs_no_slot_for_ever() {
    let (app, key) = app(":streams 3\n:caps board");
    let brief = |path: &str| {
        format!(
            "[[route]]\npath = {path:?}\nto = \"app:app\"\ntimeouts = {{ first_byte = \"300ms\" }}\n"
        )
    };
    let setup = Setup::new(&app).app_keys(&key).app_keys("grace = \"500ms\"");
    let gateway = setup.more(&brief("/keep")).more(&brief("/hold/never")).start();
    let before = told(&gateway.get("/")).0;
    let kept = ask(&gateway, "/keep/never");
    wait_until("it is with the child", || app.count("/keep/never") == 1);
    // Another one, which the board shows instead, goes on for longer than the first may.
    let above = ask(&gateway, "/hold/go");
    assert_eq!(kept.join().expect("it is answered").status, 504);
    // Longer than its grace.
    for _ in 0..2 {
        assert_eq!(gateway.get("/hold/never").status, 504);
    }
    let timeouts = || gateway.metric("ostler_child_exits_total", &["reason=\"timeout\""]);
    assert_eq!(timeouts(), 0.0, "the other one is innocent");
    app.release("go");
    assert_eq!(told(&above.join().expect("it is answered")).0, before);
    wait_until("the child ends, since it lets go of nothing", || timeouts() == 1.0);
    assert_ne!(told(&gateway.get("/")).0, before);
}

#[test]
fn a_child_of_several_requests_that_refuses_all_of_them_is_replaced() {
    let (app, key) = app(":streams 4\n:caps board");
    let gateway = Setup::new(&app).app_keys(&key).start();
    let before = told(&gateway.get("/")).0;
    // One request is offered to it four times.
    for _ in 0..4 {
        assert_eq!(gateway.get("/refuse").status, 502);
    }
    wait_until("there is another child", || told(&gateway.get("/")).0 != before);
    assert_eq!(gateway.metric("ostler_jobs_waiting", &[]), 0.0);
}

#[test]
fn a_child_of_several_requests_serves_the_gateway_that_comes_after() {
    let (app, key) = app(":streams 4\n:caps board");
    let setup = || Setup::new(&app).app_keys(&key);
    let gateway = setup().start();
    let before = told(&gateway.get("/")).0;
    let (state, remains) = gateway.crash();
    let gateway = setup().start_in(state);
    let answers = held(&gateway, &app, 6, 2);
    assert!(answers.iter().all(|it| it.0 == before), "{answers:?} {before}");
    assert_eq!(answers.iter().map(|it| it.1).max(), Some(4));
    drop(gateway);
    drop(remains);
}

#[test]
fn a_child_of_another_host_that_takes_several_requests_is_given_one_at_a_time() {
    let (app, key) = app(":streams 4\n:caps board");
    let route = "[app.far]\n[[route]]\npath = \"/\"\nto = \"app:far\"\n";
    let gateway = Setup::bare().more(route).early().start();
    let token = create_token(gateway.state(), &[]);
    let root = app.root();
    let text = format!("[app.far]\nserve = \"wsgi:wsgi\"\nroot = {root:?}\nchildren = 1\n{key}\n");
    let runner = Runner::of(&token, "far", &text);
    wait_until("its child is ready", || gateway.api("/readyz/web").status == 200);
    let answers = held(&gateway, &app, 5, 4);
    assert!(answers.iter().all(|it| it.1 == 1), "{answers:?}");
    assert!(answers.iter().all(|it| it.0 == answers[0].0), "{answers:?}");
    drop(runner);
}
