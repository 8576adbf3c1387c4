//! libyaml's parser behind a safe face: a text in, events with their places out.
//!
//! libyaml-rs is libyaml translated to Rust and kept by the YAML organization. Of the parsers that were compared with
//! PyYAML it is the one whose grammar is the same (saphyr-parser reads YAML 1.2, where `a<NEL>b` and `[?a]` mean something
//! else) and that does not panic on any text (libyaml-safer 0.3 does, on `|` without a final newline and on `[!a,b]`). Its
//! interface is C's, so all `unsafe` of this crate is in this file.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use libyaml_rs as libyaml;

use super::{Diagnostic, Position, blanks};

/// One event, and where it begins.
pub(super) struct Event {
    pub position: Position,
    pub data: EventData,
}

/// What libyaml finds in a text; what has no meaning here is left out.
#[derive(PartialEq, Eq)]
pub(super) enum EventData {
    DocumentStart,
    Alias {
        anchor: String,
    },
    /// `plain` says that the text decides which type it is, there being neither quotes nor a tag.
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
    /// Owned. A raw pointer, since libyaml keeps one to the parser in the parser.
    parser: *mut libyaml::yaml_parser_t,
    /// libyaml reads the text where it is.
    borrowed: PhantomData<&'t [u8]>,
}

impl<'t> Events<'t> {
    pub fn of(text: &'t str) -> Self {
        let parser =
            Box::into_raw(Box::new(MaybeUninit::<libyaml::yaml_parser_t>::uninit())).cast();
        // SAFETY: the pointer is valid for writes, and initializing fills all of the structure. The text is borrowed for as
        // long as this value, and so the parser, lives.
        unsafe {
            // Always succeeds: it does nothing but allocate, which aborts where there is no memory.
            let _ = libyaml::yaml_parser_initialize(parser);
            libyaml::yaml_parser_set_input_string(parser, text.as_ptr(), text.len() as u64);
        }
        Events {
            text,
            parser,
            borrowed: PhantomData,
        }
    }

    /// The next event. Not to be called again after an error or the end.
    pub fn next(&mut self) -> Result<Event, Diagnostic> {
        loop {
            let mut event = MaybeUninit::<libyaml::yaml_event_t>::uninit();
            // SAFETY: the parser is initialized. Parsing fills the event, with nothing allocated in it if it fails; deleting
            // it frees what `data` has copied.
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
        let problem = problem.unwrap_or("this is not YAML");
        let place = self.within(position(at));
        let begin = context.map(|_| self.within(position(context_at)).line);
        let message = match context.zip(begin) {
            Some((context, begin)) => format!("{problem} {context} that begins at line {begin}"),
            None => problem.to_owned(),
        };
        // A plain text goes on in the next line, so that the cause may be in the line before.
        let from = begin.unwrap_or(place.line).min(place.line - 1);
        match blanks::suspect(self.text, from, place) {
            Some((position, blank)) => Diagnostic::new(position, format!("{blank} ({message})")),
            None => Diagnostic::new(place, message),
        }
    }

    /// libyaml says of the end of a text that it is on a line of its own. Here it is behind the last character.
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

/// Copies out of an event what is of use; `None` if nothing is.
///
/// # Safety
/// The event must have been filled by `yaml_parser_parse` and not be deleted yet.
unsafe fn data(event: &libyaml::yaml_event_t) -> Result<Option<EventData>, &'static str> {
    // SAFETY: which field of the union is filled is what the type says; strings are null or end with NUL, but for the value
    // of a scalar, which has a length.
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

const NOT_UTF8: &str = "this is not text in UTF-8";

/// A copy of a string of libyaml's; `None` for null.
///
/// # Safety
/// The pointer must be null or point to a string that ends with NUL.
unsafe fn owned(string: *const u8) -> Result<Option<String>, &'static str> {
    if string.is_null() {
        return Ok(None);
    }
    // SAFETY: as demanded of the caller.
    let string = unsafe { CStr::from_ptr(string.cast()) };
    string
        .to_str()
        .map(|string| Some(string.to_owned()))
        .map_err(|_| NOT_UTF8)
}

/// One of libyaml's messages.
///
/// # Safety
/// The pointer must be null or point to a constant string that ends with NUL.
unsafe fn constant(message: *const c_char) -> Option<&'static str> {
    if message.is_null() {
        return None;
    }
    // SAFETY: as demanded of the caller.
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

/// Where the first character stands that YAML does not allow. libyaml says only at which byte.
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
