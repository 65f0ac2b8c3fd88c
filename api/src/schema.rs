//! Shapes of fields that the macros of utoipa cannot say.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        self, ArrayBuilder, ObjectBuilder, RefOr, Schema, Type,
        schema::{AdditionalProperties, SchemaType},
    },
};

use ostler_job::durable::{QueueShape, ResourceMode};

use crate::auth;

pub(crate) fn nullable(of: Type) -> SchemaType {
    SchemaType::from_iter([of, Type::Null])
}

pub(crate) fn text(pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern))
}

pub(crate) const LABEL: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$";

pub(crate) fn argv() -> openapi::Array {
    let word = text("^[^\\u0000]*$").max_length(Some(8192));
    ArrayBuilder::new()
        .schema_type(nullable(Type::Array))
        .items(word)
        .prefix_items([Schema::from(text("^[^\\u0000]+$").max_length(Some(8192)).build())])
        .min_items(Some(1))
        .description(Some("A program and its arguments."))
        .build()
}

pub(crate) fn tags() -> openapi::Array {
    ArrayBuilder::new()
        .schema_type(nullable(Type::Array))
        .items(text(LABEL))
        .max_items(Some(32))
        .description(Some("Labels to find it by."))
        .build()
}

pub(crate) fn secrets() -> openapi::Array {
    ArrayBuilder::new()
        .schema_type(nullable(Type::Array))
        .items(text("^[A-Za-z_][A-Za-z0-9_]{0,127}$"))
        .description(Some("Names of secrets of the runner's own file that become variables."))
        .build()
}

pub(crate) fn exit_codes() -> openapi::Array {
    ArrayBuilder::new()
        .schema_type(nullable(Type::Array))
        .items(whole(255))
        .description(Some(
            "Only these exit statuses are worth a retry; every failure is unless given.",
        ))
        .build()
}

pub(crate) fn whole(to: u64) -> ObjectBuilder {
    // utoipa keeps bounds as floats unless they are written so.
    let to = i64::try_from(to).unwrap_or(i64::MAX);
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(to))
}

pub(crate) fn env() -> openapi::Object {
    ObjectBuilder::new()
        .schema_type(nullable(Type::Object))
        .property_names(Some(text("^[^=\\u0000-\\u001f\\u007f-\\u009f]+$").build()))
        .additional_properties(Some(AdditionalProperties::from(Schema::from(
            text("^[^\\u0000]*$").max_length(Some(8192)).build(),
        ))))
        .description(Some("Variables added to the runner's base environment."))
        .build()
}

pub(crate) fn resources() -> openapi::Object {
    let modes = ResourceMode::ALL.iter().filter_map(|mode| serde_json::to_value(mode).ok());
    let mode = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(modes));
    ObjectBuilder::new()
        .schema_type(nullable(Type::Object))
        .property_names(Some(text("^[^\\u0000-\\u001f\\u007f-\\u009f]{1,200}$").build()))
        .additional_properties(Some(AdditionalProperties::from(Schema::from(mode.build()))))
        .description(Some(
            "What it needs while it runs, by name: for itself, exclusive, or shared with others that share it; 32 at most.",
        ))
        .build()
}

pub(crate) fn tenant_weights() -> openapi::Object {
    let text = "Shares of tenants that differ from 1, beside the other tenants of the queue; 1000 tenants at most.";
    by_tenant(QueueShape::WEIGHT_MAX, text)
}

pub(crate) fn tenant_caps() -> openapi::Object {
    let text = "The same of tenants that it is another number for; 1000 tenants at most.";
    by_tenant(QueueShape::COUNT_MAX, text)
}

fn by_tenant(max: u32, told: &str) -> openapi::Object {
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(i64::from(max)));
    ObjectBuilder::new()
        .schema_type(nullable(Type::Object))
        .property_names(Some(text(LABEL).build()))
        .additional_properties(Some(AdditionalProperties::from(Schema::from(number.build()))))
        .description(Some(told))
        .build()
}

pub(crate) fn selectors() -> openapi::Array {
    const LABEL: &str = "[a-z0-9._-]{1,64}=[A-Za-z0-9._:/+@-]{1,128}";
    let pattern = format!("^({LABEL}(,{LABEL})*|runner:[A-Za-z0-9][A-Za-z0-9._-]{{0,63}})$");
    ArrayBuilder::new()
        .schema_type(nullable(Type::Array))
        .items(text(&pattern))
        .max_items(Some(QueueShape::ATTACH_MAX))
        .description(Some("The runners that its jobs may go to: those that have all labels of one of these, or a name that is here. Unless given, all of them."))
        .build()
}

pub(crate) fn ids() -> openapi::Array {
    ArrayBuilder::new()
        .schema_type(nullable(Type::Array))
        .items(whole((1 << 53) - 1))
        .max_items(Some(10_000))
        .build()
}

pub(crate) fn scopes() -> openapi::Array {
    let scope = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(auth::SCOPES.iter().copied()));
    ArrayBuilder::new().items(scope).min_items(Some(1)).build()
}

/// Labels of runners that are asked for.
pub(crate) struct WantedLabels;

impl PartialSchema for WantedLabels {
    fn schema() -> RefOr<Schema> {
        let label = text("^[a-z0-9._-]{1,64}=[A-Za-z0-9._:/@+-]{1,128}$");
        ArrayBuilder::new().items(label).build().into()
    }
}

impl ToSchema for WantedLabels {}
