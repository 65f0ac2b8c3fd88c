//! The id of a request: in its log line, its answer and what its app sees.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field that carries it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is believed.
const ID_MAX: usize = 128;

/// A new id, or the one that a proxy which is believed gave or passed on.
pub fn request_id(headers: &HeaderMap, believed: bool) -> HeaderValue {
    let fit = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'=' | b'+')
    };
    let given = headers.get(REQUEST_ID).filter(|_| believed);
    match given {
        Some(id) if !id.is_empty() && id.len() <= ID_MAX && id.as_bytes().iter().all(fit) => {
            id.clone()
        }
        Some(_) | None => new_id(),
    }
}

/// 128 bits in hex: hashes of a count with keys of this process, so that ids are unique without asking for randomness each time, and
/// tell nobody how many there were.
fn new_id() -> HeaderValue {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static KEYS: OnceLock<[RandomState; 2]> = OnceLock::new();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let keys = KEYS.get_or_init(|| [RandomState::new(), RandomState::new()]);
    let mut id = [0; 32];
    for (half, key) in id.chunks_exact_mut(16).zip(keys) {
        half.copy_from_slice(&hex(key.hash_one(count)));
    }
    HeaderValue::from_bytes(&id).expect("hex digits are a header value")
}

fn hex(number: u64) -> [u8; 16] {
    std::array::from_fn(|i| b"0123456789abcdef"[(number >> (60 - 4 * i)) as usize & 15])
}
