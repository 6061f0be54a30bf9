//! How the columns of a file are laid down: what all row groups of one file must have in common.

use parquet::basic::{Repetition, Type as PhysicalType};
use parquet::errors::Result as ParquetResult;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};
use std::sync::Arc;

/// The physical schema of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout {
    pub schema: SchemaDescPtr,
    /// Whether the file has an index of its pages. Parquet has it for all columns or for none.
    pub page_index: bool,
}

impl Layout {
    pub fn new(schema: TypePtr, page_index: bool) -> Self {
        Self { schema: Arc::new(SchemaDescriptor::new(schema)), page_index }
    }

    /// The root of a schema with these columns.
    pub fn with_columns(root: &Type, columns: Vec<TypePtr>, page_index: bool) -> ParquetResult<Self> {
        let schema = Type::group_type_builder(root.name()).with_fields(columns).build()?;
        Ok(Self::new(Arc::new(schema), page_index))
    }
}

/// The column of a table as chunks hold it that were written as `found`: names, ids and logical types are the table's, what
/// decides how bytes are read stays. `None` where the bytes mean something else in the table, or may hold a NULL that it does
/// not allow.
///
/// That the values mean the same, precision and unit among them, is for the caller to see: here it is only how they lie.
pub(super) fn described(wanted: &Type, found: &Type) -> Option<TypePtr> {
    let repetition = repetition(wanted, found)?;
    let info = wanted.get_basic_info();
    let id = info.has_id().then(|| info.id());
    let built = match (wanted, found) {
        (
            Type::PrimitiveType { physical_type, type_length, scale, precision, .. },
            Type::PrimitiveType { physical_type: found_type, type_length: found_length, .. },
        ) => {
            let is_fixed = *physical_type == PhysicalType::FIXED_LEN_BYTE_ARRAY;
            if physical_type != found_type || (is_fixed && type_length != found_length) {
                return None;
            }
            Type::primitive_type_builder(info.name(), *physical_type)
                .with_repetition(repetition)
                .with_logical_type(info.logical_type_ref().cloned())
                .with_converted_type(info.converted_type())
                .with_length(*type_length)
                .with_precision(*precision)
                .with_scale(*scale)
                .with_id(id)
                .build()
        }
        (Type::GroupType { fields, .. }, Type::GroupType { fields: found_fields, .. }) => {
            if fields.len() != found_fields.len() || is_list_or_map(wanted) != is_list_or_map(found) {
                return None;
            }
            let parts = fields.iter().zip(found_fields).map(|(wanted, found)| described(wanted, found));
            Type::group_type_builder(info.name())
                .with_repetition(repetition)
                .with_logical_type(info.logical_type_ref().cloned())
                .with_converted_type(info.converted_type())
                .with_fields(parts.collect::<Option<_>>()?)
                .with_id(id)
                .build()
        }
        _ => return None,
    };
    built.ok().map(Arc::new)
}

fn repetition(wanted: &Type, found: &Type) -> Option<Repetition> {
    let (wanted, found) = (wanted.get_basic_info().repetition(), found.get_basic_info().repetition());
    match (wanted, found) {
        (Repetition::REPEATED, Repetition::REPEATED) => Some(found),
        (Repetition::REPEATED, _) | (_, Repetition::REPEATED) => None,
        (Repetition::REQUIRED, Repetition::OPTIONAL) => None,
        _ => Some(found),
    }
}

fn is_list_or_map(group: &Type) -> (bool, bool) {
    use parquet::basic::{ConvertedType, LogicalType};
    let info = group.get_basic_info();
    let converted = info.converted_type();
    let list = matches!(info.logical_type_ref(), Some(LogicalType::List)) || converted == ConvertedType::LIST;
    let map = matches!(info.logical_type_ref(), Some(LogicalType::Map))
        || matches!(converted, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE);
    (list, map)
}

#[cfg(test)]
mod tests {
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::Type;

    use super::described;

    fn column(words: &str) -> Type {
        let root = parse_message_type(&format!("message t {{ {words} }}")).unwrap();
        root.get_fields()[0].as_ref().clone()
    }

    fn laid_down(wanted: &str, found: &str) -> Option<Type> {
        described(&column(wanted), &column(found)).map(|it| it.as_ref().clone())
    }

    #[test]
    fn names_and_ids_are_the_tables_and_levels_the_files() {
        let new = laid_down("optional int32 new = 7;", "required int32 old = 3;").unwrap();
        assert_eq!(new, column("required int32 new = 7;"));
        let list = |words: &str, name: &str, part: &str| {
            format!("{words} group {name} (LIST) = 1 {{ repeated group {part} {{ optional int32 element = 2; }} }}")
        };
        let new = laid_down(&list("optional", "a", "list"), &list("required", "b", "bag")).unwrap();
        assert_eq!(new, column(&list("required", "a", "list")));
    }

    #[test]
    fn what_would_be_read_otherwise_does_not_fit() {
        assert!(laid_down("required int32 a;", "optional int32 a;").is_none());
        assert!(laid_down("optional int64 a;", "optional int32 a;").is_none());
        assert!(laid_down("optional fixed_len_byte_array(16) a;", "optional fixed_len_byte_array(4) a;").is_none());
        let three_levels = "optional group a (LIST) { repeated group list { optional int32 element; } }";
        assert!(laid_down(three_levels, "optional group a (LIST) { repeated int32 element; }").is_none());
        assert!(
            laid_down(
                "optional group a { optional int32 b; }",
                "optional group a { required int32 b; optional int32 c; }"
            )
            .is_none()
        );
    }
}
