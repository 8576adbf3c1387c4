//! A safe interface to libyaml's parser: turns a text into events with positions.
//!
//! libyaml-rs is libyaml translated to Rust, maintained by the YAML organization. Of the parsers that we compared with
//! PyYAML, only this one has the same grammar (saphyr-parser reads YAML 1.2, where `a<NEL>b` and `[?a]` have another
//! meaning) and panics on no text (libyaml-safer 0.3 does, on `|` without a final newline and on `[!a,b]`). It has the
//! interface of a C library; all `unsafe` code of this crate is in this file.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use libyaml_rs as libyaml;

use super::{Diagnostic, Position, blanks};

/// One event, and the position where it starts.
pub(super) struct Event {
    pub position: Position,
    pub data: EventData,
}

/// libyaml's events, without those that carry no content.
#[derive(PartialEq, Eq)]
pub(super) enum EventData {
    DocumentStart,
    Alias {
        anchor: String,
    },
    /// `plain`: without quotes and tag, so that the text determines the type.
    Scalar {
        anchor: Option<String>,
        tag: Option<String>,
        value: String,
        plain: bool,
    },
    ListStart {
        anchor: Option<String>,
        tag: Option<String>,
    },
    ListEnd,
    MappingStart {
        anchor: Option<String>,
        tag: Option<String>,
    },
    MappingEnd,
    End,
}

/// The events of a text, one at a time.
pub(super) struct Events<'t> {
    text: &'t str,
    /// Owned. A raw pointer, because the parser contains a pointer to itself.
    parser: *mut libyaml::yaml_parser_t,
    /// The parser reads the text without a copy.
    borrowed: PhantomData<&'t [u8]>,
}

impl<'t> Events<'t> {
    pub fn of(text: &'t str) -> Self {
        let parser =
            Box::into_raw(Box::new(MaybeUninit::<libyaml::yaml_parser_t>::uninit())).cast();
        // SAFETY: the pointer is valid for writes, and `yaml_parser_initialize` fills the whole structure. The text is
        // borrowed for the lifetime of this value, which owns the parser.
        unsafe {
            // Cannot fail: it only allocates, and allocation aborts if there is no memory.
            let _ = libyaml::yaml_parser_initialize(parser);
            libyaml::yaml_parser_set_input_string(parser, text.as_ptr(), text.len() as u64);
        }
        Events {
            text,
            parser,
            borrowed: PhantomData,
        }
    }

    /// The next event. Do not call it again after an error or after `EventData::End`.
    pub fn next(&mut self) -> Result<Event, Diagnostic> {
        loop {
            let mut event = MaybeUninit::<libyaml::yaml_event_t>::uninit();
            // SAFETY: the parser is initialized. `yaml_parser_parse` fills the event, or fails and allocates nothing in it.
            // `data` copies from the event before `yaml_event_delete` frees it.
            unsafe {
                if libyaml::yaml_parser_parse(self.parser, event.as_mut_ptr()).fail {
                    return Err(self.error());
                }
                let read = data(&*event.as_ptr());
                let position = position((*event.as_ptr()).start_mark);
                libyaml::yaml_event_delete(event.as_mut_ptr());
                if let Some(data) = read.map_err(|message| Diagnostic::new(position, message))? {
                    return Ok(Event { position, data });
                }
            }
        }
    }

    fn error(&self) -> Diagnostic {
        // SAFETY: the parser is initialized, and its messages are constants.
        let (kind, problem, at, context, context_at) = unsafe {
            let parser = &**self.parser;
            (
                parser.error,
                constant(parser.problem),
                parser.problem_mark,
                constant(parser.context),
                parser.context_mark,
            )
        };
        if kind == libyaml::YAML_READER_ERROR {
            let (position, character) = first_unprintable(self.text);
            return Diagnostic::new(
                position,
                format!(
                    "the character '{}' is not allowed",
                    character.escape_unicode()
                ),
            );
        }
        let problem = problem.unwrap_or("this is not valid YAML");
        let place = self.within(position(at));
        let begin = context.map(|_| self.within(position(context_at)).line);
        let message = match context.zip(begin) {
            Some((context, begin)) => format!("{problem} {context} that begins at line {begin}"),
            None => problem.to_owned(),
        };
        // A plain scalar may continue on the next line, so the cause may be on the line before.
        let from = begin.unwrap_or(place.line).min(place.line - 1);
        match blanks::suspect(self.text, from, place) {
            Some((position, blank)) => Diagnostic::new(position, format!("{blank} ({message})")),
            None => Diagnostic::new(place, message),
        }
    }

    /// libyaml reports the end of a text on a line of its own. This returns the position after the last character instead.
    fn within(&self, position: Position) -> Position {
        let lines = self.text.lines().count();
        match self.text.lines().next_back() {
            Some(last) if position.line > lines => Position {
                line: lines,
                column: last.chars().count() + 1,
            },
            _ => position,
        }
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        // SAFETY: the parser is initialized and was allocated by `of`; neither is used again.
        unsafe {
            libyaml::yaml_parser_delete(self.parser);
            drop(Box::from_raw(
                self.parser.cast::<MaybeUninit<libyaml::yaml_parser_t>>(),
            ));
        }
    }
}

/// Copies the content of an event; `None` if it has none.
///
/// # Safety
/// `yaml_parser_parse` must have filled the event, and it must not be deleted yet.
unsafe fn data(event: &libyaml::yaml_event_t) -> Result<Option<EventData>, &'static str> {
    // SAFETY: the type of the event determines the field of the union. Strings are null or end with NUL, except the value of
    // a scalar, which has a length.
    unsafe {
        Ok(Some(match event.type_ {
            libyaml::YAML_DOCUMENT_START_EVENT => EventData::DocumentStart,
            libyaml::YAML_ALIAS_EVENT => EventData::Alias {
                anchor: owned(event.data.alias.anchor)?.unwrap_or_default(),
            },
            libyaml::YAML_SCALAR_EVENT => {
                let scalar = &event.data.scalar;
                let length = usize::try_from(scalar.length).map_err(|_| NOT_UTF8)?;
                let value = std::slice::from_raw_parts(scalar.value, length);
                EventData::Scalar {
                    anchor: owned(scalar.anchor)?,
                    tag: owned(scalar.tag)?,
                    value: std::str::from_utf8(value).map_err(|_| NOT_UTF8)?.to_owned(),
                    plain: scalar.plain_implicit,
                }
            }
            libyaml::YAML_SEQUENCE_START_EVENT => {
                let list = &event.data.sequence_start;
                EventData::ListStart {
                    anchor: owned(list.anchor)?,
                    tag: owned(list.tag)?,
                }
            }
            libyaml::YAML_SEQUENCE_END_EVENT => EventData::ListEnd,
            libyaml::YAML_MAPPING_START_EVENT => {
                let mapping = &event.data.mapping_start;
                EventData::MappingStart {
                    anchor: owned(mapping.anchor)?,
                    tag: owned(mapping.tag)?,
                }
            }
            libyaml::YAML_MAPPING_END_EVENT => EventData::MappingEnd,
            libyaml::YAML_STREAM_END_EVENT => EventData::End,
            _ => return Ok(None),
        }))
    }
}

const NOT_UTF8: &str = "this is not valid UTF-8 text";

/// A copy of a string of libyaml; `None` for null.
///
/// # Safety
/// The pointer must be null or point to a string that ends with NUL.
unsafe fn owned(string: *const u8) -> Result<Option<String>, &'static str> {
    if string.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller guarantees it.
    let string = unsafe { CStr::from_ptr(string.cast()) };
    string
        .to_str()
        .map(|string| Some(string.to_owned()))
        .map_err(|_| NOT_UTF8)
}

/// One of libyaml's messages; `None` for null and for an empty one.
///
/// # Safety
/// The pointer must be null or point to a constant string that ends with NUL.
unsafe fn constant(message: *const c_char) -> Option<&'static str> {
    if message.is_null() {
        return None;
    }
    // SAFETY: the caller guarantees it.
    unsafe { CStr::from_ptr(message) }
        .to_str()
        .ok()
        .filter(|message| !message.is_empty())
}

fn position(mark: libyaml::yaml_mark_t) -> Position {
    let one_based = |zero_based: u64| usize::try_from(zero_based).unwrap_or(usize::MAX - 1) + 1;
    Position {
        line: one_based(mark.line),
        column: one_based(mark.column),
    }
}

/// The first character that YAML does not allow, and its position: libyaml reports only a byte offset.
fn first_unprintable(text: &str) -> (Position, char) {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..);
    let mut position = Position::START;
    for c in text.trim_start_matches('\u{feff}').chars() {
        if !allowed(c) {
            return (position, c);
        }
        if c == '\n' {
            position = Position {
                line: position.line + 1,
                column: 1,
            };
        } else {
            position.column += 1;
        }
    }
    (position, char::REPLACEMENT_CHARACTER)
}
