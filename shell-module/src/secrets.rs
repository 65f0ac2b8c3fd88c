//! Secrets by name from a file of the runner: `NAME=value` lines, read anew for each attempt that wants one.

use std::{collections::BTreeMap, fs::File, io::Read, os::unix::fs::MetadataExt, path::Path};

use nix::unistd::geteuid;

/// The secrets of these names, or the reason why one cannot be had.
pub(crate) fn read(
    file: Option<&Path>,
    names: &[String],
) -> Result<BTreeMap<String, String>, String> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let file = file.ok_or_else(|| {
        let name = &names[0];
        format!("this runner has no secret {name}: it has no file of secrets; set `secrets` for it")
    })?;
    let shown = file.display();
    let cannot = |e| format!("the runner's secrets in {shown} cannot be read: {e}");
    // Looked at once it is open, so that it is this very file.
    let mut opened = File::open(file).map_err(cannot)?;
    let data = opened.metadata().map_err(cannot)?;
    if data.mode() & 0o077 != 0 {
        return Err(format!("others may read the secrets in {shown}; set its mode to 0600"));
    }
    if ![0, geteuid().as_raw()].contains(&data.uid()) {
        let uid = data.uid();
        return Err(format!(
            "the secrets in {shown} are uid {uid}'s; make the runner's user their owner"
        ));
    }
    let mut text = String::new();
    opened.read_to_string(&mut text).map_err(cannot)?;
    let known: BTreeMap<&str, &str> = text.lines().filter_map(parse).collect();
    let wanted = names.iter().map(|name| match known.get(name.as_str()) {
        Some(value) => Ok((name.clone(), (*value).to_owned())),
        None => Err(format!("this runner has no secret {name}; add it to {shown}")),
    });
    wanted.collect()
}

/// A line's name and value. Comments, empty lines and lines without `=` have none.
fn parse(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    (!name.is_empty() && !name.starts_with('#')).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn only_the_secrets_that_are_asked_for_are_given_as_written() {
        let file = file("# of the shop\n\nDB= a=b \nOTHER=no\n", 0o600);
        let found = read(Some(file.path()), &["DB".to_owned()]).unwrap();
        assert_eq!(found, BTreeMap::from([("DB".to_owned(), " a=b ".to_owned())]));
    }

    #[test]
    fn what_cannot_be_had_is_named_with_the_cure() {
        let names = ["DB".to_owned()];
        assert!(read(None, &names).unwrap_err().contains("set `secrets`"));
        let empty = file("", 0o600);
        assert!(read(Some(empty.path()), &names).unwrap_err().contains("no secret DB; add it to"));
        let open = file("DB=1", 0o640);
        assert!(read(Some(open.path()), &names).unwrap_err().contains("0600"));
        let theirs = file("DB=1", 0o600);
        if geteuid().is_root() {
            std::os::unix::fs::chown(theirs.path(), Some(65_534), None).unwrap();
            assert!(read(Some(theirs.path()), &names).unwrap_err().contains("uid 65534"));
        }
    }
}
