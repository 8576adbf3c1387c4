//! The instructions that an expression compiles to, and the search for a match.
//!
//! Only whether there is a match is asked. Without back-references that depends on nothing but the instruction and the
//! place in the text, so no such pair is tried twice and the search is linear. With them it backtracks as Python does,
//! and the [`Budget`] ends it.

use std::fmt;

use super::class::{Category, Class, fold};
use super::parse::{Assertion, Ast, Parsed};
use super::{MAX_CLASS_PARTS, MAX_PROGRAM, MAX_SUBJECT};

#[derive(Clone)]
pub(super) struct Program {
    instructions: Vec<Instruction>,
    /// Places kept while matching: two for each group, one for each loop that may match nothing. None without
    /// back-references.
    slots: usize,
    /// The parts of all classes.
    class_parts: usize,
    /// What every match begins with: most texts fail there, at the cost of a comparison.
    prefix: Box<str>,
}

#[derive(Clone)]
enum Instruction {
    Char {
        c: char,
        ignore_case: bool,
        ascii: bool,
    },
    Class(Class),
    Any {
        newline: bool,
    },
    Assertion(Assertion),
    /// Goes on at the next instruction or, if that fails, at the given one; the other way round if not greedy.
    Split {
        other: usize,
        greedy: bool,
    },
    Jump(usize),
    Save(usize),
    /// The end of a loop's body: back to its beginning, unless the body matched nothing, which would repeat for ever.
    Again {
        slot: usize,
        begin: usize,
    },
    BackReference {
        group: usize,
        ignore_case: bool,
        ascii: bool,
    },
    /// The body follows and ends with `Match`; the search goes on at `next`.
    Look {
        behind: Option<usize>,
        negated: bool,
        next: usize,
    },
    Match,
}

/// `None` if it would have more than [`MAX_PROGRAM`] instructions or [`MAX_CLASS_PARTS`] parts of classes.
pub(super) fn compile(parsed: &Parsed) -> Option<Program> {
    let slots = if parsed.back_references {
        2 * (parsed.groups + 1)
    } else {
        0
    };
    let mut compiler = Compiler {
        instructions: Vec::new(),
        class_parts: 0,
        slots,
        captures: parsed.back_references,
    };
    compiler.emit(&parsed.root)?;
    compiler.push(Instruction::Match)?;
    let prefix = compiler
        .instructions
        .iter()
        .map_while(|instruction| match instruction {
            Instruction::Char {
                c,
                ignore_case: false,
                ..
            } => Some(*c),
            _ => None,
        });
    let prefix = prefix.collect::<String>().into_boxed_str();
    Some(Program {
        instructions: compiler.instructions,
        slots: compiler.slots,
        class_parts: compiler.class_parts,
        prefix,
    })
}

struct Compiler {
    instructions: Vec<Instruction>,
    class_parts: usize,
    slots: usize,
    captures: bool,
}

impl Compiler {
    fn push(&mut self, instruction: Instruction) -> Option<usize> {
        let at = self.instructions.len();
        self.instructions.push(instruction);
        (at < MAX_PROGRAM).then_some(at)
    }

    fn here(&self) -> usize {
        self.instructions.len()
    }

    /// Sets the target of an instruction, which was not known when it was emitted, to the next one.
    fn patch(&mut self, at: usize) {
        let here = self.here();
        if let Some(
            Instruction::Split { other: target, .. }
            | Instruction::Jump(target)
            | Instruction::Look { next: target, .. },
        ) = self.instructions.get_mut(at)
        {
            *target = here;
        }
    }

    fn emit(&mut self, ast: &Ast) -> Option<()> {
        match ast {
            Ast::Empty => {}
            &Ast::Char {
                c,
                ignore_case,
                ascii,
            } => {
                let c = if ignore_case {
                    c.to_ascii_lowercase()
                } else {
                    c
                };
                self.push(Instruction::Char {
                    c,
                    ignore_case,
                    ascii,
                })?;
            }
            Ast::Class(class) => {
                self.class_parts += class.items.len();
                if self.class_parts > MAX_CLASS_PARTS {
                    return None;
                }
                self.push(Instruction::Class(class.clone()))?;
            }
            &Ast::Any { newline } => {
                self.push(Instruction::Any { newline })?;
            }
            &Ast::Assertion(assertion) => {
                self.push(Instruction::Assertion(assertion))?;
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
            Ast::Alternatives(branches) => {
                let mut ends = Vec::new();
                for (index, branch) in branches.iter().enumerate() {
                    if index + 1 == branches.len() {
                        self.emit(branch)?;
                    } else {
                        let split = self.push(Instruction::Split {
                            other: 0,
                            greedy: true,
                        })?;
                        self.emit(branch)?;
                        ends.push(self.push(Instruction::Jump(0))?);
                        self.patch(split);
                    }
                }
                ends.into_iter().for_each(|end| self.patch(end));
            }
            Ast::Repeat {
                body,
                min,
                max,
                greedy,
            } => self.emit_repeat(body, *min, *max, *greedy)?,
            &Ast::BackReference {
                group,
                ignore_case,
                ascii,
            } => {
                self.push(Instruction::BackReference {
                    group,
                    ignore_case,
                    ascii,
                })?;
            }
            Ast::Look {
                behind,
                negated,
                body,
            } => {
                let look = self.push(Instruction::Look {
                    behind: *behind,
                    negated: *negated,
                    next: 0,
                })?;
                self.emit(body)?;
                self.push(Instruction::Match)?;
                self.patch(look);
            }
        }
        Some(())
    }

    fn emit_repeat(&mut self, body: &Ast, min: u32, max: Option<u32>, greedy: bool) -> Option<()> {
        // A body that compiles to nothing would be written out any number of times at no cost.
        let written_out = if matches!(body, Ast::Empty) { 0 } else { min };
        for _ in 0..written_out {
            self.emit(body)?;
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

/// How much matching may still cost, and the memory that it works in. One budget serves all the matches of one decision,
/// so that the decision as a whole is bounded.
pub struct Budget {
    steps: u64,
    visited: Vec<u64>,
    stack: Vec<Frame>,
}

impl Budget {
    /// A budget of so many steps; one step takes a few nanoseconds.
    pub fn new(steps: u64) -> Budget {
        Budget {
            steps,
            visited: Vec::new(),
            stack: Vec::new(),
        }
    }

    /// Takes a number of steps out.
    ///
    /// # Errors
    /// There are not as many left.
    pub fn spend(&mut self, steps: u64) -> Result<(), Undecided> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(Undecided::TooManySteps)
            }
        }
    }
}

/// Why it is not known whether a text matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecided {
    TooManySteps,
    /// Its length in bytes.
    TooLong(usize),
    /// A character of which it is not known whether Python counts it as a letter or digit.
    Character(char),
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undecided::TooManySteps => write!(
                f,
                "it takes too many steps; simplify the expression, for instance its nested repetitions"
            ),
            Undecided::TooLong(length) => write!(
                f,
                "the text has {length} bytes, and at most {MAX_SUBJECT} are matched"
            ),
            Undecided::Character(c) => write!(
                f,
                "'{}' is a character whose class is not known; name it itself in the expression",
                c.escape_unicode()
            ),
        }
    }
}

impl std::error::Error for Undecided {}

/// What is left to try, or to put back on the way to it.
#[derive(Clone, Copy)]
enum Frame {
    Try { pc: usize, at: usize },
    Restore { slot: usize, value: Option<usize> },
}

impl Program {
    /// Its instructions, each part of a class counted as one more.
    pub fn size(&self) -> usize {
        self.instructions.len() + self.class_parts
    }

    pub fn is_match(&self, text: &str, budget: &mut Budget) -> Result<bool, Undecided> {
        if text.len() > MAX_SUBJECT {
            return Err(Undecided::TooLong(text.len()));
        }
        if !text.starts_with(&*self.prefix) {
            return Ok(false);
        }
        budget.spend(self.slots as u64 / 16)?;
        let mut search = Search {
            program: self,
            text,
            slots: vec![None; self.slots],
        };
        search.run(0, 0, budget)
    }
}

struct Search<'a> {
    program: &'a Program,
    text: &'a str,
    slots: Vec<Option<usize>>,
}

/// What an instruction leads to.
enum Step {
    Goto(usize, usize),
    Fail,
    Found,
}

impl Search<'_> {
    /// Whether `Match` is reached from an instruction at a place in the text. The slots are left as they were there.
    fn run(&mut self, pc: usize, at: usize, budget: &mut Budget) -> Result<bool, Undecided> {
        let floor = budget.stack.len();
        // Each search of its own marks: what fails inside of a look-around may succeed outside.
        let marks = self.slots.is_empty().then_some(budget.visited.len());
        if let Some(marks) = marks {
            let words = (self.program.instructions.len() * (self.text.len() + 1)).div_ceil(64);
            budget.spend(words as u64 / 8)?;
            budget.visited.resize(marks + words, 0);
        }
        budget.stack.push(Frame::Try { pc, at });
        let found = self.search(floor, marks, budget);
        budget.stack.truncate(floor);
        if let Some(marks) = marks {
            budget.visited.truncate(marks);
        }
        found
    }

    fn search(
        &mut self,
        floor: usize,
        marks: Option<usize>,
        budget: &mut Budget,
    ) -> Result<bool, Undecided> {
        while budget.stack.len() > floor {
            let (mut pc, mut at) = match budget.stack.pop() {
                Some(Frame::Try { pc, at }) => (pc, at),
                Some(Frame::Restore { slot, value }) => {
                    self.set(slot, value);
                    continue;
                }
                None => break,
            };
            loop {
                budget.spend(1)?;
                if let Some(marks) = marks {
                    let bit = pc * (self.text.len() + 1) + at;
                    match budget.visited.get_mut(marks + bit / 64) {
                        Some(word) if *word & (1 << (bit % 64)) == 0 => *word |= 1 << (bit % 64),
                        _ => break,
                    }
                }
                match self.step(pc, at, budget)? {
                    Step::Goto(next_pc, next_at) => (pc, at) = (next_pc, next_at),
                    Step::Fail => break,
                    Step::Found => return Ok(true),
                }
            }
        }
        Ok(false)
    }

    fn step(&mut self, pc: usize, at: usize, budget: &mut Budget) -> Result<Step, Undecided> {
        let program = self.program;
        let Some(instruction) = program.instructions.get(pc) else {
            return Ok(Step::Fail);
        };
        let consume = |accepted: bool, c: char| {
            if accepted {
                Step::Goto(pc + 1, at + c.len_utf8())
            } else {
                Step::Fail
            }
        };
        let next_char = self.text.get(at..).and_then(|rest| rest.chars().next());
        Ok(match instruction {
            Instruction::Char {
                c: wanted,
                ignore_case,
                ascii,
            } => match next_char {
                Some(c) => consume(if *ignore_case { fold(c, *ascii) } else { c } == *wanted, c),
                None => Step::Fail,
            },
            Instruction::Class(class) => match next_char {
                Some(c) => {
                    budget.spend(class.items.len() as u64 / 4)?;
                    consume(class.contains(c)?, c)
                }
                None => Step::Fail,
            },
            Instruction::Any { newline } => match next_char {
                Some(c) => consume(*newline || c != '\n', c),
                None => Step::Fail,
            },
            Instruction::Assertion(assertion) => match self.holds(*assertion, at)? {
                true => Step::Goto(pc + 1, at),
                false => Step::Fail,
            },
            Instruction::Split { other, greedy } => {
                let (first, second) = if *greedy {
                    (pc + 1, *other)
                } else {
                    (*other, pc + 1)
                };
                budget.stack.push(Frame::Try { pc: second, at });
                Step::Goto(first, at)
            }
            Instruction::Jump(target) => Step::Goto(*target, at),
            Instruction::Save(slot) => {
                budget.stack.push(Frame::Restore {
                    slot: *slot,
                    value: self.slot(*slot),
                });
                self.set(*slot, Some(at));
                Step::Goto(pc + 1, at)
            }
            Instruction::Again { slot, begin } => Step::Goto(
                if self.slot(*slot) == Some(at) {
                    pc + 1
                } else {
                    *begin
                },
                at,
            ),
            Instruction::BackReference {
                group,
                ignore_case,
                ascii,
            } => match self.captured(*group) {
                Some(captured) => {
                    budget.spend(captured.len() as u64 / 16)?;
                    match self.repeats(captured, at, *ignore_case, *ascii) {
                        Some(end) => Step::Goto(pc + 1, end),
                        None => Step::Fail,
                    }
                }
                None => Step::Fail,
            },
            Instruction::Look {
                behind,
                negated,
                next,
            } => {
                // The slots are copied, and a look-behind counts its characters.
                budget.spend((self.slots.len() + behind.unwrap_or_default()) as u64 / 4)?;
                let from = match behind {
                    None => Some(at),
                    Some(0) => Some(at),
                    Some(width) => self
                        .text
                        .get(..at)
                        .and_then(|before| before.char_indices().rev().nth(width - 1))
                        .map(|(start, _)| start),
                };
                let before = self.slots.clone();
                let found = match from {
                    Some(from) => self.run(pc + 1, from, budget)?,
                    None => false,
                };
                if !negated && found {
                    // What groups captured inside stays, and is put back if the search comes back here.
                    for (slot, value) in before.into_iter().enumerate() {
                        if self.slot(slot) != value {
                            budget.stack.push(Frame::Restore { slot, value });
                        }
                    }
                } else {
                    self.slots = before;
                }
                if found != *negated {
                    Step::Goto(*next, at)
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

    /// What a group captured; `None` if it took no part in the match so far.
    fn captured(&self, group: usize) -> Option<&str> {
        self.text
            .get(self.slot(2 * group)?..self.slot(2 * group + 1)?)
    }

    /// Where the text ends that repeats `captured` from `at` on.
    fn repeats(&self, captured: &str, at: usize, ignore_case: bool, ascii: bool) -> Option<usize> {
        let rest = self.text.get(at..)?;
        if !ignore_case {
            return rest.starts_with(captured).then_some(at + captured.len());
        }
        let mut chars = rest.char_indices();
        for wanted in captured.chars() {
            let (_, c) = chars.next()?;
            if fold(c, ascii) != fold(wanted, ascii) {
                return None;
            }
        }
        Some(at + chars.next().map_or(rest.len(), |(length, _)| length))
    }

    fn holds(&self, assertion: Assertion, at: usize) -> Result<bool, Undecided> {
        let rest = self.text.get(at..).unwrap_or_default();
        let before = self.text.get(..at).unwrap_or_default();
        Ok(match assertion {
            Assertion::Start => at == 0,
            Assertion::LineStart => at == 0 || before.ends_with('\n'),
            Assertion::End => rest.is_empty() || rest == "\n",
            Assertion::LineEnd => rest.is_empty() || rest.starts_with('\n'),
            Assertion::AbsoluteEnd => rest.is_empty(),
            Assertion::WordBoundary { negated, ascii } => {
                let word =
                    |c: Option<char>| c.map_or(Ok(false), |c| Category::Word.contains(c, ascii));
                // Python finds no boundary in an empty text, and neither a non-boundary before 3.14.
                !self.text.is_empty()
                    && (word(before.chars().next_back())? != word(rest.chars().next())?) != negated
            }
        })
    }
}
