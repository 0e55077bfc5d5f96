//! Arrow IPC streams: the bytes in which engines pass record batches between processes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;

use crate::error::{Error, Result};

/// The record batches of a whole stream.
///
/// Lengths in the stream are believed only as far as there are bytes, and buffers are checked against what columns say
/// of them.
pub fn read(bytes: &[u8]) -> Result<Vec<RecordBatch>> {
    if bytes.starts_with(b"ARROW1") {
        return Err(Error::data("`data` must be an Arrow IPC stream, got an Arrow IPC file"));
    }
    // The library's reader has had panics on hostile bytes; that there are none left is not ours to promise.
    catch_unwind(AssertUnwindSafe(|| decode(bytes)))
        .unwrap_or_else(|_| Err(Error::data("`data` is no Arrow IPC stream: its structure is damaged")))
}

fn decode(bytes: &[u8]) -> Result<Vec<RecordBatch>> {
    let unreadable = |error: arrow_schema::ArrowError| {
        Error::data(format!("`data` can't be read as an Arrow IPC stream: {error}"))
    };
    let mut decoder = StreamDecoder::new();
    let mut buffer = Buffer::from(bytes);
    let mut batches = Vec::new();
    while !buffer.is_empty() {
        let before = buffer.len();
        match decoder.decode(&mut buffer).map_err(unreadable)? {
            Some(batch) => batches.push(batch),
            None if buffer.len() == before => break,
            None => {}
        }
    }
    decoder.finish().map_err(unreadable)?;
    // A column of nulls takes no bytes, so its length is anybody's word; one that holds a time takes a bit a row.
    let rows = batches.iter().fold(0_usize, |rows, batch| rows.saturating_add(batch.num_rows()));
    if rows > bytes.len().saturating_mul(8) {
        return Err(Error::data(format!("`data` can't hold {rows} rows in {} bytes", bytes.len())));
    }
    if batches.is_empty() && decoder.schema().is_none() {
        return Err(Error::data("`data` must be an Arrow IPC stream, got none: it has no schema"));
    }
    Ok(batches)
}
