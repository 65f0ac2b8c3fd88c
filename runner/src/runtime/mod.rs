//! What an app's language needs: its interpreter, the children's own code, and which files are the app's.

mod code;
mod python;
mod watch;

pub(crate) use self::{
    code::write_python,
    python::find_python,
    watch::{Look, look},
};
