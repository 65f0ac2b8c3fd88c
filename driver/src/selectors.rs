//! What operators change of a queue's selectors, and what of that is refused.

use std::collections::BTreeSet;

use ostler_job::{Selector, durable::QueueShape};
use serde_json::{Value, json};

use super::queue_event::QueueRefusal;

/// More of what a queue is attached to; answers what is told of it.
pub(super) fn attach(
    shape: &mut QueueShape,
    selectors: BTreeSet<Selector>,
    exclusive: Option<bool>,
) -> Result<Value, QueueRefusal> {
    let told = json!({ "selectors": selectors, "exclusive": exclusive });
    shape.attach.extend(selectors);
    shape.exclusive = exclusive.unwrap_or(shape.exclusive);
    if shape.attach.len() > QueueShape::ATTACH_MAX {
        return Err(QueueRefusal::TooManySelectors(QueueShape::ATTACH_MAX));
    }
    Ok(told)
}

/// Less of it; `None`: nothing is left. That nobody in particular is to work a queue is never taken for granted.
pub(super) fn detach(
    shape: &mut QueueShape,
    selectors: Option<BTreeSet<Selector>>,
) -> Result<Value, QueueRefusal> {
    let Some(selectors) = selectors else {
        shape.attach.clear();
        shape.exclusive = false;
        return Ok(json!({ "all": true }));
    };
    if let Some(other) = selectors.iter().find(|it| !shape.attach.contains(it)) {
        let (selector, attach) = (other.clone(), shape.attach.clone());
        return Err(QueueRefusal::NotAttached { selector, attach });
    }
    let left: BTreeSet<Selector> = shape.attach.difference(&selectors).cloned().collect();
    if left.is_empty() && !selectors.is_empty() {
        return Err(QueueRefusal::LastSelector);
    }
    shape.attach = left;
    Ok(json!({ "selectors": selectors }))
}
