//! Where the bytes of a log are: in a record when they are few, else in a file that may still grow.

use std::{fs::File, io, os::unix::fs::FileExt as _, sync::Arc};

use bytes::{Bytes, BytesMut};

use crate::{body, problem::Problem};

/// See the module.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Whole(Bytes),
    File(Arc<File>),
    /// Nothing was written yet.
    Nothing,
}

impl Source {
    #[cfg(test)]
    pub(super) fn whole(bytes: Vec<u8>) -> Self {
        Self::Whole(Bytes::from(bytes))
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::File(file) => file.metadata().map_or(0, |data| data.len()),
            Self::Nothing => 0,
        }
    }

    /// Up to so many bytes; empty at the end. Blocks on files.
    pub(super) fn read_at(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        match self {
            Self::Whole(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(from..bytes.len().min(from.saturating_add(max))))
            }
            Self::File(file) => {
                let mut piece = BytesMut::zeroed(max);
                let mut filled = 0;
                while filled < max {
                    match file.read_at(&mut piece[filled..], offset + filled as u64) {
                        Ok(0) => break,
                        Ok(read) => filled += read,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                piece.truncate(filled);
                Ok(piece.freeze())
            }
            Self::Nothing => Ok(Bytes::new()),
        }
    }

    /// The same, on a thread that may block when it must.
    pub(super) async fn read(&self, offset: u64, max: usize) -> Result<Bytes, Problem> {
        let read = match self {
            Self::File(_) => {
                let source = self.clone();
                body::blocking(move || source.read_at(offset, max)).await?
            }
            Self::Whole(_) | Self::Nothing => self.read_at(offset, max),
        };
        read.map_err(|error| Problem::internal(format!("cannot read the log: {error}")))
    }
}
