use super::*;

fn name(text: &str) -> QueueName {
    QueueName::new(text).unwrap()
}

fn slots(text: &str) -> Option<Slots> {
    (!text.is_empty()).then(|| Slots::read(text).unwrap())
}

/// A queue: its name, its parent, what is guaranteed to it and what it may have; `*` behind the name: it goes by htb.
fn queue((text, parent, guarantee, ceiling): (&str, &str, &str, &str)) -> (QueueName, QueueShape) {
    let discipline = match text.ends_with('*') {
        true => QueueDiscipline::Htb,
        false => QueueDiscipline::default(),
    };
    let parent = (!parent.is_empty()).then(|| name(parent));
    let (guarantee, ceiling) = (slots(guarantee), slots(ceiling));
    let shape = QueueShape { discipline, parent, guarantee, ceiling, ..QueueShape::default() };
    (name(text.trim_end_matches('*')), shape)
}

type Table = BTreeMap<QueueName, QueueShape>;

fn table(queues: &[(&str, &str, &str, &str)]) -> Table {
    queues.iter().copied().map(queue).collect()
}

fn tree(table: &Table) -> QueueTree {
    table.iter().collect()
}

fn new_fault(before: &Table, after: &Table, changed: &str) -> Option<TreeFault> {
    tree(before).new_fault(&name(changed), &after[&name(changed)])
}

fn told(table: &Table) -> Vec<(String, String)> {
    let tree = tree(table);
    let of = |name: &QueueName| {
        let name = name.to_string();
        let faults = tree.faults(&QueueName::new(&name).unwrap());
        faults
            .into_iter()
            .map(move |it| (format!("{name}.{}", it.field()), it.to_string()))
            .collect::<Vec<_>>()
    };
    table.keys().flat_map(of).collect()
}

#[test]
fn a_tree_whose_guarantees_add_up_has_no_fault() {
    let table = table(&[
        ("all*", "", "", ""),
        ("batch*", "all", "3", "6"),
        ("reports", "batch", "1.5", "4"),
        ("exports", "batch", "1.5", ""),
        ("default", "all", "1", ""),
        ("mail", "", "", ""),
    ]);
    assert_eq!(told(&table), []);
}

#[test]
fn each_fault_is_told_with_the_field_and_the_cure() {
    for (queues, field, text) in [
        (
            &[("a", "b", "", "")][..],
            "a.parent",
            "there is no queue \"b\" for it to be below; make that one first, or name another",
        ),
        (
            &[("a", "a", "", "")],
            "a.parent",
            "it would be below itself (a below a); name another parent, or none",
        ),
        (
            &[("a", "", "1", "")],
            "a.guarantee",
            "a guarantee counts below a queue whose discipline is htb, and this one has no parent; name one, or leave it out",
        ),
        (
            &[("a*", "", "", ""), ("b", "a", "5", "4")],
            "b.guarantee",
            "a guarantee of 5 is more than its ceiling of 4; lower the one or raise the other",
        ),
        (
            &[
                ("z*", "", "", ""),
                ("a*", "z", "2", "6"),
                ("b", "a", "1.5", ""),
                ("c", "a", "1", ""),
            ],
            "a.guarantee",
            "the queues below a are guaranteed 2.5 slots together, more than its guarantee of 2; lower theirs, or raise that",
        ),
    ] {
        assert_eq!(told(&table(queues)), [(field.to_owned(), text.to_owned())]);
    }
    let both = told(&table(&[("a", "", "", ""), ("b", "a", "", "4")]));
    assert_eq!(both[0].0, "a.discipline");
    assert_eq!(
        both[0].1,
        "b below it have a guarantee or a ceiling, which count below htb alone; leave it so, or take those away first"
    );
    assert_eq!(both[1].0, "b.ceiling");
    assert!(both[1].1.contains("that of a is promise; change it there"), "{both:?}");
}

#[test]
fn a_circle_is_found_from_each_of_its_queues_and_from_what_is_below_them() {
    let table =
        table(&[("a", "c", "", ""), ("b", "a", "", ""), ("c", "b", "", ""), ("d", "a", "", "")]);
    let told = told(&table);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].1.contains("(a below c below b below a)"), "{told:?}");
}

#[test]
fn a_queue_may_be_so_many_levels_below_the_top_and_no_more() {
    let names: Vec<String> = (0..=QUEUE_LEVELS_MAX).map(|at| format!("q{at}")).collect();
    let chain = |levels: usize| -> Table {
        let of = |at: usize| queue((&names[at], if at == 0 { "" } else { &names[at - 1] }, "", ""));
        (0..levels).map(of).collect()
    };
    assert_eq!(told(&chain(QUEUE_LEVELS_MAX)), []);
    let deep = told(&chain(QUEUE_LEVELS_MAX + 1));
    assert!(
        deep.iter().all(|(_, text)| text.contains("that makes 9 levels of queues; 8 are the most"))
    );
    assert_eq!(deep.len(), QUEUE_LEVELS_MAX + 1, "from whichever of them it is made");
}

#[test]
fn what_is_guaranteed_below_a_queue_without_a_guarantee_counts_further_up() {
    let table = table(&[
        ("z*", "", "", ""),
        ("a*", "z", "", "4"),
        ("b*", "a", "", ""),
        ("c", "b", "3", ""),
        ("d", "b", "2", ""),
    ]);
    let told = told(&table);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].1.contains("below a are guaranteed 5 slots together, more than its ceiling of 4"),
        "{told:?}"
    );
}

#[test]
fn what_was_wrong_before_does_not_keep_a_queue_from_being_mended() {
    let base = [("z*", "", "", ""), ("a*", "z", "2", ""), ("b", "a", "3", ""), ("c", "a", "3", "")];
    let before = table(&base);
    for (guarantee, is_good) in [("3", true), ("1", true), ("3.5", false), ("", true)] {
        let mut after = before.clone();
        after.extend([queue(("b", "a", guarantee, ""))]);
        let fault = new_fault(&before, &after, "b");
        assert_eq!(fault.is_none(), is_good, "{guarantee}: {fault:?}");
    }
    // What is above has less, and is asked first.
    let mut after = before.clone();
    after.extend([queue(("a*", "z", "1", ""))]);
    assert!(new_fault(&before, &after, "a").is_some());
}

#[test]
fn a_concurrency_below_what_is_guaranteed_is_a_fault_of_whoever_makes_it_so() {
    let with = |concurrency| {
        let mut all = table(&[
            ("a*", "", "", ""),
            ("b*", "a", "", ""),
            ("c", "b", "1.5", ""),
            ("d", "b", "1", ""),
        ]);
        all.get_mut(&name("a")).unwrap().concurrency = concurrency;
        all
    };
    assert_eq!(told(&with(Some(3))), []);
    let text = "the queues below a are guaranteed 2.5 slots together, more than its concurrency of 2; lower theirs, or raise that";
    assert_eq!(told(&with(Some(2))), [("a.concurrency".to_owned(), text.to_owned())]);
    let (free, tight) = (with(None), with(Some(2)));
    let fault = new_fault(&free, &tight, "a").unwrap();
    assert_eq!((fault.field(), fault.to_string()), ("concurrency", text.to_owned()));
    // Below a queue that was turned down before, nothing gets worse.
    let mut more = with(Some(2));
    more.extend([queue(("d", "b", "2", ""))]);
    let fault = new_fault(&tight, &more, "d").unwrap();
    assert_eq!(fault.field(), "guarantee");
    let mut less = with(Some(2));
    less.extend([queue(("d", "b", "0.75", ""))]);
    assert_eq!(new_fault(&tight, &less, "d"), None);
}

#[test]
fn a_guarantee_above_its_own_concurrency_is_a_fault() {
    let mut all = table(&[("a*", "", "", ""), ("b", "a", "2.5", "")]);
    all.get_mut(&name("b")).unwrap().concurrency = Some(2);
    let text = "a guarantee of 2.5 is more than the 2 that it may run at once, its concurrency; lower the one or raise the other";
    assert_eq!(told(&all), [("b.guarantee".to_owned(), text.to_owned())]);
}

/// What is guaranteed below a queue, and how many levels of queues it makes, counted from the shapes alone.
fn counted(table: &Table, queue: &QueueName) -> Part {
    let below = table.iter().filter(|(_, it)| it.parent.as_ref() == Some(queue));
    let (mut guaranteed, mut levels) = (0, 0);
    for (name, shape) in below {
        let part = counted(table, name);
        let own = shape.guarantee.map(|it| u64::from(it.thousandths()));
        guaranteed += own.unwrap_or(part.guaranteed);
        levels = levels.max(part.levels);
    }
    Part { guaranteed, levels: levels + 1 }
}

#[test]
fn what_is_kept_of_a_tree_is_what_it_is_whatever_was_changed_before() {
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % below
    };
    let (mut table, mut kept, mut circles) = (Table::new(), QueueTree::default(), 0);
    for _ in 0..3_000 {
        let name = name(&format!("q{}", next(12)));
        let parent =
            QueueName::new(&format!("q{}", next(16))).filter(|it| *it < name || next(8) == 0);
        let guarantee = Slots::new((next(3) * next(4)) as f64);
        let discipline =
            [QueueDiscipline::Htb, QueueDiscipline::Promise][usize::from(next(3) == 0)];
        let shape = QueueShape { parent, guarantee, discipline, ..QueueShape::default() };
        if next(8) == 0 {
            table.remove(&name);
            kept.remove(&name);
        } else {
            kept.put(&name, &shape);
            table.insert(name, shape);
        }
        let anew = tree(&table);
        for (name, shape) in &table {
            let faults = kept.faults(name);
            assert_eq!(faults, anew.faults(name), "{name} of {table:?}");
            if matches!(faults[..], [TreeFault::Circle(_)]) {
                circles += 1;
                continue;
            }
            let part = counted(&table, name);
            assert_eq!(kept.nodes[name].guaranteed, part.guaranteed, "{name} of {table:?}");
            assert_eq!(kept.nodes[name].part().levels, part.levels, "{name} of {table:?}");
            let mut tried = tree(&table);
            tried.new_fault(name, &QueueShape { parent: None, ..shape.clone() });
            assert_eq!(tried.faults(name), faults, "a question changes nothing");
        }
    }
    assert!(circles > 100, "and some close circles: {circles}");
    let all: Vec<QueueName> = table.into_keys().collect();
    all.iter().for_each(|name| kept.remove(name));
    assert!(kept.nodes.is_empty() && kept.circles.is_empty(), "nothing is left: {kept:?}");
}

/// At how many queues a question looks, with so many below one.
fn looks_beside(queues: usize) -> usize {
    let below = |n: usize| queue((&format!("q{n}"), "all", "0.01", ""));
    let mut table: Table = (0..queues).map(below).collect();
    table.extend([queue(("all*", "", "", "1000"))]);
    let mut tree = tree(&table);
    let (name, shape) = queue(("q7", "all", "0.02", ""));
    LOOKS.set(0);
    assert_eq!(tree.new_fault(&name, &shape), None);
    LOOKS.get()
}

#[test]
fn what_is_wrong_with_a_place_is_found_without_a_look_at_all_queues() {
    let (few, many) = (looks_beside(10), looks_beside(10_000));
    assert!(few > 0 && few == many, "{few} beside 10 queues, {many} beside 10,000");
}
