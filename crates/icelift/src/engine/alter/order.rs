//! The part of `ALTER TABLE` that changes how engines are asked to sort what they write.

use std::collections::HashMap;

use iceberg::spec::{NullOrder, SortDirection, SortField, SortOrder, TableMetadata, TableMetadataBuilder};

use super::partition::source;
use super::refused;
use crate::error::Result;
use crate::sql::{Distribution, OrderField};

const DISTRIBUTION_MODE: &str = "write.distribution-mode";

/// Sets order and distribution; no `fields` leave the order as it is, an empty list is no order.
pub(super) fn change(
    builder: TableMetadataBuilder,
    metadata: &TableMetadata,
    fields: Option<&[OrderField]>,
    distribution: Distribution,
) -> Result<TableMetadataBuilder> {
    let mut builder = builder;
    if let Some(fields) = fields {
        let sort_fields = fields.iter().map(|field| {
            Ok(SortField {
                source_id: source(metadata, &field.term)?.id,
                transform: field.term.transform,
                direction: if field.is_descending { SortDirection::Descending } else { SortDirection::Ascending },
                null_order: if field.nulls_first { NullOrder::First } else { NullOrder::Last },
            })
        });
        let sort_fields = sort_fields.collect::<Result<Vec<_>>>()?;
        if sort_fields != metadata.default_sort_order().fields {
            // One that the table has had is named by its id: Java's server adds none twice.
            let known = metadata.sort_orders_iter().find(|known| known.fields == sort_fields);
            let id = match known {
                Some(known) => known.order_id,
                None => {
                    let order = SortOrder::builder().with_fields(sort_fields).build_unbound().map_err(refused)?;
                    builder = builder.add_sort_order(order).map_err(refused)?;
                    i64::from(TableMetadataBuilder::LAST_ADDED)
                }
            };
            builder = builder.set_default_sort_order(id).map_err(refused)?;
        }
    }
    let mode = distribution.mode();
    if metadata.properties().get(DISTRIBUTION_MODE).is_some_and(|known| known == mode) {
        return Ok(builder);
    }
    let property = HashMap::from([(DISTRIBUTION_MODE.to_string(), mode.to_string())]);
    builder.set_properties(property).map_err(refused)
}
