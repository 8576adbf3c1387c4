//! `ztp diff`: the changes that a push would make, as unified differences of texts.

use indicatif::HumanBytes;
use serde_json::json;
use similar::TextDiff;

use crate::api::{Api, Sink};
use crate::cli::ChangeArgs;
use crate::fleet::print;
use crate::parallel::{self, AT_ONCE};
use crate::plan::{Item, Step};
use crate::push::Push;
use crate::regular::FileDigest;
use crate::terminal::line;
use crate::{CLEAN, FINDINGS, Failure, regular};

/// The largest text of a difference, in bytes. Of larger files, only sizes and hashes are shown.
const MAX_BYTES: u64 = 1 << 20;
/// The longest time for finding the smallest difference of two texts; then a larger one is shown.
const DIFF_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);
const CONTEXT_LINES: usize = 3;

/// One side of a difference.
pub struct Side {
    size: u64,
    sha1: String,
    /// If it is a text of at most `MAX_BYTES`.
    text: Option<String>,
}

pub fn run(args: &ChangeArgs, url: Option<&str>, json: bool) -> Result<u8, Failure> {
    let push = Push::prepare(args, url, json)?;
    let changed = |item: &&Item| !matches!(item.step, Step::Unchanged | Step::LeaveAlone);
    let items: Vec<&Item> = push.plan.items.iter().filter(changed).collect();
    let differences = parallel::map(items, AT_ONCE, |item| {
        let stored = match item.stored {
            Some(_) => stored(&push.api, &item.key)?,
            None => None,
        };
        Ok((&item.key, of(item, stored)?))
    })?;
    for (key, difference) in &differences {
        let document = json!({"key": key, "diff": difference});
        print(json, &document, difference)?;
    }
    let is_clean = differences.is_empty();
    Ok(if is_clean { CLEAN } else { FINDINGS })
}

/// The value of a key on the server; `None` if there is none.
pub fn stored(api: &Api, key: &str) -> Result<Option<Side>, Failure> {
    let mut bytes = Vec::new();
    let got = api.read(key, Sink::Memory(&mut bytes, MAX_BYTES))?;
    Ok(got.map(|got| Side::new(got.size, got.sha1, bytes)))
}

/// The difference between the value on the server and the file of a key, in the format of `diff -u`.
pub fn of(item: &Item, stored: Option<Side>) -> Result<String, Failure> {
    let file = item.file.as_ref().map(Side::local).transpose()?;
    let sides = [("stored", &stored), ("local", &file)];
    let [old, new] = sides.map(|(prefix, side)| match side {
        Some(_) => format!("{prefix}/{}", line(&item.key)),
        None => "/dev/null".to_owned(),
    });
    let texts = sides.map(|(_, side)| side.as_ref().map_or(Some(""), |side| side.text.as_deref()));
    let difference = if let [Some(before), Some(after)] = texts {
        let mut diff = TextDiff::configure();
        let diff = diff.timeout(DIFF_TIMEOUT).diff_lines(before, after);
        let mut diff = diff.unified_diff();
        diff.context_radius(CONTEXT_LINES).to_string()
    } else {
        let [before, after] = sides.map(|(_, side)| match side {
            Some(side) => format!("{}, SHA-1 {}", HumanBytes(side.size), side.sha1),
            None => "missing".to_owned(),
        });
        let limit = HumanBytes(MAX_BYTES);
        format!("not a text of at most {limit}: {before} before, {after} after\n")
    };
    Ok(format!("--- {old}\n+++ {new}\n{difference}"))
}

impl Side {
    fn new(size: u64, sha1: String, bytes: Vec<u8>) -> Self {
        let complete = bytes.len() as u64 == size && !bytes.contains(&0);
        let text = String::from_utf8(bytes).ok().filter(|_| complete);
        Self { size, sha1, text }
    }

    /// A file.
    fn local(file: &FileDigest) -> Result<Self, Failure> {
        let text = match file.size {
            ..=MAX_BYTES => regular::input(&file.path, MAX_BYTES)?,
            _ => Vec::new(),
        };
        Ok(Self::new(file.size, file.sha1.clone(), text))
    }
}
