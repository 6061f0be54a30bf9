//! Brings the columns of a target that exists up to those of the query: `merge_schema`.
//!
//! Only what Iceberg calls safe is done (spec, "Schema evolution"): optional columns are added, types become wider. Rows that
//! are there read as before, with NULL in what is new. Anything else is refused with the difference.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::Fields;
use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, Schema, StructType, Type};
use iceberg::{TableRequirement, TableUpdate};

use crate::catalog::{Author, Catalog, CommitOutcome, CommitRequest, IcebergTable, Table};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::select::types::is_promotion;
use crate::pipeline::select::{assignable, types};

/// How the schema of a target changes.
#[derive(Debug, Clone)]
pub(crate) struct Evolution {
    schema: Schema,
    /// What is done, as a person would say it.
    pub changes: Vec<String>,
}

impl Evolution {
    /// What the target lacks to take the query's columns; `None` if nothing.
    ///
    /// # Errors
    /// Columns whose types do not go together.
    pub fn new(columns: &Fields, target: &IcebergTable) -> Result<Option<Self>> {
        let schema = target.table.metadata.current_schema();
        let nanoseconds = target.table.metadata.format_version() as u8 >= 3;
        let query = types::iceberg_schema(columns, nanoseconds)?;
        let known = datafusion::catalog::TableProvider::schema(target);
        let mut fields: Vec<NestedFieldRef> = schema.as_struct().fields().to_vec();
        let (mut changes, mut refused) = (Vec::new(), Vec::new());
        let mut next_id = target.table.metadata.last_column_id();
        for (column, wanted) in columns.iter().zip(query.as_struct().fields()) {
            let Some(place) = fields.iter().position(|field| field.name == wanted.name) else {
                changes.push(format!("`{}` {} is added", wanted.name, wanted.field_type));
                fields.push(Arc::new(added(wanted, &mut next_id)));
                continue;
            };
            let Some(field) = fields.get(place) else { continue };
            let there = known.field_with_name(&field.name).map(|field| field.data_type().clone());
            if there.is_ok_and(|there| assignable(column.data_type(), &there)) {
                continue;
            }
            if is_promotion(&field.field_type, &wanted.field_type) {
                changes.push(format!("`{}` becomes {} from {}", field.name, wanted.field_type, field.field_type));
                let mut wider = field.as_ref().clone();
                wider.field_type = wanted.field_type.clone();
                if let Some(slot) = fields.get_mut(place) {
                    *slot = Arc::new(wider);
                }
            } else {
                let (from, to) = (&wanted.field_type, &field.field_type);
                refused.push(format!("`{}` is {from} in the query and {to} in the table", field.name));
            }
        }
        if !refused.is_empty() {
            return Err(mismatch(target, &refused)
                .hint("cast in the SELECT, as in CAST(a AS INT) AS a, or migrate into another table"));
        }
        if changes.is_empty() {
            return Ok(None);
        }
        let identifiers: Vec<i32> = schema.identifier_field_ids().collect();
        let built = Schema::builder().with_fields(fields).with_identifier_field_ids(identifiers).build();
        let schema = built.map_err(|source| mismatch(target, &changes).source(source))?;
        Ok(Some(Self { schema, changes }))
    }

    /// Fails unless the statement allows the change.
    pub fn check(&self, target: &IcebergTable, merge_schema: bool) -> Result<()> {
        if merge_schema {
            return Ok(());
        }
        Err(mismatch(target, &self.changes).hint("WITH (merge_schema = true) makes these changes"))
    }

    /// Commits the change. Returns the table behind it.
    ///
    /// # Errors
    /// Those of a commit. Nothing is changed then, or it is not known.
    pub async fn commit(&self, catalog: &Arc<dyn Catalog>, table: &Table, author: Author) -> Result<Table> {
        let now = &table.metadata;
        let request = CommitRequest {
            create: None,
            requirements: vec![
                TableRequirement::UuidMatch { uuid: now.uuid() },
                TableRequirement::CurrentSchemaIdMatch { current_schema_id: now.current_schema_id() },
                TableRequirement::LastAssignedFieldIdMatch { last_assigned_field_id: now.last_column_id() },
            ],
            updates: vec![
                TableUpdate::AddSchema { schema: self.schema.clone() },
                TableUpdate::SetCurrentSchema { schema_id: -1 },
            ],
            author: Some(author),
        };
        let failed = match catalog.commit(&table.name.ident, request).await {
            CommitOutcome::Landed => None,
            CommitOutcome::NotLanded(error) => return Err(error),
            CommitOutcome::Unknown(error) => Some(error),
        };
        let table = catalog.load_table(&table.name.ident).await?;
        let is_there = table.metadata.current_schema().as_struct() == self.schema.as_struct();
        match failed {
            Some(error) if !is_there => Err(error),
            _ => Ok(table),
        }
    }
}

fn mismatch(target: &IcebergTable, differences: &[String]) -> Error {
    let mut message = "the table's columns are not those of the query: ".to_string();
    let _ = write!(message, "{}", differences.join("; "));
    Error::new(ErrorKind::SchemaMismatch, message).place(Stage::Catalog, &target.table.name)
}

/// The column as a new one of the table: optional, with ids that no column had before.
fn added(field: &NestedField, next_id: &mut i32) -> NestedField {
    *next_id += 1;
    let id = *next_id;
    let copy = NestedField::optional(id, &field.name, renumbered(&field.field_type, next_id));
    match &field.doc {
        Some(doc) => copy.with_doc(doc),
        None => copy,
    }
}

fn renumbered(of: &Type, next_id: &mut i32) -> Type {
    let mut part = |field: &NestedField| {
        *next_id += 1;
        let id = *next_id;
        let mut copy = NestedField::new(id, &field.name, renumbered(&field.field_type, next_id), field.required);
        copy.doc.clone_from(&field.doc);
        Arc::new(copy)
    };
    match of {
        Type::Primitive(primitive) => Type::Primitive(primitive.clone()),
        Type::Struct(inner) => Type::Struct(StructType::new(inner.fields().iter().map(|it| part(it)).collect())),
        Type::List(list) => Type::List(ListType::new(part(&list.element_field))),
        Type::Map(map) => {
            let key = part(&map.key_field);
            Type::Map(MapType::new(key, part(&map.value_field)))
        }
    }
}
