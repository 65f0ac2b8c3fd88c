//! The children's own code, which travels inside the binary and is written out once.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::Serve;
use crate::hash;

// `CHILDREN`: the files of each language's child, with their texts.
include!(concat!(env!("OUT_DIR"), "/children.rs"));

/// What every child's code is called, in the source and where it is written to.
const PACKAGE: &str = "ostler_child";

/// The children's own code as it was written, by language.
#[derive(Clone, Debug)]
pub(crate) struct ChildBundles(BTreeMap<&'static str, PathBuf>);

impl ChildBundles {
    /// Writes that of every language that has an app here.
    pub(crate) fn write<'a>(
        state: &Path,
        apps: impl IntoIterator<Item = &'a Serve>,
    ) -> io::Result<Self> {
        let mut codes = BTreeMap::new();
        for serve in apps {
            let name = serve.runtime().about().name;
            if !codes.contains_key(name) {
                codes.insert(name, write(state, name, files_of(name))?);
            }
        }
        Ok(Self(codes))
    }

    /// The folder of an app's.
    pub(crate) fn of(&self, serve: &Serve) -> &Path {
        &self.0[serve.runtime().about().name]
    }
}

/// Nothing for a language that the tests made up.
fn files_of(language: &str) -> &'static [(&'static str, &'static str)] {
    CHILDREN.iter().find(|(name, _)| *name == language).map_or(&[], |(_, files)| files)
}

/// Writes a language's child under `state` and returns its folder.
///
/// The name of the folder above holds a hash of the code, so runners of different versions share a state folder in peace.
fn write(state: &Path, language: &str, files: &[(&str, &str)]) -> io::Result<PathBuf> {
    let above = state.join("children");
    let version = above.join(format!("{language}-{:016x}", version(files)));
    let folder = version.join(PACKAGE);
    // A child of another user gets its code by a descriptor of the folder, and must be able to read it there.
    for folder in [&above, &version, &folder] {
        ostler_private::public_folder(folder)?;
    }
    for (name, text) in files {
        let inner: Vec<&Path> = Path::new(name).ancestors().skip(1).collect();
        for inner in inner.into_iter().rev().filter(|inner| !inner.as_os_str().is_empty()) {
            ostler_private::public_folder(&folder.join(inner))?;
        }
        write_once(&folder.join(name), text)?;
    }
    Ok(folder)
}

/// Names the version of the code.
fn version(files: &[(&str, &str)]) -> u64 {
    hash::fnv(files.iter().flat_map(|(name, text)| [name.as_bytes(), b"\0", text.as_bytes()]))
}

/// Leaves a right file alone and replaces a wrong one at once, so that no child ever sees half of it.
fn write_once(path: &Path, text: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(());
    }
    ostler_private::replace_public(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::runtime::ALL;

    #[test]
    fn the_binary_carries_every_file_of_each_languages_child() {
        for runtime in ALL {
            let language = runtime.about().name;
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let source = root.join("../children").join(language).join(PACKAGE);
            let names = fs::read_dir(source).unwrap();
            let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let is_kept = |name: &String| !name.starts_with('.') && name != "__pycache__";
            let mut names: Vec<String> = names.filter(is_kept).collect();
            names.sort();
            let carried = files_of(language).iter().map(|(name, _)| name.split('/').next());
            let mut carried: Vec<&str> = carried.map(Option::unwrap).collect();
            carried.dedup();
            assert_eq!(carried, names, "{language}");
        }
        assert!(files_of("python").iter().any(|(name, _)| *name == "__main__.py"));
    }

    #[test]
    fn a_damaged_file_is_written_again() {
        let state = tempfile::tempdir().unwrap();
        let files = [("main.x", "one"), ("inner/part.x", "two")];
        let folder = write(state.path(), "tongue", &files).unwrap();
        let part = folder.join("inner/part.x");
        assert_eq!(fs::read_to_string(&part).unwrap(), "two");
        fs::write(&part, "damaged").unwrap();
        assert_eq!(write(state.path(), "tongue", &files).unwrap(), folder);
        assert_eq!(fs::read_to_string(&part).unwrap(), "two");
        let mode = fs::metadata(&part).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn code_is_written_only_for_the_languages_of_the_apps() {
        let state = tempfile::tempdir().unwrap();
        ChildBundles::write(state.path(), []).unwrap();
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
        let serve = Serve::read("wsgi:shop:app").unwrap();
        let codes = ChildBundles::write(state.path(), [&serve, &serve]).unwrap();
        assert!(codes.of(&serve).join("__main__.py").is_file());
    }
}
