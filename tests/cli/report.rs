//! `icelift report` and `WITH (report = …)` as a process: files, exit codes, and what is said.

use super::migrate::bench;
use super::process::{Folder, Ran};

const BOTH: &str = "ATTACH '${GLUE_WAREHOUSE}' AS glue (TYPE local); ATTACH '${R2_WAREHOUSE}' AS r2 (TYPE local)";
const TARGET: &str = "ATTACH '${R2_WAREHOUSE}' AS r2 (TYPE local)";

fn migrate(folder: &Folder, with: &str) -> Ran {
    folder.run(&["-c", BOTH, "-c", &format!("MIGRATE TABLE glue.n.t TO r2.n.t BATCH BY year {with}")])
}

fn read(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.path().join(name)).unwrap()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

pub fn a_report_is_made_of_the_target() {
    let folder = bench();
    assert_eq!(migrate(&folder, "").code, 0);
    let ran = folder.run(&["-c", BOTH, "report", "r2.n.t", "-o", "page.html"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", "the report is in page.html\n"));
    let page = read(&folder, "page.html");
    for text in ["<!doctype html>", "glue.n.t", "year=2020", "3 of 3", "finished", "Requests and dollars"] {
        assert!(page.contains(text), "{text}");
    }
    let ran = folder.run(&["--format", "json", "-c", BOTH, "report", "r2.n.t"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let found = json(&ran.stdout);
    assert_eq!((&found["state"], &found["done_count"]), (&"finished".into(), &3.into()));
    assert_eq!(
        (&found["batches"][1]["source"]["rows"], &found["batches"][1]["target"]["rows"]),
        (&100.into(), &100.into())
    );

    // Another machine has the target alone.
    let ran = folder.run(&["-q", "-c", TARGET, "report", "r2.n.t", "--output", "page.json"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    let alone = json(&read(&folder, "page.json"));
    assert_eq!((&alone["done_count"], &alone["batches"][1]["target"]), (&3.into(), &found["batches"][1]["target"]));
    assert!(alone["costs"]["plan"].is_null() && alone["notes"][0].as_str().unwrap().contains("attached as `glue`"));
    let job = found["job"].as_str().unwrap();
    let ran = folder.run(&["-c", TARGET, "report", "r2.n.t", "--job", job, "--format", "json"]);
    assert_eq!((ran.code, json(&ran.stdout)["job"].as_str()), (0, Some(job)));
}

pub fn a_report_that_cannot_be_made_says_why() {
    let folder = bench();
    assert_eq!(migrate(&folder, "").code, 0);
    let cases: [(&[&str], i32, &str); 7] = [
        (&["report", "glue.n.t"], 1, "has no record of a migration"),
        (&["report", "r2.n.none"], 1, "r2.n.none"),
        (&["report", "r2.n.t", "--job", "0000000000000000"], 2, "no record of the migration `0000000000000000`"),
        (&["report", "r2.n.t", "--format", "csv"], 2, "html or json"),
        (&["report", "r2.n.t", "-o", "page.txt"], 2, "ends with .html or .json"),
        (&["report", "r2.n.t", "-o", "missing/page.html"], 1, "`missing/page.html` cannot be written"),
        (&["report"], 2, "TABLE"),
    ];
    for (args, code, said) in cases {
        let ran = folder.run(&[&["-c", BOTH], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
    }
    let ran = folder.run(&["-c", "SELECT nope", "report", "r2.n.t"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
}

pub fn a_migration_writes_its_report() {
    let folder = bench();
    let refused = migrate(&folder, "WITH (report = 'missing/page.html')");
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("the report `missing/page.html` cannot be written"), "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing was migrated"), "{}", refused.stderr);
    let none = folder.run(&["-c", BOTH, "-c", "SELECT * FROM r2.n.t"]);
    assert_eq!(none.code, 1, "nothing was begun: {}", none.stdout);

    let ran = migrate(&folder, "WITH (report = 'page.html')");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.ends_with("r2.n.t: note: the report is in page.html\n"), "{}", ran.stderr);
    assert!(read(&folder, "page.html").contains("3 of 3"));
}
