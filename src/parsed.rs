//! Parsed forms of texts, found by the text.
//!
//! Many nodes have the same definition and pattern, each under a key of its own. To parse one costs many
//! times what it takes to see that the text is the same. No text is taken from here: whoever asks has
//! just read it, so that nothing here can be too old.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::rc::Rc;

/// How much is kept at most, in bytes, as [`FACTOR`] counts it: more than the largest document takes.
pub const MAX_BYTES: usize = 6 << 20;
/// What a text and its parsed form are taken to be, in lengths of the text.
pub const FACTOR: usize = 4;

/// What a text is parsed to, or why it cannot be.
pub type Form<T> = Result<Rc<T>, Rc<str>>;

/// Parsed forms, by type and text. When they are too many, all are dropped: what is needed often is
/// soon there again.
#[derive(Default)]
pub struct Parsed {
    forms: HashMap<TypeId, HashMap<String, Form<dyn Any>>>,
    bytes: usize,
}

impl Parsed {
    /// What parsing this text once came to, if that is kept.
    pub fn get<T: 'static>(&self, text: &str) -> Option<Form<T>> {
        match self.forms.get(&TypeId::of::<T>())?.get(text)? {
            Ok(form) => Some(Ok(Rc::clone(form).downcast().ok()?)),
            Err(reason) => Some(Err(Rc::clone(reason))),
        }
    }

    /// Keeps the parsed form of a text.
    pub fn put<T: 'static>(&mut self, text: String, form: Form<T>) {
        let bytes = text.len() * FACTOR;
        if bytes > MAX_BYTES {
            return;
        }
        if self.bytes + bytes > MAX_BYTES {
            self.forms.clear();
            self.bytes = 0;
        }
        let forms = self.forms.entry(TypeId::of::<T>()).or_default();
        let form = form.map(|form| form as Rc<dyn Any>);
        if forms.insert(text, form).is_none() {
            self.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_form_by_its_type_and_text() {
        let mut parsed = Parsed::default();
        parsed.put("10".to_owned(), Ok(Rc::new(10_u64)));
        parsed.put("10".to_owned(), Ok(Rc::new("ten")));
        assert_eq!(parsed.get::<u64>("10"), Some(Ok(Rc::new(10))));
        assert_eq!(parsed.get::<&str>("10"), Some(Ok(Rc::new("ten"))));
        assert_eq!(parsed.get::<u64>("11"), None);
        assert_eq!(parsed.get::<u8>("10"), None);
    }

    #[test]
    fn a_broken_text_is_kept_with_its_reason() {
        let mut parsed = Parsed::default();
        parsed.put::<u64>("ten".to_owned(), Err("not a number".into()));
        assert_eq!(parsed.get::<u64>("ten"), Some(Err("not a number".into())));
        assert_eq!(parsed.get::<&str>("ten"), None);
    }

    #[test]
    fn the_largest_document_is_kept() {
        let mut parsed = Parsed::default();
        let largest = "x".repeat(crate::domain::yaml::MAX_TEXT);
        parsed.put(largest.clone(), Ok(Rc::new(1_u8)));
        assert!(parsed.get::<u8>(&largest).is_some());
    }

    #[test]
    fn never_holds_more_than_its_bytes() {
        let mut parsed = Parsed::default();
        for number in 0..100_000_u64 {
            let text = format!("{number:0100}");
            parsed.put(text.clone(), Ok(Rc::new(number)));
            assert_eq!(parsed.get::<u64>(&text), Some(Ok(Rc::new(number))));
            assert!(parsed.bytes <= MAX_BYTES);
        }
        let held: usize = parsed.forms.values().map(HashMap::len).sum();
        assert_eq!(parsed.bytes, held * 100 * FACTOR);
    }

    #[test]
    fn a_text_that_would_take_everything_is_not_kept() {
        let mut parsed = Parsed::default();
        parsed.put("small".to_owned(), Ok(Rc::new(1_u8)));
        let large = "x".repeat(MAX_BYTES / FACTOR + 1);
        parsed.put(large.clone(), Ok(Rc::new(2_u8)));
        assert_eq!(parsed.get::<u8>(&large), None);
        assert_eq!(parsed.get::<u8>("small"), Some(Ok(Rc::new(1))));
    }
}
