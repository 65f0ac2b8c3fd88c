//! What is to be changed about jobs that wait: fields of a submit, read by its declaration and held to its rules.

use std::collections::BTreeSet;

use ostler_job::durable::{self, Edit};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{SchemaType, Type},
    },
};

use super::{
    Notes, build, checks,
    shape::{Field, Fielded, described},
    submit::Submit,
};

/// The fields of a submit that may be changed while a job waits, each with what takes it away; `None`: it stays, whatever it is.
const EDITABLE: &[(&str, Result<(), &str>)] = &[
    ("queue", Err("name a queue; default is the one of jobs that name none")),
    ("within", Ok(())),
    ("tags", Err("give an empty list for none")),
    ("retry", Err(r#"give {"attempts": 1} for none"#)),
    ("timeout", Ok(())),
    ("host", Ok(())),
    ("not_before", Ok(())),
];

/// New values of fields of a submit; null takes a value away.
#[derive(Debug)]
pub(crate) struct EditRequest {
    /// What is given, but for what is null.
    given: Submit,
    /// What is null.
    taken: BTreeSet<&'static str>,
}

impl<'de> Deserialize<'de> for EditRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Map::<String, Value>::deserialize(deserializer)?;
        let is_known = |name: &String| EDITABLE.iter().any(|(known, _)| known == name);
        if let Some(name) = fields.keys().find(|name| !is_known(name)) {
            return Err(D::Error::custom(format!("there is no field {name:?} to change")));
        }
        let is_null = |name: &&str| fields.get(*name).is_some_and(Value::is_null);
        let taken = EDITABLE.iter().map(|(name, _)| *name).filter(is_null).collect();
        let given = Submit::deserialize(Value::Object(fields)).map_err(D::Error::custom)?;
        Ok(Self { given, taken })
    }
}

impl PartialSchema for EditRequest {
    fn schema() -> RefOr<Schema> {
        let mut schema = Submit::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.properties.retain(|name, _| EDITABLE.iter().any(|(known, _)| known == name));
            for (name, removal) in EDITABLE {
                if let (Err(_), Some(schema)) = (removal, object.properties.get_mut(*name)) {
                    never_null(schema);
                }
            }
            object.required.clear();
            object.min_properties = Some(1);
            object.description =
                Some("New values; null takes a value away, where one need not be.".to_owned());
            object.example = Some(serde_json::json!({"queue": "nightly", "within": "2h"}));
        }
        schema
    }
}

impl ToSchema for EditRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "EditRequest".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Submit::schemas(schemas);
    }
}

impl Fielded for EditRequest {
    fn fields() -> &'static [Field] {
        static FIELDS: std::sync::OnceLock<Vec<Field>> = std::sync::OnceLock::new();
        FIELDS.get_or_init(described::<Self>)
    }
}

/// What it means, checked as a submit is.
pub(crate) fn read(request: EditRequest, at: &str, notes: &mut Notes) -> Edit {
    let mut own = Notes::default();
    let edit = edit(request, &mut own);
    notes.within(at, own);
    edit
}

fn edit(EditRequest { mut given, taken }: EditRequest, notes: &mut Notes) -> Edit {
    for (name, removal) in EDITABLE {
        if let (true, Err(cure)) = (taken.contains(name), removal) {
            notes.add(format!("/{name}"), format!("null is not allowed; {cure}"));
        }
    }
    given.host.iter().for_each(|host| checks::runner(host, "/host", notes));
    given.tags.iter().for_each(|tags| build::tags(tags, notes));
    let retry = given.retry.take();
    let retry = retry.map(|retry| build::retry(retry, &durable::Retry::default(), notes));
    let within = build::positive(given.within.take(), "/within", notes);
    let timeout = build::positive(given.timeout.take(), "/timeout", notes);
    let not_before = given.not_before.take().map(|it| it.0);
    let not_before = build::parsed(not_before, "/not_before", notes);
    let edit = Edit {
        queue: checks::queue(given.queue.as_deref(), "/queue", notes),
        within: or_none(within, taken.contains("within")),
        tags: given.tags,
        retry,
        timeout: or_none(timeout, taken.contains("timeout")),
        host: or_none(given.host, taken.contains("host")),
        not_before: or_none(not_before, taken.contains("not_before")),
    };
    if edit == Edit::default() && notes.0.is_empty() {
        let names: Vec<_> = EDITABLE.iter().map(|(name, _)| *name).collect();
        notes.add("", format!("names nothing to change; there are {}", names.join(", ")));
    }
    edit
}

/// What is given, or that it is taken away.
fn or_none<T>(given: Option<T>, is_taken: bool) -> Option<Option<T>> {
    match given {
        Some(given) => Some(Some(given)),
        None => is_taken.then_some(None),
    }
}

/// What the schema of an optional field says beside that it may be null.
fn never_null(schema: &mut RefOr<Schema>) {
    let is_null = |item: &RefOr<Schema>| matches!(item, RefOr::T(Schema::Object(it)) if it.schema_type == SchemaType::Type(Type::Null));
    let kind = match schema {
        RefOr::T(Schema::Object(object)) => &mut object.schema_type,
        RefOr::T(Schema::Array(array)) => &mut array.schema_type,
        RefOr::T(Schema::OneOf(one)) => return one.items.retain(|item| !is_null(item)),
        RefOr::T(_) | RefOr::Ref(_) => return,
    };
    if let SchemaType::Array(kinds) = kind {
        kinds.retain(|kind| *kind != Type::Null);
    }
}

/// The fields that may be changed.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    EDITABLE.iter().map(|(name, _)| *name)
}
