use std::net::Ipv4Addr;

use super::*;

const SECOND: Span = Span::from_secs(1);

struct World {
    quarantine: Quarantine,
    now: Mono,
    /// How many children are free; many, when there is no lack.
    spare: u32,
    client: Peer,
}

fn client(number: u8) -> Peer {
    Peer::of(Ipv4Addr::new(192, 0, 2, number).into())
}

impl World {
    fn new() -> Self {
        let (quarantine, now) = (Quarantine::default(), Mono(0) + Span::from_secs(100));
        Self { quarantine, now, spare: u32::MAX, client: client(1) }
    }

    fn in_a_pinch() -> Self {
        Self { spare: 1, ..Self::new() }
    }

    /// A request and what becomes of it; `false`: it was held back.
    fn ask(&mut self, target: &str, dies: bool) -> bool {
        let uri = target.parse().unwrap();
        let asked =
            RequestKind { route: "/", method: &Method::GET, uri: &uri, client: self.client };
        let kinds = self.quarantine.kinds(asked);
        if let Some(kinds) = &kinds
            && self.quarantine.check(kinds, self.spare, self.now).is_err()
        {
            return false;
        }
        match (dies, kinds) {
            (true, _) => {
                self.quarantine.died(asked, self.now);
            }
            (false, Some(kinds)) => self.quarantine.survived(&kinds, self.now),
            (false, None) => {}
        }
        true
    }

    fn passes(&mut self, target: &str) -> bool {
        self.ask(target, false)
    }

    /// Asks for each, once a second, all of them deadly; how many got through.
    fn attack<T: AsRef<str>>(&mut self, targets: impl IntoIterator<Item = T>) -> usize {
        let mut through = 0;
        for target in targets {
            self.now += SECOND;
            through += usize::from(self.ask(target.as_ref(), true));
        }
        through
    }
}

fn each(times: usize, target: &dyn Fn(usize) -> String) -> Vec<String> {
    (0..times).map(target).collect()
}

#[test]
fn three_deaths_within_a_minute_hold_a_kind_back_and_nothing_else() {
    let mut world = World::new();
    assert_eq!(world.attack(["/crash"; 8]), 3);
    assert_eq!(world.quarantine.held(), 1);
    for other in ["/", "/ok", "/crash/other", "/crashes", "/crash?x=y"] {
        assert!(world.passes(other), "{other}");
    }
}

#[test]
fn deaths_that_are_far_apart_hold_nothing_back() {
    let mut world = World::new();
    for _ in 0..10 {
        world.now += Span::from_secs(31);
        assert!(world.ask("/rare", true));
    }
}

#[test]
fn a_kind_of_which_few_requests_die_is_not_held_back() {
    let mut world = World::new();
    for _ in 0..20 {
        assert!(world.ask("/", true));
        for _ in 0..50 {
            assert!(world.passes("/"));
        }
        world.now += SECOND;
    }
}

#[test]
fn a_page_that_some_requests_die_of_is_there_for_the_others() {
    for deadly in [2, 3, 10] {
        let mut world = World::new();
        for n in 0..100 {
            world.now += Span::from_millis(250);
            assert!(world.ask("/", n % deadly == 1), "{n} of 1 in {deadly}");
        }
        world.spare = 1;
        assert!(world.passes("/"));
        world.spare = 0;
        assert_eq!(world.passes("/"), deadly > 4, "there is no child for that, 1 in {deadly}");
        world.now += Span::from_secs(61);
        assert!(world.passes("/"));
    }
}

#[test]
fn one_client_has_it_held_back_from_itself_and_three_from_all() {
    let mut world = World::new();
    for number in 1..=3 {
        world.client = client(9);
        assert!(world.passes("/other"), "what else there is");
        world.client = client(number);
        let targets = ["/rare"; 9];
        let through = world.attack(targets);
        assert_eq!(through, if number < 3 { 3 } else { 1 }, "client {number}");
    }
    world.client = client(9);
    assert!(!world.passes("/rare"));
    world.now += Span::from_secs(61);
    assert!(world.passes("/rare"), "the probe lives");
    world.client = client(8);
    assert!(world.passes("/rare"));
    world.client = client(1);
    assert!(world.ask("/rare", true), "and whoever was held back has a probe");
    assert!(!world.passes("/rare"));
}

#[test]
fn in_a_pinch_it_is_held_back_from_those_whose_requests_die() {
    for lives in [0, 1, 100] {
        let mut world = World::new();
        for _ in 0..8 {
            world.now += SECOND;
            assert!(world.ask("/", true) && world.passes("/"));
            world.client = client(2);
            (0..lives).for_each(|_| assert!(world.passes("/")));
            world.client = client(1);
        }
        world.spare = 0;
        assert!(!world.passes("/"), "whoever ends children leaves what there is to others");
        world.spare = 1;
        assert_eq!(world.passes("/"), lives < 100, "where those are many, the last one, too");
        world.client = client(3);
        world.spare = 0;
        assert!(world.passes("/"), "and whoever ended none waits");
    }
}

#[test]
fn in_a_pinch_what_is_not_known_is_held_back_from_those_who_ended_children() {
    let mut world = World::in_a_pinch();
    assert_eq!(world.attack(["/a", "/b", "/c", "/d"]), 3);
    assert!(!world.passes("/strange"));
    world.client = client(2);
    assert!(world.passes("/other"));
}

#[test]
fn what_has_lived_once_is_not_held_back_for_good_by_what_came_before() {
    let mut world = World::new();
    assert!(world.ask("/other", true));
    assert!(world.passes("/"));
    for _ in 0..10 {
        world.now += SECOND;
        assert!(world.ask("/", true));
    }
    assert_eq!(world.quarantine.held(), 0);
}

#[test]
fn children_that_die_at_one_moment_died_of_one_cause() {
    let mut world = World::new();
    for _ in 0..2 {
        for _ in 0..8 {
            assert!(world.ask("/", true));
            world.now += Span::from_millis(10);
        }
        world.now += SECOND;
    }
    assert!(world.passes("/"));
}

#[test]
fn ids_and_numbers_make_no_difference() {
    let variants: [fn(usize) -> String; 6] = [
        |n| format!("/crash/{n}"),
        |n| format!("/order-{n}/pay"),
        |n| format!("/o/550e8400-e29b-41d4-a716-4466554400{n:02}/x"),
        |n| format!("/o/{:08x}", 0xdead_be00_usize + n),
        |n| format!("/crash?id={n}&t={}", n * 7),
        |n| format!("/%63rash/{n}"),
    ];
    for variant in variants {
        let mut world = World::new();
        assert_eq!(world.attack(each(20, &variant)), 3 + 1, "{}", variant(0));
    }
}

#[test]
fn names_that_differ_each_time_hold_what_is_not_known_back_in_a_pinch() {
    let name = |n: usize| ["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"][n % 8];
    let variants: [&dyn Fn(usize) -> String; 4] = [
        &|n| format!("/crash/{}", name(n)),
        &|n| format!("/crash?who={}", name(n)),
        &|n| format!("/api/crash/{}", name(n)),
        &|n| format!("/{}", name(n)),
    ];
    for variant in variants {
        let mut world = World::in_a_pinch();
        world.ask("/first", true);
        assert!(world.passes("/known"));
        let all = [each(1, variant), each(8, variant)].concat();
        assert!((3..=4).contains(&world.attack(all)), "{}", variant(0));
        assert!(world.passes("/known") && world.passes("/known"));
        assert_eq!(world.quarantine.held(), 0, "nothing is, but for the pinch");
        world.spare = 2;
        assert!(world.passes(&variant(9)));
    }
}

#[test]
fn different_faults_below_one_path_say_nothing_about_the_rest_of_it() {
    let mut world = World::new();
    assert_eq!(world.attack(["/api/a", "/api/b", "/api/c", "/api/d", "/a", "/b", "/c"]), 7);
    assert!(world.passes("/api/fine") && world.passes("/fine"));
}

#[test]
fn made_up_names_push_out_nothing_that_is_asked_for() {
    let mut world = World::in_a_pinch();
    world.attack(["/a", "/b", "/c"]);
    world.spare = u32::MAX;
    for n in 0..3 * KINDS_MAX {
        let name: String = n.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        assert!(world.passes("/known") && world.passes(&format!("/{name}")));
    }
    world.spare = 1;
    assert!(world.passes("/known") && !world.passes("/strange"));
}

#[test]
fn one_page_of_many_that_share_a_script_does_not_take_the_others_with_it() {
    let mut world = World::new();
    assert_eq!(world.attack(["/index.php?page=crash"; 8]), 3);
    assert!(world.passes("/index.php?page=home"));
    assert!(world.passes("/index.php"));
}

#[test]
fn probes_go_through_ever_more_rarely_until_one_lives() {
    let mut world = World::new();
    assert_eq!(world.attack(vec!["/crash"; 72]), 3 + 2, "probes after 10 and 20 s");
    assert_eq!(world.attack(vec!["/crash"; 120]), 2, "then 40 s, and then each minute");
    world.now += Span::from_secs(61);
    assert!(world.passes("/crash"), "the app was mended");
    assert!(world.passes("/crash") && world.passes("/crash"));
    assert_eq!(world.quarantine.held(), 0);
}

#[test]
fn a_probe_that_never_ends_is_not_the_last() {
    let mut world = World::new();
    world.attack(["/crash"; 3]);
    world.now += Span::from_secs(10);
    let uri = "/crash".parse().unwrap();
    let asked = RequestKind { route: "/", method: &Method::GET, uri: &uri, client: client(1) };
    let kinds = world.quarantine.kinds(asked).unwrap();
    assert!(world.quarantine.check(&kinds, u32::MAX, world.now).is_ok());
    assert!(world.quarantine.check(&kinds, u32::MAX, world.now).is_err(), "one at a time");
    world.now += Span::from_secs(10);
    assert!(world.quarantine.check(&kinds, u32::MAX, world.now).is_ok());
}

#[test]
fn routes_and_methods_are_kinds_of_their_own() {
    let mut world = World::new();
    world.attack(["/crash"; 3]);
    let uri = "/crash".parse().unwrap();
    let kinds = |route, method| {
        let asked = RequestKind { route, method, uri: &uri, client: client(1) };
        world.quarantine.kinds(asked).expect("something died")
    };
    assert!(world.quarantine.check(&kinds("/", &Method::GET), u32::MAX, world.now).is_err());
    assert!(world.quarantine.check(&kinds("/", &Method::POST), u32::MAX, world.now).is_ok());
    assert!(world.quarantine.check(&kinds("shop/", &Method::GET), u32::MAX, world.now).is_ok());
}

#[test]
fn what_is_remembered_is_bounded_and_forgotten() {
    let mut world = World::new();
    for n in 0..3 * KINDS_MAX {
        let name: String = n.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        world.now += Span::from_millis(1);
        world.ask(&format!("/{name}/x"), true);
        assert!(world.quarantine.lock().records.len() <= KINDS_MAX);
    }
    world.now += Span::from_secs(601);
    world.ask("/one", true);
    assert_eq!(world.quarantine.lock().records.len(), 4, "the root above it, and its client");
}

#[test]
fn of_what_has_lived_a_bounded_number_is_remembered_and_what_is_asked_for_stays() {
    let mut lived = Lived::default();
    let many = 3 * KINDS_MAX as u64;
    for kind in 0..many {
        lived.insert(kind);
        lived.insert(0);
    }
    assert!(lived.contains(0) && lived.contains(many - 1));
    let left = (0..many).filter(|kind| lived.contains(*kind)).count();
    assert!((KINDS_MAX..=2 * KINDS_MAX).contains(&left), "{left}");
}
