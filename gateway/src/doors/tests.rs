use std::future::Future as _;

use ostler_machine::clock;

use super::*;

fn from(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn left(place: &Place) -> bool {
    place.seat.is_told_to_leave()
}

#[test]
fn silent_connections_of_one_door_keep_nobody_out_of_it_or_of_another() {
    for files in [64, 256, 1024] {
        let parts = Parts::of(files, 16_384);
        let doors = Doors::new(parts, 1000);
        for door in [Door::Web, Door::Api, Door::Greeting] {
            let silent: Vec<_> = (0..files * 2).map(|_| doors.enter(door, from(1))).collect();
            assert!(silent.iter().all(Option::is_some));
            let kept = silent.iter().flatten().filter(|place| !left(place)).count();
            assert!(kept < files - parts.spool, "{kept} of {files} files at {door:?}");
            for other in [Door::Web, Door::Api, Door::Greeting] {
                let place = doors.enter(other, from(1)).unwrap();
                assert!(!left(&place));
            }
            let at_work = doors.enter(Door::Api, from(2)).unwrap();
            at_work.seat.enter();
            drop(silent);
        }
    }
}

#[test]
fn whoever_has_most_silent_connections_loses_the_oldest_and_those_at_work_stay() {
    let doors = Doors::new(Parts::of(96, 10), 1000);
    let busy: Vec<_> = (0..4).map(|_| doors.enter(Door::Web, from(1)).unwrap()).collect();
    busy.iter().for_each(|place| assert!(place.seat.enter()));
    let many: Vec<_> = (0..5).map(|_| doors.enter(Door::Web, from(2)).unwrap()).collect();
    let one = doors.enter(Door::Web, from(3)).unwrap();
    let late = doors.enter(Door::Web, from(4)).unwrap();
    let gone: Vec<_> = many.iter().map(left).collect();
    assert_eq!(gone, [true, false, false, false, false]);
    assert!(![&one, &late].into_iter().chain(&busy).any(left));
    assert_eq!(doors.turned_away(), (1, 0));
}

#[test]
fn only_when_all_are_at_work_somebody_is_sent_away() {
    let doors = Doors::new(Parts::of(1000, 3), 1000);
    let busy: Vec<_> = (0..3).map(|n| doors.enter(Door::Web, from(n)).unwrap()).collect();
    busy.iter().for_each(|place| assert!(place.seat.enter()));
    assert!(doors.enter(Door::Web, from(9)).is_none());
    busy[1].seat.leave(clock::now());
    assert!(doors.enter(Door::Web, from(9)).is_some());
    assert!(left(&busy[1]));
    drop(busy);
    assert_eq!(doors.len(Door::Web), 0);
}

#[test]
fn a_runner_makes_room_for_the_next_greeting() {
    let doors = Doors::new(Parts::of(256, 100), 1000);
    let mut runners = Vec::new();
    for _ in 0..40 {
        let mut place = doors.enter(Door::Greeting, from(1)).unwrap();
        assert!(runners.iter().all(|runner| !left(runner)));
        place.is_runner();
        runners.push(place);
    }
    assert_eq!((doors.len(Door::Greeting), doors.len(Door::Runner)), (0, 40));
}

#[test]
fn of_connections_at_work_whoever_has_most_gives_the_longest_silent_to_whoever_has_fewer() {
    let doors = Doors::new(Parts::of(1000, 10), 1000);
    let busy = |last: u8| {
        let place = doors.enter(Door::Web, from(last));
        place.inspect(|place| assert!(place.seat.enter()))
    };
    let mut most: Vec<_> = (0..10).map(|_| busy(1).unwrap()).collect();
    assert!(busy(1).is_none(), "it takes nothing from itself");
    std::thread::sleep(Duration::from_millis(2));
    most[0].seat.moved();
    let others: Vec<_> = [2, 3, 2, 3, 2].into_iter().map(|last| busy(last).unwrap()).collect();
    let cut: Vec<_> = most.iter().map(|place| place.seat.is_cut()).collect();
    assert_eq!(cut, [false, true, true, true, true, true, false, false, false, false]);
    assert!(most.iter().zip(&cut).all(|(place, cut)| left(place) == *cut));
    assert!(!others.iter().any(left));
    most.retain(|place| !left(place));
    // 5, 3 and 2 of 10.
    let fair = busy(2).expect("4 and 4 are fairer than 5 and 3");
    most.retain(|place| !left(place));
    assert!(busy(2).is_none(), "5 and 3 are not fairer than 4 and 4");
    assert_eq!(doors.turned_away(), (6, 2));
    drop(fair);
}

#[test]
fn a_listed_proxy_stands_for_many_and_is_cut_last() {
    let doors = Doors::new(Parts::of(1000, 10), 1000);
    let proxy = || {
        let place = doors.enter_as(Door::Web, from(1), true);
        place.inspect(|place| assert!(place.seat.enter()))
    };
    let of_proxy: Vec<_> = (0..8).map(|_| proxy().unwrap()).collect();
    let one = doors.enter(Door::Web, from(2)).unwrap();
    let other = doors.enter(Door::Web, from(2)).unwrap();
    one.seat.enter();
    other.seat.enter();
    let late = doors.enter(Door::Web, from(3)).expect("taken from the client with two");
    late.seat.enter();
    assert!(!of_proxy.iter().any(left));
    assert!(left(&one) && !left(&other));
    drop(one);
    assert!(proxy().is_none(), "each of the others has one");
}

#[test]
fn requests_under_way_leave_room_for_those_of_others_over_however_many_connections() {
    let doors = Doors::new(Parts::of(1000, 100), 8);
    let places: Vec<_> =
        [1, 1, 2, 3].into_iter().map(|n| doors.enter(Door::Web, from(n)).unwrap()).collect();
    let ask = |place: usize| places[place].seat.enter();
    // Half of all, over two connections.
    assert_eq!([ask(0), ask(1), ask(0), ask(1)], [true; 4]);
    assert!(!ask(0));
    places[0].seat.leave(clock::now());
    assert_eq!([ask(2), ask(2)], [true, true]);
    assert!(!ask(2), "it leaves as many as it has");
    places[2].seat.leave(clock::now());
    assert!(ask(3));
    places[1].seat.leave(clock::now());
    places[1].seat.leave(clock::now());
    assert!(ask(2), "what others gave back is there for it");
}

#[test]
fn one_that_was_told_to_leave_and_is_asked_again_stays_and_is_not_waited_for() {
    let doors = Doors::new(Parts::of(1000, 1), 1000);
    let first = doors.enter(Door::Web, from(1)).unwrap();
    let second = doors.enter(Door::Web, from(1)).unwrap();
    assert!(left(&first));
    first.seat.enter();
    let mut leaves = Box::pin(first.taken_away());
    let mut look = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(leaves.as_mut().poll(&mut look).is_pending());
    assert_eq!(doors.lock().leaving, [0; DOORS]);
    second.seat.enter();
    let third = doors.enter(Door::Web, from(2)).unwrap();
    assert_eq!((first.seat.is_cut(), second.seat.is_cut()), (true, false));
    assert!(leaves.as_mut().poll(&mut look).is_ready());
    drop(leaves);
    drop((first, second, third));
    assert_eq!(doors.lock().leaving, [0; DOORS]);
    assert!(doors.lock().by_size[0].is_empty() && doors.lock().peers[0].is_empty());
}

/// Something is asked on it just when it was told to leave.
fn stays(place: &Place) {
    place.seat.enter();
    let mut look = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(Box::pin(place.taken_away()).as_mut().poll(&mut look).is_pending());
    assert!(!left(place));
}

#[test]
fn whoever_stays_although_it_was_told_to_leave_is_made_up_for_by_others() {
    for door in [Door::Web, Door::Api] {
        let doors = Doors::new(Parts::of(100, 10), 1000);
        let enter = || doors.enter(door, from(1));
        let mut places = Vec::new();
        while !places.iter().any(left) {
            places.push(enter().unwrap());
        }
        places.retain(|place| !left(place));
        let most = places.len();
        for _ in 0..20 {
            places.push(enter().unwrap());
            assert_eq!(places.iter().filter(|place| left(place)).count(), 1);
            let told = places.iter().find(|place| left(place)).unwrap();
            stays(told);
            assert_eq!(doors.len(door), most + 1);
            told.seat.leave(clock::now());
            places.push(enter().unwrap());
            assert_eq!(places.iter().filter(|place| left(place)).count(), 2);
            places.retain(|place| !left(place));
            assert_eq!(doors.len(door), most);
        }
        // Where all are at work, whoever comes next is not taken in addition.
        places.push(enter().unwrap());
        stays(places.iter().find(|place| left(place)).unwrap());
        places.iter().filter(|place| place.seat.is_idle()).for_each(|place| {
            place.seat.enter();
        });
        assert!(enter().is_none());
    }
}
