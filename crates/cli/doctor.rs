//! `icelift doctor`: examines the catalogs of the configuration, and says what to do.

use std::io::Write;

use futures::future::try_join_all;
use icelift::{Engine, Error, ErrorKind, Health};

use crate::answer;
use crate::args;
use crate::config::Catalog;
use crate::exit::{Problem, Stop};
use crate::session::Setup;
use crate::signals::Signals;
use crate::work::Workers;

const COLUMNS: [&str; 5] = ["catalog", "check", "result", "found", "what to do"];

/// The check that is about what the configuration says, as the library calls it, too.
const CONFIGURATION: &str = "configuration";

type Row = [Option<String>; 5];

/// Examines the catalogs that are named, or all; a check that failed ends with code 1, or 2 if it is the configuration.
pub async fn run(setup: Setup, workers: Workers, doctor: args::Doctor) -> Result<(), Stop> {
    let mut signals = Signals::listen()?;
    let catalogs = chosen(&setup.config.catalogs, &doctor.catalogs)?;
    let engine = setup.engine(&workers).await?;
    let examined = try_join_all(catalogs.into_iter().map(|catalog| {
        let (engine, writes) = (engine.clone(), doctor.write);
        workers.run(async move { Ok(examine(&engine, &catalog, writes).await) })
    }));
    let rows = tokio::select! {
        biased;
        signal = signals.next() => {
            let left = "what was written may be left: schemas whose names begin with icelift_doctor_";
            return Err(Stop::Signalled { place: None, signal, resume: doctor.write.then(|| left.to_owned()) });
        }
        examined = examined => examined?.concat(),
    };
    match setup.asked_format {
        Some(format) => answer::print(COLUMNS, &rows, format)?,
        None => std::io::stdout().lock().write_all(list(&rows).as_bytes()).map_err(Stop::output)?,
    }
    let fail = Some(Health::Fail.to_string());
    let failed: Vec<_> = rows.iter().filter(|[_, _, result, ..]| *result == fail).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let all_of_configuration = failed.iter().all(|[_, check, ..]| check.as_deref() == Some(CONFIGURATION));
    let code = if all_of_configuration { 2 } else { 1 };
    let checks = if failed.len() == 1 { "check" } else { "checks" };
    Err(Stop::Summary { code, text: format!("error: {} {checks} failed", failed.len()) })
}

/// What is found of one catalog.
async fn examine(engine: &Engine, catalog: &Catalog, writes: bool) -> Vec<Row> {
    let name = &catalog.name;
    if let Some(why) = &catalog.left_out {
        return vec![row(name, CONFIGURATION, Health::Skipped, why, None)];
    }
    match catalog.attach().await {
        Ok(attach) => {
            let findings = engine.examine(attach, writes).await.into_iter();
            findings.map(|it| row(name, it.check, it.health, &it.found, it.advice)).collect()
        }
        Err(problem) => {
            let place = problem.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            let advice = problem.error.advice().map(str::to_owned);
            vec![row(name, CONFIGURATION, Health::Fail, &format!("{place}{}", problem.error), advice)]
        }
    }
}

fn row(catalog: &str, check: &str, health: Health, found: &str, advice: Option<String>) -> Row {
    [Some(catalog.to_owned()), Some(check.to_owned()), Some(health.to_string()), Some(found.to_owned()), advice]
}

/// The same for somebody to read: a line for each check, what to do below it.
fn list(rows: &[Row]) -> String {
    let width = |at: usize| rows.iter().filter_map(|row| Some(row[at].as_ref()?.chars().count())).max().unwrap_or(0);
    let (check_width, result_width) = (width(1), width(2));
    let (mut text, mut last) = (String::new(), "");
    for row in rows {
        let [catalog, check, result, found, advice] = row.each_ref().map(|cell| cell.as_deref().unwrap_or_default());
        if catalog != last {
            let gap = if last.is_empty() { "" } else { "\n" };
            text += &format!("{gap}{}\n", console::style(catalog).bold());
            last = catalog;
        }
        let padded = console::style(format!("{result:result_width$}"));
        let coloured = match result {
            "ok" => padded.green(),
            "warn" => padded.yellow(),
            "fail" => padded.red(),
            _ => padded.dim(),
        };
        text += &format!("  {coloured}  {check:check_width$}  {found}\n");
        if !advice.is_empty() {
            text += &format!("  {:result_width$}  {:check_width$}  → {advice}\n", "", "");
        }
    }
    text
}

fn chosen(known: &[Catalog], names: &[String]) -> Result<Vec<Catalog>, Problem> {
    let problem = |message: String, hint: String| Problem {
        place: None,
        error: Error::new(ErrorKind::Config, message).hint(hint),
    };
    if known.is_empty() {
        return Err(problem("no catalog is configured".to_owned(), "`icelift init` writes an icelift.toml".to_owned()));
    }
    if names.is_empty() {
        return Ok(known.to_vec());
    }
    let find = |name: &String| {
        let found = known.iter().find(|catalog| catalog.name == *name).cloned();
        found.ok_or_else(|| {
            let listed: Vec<_> = known.iter().map(|catalog| catalog.name.as_str()).collect();
            problem(format!("no catalog `{name}` is configured"), format!("there are `{}`", listed.join("`, `")))
        })
    };
    names.iter().map(find).collect()
}
