//! `Engine::examine` over real servers: what is well is called so, and nothing else is.

use icelift::{Engine, Finding, Health};
use libtest_mimic::{Failed, Trial};

use super::glue;
use super::world::{World, equal};
use crate::support;
use crate::support::servers::AWS_BUCKET;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("clouds::doctor::r2_is_examined", r2_is_examined),
        Trial::test("clouds::doctor::glue_is_examined", glue_is_examined),
        Trial::test("clouds::doctor::what_is_refused_is_told", what_is_refused_is_told),
    ]
}

/// With leave to write.
const WRITTEN: [(&str, Health); 5] = [
    ("create", Health::Ok),
    ("write", Health::Ok),
    ("read", Health::Ok),
    ("multipart", Health::Ok),
    ("delete", Health::Ok),
];

fn health(findings: &[Finding], check: &str) -> Option<Health> {
    findings.iter().find(|finding| finding.check == check).map(|finding| finding.health)
}

fn all(findings: &[Finding], expected: &[(&str, Health)]) -> Result<(), Failed> {
    let found: Vec<_> = expected.iter().map(|(check, _)| (*check, health(findings, check))).collect();
    let wanted: Vec<_> = expected.iter().map(|(check, health)| (*check, Some(*health))).collect();
    if found == wanted { Ok(()) } else { Err(format!("found {findings:#?}, expected {wanted:?}").into()) }
}

fn r2_is_examined() -> Result<(), Failed> {
    let world = World::new("examined_r2")?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        engine.detach("r2").map_err(|error| support::told(&error))?;
        let findings = engine.examine(world.attach(&super::world::HASTY), true).await;
        let expected = [
            ("reachable", Health::Ok),
            ("tls", Health::Ok),
            ("identity", Health::Skipped),
            ("clock", Health::Ok),
            ("list", Health::Ok),
            ("objects", Health::Ok),
            ("storage classes", Health::Ok),
        ];
        all(&findings, &[&expected[..], &WRITTEN[..]].concat())?;
        let schemas = engine.namespaces("r2").await.map_err(|error| support::told(&error))?;
        equal("schemas that are left", schemas.iter().any(|name| name.starts_with("icelift_doctor_")), false)?;
        equal("violations", world.proxy.violations(), vec![])
    })
}

fn glue_is_examined() -> Result<(), Failed> {
    support::block_on(async {
        let engine = Engine::builder().build().await.map_err(|error| support::told(&error))?;
        let mut attach = glue::attach()?;
        attach.warehouse = Some(format!("s3://{AWS_BUCKET}/examined"));
        let findings = engine.examine(attach, true).await;
        let expected = [("reachable", Health::Ok), ("tls", Health::Warn), ("list", Health::Ok)];
        all(&findings, &[&expected[..], &WRITTEN[..]].concat())?;
        let identity = health(&findings, "identity");
        equal("the identity is known or skipped", matches!(identity, Some(Health::Ok | Health::Skipped)), true)
    })
}

fn what_is_refused_is_told() -> Result<(), Failed> {
    let world = World::new("examined_refused")?;
    support::block_on(async {
        let engine = Engine::builder().build().await.map_err(|error| support::told(&error))?;
        let mut attach = world.attach(&[]);
        attach.options.insert("token".to_owned(), "not-the-token".to_owned());
        let findings = engine.examine(attach, true).await;
        all(&findings, &[("authenticated", Health::Fail), ("rest", Health::Skipped)])?;
        equal("the token in the findings", format!("{findings:?}").contains("not-the-token"), false)
    })
}
