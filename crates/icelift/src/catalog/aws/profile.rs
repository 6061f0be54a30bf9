//! A profile that is named and nowhere defined: AWS's own tools look further or say that nothing was found.

use std::borrow::Cow;

use aws_config::profile;
use aws_types::os_shim_internal::{Env, Fs};

use super::AwsOptions;
use crate::error::Error;
use crate::options::Options;

/// The profile that is meant where none is named; it need not exist.
const UNNAMED: &str = "default";

/// A profile that does not exist.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MissingProfile {
    profile: String,
    is_of_options: bool,
    /// The profiles that do exist.
    others: Vec<String>,
}

impl MissingProfile {
    /// Reads the files of profiles. None if the profile is there, if none is named, or if the files make no sense, which
    /// whoever looks for credentials in them tells better.
    pub async fn find(aws: &AwsOptions) -> Option<Self> {
        let own = aws.profile.clone().map(Cow::Owned);
        let known = profile::load(&Fs::real(), &Env::real(), &Default::default(), own).await.ok()?;
        let others = known.profiles().map(str::to_string).collect();
        Self::among(known.selected_profile(), aws.profile.is_some(), others)
    }

    fn among(selected: &str, is_of_options: bool, mut others: Vec<String>) -> Option<Self> {
        let is_named = is_of_options || ![UNNAMED, ""].contains(&selected);
        if !is_named || others.iter().any(|other| other == selected) {
            return None;
        }
        others.sort();
        Some(Self { profile: selected.to_string(), is_of_options, others })
    }

    /// Whether the profile alone is to be the identity: then nothing else is looked at.
    pub fn is_of_options(&self) -> bool {
        self.is_of_options
    }

    pub fn error(&self, options: &Options) -> Error {
        let Self { profile, is_of_options, others } = self;
        let (by, instead) = match is_of_options {
            true => ("`client.profile-name`", "name another"),
            false => ("AWS_PROFILE", "unset AWS_PROFILE, or name another"),
        };
        let known = match others.as_slice() {
            [] => "there is none".to_string(),
            others => format!("there are `{}`", others.join("`, `")),
        };
        options.error(format!("the AWS profile `{profile}`, which {by} names, does not exist: {known}")).hint(format!(
            "write `[profile {profile}]` into ~/.aws/config, as `aws configure --profile {profile}` and `aws configure sso` do; \
             or {instead}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::MissingProfile;
    use crate::error::ErrorKind;
    use crate::options::Options;

    fn among(selected: &str, is_of_options: bool) -> Option<MissingProfile> {
        MissingProfile::among(selected, is_of_options, vec!["prod".to_string(), "dev".to_string()])
    }

    #[test]
    fn only_a_named_profile_can_be_missing() {
        assert_eq!(among("prod", true), None);
        assert_eq!(among("prod", false), None);
        assert_eq!(among("default", false), None);
        assert_eq!(among("", false), None);
        assert!(among("default", true).is_some());
    }

    #[test]
    fn who_named_it_is_told_and_what_else_there_is() {
        let options = Options::new("g", BTreeMap::new());
        let error = among("nosuch", false).unwrap().error(&options);
        let said = "catalog of `g`: the AWS profile `nosuch`, which AWS_PROFILE names, does not exist: there are `dev`, `prod`";
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Config, said));
        assert!(error.advice().unwrap().contains("aws configure --profile nosuch"));
        let error = MissingProfile::among("x", true, Vec::new()).unwrap().error(&options);
        assert!(error.to_string().ends_with("`client.profile-name` names, does not exist: there is none"), "{error}");
    }
}
