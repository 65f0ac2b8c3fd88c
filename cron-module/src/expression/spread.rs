//! A number that is the same for the same name, and another one for most others: what `H` and `~` stand for.
//!
//! FNV-1a of the name and the field, and the finalizer of SplitMix64 after it, since the low bits of FNV of short names are alike. It
//! never changes: schedules would move.

/// One of `n` for that name and field; `n` is not zero.
pub(crate) fn spread(name: &str, field: &str, n: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes().chain([0]).chain(field.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash ^ (hash >> 31)) % n
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn many_names_are_spread_evenly_and_each_stays_where_it_is() {
        let mut minutes = [0; 60];
        for name in 0..6_000 {
            minutes[spread(&format!("job{name}"), "minute", 60) as usize] += 1;
        }
        assert!(minutes.iter().all(|n| (60..150).contains(n)), "{minutes:?}");
        assert_eq!((spread("backup", "minute", 60), spread("backup", "hour", 24)), (25, 1));
    }
}
