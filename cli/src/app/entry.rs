//! Apps as the command line has them.

use ostler_runner::Serve;

use crate::values;

/// The name of an app that was given none.
pub(crate) const NAME: &str = "app";

/// An app, or `NAME=` and an app, as `ostler runner` takes them.
pub(crate) fn named(text: &str) -> Result<(String, Serve), String> {
    let (name, rest) = text.split_once('=').unwrap_or((NAME, text));
    Ok((values::name(name)?, Serve::read(rest)?))
}
