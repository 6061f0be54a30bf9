//! `icelift doctor` and `icelift init`, where no server is needed.

use super::process::Folder;

/// What was found of a catalog: check and result.
fn results(folder: &Folder, args: &[&str], code: i32) -> Vec<String> {
    let ran = folder.run(&[&["doctor", "--format", "tsv"], args].concat());
    assert_eq!(ran.code, code, "{}\n{}", ran.stdout, ran.stderr);
    ran.stdout.lines().skip(1).map(|line| line.split('\t').skip(1).take(2).collect::<Vec<_>>().join(" ")).collect()
}

pub(super) fn init_and_doctor_go_together() {
    let folder = Folder::new();
    let ran = folder.run(&["init", "--source", "local", "--target", "local", "--target-warehouse", "it's"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    let ran = folder.run(&["doctor", "nobody"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("`glue`, `r2`"), "{}", ran.stderr);
    let expected = [
        "reachable ok",
        "tls skipped",
        "identity skipped",
        "clock skipped",
        "list ok",
        "objects skipped",
        "storage classes skipped",
        "unfinished uploads skipped",
    ];
    let without = ["create skipped", "write skipped", "read skipped", "multipart skipped", "delete skipped"];
    assert_eq!(results(&folder, &["glue"], 0), [&expected[..], &without[..]].concat());
    let with = ["create ok", "write ok", "read ok", "multipart ok", "delete ok"];
    assert_eq!(results(&folder, &["r2", "--write"], 0), [&expected[..], &with[..]].concat());
    let ran = folder.run(&["--format", "csv", "-f", "attach.sql", "-c", "SHOW SCHEMAS FROM r2"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 1), "what was written is still there: {}", ran.stdout);
    let script = "CREATE SCHEMA glue.s; CREATE TABLE glue.s.t AS SELECT 1 AS a";
    assert_eq!(folder.run(&["-c", script]).code, 0);
    assert!(results(&folder, &["glue"], 0).contains(&"objects ok".to_owned()));
    let ran = folder.run(&["doctor"]);
    assert!(ran.stdout.starts_with("glue\n  ok       reachable           the database is open\n"), "{}", ran.stdout);
    let advice =
        "\n  skipped  delete              nothing is written\n                               → --write tries it";
    assert!(ran.stdout.contains(advice) && ran.stdout.contains("\n\nr2\n  ok "), "{}", ran.stdout);
}

pub(super) fn init_overwrites_nothing_and_writes_no_secret() {
    let mut folder = Folder::new().with("attach.sql", "mine");
    folder.set("R2_CATALOG_API_TOKEN", "hunter2");
    let ran = folder.run(&["init"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with("./attach.sql: error: the file is there already"), "{}", ran.stderr);
    assert!(!folder.path().join("icelift.toml").exists());
    let ran = folder.run(&["init", "--force", "--region", "eu-central-1", "--target-uri", "https://u:hunter2@x"]);
    assert!(ran.code == 2 && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
    let ran = folder.run(&["init", "--force", "--region", "eu-central-1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("set R2_CATALOG_API_TOKEN, R2_CATALOG_URI, R2_WAREHOUSE"), "{}", ran.stderr);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("icelift.toml").contains("token = \"${R2_CATALOG_API_TOKEN}\""), "{}", read("icelift.toml"));
    let attach = "ATTACH IF NOT EXISTS AS glue (TYPE glue, \"client.region\" 'eu-central-1');";
    assert!(read("attach.sql").contains(attach), "{}", read("attach.sql"));
    assert!(!(read("attach.sql") + &read("icelift.toml") + &ran.stderr).contains("hunter2"));
}

pub(super) fn doctor_says_what_is_wrong() {
    let rest = "type = 'rest'\nuri = 'http://127.0.0.1:1'\ntoken = 'hunter2'\nrest.client.max-retries = 0\n";
    let toml = format!(
        "[catalog.far]\n{rest}\n[catalog.wrong]\ntype = 'rest'\nuri = 'http://127.0.0.1:1'\ntokken = 'hunter2'\n"
    );
    let folder = Folder::new().with("icelift.toml", &toml);
    assert_eq!(results(&folder, &["far"], 1), ["reachable fail", "rest skipped"]);
    assert_eq!(results(&folder, &["wrong"], 2), ["configuration fail", "rest skipped"]);
    let ran = folder.run(&["doctor"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, "error: 2 checks failed\n"));
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
    // What one catalog lacks is nothing to another.
    let toml = "[catalog.here]\ntype = 'local'\nwarehouse = 'w'\n[catalog.r2]\ntype = 'r2'\ntoken = '${NOT_SET}'\n";
    let folder = Folder::new().with("icelift.toml", toml);
    assert_eq!(results(&folder, &["here"], 0)[0], "reachable ok");
    assert_eq!(results(&folder, &["r2"], 2), ["configuration fail"]);
    let ran = folder.run(&["config", "--format", "tsv"]);
    let row = "catalog.r2.token\tnot attached: variable `NOT_SET` is not set\ticelift.toml:6, ${NOT_SET}";
    assert!(ran.code == 0 && ran.stdout.contains(row), "{}{}", ran.stdout, ran.stderr);
    let ran = folder.run(&["-c", "SHOW SCHEMAS FROM here"]);
    let said = "icelift.toml:6: error: variable `NOT_SET` is not set";
    assert!(ran.code == 2 && ran.stderr.starts_with(said), "{}", ran.stderr);
    assert_eq!(Folder::new().run(&["doctor"]).code, 2);
}
