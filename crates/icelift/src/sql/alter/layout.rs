//! The part of `ALTER TABLE` that is about how new rows are laid out: partition fields and order.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::TableChange;
use crate::error::Result;
use crate::sql::PartitionField;
use crate::sql::cursor::Cursor;
use crate::sql::partition;

/// One field of a sort order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderField {
    /// A column or a transform of one.
    pub term: PartitionField,
    pub is_descending: bool,
    pub nulls_first: bool,
}

/// How engines that write are asked to distribute rows among their tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distribution {
    None,
    Hash,
    Range,
}

impl Distribution {
    /// What the property `write.distribution-mode` says.
    pub fn mode(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hash => "hash",
            Self::Range => "range",
        }
    }
}

/// Reads `transform(column) [AS name]`.
pub(super) fn added_field(cursor: &mut Cursor<'_>) -> Result<TableChange> {
    Ok(TableChange::AddPartitionField(named(cursor)?))
}

/// Reads the name of a field, or `transform(column)`.
pub(super) fn dropped_field(cursor: &mut Cursor<'_>) -> Result<TableChange> {
    Ok(TableChange::DropPartitionField(partition::unnamed(cursor)?))
}

/// Reads `field WITH transform(column) [AS name]`.
pub(super) fn replaced_field(cursor: &mut Cursor<'_>) -> Result<TableChange> {
    let field = partition::unnamed(cursor)?;
    cursor.expect_words(&["WITH"], "after the partition field")?;
    Ok(TableChange::ReplacePartitionField { field, with: named(cursor)? })
}

fn named(cursor: &mut Cursor<'_>) -> Result<PartitionField> {
    let field = partition::unnamed(cursor)?;
    let name = if cursor.words(&["AS"]) { Some(cursor.identifier("a name for the partition field")?) } else { None };
    Ok(PartitionField { name, ..field })
}

/// Reads what follows `WRITE`: `[DISTRIBUTED BY PARTITION] [[LOCALLY] ORDERED BY … | UNORDERED]`.
pub(super) fn order(cursor: &mut Cursor<'_>) -> Result<TableChange> {
    let by_partition = cursor.words(&["DISTRIBUTED", "BY", "PARTITION"]);
    let unordered = cursor.words(&["UNORDERED"]);
    let locally = !unordered && cursor.words(&["LOCALLY"]);
    let fields = if unordered {
        Some(Vec::new())
    } else if cursor.words(&["ORDERED", "BY"]) {
        Some(order_fields(cursor)?)
    } else if by_partition && !locally {
        None
    } else {
        return Err(cursor.expected("[LOCALLY] ORDERED BY, DISTRIBUTED BY PARTITION or UNORDERED after WRITE"));
    };
    let distribution = match (by_partition, locally || unordered) {
        (true, _) => Distribution::Hash,
        (false, true) => Distribution::None,
        (false, false) => Distribution::Range,
    };
    Ok(TableChange::WriteOrder { fields, distribution })
}

fn order_fields(cursor: &mut Cursor<'_>) -> Result<Vec<OrderField>> {
    let in_parentheses = cursor.symbol(&Token::LParen);
    let mut fields = vec![order_field(cursor)?];
    while cursor.symbol(&Token::Comma) {
        fields.push(order_field(cursor)?);
    }
    if in_parentheses {
        cursor.expect_symbol(&Token::RParen, "after the order")?;
    }
    Ok(fields)
}

/// Reads `term [ASC | DESC] [NULLS FIRST | LAST]`. NULLs are the least values unless said otherwise, as in Spark.
fn order_field(cursor: &mut Cursor<'_>) -> Result<OrderField> {
    let term = partition::unnamed(cursor)?;
    let is_descending = cursor.words(&["DESC"]);
    if !is_descending {
        cursor.words(&["ASC"]);
    }
    let nulls_first = if cursor.words(&["NULLS", "FIRST"]) {
        true
    } else if cursor.words(&["NULLS", "LAST"]) {
        false
    } else {
        !is_descending
    };
    Ok(OrderField { term, is_descending, nulls_first })
}
