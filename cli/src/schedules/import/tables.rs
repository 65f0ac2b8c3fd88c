//! Where crontabs are: files, folders of them, standard input; whose each is, and how it is written.

use std::{
    fs, io,
    path::{Path, PathBuf},
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

/// Reads those that are named, and says of which files of a folder cron reads none.
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
                match is_read(&path, found) {
                    true => tables.push(one(&path, Some(found))?),
                    false => left_out.push(path.display().to_string()),
                }
            }
        } else {
            tables.push(one(path, table)?);
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

fn one(path: &Path, table: Option<Table>) -> Result<TableFile, Failure> {
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
    let length = fs::metadata(&whole).map_err(|error| unreadable(path, &error))?.len();
    if length > BYTES_MAX {
        let wrong = format!(
            "{}: {length} bytes are no crontab; at most {BYTES_MAX} are read",
            path.display()
        );
        return Err(Failure::data(vec![wrong]));
    }
    let bytes = fs::read(&whole).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(TableFile { label: path.display().to_string(), path: Some(whole), table, owner, text })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::with(failure::NOT_FOUND, vec![format!("cannot read {}: {error}", path.display())])
}
