//! `rewrite_data_files`: the same rows in files of a better size, in a better order, without deletes.
//!
//! In: a table. Out: what was rewritten. What must hold: no row is lost or comes twice, whoever writes to the table meanwhile;
//! a call that fails has changed nothing and left nothing, unless it was to commit in several steps. In the order of a call:
//! `options` and `arrange` say what is asked for, `groups` which files are rewritten together, `rewrite` writes and verifies
//! them, `commit` puts them in the place of the others, `dangling` takes out deletes that bear on nothing any more.

mod arrange;
mod commit;
mod dangling;
mod groups;
mod options;
mod rewrite;

use std::sync::Arc;

use arrow::array::{Int32Array, Int64Array};
use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::logical_expr::ExprSchemable;
use iceberg::spec::FormatVersion;

use self::arrange::{Wish, arranged, resolved};
use self::commit::{Committing, Replaced};
use self::groups::{Group, groups};
use self::options::{Options, PartialProgress};
use self::rewrite::{Batch, Rewriting, Uncommitted};
use super::arguments::{Bound, Kind, Parameter};
use super::{Column, Context, Procedure, TABLE};
use crate::catalog::{IcebergTable, Table};
use crate::engine::RowStream;
use crate::error::{Error, ErrorKind, Result, Stage};

/// Sorting many groups at once costs more than sorting one after the other, beyond so many bytes.
const SORTED_TOGETHER_BYTES: u64 = 64 << 20;

pub(super) const PROCEDURE: Procedure = Procedure {
    name: "rewrite_data_files",
    parameters: &[
        TABLE,
        Parameter {
            name: "strategy",
            kind: Kind::String,
            default: Some("`'binpack'`, or `'sort'` if there is a `sort_order`"),
            about: "`'binpack'` to put files together, `'sort'` to sort their rows as well",
        },
        Parameter {
            name: "sort_order",
            kind: Kind::String,
            default: Some("the table's"),
            about: "the order of `'sort'`, as after ORDER BY, or `'zorder(a, b)'`",
        },
        Parameter {
            name: "options",
            kind: Kind::Map,
            default: Some("none"),
            about: "`map('key', 'value', …)` of the options below",
        },
        Parameter {
            name: "where",
            kind: Kind::String,
            default: Some("all files"),
            about: "a predicate; files that may hold matching rows are rewritten, as a whole",
        },
    ],
    columns: &[
        Column { name: "rewritten_data_files_count", data_type: DataType::Int32 },
        Column { name: "added_data_files_count", data_type: DataType::Int32 },
        Column { name: "rewritten_bytes_count", data_type: DataType::Int64 },
        Column { name: "failed_data_files_count", data_type: DataType::Int32 },
        Column { name: "removed_delete_files_count", data_type: DataType::Int32 },
    ],
};

/// What a call has done.
#[derive(Debug, Default)]
struct Done {
    replaced: Replaced,
    failed_files: usize,
}

pub(super) async fn run(context: &Context<'_>, bound: &Bound) -> Result<RowStream> {
    let table = context.table(bound).await?;
    let done = rewrite(context, bound, &table).await;
    if done.is_err() {
        // What was written goes before the error is told.
        context.engine.settle().await;
    }
    answer(&done.map_err(|error| error.place(Stage::Sink, &table.name))?)
}

async fn rewrite(context: &Context<'_>, bound: &Bound, table: &Table) -> Result<Done> {
    let options = Options::new(bound.map("options"), &table.metadata)?;
    let source = IcebergTable::new(Arc::clone(&context.catalog), table.clone())?;
    let state = context.engine.session().state();
    let columns = DFSchema::try_from(TableProvider::schema(&source))?;
    let wish = Wish { strategy: bound.string("strategy"), sort_order: bound.string("sort_order") };
    let order = arranged(wish, &table.metadata, &columns, &state)?;
    let filters = match bound.string("where") {
        Some(text) => vec![predicate(text, &columns, &state)?],
        None => Vec::new(),
    };
    let files = source.live_files(&state, &filters).await?;
    let groups = groups(&files, &options);
    if !groups.is_empty() {
        check_row_ids(table, &options)?;
    }
    // What is read, and read again once it is written.
    table.store.passed().foresee(2 * groups.iter().map(|group| group.bytes).sum::<u64>());
    let rewriting = Rewriting { engine: context.engine, source, order, spec_id: options.spec_id };
    let (spec_id, keeps_sequence) = (options.spec_id, options.keeps_sequence);
    let failpoints = &context.engine.failpoints;
    let committing = Committing { catalog: &context.catalog, planned: table, spec_id, keeps_sequence, failpoints };
    failpoints.reach("rewrite.planned").await?;
    let mut done = match options.partial_progress {
        None => at_once(&rewriting, &committing, batches(groups, &rewriting, &options)).await?,
        Some(steps) => in_steps(&rewriting, &committing, groups, &options, steps).await?,
    };
    if options.removes_dangling_deletes {
        done.replaced.removed_deletes += dangling::remove(&context.catalog, table).await?;
    }
    Ok(done)
}

/// A predicate over the table's columns.
fn predicate(
    text: &str,
    columns: &DFSchema,
    state: &datafusion::execution::SessionState,
) -> Result<datafusion::logical_expr::Expr> {
    let expr = resolved(text, columns, state)?;
    let found = expr.get_type(columns)?;
    if found == DataType::Boolean {
        return Ok(expr);
    }
    Err(Error::new(ErrorKind::Sql, format!("`where` is true or false for a row, `{text}` is of type {found}")))
}

/// Rows of format 3 have ids that stay when a row moves, and the files that are written here do not carry them.
fn check_row_ids(table: &Table, options: &Options) -> Result<()> {
    if table.metadata.format_version() != FormatVersion::V3 || options.takes_new_row_ids {
        return Ok(());
    }
    let message = "the table is of format 3, and rewritten rows would get new row ids";
    Err(Error::new(ErrorKind::Unsupported, message)
        .place(Stage::Sink, &table.name)
        .hint("options => map('new-row-ids', 'true') rewrites it all the same, if nobody follows rows by `_row_id`"))
}

/// What goes down the pipeline together: groups that become one file each, so many at once, or one larger group.
fn batches(groups: Vec<Group>, rewriting: &Rewriting<'_>, options: &Options) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for group in groups {
        let file_bytes = options.file_bytes_of(&group);
        let is_small = options.file_count(group.bytes) <= 1;
        let fits = |batch: &&mut Batch| {
            let bytes = batch.bytes().saturating_add(group.bytes);
            is_small
                && batch.file_bytes == file_bytes
                && batch.groups.len() < options.groups_at_once
                && (rewriting.order.is_none() || bytes <= SORTED_TOGETHER_BYTES)
        };
        match batches.last_mut().filter(fits) {
            Some(batch) => batch.groups.push(group),
            None => batches.push(Batch { groups: vec![group], file_bytes }),
        }
    }
    batches
}

/// All or nothing.
async fn at_once(rewriting: &Rewriting<'_>, committing: &Committing<'_>, batches: Vec<Batch>) -> Result<Done> {
    let mut written = Vec::with_capacity(batches.len());
    for batch in &batches {
        written.push(rewriting.write(batch).await?);
    }
    match batches.is_empty() {
        true => Ok(Done::default()),
        false => Ok(Done { replaced: committing.commit(&batches, &mut written).await?, failed_files: 0 }),
    }
}

/// One commit after the other; what fails is counted.
async fn in_steps(
    rewriting: &Rewriting<'_>,
    committing: &Committing<'_>,
    groups: Vec<Group>,
    options: &Options,
    steps: PartialProgress,
) -> Result<Done> {
    let (mut done, mut failed_commits, mut last) = (Done::default(), 0, None);
    let groups_of_step = groups.len().div_ceil(steps.commits_max).max(1);
    let mut waiting = groups.into_iter().peekable();
    while waiting.peek().is_some() {
        let step: Vec<_> = waiting.by_ref().take(groups_of_step).collect();
        let (mut batches_of_step, mut written): (Vec<Batch>, Vec<Uncommitted>) = (Vec::new(), Vec::new());
        for batch in batches(step, rewriting, options) {
            match rewriting.write(&batch).await {
                Ok(files) => {
                    written.push(files);
                    batches_of_step.push(batch);
                }
                Err(error) => {
                    done.failed_files += batch.files().len();
                    tracing::warn!(table = %committing.planned.name, %error, "files are not rewritten");
                    last = Some(error);
                }
            }
        }
        if batches_of_step.is_empty() {
            continue;
        }
        match committing.commit(&batches_of_step, &mut written).await {
            Ok(replaced) => done.replaced.add(replaced),
            // Nobody may go on before it is known.
            Err(error) if error.kind() == ErrorKind::CommitUnknown => return Err(error),
            Err(error) => {
                failed_commits += 1;
                done.failed_files += batches_of_step.iter().map(|batch| batch.files().len()).sum::<usize>();
                tracing::warn!(table = %committing.planned.name, %error, "a step is not committed");
                last = Some(error);
            }
        }
    }
    match last {
        Some(error) if failed_commits > steps.failed_commits_max || done.replaced.rewritten_files == 0 => Err(error),
        _ => Ok(done),
    }
}

impl Replaced {
    fn add(&mut self, other: Self) {
        self.rewritten_files += other.rewritten_files;
        self.added_files += other.added_files;
        self.rewritten_bytes += other.rewritten_bytes;
        self.removed_deletes += other.removed_deletes;
    }
}

fn answer(done: &Done) -> Result<RowStream> {
    let count = |count: usize| Arc::new(Int32Array::from(vec![i32::try_from(count).unwrap_or(i32::MAX)]));
    let Done { replaced, failed_files } = done;
    PROCEDURE.answer(vec![
        count(replaced.rewritten_files),
        count(replaced.added_files),
        Arc::new(Int64Array::from(vec![i64::try_from(replaced.rewritten_bytes).unwrap_or(i64::MAX)])),
        count(*failed_files),
        count(replaced.removed_deletes),
    ])
}

#[cfg(test)]
mod tests;
