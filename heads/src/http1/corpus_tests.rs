//! What the fuzz targets of heads and chunked bodies check, run over their corpora and over mutants of them.

use std::{fs, path::Path};

#[path = "../../../fuzz/fuzz_targets/http1_body.rs"]
mod http1_body;

/// Mutants of each corpus.
const MUTANTS: u64 = 20_000;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "the corpus is committed");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// `SplitMix64` from a fixed seed: every run is the same.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }

    /// One to four small changes: bytes changed, left out, put in, repeated, or taken from another entry.
    fn mutate(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        const TELLING: &[u8] = b"\r\n\0 :;\t0fF,\x7f\x80GHTP/";
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + 1 + self.below(8)).min(bytes.len());
            match self.below(5) {
                0 if at < end => bytes[at] = TELLING[self.below(TELLING.len())],
                1 => drop(bytes.drain(at..end.max(at))),
                2 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
                3 if at < end => bytes.extend_from_within(at..end),
                _ => {
                    let other = &corpus[self.below(corpus.len())];
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[self.below(other.len() + 1)..]);
                }
            }
        }
        bytes
    }
}

fn check(name: &str, check: fn(&[u8])) {
    let corpus = corpus(name);
    corpus.iter().for_each(|entry| check(entry));
    let mut chance = Chance(1);
    for _ in 0..MUTANTS {
        check(&chance.mutate(&corpus));
    }
}

#[test]
fn heads_of_the_corpus_and_their_mutants_break_nothing() {
    check("heads", http1_body::check_heads);
}

#[test]
fn chunked_bodies_of_the_corpus_and_their_mutants_break_nothing() {
    check("chunks", http1_body::check_chunks);
}
