//! How a TOML value becomes a typed one, and how a wrong one is told.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ostler_gateway::{Cidr, SLOTS_RULE, TargetConfig, TenantKey};
use ostler_runner::Serve;
use toml::{Value, de::DeValue};

use super::{
    keys::{Key, Kind},
    words::Words,
};
use crate::values;

/// What can be written into the file.
pub(crate) trait Shown {
    /// As the file would have it.
    fn show(&self) -> Value;
}

/// A type that a key's value can have.
pub(crate) trait Setting: Shown + Sized {
    /// From the file; the error is the rest of a sentence that begins with the key.
    fn read(key: &Key, value: &DeValue<'_>) -> Result<Self, String>;
    /// From the key table's preset; of an empty text, anything.
    fn preset(text: &str) -> Self;
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

/// What a value of this kind is: `expected a whole number from 1 to 64`.
pub(crate) fn article(kind: Kind) -> String {
    let what = match kind {
        Kind::Text(form) => form.to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Count(min, max) if max >= i64::MAX as u64 => {
            format!("a whole number, at least {min}")
        }
        Kind::Count(min, max) => format!("a whole number from {min} to {max}"),
        Kind::Size(min, max) => match (min, max >= i64::MAX as u64) {
            (0, true) => "a size such as 64KiB or 4GiB".to_owned(),
            (_, true) => format!("a size of at least {}", values::show_size(min)),
            (_, false) => {
                format!("a size from {} to {}", values::show_size(min), values::show_size(max))
            }
        },
        Kind::Duration(0) => "a duration such as 500ms, 30s or 5m; 0s turns it off".to_owned(),
        Kind::Duration(_) => "a duration such as 500ms, 30s or 5m".to_owned(),
        Kind::Path => "a path".to_owned(),
        Kind::Addresses => {
            "an address such as \"0.0.0.0:8080\", a list of them, or \"off\"".to_owned()
        }
        Kind::Texts(form) => format!("a list of {form}"),
        Kind::OneOf(words) => values::listing(words.iter().copied(), "or"),
        Kind::Table(_) => "a table with keys of its own".to_owned(),
        Kind::Named(_) => "a table under a name, such as [app.shop]".to_owned(),
        Kind::Tables(_) => "a list of tables, each headed [[NAME]]".to_owned(),
        Kind::Map(form) => format!("a table of names, each with {form}"),
        Kind::Slots => return SLOTS_RULE.to_owned(),
        Kind::Form(form) => form.to_owned(),
    };
    format!("expected {what}")
}

/// The value in few words: `"abc"`, `12`, `a table`.
pub(crate) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn wrong(key: &Key, value: &DeValue<'_>) -> String {
    format!("{} is not allowed; {}", shown(value), article(key.kind))
}

/// A whole number that is not negative.
pub(crate) fn whole(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    let digits: String = number.as_str().chars().filter(|c| *c != '_').collect();
    u64::from_str_radix(digits.strip_prefix('+').unwrap_or(&digits), number.radix()).ok()
}

impl Shown for u64 {
    fn show(&self) -> Value {
        Value::from(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl Setting for u64 {
    fn read(key: &Key, value: &DeValue<'_>) -> Result<Self, String> {
        let Kind::Count(min, max) = key.kind else {
            panic!("{} is read as a count, which it is not", key.name)
        };
        whole(value).filter(|n| (min..=max).contains(n)).ok_or_else(|| wrong(key, value))
    }

    fn preset(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

impl Shown for u32 {
    fn show(&self) -> Value {
        Value::from(*self)
    }
}

impl Setting for u32 {
    fn read(key: &Key, value: &DeValue<'_>) -> Result<Self, String> {
        let number = u64::read(key, value)?;
        Self::try_from(number).map_err(|_| wrong(key, value))
    }

    fn preset(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

impl Shown for Bytes {
    fn show(&self) -> Value {
        Value::from(values::show_size(self.0))
    }
}

impl Setting for Bytes {
    fn read(key: &Key, value: &DeValue<'_>) -> Result<Self, String> {
        let Kind::Size(min, max) = key.kind else {
            panic!("{} is read as a size, which it is not", key.name)
        };
        let bytes = match value.as_str() {
            Some(text) => values::size(text)?,
            None => whole(value).ok_or_else(|| wrong(key, value))?,
        };
        if (min..=max).contains(&bytes) { Ok(Self(bytes)) } else { Err(wrong(key, value)) }
    }

    fn preset(text: &str) -> Self {
        Self(values::size(text).unwrap_or_default())
    }
}

impl Shown for Duration {
    fn show(&self) -> Value {
        Value::from(values::show_duration(*self))
    }
}

impl Setting for Duration {
    fn read(key: &Key, value: &DeValue<'_>) -> Result<Self, String> {
        let Kind::Duration(min) = key.kind else {
            panic!("{} is read as a duration, which it is not", key.name)
        };
        let duration = match value.as_str() {
            Some(text) => values::duration(text)?,
            None if whole(value).is_some() => {
                return Err(format!("{} has no unit; write 500ms, 30s, 5m", shown(value)));
            }
            None => return Err(wrong(key, value)),
        };
        if duration < Self::from_millis(min) {
            return Err(format!("{} is too short; at least {min}ms", shown(value)));
        }
        Ok(duration)
    }

    fn preset(text: &str) -> Self {
        values::duration(text).unwrap_or_default()
    }
}

impl Shown for bool {
    fn show(&self) -> Value {
        Value::from(*self)
    }
}

impl Setting for bool {
    fn read(key: &Key, value: &DeValue<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| wrong(key, value))
    }

    fn preset(text: &str) -> Self {
        text == "true"
    }
}

impl Shown for String {
    fn show(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl Setting for String {
    fn read(key: &Key, value: &DeValue<'_>) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| wrong(key, value))?;
        let allowed = if let Kind::OneOf(words) = key.kind {
            words.contains(&text)
        } else {
            !text.contains('\0')
        };
        if allowed { Ok(text.to_owned()) } else { Err(wrong(key, value)) }
    }

    fn preset(text: &str) -> Self {
        text.to_owned()
    }
}

impl Shown for Vec<String> {
    fn show(&self) -> Value {
        Value::from(self.clone())
    }
}

/// A string or a list of strings.
impl Setting for Vec<String> {
    fn read(key: &Key, value: &DeValue<'_>) -> Result<Self, String> {
        if let Some(text) = value.as_str() {
            return Ok(vec![text.to_owned()]);
        }
        let items = value.as_array().ok_or_else(|| wrong(key, value))?;
        let text = |item: &toml::Spanned<DeValue<'_>>| {
            let text = item.get_ref().as_str().map(str::to_owned);
            text.ok_or_else(|| wrong(key, item.get_ref()))
        };
        items.iter().map(text).collect()
    }

    fn preset(_: &str) -> Self {
        Self::new()
    }
}

impl Shown for Vec<SocketAddr> {
    fn show(&self) -> Value {
        match &self[..] {
            [] => Value::from("off"),
            [one] => Value::from(one.to_string()),
            many => Value::from(many.iter().map(SocketAddr::to_string).collect::<Vec<_>>()),
        }
    }
}

impl Setting for Vec<SocketAddr> {
    fn read(key: &Key, value: &DeValue<'_>) -> Result<Self, String> {
        let texts = Vec::<String>::read(key, value)?;
        if texts == ["off"] {
            return Ok(Self::new());
        }
        texts.iter().map(|text| values::address(text)).collect()
    }

    fn preset(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::new(), |address| vec![address])
    }
}

impl<T: Words> Shown for T {
    fn show(&self) -> Value {
        let word = T::ALL.iter().find(|(_, value)| value == self).map(|(word, _)| *word);
        Value::from(word.expect("every value has its word"))
    }
}

impl<T: Words> Setting for T {
    fn read(key: &Key, value: &DeValue<'_>) -> Result<Self, String> {
        let text = String::read(key, value)?;
        let found = T::ALL.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| wrong(key, value))
    }

    fn preset(text: &str) -> Self {
        let (_, first) = T::ALL[0];
        T::ALL.iter().find(|(word, _)| *word == text).map_or(first, |(_, value)| *value)
    }
}

impl Shown for TenantKey {
    fn show(&self) -> Value {
        Value::from(values::show_tenant(self))
    }
}

impl Shown for TargetConfig {
    fn show(&self) -> Value {
        Value::from(values::show_target(self))
    }
}

impl Shown for Serve {
    fn show(&self) -> Value {
        Value::from(self.text())
    }
}

impl Shown for PathBuf {
    fn show(&self) -> Value {
        Value::from(self.display().to_string())
    }
}

impl Shown for Vec<Cidr> {
    fn show(&self) -> Value {
        let shown = self.iter().map(|net| format!("{}/{}", net.address, net.prefix));
        Value::from(shown.collect::<Vec<_>>())
    }
}
