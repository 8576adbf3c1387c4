//! The search for a match.
//!
//! The result is only whether there is a match. Without back-references, what follows from an instruction and a position
//! depends on nothing else, so the search tries each such pair once. With back-references it backtracks as Python does,
//! and only the [`Budget`] bounds it.

use crate::program::{Instruction, Program};
use crate::{Budget, Indeterminate};

pub(crate) struct Search<'a> {
    program: &'a Program,
    text: &'a str,
    slots: Vec<Option<usize>>,
}

/// An entry of the stack of alternatives.
#[derive(Clone, Copy)]
pub(crate) enum Frame {
    /// An alternative that was not tried yet.
    Try { pc: usize, at: usize },
    /// A slot to reset before the alternatives below are tried.
    Restore { slot: usize, value: Option<usize> },
}

/// The result of one instruction.
enum Step {
    Continue { pc: usize, at: usize },
    Fail,
    Found,
}

impl<'a> Search<'a> {
    pub fn new(program: &'a Program, text: &'a str, slots: usize) -> Search<'a> {
        Search {
            program,
            text,
            slots: vec![None; slots],
        }
    }

    /// Whether the search reaches `Match` from an instruction and a position. After a match, the slots contain its captures.
    pub fn run(
        &mut self,
        pc: usize,
        at: usize,
        budget: &mut Budget,
    ) -> Result<bool, Indeterminate> {
        let floor = budget.alternatives();
        // A look-around has marks of its own: a pair that fails in its body may succeed outside.
        let marks = if self.slots.is_empty() {
            let pairs = self.program.instructions.len() * (self.text.len() + 1);
            Some(budget.add_marks(pairs)?)
        } else {
            None
        };
        let found = self.search(pc, at, floor, marks, budget);
        budget.discard(floor);
        if let Some(marks) = marks {
            budget.remove_marks(marks);
        }
        found
    }

    fn search(
        &mut self,
        pc: usize,
        at: usize,
        floor: usize,
        marks: Option<usize>,
        budget: &mut Budget,
    ) -> Result<bool, Indeterminate> {
        budget.push(Frame::Try { pc, at })?;
        while let Some(frame) = budget.pop(floor) {
            let (mut pc, mut at) = match frame {
                Frame::Try { pc, at } => (pc, at),
                Frame::Restore { slot, value } => {
                    self.set(slot, value);
                    continue;
                }
            };
            loop {
                budget.spend(1)?;
                if let Some(marks) = marks {
                    let bit = pc * (self.text.len() + 1) + at;
                    if !budget.mark(marks, bit) {
                        break;
                    }
                }
                match self.step(pc, at, budget)? {
                    Step::Continue {
                        pc: next_pc,
                        at: next_at,
                    } => (pc, at) = (next_pc, next_at),
                    Step::Fail => break,
                    Step::Found => return Ok(true),
                }
            }
        }
        Ok(false)
    }

    fn step(&mut self, pc: usize, at: usize, budget: &mut Budget) -> Result<Step, Indeterminate> {
        let program = self.program;
        let Some(instruction) = program.instructions.get(pc) else {
            return Ok(Step::Fail);
        };
        let next = |at: usize| Step::Continue { pc: pc + 1, at };
        Ok(match instruction {
            Instruction::Char(matcher) => {
                let Some(c) = self.text.get(at..).and_then(|rest| rest.chars().next()) else {
                    return Ok(Step::Fail);
                };
                budget.spend(matcher.class_parts() as u64 / 4)?;
                if matcher.matches(c)? {
                    next(at + c.len_utf8())
                } else {
                    Step::Fail
                }
            }
            Instruction::Assertion(assertion) => {
                if assertion.holds(self.text, at)? {
                    next(at)
                } else {
                    Step::Fail
                }
            }
            Instruction::BackReference(reference) => match self.captured(reference.group) {
                Some(captured) => {
                    budget.spend(captured.len() as u64 / 16)?;
                    reference
                        .end(captured, self.text, at)
                        .map_or(Step::Fail, next)
                }
                None => Step::Fail,
            },
            Instruction::Split { other, greedy } => {
                let (first, second) = if *greedy {
                    (pc + 1, *other)
                } else {
                    (*other, pc + 1)
                };
                budget.push(Frame::Try { pc: second, at })?;
                Step::Continue { pc: first, at }
            }
            Instruction::Jump(target) => Step::Continue { pc: *target, at },
            Instruction::Save(slot) => {
                budget.push(Frame::Restore {
                    slot: *slot,
                    value: self.slot(*slot),
                })?;
                self.set(*slot, Some(at));
                next(at)
            }
            Instruction::Again { slot, begin } => {
                if self.slot(*slot) == Some(at) {
                    next(at)
                } else {
                    Step::Continue { pc: *begin, at }
                }
            }
            Instruction::Look {
                look,
                next: after_body,
            } => {
                // The slots are copied, and a look-behind counts its characters.
                budget.spend((self.slots.len() + look.back) as u64 / 4)?;
                let before = self.slots.clone();
                let found = match look.start(self.text, at) {
                    Some(start) => self.run(pc + 1, start, budget)?,
                    None => false,
                };
                if found && !look.negated {
                    // The captures of the body remain in force until the search backtracks to before it.
                    for (slot, value) in before.into_iter().enumerate() {
                        if self.slot(slot) != value {
                            budget.push(Frame::Restore { slot, value })?;
                        }
                    }
                } else {
                    self.slots = before;
                }
                if found != look.negated {
                    Step::Continue {
                        pc: *after_body,
                        at,
                    }
                } else {
                    Step::Fail
                }
            }
            Instruction::Match => Step::Found,
        })
    }

    fn slot(&self, slot: usize) -> Option<usize> {
        self.slots.get(slot).copied().flatten()
    }

    fn set(&mut self, slot: usize, value: Option<usize>) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = value;
        }
    }

    /// The text that a group captured; `None` if the match so far does not include the group.
    fn captured(&self, group: usize) -> Option<&'a str> {
        self.text
            .get(self.slot(2 * group)?..self.slot(2 * group + 1)?)
    }
}
