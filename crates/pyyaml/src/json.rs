//! A document as JSON, as Python's `json.dumps` writes it for the object that PyYAML loads.

use serde_json::{Map, Number, Value as Json};

use super::{Diagnostic, Node, Value};

impl Node {
    /// The JSON of this value. A key that is not a string becomes one (`true`, `null`, `1`, `1.5`); of two keys that
    /// become equal, the last value counts.
    ///
    /// # Errors
    /// JSON cannot express the value: not-a-number, infinity, binary data, a set, an integer of more than 64 bits.
    pub fn to_json(&self) -> Result<Json, Diagnostic> {
        let error = |what: String| Diagnostic::new(self.position, what);
        match &self.value {
            Value::Null => Ok(Json::Null),
            Value::Bool(value) => Ok(Json::Bool(*value)),
            Value::Int(value) => Number::from_i128(*value).map(Json::Number).ok_or_else(|| {
                error(format!(
                    "{value} does not fit into 64 bits (quote it if text is meant)"
                ))
            }),
            Value::Float(value) => Number::from_f64(*value).map(Json::Number).ok_or_else(|| {
                error(format!(
                    "{} cannot be sent to a switch: JSON cannot express it",
                    self.shown()
                ))
            }),
            Value::Str(text) => Ok(Json::String(text.to_string())),
            Value::List(items) => items
                .iter()
                .map(Node::to_json)
                .collect::<Result<_, _>>()
                .map(Json::Array),
            Value::Mapping(entries) => entries
                .iter()
                .map(|(key, value)| Ok((key.to_json_key()?, value.to_json()?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Json::Object),
            Value::Binary(_) | Value::Set(_) => Err(error(format!(
                "{} cannot be sent to a switch: JSON cannot express it",
                self.value.kind()
            ))),
        }
    }

    fn to_json_key(&self) -> Result<String, Diagnostic> {
        match &self.value {
            Value::Null => Ok("null".to_owned()),
            Value::Bool(value) => Ok(value.to_string()),
            Value::Int(value) => Ok(value.to_string()),
            Value::Float(value) if value.is_finite() => Ok(python_float(*value)),
            Value::Str(text) => Ok(text.to_string()),
            Value::Float(_)
            | Value::Binary(_)
            | Value::List(_)
            | Value::Mapping(_)
            | Value::Set(_) => Err(Diagnostic::new(
                self.position,
                format!(
                    "{} cannot be a key in the JSON that a switch receives",
                    self.value.kind()
                ),
            )),
        }
    }
}

/// A finite float as Python's `repr` writes it: `1.0`, `1e+16`, `1e-05`.
fn python_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent @ (..-4 | 16..)) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{value:?}"),
    }
}
