//! Whose a configuration is that lies in the working folder.
//!
//! It may name commands, and servers that get the user's tokens. In a folder that many write to, such as `/tmp`, somebody else may
//! have put it there: git refuses repositories for the same reason (CVE-2022-24765).

use std::path::Path;

use icelift::{Error, ErrorKind};

use crate::exit::Problem;

/// Fails if the file is neither the user's nor the administrator's.
pub fn check(file: &Path, how_to_take_it: &str) -> Result<(), Problem> {
    match owner(file) {
        Some((owner, user)) if !is_trusted(owner, user) => {
            let message = format!("the file belongs to the user {owner}, and not to you");
            let error = Error::new(ErrorKind::Config, message).hint(format!("look at it, then {how_to_take_it}"));
            Err(Problem { place: Some(file.display().to_string().into()), error })
        }
        // One that cannot be looked at cannot be read, which is told then.
        _ => Ok(()),
    }
}

fn is_trusted(owner: u32, user: u32) -> bool {
    [user, 0].contains(&owner)
}

/// Who owns the file, and who runs this.
#[cfg(unix)]
fn owner(file: &Path) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;

    Some((file.metadata().ok()?.uid(), nix::unistd::geteuid().as_raw()))
}

#[cfg(not(unix))]
fn owner(_file: &Path) -> Option<(u32, u32)> {
    None
}

#[cfg(test)]
mod tests {
    use super::is_trusted;

    #[test]
    fn only_ones_own_and_the_administrators() {
        let cases =
            [((1000, 1000), true), ((0, 1000), true), ((0, 0), true), ((1001, 1000), false), ((1000, 0), false)];
        for ((owner, user), trusted) in cases {
            assert_eq!(is_trusted(owner, user), trusted, "{owner} for {user}");
        }
    }
}
