//! Names that are given again, and moments that have a job from before.

use super::*;

/// The same for a tenant's token.
fn put_as(bench: &mut Bench, tenant: &str, shape: ScheduleShape) -> ScheduleView {
    let mut shape = shape;
    shape.spec.tenant = tenant.into();
    let verb = put(shape);
    order_as(bench, tenant, verb)
}

fn order_as(bench: &mut Bench, tenant: &str, verb: ScheduleVerb) -> ScheduleView {
    let (ticket, who, tenant) = (Ticket(3), tenant.to_owned(), Some(tenant.to_owned()));
    let order = ScheduleOrder { ticket, who, tenant, schedule: name("s"), verb };
    bench.driver.handle_schedule(order, bench.now);
    bench.settle();
    let Answer::Schedule(view) = bench.answers().remove(0) else { panic!("it is done") };
    *view
}

#[test]
fn a_name_given_again_to_another_tenant_has_nothing_of_the_one_before() {
    for (restarts, back) in [(false, 0), (true, 0), (false, 10), (true, 10)] {
        let mut bench = bench();
        put_as(&mut bench, "a", shape("* * * * *"));
        bench.pass(MINUTE);
        order_as(&mut bench, "a", ScheduleVerb::Delete);
        // A clock that says less than when those jobs were taken makes them nobody else's.
        bench.now.wall.0 -= back * 60_000;
        let replace = ScheduleShape {
            overlap: OverlapPolicy::Replace,
            max_run: Some(MINUTE),
            expect_within: Some(HOUR),
            ..shape("* * * * *")
        };
        let view = put_as(&mut bench, "b", replace.clone());
        assert_eq!((view.unfinished, view.schedule.stand.made), (vec![], bench.now.wall));
        if restarts {
            bench.restart();
        }
        bench.pass(Span(MINUTE.0 * 3));
        let before = bench.store.job(JobId(1)).unwrap().unwrap();
        assert!(!before.status.state.is_finished() && !before.status.kill, "{:?}", before.status);
        // It is none of the new one's that succeeds or runs too long.
        let view = bench.view();
        assert!(!view.unfinished.contains(&JobId(1)) && !view.too_long.contains(&JobId(1)));
        bench.beat("a", 8, &[]);
        let run = bench.runs().into_iter().find(|it| it.1.job == JobId(1)).expect("it is granted");
        bench.finish("a", run.1, Reason::Ok);
        assert_eq!(bench.store.job(JobId(1)).unwrap().unwrap().status.state, JobState::Succeeded);
        assert_eq!(bench.view().schedule.stand.succeeded_at, None);
    }
}

#[test]
fn a_name_given_again_in_the_configuration_has_nothing_of_another_tenants() {
    let mut bench = bench();
    put_as(&mut bench, "a", shape("* * * * *"));
    bench.pass(MINUTE);
    order_as(&mut bench, "a", ScheduleVerb::Delete);
    let mut others = ScheduleShape { overlap: OverlapPolicy::Replace, ..shape("* * * * *") };
    others.spec.tenant = "b".into();
    bench.config.schedules = vec![(name("s"), others)];
    bench.now.wall.0 -= 10 * 60_000;
    bench.restart();
    assert_eq!((bench.view().unfinished, bench.kept().stand.first_job), (vec![], Some(JobId(2))));
    bench.pass(MINUTE);
    assert_eq!(bench.view().unfinished, [JobId(2)], "what it fires itself is its own");
    assert!(!bench.store.job(JobId(1)).unwrap().unwrap().status.kill);
}

#[test]
fn one_that_becomes_another_tenants_is_the_same_one_still() {
    let mut bench = bench();
    let it = ScheduleShape { overlap: OverlapPolicy::Skip, ..shape("* * * * *") };
    put_as(&mut bench, "a", it.clone());
    bench.pass(MINUTE);
    let mut others = it;
    others.spec.tenant = "b".into();
    assert_eq!(bench.shape(others).unfinished, [JobId(1)], "whoever may change that sees to it");
    bench.restart();
    assert_eq!(bench.view().unfinished, [JobId(1)]);
    bench.pass(MINUTE);
    assert_eq!(bench.fates(), [(Fate::Fired, 1), (Fate::Overlapped, 1)]);
}

#[test]
fn a_tenants_tokens_make_so_many_schedules_and_no_more() {
    let mut bench = bench();
    bench.config.tenant_schedules_max = 2;
    bench.restart();
    let put = |bench: &mut Bench, bound: bool, tenant: &str, it: &str| {
        let mut shape = shape("0 9 * * *");
        shape.spec.tenant = tenant.into();
        let verb = put(shape);
        let (ticket, who, tenant) = (Ticket(3), "t".into(), bound.then(|| tenant.to_owned()));
        let order = ScheduleOrder { ticket, who, tenant, schedule: name(it), verb };
        bench.driver.handle_schedule(order, bench.now);
        bench.settle();
        matches!(bench.answers()[..], [Answer::Schedule(_)])
    };
    assert!(put(&mut bench, true, "a", "a1") && put(&mut bench, true, "a", "a2"));
    assert!(!put(&mut bench, true, "a", "a3"));
    assert!(put(&mut bench, true, "a", "a2"), "what there is may be changed");
    assert!(put(&mut bench, true, "b", "b1"), "it is another tenant's matter");
    assert!(put(&mut bench, false, "a", "a3"), "whoever is bound to none is not held to it");
    bench.restart();
    assert!(!put(&mut bench, true, "a", "a4"));
    assert!(put(&mut bench, false, "b", "a1") && put(&mut bench, false, "b", "a2"));
    assert!(put(&mut bench, true, "a", "a4"), "two are another tenant's now");
    assert!(!put(&mut bench, true, "b", "b2"));
    let order = |it| ScheduleOrder {
        ticket: Ticket(3),
        who: "t".into(),
        tenant: None,
        schedule: name(it),
        verb: ScheduleVerb::Delete,
    };
    for gone in ["a1", "a2"] {
        bench.driver.handle_schedule(order(gone), bench.now);
        bench.settle();
    }
    assert!(put(&mut bench, true, "b", "b2"));
}

#[test]
fn times_that_begin_after_the_clock_was_set_back_fire_nothing_twice() {
    for again in [false, true] {
        let mut bench = bench();
        bench.shape(shape("*/10 * * * *"));
        bench.pass(HOUR);
        assert_eq!(bench.fates(), [(Fate::Fired, 1); 6]);
        bench.now.wall = Wall(bench.now.wall.0 - 1_800_000);
        bench.pass(Span::from_secs(1));
        if again {
            bench.schedule(ScheduleVerb::Delete).unwrap();
        }
        bench.shape(shape("*/5 * * * *"));
        bench.pass(HOUR);
        // Three in the half hour that is there twice, six after it.
        assert_eq!(bench.fates(), [(Fate::Fired, 1); 15], "{again}");
    }
}

#[test]
fn orders_to_run_have_moments_of_their_own_though_the_schedule_is_made_again() {
    for is_told in [false, true] {
        let mut bench = bench();
        bench.shape(shape("0 9 * * *"));
        for _ in 0..5 {
            bench.schedule(ScheduleVerb::Run).unwrap();
        }
        bench.schedule(ScheduleVerb::Delete).unwrap();
        if is_told {
            bench.shape(shape("0 9 * * *"));
        } else {
            // Whoever put it looked before the last of them.
            let verb = put(shape("0 9 * * *"));
            bench.schedule(verb).unwrap();
        }
        for _ in 0..5 {
            bench.schedule(ScheduleVerb::Run).unwrap();
        }
        assert_eq!(bench.fates(), [(Fate::Fired, 1); 10]);
    }
}
