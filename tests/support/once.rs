//! What several trials share and the first that asks for it makes.

use std::sync::OnceLock;

use libtest_mimic::Failed;

/// What is there, or what `make` makes of it. That it failed is told to every trial.
pub(crate) fn once<T>(
    place: &'static OnceLock<Result<T, String>>,
    make: impl FnOnce() -> Result<T, Failed>,
) -> Result<&'static T, Failed> {
    let text = |failed: Failed| failed.message().unwrap_or("failed without a message").to_owned();
    place.get_or_init(|| make().map_err(text)).as_ref().map_err(Failed::from)
}
