//! Groups, flags, look-arounds and back-references.

use super::{Group, Parser, Result};
use crate::MAX_GROUP_DEPTH;
use crate::ast::{Ast, Width};
use crate::atom::{BackReference, Look};

const UNKNOWN: &str = "the characters after '(?' are not a valid group or flag";

impl Parser {
    /// A group, after its `(`; `None` for a comment and for global flags.
    pub(super) fn group(&mut self, start: usize) -> Result<Option<Ast>> {
        let outer = self.flags;
        if !self.eat('?') {
            return self.capture(None, start).map(Some);
        }
        match self.next() {
            Some(':') => {}
            Some('P') => return self.named(start).map(Some),
            Some('#') => {
                self.take_while(usize::MAX, |c| c != ')');
                return if self.eat(')') {
                    Ok(None)
                } else {
                    self.fail_at(start, "the comment is not closed with ')'")
                };
            }
            Some('=') => return self.look_ahead(false, start).map(Some),
            Some('!') => return self.look_ahead(true, start).map(Some),
            Some('<') => {
                return match self.next() {
                    Some('=') => self.look_behind(false, start).map(Some),
                    Some('!') => self.look_behind(true, start).map(Some),
                    _ => self.fail_at(
                        start,
                        "'(?<' must be followed by '=' or '!'; write a named group as '(?P<name>…)'",
                    ),
                };
            }
            Some('(') => return self.fail_at(start, "conditional groups are not supported"),
            Some('>') => return self.fail_at(start, "atomic groups are not supported"),
            Some(c) if c == '-' || c.is_ascii_alphabetic() => {
                self.at -= 1;
                if self.flags(start)? {
                    return Ok(None);
                }
            }
            _ => return self.fail_at(start, UNKNOWN),
        }
        let body = self.body(start)?;
        self.flags = outer;
        Ok(Some(Ast::Group {
            index: None,
            body: Box::new(body),
        }))
    }

    /// `(?P<name>…)` or `(?P=name)`, after its `(?P`.
    fn named(&mut self, start: usize) -> Result<Ast> {
        match self.next() {
            Some('<') => {
                let name = self.name('>')?;
                if self.group_named(&name).is_some() {
                    return self.fail_at(start, format!("the group name '{name}' is used twice"));
                }
                self.capture(Some(name), start)
            }
            Some('=') => {
                let name = self.name(')')?;
                match self.group_named(&name) {
                    Some(group) => self.back_reference(group, start),
                    None => self.fail_at(
                        start,
                        format!("group '{name}' is not defined before this reference"),
                    ),
                }
            }
            _ => self.fail_at(start, "'(?P' must be followed by '<name>' or '=name'"),
        }
    }

    /// The number of a group, counted from 1.
    fn group_named(&self, name: &str) -> Option<usize> {
        let has_name = |group: &Group| group.name.as_deref() == Some(name);
        self.groups.iter().position(has_name).map(|index| index + 1)
    }

    /// Reads flags and what ends them: `)` (true: they are global) or `:` (false: they apply to the group that starts).
    fn flags(&mut self, start: usize) -> Result<bool> {
        let mut on = true;
        let mut changed = self.flags;
        loop {
            match self.next() {
                Some('i') => changed.chars.ignore_case = on,
                Some('m') => changed.multi_line = on,
                Some('s') => changed.dot_all = on,
                Some('x') => changed.verbose = on,
                Some('a') if on => changed.chars.ascii = true,
                Some('u') if on => changed.chars.ascii = false,
                Some('L') => {
                    return self
                        .fail_at(start, "the flag 'L' is valid only for bytes, not for text");
                }
                Some('-') if on && self.peek() != Some(':') => on = false,
                Some(')') if on => {
                    // An error since Python 3.11. In earlier versions such flags apply to the text before them, too.
                    if start != 0 {
                        return self
                            .fail_at(start, "global flags must be at the start of the expression");
                    }
                    self.flags = changed;
                    return Ok(true);
                }
                Some(':') => {
                    self.flags = changed;
                    return Ok(false);
                }
                _ => return self.fail_at(start, UNKNOWN),
            }
        }
    }

    fn name(&mut self, end: char) -> Result<String> {
        let start = self.at;
        let name = self.take_while(usize::MAX, |c| c != end);
        let valid = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !self.eat(end) || !valid {
            return self.fail_at(
                start,
                "a group name must consist of letters, digits and underscores, and not start with a digit",
            );
        }
        Ok(name)
    }

    fn capture(&mut self, name: Option<String>, start: usize) -> Result<Ast> {
        let outer = self.flags;
        let index = self.groups.len();
        self.groups.push(Group { name, width: None });
        let body = self.body(start)?;
        self.flags = outer;
        let width = self.width(&body);
        if let Some(group) = self.groups.get_mut(index) {
            group.width = Some(width);
        }
        Ok(Ast::Group {
            index: Some(index + 1),
            body: Box::new(body),
        })
    }

    /// The contents of a group and its `)`.
    fn body(&mut self, start: usize) -> Result<Ast> {
        self.depth += 1;
        if self.depth > MAX_GROUP_DEPTH {
            return self.fail_at(
                start,
                format!("groups are nested more than {MAX_GROUP_DEPTH} levels deep"),
            );
        }
        let body = self.alternatives()?;
        self.depth -= 1;
        if self.eat(')') {
            Ok(body)
        } else {
            self.fail_at(start, "the group is not closed with ')'")
        }
    }

    fn look_ahead(&mut self, negated: bool, start: usize) -> Result<Ast> {
        let outer = self.flags;
        let body = self.body(start)?;
        self.flags = outer;
        Ok(Ast::Look {
            look: Look { back: 0, negated },
            body: Box::new(body),
        })
    }

    fn look_behind(&mut self, negated: bool, start: usize) -> Result<Ast> {
        let outer = (self.flags, self.groups_before_look_behind);
        self.groups_before_look_behind
            .get_or_insert(self.groups.len());
        let body = self.body(start)?;
        (self.flags, self.groups_before_look_behind) = outer;
        let Width { min, max } = self.width(&body);
        if min != max {
            return self.fail_at(start, "a look-behind must have a fixed width");
        }
        Ok(Ast::Look {
            look: Look { back: min, negated },
            body: Box::new(body),
        })
    }

    /// A reference to a group, counted from 1.
    pub(super) fn back_reference(&mut self, group: usize, start: usize) -> Result<Ast> {
        let defined = group
            .checked_sub(1)
            .and_then(|index| self.groups.get(index));
        match defined {
            None => self.fail_at(
                start,
                format!("group {group} is not defined before this reference"),
            ),
            Some(Group { width: None, .. }) => {
                self.fail_at(start, format!("group {group} is referenced inside itself"))
            }
            Some(_)
                if self
                    .groups_before_look_behind
                    .is_some_and(|before| group > before) =>
            {
                self.fail_at(
                    start,
                    format!("group {group} is referenced inside the look-behind that defines it"),
                )
            }
            Some(_) => {
                self.back_references = true;
                Ok(Ast::BackReference(BackReference {
                    group,
                    flags: self.flags.chars,
                }))
            }
        }
    }

    fn width(&self, ast: &Ast) -> Width {
        ast.width(&|group| self.groups.get(group.checked_sub(1)?)?.width)
    }
}
