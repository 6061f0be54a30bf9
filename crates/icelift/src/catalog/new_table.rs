//! The first metadata of a table.

use std::collections::{BTreeMap, HashMap};

use iceberg::TableIdent;
use iceberg::spec::{
    FormatVersion, PartitionSpec, Schema, SortOrder, TableMetadata, TableMetadataBuilder, UnboundPartitionSpec,
};
use serde_json::json;

use crate::error::{Error, ErrorKind, Result, Stage};

/// A table to create.
#[derive(Debug, Clone)]
pub(crate) struct NewTable {
    pub ident: TableIdent,
    pub schema: Schema,
    /// Bound to `schema` by source field ids.
    pub partition_spec: UnboundPartitionSpec,
    /// How engines that write to the table should sort, by the ids of `schema`. Its files need not be sorted.
    pub sort_order: SortOrder,
    pub properties: BTreeMap<String, String>,
    pub location: Option<String>,
    /// Keep the ids of `schema`, as `LIKE` and `AS SELECT *` promise, instead of counting from 1.
    pub keep_field_ids: bool,
}

impl NewTable {
    /// The metadata of the table at `location`, without a snapshot.
    pub fn metadata(self, location: String) -> Result<TableMetadata> {
        let failed = |source: iceberg::Error| {
            Error::new(ErrorKind::Sql, format!("the table cannot be created: {}", source.message()))
                .stage(Stage::Catalog)
                .source(source)
        };
        let mut properties: HashMap<String, String> = self.properties.into_iter().collect();
        let version = format_version(properties.remove("format-version").as_deref())?;
        let spec = self.partition_spec;
        let order = self.sort_order;
        let keep = self.keep_field_ids.then(|| (self.schema.clone(), spec.clone(), order.clone()));
        let built = TableMetadataBuilder::new(self.schema, spec, order, location, version, properties)
            .and_then(TableMetadataBuilder::build)
            .map_err(failed)?
            .metadata;
        match keep {
            Some((schema, spec, order)) => with_field_ids(built, schema, spec, order),
            None => Ok(built),
        }
    }
}

#[cfg(test)]
impl NewTable {
    /// `n.t` with one column, for tests that are about something else.
    pub fn of_one_column() -> Self {
        use iceberg::spec::{NestedField, PrimitiveType, Type};
        let field = NestedField::optional(1, "a", Type::Primitive(PrimitiveType::Int));
        Self {
            ident: TableIdent::from_strs(["n", "t"]).unwrap(),
            schema: Schema::builder().with_fields([field.into()]).build().unwrap(),
            partition_spec: UnboundPartitionSpec::builder().build(),
            sort_order: SortOrder::unsorted_order(),
            properties: BTreeMap::new(),
            location: None,
            keep_field_ids: false,
        }
    }
}

fn format_version(property: Option<&str>) -> Result<FormatVersion> {
    match property {
        None | Some("2") => Ok(FormatVersion::V2),
        Some("1") => Ok(FormatVersion::V1),
        Some("3") => Ok(FormatVersion::V3),
        Some(other) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("`format-version` is `{other}`, tables can be written as 1, 2 or 3"),
        )),
    }
}

/// Puts the ids of `schema` back, which the builder of the `iceberg` crate always counts anew.
fn with_field_ids(
    built: TableMetadata,
    schema: Schema,
    spec: UnboundPartitionSpec,
    order: SortOrder,
) -> Result<TableMetadata> {
    let invalid = |source: serde_json::Error| {
        Error::new(ErrorKind::Internal, "the new table's metadata is not valid").stage(Stage::Catalog).source(source)
    };
    let foreign = |source: iceberg::Error| {
        Error::new(ErrorKind::Sql, "the partition spec does not fit the schema").stage(Stage::Catalog).source(source)
    };
    let schema = schema.into_builder().with_schema_id(0).build().map_err(foreign)?;
    let spec: PartitionSpec = spec.with_spec_id(0).bind(schema.clone()).map_err(foreign)?;
    let mut json = serde_json::to_value(&built).map_err(invalid)?;
    json["last-column-id"] = json!(schema.highest_field_id());
    json["schemas"] = json!([schema]);
    json["partition-specs"] = json!([spec]);
    json["sort-orders"] = json!([order.with_order_id(built.default_sort_order().order_id)]);
    if built.format_version() == FormatVersion::V1 {
        json["schema"] = json!(schema);
        json["partition-spec"] = json!(spec.fields());
    }
    serde_json::from_value(json).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use iceberg::TableIdent;
    use iceberg::spec::{
        NestedField, NullOrder, PrimitiveType, Schema, SortDirection, SortField, SortOrder, Transform, Type,
        UnboundPartitionSpec,
    };

    use super::NewTable;

    fn table(keep_field_ids: bool, version: &str) -> NewTable {
        let field = |id, name| Arc::new(NestedField::optional(id, name, Type::Primitive(PrimitiveType::Int)));
        let schema = Schema::builder().with_fields([field(7, "a"), field(3, "b")]).build().unwrap();
        let spec = UnboundPartitionSpec::builder().add_partition_field(3, "b", Transform::Identity).unwrap().build();
        let by_b = SortField::builder()
            .source_id(3)
            .transform(Transform::Identity)
            .direction(SortDirection::Descending)
            .null_order(NullOrder::Last)
            .build();
        NewTable {
            ident: TableIdent::from_strs(["n", "t"]).unwrap(),
            schema,
            partition_spec: spec,
            sort_order: SortOrder::builder().with_sort_field(by_b).build_unbound().unwrap(),
            properties: BTreeMap::from([("format-version".to_string(), version.to_string())]),
            location: None,
            keep_field_ids,
        }
    }

    #[test]
    fn field_ids_are_kept_or_counted() {
        for version in ["1", "2", "3"] {
            let kept = table(true, version).metadata("/x".into()).unwrap();
            assert_eq!(kept.current_schema().field_id_by_name("a"), Some(7));
            assert_eq!(kept.last_column_id(), 7);
            assert_eq!(kept.default_partition_spec().fields()[0].source_id, 3);
            assert_eq!(kept.last_partition_id(), 1000);
            assert_eq!((kept.default_sort_order_id(), kept.default_sort_order().fields[0].source_id), (1, 3));
            let counted = table(false, version).metadata("/x".into()).unwrap();
            assert_eq!(counted.current_schema().field_id_by_name("a"), Some(1));
            assert_eq!(counted.default_partition_spec().fields()[0].source_id, 2);
            assert_eq!((counted.default_sort_order_id(), counted.default_sort_order().fields[0].source_id), (1, 2));
        }
    }

    #[test]
    fn an_unknown_format_version_is_refused() {
        let error = table(false, "9").metadata("/x".into()).unwrap_err();
        assert_eq!(error.to_string(), "`format-version` is `9`, tables can be written as 1, 2 or 3");
    }
}
