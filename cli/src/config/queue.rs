//! `[queue.NAME]`: queues of durable jobs whose shape is the file's.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ostler_gateway::{
    QueueName, QueueShape, QueueTree, Rate, Retry, SLOTS_RULE, Selector, Slots, TreeFault,
};
use toml::{Value, de::DeValue};

use super::{
    keys::{Key, Place},
    section::Section,
    setting::{Setting, Shown, shown, whole},
};
use crate::values;

impl Shown for Rate {
    fn show(&self) -> Value {
        Value::from(self.to_string())
    }
}

/// All queues of the file.
pub(super) fn queues(top: &Section<'_>) -> Vec<(QueueName, QueueShape)> {
    let sections = top.named("queue", Place::Queue);
    if sections.len() > QueueShape::QUEUES_MAX {
        let most = QueueShape::QUEUES_MAX;
        top.problem(
            "queue",
            format!("{} queues are too many; {most} are the most", sections.len()),
        );
    }
    let mut queues = Vec::new();
    let mut by_name = BTreeMap::new();
    for (name, section) in sections {
        let shape = shape(&section);
        if let Err(wrong) = values::name(&name) {
            section.own_problem(&wrong);
        }
        if let Some(name) = QueueName::new(&name) {
            queues.push((name.clone(), shape));
            by_name.insert(name, section);
        }
    }
    check_tree(&queues, &by_name);
    queues.sort_by(|(one, _), (other, _)| one.cmp(other));
    queues
}

fn shape(section: &Section<'_>) -> QueueShape {
    let retry = section.optional::<u32>("retry");
    QueueShape {
        weight: section.value("weight"),
        discipline: section.value("discipline"),
        parent: section.parsed("parent", parent),
        guarantee: section.optional("guarantee"),
        ceiling: section.optional("ceiling"),
        concurrency: section.optional("concurrency"),
        rate: section.parsed("rate", Rate::read),
        attach: attach(section),
        exclusive: section.value("exclusive"),
        tenant_weights: tenants(section, "tenant_weights", QueueShape::WEIGHT_MAX),
        tenant_concurrency: section.optional("tenant_concurrency"),
        tenant_caps: tenants(section, "tenant_caps", QueueShape::COUNT_MAX),
        waiting_max: section.optional("waiting_max"),
        retry: retry.map(|attempts| Retry { attempts, ..Retry::usual() }),
        timeout: section.optional::<Duration>("timeout").map(ostler_gateway::span),
        user: section.parsed("user", super::app::user),
        keep_succeeded: section.optional::<Duration>("keep_succeeded").map(ostler_gateway::span),
        keep_failed: section.optional::<Duration>("keep_failed").map(ostler_gateway::span),
    }
}

fn parent(name: &str) -> Result<QueueName, String> {
    QueueName::new(name).ok_or_else(|| values::name(name).err().unwrap_or_default())
}

/// Tells what is wrong with the tree that the queues of the file make. What the API made is not known here.
fn check_tree(queues: &[(QueueName, QueueShape)], sections: &BTreeMap<QueueName, Section<'_>>) {
    let tree: QueueTree = queues.iter().map(|(name, shape)| (name, shape)).collect();
    for (name, section) in sections {
        for fault in tree.faults(name) {
            let text = if let TreeFault::UnknownParent(parent) = &fault {
                format!(
                    "there is no [queue.{parent}] in this file; write one, an empty one is enough"
                )
            } else {
                fault.to_string()
            };
            section.problem(fault.field(), text);
        }
    }
}

impl Shown for QueueName {
    fn show(&self) -> Value {
        Value::from(self.to_string())
    }
}

impl Shown for Slots {
    fn show(&self) -> Value {
        Value::from(self.as_f64())
    }
}

impl Setting for Slots {
    fn read(_: &Key, value: &DeValue<'_>) -> Result<Self, String> {
        let number = if let DeValue::Float(number) = value {
            number.as_str().replace('_', "").parse().ok()
        } else {
            whole(value).map(|number| number as f64)
        };
        let wrong = || format!("{} is not allowed; {SLOTS_RULE}", shown(value));
        number.and_then(Self::new).ok_or_else(wrong)
    }

    fn preset(_: &str) -> Self {
        Self::new(1.0).expect("one slot may be")
    }
}

fn attach(section: &Section<'_>) -> BTreeSet<Selector> {
    const MOST: usize = QueueShape::ATTACH_MAX;
    let texts: Vec<String> = section.value("attach");
    if texts.len() > MOST {
        let text = format!("{} selectors are too many; {MOST} are the most", texts.len());
        section.problem("attach", text);
    }
    let bad = |why: String| section.problem("attach", why);
    texts.iter().take(MOST).filter_map(|text| Selector::read(text).map_err(bad).ok()).collect()
}

/// Numbers by tenant.
fn tenants(section: &Section<'_>, name: &str, most: u32) -> BTreeMap<String, u32> {
    let tenants = section.map(name, |tenant, value| number(tenant, value, most));
    if tenants.len() > QueueShape::TENANTS_MAX {
        let most = QueueShape::TENANTS_MAX;
        let text = format!("{} tenants are too many; {most} are the most", tenants.len());
        section.problem(name, text);
    }
    tenants
}

fn number(tenant: &str, value: &DeValue<'_>, most: u32) -> Result<u32, String> {
    if tenant.is_empty() || tenant.chars().count() > 128 || tenant.contains(char::is_control) {
        return Err(format!("{tenant:?} is not a tenant; expected 1 to 128 characters"));
    }
    let number = whole(value).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| (1..=most).contains(number)).ok_or_else(|| {
        format!("{} is not allowed; expected a number from 1 to {most}", shown(value))
    })
}
