//! The envelope of every snapshot: what it is, which version wrote it, and a checksum.
//!
//! The layout is little-endian on every machine: the mark `WROW`, a kind (one byte), the format version (u16),
//! the payload's length (u64), its CRC-32, then the payload in postcard's wire format. Floats inside are
//! canonical ([`float`], [`floats`]): x86-64 and aarch64 disagree on the bits of a fresh NaN.

pub mod packed;

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};

const MARK: &[u8; 4] = b"WROW";
const HEADER: usize = 4 + 1 + 2 + 8 + 4;
/// The format that this version writes. Older ones are read as long as their tests stand.
pub const VERSION: u16 = 1;

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tumbling windows.
    Windows = 1,
    /// A residual scorer.
    Residual = 2,
    /// A detector.
    Detector = 3,
    /// An alarm's rule and state.
    Alarm = 4,
}

impl Kind {
    /// The name that errors and `windrow snapshot inspect` show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Windows => "TumblingWindows",
            Self::Residual => "ResidualScorer",
            Self::Detector => "Detector",
            Self::Alarm => "Alarm",
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Windows, Self::Residual, Self::Detector, Self::Alarm]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// What the envelope says before anything inside is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What it holds.
    pub kind: Kind,
    /// The format it was written in.
    pub version: u16,
    /// Bytes of payload.
    pub length: usize,
}

/// Wraps a state.
pub fn write<T: Serialize>(kind: Kind, state: &T) -> Result<Vec<u8>> {
    let payload = postcard::to_stdvec(state)
        .map_err(|error| Error::snapshot(format!("the state can't be written: {error}")))?;
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(MARK);
    bytes.push(kind as u8);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes
        .get(at..at + N)
        .and_then(|part| part.try_into().ok())
        .ok_or_else(|| Error::snapshot(format!("the snapshot is cut off after {} bytes", bytes.len())))
}

/// Reads the envelope and checks length and checksum.
pub fn inspect(bytes: &[u8]) -> Result<Envelope> {
    if bytes.get(..4) != Some(MARK) {
        return Err(Error::snapshot("these bytes are no windrow snapshot: they don't start with \"WROW\""));
    }
    let [kind] = array::<1>(bytes, 4)?;
    let version = u16::from_le_bytes(array(bytes, 5)?);
    if version == 0 || version > VERSION {
        return Err(Error::snapshot(format!(
            "the snapshot is of format {version}; this version reads formats 1 to {VERSION}"
        )));
    }
    let kind =
        Kind::from_byte(kind).ok_or_else(|| Error::snapshot(format!("unknown kind of snapshot: {kind}")))?;
    let length = u64::from_le_bytes(array(bytes, 7)?);
    let sum = u32::from_le_bytes(array(bytes, 15)?);
    let payload = bytes.get(HEADER..).unwrap_or_default();
    if payload.len() as u64 != length {
        return Err(Error::snapshot(format!(
            "the snapshot should hold {length} bytes, got {}",
            payload.len()
        )));
    }
    if crc32fast::hash(payload) != sum {
        return Err(Error::snapshot("the snapshot is damaged: its checksum doesn't fit its bytes"));
    }
    Ok(Envelope { kind, version, length: payload.len() })
}

/// Unwraps a state of the given kind.
pub fn read<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T> {
    let envelope = inspect(bytes)?;
    if envelope.kind != kind {
        return Err(Error::snapshot(format!(
            "expected a snapshot of a {}, got one of a {}",
            kind.name(),
            envelope.kind.name()
        )));
    }
    let (state, rest) = postcard::take_from_bytes(&bytes[HEADER..])
        .map_err(|error| Error::snapshot(format!("the snapshot can't be read: {error}")))?;
    if !rest.is_empty() {
        return Err(Error::snapshot(format!("the snapshot has {} bytes too many", rest.len())));
    }
    Ok(state)
}

/// The one NaN that snapshots know.
fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { value }
}

/// `#[serde(with = "snapshot::float")]`: a float with one NaN.
pub mod float {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it.
    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(super::canonical(*value))
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        f64::deserialize(deserializer)
    }
}

/// `#[serde(with = "snapshot::floats")]`: a vector of floats with one NaN.
pub mod floats {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes them.
    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| super::canonical(*value)))
    }

    /// Reads them.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        Vec::deserialize(deserializer)
    }
}

/// `#[serde(with = "snapshot::array")]`: so many floats as the type says, with one NaN, and no length beside them.
pub mod array {
    use std::fmt;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::ser::SerializeTuple;
    use serde::{Deserializer, Serializer};

    /// Writes them.
    pub fn serialize<S: Serializer, const N: usize>(
        values: &[f64; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        values.iter().try_for_each(|value| tuple.serialize_element(&super::canonical(*value)))?;
        tuple.end()
    }

    struct Floats<const N: usize>;

    impl<'de, const N: usize> Visitor<'de> for Floats<N> {
        type Value = [f64; N];

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "{N} floats")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut values = [0.0; N];
            for (at, value) in values.iter_mut().enumerate() {
                *value = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?;
            }
            Ok(values)
        }
    }

    /// Reads them.
    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[f64; N], D::Error> {
        deserializer.deserialize_tuple(N, Floats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_named() {
        let bytes = write(Kind::Alarm, &(1_u32, "x")).unwrap();
        assert_eq!(read::<(u32, String)>(Kind::Alarm, &bytes).unwrap(), (1, "x".to_owned()));
        for cut in 0..bytes.len() {
            assert!(matches!(inspect(&bytes[..cut]), Err(Error::Snapshot(_))), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 0x40;
            assert!(read::<(u32, String)>(Kind::Alarm, &altered).is_err(), "altered at {at}");
        }
        let mut newer = bytes.clone();
        newer[5] = 2;
        assert_eq!(
            inspect(&newer).unwrap_err().to_string(),
            "the snapshot is of format 2; this version reads formats 1 to 1"
        );
        assert_eq!(
            read::<(u32, String)>(Kind::Detector, &bytes).unwrap_err().to_string(),
            "expected a snapshot of a Detector, got one of a Alarm"
        );
    }
}
