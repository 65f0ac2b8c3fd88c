//! Python: WSGI apps, served by the child in `children/python/`.

mod code;
mod detect;
mod find;
mod resolve;
mod watch;

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Launch, Look, Runtime, Undetected};
use crate::config::{AppSpec, Serve};

/// The language.
#[derive(Debug)]
pub(super) struct Python;

impl Runtime for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn find(&self, spec: &AppSpec) -> Result<PathBuf, Vec<PathBuf>> {
        find::find_python(spec)
    }

    fn write_code(&self, state: &Path) -> io::Result<PathBuf> {
        code::write_python(state)
    }

    fn launch(&self, serve: &Serve) -> Launch {
        let Serve::Wsgi { module, callable } = serve;
        Launch { entry: format!("wsgi:{module}:{callable}"), env: &[("PYTHONUNBUFFERED", "1")] }
    }

    fn watch(&self, root: &Path) -> Look {
        watch::look(root)
    }

    fn detect(&self, folder: &Path) -> Result<Serve, Undetected> {
        detect::detect(folder)
    }

    fn resolve(&self, app: &mut AppSpec, interpreter: &Path) -> Result<(), String> {
        resolve::resolve(app, interpreter)
    }
}
