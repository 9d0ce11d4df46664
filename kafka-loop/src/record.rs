//! One Kafka record as a role gets it.

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

/// A record with its place. The value is copied once out of librdkafka's memory.
#[derive(Debug, Clone)]
pub struct Record {
    pub topic: std::sync::Arc<str>,
    pub partition: i32,
    pub offset: i64,
    /// When the broker appended it, in milliseconds since the Unix epoch; 0 if unknown.
    pub appended_at_millis: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Bytes)>,
}

impl Record {
    pub(crate) fn copied(topic: std::sync::Arc<str>, message: &BorrowedMessage<'_>) -> Self {
        use rdkafka::message::Headers;
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| {
                    let value = Bytes::copy_from_slice(header.value.unwrap_or_default());
                    (header.key.to_owned(), value)
                })
                .collect()
        });
        Self {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            appended_at_millis: message.timestamp().to_millis().unwrap_or(0),
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map(Bytes::copy_from_slice),
            headers,
        }
    }

    /// What it counts against a bound in bytes.
    pub fn weight(&self) -> usize {
        /// Around the value, as measured: the structs, strings and places in queues.
        const OVERHEAD: usize = 1_024;
        OVERHEAD + self.value.as_ref().map_or(0, Bytes::len)
    }

    /// A header's value by name.
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}
