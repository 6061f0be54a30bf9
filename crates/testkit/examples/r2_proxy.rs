//! The R2 proxy as a program, to try a client by hand: prints what the client needs as shell variables and serves until
//! standard input closes; then it says on stderr what was asked.
//!
//! The servers behind it are named by UPSTREAM_CATALOG, UPSTREAM_TOKEN, UPSTREAM_PREFIX, UPSTREAM_S3, UPSTREAM_KEY_ID and
//! UPSTREAM_SECRET; the bucket by BUCKET. CA_FILE is where the authority's certificate goes. Limits are R2's, or none with
//! UNHURRIED=1.

use std::io::Read;

use icelift_testkit::r2_proxy::{Error, Keys, Limits, R2Proxy, Settings, Upstream};

fn main() -> Result<(), Error> {
    let upstream = Upstream {
        catalog: variable("UPSTREAM_CATALOG")?,
        catalog_token: variable("UPSTREAM_TOKEN")?,
        prefix: variable("UPSTREAM_PREFIX")?,
        s3: variable("UPSTREAM_S3")?,
        s3_keys: Keys::new(variable("UPSTREAM_KEY_ID")?, variable("UPSTREAM_SECRET")?),
    };
    let mut settings = Settings::new("0123456789abcdef0123456789abcdef", variable("BUCKET")?, upstream);
    if std::env::var_os("UNHURRIED").is_some() {
        settings.limits = Limits::unhurried();
    }
    let proxy = R2Proxy::start(settings)?;
    let ca_file = variable("CA_FILE")?;
    std::fs::write(&ca_file, proxy.ca_pem())?;
    println!("export R2_CATALOG_URI='{}'", proxy.catalog_uri());
    println!("export R2_WAREHOUSE='{}'", proxy.warehouse());
    println!("export R2_CATALOG_API_TOKEN='{}'", proxy.token());
    println!("export R2_CA_FILE='{ca_file}'");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    eprintln!("{:#?}", proxy.counts());
    for violation in proxy.violations() {
        eprintln!("violation: {violation}");
    }
    Ok(())
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("the variable {name} is not set"))
}
