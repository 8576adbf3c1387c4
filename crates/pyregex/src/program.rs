//! The instructions that an expression compiles to.

use crate::ast::{Ast, Parsed, Repetition};
use crate::atom::{Assertion, BackReference, Look};
use crate::character::CharMatcher;
use crate::search::Search;
use crate::{Budget, Indeterminate, MAX_CLASS_PARTS, MAX_PROGRAM, MAX_SUBJECT};

#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) instructions: Vec<Instruction>,
    /// The number of positions to keep while matching: two for each group, and one for each loop whose body may match
    /// nothing. 0 without back-references.
    slots: usize,
    /// The parts of all classes.
    class_parts: usize,
    /// Literal text that every match starts with. Most texts fail here, at the cost of one comparison.
    prefix: Box<str>,
}

#[derive(Clone)]
pub(crate) enum Instruction {
    Char(CharMatcher),
    Assertion(Assertion),
    BackReference(BackReference),
    /// Continues at the next instruction and, if that fails, at `other`; in the opposite order if not greedy.
    Split {
        other: usize,
        greedy: bool,
    },
    Jump(usize),
    /// Stores the position in a slot.
    Save(usize),
    /// Ends the body of a loop: continues at `begin`, or after the loop if the body matched nothing. Without this check,
    /// such a loop would not end.
    Again {
        slot: usize,
        begin: usize,
    },
    /// The body follows and ends with `Match`. The search continues at `next`.
    Look {
        look: Look,
        next: usize,
    },
    Match,
}

impl Program {
    /// Its instructions, and each part of a class as one more.
    pub fn size(&self) -> usize {
        self.instructions.len() + self.class_parts
    }

    pub fn is_match(&self, text: &str, budget: &mut Budget) -> Result<bool, Indeterminate> {
        if text.len() > MAX_SUBJECT {
            return Err(Indeterminate::TooLong(text.len()));
        }
        if !text.starts_with(&*self.prefix) {
            return Ok(false);
        }
        budget.spend(self.slots as u64 / 16)?;
        Search::new(self, text, self.slots).run(0, 0, budget)
    }
}

/// Compiles an expression; `None` if it needs more than [`MAX_PROGRAM`] instructions or
/// [`MAX_CLASS_PARTS`] parts of classes.
pub(crate) fn compile(parsed: &Parsed) -> Option<Program> {
    let captures = parsed.back_references;
    let mut compiler = Compiler {
        instructions: Vec::new(),
        class_parts: 0,
        slots: if captures { 2 * (parsed.groups + 1) } else { 0 },
        captures,
    };
    compiler.emit(&parsed.root)?;
    compiler.push(Instruction::Match)?;
    let prefix: String = compiler
        .instructions
        .iter()
        .map_while(|instruction| match instruction {
            Instruction::Char(matcher) => matcher.exact(),
            _ => None,
        })
        .collect();
    Some(Program {
        instructions: compiler.instructions,
        slots: compiler.slots,
        class_parts: compiler.class_parts,
        prefix: prefix.into_boxed_str(),
    })
}

struct Compiler {
    instructions: Vec<Instruction>,
    class_parts: usize,
    slots: usize,
    /// Whether to record positions, which only back-references need.
    captures: bool,
}

impl Compiler {
    /// Appends an instruction and returns its address.
    fn push(&mut self, instruction: Instruction) -> Option<usize> {
        let at = self.instructions.len();
        self.instructions.push(instruction);
        (at < MAX_PROGRAM).then_some(at)
    }

    /// Sets the target of an emitted instruction to the next one.
    fn patch(&mut self, at: usize) {
        let next = self.instructions.len();
        if let Some(
            Instruction::Split { other: target, .. }
            | Instruction::Jump(target)
            | Instruction::Look { next: target, .. },
        ) = self.instructions.get_mut(at)
        {
            *target = next;
        }
    }

    fn emit(&mut self, ast: &Ast) -> Option<()> {
        match ast {
            Ast::Empty => {}
            Ast::Char(matcher) => {
                self.class_parts += matcher.class_parts();
                if self.class_parts > MAX_CLASS_PARTS {
                    return None;
                }
                self.push(Instruction::Char(matcher.clone()))?;
            }
            Ast::Assertion(assertion) => {
                self.push(Instruction::Assertion(*assertion))?;
            }
            Ast::BackReference(reference) => {
                self.push(Instruction::BackReference(*reference))?;
            }
            Ast::Group {
                index: Some(index),
                body,
            } if self.captures => {
                self.push(Instruction::Save(2 * index))?;
                self.emit(body)?;
                self.push(Instruction::Save(2 * index + 1))?;
            }
            Ast::Group { body, .. } => self.emit(body)?,
            Ast::Concat(items) => items.iter().try_for_each(|item| self.emit(item))?,
            Ast::Alternatives(branches) => self.emit_alternatives(branches)?,
            Ast::Repeat { body, repetition } => self.emit_repeat(body, *repetition)?,
            Ast::Look { look, body } => {
                let look = self.push(Instruction::Look {
                    look: *look,
                    next: 0,
                })?;
                self.emit(body)?;
                self.push(Instruction::Match)?;
                self.patch(look);
            }
        }
        Some(())
    }

    fn emit_alternatives(&mut self, branches: &[Ast]) -> Option<()> {
        let mut ends = Vec::new();
        if let Some((last, others)) = branches.split_last() {
            for branch in others {
                let split = self.push(Instruction::Split {
                    other: 0,
                    greedy: true,
                })?;
                self.emit(branch)?;
                ends.push(self.push(Instruction::Jump(0))?);
                self.patch(split);
            }
            self.emit(last)?;
        }
        ends.into_iter().for_each(|end| self.patch(end));
        Some(())
    }

    fn emit_repeat(&mut self, body: &Ast, repetition: Repetition) -> Option<()> {
        let Repetition { min, max, greedy } = repetition;
        for _ in 0..min {
            let before = self.instructions.len();
            self.emit(body)?;
            // MAX_PROGRAM does not bound the repetitions of a body without instructions, like `(?:)`. One is enough.
            if self.instructions.len() == before {
                break;
            }
        }
        match max {
            None => {
                let begin = self.push(Instruction::Split { other: 0, greedy })?;
                if self.captures {
                    let slot = self.slots;
                    self.slots += 1;
                    self.push(Instruction::Save(slot))?;
                    self.emit(body)?;
                    self.push(Instruction::Again { slot, begin })?;
                } else {
                    self.emit(body)?;
                    self.push(Instruction::Jump(begin))?;
                }
                self.patch(begin);
            }
            Some(max) => {
                let mut splits = Vec::new();
                for _ in min..max {
                    splits.push(self.push(Instruction::Split { other: 0, greedy })?);
                    self.emit(body)?;
                }
                splits.into_iter().for_each(|split| self.patch(split));
            }
        }
        Some(())
    }
}
