//! One gateway and runners of several hosts: who serves what, and what the loss of a host costs.

use std::{
    fs,
    net::IpAddr,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use ostler_tests::{
    APP, App, Conn, Gateway, Load, Net, Runner, Setup, create_token, kill, sha256, wait_for,
    wait_until,
};

/// `/toil/MILLISECONDS` takes so many times longer as the host is slow; `/endless` notes when nobody wants it any more.
const MORE: &str = r#"
def toil(env, start_response, rest):
    time.sleep(int(rest) / 1000 * SLOWNESS)
    return answer(start_response, b"worked")


def endless(env, start_response, rest):
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        while True:
            yield b"more"
            time.sleep(0.02)
    finally:
        open(os.path.join(HERE, "let-go"), "w").close()


class Closing:
    def __init__(self, body, name):
        self.body, self.name = body, name

    def __iter__(self):
        return iter(self.body)

    def close(self):
        wait_open(self.name)


def closing(env, start_response, rest):
    return Closing(answer(start_response, b"whole"), rest)


TABLE.update(toil=toil, endless=endless, closing=closing)
"#;

const HOSTS: usize = 3;
/// Children of each host.
const CHILDREN: f64 = 2.0;

struct Host {
    app: App,
    runner: Runner,
}

/// Hosts with their runners, and the gateway that they joined. What ends first stands first.
struct World {
    hosts: Vec<Host>,
    gateway: Gateway,
    token: String,
    net: Net,
}

impl World {
    fn new(route: &str) -> Self {
        Self::of([1, 1, 1], route)
    }

    /// Each host with its slowness.
    fn of(slowness: [u32; HOSTS], route: &str) -> Self {
        let net = Net::new(HOSTS);
        let door = net.gateway().to_string();
        let config = format!("[app.app]\n[[route]]\npath = \"/\"\nto = \"app:app\"\n{route}\n");
        let gateway = Setup::bare().more(&config).args(&["--runners", &door]).early().start();
        let token = create_token(gateway.state(), &["--uses", "unlimited"]);
        let join = |(number, slowness): (usize, u32)| {
            let app = App::of(&format!("{APP}SLOWNESS = {slowness}\n{MORE}"));
            let runner = Runner::join(&net, number, &token, &app);
            Host { app, runner }
        };
        let hosts = slowness.into_iter().enumerate().map(join).collect();
        let world = Self { hosts, gateway, token, net };
        (0..HOSTS).for_each(|host| world.wait_serving(host));
        world
    }

    fn serving(&self, host: usize) -> f64 {
        let count = |state: &str| {
            let labels = [format!("host=\"host{host}\""), format!("state={state:?}")];
            self.gateway.metric("ostler_children", &[&labels[0], &labels[1]])
        };
        count("idle") + count("busy")
    }

    fn wait_serving(&self, host: usize) {
        let told = || self.hosts[host].runner.told();
        let begin = Instant::now();
        wait_until(&format!("host {host} serves"), || {
            assert!(begin.elapsed() < Duration::from_secs(19), "{}", told());
            self.serving(host) == CHILDREN
        });
    }

    fn served(&self, host: usize) -> usize {
        self.hosts[host].app.calls().len()
    }

    fn load(&self, clients: usize, path: &str) -> Load {
        Load::start(self.gateway.http(), clients, path)
    }

    /// Fills every slot of every host with requests that last until they are released. The clients that wait on each host.
    fn hold_all(&self) -> Vec<Vec<Conn>> {
        let mut clients: Vec<_> = (0..HOSTS).map(|_| Vec::new()).collect();
        for number in 0..HOSTS * 2 {
            let path = format!("/hold/{number}");
            let mut client = self.gateway.connect();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            let host = wait_for("a host holds the request", || {
                (0..HOSTS).find(|host| self.hosts[*host].app.count(&path) > 0)
            });
            clients[host].push(client);
        }
        assert!(clients.iter().all(|held| held.len() == 2), "every slot is taken");
        clients
    }

    fn release(&self, hosts: &[usize]) {
        for host in hosts {
            (0..HOSTS * 2).for_each(|number| self.hosts[*host].app.release(&number.to_string()));
        }
    }
}

fn assert_held(clients: &mut [Conn]) {
    for client in clients {
        assert_eq!(client.read().status, 200);
    }
}

#[test]
fn a_child_in_close_is_no_slot_of_its_host() {
    let world = World::new("");
    for number in 0..HOSTS * 2 {
        assert_eq!(world.gateway.get(&format!("/closing/{number}")).text(), "whole");
    }
    let mut client = world.gateway.connect();
    client.send("GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n");
    world.gateway.wait_waiting(1);
    assert!(client.is_quiet(Duration::from_millis(300)), "every child is in close()");
    world.release(&[0, 1, 2]);
    assert_eq!(client.read().status, 200);
    assert_eq!(world.gateway.metric("ostler_retries_total", &[]), 0.0, "it was sent once");
}

#[test]
fn every_host_serves_and_a_slow_one_serves_less() {
    let world = World::of([1, 1, 8], "");
    let load = world.load(12, "/toil/4");
    load.wait_more(400);
    load.finish_without_failure();
    let served: Vec<usize> = (0..HOSTS).map(|host| world.served(host)).collect();
    assert!(served.iter().all(|&count| count > 0), "{served:?}");
    // Eight times slower; on a busy machine it is all of them that are slow.
    assert!(served[2] * 3 < served[0] + served[1], "{served:?}");
}

#[test]
fn a_killed_runner_costs_what_it_had_in_hand() {
    let mut world = World::new("");
    let mut clients = world.hold_all();
    let load = world.load(4, "/toil/1");
    wait_until("requests wait", || world.gateway.metric("ostler_jobs_waiting", &[]) >= 4.0);
    kill(world.hosts[0].runner.pid());
    for client in &mut clients[0] {
        let answer = client.read();
        let told = (answer.status, answer.header("ostler-termination"));
        assert_eq!(told, (502, Some("child_died")), "{}", answer.text());
    }
    world.release(&[0, 1, 2]);
    assert_held(&mut clients[1]);
    assert_held(&mut clients[2]);
    load.wait_more(50);
    load.finish_without_failure();
    world.hosts[0].runner.wait_all_gone();
    assert_eq!(world.serving(0), 0.0);
}

#[test]
fn idempotent_requests_of_a_killed_runner_are_done_elsewhere() {
    let world = World::new("idempotent = true");
    let mut clients = world.hold_all();
    world.release(&[1, 2]);
    assert_held(&mut clients[1]);
    assert_held(&mut clients[2]);
    kill(world.hosts[0].runner.pid());
    assert_held(&mut clients[0]);
}

#[test]
fn a_host_that_is_cut_off_gives_up_its_slots_and_serves_again_when_it_is_back() {
    let world = World::new("");
    let mut clients = world.hold_all();
    world.release(&[1, 2]);
    assert_held(&mut clients[1]);
    assert_held(&mut clients[2]);
    let runner = world.hosts[0].runner.pid();
    world.net.cut(0, runner);
    let begin = Instant::now();
    for client in &mut clients[0] {
        assert_eq!(client.read().header("ostler-termination"), Some("child_died"));
    }
    assert!(begin.elapsed() < Duration::from_secs(8), "noticed after {:?}", begin.elapsed());
    let load = world.load(8, "/toil/1");
    load.wait_more(200);
    world.release(&[0]);
    world.net.mend(0, runner);
    world.wait_serving(0);
    let before = world.served(0);
    wait_until("it serves again", || world.served(0) > before);
    load.finish_without_failure();
}

#[test]
fn a_runner_that_stands_still_is_given_up() {
    let world = World::new("");
    world.hosts[0].runner.signal(Signal::SIGSTOP);
    let load = world.load(8, "/toil/1");
    wait_until("its slots are given up", || world.serving(0) == 0.0);
    load.wait_more(100);
    let outcomes = load.finish();
    // Two requests were given to its slots before it was known.
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.is_ok()).collect();
    assert!(failed.len() <= 2, "{failed:?}");
    assert!(failed.iter().all(|outcome| outcome.is_refused(502, "child_died")), "{failed:?}");
    world.hosts[0].runner.signal(Signal::SIGCONT);
    world.wait_serving(0);
}

#[test]
fn a_runner_that_drains_loses_nothing_and_may_come_back() {
    let mut world = World::new("");
    let mut clients = world.hold_all();
    let load = world.load(8, "/toil/1");
    world.hosts[0].runner.signal(Signal::SIGTERM);
    world.release(&[0, 1, 2]);
    clients.iter_mut().for_each(|held| assert_held(held));
    assert!(world.hosts[0].runner.wait_exit().success());
    load.wait_more(100);
    let Host { app, runner } = world.hosts.remove(0);
    let runner = Runner::join_in(&world.net, 0, &world.token, &app, runner.into_state());
    world.hosts.insert(0, Host { app, runner });
    world.wait_serving(0);
    load.wait_more(100);
    load.finish_without_failure();
}

#[test]
fn bodies_pass_through_a_remote_runner_intact() {
    let world = World::new("");
    let body: Vec<u8> = (0..5 << 20).map(|at: u32| (at % 251) as u8).collect();
    let expected = format!("{} {} {}", body.len(), sha256(&body), body.len());
    assert_eq!(world.gateway.connect().post("/hash", &body).text(), expected);
    assert_eq!(world.gateway.connect().post_chunked("/hash", &body, 70_001).text(), expected);
    let answer = world.gateway.get(&format!("/big/{}", 20 << 20));
    assert!(answer.whole);
    assert_eq!(answer.body.len(), 20 << 20);
    for (number, piece) in answer.body.chunks(65536).enumerate() {
        assert_eq!(&piece[..8], format!("{number:08}").as_bytes());
        assert!(piece[8..].iter().all(|byte| *byte == b'x'));
    }
}

#[test]
fn a_client_that_leaves_is_told_to_the_remote_child() {
    let world = World::new("stream = [\"response\"]");
    let mut client = world.gateway.connect();
    client.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.peek(200);
    drop(client);
    wait_until("the child lets go", || {
        world.hosts.iter().any(|host| fs::exists(host.app.file("let-go")).unwrap_or(false))
    });
    world.gateway.assert_ended("/endless", "gone_reading");
}

#[test]
fn runners_reach_the_gateway_over_the_network() {
    let world = World::new("");
    let door: IpAddr = world.net.gateway().ip();
    assert_eq!(world.gateway.runners().ip(), door);
    let stderr = world.gateway.stderr();
    for host in 0..HOSTS {
        assert!(stderr.contains(&format!("runner host{host} joined")), "{stderr}");
    }
}
