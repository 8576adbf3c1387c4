//! The types and values of scalars: PyYAML 6's implicit resolvers, and its constructors of `bool`, `int`, `float` and
//! `timestamp`.

mod timestamp;

use super::Value;

/// The types of scalars in YAML 1.1, named after their tags in `tag:yaml.org,2002:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    Str,
    Binary,
    /// `<<`; as a key, it merges another mapping.
    Merge,
    /// `=`; as a key, a string.
    Value,
}

/// The type of a plain scalar.
pub(super) fn resolve(text: &str) -> Tag {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Tag::Null,
        "<<" => return Tag::Merge,
        "=" => return Tag::Value,
        _ => {}
    }
    if bool_value(text, false).is_some() {
        Tag::Bool
    } else if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        Tag::Str
    } else if is_float(text) {
        Tag::Float
    } else if is_int(text) {
        Tag::Int
    } else if timestamp::is_timestamp(text) {
        Tag::Timestamp
    } else {
        Tag::Str
    }
}

/// The value of a scalar of a given type. The text may have another form: an explicit tag (`!!int "7"`) sets the type.
///
/// # Errors
/// The text is not valid for the type. The message completes "'<text>' is …".
pub(super) fn construct(tag: Tag, text: &str) -> Result<Value, &'static str> {
    match tag {
        Tag::Null => Ok(Value::Null),
        Tag::Bool => bool_value(text, true)
            .map(Value::Bool)
            .ok_or("not a boolean"),
        Tag::Int => int_value(text).map(Value::Int),
        Tag::Float => float_value(text).map(Value::Float).ok_or("not a number"),
        Tag::Timestamp => timestamp::iso(text)
            .map(|iso| Value::Str(iso.into()))
            .ok_or("not a date or time"),
        Tag::Str => Ok(Value::Str(text.into())),
        Tag::Binary => decode_base64(text)
            .map(Value::Binary)
            .ok_or("not base64 data"),
        Tag::Merge => Err("a merge key where a value is expected (quote it if text is meant)"),
        Tag::Value => Err("reserved in YAML 1.1 (quote it if text is meant)"),
    }
}

/// The value of a boolean: in lower case, capitalized or in upper case if plain, in any case after `!!bool`.
fn bool_value(text: &str, any_case: bool) -> Option<bool> {
    // Most scalars are no boolean: reject them without a copy.
    if text.len() > "false".len() {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let value = match lower.as_str() {
        "yes" | "true" | "on" => true,
        "no" | "false" | "off" => false,
        _ => return None,
    };
    let capitalized =
        text.starts_with(|c: char| c.is_ascii_uppercase()) && text.get(1..) == lower.get(1..);
    let uppercase = text.bytes().all(|b| b.is_ascii_uppercase());
    (any_case || text == lower || capitalized || uppercase).then_some(value)
}

/// The rest of a text. Each method consumes its part from the start, as a part of a regular expression does.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn one_of(&mut self, chars: &[char]) -> Option<char> {
        let first = self.0.chars().next().filter(|c| chars.contains(c))?;
        self.0 = &self.0[first.len_utf8()..];
        Some(first)
    }

    /// The characters up to the first that `accept` rejects; may be empty.
    fn run(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !accept(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    /// A number of `min` to `max` digits, as many as possible.
    fn digits(&mut self, min: usize, max: usize) -> Option<u32> {
        let count = self
            .0
            .bytes()
            .take(max)
            .take_while(u8::is_ascii_digit)
            .count();
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        (count >= min).then(|| taken.parse().ok())?
    }

    fn at_end(&self) -> bool {
        self.0.is_empty()
    }
}

fn digit_or_underscore(c: char) -> bool {
    c.is_ascii_digit() || c == '_'
}

/// Consumes the end of a sexagesimal number, like `:5` or `:59:00`; returns whether there was any.
fn sixtieths(cursor: &mut Cursor<'_>) -> bool {
    let mut any = false;
    while let Some(rest) = cursor.0.strip_prefix(':') {
        let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        let taken = match (digits, rest.as_bytes()) {
            (2, [b'0'..=b'5', ..]) => 2,
            (0, _) => return any,
            _ => 1,
        };
        cursor.0 = &rest[taken..];
        any = true;
    }
    any
}

fn is_int(text: &str) -> bool {
    let mut cursor = Cursor(text);
    cursor.one_of(&['-', '+']);
    let digits = cursor.0;
    if let Some(rest) = digits.strip_prefix("0b") {
        return !rest.is_empty() && rest.chars().all(|c| matches!(c, '0' | '1' | '_'));
    }
    if let Some(rest) = digits.strip_prefix("0x") {
        return !rest.is_empty() && rest.chars().all(|c| c.is_ascii_hexdigit() || c == '_');
    }
    if let Some(rest) = digits.strip_prefix('0') {
        return rest.chars().all(|c| matches!(c, '0'..='7' | '_'));
    }
    if !cursor.0.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    cursor.run(digit_or_underscore);
    cursor.at_end() || (sixtieths(&mut cursor) && cursor.at_end())
}

fn is_float(text: &str) -> bool {
    let exponent = |mut cursor: Cursor<'_>| {
        cursor.at_end()
            || (cursor.one_of(&['e', 'E']).is_some()
                && cursor.one_of(&['-', '+']).is_some()
                && !cursor.run(|c| c.is_ascii_digit()).is_empty()
                && cursor.at_end())
    };
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    if let Some(fraction) = text
        .strip_prefix('.')
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    {
        let mut cursor = Cursor(fraction);
        cursor.run(digit_or_underscore);
        return exponent(cursor);
    }
    let mut cursor = Cursor(text);
    cursor.one_of(&['-', '+']);
    if matches!(cursor.0, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    if !cursor.0.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    cursor.run(digit_or_underscore);
    let sexagesimal = sixtieths(&mut cursor);
    if cursor.one_of(&['.']).is_none() {
        return false;
    }
    cursor.run(digit_or_underscore);
    if sexagesimal {
        cursor.at_end()
    } else {
        exponent(cursor)
    }
}

const TOO_LARGE: &str = "too large for a number (quote it if text is meant)";

fn int_value(text: &str) -> Result<i128, &'static str> {
    const NOT_INT: &str = "not an integer";
    let text = text.replace('_', "");
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let in_radix = |digits: &str, radix: u32| {
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(NOT_INT);
        }
        i128::from_str_radix(digits, radix).map_err(|_| TOO_LARGE)
    };
    let magnitude = if let Some(binary) = digits.strip_prefix("0b") {
        in_radix(binary, 2)?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        in_radix(hex, 16)?
    } else if digits.starts_with('0') {
        in_radix(digits, 8)?
    } else {
        let mut sum = 0i128;
        for part in digits.split(':') {
            let part = in_radix(part, 10)?;
            sum = sum
                .checked_mul(60)
                .and_then(|sum| sum.checked_add(part))
                .ok_or(TOO_LARGE)?;
        }
        sum
    };
    Ok(if negative { -magnitude } else { magnitude })
}

fn float_value(text: &str) -> Option<f64> {
    let text = text.replace('_', "").to_ascii_lowercase();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(&text)),
    };
    match digits {
        ".inf" => Some(sign * f64::INFINITY),
        ".nan" => Some(f64::NAN),
        _ => {
            // PyYAML adds from the least significant part; another order could round differently.
            let mut base = 1.0;
            let mut sum = 0.0;
            for part in digits.rsplit(':') {
                sum += part.parse::<f64>().ok()? * base;
                base *= 60.0;
            }
            Some(sign * sum)
        }
    }
}

/// Decodes RFC 4648 base64. Skips ASCII characters outside of its alphabet, as Python's `base64.decodebytes` does.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            byte if byte.is_ascii() => continue,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    let sextets = text
        .bytes()
        .filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
        .count();
    let padding = text.bytes().filter(|&b| b == b'=').count();
    (sextets % 4 == 0 || (sextets % 4 != 1 && sextets % 4 + padding >= 4)).then_some(bytes)
}
