//! Files that Parquet itself encrypts: nothing of them is copied that its readers could not read.

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use crate::clouds::world::equal;
use crate::interop::ask;
use crate::support;

/// The row group of the source is large enough to be copied.
const TARGET: &str = "CREATE TABLE r2.default.t (id BIGINT, name STRING) TBLPROPERTIES ('write.parquet.row-group-size-bytes' = '1048576')";

pub(super) fn trials() -> Vec<Trial> {
    [("column", true), ("footer", false)]
        .map(|(what, plain_footer)| {
            Trial::test(format!("splice::encrypted::{what}"), move || refused(what, plain_footer))
        })
        .into()
}

/// The statements that read what is encrypted fail and write nothing; of a file whose footer is plain the other column is read.
fn refused(what: &str, plain_footer: bool) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (source, target) = (folder.path().join("glue"), folder.path().join("r2"));
    ask(json!({"do": "encrypted_source", "folder": source, "plain_footer": plain_footer}))?;
    support::block_on(async {
        let engine = support::engine(&[("glue", &source), ("r2", &target)]).await?;
        support::run(&engine, "CREATE SCHEMA r2.default").await?;
        support::run(&engine, TARGET).await?;
        for splice in ["auto", "off"] {
            support::run(&engine, &format!("SET icelift.splice = '{splice}'")).await?;
            for statement in [
                "INSERT INTO r2.default.t SELECT * FROM glue.default.s",
                "MIGRATE TABLE glue.default.s TO r2.default.m WITH (verify = 'metadata')",
                "SELECT max(name) FROM glue.default.s",
            ] {
                let Err(failed) = support::run(&engine, statement).await else {
                    return Err(format!("{statement} succeeded").into());
                };
                let told = failed.message().unwrap_or_default().to_owned();
                let says = told.contains("is encrypted") && told.contains("encrypted.parquet");
                equal(&format!("whether it says so: {told}"), says, true)?;
            }
            equal("rows", support::rows(&engine, "SELECT count(*) FROM r2.default.t").await?, vec![vec!["0".into()]])?;
        }
        if what == "column" {
            support::run(&engine, "SET icelift.splice = 'auto'").await?;
            support::run(&engine, "INSERT INTO r2.default.t (id) SELECT id FROM glue.default.s").await?;
            let rows = support::rows(&engine, "SELECT count(id), sum(id), count(name) FROM r2.default.t").await?;
            equal("what is not encrypted", rows, vec![vec!["100000".into(), "4999950000".into(), "0".into()]])?;
        }
        Ok(())
    })?;
    let files = support::files_below(&target)?;
    let files = files.iter().filter(|file| file.extension().is_some_and(|it| it == "parquet")).count();
    equal("files in the target", files, usize::from(what == "column"))
}
