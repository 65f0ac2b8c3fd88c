//! The children's own code, which travels inside the binary and is written out once.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::hash;

include!(concat!(env!("OUT_DIR"), "/child_files.rs"));

/// Writes the Python child under `state` and returns the folder to give to the interpreter.
///
/// The folder's name holds a hash of the code, so runners of different versions share a state folder in peace.
pub(crate) fn write_python(state: &Path) -> io::Result<PathBuf> {
    let name = format!("python-{:016x}", version());
    let folder = state.join("children").join(&name).join("ostler_child");
    // A child of another user gets its code by a descriptor of the folder, and must be able to read it there.
    let above = [state.join("children"), state.join("children").join(&name)];
    for folder in above.iter().chain([&folder]) {
        ostler_private::public_folder(folder)?;
    }
    for (name, text) in FILES {
        write_once(&folder, name, text)?;
    }
    Ok(folder)
}

/// Names the version of the code.
fn version() -> u64 {
    hash::fnv(FILES.iter().flat_map(|(name, text)| [name.as_bytes(), b"\0", text.as_bytes()]))
}

/// Leaves a right file alone and replaces a wrong one at once, so that no child ever sees half of it.
fn write_once(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let path = folder.join(name);
    if fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(());
    }
    ostler_private::replace(&path, text.as_bytes())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_carries_every_file_of_the_python_child() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../children/python/ostler_child");
        let mut names: Vec<String> = fs::read_dir(source)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".py"))
            .collect();
        names.sort();
        let carried: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(carried, names);
        assert!(carried.contains(&"__main__.py"));
    }

    #[test]
    fn a_damaged_file_is_written_again() {
        let state = tempfile::tempdir().unwrap();
        let folder = write_python(state.path()).unwrap();
        let (name, text) = FILES[0];
        fs::write(folder.join(name), "damaged").unwrap();
        assert_eq!(write_python(state.path()).unwrap(), folder);
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), text);
    }
}
