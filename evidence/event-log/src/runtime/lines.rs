//! The log on disk: one event for each line, in one form.
//!
//! `{"name":"app-id","payload":"<lower-case hex>","version":1}` and a newline.

use serde::Deserialize;

use super::{EventVersion, MAX_EVENTS, RuntimeEvent, RuntimeLog, RuntimeLogError};

/// The most bytes of text: a byte of a name takes six at most and one of a payload two, and each line has some of its own.
pub const MAX_TEXT_LEN: usize = 8 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    payload: String,
    version: u8,
}

impl RuntimeEvent {
    /// The event as one line, its newline included.
    #[must_use]
    pub fn to_line(&self) -> String {
        let name = serde_json::Value::from(self.name.as_str());
        let payload = hex::encode(&self.payload);
        let version = match self.version {
            EventVersion::V1 => 1,
            EventVersion::V2 => 2,
        };
        format!(r#"{{"name":{name},"payload":"{payload}","version":{version}}}"#) + "\n"
    }

    /// The event that `line`, its newline included, is the one form of.
    fn from_line(line: &[u8]) -> Option<Self> {
        let Line { name, payload, version } = serde_json::from_slice(line).ok()?;
        let version = match version {
            1 => EventVersion::V1,
            2 => EventVersion::V2,
            _ => return None,
        };
        let event = Self { name, payload: hex::decode(payload).ok()?, version };
        // Another order of keys, upper-case hex, spaces, other escapes: read the same, written otherwise.
        (event.to_line().as_bytes() == line).then_some(event)
    }
}

impl RuntimeLog {
    /// Reads a log of lines as [`RuntimeEvent::to_line`] writes them.
    ///
    /// # Errors
    ///
    /// [`RuntimeLogError::TextTooLarge`]; [`RuntimeLogError::Line`] for a whole line of another form;
    /// [`RuntimeLogError::TornLine`] where only the last line has no newline, as a crash leaves it: the bytes
    /// before it are a log. The bounds of [`RuntimeLog::new`].
    pub fn parse_lines(text: &[u8]) -> Result<Self, RuntimeLogError> {
        if text.len() > MAX_TEXT_LEN {
            return Err(RuntimeLogError::TextTooLarge { found: text.len() });
        }
        let mut events = Vec::new();
        for (line, number) in text.split_inclusive(|&byte| byte == b'\n').zip(1..) {
            if events.len() >= MAX_EVENTS {
                return Err(RuntimeLogError::TooManyEvents);
            }
            if !line.ends_with(b"\n") {
                return Err(RuntimeLogError::TornLine { whole: text.len().saturating_sub(line.len()) });
            }
            events.push(RuntimeEvent::from_line(line).ok_or(RuntimeLogError::Line { line: number })?);
        }
        Self::new(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "{\"name\":\"app-id\",\"payload\":\"00ab\",\"version\":1}\n";

    fn parse(text: &str) -> Result<RuntimeLog, RuntimeLogError> {
        RuntimeLog::parse_lines(text.as_bytes())
    }

    #[test]
    fn one_form() {
        let event = RuntimeEvent { name: "app-id".into(), payload: vec![0, 0xAB], version: EventVersion::V1 };
        assert_eq!(event.to_line(), GOOD);
        assert_eq!(parse(GOOD).unwrap().events(), [event]);
        assert_eq!(parse("").unwrap().events(), []);
        assert_eq!(parse(&GOOD.replace(":1}", ":2}")).unwrap().events()[0].version, EventVersion::V2);
        for (from, to) in [
            ("00ab", "00AB"),
            ("00ab", "00a"),
            ("00ab", "zz"),
            (":1}", ":3}"),
            (":1}", ":1.0}"),
            (":1}", ":\"1\"}"),
            (":1}", ":1,\"more\":0}"),
            (":1}", ":1,\"version\":1}"),
            (",\"version\":1", ""),
            ("\"name\":\"app-id\",\"payload\":\"00ab\"", "\"payload\":\"00ab\",\"name\":\"app-id\""),
            ("app-id", "app\\u002did"),
            (":1}", ": 1}"),
            ("}\n", "}\r\n"),
            ("}\n", "}\n\n"),
            ("{", " {"),
        ] {
            let text = GOOD.to_owned() + &GOOD.replacen(from, to, 1);
            let line = if to == "}\n\n" { 3 } else { 2 };
            assert_eq!(parse(&text), Err(RuntimeLogError::Line { line }), "{text}");
        }
    }

    #[test]
    fn a_torn_line_is_no_damage() {
        let whole = GOOD.len();
        for torn in 1..whole {
            let text = GOOD.to_owned() + &GOOD[..torn];
            assert_eq!(parse(&text), Err(RuntimeLogError::TornLine { whole }));
            assert_eq!(parse(&text[..whole]).unwrap().events().len(), 1);
        }
        // Damage before it comes first.
        assert_eq!(parse(&(GOOD.replace("ab", "AB") + "{")), Err(RuntimeLogError::Line { line: 1 }));
    }

    #[test]
    fn bounds() {
        let too_large = vec![b'\n'; MAX_TEXT_LEN + 1];
        let error = RuntimeLogError::TextTooLarge { found: MAX_TEXT_LEN + 1 };
        assert_eq!(RuntimeLog::parse_lines(&too_large), Err(error));
        let line = "{\"name\":\"a\",\"payload\":\"\",\"version\":1}\n";
        let most = line.repeat(MAX_EVENTS);
        assert!(parse(&most).is_ok());
        assert_eq!(parse(&(most.clone() + line)), Err(RuntimeLogError::TooManyEvents));
        // What is beyond the bound is not looked at.
        assert_eq!(parse(&(most + "{\n")), Err(RuntimeLogError::TooManyEvents));
    }
}
