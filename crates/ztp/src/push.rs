//! `ztp push`: validate, compare, show the plan, store the differences.

use std::collections::{HashMap, HashSet};

use indicatif::{ProgressBar, ProgressStyle};

use ztp_core::content::{ContentKind, Store};
use ztp_core::key::Record;

use crate::cli::PushArgs;
use crate::data_root::{DataRoot, File};
use crate::digest::{FileDigest, sha1};
use crate::plan::{Plan, Step};
use crate::project::Project;
use crate::store::{self, Inventory, Storage, Upload, mark};
use crate::terminal::line;
use crate::validate::validate;
use crate::{CLEAN, FINDINGS, Failure, display, display_findings, display_path, regular};

/// The largest number of values in one comparison or write.
const VALUES_AT_ONCE: usize = 100;
/// The largest number of bytes of values in one write: base64 adds a third, and Cloudflare accepts
/// 100 MB.
const BYTES_AT_ONCE: usize = 25 << 20;

/// Pushes a data_root.
///
/// # Errors
/// It cannot be read, or the storage fails. The stored part stays, and the next push resumes.
pub fn run(args: &PushArgs) -> Result<u8, Failure> {
    let project = Project::find(args.target.project.as_deref())?;
    let root = DataRoot::scan(&args.dir)?;
    let validation = validate(&root, project.identifier()?, args.site.as_deref());
    if !validation.findings.is_empty() {
        display_findings(&root, &validation)?;
    }
    if validation.has_errors() {
        display("nothing is stored: correct the errors first\n")?;
        return Ok(FINDINGS);
    }
    let mut storage = store::open(&args.target, &project)?;
    display(&format!(
        "from {} to {}\n",
        display_path(&root.path),
        storage.name()
    ))?;
    let inventory = storage.list()?;
    let mut push = Push {
        args,
        root: &root,
        storage: storage.as_mut(),
        plan: Plan::default(),
        digests: HashMap::new(),
    };
    push.compare(&inventory)?;
    if args.prune {
        push.prune(&inventory)?;
    }
    display(&push.plan.text(args.verbose))?;
    if args.dry_run {
        display("dry run: nothing is stored\n")?;
        return Ok(CLEAN);
    }
    push.store(&inventory)?;
    Ok(CLEAN)
}

/// A push under way.
struct Push<'a> {
    args: &'a PushArgs,
    root: &'a DataRoot,
    storage: &'a mut dyn Storage,
    plan: Plan,
    /// Of the files for R2 that have been read already.
    digests: HashMap<String, FileDigest>,
}

impl Push<'_> {
    /// Puts every file into the plan, in the order in which it is to be stored.
    fn compare(&mut self, inventory: &Inventory) -> Result<(), Failure> {
        let root = self.root;
        let mut files: Vec<(&String, &File)> = root.files.iter().collect();
        files.sort_by_key(|(key, file)| (rank(&file.kind), *key));
        let (objects, values): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|(_, file)| file.kind.store() == Store::R2);
        for (key, file) in objects {
            let step = match inventory.objects.get(key) {
                None => Step::Add,
                Some(stored) if stored.size != file.size => Step::Change,
                Some(stored) => {
                    let digest = FileDigest::of(&file.path)?;
                    let same = stored.is(&digest);
                    self.digests.insert(key.clone(), digest);
                    match same {
                        Some(true) => Step::Unchanged,
                        Some(false) | None => Step::Change,
                    }
                }
            };
            if step != Step::Unchanged {
                self.storage.check_size(key, file.size)?;
            }
            self.plan.add(Store::R2, key, step, Some(file.size));
        }
        for values in values.chunks(VALUES_AT_ONCE) {
            self.compare_values(values, inventory)?;
        }
        Ok(())
    }

    fn compare_values(
        &mut self,
        values: &[(&String, &File)],
        inventory: &Inventory,
    ) -> Result<(), Failure> {
        let existing: Vec<String> = values
            .iter()
            .map(|(key, _)| (*key).clone())
            .filter(|key| inventory.values.contains_key(key))
            .collect();
        let stored = match existing.is_empty() {
            true => HashMap::new(),
            false => self.storage.values(&existing)?,
        };
        for (key, file) in values {
            let record = match &file.kind {
                ContentKind::Record(_, record) => Some(*record),
                _ => None,
            };
            let step = if record == Some(Record::Facts) && !self.args.with_facts {
                Step::LeaveAlone("the node sends its facts itself; see --with-facts".to_owned())
            } else {
                match stored.get(*key) {
                    None => Step::Add,
                    Some(value) if *value == read(file)? => Step::Unchanged,
                    Some(value) => {
                        let pushed = &inventory.values.get(*key).cloned().unwrap_or_default();
                        let by_switch = pushed.pushed_sha1.as_ref() != Some(&sha1(value));
                        let kept = record == Some(Record::StartupConfig)
                            && by_switch
                            && !self.args.overwrite_startup_configs;
                        match kept {
                            true => Step::LeaveAlone(
                                "the switch has stored its own since the last push; fetch it with `ztp pull \
                                 --nodes`, or give --overwrite-startup-configs"
                                    .to_owned(),
                            ),
                            false => Step::Change,
                        }
                    }
                }
            };
            self.plan.add(Store::Kv, key, step, Some(file.size));
        }
        Ok(())
    }

    /// Adds the stored keys without a file to the plan. It deletes only keys that a push has stored and
    /// that have not changed since.
    fn prune(&mut self, inventory: &Inventory) -> Result<(), Failure> {
        let root = self.root;
        for (key, object) in &inventory.objects {
            let step = match is_content(key, Store::R2) {
                true if root.files.contains_key(key) => continue,
                true if self.storage.pushed_as(key, object)? == Some(mark(key)) => Step::Delete,
                true => not_pushed(),
                false => not_content(),
            };
            self.plan.add(Store::R2, key, step, None);
        }
        let keys = inventory.values.keys();
        let gone: Vec<&String> = keys
            .filter(|key| !(is_content(key, Store::Kv) && root.files.contains_key(*key)))
            .collect();
        for keys in gone.chunks(VALUES_AT_ONCE) {
            let pushed = self.pushed(keys, inventory)?;
            for key in keys {
                let step = match is_content(key, Store::Kv) {
                    true if pushed.contains(*key) => Step::Delete,
                    true => not_pushed(),
                    false => not_content(),
                };
                self.plan.add(Store::Kv, key, step, None);
            }
        }
        Ok(())
    }

    /// The keys among `keys` whose KV values are still those that a push has stored.
    fn pushed(
        &mut self,
        keys: &[&String],
        inventory: &Inventory,
    ) -> Result<HashSet<String>, Failure> {
        let pushed_sha1 = |key: &String| inventory.values.get(key)?.pushed_sha1.as_ref();
        let marked = keys.iter().filter(|key| pushed_sha1(key).is_some());
        let marked: Vec<String> = marked.map(|key| (*key).clone()).collect();
        if marked.is_empty() {
            return Ok(HashSet::new());
        }
        let values = self.storage.values(&marked)?;
        let still =
            |key: &String| values.get(key).map(|value| sha1(value)).as_ref() == pushed_sha1(key);
        Ok(marked.into_iter().filter(|key| still(key)).collect())
    }

    /// Carries out the plan: objects before the values that name them, deletions last.
    fn store(&mut self, inventory: &Inventory) -> Result<(), Failure> {
        let objects: Vec<String> = keys(&self.plan, Store::R2);
        let values: Vec<String> = keys(&self.plan, Store::Kv);
        let total: u64 = [Store::R2, Store::Kv]
            .into_iter()
            .flat_map(|store| self.plan.stored(store))
            .filter_map(|item| item.size)
            .sum();
        let bar = ProgressBar::new(total).with_style(style());
        for key in &objects {
            bar.set_message(line(key));
            self.store_object(key, &bar)?;
        }
        self.store_values(&values, &bar)?;
        bar.finish_and_clear();
        let deleted = self.delete(inventory)?;
        display(&format!(
            "stored {}, deleted {deleted}\n",
            objects.len() + values.len(),
        ))
    }

    /// Carries out the deletions of the plan, and returns their number. A value that changed during
    /// the push, which may take hours, stays.
    fn delete(&mut self, inventory: &Inventory) -> Result<usize, Failure> {
        let mut deleted = 0;
        let values = self.plan.deleted(Store::Kv);
        for keys in values.chunks(VALUES_AT_ONCE) {
            let keys: Vec<&String> = keys.iter().collect();
            let still = self.pushed(&keys, inventory)?;
            for key in keys.iter().filter(|key| !still.contains(**key)) {
                let key = line(key);
                display(&format!(
                    "  left alone  {key}: it was changed in the meantime\n"
                ))?;
            }
            let still: Vec<String> = still.into_iter().collect();
            if !still.is_empty() {
                self.storage.delete_values(&still)?;
            }
            deleted += still.len();
        }
        let objects = self.plan.deleted(Store::R2);
        if !objects.is_empty() {
            self.storage.delete_objects(&objects)?;
        }
        Ok(deleted + objects.len())
    }

    fn store_object(&mut self, key: &str, bar: &ProgressBar) -> Result<(), Failure> {
        let Some(file) = self.root.files.get(key) else {
            return Ok(());
        };
        let digest = match self.digests.remove(key) {
            Some(digest) => digest,
            None => FileDigest::of(&file.path)?,
        };
        let upload = Upload {
            key,
            path: &file.path,
            size: file.size,
            digest: &digest,
        };
        let before = bar.position();
        self.storage
            .put_object(&upload, &mut |done| bar.set_position(before + done))
    }

    fn store_values(&mut self, keys: &[String], bar: &ProgressBar) -> Result<(), Failure> {
        let mut batch: Vec<(String, Vec<u8>)> = Vec::new();
        let mut bytes = 0;
        let mut keys = keys.iter().peekable();
        while let Some(key) = keys.next() {
            let Some(file) = self.root.files.get(key) else {
                continue;
            };
            let value = read(file)?;
            bytes += value.len();
            batch.push((key.clone(), value));
            let next = keys.peek().and_then(|key| self.root.files.get(*key));
            let next = next.map_or(0, |file| usize::try_from(file.size).unwrap_or(usize::MAX));
            let full = batch.len() == VALUES_AT_ONCE || bytes.saturating_add(next) > BYTES_AT_ONCE;
            if full || keys.peek().is_none() {
                bar.set_message(line(key));
                self.storage.put_values(&batch)?;
                bar.inc(bytes as u64);
                batch.clear();
                bytes = 0;
            }
        }
        Ok(())
    }
}

/// The order of a push: nothing is stored before the content that it names.
fn rank(kind: &ContentKind) -> u8 {
    match kind {
        ContentKind::File(_) => 0,
        ContentKind::Action(_) => 1,
        ContentKind::Pool(_) => 2,
        ContentKind::Definition(_) | ContentKind::ConfigHandler(_) => 3,
        ContentKind::Bootstrap | ContentKind::BootstrapConf | ContentKind::Operators => 4,
        ContentKind::Record(_, record) => match record {
            Record::Definition | Record::StartupConfig => 6,
            _ => 5,
        },
        ContentKind::Neighbordb => 7,
    }
}

/// Whether the Worker reads a key from a store. The same key in the other store is not content.
fn is_content(key: &str, store: Store) -> bool {
    ContentKind::of(key).is_ok_and(|kind| kind.store() == store)
}

fn not_content() -> Step {
    Step::LeaveAlone("the Worker does not read it".to_owned())
}

fn not_pushed() -> Step {
    Step::LeaveAlone("no push has stored it".to_owned())
}

fn keys(plan: &Plan, store: Store) -> Vec<String> {
    plan.stored(store).map(|item| item.key.clone()).collect()
}

fn read(file: &File) -> Result<Vec<u8>, Failure> {
    regular::read(&file.path, file.kind.store().max_value_bytes())
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", display_path(&file.path))))
}

fn style() -> ProgressStyle {
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {wide_msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
