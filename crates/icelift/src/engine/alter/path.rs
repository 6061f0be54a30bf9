//! Finds and changes one column by its path, at any depth: `a.b`, `list.element.x`, `map.value.x`.

use std::sync::Arc;

use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, StructType, Type};

use crate::error::{Error, ErrorKind, Result};

/// The columns of a table or the fields of a struct.
pub(super) type Fields = Vec<NestedFieldRef>;

/// The fields with the one at `path` changed.
///
/// # Errors
/// A path that leads nowhere, and those of the change.
pub(super) fn change_field(
    fields: &[NestedFieldRef],
    path: &[String],
    change: &mut dyn FnMut(&mut NestedField) -> Result<()>,
) -> Result<Fields> {
    let Some((first, rest)) = path.split_first() else { return Ok(fields.to_vec()) };
    let mut fields = fields.to_vec();
    let Some(slot) = fields.iter_mut().find(|field| field.name == *first) else { return Err(missing(&fields, first)) };
    *slot = changed(slot, rest, change)?;
    Ok(fields)
}

/// The fields with those of the struct at `path` changed; the empty path is the table itself.
///
/// # Errors
/// A path that leads to no struct, and those of the change.
pub(super) fn change_struct(
    fields: &[NestedFieldRef],
    path: &[String],
    change: &mut dyn FnMut(&mut Fields) -> Result<()>,
) -> Result<Fields> {
    if path.is_empty() {
        let mut fields = fields.to_vec();
        change(&mut fields)?;
        return Ok(fields);
    }
    change_field(fields, path, &mut |field| {
        let Type::Struct(inner) = field.field_type.as_ref() else { return Err(no_struct(path, &field.field_type)) };
        let mut inner = inner.fields().to_vec();
        change(&mut inner)?;
        *field.field_type = Type::Struct(StructType::new(inner));
        Ok(())
    })
}

/// The field itself if the path ends here, else the one below it.
fn changed(
    field: &NestedFieldRef,
    path: &[String],
    change: &mut dyn FnMut(&mut NestedField) -> Result<()>,
) -> Result<NestedFieldRef> {
    let mut field = field.as_ref().clone();
    let Some((first, rest)) = path.split_first() else {
        change(&mut field)?;
        return Ok(Arc::new(field));
    };
    let below = match field.field_type.as_ref() {
        Type::Struct(inner) => Type::Struct(StructType::new(change_field(inner.fields(), path, change)?)),
        Type::List(list) if first == "element" => {
            Type::List(ListType::new(changed(&list.element_field, rest, change)?))
        }
        Type::Map(map) if first == "value" => {
            Type::Map(MapType::new(Arc::clone(&map.key_field), changed(&map.value_field, rest, change)?))
        }
        Type::Map(_) if first == "key" => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the keys of the map `{}` cannot change", field.name),
            )
            .hint("two keys could become one; write the map into a new column"));
        }
        other => {
            let message = format!("`{}` is a {}, it has no part `{first}`", field.name, kind(other));
            return Err(Error::new(ErrorKind::NotFound, message).hint(parts(other, &field.name)));
        }
    };
    *field.field_type = below;
    Ok(Arc::new(field))
}

/// The column at `path`.
pub(super) fn find<'a>(fields: &'a [NestedFieldRef], path: &[String]) -> Result<&'a NestedFieldRef> {
    let (first, rest) = path.split_first().ok_or_else(|| missing(fields, ""))?;
    let mut field = fields.iter().find(|field| field.name == *first).ok_or_else(|| missing(fields, first))?;
    for part in rest {
        field = match field.field_type.as_ref() {
            Type::Struct(inner) => {
                let inner = inner.fields();
                inner.iter().find(|field| field.name == *part).ok_or_else(|| missing(inner, part))?
            }
            Type::List(list) if part == "element" => &list.element_field,
            Type::Map(map) if part == "value" => &map.value_field,
            Type::Map(map) if part == "key" => &map.key_field,
            other => {
                let message = format!("`{}` is a {}, it has no part `{part}`", field.name, kind(other));
                return Err(Error::new(ErrorKind::NotFound, message).hint(parts(other, &field.name)));
            }
        };
    }
    Ok(field)
}

/// The error for a column that is not there.
pub(super) fn missing(siblings: &[NestedFieldRef], name: &str) -> Error {
    let known: Vec<_> = siblings.iter().map(|field| format!("`{}`", field.name)).collect();
    let mut hint = format!("the columns are {}", known.join(", "));
    if siblings.iter().any(|field| field.name.eq_ignore_ascii_case(name)) {
        hint.push_str("; names with capitals need double quotes");
    }
    Error::new(ErrorKind::NotFound, format!("there is no column `{name}`")).hint(hint)
}

fn no_struct(path: &[String], found: &Type) -> Error {
    let name = path.join(".");
    let message = format!("`{name}` is a {}, it has no fields", kind(found));
    Error::new(ErrorKind::Sql, message).hint(parts(found, &name))
}

fn kind(of: &Type) -> String {
    match of {
        Type::Struct(_) => "struct".to_string(),
        Type::List(_) => "list".to_string(),
        Type::Map(_) => "map".to_string(),
        Type::Primitive(primitive) => primitive.to_string(),
    }
}

fn parts(of: &Type, name: &str) -> String {
    match of {
        Type::List(_) => format!("the elements are `{name}.element`"),
        Type::Map(_) => format!("the values are `{name}.value`"),
        _ => "only structs, lists and maps have parts".to_string(),
    }
}
