//! `ztp pull`: writes the stored content to files.

use std::collections::BTreeSet;
use std::path::Path;

use indicatif::ProgressBar;
use serde_json::json;

use ztp_core::content::ContentKind;
use ztp_core::key::Record;

use crate::api::{Api, Got, Sink, Stored, WITHOUT_SECRETS};
use crate::cli::PullArgs;
use crate::fleet::show;
use crate::parallel::{self, AT_ONCE};
use crate::plan::{Item, Plan, Step};
use crate::push::style;
use crate::regular::FileDigest;
use crate::seen::Seen;
use crate::terminal::line;
use crate::{CLEAN, FINDINGS, Failure, display, display_path, unwritable};

/// The longest name of a file or folder in file systems, in bytes. Keys may have longer parts.
const MAX_NAME_BYTES: usize = 255;

pub fn run(args: &PullArgs, api: Api, json: bool) -> Result<u8, Failure> {
    if !json {
        let folder = display_path(&args.dir);
        display(&format!("from {} to {folder}\n", api.url))?;
    }
    let list = api.list()?;
    args.only.check(list.keys().map(String::as_str))?;
    let is_wanted =
        |key: &str| args.only.includes(key) && (!args.nodes || key.starts_with("nodes/"));
    let selected = list.into_values().filter(|stored| is_wanted(&stored.key));
    let selected: Vec<Stored> = selected.collect();
    let total = selected.iter().filter_map(|stored| stored.size).sum();
    let pull = Pull {
        args,
        api,
        bar: ProgressBar::new(total).with_style(style()),
    };
    let mut files = BTreeSet::new();
    let placed = selected.into_iter().map(|stored| {
        let obstacle = obstacle(&files, &args.dir, &stored.key);
        if obstacle.is_none() {
            files.insert(stored.key.clone());
        }
        (stored, obstacle)
    });
    let item = |(stored, obstacle)| pull.item(stored, obstacle);
    let items = parallel::map(placed.collect(), AT_ONCE, item)?;
    pull.bar.finish_and_clear();
    let items = items.into_iter().flatten().collect();
    let plan = Plan { items };
    if !args.dry_run {
        let mut seen = Seen::load(&args.dir, &pull.api.url)?;
        for item in &plan.items {
            // Not set for a file that differs.
            if let Some(sha1) = item.former() {
                seen.set(&item.key, sha1);
            }
        }
        seen.save()?;
    }
    let steps = plan.json(args.verbose);
    let document = json!({"url": pull.api.url, "dry_run": args.dry_run, "steps": steps});
    let dry_run = if args.dry_run {
        "dry run: nothing is written\n"
    } else {
        ""
    };
    show(json, &document, &(plan.text(args.verbose) + dry_run))?;
    let left = plan.count(Step::LeaveAlone);
    Ok(if left == 0 { CLEAN } else { FINDINGS })
}

struct Pull<'a> {
    args: &'a PullArgs,
    api: Api,
    bar: ProgressBar,
}

impl Pull<'_> {
    /// Writes the file of a key, unless it is there; `None` if the key is deleted since.
    fn item(&self, mut stored: Stored, obstacle: Option<String>) -> Result<Option<Item>, Failure> {
        self.bar.set_message(line(&stored.key));
        self.bar.inc(stored.size.unwrap_or_default());
        let path = self.args.dir.join(&stored.key);
        let mut item = Item::new(&stored.key, Step::Add, stored.size);
        let size = match obstacle.map_or_else(|| state(&path), Err) {
            Ok(size) => size,
            Err(obstacle) => return Ok(Some(item.left_alone(obstacle))),
        };
        if size.is_some() && (stored.size.is_none() || size == stored.size) {
            let Some(completed) = self.api.complete(stored)? else {
                return Ok(None);
            };
            stored = completed;
            if stored.sha1.is_none() {
                return Ok(Some(item.left_alone(WITHOUT_SECRETS)));
            }
            if stored.sha1 == Some(FileDigest::of(&path)?.sha1) {
                item.step = Step::Unchanged;
                item.stored = Some(stored);
                return Ok(Some(item));
            }
        }
        if size.is_some() {
            item.step = Step::Change;
            if !self.args.overwrite {
                let reason = "the file here differs; give --overwrite to replace it";
                return Ok(Some(item.left_alone(reason)));
            }
        }
        let got = match self.args.dry_run {
            false => self.write(&stored.key, &path)?,
            // Only its response tells whether it has its secrets.
            true if is_startup_config(&stored.key) => {
                let nowhere = &mut Vec::new();
                self.api.read(&stored.key, Sink::Memory(nowhere, 0))?
            }
            true => {
                item.stored = Some(stored);
                return Ok(Some(item));
            }
        };
        let Some(got) = got else { return Ok(None) };
        if got.is_without_secrets() {
            return Ok(Some(item.left_alone(WITHOUT_SECRETS)));
        }
        stored.sha1 = Some(got.sha1);
        item.stored = Some(stored);
        Ok(Some(item))
    }

    /// Writes a file atomically, unless it would lack its secrets: a later push would store it so. `None` if the key is
    /// deleted since.
    fn write(&self, key: &str, path: &Path) -> Result<Option<Got>, Failure> {
        let failed = |error| unwritable(path, error);
        let folder = path.parent().unwrap_or(&self.args.dir);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut new = tempfile::Builder::new();
        #[cfg(unix)]
        new.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // Not the name with an addition, which may be too long.
        let new = new.prefix("").suffix(".ztp-new").tempfile_in(folder);
        let new = new.map_err(failed)?.into_temp_path();
        let got = self.api.read(key, Sink::File(&new))?;
        if got.as_ref().is_some_and(|got| !got.is_without_secrets()) {
            new.persist(path).map_err(|error| failed(error.error))?;
        }
        Ok(got)
    }
}

fn is_startup_config(key: &str) -> bool {
    let kind = ContentKind::of(key);
    matches!(kind, Ok(ContentKind::Record(_, Record::StartupConfig)))
}

/// The reason why no file can have the path of a key, after the keys before it are written: one key can be the folder
/// of another, and a file cannot.
fn obstacle(files: &BTreeSet<String>, dir: &Path, key: &str) -> Option<String> {
    let longest = key.split('/').map(str::len).max().unwrap_or_default();
    if longest > MAX_NAME_BYTES {
        let problem =
            format!("a part of it has {longest} bytes, but file names at most {MAX_NAME_BYTES}");
        return Some(problem + "; rename it on the server");
    }
    let mut folders = key.match_indices('/').filter_map(|(end, _)| key.get(..end));
    let file = folders.find(|folder| files.contains(*folder) || is_not_folder(&dir.join(folder)));
    file.map(|file| format!("{file} is a file, and cannot be a folder too; rename one of them"))
}

/// The size of the file at a path, in bytes; `None` if there is nothing.
///
/// # Errors
/// There is something else: the reason why no file can be written.
fn state(path: &Path) -> Result<Option<u64>, String> {
    let problem = match std::fs::metadata(path) {
        Ok(found) if found.is_file() => return Ok(Some(found.len())),
        Ok(found) if found.is_dir() => "a folder of that name is in the way; move it away",
        Ok(_) => "this is neither a file nor a folder; move it away",
        Err(_) if std::fs::symlink_metadata(path).is_ok() => {
            "a symbolic link that leads nowhere is in the way; remove it"
        }
        Err(_) => return Ok(None),
    };
    Err(problem.to_owned())
}

/// Whether the path exists and is neither a folder nor a link to one.
fn is_not_folder(path: &Path) -> bool {
    !path.is_dir() && path.symlink_metadata().is_ok()
}
