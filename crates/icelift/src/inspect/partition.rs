//! The column `partition`: one struct for all partition specs that a table has had.
//!
//! A field that several specs share, by its id, is one field here, under its newest name; what a file's own spec does not
//! have is NULL. Fields whose source column is gone from the table are left out, as in Java.

use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use iceberg::arrow::type_to_arrow_type;
use iceberg::spec::{PartitionField, PrimitiveType, Struct, TableMetadata, Transform, Type};

use super::columns::{Columns, value};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::values::{is_avro_name, scalar};

/// The fields, and where each spec has them.
#[derive(Debug)]
pub(super) struct PartitionType {
    fields: Vec<Field>,
    /// For each spec by id, the place of each of the fields in it.
    places: HashMap<i32, Vec<Option<Place>>>,
}

#[derive(Debug)]
struct Field {
    id: i32,
    name: String,
    transform: Transform,
    primitive: PrimitiveType,
    data_type: DataType,
}

/// Where a file's partition tuple has a field.
#[derive(Debug, Clone, Copy)]
struct Place {
    index: usize,
    /// Whether no value may mean that the value could not be read.
    is_uncertain: bool,
}

impl PartitionType {
    /// # Errors
    /// A transform that is not known, or of a type that it does not take.
    pub fn new(metadata: &TableMetadata) -> Result<Self> {
        let mut specs: Vec<_> = metadata.partition_specs_iter().collect();
        specs.sort_by_key(|spec| std::cmp::Reverse(spec.spec_id()));
        let mut fields: BTreeMap<i32, Field> = BTreeMap::new();
        for of_spec in specs.iter().flat_map(|spec| spec.fields()) {
            let Some(found) = field(of_spec, metadata)? else { continue };
            match fields.get_mut(&found.id) {
                None => {
                    fields.insert(found.id, found);
                }
                // Format 1 has no other way to drop a field than to empty it.
                Some(newer) if newer.transform == Transform::Void && found.transform != Transform::Void => {
                    let name = std::mem::take(&mut newer.name);
                    *newer = Field { name, ..found };
                }
                Some(_) => {}
            }
        }
        let fields: Vec<_> = fields.into_values().collect();
        let places = specs.iter().map(|spec| {
            let place = |field: &Field| place(field, spec.fields());
            (spec.spec_id(), fields.iter().map(place).collect())
        });
        Ok(Self { places: places.collect(), fields })
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields as columns of rows, of which `get` gives the value of each field.
    pub fn columns<R: 'static>(
        &self,
        get: impl Fn(&R, usize) -> Result<Option<ScalarValue>> + Clone + Send + Sync + 'static,
    ) -> Columns<R> {
        let column = |(index, field): (usize, &Field)| {
            let get = get.clone();
            value(&field.name, field.data_type.clone(), move |row: &R| get(row, index))
        };
        Columns(self.fields.iter().enumerate().map(column).collect())
    }

    /// The value that a file of a spec has in one of the fields.
    ///
    /// # Errors
    /// A value that cannot be read, or that is not one of the field's type.
    pub fn value(&self, field: usize, spec_id: i32, tuple: &Struct) -> Result<Option<ScalarValue>> {
        let Some(of) = self.fields.get(field) else { return Ok(None) };
        let place = self.places.get(&spec_id).and_then(|places| places.get(field).copied().flatten());
        let Some(place) = place else { return Ok(None) };
        let literal = tuple.fields().get(place.index).and_then(Option::as_ref);
        let wrong = |what: &str| {
            Error::new(ErrorKind::Unsupported, format!("values of the partition field `{}` {what}", of.name))
                .hint("select the columns that are needed without \"partition\"")
        };
        match literal.and_then(|literal| literal.as_primitive_literal()) {
            None if place.is_uncertain => Err(wrong("cannot be read")),
            None => Ok(None),
            Some(literal) => scalar(&literal, &of.primitive).map(Some).ok_or_else(|| wrong("have another type")),
        }
    }

    /// All values of a file's partition tuple.
    ///
    /// # Errors
    /// Those of [`value`](Self::value).
    pub fn values(&self, spec_id: i32, tuple: &Struct) -> Result<Vec<Option<ScalarValue>>> {
        (0..self.fields.len()).map(|field| self.value(field, spec_id, tuple)).collect()
    }
}

/// A field of a spec as one of the table; `None` if its source column is gone.
fn field(of: &PartitionField, metadata: &TableMetadata) -> Result<Option<Field>> {
    let Some(source) = metadata.current_schema().field_by_id(of.source_id) else { return Ok(None) };
    let wrong = |source: iceberg::Error| {
        let message = format!("the partition field `{}` cannot be shown: {}", of.name, source.message());
        Error::new(ErrorKind::Unsupported, message).source(source)
    };
    let result = of.transform.result_type(&source.field_type).map_err(wrong)?;
    let Type::Primitive(primitive) = &result else {
        let message = format!("the partition field `{}` is of a nested type", of.name);
        return Err(Error::new(ErrorKind::Unsupported, message));
    };
    let data_type = type_to_arrow_type(&result).map_err(wrong)?;
    let (id, name, transform) = (of.field_id, of.name.clone(), of.transform);
    Ok(Some(Field { id, name, transform, primitive: primitive.clone(), data_type }))
}

fn place(field: &Field, spec: &[PartitionField]) -> Option<Place> {
    let index = spec.iter().position(|of_spec| of_spec.field_id == field.id)?;
    let of_spec = spec.get(index).filter(|of_spec| of_spec.transform != Transform::Void)?;
    let is_uuid = of_spec.transform == Transform::Identity && field.primitive == PrimitiveType::Uuid;
    Some(Place { index, is_uncertain: is_uuid || !is_avro_name(&of_spec.name) })
}
