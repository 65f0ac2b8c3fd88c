use super::*;

const SECOND: Span = Span::from_secs(1);

struct World {
    quarantine: Quarantine,
    now: Mono,
}

impl World {
    fn new() -> Self {
        Self { quarantine: Quarantine::default(), now: Mono(0) + Span::from_secs(100) }
    }

    /// A request and what becomes of it; `false`: it was held back.
    fn ask(&mut self, target: &str, dies: bool) -> bool {
        let uri = target.parse().unwrap();
        let asked = Asked { route: "/", method: &Method::GET, uri: &uri };
        let kinds = self.quarantine.kinds(asked);
        if let Some(kinds) = &kinds
            && self.quarantine.check(kinds, self.now).is_err()
        {
            return false;
        }
        match (dies, kinds) {
            (true, _) => {
                self.quarantine.died(asked, self.now);
            }
            (false, Some(kinds)) => self.quarantine.survived(&kinds),
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
fn a_kind_of_which_a_part_dies_at_random_is_held_back() {
    let mut world = World::new();
    for n in 0..100 {
        world.now += Span::from_millis(250);
        world.ask("/random", n % 3 == 0);
    }
    assert_eq!(world.quarantine.held(), 1);
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
fn names_that_differ_each_time_hold_the_path_above_them_back() {
    let name = |n: usize| ["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"][n % 8];
    let variants: [&dyn Fn(usize) -> String; 3] =
        [&|n| format!("/crash/{}", name(n)), &|n| format!("/crash?who={}", name(n)), &|n| {
            format!("/api/crash/{}", name(n))
        }];
    for variant in variants {
        let mut world = World::new();
        assert_eq!(world.attack(each(8, variant)), 3, "{}", variant(0));
        assert!(world.passes("/api/fine") && world.passes("/fine"));
    }
}

#[test]
fn a_path_above_is_free_while_what_lives_below_it_outweighs() {
    let mut world = World::new();
    for n in 0..30 {
        let name = ["ant", "bee", "cat", "dog"][n % 4];
        world.ask(&format!("/page/{name}"), true);
        assert!(world.passes("/page/home") && world.passes("/page/news"));
        world.now += SECOND;
    }
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
    let asked = Asked { route: "/", method: &Method::GET, uri: &uri };
    let kinds = world.quarantine.kinds(asked).unwrap();
    assert!(world.quarantine.check(&kinds, world.now).is_ok());
    assert!(world.quarantine.check(&kinds, world.now).is_err(), "one at a time");
    world.now += Span::from_secs(10);
    assert!(world.quarantine.check(&kinds, world.now).is_ok());
}

#[test]
fn routes_and_methods_are_kinds_of_their_own() {
    let mut world = World::new();
    world.attack(["/crash"; 3]);
    let uri = "/crash".parse().unwrap();
    let kinds = |route, method| {
        world.quarantine.kinds(Asked { route, method, uri: &uri }).expect("something died")
    };
    assert!(world.quarantine.check(&kinds("/", &Method::GET), world.now).is_err());
    assert!(world.quarantine.check(&kinds("/", &Method::POST), world.now).is_ok());
    assert!(world.quarantine.check(&kinds("shop/", &Method::GET), world.now).is_ok());
}

#[test]
fn what_is_remembered_is_bounded_and_forgotten() {
    let mut world = World::new();
    for n in 0..3 * KINDS_MAX {
        let name: String = n.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        world.now += Span::from_millis(1);
        world.ask(&format!("/{name}/x"), true);
        assert!(world.quarantine.lock().len() <= KINDS_MAX);
    }
    world.now += Span::from_secs(601);
    world.ask("/one", true);
    assert_eq!(world.quarantine.lock().len(), 1);
}
