//! What jobs need for themselves, or shared with others of their kind, while they run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Resources of one job, at most.
pub const RESOURCES_MAX: usize = 32;
/// Bytes of a serial key or of a resource's name, at most.
pub const RESOURCE_NAME_MAX: usize = 200;

/// How a job has a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceMode {
    /// No other job has it meanwhile.
    Exclusive,
    /// Other jobs may share it.
    Shared,
}

impl ResourceMode {
    /// Both.
    pub const ALL: &[Self] = &[Self::Exclusive, Self::Shared];
}

/// What a job that waits to be tried again does with the resources that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRetry {
    /// It keeps them, so that whoever was submitted after it comes after it.
    #[default]
    Hold,
    /// Others may have them meanwhile.
    Pass,
}

impl OnRetry {
    /// Both.
    pub const ALL: &[Self] = &[Self::Hold, Self::Pass];
}

/// What a job names: a serial key is a resource of its own kind that it has for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// One job of this key at a time, in the order in which they were submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Resources by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, ResourceMode>,
    /// What becomes of them while it waits to be tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_retry: OnRetry,
}

impl Resources {
    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.serial.is_none() && self.resources.is_empty()
    }

    /// Whether it has one for itself.
    pub fn is_exclusive(&self) -> bool {
        self.serial.is_some() || self.resources.values().any(|it| *it == ResourceMode::Exclusive)
    }
}

fn is_default(it: &OnRetry) -> bool {
    *it == OnRetry::default()
}
