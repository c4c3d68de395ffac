//! `attest inspect`: what evidence says, none of it verified.

use backend_api::{Envelope, Evidence, Result};
use registry::Registry;
use serde_json::{Value, json};

use crate::{
    cli::InspectArgs,
    files,
    output::{Answer, table},
};

/// Shows an envelope.
pub(crate) fn run(args: &InspectArgs) -> Result<Answer> {
    let envelope = Envelope::decode(&files::read_or_stdin(&args.file)?)?;
    let registry = Registry::linked()?;
    let devices = envelope.devices.iter().map(|evidence| item(&registry, evidence));
    let devices = devices.collect::<Result<Vec<Value>>>()?;
    Ok(unverified(json!({ "cpu": item(&registry, &envelope.cpu)?, "devices": devices })))
}

/// An object that nobody has verified: each of its values is marked so.
pub(super) fn unverified(content: Value) -> Answer {
    let mut rows = Vec::new();
    flatten("", &content, &mut rows);
    let text = table(rows.into_iter().map(|(key, value)| ["unverified".to_owned(), key, value]));
    let mut json = content;
    if let Some(members) = json.as_object_mut() {
        members.insert("unverified".to_owned(), true.into());
    }
    Answer::done(text, json)
}

/// One item: its kind and size, and what its backend reads in it, if one is linked.
fn item(registry: &Registry, evidence: &Evidence) -> Result<Value> {
    let mut item = json!({ "media-type": evidence.media_type(), "bytes": evidence.bytes().len() });
    let content = match registry.select(evidence.media_type()) {
        Ok(backend) => backend.inspect(evidence)?,
        Err(_) => Value::Null,
    };
    match (item.as_object_mut(), content) {
        (Some(item), Value::Object(content)) => {
            for (name, value) in content {
                item.entry(name).or_insert(value);
            }
        }
        (_, Value::Null) | (None, _) => {}
        (Some(item), other) => {
            item.insert("content".to_owned(), other);
        }
    }
    Ok(item)
}

/// One row for each value, keyed by its path; what is absent has none.
fn flatten(path: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    let below = |key: &dyn std::fmt::Display| match path {
        "" => key.to_string(),
        path => format!("{path}.{key}"),
    };
    match value {
        Value::Null => {}
        Value::Object(members) => members.iter().for_each(|(key, value)| flatten(&below(key), value, rows)),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| flatten(&below(&index), value, rows));
        }
        Value::String(text) => rows.push((path.to_owned(), text.clone())),
        other => rows.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_row() {
        let mut rows = Vec::new();
        flatten("", &json!({"a": {"b": [1, "x"]}, "c": null, "d": true}), &mut rows);
        let expected = [("a.b.0", "1"), ("a.b.1", "x"), ("d", "true")];
        assert_eq!(rows, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
