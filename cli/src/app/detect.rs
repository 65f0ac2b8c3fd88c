//! The app of a folder, when none is named.

use std::path::Path;

use ostler_runner::{Serve, runtime};

/// The app of a folder, or one sentence that lists what was looked for.
pub(crate) fn detect(folder: &Path) -> Result<Serve, String> {
    if !folder.is_dir() {
        return Err(format!("there is no folder {}", folder.display()));
    }
    let (mut seen, mut looked_for) = (Vec::new(), Vec::new());
    for runtime in runtime::ALL {
        match runtime.detect(folder) {
            Ok(serve) => return Ok(serve),
            Err(nothing) => {
                seen.extend(nothing);
                looked_for.push(runtime.about().looked_for);
            }
        }
    }
    let seen = if seen.is_empty() { String::new() } else { format!(" ({})", seen.join("; ")) };
    Err(format!(
        "found no app in {}{seen}: looked for {}; name it: {}, or run jobs only: ostler serve --no-app",
        folder.display(),
        looked_for.join(", "),
        runtime::forms("ostler serve ")
    ))
}
