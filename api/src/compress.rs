//! Compression of answers: of text that is whole and worth it, never of what is written as it comes.

use http::{Response, header};
use http_body::Body;
use tower_http::{
    CompressionLevel,
    compression::{Compression, CompressionLayer, predicate::Predicate},
};

/// Below, the fields cost more than is saved; above, one answer would keep the thread from the others.
const SIZES: std::ops::RangeInclusive<u64> = 1024..=4 << 20;

/// Which answers are compressed.
#[derive(Clone, Copy, Debug)]
pub struct WorthIt;

impl Predicate for WorthIt {
    fn should_compress<B: Body>(&self, answer: &Response<B>) -> bool {
        let (headers, body) = (answer.headers(), answer.body());
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_text = kind.is_some_and(|kind| {
            (kind.starts_with("text/") && !kind.starts_with("text/event-stream"))
                || kind.starts_with("application/json")
                || kind.starts_with("application/problem+json")
                || kind.starts_with("application/x-ndjson")
        });
        let is_part = headers.contains_key(header::CONTENT_RANGE);
        is_text && !is_part && body.size_hint().exact().is_some_and(|len| SIZES.contains(&len))
    }
}

/// For a router.
pub(super) fn layer() -> CompressionLayer<WorthIt> {
    CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest).compress_when(WorthIt)
}

/// For any service.
pub fn compressed<S>(service: S) -> Compression<S, WorthIt> {
    Compression::new(service).gzip(true).quality(CompressionLevel::Fastest).compress_when(WorthIt)
}
