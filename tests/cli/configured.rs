//! Configuration from all its places: which wins, what is shown of it, what is never shown.

use super::keys::{CTRL_C, Keys};
use super::process::Folder;

const LOCAL: &str = "type = 'local'\nwarehouse = 'w'\n";

fn shown(folder: &Folder, args: &[&str]) -> Vec<String> {
    let ran = folder.run(&[args, &["config", "--format", "tsv", "-q"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    ran.stdout.lines().skip(1).map(|line| line.replace('\t', " | ")).collect()
}

fn with_user_file(text: &str) -> Folder {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().join(".config/icelift")).unwrap();
    std::fs::write(folder.path().join(".config/icelift/icelift.toml"), text).unwrap();
    folder
}

pub(super) fn the_higher_place_wins() {
    let user = format!("[settings]\nthreads = 1\nformat = 'csv'\nbandwidth = '5MB'\n[catalog.here]\n{LOCAL}");
    let mut folder =
        with_user_file(&user).with("icelift.toml", "[settings]\nthreads = 2\n[catalog.here]\nwarehouse = 'v'\n");
    folder.set("ICELIFT_MEMORY_LIMIT", "1GB");
    folder.set("ICELIFT_THREADS", "3");
    let home = folder.path().display().to_string();
    let expected = [
        "settings.memory_limit | 1GB | ICELIFT_MEMORY_LIMIT".to_owned(),
        "settings.threads | 4 | --threads".to_owned(),
        "settings.format | tsv | --format".to_owned(),
        format!("settings.bandwidth | 5MB | {home}/.config/icelift/icelift.toml:4"),
        format!("catalog.here.type | local | {home}/.config/icelift/icelift.toml:6"),
        "catalog.here.warehouse | v | icelift.toml:4".to_owned(),
    ];
    assert_eq!(shown(&folder, &["--threads", "4"]), expected);
    let ran = folder.run(&["-c", "CREATE SCHEMA here.s; SELECT 1 AS a"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "a\n1\n", ""));
    assert!(folder.path().join("v/catalog.db").exists());
}

/// One that does not answer keeps nobody waiting who does not name it.
pub(super) fn a_prompt_waits_for_no_catalog() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let rest = format!("type = 'rest'\nuri = 'http://{}'\ntoken = 't'\n", deaf.local_addr().unwrap());
    let folder = Folder::new().with("icelift.toml", &format!("[catalog.deaf]\n{rest}[catalog.here]\n{LOCAL}"));
    let keys = Keys::new(&folder, &[])
        .line("CREATE SCHEMA here.s;")
        .line("SELECT 'there ' || (40 + 2) AS a;")
        .wait("there 42");
    let keys = keys.line("SHOW SCHEMAS FROM here;").wait("│ s +│").line("SHOW SCHEMAS FROM deaf;");
    let keys = keys.wait("waiting for the catalog `deaf`").keys(CTRL_C);
    assert_eq!(keys.wait("stopped by SIGINT").line("\\q").play(), [0]);
}

/// Somebody may have put it into a folder that many write to.
#[cfg(unix)]
pub(super) fn files_of_others_are_refused() {
    let folder =
        Folder::new().with("icelift.toml", &format!("[catalog.a]\n{LOCAL}")).with(".pyiceberg.yaml", "catalog: {}");
    let [toml, yaml] = ["icelift.toml", ".pyiceberg.yaml"].map(|name| folder.path().join(name));
    if std::os::unix::fs::chown(&toml, Some(12_345), None).is_err() {
        // Only an administrator can give files away; the rule itself has a unit test.
        return;
    }
    let ran = folder.run(&["config"]);
    let said =
        "icelift.toml: error: the file belongs to the user 12345, and not to you\nhint: look at it, then name it";
    assert!(ran.code == 2 && ran.stderr.starts_with(said), "{}", ran.stderr);
    assert_eq!(folder.run(&["config", "--config", "icelift.toml"]).code, 0);
    std::fs::remove_file(toml).unwrap();
    // The home folder is the working folder in these tests, so this one is the user's.
    std::os::unix::fs::chown(&yaml, Some(12_345), None).unwrap();
    assert_eq!(folder.run(&["config"]).code, 0);
}

pub(super) fn pyiceberg_is_read_as_it_is() {
    let yaml = "catalog:\n  mine:\n    type: sql\n    uri: sqlite:///py.db\n    warehouse: file:///nowhere\n    \
                py-io-impl: pyiceberg.io.pyarrow.PyArrowFileIO\n  old:\n    type: hive\n    uri: thrift://h:1\n";
    let mut folder = Folder::new().with(".pyiceberg.yaml", yaml);
    folder.set("PYICEBERG_CATALOG__MINE__WAREHOUSE", &folder.path().join("py").display().to_string());
    folder.set("PYICEBERG_CATALOG__FAR__URI", "https://u:hunter2@127.0.0.1:1");
    folder.set("PYICEBERG_CATALOG__FAR__S3__SECRET_ACCESS_KEY", "hunter3");
    let rows = shown(&folder, &[]);
    let place = folder.path().join(".pyiceberg.yaml").display().to_string();
    assert!(rows.contains(&format!("catalog.mine.uri | py.db | {place}:4")), "{rows:#?}");
    assert!(
        rows.contains(&"catalog.far.type | rest | PYICEBERG_CATALOG__FAR__S3__SECRET_ACCESS_KEY".to_owned()),
        "{rows:#?}"
    );
    assert!(rows.contains(
        &"catalog.far.s3.secret-access-key | *** | PYICEBERG_CATALOG__FAR__S3__SECRET_ACCESS_KEY".to_owned()
    ));
    assert!(rows.iter().any(|row| row.starts_with("catalog.old | not attached: ")), "{rows:#?}");
    assert!(!rows.concat().contains("hunter"), "{rows:#?}");
    // A catalog that PyIceberg alone knows of stops nobody who does not name it.
    let script = "CREATE SCHEMA mine.s; CREATE TABLE mine.s.t AS SELECT 1 AS a; SELECT a FROM mine.s.t";
    let ran = folder.run(&["--format", "csv", "-c", script]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a\n1\n"), "{}", ran.stderr);
    assert!(folder.path().join("py.db").exists());
    let ran = folder.run(&["-c", "SELECT * FROM far.s.t"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter"), "{}", ran.stderr);
}

pub(super) fn variables_of_files_are_read_when_asked() {
    let toml = "[catalog.here]\ntype = 'local'\nwarehouse = '${THE_WAREHOUSE}'\n";
    let env = "# mine\nexport THE_WAREHOUSE='of file'\nICELIFT_FORMAT=csv\nTHE_WORD=\"two words\"\n";
    let mut folder = Folder::new().with("icelift.toml", toml).with(".env", env);
    let ran = folder.run(&["-c", "SELECT 1"]);
    assert_eq!(ran.code, 2, "a file that nobody named was read");
    let rows = shown(&folder, &["--env-file", ".env"]);
    let expected = "catalog.here.warehouse | of file | icelift.toml:3, ${THE_WAREHOUSE} of .env";
    assert!(rows.contains(&expected.to_owned()), "{rows:#?}");
    let script = "\\getenv word THE_WORD\nSELECT :'word' AS word;\n\\! printf '%s\\n' \"$THE_WORD\"\n";
    let ran = folder.run_with_stdin(&["--env-file", ".env"], script);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "word\ntwo words\ntwo words\n", ""));
    folder.set("THE_WORD", "of the environment");
    let ran = folder.run_with_stdin(&["--env-file", ".env"], "\\getenv word THE_WORD\nSELECT :'word' AS word;\n");
    assert_eq!(ran.stdout, "word\nof the environment\n");
    let ran = Folder::new().with(".env", "TOKEN=\"hunter2\n").run(&["--env-file", ".env", "-c", "SELECT 1"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with(".env:1: error: ") && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
}

#[cfg(unix)]
pub(super) fn secrets_come_from_commands_and_files() {
    let rest = "type = 'rest'\nuri = 'http://127.0.0.1:1'\nrest.client.max-retries = 0\n";
    let toml = format!(
        "[catalog.a]\n{rest}token-command = 'touch ran; echo hunter2'\n[catalog.b]\n{rest}token-file = 'key'\n"
    );
    let folder = Folder::new().with("icelift.toml", &toml).with("key", "hunter3\n");
    let rows = shown(&folder, &[]);
    assert!(rows.contains(&"catalog.a.token-command | touch … | icelift.toml:5".to_owned()), "{rows:#?}");
    assert!(rows.contains(&"catalog.b.token-file | key | icelift.toml:10".to_owned()), "{rows:#?}");
    assert!(!folder.path().join("ran").exists(), "what is shown runs nothing");
    let ran = folder.run(&["-c", "SELECT 1"]);
    assert!(folder.path().join("ran").exists());
    assert!(ran.code == 1 && !ran.stderr.contains("hunter"), "{}: {}", ran.code, ran.stderr);
    let failing = toml.replace("touch ran; echo hunter2", "echo hunter2; exit 3");
    let ran = Folder::new().with("icelift.toml", &failing).run(&["-c", "SELECT 1"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with("icelift.toml:5: error: the command that prints a secret failed"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter"), "{}", ran.stderr);
}

pub(super) fn typed_secrets_are_warned_of() {
    let folder = Folder::new();
    let attach =
        "ATTACH 'w' AS r2 (TYPE rest, URI 'http://127.0.0.1:1', TOKEN 'hunter2', \"rest.client.max-retries\" 0)";
    let ran = folder.run(&["-c", attach]);
    assert!(ran.stderr.starts_with("warning: -c holds a secret (`token`)"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    let ran = folder.run(&["-v", "token=hunter2", "-c", "SELECT 1"]);
    assert!(ran.code == 0 && ran.stderr.starts_with("warning: -v token=… holds a secret"), "{}", ran.stderr);
    let ran = folder.run(&["-v", "year=2019", "-c", "SELECT 'attach' AS token"]);
    assert_eq!(ran.stderr, "");
}
