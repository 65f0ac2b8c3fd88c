//! What `ostler launch` and `ostler launch job` have in common: how they are started, how they are told what to do, and the
//! text that exec takes.

use std::{
    ffi::{CString, NulError, OsString},
    io::Read,
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
    path::Path,
    process::{Command, Stdio},
};

use serde::{Serialize, de::DeserializeOwned};

/// The command that starts `launcher` in its mode `launch`, with its end of a socket pair as standard input.
///
/// Whoever starts it adds no uid, group or `pre_exec`: any of them would make the standard library fork instead of
/// `posix_spawn`, and a process with threads does not fork.
pub fn command(launcher: &Path, socket: OwnedFd) -> Command {
    let mut command = Command::new(launcher);
    command.arg("launch").stdin(Stdio::from(socket));
    command
}

/// A structure as it travels: `len u32 LE`, JSON. An error says that a path in it is no text.
pub fn encode<T: Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut out = vec![0; 4];
    serde_json::to_writer(&mut out, value)?;
    // A message beyond 4 GiB does not come about: specs are limited far below.
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_le_bytes());
    Ok(out)
}

/// Reads a structure; of its length, `got` is what was read before. `what` names it in the error.
pub fn read<T: DeserializeOwned>(
    socket: &mut impl Read,
    got: &[u8],
    max: u32,
    what: &str,
) -> Result<T, String> {
    let mut length = [0; 4];
    let (before, rest) = length.split_at_mut(got.len());
    before.copy_from_slice(got);
    socket.read_exact(rest).map_err(|e| format!("no {what} came: {e}"))?;
    let length = u32::from_le_bytes(length);
    if length > max {
        return Err(format!("a {what} of {length} bytes, but at most {max} are taken"));
    }
    let mut json = vec![0; length as usize];
    socket.read_exact(&mut json).map_err(|e| format!("the {what} is cut short: {e}"))?;
    serde_json::from_slice(&json).map_err(|e| format!("the {what} is wrong: {e}"))
}

/// Texts as exec takes them: an error says that one of them contains a NUL.
pub fn c_strings(
    items: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<Vec<CString>, NulError> {
    items.into_iter().map(|item| CString::new(item.into().into_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_arrives_in_whatever_pieces_and_never_beyond_its_bound() {
        let message = encode(&["a", "b"]).unwrap();
        for cut in 0..=4 {
            let read: Vec<String> =
                read(&mut &message[cut..], &message[..cut], 100, "list").unwrap();
            assert_eq!(read, ["a", "b"]);
        }
        let fails =
            |bytes: &[u8], max| read::<Vec<String>>(&mut &bytes[..], &[], max, "list").unwrap_err();
        assert!(fails(&message, 3).contains("at most 3 are taken"));
        assert!(fails(&message[..6], 100).starts_with("the list is cut short"));
        assert!(fails(&message[..2], 100).starts_with("no list came"));
        assert!(fails(b"\x01\0\0\0x", 100).starts_with("the list is wrong"));
    }
}
