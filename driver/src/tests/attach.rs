//! Queues that are attached to runners.

use std::collections::BTreeSet;

use ostler_job::Selector;
use ostler_job::durable::QueueShape;

use super::{
    queues::{name, put},
    *,
};

/// A shape of a queue that is attached by these.
fn attached(selectors: &[&str]) -> QueueShape {
    QueueShape { attach: selectors.iter().map(|it| read(it)).collect(), ..QueueShape::default() }
}

fn read(selector: &str) -> Selector {
    Selector::read(selector).expect("it is one")
}

impl Bench {
    /// A runner of these labels is heard.
    fn join(&mut self, runner: &str, labels: &[&str], slots: u32) {
        self.labels = Arc::new(Labels::read(labels.iter().copied()).expect("they are labels"));
        self.beat(runner, slots, &[]);
    }

    /// Who is meant by each selector of a queue.
    fn met(&self, queue: &str) -> Vec<Vec<String>> {
        let attachment = self.driver.attachment(&name(queue)).expect("it is there");
        let met = attachment.selectors.iter();
        met.map(|it| it.runners.iter().map(ToString::to_string).collect()).collect()
    }
}

#[test]
fn a_selector_means_the_connected_runners_that_have_all_its_labels_or_its_name() {
    let mut bench = Bench::new();
    let selectors = ["gpu=a100", "gpu=a100,zone=b", "runner:r3"];
    bench.order("mail", put(attached(&selectors))).expect("it is made");
    assert!(bench.met("mail").iter().all(Vec::is_empty), "nobody is there");
    bench.join("r1", &["gpu=a100", "zone=a"], 1);
    bench.join("r2", &["gpu=a100", "zone=b"], 1);
    bench.join("r3", &[], 1);
    assert_eq!(bench.met("mail"), [vec!["r1", "r2"], vec!["r2"], vec!["r3"]]);
    bench.driver.handle_link_down(&"r2".into(), bench.now);
    bench.settle();
    assert_eq!(bench.met("mail"), [vec!["r1"], Vec::new(), vec!["r3"]]);
    assert_eq!(bench.driver.attachment(&name("none")), None);
    assert_eq!(bench.driver.attachment(&name("default")).map(|it| it.selectors), Some(Vec::new()));
    let kept: BTreeSet<Selector> = selectors.iter().map(|it| read(it)).collect();
    bench.restart();
    let queue = bench.driver.queues().find(|it| it.name == name("mail")).expect("it is kept");
    assert_eq!(queue.shape.attach, kept);
}
