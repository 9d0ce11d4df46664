//! The bytes of a delivery record, version 1.
//!
//! `"HL"`, one version byte, the header's length as a big-endian `u32`, the header as a
//! Protocol Buffers message, then the event's body as it was received. The header can grow:
//! readers skip fields that they do not know, so processes of neighbouring versions run side by
//! side. What a reader cannot skip takes a new version byte.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

const MAGIC: [u8; 2] = *b"HL";
const VERSION: u8 = 1;
const PREFIX_BYTES: usize = MAGIC.len() + 1 + size_of::<u32>();

/// The header's fields. A number once given is never given again; 13 is kept for the ordering
/// key of ordered subscriptions.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Header {
    #[prost(bytes = "bytes", tag = "1")]
    pub delivery_id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub subscription_id: Bytes,
    #[prost(uint64, tag = "3")]
    pub subscription_version: u64,
    #[prost(bytes = "bytes", tag = "4")]
    pub message_id: Bytes,
    #[prost(string, optional, tag = "5")]
    pub event_type: Option<String>,
    #[prost(string, tag = "6")]
    pub content_type: String,
    #[prost(int64, tag = "7")]
    pub accepted_at_micros: i64,
    #[prost(uint32, tag = "8")]
    pub attempt: u32,
    #[prost(uint32, tag = "9")]
    pub release: u32,
    #[prost(int64, optional, tag = "10")]
    pub due_at_micros: Option<i64>,
    #[prost(uint64, tag = "11")]
    pub delay_micros: u64,
    #[prost(bytes = "bytes", optional, tag = "12")]
    pub replay_of: Option<Bytes>,
    #[prost(message, repeated, tag = "14")]
    pub attributes: Vec<Attribute>,
    #[prost(bool, tag = "15")]
    pub delay_doubles: bool,
}

/// A CloudEvents attribute of the event.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Why bytes are not a delivery record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the record is not a hooklog delivery")]
    Magic,
    #[error("the record has version {0}, and this process reads version {VERSION}")]
    Version(u8),
    #[error("the record ends within its header")]
    Truncated,
    #[error("the record's header is not readable: {0}")]
    Header(#[from] prost::DecodeError),
    #[error("the record's header has no usable {0}")]
    Field(&'static str),
}

pub(crate) fn encode(header: &Header, body: &[u8]) -> Bytes {
    let header_bytes = header.encoded_len();
    let mut out = BytesMut::with_capacity(PREFIX_BYTES + header_bytes + body.len());
    out.put_slice(&MAGIC);
    out.put_u8(VERSION);
    out.put_u32(header_bytes as u32);
    header.encode_raw(&mut out);
    out.put_slice(body);
    out.freeze()
}

pub(crate) fn decode(mut record: Bytes) -> Result<(Header, Bytes), DecodeError> {
    if !record.starts_with(&MAGIC) {
        return Err(DecodeError::Magic);
    }
    record.advance(MAGIC.len());
    match record.try_get_u8() {
        Ok(VERSION) => {}
        Ok(other) => return Err(DecodeError::Version(other)),
        Err(_) => return Err(DecodeError::Truncated),
    }
    let header_bytes = record.try_get_u32().map_err(|_| DecodeError::Truncated)? as usize;
    if record.len() < header_bytes {
        return Err(DecodeError::Truncated);
    }
    let header = Header::decode(record.split_to(header_bytes))?;
    Ok((header, record))
}
