//! The part of `ALTER TABLE` that changes the schema (spec, "Schema evolution").
//!
//! What must hold: files that are there read as before, with NULL in what is new. So a new column is optional and has an id
//! that no column had before; a type only becomes wider; a column that may be NULL stays so.

use std::sync::Arc;

use iceberg::spec::{FormatVersion, NestedField, NestedFieldRef, PrimitiveType, Schema, TableMetadata, Type};

use super::path::{Fields, change_field, change_struct, find, missing};
use super::refused;
use crate::engine::schema;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::select::types::is_promotion;
use crate::sql::{AddedColumn, ColumnAction, ColumnType, Position, TableChange};

/// What an error offers.
const PROMOTIONS: &str = "int to long, float to double, decimal(p, s) to decimal(more, s)";

/// The schema with the change; `None` if it is as it should be.
pub(super) fn changed(metadata: &TableMetadata, change: &TableChange) -> Result<Option<Schema>> {
    let schema = metadata.current_schema();
    let fields = schema.as_struct().fields();
    let mut identifiers: Vec<i32> = schema.identifier_field_ids().collect();
    let changed = match change {
        TableChange::AddColumns { columns, if_not_exists } => added(metadata, columns, *if_not_exists)?,
        TableChange::DropColumns { columns, if_exists } => dropped(schema, columns, *if_exists)?,
        TableChange::RenameColumn { column, to } => renamed(fields, column, to)?,
        TableChange::AlterColumn { column, actions } => altered(schema, column, actions)?,
        TableChange::SetIdentifierFields(columns) => {
            identifiers = columns.iter().map(|column| identifier(fields, column)).collect::<Result<_>>()?;
            fields.to_vec()
        }
        TableChange::DropIdentifierFields(columns) => {
            for column in columns {
                let id = find(fields, column)?.id;
                if !identifiers.contains(&id) {
                    let message = format!("`{}` is no identifier field", column.join("."));
                    return Err(Error::new(ErrorKind::NotFound, message));
                }
                identifiers.retain(|known| *known != id);
            }
            fields.to_vec()
        }
        _ => return Ok(None),
    };
    let before: std::collections::BTreeSet<_> = schema.identifier_field_ids().collect();
    if changed == fields && identifiers.iter().copied().collect::<std::collections::BTreeSet<_>>() == before {
        return Ok(None);
    }
    Schema::builder().with_fields(changed).with_identifier_field_ids(identifiers).build().map(Some).map_err(refused)
}

fn added(metadata: &TableMetadata, columns: &[AddedColumn], if_not_exists: bool) -> Result<Fields> {
    let mut fields = metadata.current_schema().as_struct().fields().to_vec();
    let mut next_id = metadata.last_column_id() + 1;
    for AddedColumn { parent, column, position } in columns {
        if column.required {
            let message =
                format!("the new column `{}` cannot be NOT NULL: rows that are there have no value", column.name);
            return Err(Error::new(ErrorKind::Sql, message).hint("add it without NOT NULL"));
        }
        let mut new = schema::fields(std::slice::from_ref(column), &mut next_id);
        check_version(metadata.format_version(), &new)?;
        fields = change_struct(&fields, parent, &mut |siblings| {
            if siblings.iter().any(|field| field.name == column.name) {
                return if if_not_exists { Ok(()) } else { Err(taken(&column.name)) };
            }
            siblings.append(&mut new);
            match position {
                Some(position) => move_to(siblings, &column.name, position),
                None => Ok(()),
            }
        })?;
    }
    Ok(fields)
}

fn taken(name: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("there is a column `{name}` already"))
}

/// Types that format 3 has brought.
fn check_version(version: FormatVersion, fields: &[NestedFieldRef]) -> Result<()> {
    let is_new = |of: &Type| matches!(of, Type::Primitive(PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs));
    let mut waiting: Vec<&Type> = fields.iter().map(|field| field.field_type.as_ref()).collect();
    while let Some(of) = waiting.pop() {
        if is_new(of) && version < FormatVersion::V3 {
            let message = format!("the type {of} needs format version 3, the table has {}", version as u8);
            return Err(Error::new(ErrorKind::Unsupported, message)
                .hint("ALTER TABLE … SET TBLPROPERTIES ('format-version' = '3') first"));
        }
        match of {
            Type::Primitive(_) => {}
            Type::Struct(inner) => waiting.extend(inner.fields().iter().map(|field| field.field_type.as_ref())),
            Type::List(list) => waiting.push(&list.element_field.field_type),
            Type::Map(map) => waiting.extend([map.key_field.field_type.as_ref(), map.value_field.field_type.as_ref()]),
        }
    }
    Ok(())
}

fn move_to(siblings: &mut Fields, name: &str, position: &Position) -> Result<()> {
    let from = siblings.iter().position(|field| field.name == name).ok_or_else(|| missing(siblings, name))?;
    let moved = siblings.remove(from);
    let to = match position {
        Position::First => 0,
        Position::After(after) if after == name => from,
        Position::After(after) => match siblings.iter().position(|field| field.name == *after) {
            Some(before) => before + 1,
            None => return Err(missing(siblings, after)),
        },
    };
    siblings.insert(to, moved);
    Ok(())
}

fn dropped(schema: &Schema, columns: &[Vec<String>], if_exists: bool) -> Result<Fields> {
    let mut fields = schema.as_struct().fields().to_vec();
    for column in columns {
        let field = match find(&fields, column) {
            Err(error) if if_exists && error.kind() == ErrorKind::NotFound => continue,
            found => found?,
        };
        let below = ids_below(field);
        if let Some(id) = schema.identifier_field_ids().find(|id| below.contains(id)) {
            let name = schema.name_by_field_id(id).unwrap_or_default();
            let message = format!("`{}` cannot be dropped: `{name}` is an identifier field", column.join("."));
            return Err(
                Error::new(ErrorKind::Sql, message).hint(format!("ALTER TABLE … DROP IDENTIFIER FIELDS {name} first"))
            );
        }
        let Some((name, parent)) = column.split_last() else { continue };
        fields = change_struct(&fields, parent, &mut |siblings| {
            siblings.retain(|field| field.name != *name);
            match siblings.is_empty() {
                true => Err(Error::new(
                    ErrorKind::Sql,
                    format!("`{}` cannot be dropped: nothing would be left", column.join(".")),
                )
                .hint(if parent.is_empty() {
                    "DROP TABLE drops the table"
                } else {
                    "drop the whole struct"
                })),
                false => Ok(()),
            }
        })?;
    }
    Ok(fields)
}

/// The ids of a column and all of its parts.
pub(super) fn ids_below(field: &NestedField) -> Vec<i32> {
    let mut ids = vec![field.id];
    let mut waiting = vec![field.field_type.as_ref()];
    while let Some(of) = waiting.pop() {
        let parts: Vec<&NestedFieldRef> = match of {
            Type::Primitive(_) => Vec::new(),
            Type::Struct(inner) => inner.fields().iter().collect(),
            Type::List(list) => vec![&list.element_field],
            Type::Map(map) => vec![&map.key_field, &map.value_field],
        };
        ids.extend(parts.iter().map(|part| part.id));
        waiting.extend(parts.iter().map(|part| part.field_type.as_ref()));
    }
    ids
}

fn renamed(fields: &[NestedFieldRef], column: &[String], to: &str) -> Result<Fields> {
    find(fields, column)?;
    let Some((name, parent)) = column.split_last() else { return Ok(fields.to_vec()) };
    change_struct(fields, parent, &mut |siblings| {
        if name != to && siblings.iter().any(|field| field.name == to) {
            return Err(taken(to));
        }
        for field in siblings.iter_mut().filter(|field| field.name == *name) {
            let mut renamed = field.as_ref().clone();
            renamed.name = to.to_string();
            *field = Arc::new(renamed);
        }
        Ok(())
    })
}

fn altered(schema: &Schema, column: &[String], actions: &[ColumnAction]) -> Result<Fields> {
    let mut fields = schema.as_struct().fields().to_vec();
    let name = column.join(".");
    for action in actions {
        find(&fields, column)?;
        fields = match action {
            ColumnAction::Move(position) => {
                let Some((last, parent)) = column.split_last() else { continue };
                change_struct(&fields, parent, &mut |siblings| move_to(siblings, last, position))?
            }
            ColumnAction::Type(wanted) => change_field(&fields, column, &mut |field| promote(field, &name, wanted))?,
            ColumnAction::Comment(comment) => change_field(&fields, column, &mut |field| {
                field.doc = Some(comment.clone());
                Ok(())
            })?,
            ColumnAction::SetNotNull => change_field(&fields, column, &mut |field| require(field, &name))?,
            ColumnAction::DropNotNull => change_field(&fields, column, &mut |field| {
                if schema.identifier_field_ids().any(|id| id == field.id) {
                    return Err(Error::new(
                        ErrorKind::Sql,
                        format!("`{name}` is an identifier field, which is NOT NULL"),
                    )
                    .hint(format!("ALTER TABLE … DROP IDENTIFIER FIELDS {name} first")));
                }
                field.required = false;
                Ok(())
            })?,
        };
    }
    Ok(fields)
}

/// Rows that are there may be NULL, and nobody looks at them: what Spark and Java refuse.
fn require(field: &mut NestedField, name: &str) -> Result<()> {
    if field.required {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, format!("`{name}` cannot become NOT NULL: rows that are there may be NULL"))
        .hint("CREATE TABLE another one with a NOT NULL column, and INSERT INTO it"))
}

fn promote(field: &mut NestedField, name: &str, wanted: &ColumnType) -> Result<()> {
    let to = schema::field_type(wanted, &mut 0);
    if *field.field_type == to {
        return Ok(());
    }
    if !is_promotion(&field.field_type, &to) {
        let message = format!("`{name}` cannot become {to} from {}", field.field_type);
        return Err(Error::new(ErrorKind::Unsupported, message).hint(format!("the changes of type are {PROMOTIONS}")));
    }
    *field.field_type = to;
    Ok(())
}

/// The id of a column that may identify rows.
fn identifier(fields: &[NestedFieldRef], column: &[String]) -> Result<i32> {
    let name = column.join(".");
    let error = |why: &str| Error::new(ErrorKind::Sql, format!("`{name}` cannot identify rows: {why}"));
    for depth in 1..=column.len() {
        let field = find(fields, column.get(..depth).unwrap_or_default())?;
        let is_last = depth == column.len();
        match field.field_type.as_ref() {
            Type::Primitive(PrimitiveType::Float | PrimitiveType::Double) => {
                return Err(error("it is a floating number"));
            }
            Type::Primitive(_) => {}
            Type::Struct(_) if !is_last => {}
            _ => {
                return Err(
                    error("it is, or lies in, a struct, list or map").hint("identifier fields are single values")
                );
            }
        }
        if !field.required {
            return Err(error(&format!("`{}` may be NULL", field.name)).hint("identifier fields are NOT NULL columns"));
        }
    }
    Ok(find(fields, column)?.id)
}
