//! Which runners are meant, in a few words: those with some labels, such as `gpu=a100,zone=b`, or the one of a name, `runner:r1`.
//!
//! A label's name has no `:`, so that the two cannot be taken for each other.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Labels, name};

/// What a selector that names a runner begins with.
const RUNNER: &str = "runner:";
/// Characters of a bad name that are shown.
const SHOWN: usize = 64;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Selector {
    /// Whoever has all of these, and maybe others.
    Labels(Labels),
    /// The one of this name.
    Runner(String),
}

impl Selector {
    /// The rule, for whoever broke it.
    pub const RULE: &str = "labels that a runner must have, like gpu=a100 or gpu=a100,zone=b, or a runner, like runner:r1";

    /// As it is written. What is wrong is named, with the rule.
    pub fn read(text: &str) -> Result<Self, String> {
        if let Some(runner) = text.strip_prefix(RUNNER) {
            if name::is_good(runner) {
                return Ok(Self::Runner(runner.to_owned()));
            }
            let shown: String = runner.chars().take(SHOWN).collect();
            return Err(format!("{shown:?} is no runner's name; it has {}", name::RULE));
        }
        if text.is_empty() {
            return Err(format!("it is empty; write {}", Self::RULE));
        }
        Labels::read(text.split(',')).map(Self::Labels)
    }

    /// Whether a runner of this name is meant, that says this of its host; `None`: it has said nothing yet.
    pub fn meets(&self, runner: &str, labels: Option<&Labels>) -> bool {
        match self {
            Self::Labels(wanted) => {
                labels.is_some_and(|it| wanted.iter().all(|(name, value)| it.has(name, value)))
            }
            Self::Runner(name) => name == runner,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Labels(labels) => labels.fmt(f),
            Self::Runner(name) => write!(f, "{RUNNER}{name}"),
        }
    }
}

impl TryFrom<String> for Selector {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text)
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_labels_of_a_selector_must_hold_and_a_name_is_that_of_one_runner() {
        let labels = Labels::read(["gpu=a100", "zone=b", "net=10g"]).unwrap();
        let meets = |text: &str| Selector::read(text).unwrap().meets("r1", Some(&labels));
        assert!(meets("gpu=a100") && meets("zone=b,gpu=a100") && meets("runner:r1"));
        assert!(!meets("gpu=t4") && !meets("gpu=a100,zone=c") && !meets("runner:r2"));
        let unheard = |text: &str| Selector::read(text).unwrap().meets("r1", None);
        assert!(!unheard("gpu=a100") && unheard("runner:r1"));
    }

    #[test]
    fn a_selector_is_told_as_it_is_read_with_its_labels_in_one_order() {
        for (text, told) in
            [("zone=b,gpu=a100", "gpu=a100,zone=b"), ("runner:r1", "runner:r1"), ("a=b:c", "a=b:c")]
        {
            let selector = Selector::read(text).unwrap();
            assert_eq!(selector.to_string(), told);
            let written = serde_json::to_string(&selector).unwrap();
            assert_eq!(serde_json::from_str::<Selector>(&written).unwrap(), selector);
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_with_the_cure() {
        let refused = |text: &str| Selector::read(text).unwrap_err();
        assert_eq!(refused("gpu"), "\"gpu\" is no label; write NAME=VALUE, like gpu=a100");
        assert!(refused("").starts_with("it is empty; write labels that a runner must have"));
        assert!(refused("gpu=a100,").contains("\"\" is no label; write NAME=VALUE"));
        assert!(refused("gpu=a100, zone=b").contains("\" zone\" is no label's name; it has 1 to"));
        assert!(refused("gpu=a,gpu=b").contains("the label gpu is there twice"));
        assert!(refused("runner:").contains("\"\" is no runner's name; it has 1 to 64 letters"));
        assert!(refused("runner:a b").contains("\"a b\" is no runner's name"));
        assert!(refused(&format!("runner:{}", "x".repeat(1 << 20))).len() < 200);
        assert!(serde_json::from_str::<Selector>("\"GPU=a\"").is_err());
    }
}
