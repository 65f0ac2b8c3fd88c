//! The shape of a body, checked field by field. Only bodies that did not read at once come here: this finds everything that is wrong
//! with them, and takes it out, so that what is left can be looked at further.

use serde_json::{Map, Value};

use super::{Notes, step, text::quoted};

/// What a field may hold; `null` stands for leaving it out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Text,
    Bool,
    /// A whole number within bounds.
    Whole(i64, i64),
    Words(&'static [&'static str]),
    Texts,
    Wholes(i64, i64),
    TextTable,
    Table(&'static [(&'static str, Self)]),
    /// Text, or an object with one of these.
    TextOrTable(&'static [(&'static str, Self)]),
    /// Text or a whole number, or a list of them.
    OneOrMore,
    /// A field that may not be left out.
    Must(&'static Self),
}

/// The fields of an object, by name.
pub(crate) type Fields = &'static [(&'static str, Shape)];

/// Takes out whatever does not fit, and notes it.
pub(crate) fn prune(object: &mut Map<String, Value>, fields: Fields, at: &str, notes: &mut Notes) {
    object.retain(|name, value| {
        if notes.is_full() {
            return false;
        }
        let pointer = step(at, name);
        let Some((_, shape)) = fields.iter().find(|(known, _)| known == name) else {
            let known: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
            notes.add(pointer, format!("there is no such field; there are {}", known.join(", ")));
            return false;
        };
        value.is_null() || fits(value, *shape, &pointer, notes)
    });
    for (name, shape) in fields {
        let pointer = step(at, name);
        let told = notes.any(&[&pointer]);
        if matches!(shape, Shape::Must(_)) && object.get(*name).is_none_or(Value::is_null) && !told
        {
            notes.add(pointer, format!("is missing; expected {}", words(*shape)));
        }
    }
}

fn fits(value: &mut Value, shape: Shape, at: &str, notes: &mut Notes) -> bool {
    let before = notes.0.len();
    match (shape, value) {
        (Shape::Must(shape), value) => return fits(value, *shape, at, notes),
        (Shape::Text | Shape::TextOrTable(_), Value::String(_)) | (Shape::Bool, Value::Bool(_)) => {
        }
        (Shape::Whole(from, to), value) => whole(value, from, to, at, notes),
        (Shape::OneOrMore, Value::Array(items)) => each(items, at, notes, |item, at, notes| {
            straighten(item);
            if !is_plain(item) {
                notes.add(at, expected(item, "text or a whole number"));
            }
        }),
        (Shape::OneOrMore, value) if is_plain(value) => {}
        (Shape::Words(words), Value::String(text)) if words.contains(&text.as_str()) => {}
        (Shape::Texts, Value::Array(items)) => each(items, at, notes, |item, at, notes| {
            if !item.is_string() {
                notes.add(at, expected(item, "text"));
            }
        }),
        (Shape::Wholes(from, to), Value::Array(items)) => {
            each(items, at, notes, |item, at, notes| whole(item, from, to, at, notes));
        }
        (Shape::TextTable, Value::Object(table)) => {
            for (name, item) in table {
                if notes.is_full() {
                    break;
                }
                if !item.is_string() {
                    notes.add(step(at, name), expected(item, "text"));
                }
            }
        }
        (Shape::Table(fields) | Shape::TextOrTable(fields), Value::Object(table)) => {
            prune(table, fields, at, notes);
            if matches!(shape, Shape::TextOrTable(_)) && notes.0.len() == before && table.len() != 1
            {
                notes.add(at, format!("give exactly one of {}", names(fields)));
            }
            // What is left of it would be taken for something that nobody wrote.
            return notes.0.len() == before;
        }
        (shape, value) => notes.add(at, expected(value, &words(shape))),
    }
    notes.0.len() == before
}

fn is_plain(value: &Value) -> bool {
    value.is_string() || value.is_u64()
}

fn each(
    items: &mut [Value],
    at: &str,
    notes: &mut Notes,
    check: impl Fn(&mut Value, &str, &mut Notes),
) {
    for (index, item) in items.iter_mut().enumerate() {
        if notes.is_full() {
            break;
        }
        check(item, &format!("{at}/{index}"), notes);
    }
}

fn whole(value: &mut Value, from: i64, to: i64, at: &str, notes: &mut Notes) {
    straighten(value);
    let fit = value.as_i64().is_some_and(|number| (from..=to).contains(&number));
    if !fit {
        notes.add(at, expected(value, &format!("a whole number from {from} to {to}")));
    }
}

/// A number such as `5.0` is a whole one as far as JSON Schema is concerned, and is taken for one.
fn straighten(value: &mut Value) {
    const EXACT: f64 = (1_u64 << 53) as f64;
    if let Some(number) = value.as_f64().filter(|_| value.is_f64())
        && number.fract() == 0.0
        && number.abs() < EXACT
    {
        *value = Value::from(number as i64);
    }
}

fn expected(value: &Value, what: &str) -> String {
    let shown = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    format!("{shown} is not allowed; expected {what}")
}

fn words(shape: Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Bool => "true or false".to_owned(),
        Shape::Whole(from, to) => format!("a whole number from {from} to {to}"),
        Shape::Words(words) => words.join(" or "),
        Shape::Texts => "a list of texts".to_owned(),
        Shape::Wholes(..) => "a list of whole numbers".to_owned(),
        Shape::TextTable => "an object whose values are text".to_owned(),
        Shape::Table(fields) => format!("an object with {}", names(fields)),
        Shape::OneOrMore => "text or a whole number, or a list of them".to_owned(),
        Shape::Must(shape) => words(*shape),
        Shape::TextOrTable(fields) => format!("text, or an object with {}", names(fields)),
    }
}

fn names(fields: Fields) -> String {
    fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
