//! Columns: those that are missing, of another type, or described in another way.

use std::collections::HashSet;

use iceberg::spec::{FormatVersion, NestedFieldRef, PrimitiveType, Schema, TableMetadata, Transform, Type};

use super::{Finding, Level, listed};

pub(super) fn lint(source: &Schema, target: &TableMetadata) -> Vec<Finding> {
    let mut findings = impossible(target);
    let after = target.current_schema();
    let (mut renumbered, mut comments, mut optional, mut defaults) = (vec![], vec![], vec![], vec![]);
    for (name, field) in named(source) {
        let Some(found) = after.field_by_name(&name) else {
            // A field whose parent is missing is missing with it.
            if name.rsplit_once('.').is_none_or(|(parent, _)| after.field_by_name(parent).is_some()) {
                findings.push(Finding::new(Level::Lost, &*name, "the target has no column of this name"));
            }
            continue;
        };
        let (from, to) = (kind(&field.field_type), kind(&found.field_type));
        if from != to {
            findings.push(Finding::new(Level::Changed, &*name, format!("{from} becomes {to}")));
        }
        let lost_default = field.write_default.is_some() && found.write_default != field.write_default;
        for (list, is_meant) in [
            (&mut renumbered, field.id != found.id),
            (&mut comments, field.doc.is_some() && found.doc != field.doc),
            (&mut optional, field.required && !found.required),
            (&mut defaults, lost_default),
        ] {
            if is_meant {
                list.push(name.clone());
            }
        }
    }
    let identifiers = |schema: &Schema| -> HashSet<String> {
        schema.identifier_field_ids().filter_map(|id| schema.name_by_field_id(id)).map(str::to_string).collect()
    };
    let (before, now) = (identifiers(source), identifiers(after));
    let mut lost_identifiers: Vec<_> = before.difference(&now).cloned().collect();
    lost_identifiers.sort_unstable();
    for (level, subject, names, what) in [
        (Level::Changed, "field ids", renumbered, "the target has others for"),
        (Level::Lost, "comments", comments, "the target has none or others for"),
        (Level::Changed, "required columns", optional, "the target takes NULL in"),
        (Level::Lost, "write defaults", defaults, "the target has none or others for"),
        (Level::Lost, "identifier fields", lost_identifiers, "in the target no row is identified by"),
    ] {
        if !names.is_empty() {
            findings.push(Finding::new(level, subject, format!("{what} {}", listed(names.iter()))));
        }
    }
    findings
}

/// What the target's own schema and partitions cannot be.
fn impossible(target: &TableMetadata) -> Vec<Finding> {
    let (schema, version) = (target.current_schema(), target.format_version());
    let mut findings = Vec::new();
    for (name, field) in named(schema) {
        let nanoseconds = matches!(
            field.field_type.as_primitive_type(),
            Some(PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs)
        );
        if nanoseconds && version != FormatVersion::V3 {
            let version = version as u8;
            let message = format!(
                "format version {version} has no {}; create the target with 'format-version' = '3', or CAST",
                field.field_type
            );
            findings.push(Finding::new(Level::Refused, name, message));
        }
    }
    for field in target.default_partition_spec().fields() {
        let source = schema.field_by_id(field.source_id).and_then(|source| source.field_type.as_primitive_type());
        if field.transform == Transform::Identity && source == Some(&PrimitiveType::Uuid) {
            let message = "a UUID cannot be a partition by itself; partition by bucket(n, column)";
            findings.push(Finding::new(Level::Refused, &field.name, message));
        }
    }
    findings
}

/// All fields with their full names, parents before their parts, in the order of the schema.
fn named(schema: &Schema) -> Vec<(String, NestedFieldRef)> {
    fn add(schema: &Schema, field: &NestedFieldRef, all: &mut Vec<(String, NestedFieldRef)>) {
        all.push((schema.name_by_field_id(field.id).unwrap_or(&field.name).to_string(), field.clone()));
        match field.field_type.as_ref() {
            Type::Primitive(_) => {}
            Type::Struct(inner) => inner.fields().iter().for_each(|field| add(schema, field, all)),
            Type::List(list) => add(schema, &list.element_field, all),
            Type::Map(map) => [&map.key_field, &map.value_field].into_iter().for_each(|field| add(schema, field, all)),
        }
    }
    let mut all = Vec::new();
    schema.as_struct().fields().iter().for_each(|field| add(schema, field, &mut all));
    all
}

/// The type without its parts, which are compared by themselves.
fn kind(of: &Type) -> String {
    match of {
        Type::Primitive(primitive) => primitive.to_string(),
        Type::Struct(_) => "a struct".to_string(),
        Type::List(_) => "a list".to_string(),
        Type::Map(_) => "a map".to_string(),
    }
}
