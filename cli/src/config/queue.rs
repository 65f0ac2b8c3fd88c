//! `[queue.NAME]`: queues of durable jobs whose shape is the file's.

use std::time::Duration;

use ostler_gateway::{QueueName, QueueShape, Rate, Retry};
use toml::{Value, de::DeValue};

use super::{
    keys::Place,
    section::Section,
    setting::{Shown, shown, whole},
};
use crate::values;

impl Shown for Rate {
    fn show(&self) -> Value {
        Value::from(self.to_string())
    }
}

/// All queues of the file.
pub(super) fn queues(top: &Section<'_>) -> Vec<(QueueName, QueueShape)> {
    let read = |(name, section): (String, Section<'_>)| {
        let shape = shape(&section);
        if let Err(wrong) = values::name(&name) {
            section.own_problem(&wrong);
        }
        Some((QueueName::new(&name)?, shape))
    };
    let sections = top.named("queue", Place::Queue);
    if sections.len() > QueueShape::QUEUES_MAX {
        let most = QueueShape::QUEUES_MAX;
        top.problem(
            "queue",
            format!("{} queues are too many; {most} are the most", sections.len()),
        );
    }
    let mut queues: Vec<_> = sections.into_iter().filter_map(read).collect();
    queues.sort_by(|(one, _), (other, _)| one.cmp(other));
    queues
}

fn shape(section: &Section<'_>) -> QueueShape {
    let weights = section.map("tenant_weights", weight);
    if weights.len() > QueueShape::TENANTS_MAX {
        let most = QueueShape::TENANTS_MAX;
        let text = format!("{} tenants are too many; {most} are the most", weights.len());
        section.problem("tenant_weights", text);
    }
    let retry = section.optional::<u32>("retry");
    QueueShape {
        weight: section.value("weight"),
        discipline: section.value("discipline"),
        concurrency: section.optional("concurrency"),
        rate: section.parsed("rate", Rate::read),
        attach: std::collections::BTreeSet::new(),
        exclusive: false,
        tenant_weights: weights,
        waiting_max: section.optional("waiting_max"),
        retry: retry.map(|attempts| Retry { attempts, ..Retry::usual() }),
        timeout: section.optional::<Duration>("timeout").map(ostler_gateway::span),
        user: section.parsed("user", super::app::user),
        keep_succeeded: section.optional::<Duration>("keep_succeeded").map(ostler_gateway::span),
        keep_failed: section.optional::<Duration>("keep_failed").map(ostler_gateway::span),
    }
}

fn weight(tenant: &str, value: &DeValue<'_>) -> Result<u32, String> {
    const MOST: u32 = QueueShape::WEIGHT_MAX;
    if tenant.is_empty() || tenant.chars().count() > 128 || tenant.contains(char::is_control) {
        return Err(format!("{tenant:?} is not a tenant; expected 1 to 128 characters"));
    }
    let number = whole(value).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| (1..=MOST).contains(number)).ok_or_else(|| {
        format!("{} is not allowed; expected a number from 1 to {MOST}", shown(value))
    })
}
