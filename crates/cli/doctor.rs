//! `icelift doctor`: examines the catalogs of the configuration, and says what to do.

use futures::future::join_all;
use icelift::{Error, ErrorKind, Finding, Health};

use crate::answer;
use crate::args;
use crate::config::Catalog;
use crate::exit::{Problem, Stop};
use crate::session::Setup;
use crate::signals::Signals;
use crate::work::Workers;

const COLUMNS: [&str; 5] = ["catalog", "check", "result", "found", "what to do"];

type Row = [Option<String>; 5];

/// Examines the catalogs that are named, or all; a check that failed ends with code 1, or 2 if it is the configuration.
pub async fn run(setup: Setup, workers: Workers, doctor: args::Doctor) -> Result<(), Stop> {
    let mut signals = Signals::listen()?;
    let catalogs = chosen(&setup.config.catalogs, &doctor.catalogs)?;
    let engine = setup.engine(&workers).await?;
    let (mut rows, mut failed, mut all_of_configuration) = (Vec::new(), 0, true);
    let examined = join_all(catalogs.into_iter().map(|catalog| {
        let (engine, writes, workers) = (engine.clone(), doctor.write, workers.clone());
        async move {
            let (name, left_out) = (catalog.name.clone(), catalog.left_out.clone());
            if left_out.is_some() {
                return (name, left_out, Ok(Ok(Vec::new())));
            }
            let found = workers.run(async move {
                match catalog.attach().await {
                    Ok(attach) => Ok(Ok(engine.examine(attach, writes).await)),
                    Err(problem) => Ok(Err(problem)),
                }
            });
            (name, left_out, found.await)
        }
    }));
    let examined = tokio::select! {
        biased;
        signal = signals.next() => return Err(Stop::Signalled { place: None, signal, resume: None }),
        examined = examined => examined,
    };
    for (name, left_out, found) in examined {
        if let Some(why) = left_out {
            rows.push(row(&name, "configuration", Health::Skipped, &why, None));
            continue;
        }
        match found? {
            Ok(findings) => {
                for Finding { check, health, found, advice, .. } in &findings {
                    rows.push(row(&name, check, *health, found, advice.clone()));
                    if *health == Health::Fail {
                        failed += 1;
                        all_of_configuration &= *check == "configuration";
                    }
                }
            }
            Err(problem) => {
                failed += 1;
                let place = problem.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
                let advice = problem.error.advice().map(str::to_owned);
                rows.push(row(&name, "configuration", Health::Fail, &format!("{place}{}", problem.error), advice));
            }
        }
    }
    answer::print(COLUMNS, &rows, setup.format().unwrap_or_default())?;
    if failed == 0 {
        return Ok(());
    }
    let code = if all_of_configuration { 2 } else { 1 };
    let checks = if failed == 1 { "check" } else { "checks" };
    Err(Stop::Summary { code, text: format!("error: {failed} {checks} failed") })
}

fn row(catalog: &str, check: &str, health: Health, found: &str, advice: Option<String>) -> Row {
    [Some(catalog.to_owned()), Some(check.to_owned()), Some(health.to_string()), Some(found.to_owned()), advice]
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
