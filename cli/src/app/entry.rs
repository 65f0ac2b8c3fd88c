//! What an app loads, as text: `wsgi:module:callable`.

use ostler_runner::Serve;

use crate::values;

/// The name of an app that was given none.
pub(crate) const NAME: &str = "app";

/// `wsgi:module[:callable]`; an open callable is empty until the app is resolved.
pub(crate) fn serve(text: &str) -> Result<Serve, String> {
    let right = "write wsgi:module:callable, such as wsgi:shop.wsgi:application";
    let Some(rest) = text.strip_prefix("wsgi:") else {
        let kind = text.split_once(':').map(|(kind, _)| kind);
        return Err(match kind {
            Some("asgi" | "rack" | "php" | "node" | "http" | "exec") => {
                format!("{text:?} is not supported yet; {right}")
            }
            _ => format!("{text:?} is not an app; {right}"),
        });
    };
    let (module, callable) = rest.split_once(':').unwrap_or((rest, ""));
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
    Ok(Serve::Wsgi { module: module.to_owned(), callable: callable.to_owned() })
}

/// `wsgi:…` or `NAME=wsgi:…`, as `ostler runner` takes them.
pub(crate) fn named(text: &str) -> Result<(String, Serve), String> {
    let (name, rest) = text.split_once('=').unwrap_or((NAME, text));
    Ok((values::name(name)?, serve(rest)?))
}

/// As it is written.
pub(crate) fn show(serve: &Serve) -> String {
    let Serve::Wsgi { module, callable } = serve;
    let glue = if callable.is_empty() { "" } else { ":" };
    format!("wsgi:{module}{glue}{callable}")
}

fn dotted(text: &str) -> bool {
    let identifier = |part: &str| {
        part.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    text.split('.').all(identifier)
}
