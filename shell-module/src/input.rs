//! Standard input as a descriptor.

use std::{
    fs::File,
    io::{Seek, Write},
    os::fd::OwnedFd,
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use nix::sys::memfd::{MFdFlags, memfd_create};
use ostler_job::durable::Input;

/// The descriptor; `None` for nothing at all. `payloads` is the folder where the runner has put them.
pub(crate) fn open(input: &Input, payloads: &Path) -> Result<Option<OwnedFd>, String> {
    match input {
        Input::Empty => Ok(None),
        Input::Text(text) => hold(text.as_bytes()).map(Some),
        Input::Base64(text) => {
            let bytes = STANDARD.decode(text);
            hold(&bytes.map_err(|e| format!("standard input is not base64: {e}"))?).map(Some)
        }
        Input::Payload(payload) => {
            let opened = File::open(payloads.join(&payload.sha256));
            let opened = opened.map_err(|e| {
                format!("the payload {} cannot be opened on the runner: {e}", payload.sha256)
            });
            Ok(Some(opened?.into()))
        }
    }
}

/// Bytes as a file in memory: unlike a pipe it takes any number of them at once.
pub(crate) fn hold(bytes: &[u8]) -> Result<OwnedFd, String> {
    let made = || -> std::io::Result<OwnedFd> {
        let mut file = File::from(memfd_create(c"ostler-stdin", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(bytes)?;
        file.rewind()?;
        Ok(file.into())
    };
    made().map_err(|e| format!("cannot hold standard input in memory: {e}"))
}
