//! Where to look for a name in the lists that `build.rs` writes. Compiled into both, so that both look in one place.

/// Which of so many buckets a name is in. FNV-1a: names are short, and none comes from outside.
pub(crate) fn bucket(name: &str, buckets: usize) -> usize {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = name.bytes().fold(0x811c_9dc5, mix);
    usize::try_from(hash).unwrap_or(usize::MAX).checked_rem(buckets).unwrap_or(0)
}
