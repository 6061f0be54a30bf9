//! What is known of the rows.

use super::bars::{close, open};
use super::figures::{count, counted};
use super::markup::{Markup, Px};
use super::sides::verdict;
use crate::migrate::summary::{BatchVerdict, MigrationSummary};

const WIDTH_PX: f64 = 960.0;

const VERDICTS: [(BatchVerdict, &str, &str); 4] = [
    (
        BatchVerdict::VerifiedPortable,
        "good",
        "The files were read again from the target's store before the commit and held the rows that came from the source; the fingerprint cfp1 is recorded, for DuckDB or Spark to confirm.",
    ),
    (
        BatchVerdict::Verified,
        "good",
        "The files were read again from the target's store before the commit and held the rows that came from the source.",
    ),
    (BatchVerdict::Counted, "warn", "Only numbers of rows were compared: WITH (verify = 'metadata')."),
    (
        BatchVerdict::NotRecorded,
        "plain",
        "A version of icelift brought them that did not record how they were compared.",
    ),
];

pub(super) fn verification(summary: &MigrationSummary) -> Markup {
    let mut page = Markup::default();
    let of = |wanted: BatchVerdict| summary.batches.iter().filter(move |batch| batch.verdict == wanted);
    let there = summary.batches.iter().filter(|batch| batch.target.is_some()).count() as f64;
    if there == 0.0 {
        return page;
    }
    page.add("<section><h2>Verification</h2>\n", &[]);
    open(&mut page, "Batches by what is known of their rows", 26.0);
    let mut left = 0.0;
    for (wanted, class, _) in VERDICTS {
        let batches = of(wanted).count() as u64;
        let width = batches as f64 / there * WIDTH_PX;
        if batches > 0 {
            page.add(
                r#"<rect class="{}" x="{}" y="4" width="{}" height="16" rx="3"><title>{}: {}</title></rect>"#,
                &[&class, &Px(left), &Px((width - 2.0).max(1.0)), &verdict(wanted), &count(batches)],
            );
            left += width;
        }
    }
    close(&mut page);
    page.add("<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Rows are</th><th scope=\"col\" class=\"n\">Batches</th><th scope=\"col\" class=\"n\">Rows</th><th scope=\"col\">Which means</th></tr></thead><tbody>\n", &[]);
    for (wanted, class, meaning) in VERDICTS {
        let batches = of(wanted).count() as u64;
        let rows = of(wanted).filter_map(|batch| batch.target).map(|side| side.rows).sum::<u64>();
        if batches > 0 {
            page.add(
                "<tr><th scope=\"row\"><span class=\"badge {}\">{}</span></th><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
                &[&class, &verdict(wanted), &count(batches), &count(rows), &meaning],
            );
        }
    }
    page.add("</tbody></table></div>\n", &[]);
    let copied: u64 = summary.batches.iter().map(|batch| batch.copied_rows).sum();
    if copied > 0 {
        page.add(
            "<p class=\"small\">{} were copied undecoded; of them the bytes were compared.</p>\n",
            &[&counted(copied, "row", "rows")],
        );
    }
    page.add("<p class=\"small\">This is what was seen when the batches came. Whether it is still so, this tells:</p>\n<pre>VERIFY TABLE {} AGAINST {};</pre></section>\n", &[
        &summary.target.name,
        &summary.source.name,
    ]);
    page
}
