//! What follows `wsgi:`: a module, and a callable that may be left open.

use super::Python;
use crate::runtime::Serve;

/// A callable of a module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// The module's dotted name.
    pub(super) module: &'a str,
    /// The callable's name, dots allowed; `name()` calls a factory. Empty while it is open.
    pub(super) callable: &'a str,
}

impl<'a> Entry<'a> {
    /// That of an app.
    pub(super) fn of(serve: &'a Serve) -> Self {
        Self::split(serve.rest())
    }

    fn split(rest: &'a str) -> Self {
        let (module, callable) = rest.split_once(':').unwrap_or((rest, ""));
        Self { module, callable }
    }
}

/// The app of a module and a callable.
pub(super) fn serve(module: &str, callable: &str) -> Serve {
    Serve::new(&Python, format!("wsgi:{module}:{callable}"))
}

/// What is wrong with `module[:callable]`; `right` is what to write instead.
pub(super) fn check(rest: &str, right: &str) -> Result<(), String> {
    let Entry { module, callable } = Entry::split(rest);
    if let Some(file) = module.strip_suffix(".py") {
        return Err(format!(
            "{module:?} is a file, not a module; write wsgi:{}",
            file.replace('/', ".")
        ));
    }
    if !dotted(module) {
        return Err(format!("{module:?} is not a module's name; {right}"));
    }
    let bare = callable.strip_suffix("()").unwrap_or(callable);
    let open = callable.is_empty() && !rest.ends_with(':');
    if !open && !dotted(bare) {
        return Err(format!("{callable:?} is not a callable's name; {right}"));
    }
    Ok(())
}

fn dotted(text: &str) -> bool {
    let identifier = |part: &str| {
        part.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    text.split('.').all(identifier)
}
