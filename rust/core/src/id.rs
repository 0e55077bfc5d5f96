//! Ids that are the same wherever they are computed.

/// FNV-1a of the parts, one after the other, as 16 hexadecimal digits: short, the same on every machine, and no secret.
pub fn of(parts: &[&[u8]]) -> String {
    let hash = parts.iter().copied().flatten().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
