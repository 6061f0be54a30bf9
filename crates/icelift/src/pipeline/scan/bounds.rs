//! Prunes manifests and files by what their metadata says of the columns.
//!
//! All pruning goes through DataFusion's [`PruningPredicate`], which knows SQL's rules for casts, NULL and negation; this
//! file only tells it bounds. A bound that is not certain is left out, never guessed.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_optimizer::pruning::PruningPredicate;
use iceberg::spec::{
    DataFile, Datum, ManifestFile, NestedField, PartitionSpec, PrimitiveType, Schema, SchemaRef as IcebergSchemaRef,
    Transform,
};

use super::ranges;
use crate::pipeline::select::transforms;
use crate::pipeline::values::{is_avro_name, scalar};

/// A filter that can prune containers of rows.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    predicate: Arc<PruningPredicate>,
    /// The conjuncts that read one column only: those can prune pages.
    pub single_columns: Vec<(String, Arc<PruningPredicate>)>,
    pub schema: SchemaRef,
    pub iceberg_schema: IcebergSchemaRef,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.predicate.orig_expr())
    }
}

impl Filter {
    /// `None` if the expression cannot prune anything.
    pub fn new(expr: Arc<dyn PhysicalExpr>, schema: &SchemaRef, iceberg_schema: &IcebergSchemaRef) -> Option<Self> {
        let single_columns = split_conjunction(&expr).into_iter().filter_map(|conjunct| {
            let predicate = PruningPredicate::try_new(Arc::clone(conjunct), Arc::clone(schema)).ok()?;
            let columns = datafusion::physical_expr::utils::collect_columns(conjunct);
            let column = columns.iter().next().filter(|_| columns.len() == 1 && !predicate.always_true())?;
            Some((column.name().to_string(), Arc::new(predicate)))
        });
        let single_columns = single_columns.collect();
        let predicate = PruningPredicate::try_new(expr, Arc::clone(schema)).ok().filter(|it| !it.always_true())?;
        let (schema, iceberg_schema) = (Arc::clone(schema), Arc::clone(iceberg_schema));
        Some(Self { predicate: Arc::new(predicate), single_columns, schema, iceberg_schema })
    }

    /// For each container whether a row of it may match. When in doubt, it may.
    pub fn may_match(&self, containers: &dyn PruningStatistics) -> Vec<bool> {
        self.predicate.prune(containers).unwrap_or_else(|_| vec![true; containers.num_containers()])
    }

    /// Whether a row of the manifest's files may match.
    pub fn manifest_may_match(&self, manifest: &ManifestFile, spec: &PartitionSpec) -> bool {
        let container = ManifestBounds { manifest, spec };
        self.may_match(&Containers { filter: self, containers: &[container] })[0]
    }

    /// Whether a row of the file may match.
    pub fn file_may_match(&self, file: &DataFile, spec: &PartitionSpec) -> bool {
        self.may_match(&Containers { filter: self, containers: &[FileBounds { file, spec }] })[0]
    }
}

/// What is known of one column in one container.
#[derive(Debug, Default)]
pub(super) struct ColumnBounds {
    pub lower: Option<ScalarValue>,
    pub upper: Option<ScalarValue>,
    pub null_count: Option<u64>,
    pub row_count: Option<u64>,
    /// All rows are in this bucket of so many.
    bucket: Option<(u32, i32)>,
}

trait Bounds {
    fn column(&self, field: &NestedField, primitive: &PrimitiveType) -> ColumnBounds;
}

/// A data file: its column metrics, and what its partition values imply.
struct FileBounds<'a> {
    file: &'a DataFile,
    spec: &'a PartitionSpec,
}

impl Bounds for FileBounds<'_> {
    fn column(&self, field: &NestedField, primitive: &PrimitiveType) -> ColumnBounds {
        let (file, id) = (self.file, field.id);
        let rows = file.record_count();
        let datum = |datum: Option<&Datum>| datum.and_then(|datum| scalar(datum.literal(), datum.data_type()));
        let mut bounds = ColumnBounds { row_count: Some(rows), ..Default::default() };
        bounds.null_count = file.null_value_counts().get(&id).copied();
        // NaN is above all numbers in DataFusion and in no bound of Iceberg.
        let certain = !primitive.is_floating() || file.nan_value_counts().get(&id) == Some(&0);
        if certain && bounds_are_ordered(primitive) {
            bounds.lower = datum(file.lower_bounds().get(&id));
            bounds.upper = datum(file.upper_bounds().get(&id));
        }
        for (index, partition) in self.spec.fields().iter().enumerate().filter(|(_, it)| it.source_id == id) {
            let Some(value) = file.partition().fields().get(index) else { continue };
            let value = value.as_ref().and_then(|literal| literal.as_primitive_literal());
            let Some(literal) = value else {
                if partition.transform != Transform::Void && is_avro_name(&partition.name) {
                    bounds.null_count = Some(rows);
                }
                continue;
            };
            if let (Transform::Bucket(count), iceberg::spec::PrimitiveLiteral::Int(bucket)) =
                (partition.transform, &literal)
            {
                bounds.bucket = Some((count, *bucket));
            }
            let implied = ranges::source_range(&partition.transform, &literal, &literal, primitive);
            let Some((lower, upper)) = implied else { continue };
            bounds.null_count = Some(0);
            bounds.lower = bounds.lower.or(lower);
            bounds.upper = bounds.upper.or(upper);
        }
        bounds
    }
}

/// A manifest: the range of its files' partition values.
struct ManifestBounds<'a> {
    manifest: &'a ManifestFile,
    spec: &'a PartitionSpec,
}

impl Bounds for ManifestBounds<'_> {
    fn column(&self, field: &NestedField, primitive: &PrimitiveType) -> ColumnBounds {
        let mut bounds = ColumnBounds::default();
        let Some(summaries) = &self.manifest.partitions else { return bounds };
        let source_type = iceberg::spec::Type::Primitive(primitive.clone());
        for (partition, summary) in self.spec.fields().iter().zip(summaries) {
            let certain = !primitive.is_floating() || summary.contains_nan == Some(false);
            let result = partition.transform.result_type(&source_type).ok();
            let Some(result) = result.and_then(|result| result.as_primitive_type().cloned()) else { continue };
            if partition.source_id != field.id || !certain || !bounds_are_ordered(&result) {
                continue;
            }
            let (Some(lower), Some(upper)) = (&summary.lower_bound, &summary.upper_bound) else { continue };
            let decoded = (Datum::try_from_bytes(lower, result.clone()), Datum::try_from_bytes(upper, result));
            let (Ok(lower), Ok(upper)) = decoded else { continue };
            let implied = ranges::source_range(&partition.transform, lower.literal(), upper.literal(), primitive);
            let Some((lower, upper)) = implied else { continue };
            bounds.lower = bounds.lower.or(lower);
            bounds.upper = bounds.upper.or(upper);
            if !summary.contains_null {
                bounds.null_count = Some(0);
            }
        }
        bounds
    }
}

/// Writers disagree on the order of these bytes (Java compares UUIDs as signed numbers).
fn bounds_are_ordered(primitive: &PrimitiveType) -> bool {
    !matches!(primitive, PrimitiveType::Uuid | PrimitiveType::Fixed(_) | PrimitiveType::Binary)
}

trait Floating {
    fn is_floating(&self) -> bool;
}

impl Floating for PrimitiveType {
    fn is_floating(&self) -> bool {
        matches!(self, PrimitiveType::Float | PrimitiveType::Double)
    }
}

/// Several containers as [`PruningPredicate`] asks for them.
struct Containers<'a, B> {
    filter: &'a Filter,
    containers: &'a [B],
}

impl<B: Bounds> Containers<'_, B> {
    fn column(&self, column: &Column) -> Option<(Vec<ColumnBounds>, DataType)> {
        let field = field_of(&self.filter.iceberg_schema, column)?;
        let primitive = field.field_type.as_primitive_type()?;
        let target = self.filter.schema.field_with_name(&column.name).ok()?.data_type().clone();
        Some((self.containers.iter().map(|container| container.column(field, primitive)).collect(), target))
    }

    fn values(&self, column: &Column, pick: impl Fn(ColumnBounds) -> Option<ScalarValue>) -> Option<ArrayRef> {
        let (bounds, target) = self.column(column)?;
        scalars(bounds.into_iter().map(pick), &target)
    }
}

pub(super) fn field_of<'a>(schema: &'a Schema, column: &Column) -> Option<&'a NestedField> {
    schema.as_struct().fields().iter().find(|field| field.name == column.name).map(AsRef::as_ref)
}

/// An array of `target` with NULL where nothing is known.
pub(super) fn scalars(values: impl Iterator<Item = Option<ScalarValue>>, target: &DataType) -> Option<ArrayRef> {
    let typed = values.map(|value| match value {
        Some(value) => value.cast_to(target).or_else(|_| ScalarValue::try_from(target)),
        None => ScalarValue::try_from(target),
    });
    let typed: Vec<_> = typed.collect::<Result<_, _>>().ok()?;
    ScalarValue::iter_to_array(typed).ok()
}

impl<B: Bounds> PruningStatistics for Containers<'_, B> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |bounds| bounds.lower.map(|value| signed_zero(value, -0.0)))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |bounds| bounds.upper.map(|value| signed_zero(value, 0.0)))
    }

    fn num_containers(&self) -> usize {
        self.containers.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (bounds, _) = self.column(column)?;
        Some(Arc::new(bounds.iter().map(|bounds| bounds.null_count).collect::<UInt64Array>()))
    }

    fn row_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (bounds, _) = self.column(column)?;
        Some(Arc::new(bounds.iter().map(|bounds| bounds.row_count).collect::<UInt64Array>()))
    }

    /// Buckets: a container holds none of `values` if none of them falls into its bucket.
    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        let (bounds, target) = self.column(column)?;
        if bounds.iter().all(|bounds| bounds.bucket.is_none()) {
            return None;
        }
        let values = scalars(values.iter().cloned().map(Some), &target).filter(|values| values.null_count() == 0)?;
        let contained = bounds.iter().map(|bounds| {
            let (count, bucket) = bounds.bucket?;
            let buckets = transforms::apply(&Transform::Bucket(count), &values).ok()?;
            let buckets = buckets.as_any().downcast_ref::<arrow::array::Int32Array>()?;
            buckets.iter().all(|found| found != Some(bucket)).then_some(false)
        });
        Some(contained.collect())
    }
}

/// Writers disagree on whether a zero bound has a sign: widen it.
pub(super) fn signed_zero(value: ScalarValue, zero: f64) -> ScalarValue {
    match value {
        ScalarValue::Float64(Some(0.0)) => ScalarValue::Float64(Some(zero)),
        ScalarValue::Float32(Some(0.0)) => ScalarValue::Float32(Some(zero as f32)),
        other => other,
    }
}
