//! The shape of a body, checked field by field. Only bodies that did not read at once come here: this finds everything that is wrong
//! with them, and takes it out, so that what is left can be looked at further.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};
use utoipa::{
    ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{AdditionalProperties, ArrayItems, Object, SchemaType, Type},
    },
};

use super::{NOTES_MAX, Notes, step, text::quoted};

/// A body that is one object. Its type is its one declaration: serde reads it, utoipa describes it, and of what utoipa says the
/// fields are made that find everything wrong with one that serde refused.
pub(crate) trait Fielded: DeserializeOwned + ToSchema {
    /// Its fields, made once.
    fn fields() -> &'static [Field];
}

macro_rules! fielded {
    ($($type:ty),+) => {
        $(impl $crate::parse::shape::Fielded for $type {
            fn fields() -> &'static [$crate::parse::shape::Field] {
                static FIELDS: std::sync::OnceLock<Vec<$crate::parse::shape::Field>> =
                    std::sync::OnceLock::new();
                FIELDS.get_or_init($crate::parse::shape::described::<Self>)
            }
        })+
    };
}
pub(crate) use fielded;

/// One field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    /// It may not be left out.
    pub(crate) required: bool,
}

/// What a field may hold; `null` stands for leaving it out.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Text,
    Bool,
    /// A whole number within bounds.
    Whole(i64, i64),
    /// A number within bounds.
    Number(f64, f64),
    Words(Vec<String>),
    Texts,
    Wholes(i64, i64),
    TextTable,
    /// Names of the writer's choice, each with a whole number within bounds.
    WholeTable(i64, i64),
    Table(Vec<Field>),
    /// Text, or an object with one of these.
    TextOrTable(Vec<Field>),
    /// One of these words, or an object.
    WordsOrTable(Vec<String>, Vec<Field>),
    /// Text or a whole number, or a list of them.
    OneOrMore,
}

/// The fields of an object as its schema has them.
pub(crate) fn described<T: ToSchema>() -> Vec<Field> {
    let mut named = Vec::new();
    T::schemas(&mut named);
    let named = Named(named.into_iter().collect());
    named.shape(&T::schema()).fields()
}

/// Schemas that others refer to.
struct Named(BTreeMap<String, RefOr<Schema>>);

impl Named {
    fn shape(&self, schema: &RefOr<Schema>) -> Shape {
        match schema {
            RefOr::Ref(reference) => {
                let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
                self.shape(
                    self.0.get(name).expect("utoipa collects every schema that it refers to"),
                )
            }
            RefOr::T(Schema::Object(object)) => self.object(object),
            RefOr::T(Schema::Array(array)) => match &array.items {
                ArrayItems::RefOrSchema(items) => {
                    if let Shape::Whole(from, to) = self.shape(items) {
                        Shape::Wholes(from, to)
                    } else {
                        Shape::Texts
                    }
                }
                ArrayItems::False => Shape::Texts,
            },
            RefOr::T(Schema::OneOf(one)) => self.either(&one.items),
            RefOr::T(Schema::AnyOf(any)) => self.either(&any.items),
            RefOr::T(_) => Shape::Text,
        }
    }

    fn object(&self, object: &Object) -> Shape {
        if let Some(words) = &object.enum_values {
            let words = words.iter().filter_map(Value::as_str);
            return Shape::Words(words.map(str::to_owned).collect());
        }
        match kind(&object.schema_type) {
            Some(Type::Boolean) => Shape::Bool,
            Some(Type::Integer) => {
                let bound = |number: &Option<_>| number.as_ref().and_then(whole_number);
                Shape::Whole(
                    bound(&object.minimum).unwrap_or(0),
                    bound(&object.maximum).unwrap_or(i64::MAX),
                )
            }
            Some(Type::Number) => Shape::Number(
                object.minimum.as_ref().map_or(f64::MIN, number),
                object.maximum.as_ref().map_or(f64::MAX, number),
            ),
            Some(Type::Object) => {
                if let Some(AdditionalProperties::RefOr(value)) =
                    object.additional_properties.as_deref()
                {
                    return if let Shape::Whole(from, to) = self.shape(value) {
                        Shape::WholeTable(from, to)
                    } else {
                        Shape::TextTable
                    };
                }
                let field = |(name, schema): (&String, &RefOr<Schema>)| Field {
                    name: name.clone(),
                    shape: self.shape(schema),
                    required: object.required.contains(name) && !may_be_null(schema),
                };
                Shape::Table(object.properties.iter().map(field).collect())
            }
            _ => Shape::Text,
        }
    }

    /// Of several shapes: the one beside null; one or more; text, or an object.
    fn either(&self, items: &[RefOr<Schema>]) -> Shape {
        let items: Vec<_> = items.iter().filter(|item| !is_null(item)).collect();
        if items.iter().any(|item| matches!(item, RefOr::T(Schema::Array(_)))) {
            return Shape::OneOrMore;
        }
        let mut shapes: Vec<_> = items.iter().map(|item| self.shape(item)).collect();
        if shapes.len() < 2 {
            return shapes.pop().unwrap_or(Shape::Text);
        }
        if let [Shape::Words(_), Shape::Table(_)] = &shapes[..] {
            let fields = shapes.pop().map(Shape::fields).unwrap_or_default();
            let words = shapes.pop().map(Shape::words).unwrap_or_default();
            return Shape::WordsOrTable(words, fields);
        }
        let fields = shapes.into_iter().flat_map(Shape::fields);
        let fields: Vec<_> = fields.map(|field| Field { required: false, ..field }).collect();
        if fields.is_empty() { Shape::Text } else { Shape::TextOrTable(fields) }
    }
}

impl Shape {
    fn fields(self) -> Vec<Field> {
        if let Self::Table(fields) = self { fields } else { Vec::new() }
    }

    fn words(self) -> Vec<String> {
        if let Self::Words(words) = self { words } else { Vec::new() }
    }
}

/// The type beside null.
fn kind(of: &SchemaType) -> Option<&Type> {
    match of {
        SchemaType::Type(kind) => Some(kind),
        SchemaType::Array(kinds) => kinds.iter().find(|kind| **kind != Type::Null),
        SchemaType::AnyValue => None,
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}

fn may_be_null(schema: &RefOr<Schema>) -> bool {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            matches!(&object.schema_type, SchemaType::Array(kinds) if kinds.contains(&Type::Null))
        }
        RefOr::T(Schema::OneOf(one)) => one.items.iter().any(is_null),
        RefOr::Ref(_) | RefOr::T(_) => false,
    }
}

fn whole_number(number: &utoipa::Number) -> Option<i64> {
    match number {
        utoipa::Number::Int(number) => i64::try_from(*number).ok(),
        utoipa::Number::UInt(number) => i64::try_from(*number).ok(),
        utoipa::Number::Float(number) => Some(*number as i64),
    }
}

fn number(number: &utoipa::Number) -> f64 {
    match number {
        utoipa::Number::Int(number) => *number as f64,
        utoipa::Number::UInt(number) => *number as f64,
        utoipa::Number::Float(number) => *number,
    }
}

/// For a field of which `null` says something else than its absence.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Takes out whatever does not fit, and notes it.
pub(crate) fn prune(
    object: &mut Map<String, Value>,
    fields: &[Field],
    at: &str,
    notes: &mut Notes,
) {
    object.retain(|name, value| {
        if notes.is_full() {
            return false;
        }
        let pointer = step(at, name);
        let Some(field) = fields.iter().find(|field| field.name == *name) else {
            notes.add(pointer, format!("there is no such field; there are {}", names(fields)));
            return false;
        };
        value.is_null() || fits(value, &field.shape, &pointer, notes)
    });
    for Field { name, shape, .. } in fields.iter().filter(|field| field.required) {
        let pointer = step(at, name);
        // One that was taken out for what is wrong within it is not missing.
        let told = notes.of(&pointer);
        if object.get(name).is_none_or(Value::is_null) && !told {
            notes.add(pointer, format!("is missing; expected {}", words(shape)));
        }
    }
}

fn fits(value: &mut Value, shape: &Shape, at: &str, notes: &mut Notes) -> bool {
    let before = notes.0.len();
    match (shape, value) {
        (Shape::Text | Shape::TextOrTable(_), Value::String(_)) | (Shape::Bool, Value::Bool(_)) => {
        }
        (Shape::Whole(from, to), value) => whole(value, *from, *to, at, notes),
        (Shape::Number(from, to), Value::Number(it))
            if it.as_f64().is_some_and(|it| (*from..=*to).contains(&it)) => {}
        (Shape::OneOrMore, Value::Array(items)) => each(items, at, notes, |item, at, notes| {
            straighten(item);
            if !is_plain(item) {
                notes.add(at, expected(item, "text or a whole number"));
            }
        }),
        (Shape::OneOrMore, value) => {
            straighten(value);
            if !is_plain(value) {
                notes.add(at, expected(value, &words(shape)));
            }
        }
        (Shape::Words(words) | Shape::WordsOrTable(words, _), Value::String(text))
            if words.contains(text) => {}
        (Shape::Texts, Value::Array(items)) => each(items, at, notes, |item, at, notes| {
            if !item.is_string() {
                notes.add(at, expected(item, "text"));
            }
        }),
        (Shape::Wholes(from, to), Value::Array(items)) => {
            each(items, at, notes, |item, at, notes| whole(item, *from, *to, at, notes));
        }
        (Shape::TextTable, Value::Object(table)) => {
            let wrong = table.iter().filter(|(_, item)| !item.is_string());
            for (name, item) in wrong.take(NOTES_MAX + 1) {
                notes.add(step(at, name), expected(item, "text"));
            }
        }
        (Shape::WholeTable(from, to), Value::Object(table)) => {
            for (name, item) in table {
                if notes.is_full() {
                    break;
                }
                whole(item, *from, *to, &step(at, name), notes);
            }
        }
        (
            Shape::Table(fields) | Shape::TextOrTable(fields) | Shape::WordsOrTable(_, fields),
            Value::Object(table),
        ) => {
            prune(table, fields, at, notes);
            let is_one = table.len() == 1 && !table.values().any(Value::is_null);
            if matches!(shape, Shape::TextOrTable(_)) && notes.0.len() == before && !is_one {
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

fn words(shape: &Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Bool => "true or false".to_owned(),
        Shape::Whole(from, to) => format!("a whole number from {from} to {to}"),
        Shape::Number(from, to) => format!("a number from {from} to {to}"),
        Shape::Words(words) => words.join(" or "),
        Shape::Texts => "a list of texts".to_owned(),
        Shape::Wholes(..) => "a list of whole numbers".to_owned(),
        Shape::TextTable => "an object whose values are text".to_owned(),
        Shape::WholeTable(from, to) => {
            format!("an object whose values are whole numbers from {from} to {to}")
        }
        Shape::Table(fields) => format!("an object with {}", names(fields)),
        Shape::OneOrMore => "text or a whole number, or a list of them".to_owned(),
        Shape::WordsOrTable(words, fields) => {
            format!("{}, or an object with {}", words.join(" or "), names(fields))
        }
        Shape::TextOrTable(fields) => format!("text, or an object with {}", names(fields)),
    }
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| &*field.name).collect::<Vec<_>>().join(", ")
}
