//! Reads server-sent events (WHATWG HTML, 9.2.6) out of the parts in which they come. Pure.

/// Bytes of one line, and of one event's data: an outcome has a few KiB.
const MAX_EVENT: usize = 4 << 20;

/// An event that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub name: String,
    pub data: String,
}

/// What has come of the event that is not yet whole.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    line: Vec<u8>,
    name: String,
    data: String,
    after_carriage_return: bool,
}

/// A line or an event is larger than any of hooklog's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl EventStream {
    /// Takes a part in; returns the events that it completes.
    ///
    /// # Errors
    /// [`TooLarge`]: this is no stream of hooklog.
    pub(crate) fn take(&mut self, part: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        for &byte in part {
            let ends_line = byte == b'\r' || (byte == b'\n' && !self.after_carriage_return);
            let is_second_half = byte == b'\n' && self.after_carriage_return;
            self.after_carriage_return = byte == b'\r';
            if ends_line {
                let line = std::mem::take(&mut self.line);
                events.extend(self.end_line(&String::from_utf8_lossy(&line)));
            } else if !is_second_half {
                self.line.push(byte);
            }
            if self.line.len() + self.data.len() > MAX_EVENT {
                return Err(TooLarge);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let (name, mut data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            // Each line of data has added a line break.
            return data.pop().map(|_| Event { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // Comments, ids and what a later version may add.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let stream = ": hello\n\nevent: outcome\r\nid: 1:2\r\ndata: {\"a\":\r\ndata: \"\u{e9}\"}\r\n\r\n\
                      data\n\nevent:gap\rdata:{}\r\r";
        let whole = [event("outcome", "{\"a\":\n\"\u{e9}\"}"), event("", ""), event("gap", "{}")];
        for size in 1..stream.len() {
            let mut reader = EventStream::default();
            let parts = stream.as_bytes().chunks(size);
            let events: Vec<Event> = parts.flat_map(|part| reader.take(part).unwrap()).collect();
            assert_eq!(events, whole, "in parts of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut reader = EventStream::default();
        let part = vec![b'x'; 1 << 20];
        let taken: Vec<bool> = (0..6).map(|_| reader.take(&part).is_ok()).collect();
        assert_eq!(taken.iter().filter(|is_taken| **is_taken).count(), 4);
    }
}
