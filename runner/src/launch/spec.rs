//! What the runner tells a launch.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Longest spec in bytes: environments are large at times, but not like this.
pub(crate) const SPEC_MAX: u32 = 1 << 20;

/// One child to make.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LaunchSpec {
    /// Program and arguments; the program is a path.
    pub argv: Vec<String>,
    /// The key that names the program, for somebody who has to name another.
    pub key: String,
    /// Variables added to the runner's own environment.
    pub env: BTreeMap<String, String>,
    /// The folder to run in.
    pub root: PathBuf,
    /// The user to become.
    pub user: Option<String>,
    /// A folder to hand over as [`super::CODE_FD`], for a user who may not reach it by its path.
    pub code: Option<PathBuf>,
    /// File mode creation mask; `None`: the runner's own.
    pub umask: Option<u32>,
    /// Resource limits by name.
    pub rlimits: BTreeMap<String, u64>,
}
