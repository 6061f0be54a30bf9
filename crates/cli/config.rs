//! What a session is told of catalogs and settings, from all places that may tell of them.
//!
//! In rising order: PyIceberg's file, the user's `icelift.toml`, the project's or the one that is named, the environment, the
//! command line. Catalogs are brought together option by option. What must hold: each value knows where it was said, and no
//! message shows one.

mod env_file;
mod file;
mod layer;
mod owner;
mod pyiceberg;
pub mod secret;
mod settings;
mod show;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use icelift::{Error, ErrorKind};

pub use self::env_file::{enter, fill};
use self::layer::Layer;
pub use self::layer::{Catalog, Value};
pub use self::settings::Settings;
pub use self::show::show;
use crate::exit::{Place, Problem};

/// The name of the file, in the working folder as in the user's.
pub const FILE: &str = "icelift.toml";

#[derive(Debug, Default)]
pub struct Config {
    pub catalogs: Vec<Catalog>,
    pub settings: Settings,
    /// List prices that are replaced, in US dollars, by name.
    pub prices: BTreeMap<String, Value>,
    /// The files that were read, the lowest first.
    pub files: Vec<PathBuf>,
}

/// Where to look.
pub struct Sources<'a> {
    pub environment: &'a BTreeMap<String, String>,
    /// Whether files are read, and catalogs of the environment.
    pub with_catalogs: bool,
    /// The file that stands in the place of the project's.
    pub named: Option<&'a Path>,
    /// Settings of the command line: name, flag, text.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

impl Config {
    /// Reads everything.
    pub fn read(sources: &Sources<'_>) -> Result<Self, Problem> {
        let (mut all, mut files) = (Layer::default(), Vec::new());
        if sources.with_catalogs {
            if let Some(file) = pyiceberg::file(sources.environment) {
                if file.is_relative() {
                    owner::check(&file, "copy it into your home folder, or name its folder by PYICEBERG_HOME")?;
                }
                all.add(pyiceberg::read(&file)?);
                files.push(file);
            }
            for file in toml_files(sources)? {
                all.add(file::read(&file, sources.environment)?);
                files.push(file);
            }
            all.add(pyiceberg::environment(sources.environment));
        }
        all.add(settings_of(sources)?);
        for catalog in &mut all.catalogs {
            complete(catalog)?;
        }
        let Layer { catalogs, settings, prices } = all;
        Ok(Self { catalogs, settings, prices, files })
    }
}

/// The user's file and the project's, unless they are one.
fn toml_files(sources: &Sources<'_>) -> Result<Vec<PathBuf>, Problem> {
    let user = user_file(sources.environment).filter(|file| file.exists());
    let project = match sources.named {
        Some(named) => Some(named.to_path_buf()),
        None => Some(PathBuf::from(FILE)).filter(|file| file.exists()),
    };
    if let Some(found) = project.as_ref().filter(|_| sources.named.is_none()) {
        owner::check(found, "name it: `--config icelift.toml`")?;
    }
    let is_one = match (&user, &project) {
        (Some(user), Some(project)) => {
            user.canonicalize().ok().is_some_and(|it| project.canonicalize().ok() == Some(it))
        }
        _ => false,
    };
    Ok(user.filter(|_| !is_one).into_iter().chain(project).collect())
}

/// Where the user's file is, whether it exists or not.
pub fn user_file(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let folder = |name: &str| environment.get(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("icelift").join(FILE))
}

/// Environment and command line.
fn settings_of(sources: &Sources<'_>) -> Result<Layer, Problem> {
    let mut layer = Layer::default();
    let of_environment = settings::NAMES.iter().filter_map(|name| {
        let variable = format!("ICELIFT_{}", name.to_uppercase());
        let text = sources.environment.get(&variable).filter(|text| !text.is_empty())?;
        Some((*name, variable, text.clone()))
    });
    let of_flags = sources.flags.iter().map(|(name, flag, text)| (*name, (*flag).to_owned(), text.clone()));
    for (name, label, text) in of_environment.chain(of_flags) {
        let place = Place::from(label);
        let set = layer.settings.set(name, Value::new(text, place.clone()));
        set.map_err(|why| Problem { place: Some(place), error: Error::new(ErrorKind::Config, why) })?;
    }
    Ok(layer)
}

/// Makes sure that a catalog can be attached, or says why it is not.
fn complete(catalog: &mut Catalog) -> Result<(), Problem> {
    if catalog.is_foreign {
        pyiceberg::translate(catalog);
        return Ok(());
    }
    if catalog.options.contains_key("type") {
        return Ok(());
    }
    let message = format!("`catalog.{}` has no `type`", catalog.name);
    let hint = "add `type = \"local\"`, or another kind of catalog that ATTACH knows";
    Err(Problem { place: Some(catalog.place.clone()), error: Error::new(ErrorKind::Config, message).hint(hint) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(environment: &[(&str, &str)], named: &Path) -> Result<Config, Problem> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let flags = vec![("threads", "--threads", "7".to_owned())];
        Config::read(&Sources { environment: &environment, with_catalogs: true, named: Some(named), flags })
    }

    #[test]
    fn the_higher_place_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("user/icelift")).unwrap();
        let user = "[settings]\nthreads = 1\nformat = 'csv'\nbandwidth = 5\n[catalog.r2]\ntype = 'rest'\nuri = 'u'\ntoken = 'a'";
        std::fs::write(path("user/icelift/icelift.toml"), user).unwrap();
        let project = "[settings]\nthreads = 2\nformat = 'tsv'\nmemory_limit = '1GB'\n[catalog.r2]\nuri = 'v'";
        std::fs::write(path("p.toml"), project).unwrap();
        std::fs::write(
            path(".pyiceberg.yaml"),
            "catalog:\n  r2:\n    warehouse: w\n    uri: x\n  h:\n    type: hive\n",
        )
        .unwrap();
        let (home, user) = (path(""), path("user"));
        let environment = [
            ("HOME", home.to_str().unwrap()),
            ("XDG_CONFIG_HOME", user.to_str().unwrap()),
            ("ICELIFT_FORMAT", "json"),
            ("PYICEBERG_CATALOG__R2__TOKEN", "b"),
        ];
        let config = read(&environment, &path("p.toml")).unwrap();
        let told = |name: &str| config.settings.told(name).map(|value| value.text.as_str());
        assert_eq!(
            ["threads", "format", "memory_limit", "bandwidth"].map(told).map(Option::unwrap),
            ["7", "json", "1GB", "5"]
        );
        let [_, r2] = config.catalogs.as_slice() else { panic!("{:?}", config.catalogs) };
        let texts = ["type", "uri", "token", "warehouse"].map(|name| r2.text(name).unwrap());
        assert_eq!((texts, r2.is_foreign), (["rest", "v", "b", "w"], false));
        assert_eq!(r2.options["token"].place.to_string(), "PYICEBERG_CATALOG__R2__TOKEN");
        assert!(config.catalogs[0].left_out.is_some());
        assert_eq!(config.files.len(), 3);
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.toml");
        std::fs::write(&file, "\n[catalog.a]\ntoken = 's3cret'").unwrap();
        let problem = read(&[], &file).unwrap_err();
        assert!(problem.place.unwrap().to_string().ends_with("p.toml:2"));
        std::fs::write(&file, "").unwrap();
        let problem = read(&[("ICELIFT_THREADS", "s3cret")], &file).unwrap_err();
        assert_eq!(problem.place.unwrap().to_string(), "ICELIFT_THREADS");
        assert!(!problem.error.to_string().contains("s3cret"));
    }
}
