//! Everything that is printed: answers for people or machines on standard output, one line for each problem on
//! standard error.

use std::{
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
};

use backend_api::Error;
use serde_json::{Value, json};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Accepted, or done.
    Done,
    /// The evidence was refused.
    Refused,
    /// A mistake of the caller's, or something about the environment: no verdict.
    Error,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Error => 2,
        })
    }
}

/// What goes to standard output.
#[derive(Debug)]
enum Body {
    /// One content in two forms: text for people, JSON for machines.
    Document { text: String, json: Value },
    /// Bytes that the caller asked for, in either form.
    Bytes(Vec<u8>),
}

/// What a command has to say.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Body,
    problems: Vec<String>,
    exit: Exit,
}

impl Answer {
    /// Done.
    pub(crate) const fn done(text: String, json: Value) -> Self {
        Self { body: Body::Document { text, json }, problems: Vec::new(), exit: Exit::Done }
    }

    /// Done; standard output is to hold exactly these bytes.
    pub(crate) const fn bytes(bytes: Vec<u8>) -> Self {
        Self { body: Body::Bytes(bytes), problems: Vec::new(), exit: Exit::Done }
    }

    /// Not done: the error as one line, as JSON, and as the exit code.
    pub(crate) fn failure(error: &Error) -> Self {
        if error.kind().is_refusal() {
            Self::because_of(error, "refused", Exit::Refused)
        } else {
            Self::no_verdict(error)
        }
    }

    /// Not done where no evidence was judged, whatever kind of error it is.
    pub(crate) fn no_verdict(error: &Error) -> Self {
        Self::because_of(error, "error", Exit::Error)
    }

    fn because_of(error: &Error, verdict: &str, exit: Exit) -> Self {
        let mut object = json!({ "verdict": verdict });
        if let (Some(object), Ok(Value::Object(detail))) =
            (object.as_object_mut(), serde_json::to_value(error))
        {
            object.extend(detail);
        }
        Self {
            body: Body::Document { text: String::new(), json: object },
            problems: vec![format!("error: {error}")],
            exit,
        }
    }

    /// The same with a text for people.
    pub(crate) fn with_text(mut self, explanation: String) -> Self {
        if let Body::Document { text, .. } = &mut self.body {
            *text = explanation;
        }
        self
    }

    /// The same with one more member of its JSON object.
    #[cfg(feature = "attester")]
    pub(crate) fn with_member(mut self, key: &str, value: Value) -> Self {
        if let Body::Document { json: Value::Object(members), .. } = &mut self.body {
            members.insert(key.to_owned(), value);
        }
        self
    }

    /// The same with warnings before what it has to say.
    pub(crate) fn with_warnings(mut self, warnings: Vec<String>) -> Self {
        self.problems.splice(0..0, warnings.into_iter().map(|warning| format!("warning: {warning}")));
        self
    }

    /// The same with another exit code.
    #[cfg(feature = "demo")]
    pub(crate) const fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Its text for people, and how the program ends.
    #[cfg(test)]
    pub(crate) fn told(&self) -> (&str, Exit) {
        match &self.body {
            Body::Document { text, .. } => (text, self.exit),
            Body::Bytes(_) => ("", self.exit),
        }
    }

    /// Prints it, and says how the program ends.
    pub(crate) fn print(self, as_json: bool) -> ExitCode {
        let bytes = match self.body {
            Body::Bytes(bytes) => bytes,
            Body::Document { json, .. } if as_json => format!("{json:#}\n").into_bytes(),
            Body::Document { text, .. } => text.into_bytes(),
        };
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        for problem in self.problems {
            complain(&problem);
        }
        match written {
            // Whoever reads has read enough; the verdict stands.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                complain(&format!("error: cannot write to standard output: {}", error.kind()));
                Exit::Error.into()
            }
            _ => self.exit.into(),
        }
    }
}

/// A command line that cannot be read, or a request for help.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // The only way that this fails is that nobody reads it.
    let _ = error.print();
    if error.exit_code() == 0 {
        return Exit::Done.into();
    }
    if std::env::args_os().any(|argument| argument == "--json") {
        let message = error.to_string();
        let lines: Vec<&str> = message.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        let message = lines.join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        let object =
            json!({"verdict": "error", "kind": "invalid-config", "fault": "caller", "message": message});
        let _ = writeln!(io::stdout().lock(), "{object:#}");
    }
    Exit::Error.into()
}

fn complain(problem: &str) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(io::stderr().lock(), "{}", printable(problem));
}

/// `text` without anything that could move a terminal's cursor, hide text, or start a line.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() || "§…".contains(c) {
            printable.push(c);
        } else {
            printable.extend(c.escape_default());
        }
    }
    printable
}

/// Rows of aligned columns, each row indented by two spaces.
pub(crate) fn table<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.into_iter().map(|row| row.map(|cell| printable(&cell))).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to memory does not fail.
            let _ = write!(line, "  {cell:<width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A titled table; nothing if it has no rows.
pub(crate) fn section<const N: usize>(title: &str, rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows = table(rows);
    if rows.is_empty() { rows } else { format!("\n{title}\n{rows}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hostile_reaches_the_terminal() {
        assert_eq!(printable("SEV-VCEK \"§8\" é"), "SEV-VCEK \"§8\" é");
        assert_eq!(printable("a\nb\u{1b}[2J\u{202e}\u{9b}"), "a\\nb\\u{1b}[2J\\u{202e}\\u{9b}");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "bb"], ["ccc", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(section("t", rows), "\nt\n  a    bb\n  ccc\n");
        assert_eq!(section::<2>("t", []), "");
    }
}
