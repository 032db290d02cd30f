//! Server-sent events, as the API sends them: lines of `field: value`, an empty line after each event
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

/// The longest event, in bytes: more than the API ever sends.
const EVENT_LENGTH_MAX: usize = 4 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its name; empty where it has none.
    pub name: String,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Its data, the lines of which end with a line's end but for the last.
    pub data: String,
}

/// Something longer than any event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {EVENT_LENGTH_MAX} bytes")]
pub struct TooLong;

/// Cuts bytes, as they come, into events.
#[derive(Debug, Default)]
pub struct Events {
    /// What came of a line whose end has not.
    line: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Events {
    /// Takes bytes, and returns the events that have ended with them.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut ended = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + self.event.data.len() + piece.len() > EVENT_LENGTH_MAX {
                return Err(TooLong);
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                ended.extend(self.end_of_line(&String::from_utf8_lossy(&line)));
            }
        }
        Ok(ended)
    }

    fn end_of_line(&mut self, line: &str) -> Option<Event> {
        let line = line.trim_end_matches(['\n', '\r']);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment, or nothing that is of use here.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": starling\nretry: 2000\n\nevent: log\nid: 5\ndata: one\ndata: two\n\n:\n\nevent:end\r\ndata\r\n\r\nevent: cut";

    fn expected() -> Vec<Event> {
        vec![
            Event {
                name: "log".to_owned(),
                id: Some("5".to_owned()),
                data: "one\ntwo".to_owned(),
            },
            Event {
                name: "end".to_owned(),
                ..Event::default()
            },
        ]
    }

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        for length in 1..=STREAM.len() {
            let mut events = Events::default();
            let chunks = STREAM.as_bytes().chunks(length);
            let found: Vec<Event> = chunks.flat_map(|chunk| events.take(chunk).unwrap()).collect();
            assert_eq!(found, expected(), "cut each {length} bytes");
        }
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut events = Events::default();
        let chunk = vec![b'x'; 1 << 20];
        let taken: Result<Vec<_>, TooLong> = (0..5).map(|_| events.take(&chunk)).collect();
        assert_eq!(taken, Err(TooLong));
        let mut events = Events::default();
        let line = [&b"data: "[..], &chunk, b"\n"].concat();
        let taken: Result<Vec<_>, TooLong> = (0..5).map(|_| events.take(&line)).collect();
        assert_eq!(taken, Err(TooLong));
    }
}
