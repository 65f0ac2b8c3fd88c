//! From command line and config file to settings: which file, which app, which folder.

use std::{
    env,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use ostler_runner::{Serve, runtime};

use crate::{
    app::{detect, entry},
    config::{self, Given, Ground, Settings, Source},
    failure::Failure,
};

/// What the command line says about the app.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// Nothing.
    Nothing,
    /// A folder to look through.
    Folder(PathBuf),
    /// A callable, in a folder.
    Entry(Serve, PathBuf),
    /// Apps are served by runners that join.
    Elsewhere,
    /// No app: durable jobs only.
    NoApp,
}

impl Asked {
    /// Reads `serve`'s argument and `--root`.
    pub(crate) fn read(app: Option<&str>, root: Option<&Path>) -> Result<Self, Failure> {
        let Some(app) = app else {
            return Ok(root.map_or(Self::Nothing, |root| Self::Folder(root.to_path_buf())));
        };
        if !Path::new(app).exists() && app.split_once(':').is_some_and(|(kind, _)| is_word(kind)) {
            let serve = Serve::read(app).map_err(Failure::usage)?;
            return Ok(Self::Entry(serve, root.unwrap_or_else(|| Path::new(".")).to_path_buf()));
        }
        if root.is_some() {
            return Err(Failure::usage(format!("{app:?} is a folder already; leave out --root")));
        }
        let folder = PathBuf::from(app);
        if folder.is_file() {
            return Err(Failure::usage(of_file(&folder)));
        }
        if !folder.is_dir() {
            return Err(Failure::unavailable(format!(
                "there is no folder {app}; name a folder or {}",
                runtime::forms("")
            )));
        }
        Ok(Self::Folder(folder))
    }

    fn folder(&self) -> &Path {
        match self {
            Self::Folder(folder) | Self::Entry(_, folder) => folder,
            Self::Nothing | Self::Elsewhere | Self::NoApp => Path::new(""),
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn of_file(file: &Path) -> String {
    let shown = file.display();
    let app = file.file_name().and_then(|name| runtime::of_file(Path::new(name)));
    match (app, file.parent()) {
        (Some(app), Some(folder)) => {
            let root = match folder.as_os_str().is_empty() {
                true => String::new(),
                false => format!(" --root {}", folder.display()),
            };
            format!("{shown} is a file; write {app}{root}")
        }
        _ => format!("{shown} is a file; name a folder or {}", runtime::forms("")),
    }
}

/// The settings of a gateway and its runner, before flags.
pub(crate) fn settings(config: Option<&Path>, asked: &Asked) -> Result<Settings, Failure> {
    let source = source(config, asked)?;
    let says = source.says().map_err(Failure::config)?;
    let (given, missing) = given(&source, says, config.is_some(), asked)?;
    let ground = Ground { cpus: cpus(), given };
    let settings = config::settings(&source, &ground).map_err(Failure::config)?;
    missing.map_or(Ok(settings), |sentence| Err(Failure::unavailable(sentence)))
}

/// The settings for one app that the command line gives, with every default.
pub(crate) fn bare(name: &str, serve: Serve, root: &Path) -> Result<Settings, Failure> {
    let given = Given { name: name.to_owned(), serve: Some(serve), root: root.to_path_buf() };
    let ground = Ground { cpus: cpus(), given: Some(given) };
    config::settings(&Source::empty(), &ground).map_err(Failure::config)
}

/// The settings without a file and without an app.
pub(crate) fn default_settings() -> Result<Settings, Failure> {
    let ground = Ground { cpus: cpus(), given: None };
    config::settings(&Source::empty(), &ground).map_err(Failure::config)
}

/// The file that is named, or the one that lies in the folder, or nothing.
fn source(config: Option<&Path>, asked: &Asked) -> Result<Source, Failure> {
    if let Some(path) = config {
        return Source::read(path).map_err(Failure::usage);
    }
    let path = asked.folder().join(config::FILE);
    match asked {
        Asked::Entry(..) => Ok(Source::empty()),
        Asked::Nothing | Asked::Folder(_) | Asked::Elsewhere | Asked::NoApp if path.is_file() => {
            Source::read(&path).map_err(Failure::usage)
        }
        Asked::Nothing | Asked::Folder(_) | Asked::Elsewhere | Asked::NoApp => Ok(Source::empty()),
    }
}

/// The app that the command line adds to a file without one, and why it could not be found.
fn given(
    source: &Source,
    says: config::Says,
    named_file: bool,
    asked: &Asked,
) -> Result<(Option<Given>, Option<String>), Failure> {
    let explicit = match asked {
        Asked::Entry(..) => true,
        Asked::Folder(_) => named_file,
        Asked::Nothing | Asked::Elsewhere | Asked::NoApp => false,
    };
    if says.apps && matches!(asked, Asked::NoApp) {
        return Err(Failure::usage(format!("{} has apps; leave out --no-app", source.name)));
    }
    if says.apps && explicit {
        return Err(Failure::usage(format!(
            "{} has apps of its own; leave out either --config or the app",
            source.name
        )));
    }
    if says.apps || (says.routes && !explicit) || matches!(asked, Asked::NoApp) {
        return Ok((None, None));
    }
    let (found, root) = match asked {
        Asked::Entry(serve, root) => (Ok(Some(serve.clone())), root.clone()),
        Asked::Folder(folder) => (detect::detect(folder).map(Some), folder.clone()),
        Asked::Nothing => {
            let folder = match source.folder.as_os_str().is_empty() {
                true => env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
                false => source.folder.clone(),
            };
            (detect::detect(&folder).map(Some), folder)
        }
        Asked::Elsewhere | Asked::NoApp => (Ok(None), PathBuf::from(".")),
    };
    // A file without apps and routes, where no app lies, means durable jobs only.
    if found.is_err() && matches!(asked, Asked::Nothing) && !source.name.is_empty() {
        return Ok((None, None));
    }
    let (serve, missing) = match found {
        Ok(serve) => (serve, None),
        Err(sentence) => (None, Some(sentence)),
    };
    Ok((Some(Given { name: entry::NAME.to_owned(), serve, root }), missing))
}

/// CPUs by affinity and cgroup quota.
fn cpus() -> u32 {
    let cpus = thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(cpus).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_beside_a_file_with_apps_of_its_own_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(config::FILE);
        std::fs::write(&file, "[app.shop]\nserve = \"wsgi:shop:app\"\n").unwrap();
        let entry = Asked::Entry(Serve::read("wsgi:other:app").unwrap(), PathBuf::from("."));
        let refused = |config: Option<&Path>, asked: &Asked| {
            let failure = settings(config, asked).err();
            failure.is_some_and(|it| {
                format!("{it:?}").contains("leave out either --config or the app")
            })
        };
        assert!(refused(Some(&file), &entry));
        assert!(refused(Some(&file), &Asked::Folder(PathBuf::from("."))));
        // The file that lies in the folder is that folder's own.
        assert!(!refused(None, &Asked::Folder(folder.path().to_owned())));
        assert!(!refused(None, &entry) && !refused(Some(&file), &Asked::Nothing));
    }
}
