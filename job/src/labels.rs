//! What a runner says of its host in a few words, such as `gpu=a100`: one rule for every place that a label comes in by.
//!
//! A label becomes a word of a command line, of a query and of a selector; none of these can be made to read it as anything else.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The rule of a name, for whoever broke it.
pub const NAME_RULE: &str = "1 to 64 of a-z, 0-9, \".\", \"_\", \"-\"";
/// The rule of a value, for whoever broke it.
pub const VALUE_RULE: &str =
    "1 to 128 letters, digits, \".\", \"_\", \"-\", \":\", \"/\", \"+\", \"@\"";
/// Labels of one runner, at most.
pub const MAX: usize = 64;

const NAME_MAX: usize = 64;
const VALUE_MAX: usize = 128;
/// Characters of a bad label that are shown.
const SHOWN: usize = 64;

/// The labels of a runner, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Of pairs of name and value, whoever says them. What is wrong is named, with the rule.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.add(name, value)?;
        }
        Ok(labels)
    }

    /// Of texts like `gpu=a100`.
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let pairs: Vec<_> = texts.into_iter().map(pair).collect::<Result<_, _>>()?;
        Self::of(pairs)
    }

    /// One more. A name that is there already is refused, since a runner has one value of each.
    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (name, value) = checked(name, value)?;
        if let Some(other) = self.0.get(name) {
            return Err(format!("the label {name} is there twice: {other:?} and {value:?}"));
        }
        if self.0.len() == MAX {
            return Err(format!("there are more than {MAX} labels"));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Whether it has this one, with this value.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Labels {
    /// As they are written on a command line, with commas between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}={value}")?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let told = BTreeMap::<String, String>::deserialize(from)?;
        let pairs = told.iter().map(|(name, value)| (&**name, &**value));
        Self::of(pairs).map_err(D::Error::custom)
    }
}

/// Name and value of a text like `gpu=a100`.
pub fn pair(text: &str) -> Result<(&str, &str), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{:?} is no label; write NAME=VALUE, like gpu=a100", shown(text)))?;
    checked(name, value)
}

/// Whether both keep their rule.
pub fn checked<'a>(name: &'a str, value: &'a str) -> Result<(&'a str, &'a str), String> {
    let is_of_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let is_of_value = |b: u8| b.is_ascii_alphanumeric() || b"._-:/+@".contains(&b);
    if !(1..=NAME_MAX).contains(&name.len()) || !name.bytes().all(is_of_name) {
        return Err(format!("{:?} is no label's name; it has {NAME_RULE}", shown(name)));
    }
    if !(1..=VALUE_MAX).contains(&value.len()) || !value.bytes().all(is_of_value) {
        let value = shown(value);
        return Err(format!("{value:?} is no value of the label {name}; it has {VALUE_RULE}"));
    }
    Ok((name, value))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_in_any_order_and_told_in_one() {
        let labels = Labels::read(["zone=b", "gpu=a100", "net.up=10/s"]).unwrap();
        assert_eq!(labels.to_string(), "gpu=a100,net.up=10/s,zone=b");
        assert!(labels.has("gpu", "a100") && !labels.has("gpu", "A100") && !labels.has("x", "a"));
        let written = serde_json::to_string(&labels).unwrap();
        assert_eq!(written, r#"{"gpu":"a100","net.up":"10/s","zone":"b"}"#);
        assert_eq!(serde_json::from_str::<Labels>(&written).unwrap(), labels);
    }

    #[test]
    fn what_is_no_label_is_refused_with_the_rule() {
        let refused = |text: &str| Labels::read([text]).unwrap_err();
        assert_eq!(refused("gpu"), "\"gpu\" is no label; write NAME=VALUE, like gpu=a100");
        for bad in ["=a", "GPU=a", "g u=a", "ä=a", &format!("{}=a", "g".repeat(65))] {
            assert!(refused(bad).contains("is no label's name; it has 1 to 64 of a-z"), "{bad}");
        }
        for bad in
            ["g=", "g=a b", "g=a,b", "g=a=b", "g=\u{202e}", &format!("g={}", "a".repeat(129))]
        {
            assert!(refused(bad).contains("is no value of the label g; it has 1 to 128"), "{bad}");
        }
        assert!(refused(&"g".repeat(1 << 20)).len() < 200);
        let longest = format!("{}={}", "g".repeat(64), "A".repeat(128));
        assert!(Labels::read([&*longest]).is_ok());
        let bad = serde_json::from_str::<Labels>(r#"{"GPU":"a"}"#).unwrap_err().to_string();
        assert!(bad.contains("is no label's name"), "{bad}");
    }

    #[test]
    fn a_label_that_is_there_twice_and_one_too_many_are_refused() {
        let twice = Labels::read(["gpu=a", "gpu=b"]).unwrap_err();
        assert_eq!(twice, "the label gpu is there twice: \"a\" and \"b\"");
        let many: Vec<String> = (0..=MAX).map(|n| format!("n{n}=1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(Labels::read(many[1..].iter().copied()).is_ok());
        assert_eq!(Labels::read(many).unwrap_err(), "there are more than 64 labels");
    }
}
