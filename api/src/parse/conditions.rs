//! Which jobs are meant: the conditions of a list's query and of a bulk action's body, declared once for both.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{
    IntoParams, PartialSchema as _, ToSchema,
    openapi::{
        Array, ArrayBuilder, KnownFormat, ObjectBuilder, RefOr, Required, Schema, SchemaFormat,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::{AnyOfBuilder, SchemaType, Type},
    },
};

use super::{
    shape::{Fielded as _, Shape, fielded},
    states,
    words::JobReason,
};
use crate::schema::{LABEL, nullable, text, whole};

/// The conditions of `GET /v1/jobs` by the same names; an empty object means all jobs.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FilterRequest)]
pub(crate) struct Conditions {
    #[schema(schema_with = states)]
    state: Option<OneOrMore>,
    /// Of this tenant.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$")]
    tenant: Option<String>,
    /// In this queue.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    queue: Option<String>,
    /// That are firings of this schedule.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    schedule: Option<String>,
    #[schema(schema_with = tags)]
    tag: Option<OneOrMore>,
    /// That are called so; with `*` at the end, whatever begins so.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,129}$")]
    name: Option<String>,
    /// Of this identity.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}$")]
    identity: Option<String>,
    /// That this runner has or had last.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$")]
    runner: Option<String>,
    /// That this runner alone may run.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$")]
    host: Option<String>,
    /// Whose command was given this user to run as.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$")]
    user: Option<String>,
    #[schema(schema_with = reasons)]
    reason: Option<OneOrMore>,
    #[schema(schema_with = exit_status)]
    exit_status: Option<OneOrMore>,
    #[schema(schema_with = since)]
    since: Option<String>,
    #[schema(schema_with = until)]
    until: Option<String>,
    #[schema(schema_with = finished_since)]
    finished_since: Option<String>,
    #[schema(schema_with = finished_until)]
    finished_until: Option<String>,
    /// With this in the name, the command line or the arguments.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}$")]
    text: Option<String>,
    #[schema(schema_with = ids)]
    id: Option<OneOrMore>,
}

fielded!(Conditions);

/// One value, or a list of them.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    One(Plain),
    More(Vec<Plain>),
}

/// A number, or the same as text.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Plain {
    Number(u64),
    Text(String),
}

impl Conditions {
    /// The names of all of them.
    pub(crate) fn names() -> &'static [&'static str] {
        static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
        NAMES.get_or_init(|| Self::fields().iter().map(|field| &*field.name).collect())
    }

    /// As a query has them, and the names of lists that are empty: one that somebody computed, and that came out empty, means no
    /// job and not every one.
    pub(crate) fn pairs(&self) -> (Vec<(String, String)>, Vec<String>) {
        let value = serde_json::to_value(self).unwrap_or_default();
        let (mut pairs, mut empty) = (Vec::new(), Vec::new());
        for (name, value) in value.as_object().into_iter().flatten() {
            match value {
                Value::Null => {}
                Value::Array(items) if items.is_empty() => empty.push(name.clone()),
                Value::Array(items) => {
                    pairs.extend(items.iter().map(|item| (name.clone(), plain(item))));
                }
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                    pairs.push((name.clone(), plain(value)));
                }
            }
        }
        (pairs, empty)
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a condition may be there several times.
pub(crate) fn may_repeat(name: &str) -> bool {
    let field = Conditions::fields().iter().find(|field| field.name == name);
    field.is_some_and(|field| matches!(field.shape, Shape::OneOrMore)) && name != "exit_status"
}

/// In a query, a list is the name repeated.
impl IntoParams for Conditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let RefOr::T(Schema::Object(object)) = Self::schema() else { return Vec::new() };
        let parameter = |(name, schema): (String, RefOr<Schema>)| {
            let (schema, description) = of_query(&name, schema);
            let repeated = may_repeat(&name).then_some(true);
            let example = (name == "exit_status").then(|| Value::from("!0"));
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(description);
            parameter.schema(Some(schema)).explode(repeated).example(example).build()
        };
        object.properties.into_iter().map(parameter).collect()
    }
}

/// A schema without null, as a list where there may be one, and what it says.
fn of_query(name: &str, schema: RefOr<Schema>) -> (RefOr<Schema>, Option<String>) {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.schema_type = SchemaType::Type(Type::String);
            let told = object.description.take();
            (object.into(), told)
        }
        RefOr::T(Schema::AnyOf(mut any)) => {
            let told = any.description.take();
            any.items.retain(|item| !is_null(item));
            let list = any.items.iter().position(|item| matches!(item, RefOr::T(Schema::Array(_))));
            match list.filter(|_| may_repeat(name)).map(|list| any.items.swap_remove(list)) {
                Some(RefOr::T(Schema::Array(mut list))) => {
                    (list.schema_type, list.min_items) = (SchemaType::Type(Type::Array), None);
                    (list.into(), told)
                }
                _ if name == "exit_status" => (any.items.swap_remove(0), told),
                _ => (RefOr::T(Schema::AnyOf(any)), told),
            }
        }
        other @ (RefOr::Ref(_) | RefOr::T(_)) => (other, None),
    }
}

fn is_null(item: &RefOr<Schema>) -> bool {
    let null = SchemaType::Type(Type::Null);
    matches!(item, RefOr::T(Schema::Object(object)) if object.schema_type == null)
}

/// One, or a list of them.
fn one_or_more(about: &str, one: Vec<Schema>, items: Schema, most: Option<usize>) -> Schema {
    let list: Array = ArrayBuilder::new()
        .schema_type(nullable(Type::Array))
        .items(RefOr::T(items))
        .min_items(Some(1))
        .max_items(most)
        .build();
    let any = one.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
    Schema::AnyOf(any.item(Schema::Array(list)).description(Some(about)).build())
}

fn states() -> Schema {
    let words: Vec<_> = states::words().collect();
    let one = words.join("|");
    let several = text(&format!("^({one})(,({one}))*$")).build();
    let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build();
    let about = "States, repeated or as a list with commas; besides the states there are `waiting`, `active`, `unfinished`, `finished`, `failed`.";
    one_or_more(about, vec![several.into()], word.into(), None)
}

fn reasons() -> Schema {
    let words: Vec<_> = JobReason::words().collect();
    let one = words.join("|");
    let several = text(&format!("^({one})(,({one}))*$")).build();
    let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build();
    let about = "That ended for one of these reasons, or, in lists alone, that wait for one of these, repeated or as a list with commas.";
    one_or_more(about, vec![several.into()], word.into(), None)
}

fn tags() -> Schema {
    let about = "With this tag; repeated: with all of them.";
    one_or_more(about, vec![text(LABEL).build().into()], text(LABEL).build().into(), Some(32))
}

fn ids() -> Schema {
    let ranges = text("^[0-9]{1,16}(-[0-9]{0,16})?(,[0-9]{1,16}(-[0-9]{0,16})?)*$").build();
    let one = vec![Schema::from(ranges), whole((1 << 53) - 1).build().into()];
    let item = one.iter().cloned().fold(AnyOfBuilder::new(), AnyOfBuilder::item).build();
    let about = "One of these ids, or from one to another: `7`, `5-90`, `5-`; repeated or as a list with commas; at most 1000 of them.";
    one_or_more(about, one, Schema::AnyOf(item), Some(1000))
}

fn exit_status() -> Schema {
    let status = text("^!?0*(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$").build();
    let one = vec![status.clone().into(), whole(255).build().into()];
    let about = "Whose last exit status is this, or with `!` any other or a signal.";
    one_or_more(about, one, status.into(), Some(1))
}

fn since() -> Schema {
    when("Submitted at this time or later: RFC 3339, or a duration for so long ago.")
}

fn until() -> Schema {
    when("Submitted before this time, or so long ago.")
}

fn finished_since() -> Schema {
    when("Finished at this time or later, or so long ago or less.")
}

fn finished_until() -> Schema {
    when("Finished before this time, or longer ago.")
}

/// A moment, or a duration for so long ago.
fn when(about: &str) -> Schema {
    let ago = text("^([0-9]{1,12}ms|[0-9]{1,9}s|[0-9]{1,7}m|[0-9]{1,6}h|[0-9]{1,4}d)$").build();
    let at = text("^(19[7-9][1-9]|[2-9][0-9]{3})-")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .build();
    let none = ObjectBuilder::new().schema_type(Type::Null).build();
    let any = AnyOfBuilder::new().item(ago).item(at).item(none);
    Schema::AnyOf(any.description(Some(about)).build())
}
