//! Iceberg's transforms as SQL functions, so that a query shows what a partition would be.
//!
//! They give numbers since 1970, as partitions are named in metadata: `years(DATE '2024-05-01')` is 54, not 2024.
//! Days come as dates, which is the type of a day partition.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use iceberg::spec::Transform;

/// The functions `bucket`, `truncate`, `years`, `months`, `days` and `hours`. Not in the singular: `year(d)` is a calendar
/// year everywhere else.
pub fn transforms() -> Vec<ScalarUDF> {
    let all = [
        ("bucket", Kind::Bucket),
        ("truncate", Kind::Truncate),
        ("years", Kind::Fixed(Transform::Year)),
        ("months", Kind::Fixed(Transform::Month)),
        ("days", Kind::Fixed(Transform::Day)),
        ("hours", Kind::Fixed(Transform::Hour)),
    ];
    let function = |(name, kind): (_, Kind)| {
        let signature = Signature::any(kind.arguments(), Volatility::Immutable);
        ScalarUDF::from(TransformFunction { name, kind, signature })
    };
    all.into_iter().map(function).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Bucket,
    Truncate,
    Fixed(Transform),
}

impl Kind {
    fn arguments(self) -> usize {
        match self {
            Kind::Bucket | Kind::Truncate => 2,
            Kind::Fixed(_) => 1,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TransformFunction {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl TransformFunction {
    /// The transform that a call asks for, and which argument is the column.
    fn resolved(&self, first: Option<&ScalarValue>, second: Option<&ScalarValue>) -> Result<(Transform, usize)> {
        let transform: fn(u32) -> Transform = match self.kind {
            Kind::Fixed(transform) => return Ok((transform, 0)),
            Kind::Bucket => Transform::Bucket,
            Kind::Truncate => Transform::Truncate,
        };
        let (width, column) = match (integer(first), integer(second)) {
            (Some(width), _) => (width, 1),
            (None, Some(width)) => (width, 0),
            (None, None) => return self.bad_width(),
        };
        match u32::try_from(width) {
            Ok(width) if width > 0 && width <= i32::MAX as u32 => Ok((transform(width), column)),
            _ => self.bad_width(),
        }
    }

    fn bad_width<T>(&self) -> Result<T> {
        let name = self.name;
        plan_err!("{name} needs a width, an integer literal between 1 and {}, as in {name}(16, id)", i32::MAX)
    }
}

/// The value of an integer literal; -1, which no width can be, if it is NULL or too big.
fn integer(literal: Option<&ScalarValue>) -> Option<i64> {
    let literal = literal.filter(|literal| literal.data_type().is_integer())?;
    match literal.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(value))) => Some(value),
        _ => Some(-1),
    }
}

impl ScalarUDFImpl for TransformFunction {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} depends on its literals", self.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let literal = |index| args.scalar_arguments.get(index).copied().flatten();
        let (transform, column) = self.resolved(literal(0), literal(1))?;
        let Some(source) = args.arg_fields.get(column) else {
            return plan_err!("{} takes {} arguments", self.name, self.kind.arguments());
        };
        let data_type = super::result_type(&transform, source.data_type())
            .map_err(|error| DataFusionError::Plan(format!("{}: {error}", self.name)))?;
        Ok(Arc::new(Field::new(self.name, data_type, source.is_nullable())))
    }

    /// Puts a width that came last in front, before another rule makes a literal of the column too.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let is_integer = |expr: &Expr| matches!(expr, Expr::Literal(value, _) if integer(Some(value)).is_some());
        match <[Expr; 2]>::try_from(args) {
            Ok([column, width]) if is_integer(&width) && !is_integer(&column) => {
                let function = Arc::new(ScalarUDF::from(self.clone()));
                let call = ScalarFunction::new_udf(function, vec![width, column]);
                Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
            }
            Ok(args) => Ok(ExprSimplifyResult::Original(args.into())),
            Err(args) => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = |index| match args.args.get(index) {
            Some(ColumnarValue::Scalar(value)) => Some(value),
            _ => None,
        };
        let (transform, column) = self.resolved(scalar(0), scalar(1))?;
        match args.args.get(column) {
            Some(ColumnarValue::Array(array)) => Ok(ColumnarValue::Array(super::apply(&transform, array)?)),
            Some(ColumnarValue::Scalar(value)) => {
                let result = super::apply(&transform, &value.to_array()?)?;
                ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar)
            }
            None => internal_err!("{} was called with {} arguments", self.name, args.args.len()),
        }
    }
}
