//! Where crontabs are: files, folders of them, standard input; whose each is, and how it is written.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
    unistd::{User, geteuid},
};

use ostler_cron_module::crontab::Table;

use crate::failure::{self, Failure};

/// More is no crontab.
const BYTES_MAX: u64 = 4 << 20;

/// A table as it was read.
#[derive(Debug)]
pub(crate) struct TableFile {
    /// As it is told.
    pub(crate) label: String,
    /// Where it is; `None`: it came by standard input.
    pub(crate) path: Option<PathBuf>,
    pub(crate) table: Table,
    pub(crate) owner: Owner,
    /// What is no UTF-8 in it is U+FFFD.
    pub(crate) text: String,
}

/// Whose a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A user's, by the file's name.
    User(String),
    /// A package's, by the file's name: its lines name their users.
    File(String),
    /// It does not say.
    Nobody,
}

impl Owner {
    /// Who runs its lines.
    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::User(user) => Some(user),
            Self::File(_) | Self::Nobody => None,
        }
    }

    /// What its schedules are named after.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::User(name) | Self::File(name) => Some(name),
            Self::Nobody => None,
        }
    }
}

/// Reads those that are named, and says of which files of a folder cron reads none, and why.
pub(crate) fn read(
    files: &[String],
    table: Option<Table>,
    stdin: impl Fn() -> Result<String, Failure>,
) -> Result<(Vec<TableFile>, Vec<String>), Failure> {
    let (mut tables, mut left_out) = (Vec::new(), Vec::new());
    for file in files {
        let path = Path::new(file);
        if file == "-" {
            let (table, owner) = (table.unwrap_or(Table::User), Owner::Nobody);
            let text = stdin()?;
            tables.push(TableFile { label: "stdin".to_owned(), path: None, table, owner, text });
        } else if path.is_dir() {
            let found = table.or_else(|| of_folder(path)).ok_or_else(|| {
                let cure =
                    "say --system, as for /etc/cron.d, or --user, as for /var/spool/cron/crontabs";
                Failure::usage(format!("{file} is a folder of crontabs of some kind; {cure}"))
            })?;
            for path in listed(path)? {
                match in_folder(&path, found)? {
                    Ok(file) => tables.push(one(&path, Some(found), file)?),
                    Err(why) => left_out.push(format!(
                        "{} is left out, as by cron, {why}; name the file itself to import it",
                        path.display()
                    )),
                }
            }
        } else {
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            tables.push(one(path, table, file)?);
        }
    }
    Ok((tables, left_out))
}

/// The kind of the tables in a folder, by where cron looks for them.
fn of_folder(path: &Path) -> Option<Table> {
    let path = path.canonicalize().ok()?;
    match path.file_name()?.to_str()? {
        "cron.d" => Some(Table::System),
        "crontabs" | "tabs" => Some(Table::User),
        "cron" if path.ends_with("spool/cron") => Some(Table::User),
        _ => None,
    }
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let wrong = |error: io::Error| unreadable(folder, &error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let is_hidden = path.file_name().is_some_and(|it| it.to_string_lossy().starts_with('.'));
        if path.is_file() && !is_hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Whether cron reads a file of a folder, by its name: Debian's, of the system's tables, letters, digits, dashes and underscores alone.
fn is_read(path: &Path, table: Table) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match table {
        Table::System => name.chars().all(|it| it.is_ascii_alphanumeric() || "-_".contains(it)),
        Table::User => !name.starts_with("tmp.") && !name.ends_with('~'),
    }
}

/// A file of a folder, or why cron does not read it. A folder of users' tables may be one that users write to: a link there would have the
/// lines of somebody else run as its owner, and taken out there.
fn in_folder(path: &Path, table: Table) -> Result<Result<File, &'static str>, Failure> {
    if !is_read(path, table) {
        return Ok(Err("for its name"));
    }
    let wrong = |error: io::Error| unreadable(path, &error);
    let is_users = table == Table::User;
    if is_users && fs::symlink_metadata(path).map_err(wrong)?.is_symlink() {
        return Ok(Err("since it is a link"));
    }
    // Whatever is put there meanwhile is not followed, and not waited for.
    let follows = if is_users { OFlag::O_NOFOLLOW } else { OFlag::empty() };
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | follows;
    let file = open(path, flags, Mode::empty()).map_err(|it| wrong(it.into()))?;
    let file = File::from(file);
    let found = file.metadata().map_err(wrong)?;
    if !found.is_file() {
        return Ok(Err("since it is no file"));
    }
    if is_users && found.nlink() > 1 {
        return Ok(Err("since it has another name as well"));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let user = User::from_name(&name).ok().flatten().map(|it| it.uid.as_raw());
    let owners = [Some(0), Some(geteuid().as_raw()), user];
    if is_users && !owners.contains(&Some(found.uid())) {
        return Ok(Err("since it is not its user's"));
    }
    Ok(Ok(file))
}

fn one(path: &Path, table: Option<Table>, file: File) -> Result<TableFile, Failure> {
    let whole = path.canonicalize().map_err(|error| unreadable(path, &error))?;
    let folder = whole.parent().and_then(of_folder);
    let is_etc = whole.ends_with("etc/crontab");
    let table = table.or(folder).unwrap_or(if is_etc { Table::System } else { Table::User });
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let owner = match (table, folder) {
        (Table::System, Some(Table::System)) => Owner::File(name),
        (Table::User, Some(Table::User)) => Owner::User(name),
        _ => Owner::Nobody,
    };
    // What has no length, as /dev/zero, is read no further either.
    let mut bytes = Vec::new();
    let read = file.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    let read = read.map_err(|error| unreadable(path, &error))? as u64;
    if read > BYTES_MAX {
        let wrong = format!(
            "{}: that is too long for a crontab; at most {BYTES_MAX} bytes are read",
            path.display()
        );
        return Err(Failure::data(vec![wrong]));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(TableFile { label: path.display().to_string(), path: Some(whole), table, owner, text })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::with(failure::NOT_FOUND, vec![format!("cannot read {}: {error}", path.display())])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::unistd::mkfifo;

    use super::*;

    /// Users may write to a folder of users' tables: what they put there is not taken for more than it is.
    #[test]
    fn of_a_folder_of_users_tables_links_and_what_is_no_file_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let tabs = folder.path().join("crontabs");
        fs::create_dir(&tabs).unwrap();
        let whole = folder.path().join("whole");
        fs::write(&whole, "0 3 * * * theirs\n").unwrap();
        symlink(&whole, tabs.join("linked")).unwrap();
        symlink("/dev/zero", tabs.join("endless")).unwrap();
        fs::hard_link(&whole, tabs.join("named-twice")).unwrap();
        mkfifo(&tabs.join("pipe"), Mode::S_IRWXU).unwrap();
        fs::write(tabs.join("eve"), "0 4 * * * hers\n").unwrap();
        let stdin = || unreachable!("it is not asked for");
        let all = |folder: &Path| {
            let (tables, left_out) =
                read(&[folder.display().to_string()], None, stdin).expect("the folder is read");
            (tables.into_iter().map(|it| it.owner).collect::<Vec<_>>(), left_out)
        };
        let (owners, left_out) = all(&tabs);
        assert_eq!(owners, [Owner::User("eve".to_owned())]);
        let told =
            |name: &str, why: &str| left_out.iter().any(|it| it.contains(name) && it.contains(why));
        assert!(told("linked", "it is a link"), "{left_out:?}");
        assert!(told("named-twice", "it has another name"), "{left_out:?}");
        assert_eq!(left_out.len(), 2, "{left_out:?}");
        // The system's are packages' and administrators', who may link them.
        let system = folder.path().join("cron.d");
        fs::rename(&tabs, &system).unwrap();
        assert_eq!(all(&system).0.len(), 3);
        assert!(in_folder(&system.join("pipe"), Table::System).unwrap().is_err());
    }

    #[test]
    fn what_has_no_end_is_no_crontab() {
        let stdin = || unreachable!("it is not asked for");
        let wrong = read(&["/dev/zero".to_owned()], None, stdin).unwrap_err();
        assert!(format!("{wrong:?}").contains("too long for a crontab"), "{wrong:?}");
    }
}
