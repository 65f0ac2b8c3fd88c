use std::future::Future as _;

use ostler_machine::clock;

use super::*;

fn from(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn left(permit: &ConnectionPermit) -> bool {
    permit.activity.is_evicted()
}

#[test]
fn silent_connections_of_one_class_keep_nobody_out_of_it_or_of_another() {
    for files in [64, 256, 1024] {
        let parts = DescriptorShares::of(files, 16_384);
        let connections = ConnectionBudget::new(parts, 1000);
        for class in [ConnectionClass::Web, ConnectionClass::Api, ConnectionClass::Greeting] {
            let silent: Vec<_> =
                (0..files * 2).map(|_| connections.enter(class, from(1))).collect();
            assert!(silent.iter().all(Option::is_some));
            let kept = silent.iter().flatten().filter(|permit| !left(permit)).count();
            assert!(kept < files - parts.spool, "{kept} of {files} files at {class:?}");
            for other in [ConnectionClass::Web, ConnectionClass::Api, ConnectionClass::Greeting] {
                let permit = connections.enter(other, from(1)).unwrap();
                assert!(!left(&permit));
            }
            let at_work = connections.enter(ConnectionClass::Api, from(2)).unwrap();
            at_work.activity.enter();
            drop(silent);
        }
    }
}

#[test]
fn whoever_has_most_silent_connections_loses_the_oldest_and_those_at_work_stay() {
    let connections = ConnectionBudget::new(DescriptorShares::of(96, 10), 1000);
    let busy: Vec<_> =
        (0..4).map(|_| connections.enter(ConnectionClass::Web, from(1)).unwrap()).collect();
    busy.iter().for_each(|permit| assert!(permit.activity.enter()));
    let many: Vec<_> =
        (0..5).map(|_| connections.enter(ConnectionClass::Web, from(2)).unwrap()).collect();
    let one = connections.enter(ConnectionClass::Web, from(3)).unwrap();
    let late = connections.enter(ConnectionClass::Web, from(4)).unwrap();
    let gone: Vec<_> = many.iter().map(left).collect();
    assert_eq!(gone, [true, false, false, false, false]);
    assert!(![&one, &late].into_iter().chain(&busy).any(left));
    assert_eq!(connections.turned_away(), (1, 0));
}

#[test]
fn only_when_all_are_at_work_somebody_is_sent_away() {
    let connections = ConnectionBudget::new(DescriptorShares::of(1000, 3), 1000);
    let busy: Vec<_> =
        (0..3).map(|n| connections.enter(ConnectionClass::Web, from(n)).unwrap()).collect();
    busy.iter().for_each(|permit| assert!(permit.activity.enter()));
    assert!(connections.enter(ConnectionClass::Web, from(9)).is_none());
    busy[1].activity.leave(clock::now());
    assert!(connections.enter(ConnectionClass::Web, from(9)).is_some());
    assert!(left(&busy[1]));
    drop(busy);
    assert_eq!(connections.len(ConnectionClass::Web), 0);
}

#[test]
fn a_runner_makes_room_for_the_next_greeting() {
    let connections = ConnectionBudget::new(DescriptorShares::of(256, 100), 1000);
    let mut runners = Vec::new();
    for _ in 0..40 {
        let mut permit = connections.enter(ConnectionClass::Greeting, from(1)).unwrap();
        assert!(runners.iter().all(|runner| !left(runner)));
        permit.is_runner();
        runners.push(permit);
    }
    assert_eq!(
        (connections.len(ConnectionClass::Greeting), connections.len(ConnectionClass::Runner)),
        (0, 40)
    );
}

#[test]
fn of_connections_at_work_whoever_has_most_gives_the_longest_silent_to_whoever_has_fewer() {
    let connections = ConnectionBudget::new(DescriptorShares::of(1000, 10), 1000);
    let busy = |last: u8| {
        let permit = connections.enter(ConnectionClass::Web, from(last));
        permit.inspect(|permit| assert!(permit.activity.enter()))
    };
    let mut most: Vec<_> = (0..10).map(|_| busy(1).unwrap()).collect();
    assert!(busy(1).is_none(), "it takes nothing from itself");
    std::thread::sleep(Duration::from_millis(2));
    most[0].activity.moved();
    let others: Vec<_> = [2, 3, 2, 3, 2].into_iter().map(|last| busy(last).unwrap()).collect();
    let cut: Vec<_> = most.iter().map(|permit| permit.activity.is_cut()).collect();
    assert_eq!(cut, [false, true, true, true, true, true, false, false, false, false]);
    assert!(most.iter().zip(&cut).all(|(permit, cut)| left(permit) == *cut));
    assert!(!others.iter().any(left));
    most.retain(|permit| !left(permit));
    // 5, 3 and 2 of 10.
    let fair = busy(2).expect("4 and 4 are fairer than 5 and 3");
    most.retain(|permit| !left(permit));
    assert!(busy(2).is_none(), "5 and 3 are not fairer than 4 and 4");
    assert_eq!(connections.turned_away(), (6, 2));
    drop(fair);
}

#[test]
fn a_listed_proxy_stands_for_many_and_is_cut_last() {
    let connections = ConnectionBudget::new(DescriptorShares::of(1000, 10), 1000);
    let proxy = || {
        let permit = connections.enter_as(ConnectionClass::Web, from(1), true);
        permit.inspect(|permit| assert!(permit.activity.enter()))
    };
    let of_proxy: Vec<_> = (0..8).map(|_| proxy().unwrap()).collect();
    let one = connections.enter(ConnectionClass::Web, from(2)).unwrap();
    let other = connections.enter(ConnectionClass::Web, from(2)).unwrap();
    one.activity.enter();
    other.activity.enter();
    let late =
        connections.enter(ConnectionClass::Web, from(3)).expect("taken from the client with two");
    late.activity.enter();
    assert!(!of_proxy.iter().any(left));
    assert!(left(&one) && !left(&other));
    drop(one);
    assert!(proxy().is_none(), "each of the others has one");
}

#[test]
fn requests_under_way_leave_room_for_those_of_others_over_however_many_connections() {
    let connections = ConnectionBudget::new(DescriptorShares::of(1000, 100), 8);
    let permits: Vec<_> = [1, 1, 2, 3]
        .into_iter()
        .map(|n| connections.enter(ConnectionClass::Web, from(n)).unwrap())
        .collect();
    let ask = |index: usize| permits[index].activity.enter();
    // Half of all, over two connections.
    assert_eq!([ask(0), ask(1), ask(0), ask(1)], [true; 4]);
    assert!(!ask(0));
    permits[0].activity.leave(clock::now());
    assert_eq!([ask(2), ask(2)], [true, true]);
    assert!(!ask(2), "it leaves as many as it has");
    permits[2].activity.leave(clock::now());
    assert!(ask(3));
    permits[1].activity.leave(clock::now());
    permits[1].activity.leave(clock::now());
    assert!(ask(2), "what others gave back is there for it");
}

#[test]
fn one_that_was_told_to_leave_and_is_asked_again_stays_and_is_not_waited_for() {
    let connections = ConnectionBudget::new(DescriptorShares::of(1000, 1), 1000);
    let first = connections.enter(ConnectionClass::Web, from(1)).unwrap();
    let second = connections.enter(ConnectionClass::Web, from(1)).unwrap();
    assert!(left(&first));
    first.activity.enter();
    let mut leaves = Box::pin(first.evicted());
    let mut look = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(leaves.as_mut().poll(&mut look).is_pending());
    assert_eq!(connections.lock().leaving, [0; CLASSES]);
    second.activity.enter();
    let third = connections.enter(ConnectionClass::Web, from(2)).unwrap();
    assert_eq!((first.activity.is_cut(), second.activity.is_cut()), (true, false));
    assert!(leaves.as_mut().poll(&mut look).is_ready());
    drop(leaves);
    drop((first, second, third));
    assert_eq!(connections.lock().leaving, [0; CLASSES]);
    assert!(connections.lock().by_size[0].is_empty() && connections.lock().peers[0].is_empty());
}

/// Something is asked on it just when it was told to leave.
fn stays(permit: &ConnectionPermit) {
    permit.activity.enter();
    let mut look = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(Box::pin(permit.evicted()).as_mut().poll(&mut look).is_pending());
    assert!(!left(permit));
}

#[test]
fn whoever_stays_although_it_was_told_to_leave_is_made_up_for_by_others() {
    for class in [ConnectionClass::Web, ConnectionClass::Api] {
        let connections = ConnectionBudget::new(DescriptorShares::of(100, 10), 1000);
        let enter = || connections.enter(class, from(1));
        let mut permits = Vec::new();
        while !permits.iter().any(left) {
            permits.push(enter().unwrap());
        }
        permits.retain(|permit| !left(permit));
        let most = permits.len();
        for _ in 0..20 {
            permits.push(enter().unwrap());
            assert_eq!(permits.iter().filter(|permit| left(permit)).count(), 1);
            let told = permits.iter().find(|permit| left(permit)).unwrap();
            stays(told);
            assert_eq!(connections.len(class), most + 1);
            told.activity.leave(clock::now());
            permits.push(enter().unwrap());
            assert_eq!(permits.iter().filter(|permit| left(permit)).count(), 2);
            permits.retain(|permit| !left(permit));
            assert_eq!(connections.len(class), most);
        }
        // Where all are at work, whoever comes next is not taken in addition.
        permits.push(enter().unwrap());
        stays(permits.iter().find(|permit| left(permit)).unwrap());
        permits.iter().filter(|permit| permit.activity.is_idle()).for_each(|permit| {
            permit.activity.enter();
        });
        assert!(enter().is_none());
    }
}
