//! Apache Iceberg's own REST catalog adapter as a server: the jars that it needs and the class that starts it.

use std::path::{Path, PathBuf};

use crate::cache::{self, Installation};
use crate::run::{Failure, Outcome, Program};

const POM: &str = "tests/servers/pom.xml";
const SOURCE: &str = "tests/servers/RestFixture.java";
const COPY_JARS: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
const JAVA_VERSION_MIN: u32 = 17;

/// What is on the PATH, asked before anything takes time.
pub(crate) struct Java {
    version: String,
}

impl Java {
    pub(crate) fn find(root: &Path) -> Outcome<Self> {
        let asked = ["java", "javac", "mvn"].map(|name| (name, Program::new(name, root).arg("--version").probe()));
        let missing: Vec<_> = asked.iter().filter(|(_, version)| version.is_none()).map(|(name, _)| *name).collect();
        if !missing.is_empty() {
            return Err(advice(&format!("not on the PATH: {}", missing.join(", "))));
        }
        let version = asked.into_iter().find_map(|(name, version)| version.filter(|_| name == "javac"));
        let version = version.unwrap_or_default();
        match release(&version) {
            Some(found) if found < JAVA_VERSION_MIN => Err(advice(&format!("found `{version}`"))),
            _ => Ok(Self { version }),
        }
    }

    /// Installs the fixture if it is not there yet, and returns its folder with `lib` and `classes`.
    pub(crate) fn ensure_fixture(&self, root: &Path) -> Outcome<PathBuf> {
        let (pom, source) = (cache::source(root, POM)?, cache::source(root, SOURCE)?);
        let installation = Installation::of("rest-fixture", &[&pom, &source, self.version.as_bytes()])?;
        if !installation.is_complete() {
            create(root, &installation)?;
        }
        Ok(installation.folder().to_path_buf())
    }
}

fn advice(found: &str) -> Failure {
    Failure::message(format!(
        "{found}; the tests run Apache Iceberg's REST catalog: install a JDK of version {JAVA_VERSION_MIN} or newer and \
         Maven (on Debian and Ubuntu openjdk-17-jdk-headless and maven)"
    ))
}

/// The 17 of `javac 17.0.15`, the 8 of `javac 1.8.0`.
fn release(version: &str) -> Option<u32> {
    let mut numbers = version.split_whitespace().nth(1)?.split(['.', '-', '+']).map(str::parse);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        newer => Some(newer),
    }
}

fn create(root: &Path, installation: &Installation) -> Outcome {
    installation.clear()?;
    let (jars, classes) = (installation.folder().join("lib"), installation.folder().join("classes"));
    Program::new("mvn", root)
        .args(["--quiet", "--batch-mode", "--file", POM, COPY_JARS, "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .onto_stderr()
        .run()?;
    Program::new("javac", root)
        .args(["-proc:none", "-cp"])
        .arg(jars.join("*"))
        .arg("-d")
        .arg(&classes)
        .arg(SOURCE)
        .run()?;
    installation.complete()
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn release_of_old_and_new_javac() {
        assert_eq!(release("javac 17.0.15"), Some(17));
        assert_eq!(release("javac 21-ea"), Some(21));
        assert_eq!(release("javac 1.8.0_402"), Some(8));
        assert_eq!(release("javac"), None);
    }
}
