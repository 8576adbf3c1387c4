//! The transfer of a push: stores and deletes what the plan says.

use indicatif::ProgressBar;
use serde_json::{Value as Json, json};
use ureq::http::Method;

use ztp_core::content::Store;

use super::compare::rank;
use super::{Push, Report, style};
use crate::api::{Call, Content, Reply, Stored, content_path, store_of};
use crate::parallel::{self, AT_ONCE};
use crate::plan::{Item, Step};
use crate::regular::FileDigest;
use crate::terminal::line;
use crate::{Failure, diff};

/// The size from which an object is uploaded in parts, in bytes: an interrupted upload resumes with the next part.
const MIN_UPLOAD_BYTES: u64 = 64 << 20;

/// Why a key is not changed, if not: an entry of [`Report::problems`].
type Outcome = Result<Option<Json>, Failure>;

impl Push<'_> {
    /// Carries out the plan, and remembers what is stored.
    pub fn carry_out(&mut self) -> Result<Report, Failure> {
        let mut report = Report::default();
        let done = self.store(&mut report);
        // Also after a failure: it is what a next push compares with.
        self.seen.save()?;
        done.map(|()| report)
    }

    /// Content is stored before the values that name it, and deleted last.
    fn store(&mut self, report: &mut Report) -> Result<(), Failure> {
        let changed = self.plan.items.iter().filter(|item| item.is_stored());
        let changed = changed.filter_map(|item| Some((item, item.file.as_ref()?)));
        let changed: Vec<(&Item, &FileDigest)> = changed.collect();
        for (item, file) in &changed {
            self.seen.announce(&item.key, item.former(), &file.sha1);
        }
        self.seen.save()?;
        let total = changed.iter().map(|(_, file)| file.size).sum();
        let bar = ProgressBar::new(total).with_style(style());
        let mut done: Vec<(&Item, Option<Json>)> = Vec::new();
        for group in changed.chunk_by(|a, b| rank(&a.0.key) == rank(&b.0.key)) {
            let (large, small) = group.iter().partition(|(item, file)| is_large(item, file));
            // One large object at a time: each has several parts under way.
            for (files, at_once) in [(large, 1), (small, AT_ONCE)] {
                let put = |(item, file): (_, _)| Ok((item, self.put(item, file, &bar)?));
                let files: Vec<(&Item, &FileDigest)> = files;
                done.extend(parallel::map(files, at_once, put)?);
            }
        }
        bar.finish_and_clear();
        let delete = |item| Ok((item, self.delete(item)?));
        let deletions = self.plan.of(Step::Delete).collect();
        done.extend(parallel::map(deletions, AT_ONCE, delete)?);
        for (item, problem) in done {
            match (problem, &item.file) {
                (Some(problem), _) => report.problems.push(problem),
                (None, Some(file)) => {
                    self.seen.set(&item.key, &file.sha1);
                    report.stored += 1;
                    report.bytes += file.size;
                }
                (None, None) => {
                    self.seen.remove(&item.key);
                    report.deleted += 1;
                }
            }
        }
        for item in self.plan.of(Step::Conflict) {
            let problem = self.changed_by_others(item, item.stored.as_ref())?;
            report.problems.push(problem);
        }
        Ok(())
    }

    fn put(&self, item: &Item, file: &FileDigest, bar: &ProgressBar) -> Outcome {
        bar.set_message(line(&item.key));
        let doing = format!("storing {}", item.key);
        let (sha1, sha256) = (&file.sha1, &file.sha256);
        let allowed = self.allowed(&item.key);
        let mut options = allowed.map_or_else(String::new, |kinds| format!("&allowed={kinds}"));
        if is_large(item, file) {
            let body = json!({"key": item.key, "size": file.size, "sha1": sha1, "sha256": sha256});
            let begin = Call::post(&doing, "/uploads", &body).replacing(item.etag());
            let begun = self.api.send(&begin)?;
            let reply = match begun.status {
                200 | 201 => self.api.upload(&doing, file, begun.json, &options, bar)?,
                _ => begun,
            };
            return self.outcome(item, reply);
        }
        if self.args.force || self.is_overridden(&item.key) {
            options += "&force=1";
        }
        let url = content_path(&item.key);
        let url = format!("{url}?via=push&sha1={sha1}&sha256={sha256}{options}");
        let content = Content::File(&file.path, 0, file.size, bar);
        let call = Call::new(doing, Method::PUT, url).content(content);
        self.outcome(item, self.api.send(&call.replacing(item.etag()))?)
    }

    fn delete(&self, item: &Item) -> Outcome {
        let call = Call::delete(format!("deleting {}", item.key), content_path(&item.key));
        let call = call.replacing(item.etag().or(Some("*")));
        let reply = self.api.send(&call)?;
        match reply.status {
            // By somebody else, or by a request whose response was lost.
            404 if reply.is_explained() => Ok(None),
            412 if reply.json["current"].is_null() => Ok(None),
            _ => self.outcome(item, reply),
        }
    }

    /// The meaning of a response. A failure is one that the next key would have, too.
    fn outcome(&self, item: &Item, reply: Reply) -> Outcome {
        let is_ours = |value: &Json| match &item.file {
            Some(file) => value["sha1"].as_str() == Some(&file.sha1),
            None => true,
        };
        let (key, current) = (&item.key, &reply.json["current"]);
        match reply.status {
            200..300 if is_ours(&reply.json) => Ok(None),
            200..300 => Err(format!("{key} was changed while it was sent; push again").into()),
            // Stored by a request whose response was lost.
            412 if item.file.is_some() && is_ours(current) => Ok(None),
            412 => {
                let current = serde_json::from_value(current.clone()).ok();
                self.changed_by_others(item, current.as_ref()).map(Some)
            }
            400 | 409 | 413 | 422 if reply.is_explained() => {
                let (error, findings) = (reply.sentence(), reply.json.get("findings"));
                let problem = json!({"key": key, "error": error, "findings": findings});
                Ok(Some(problem))
            }
            // Nobody learns of the nodes of other sites.
            404 if reply.is_explained() && item.file.is_some() => {
                let error = format!(
                    "the server does not let you store {key}: the node belongs to a site that your entry in `operators` \
                     does not have; an admin without `sites` may store it, or move the node with `ztp move`"
                );
                Ok(Some(json!({"key": key, "error": error})))
            }
            _ => Err(reply.failure()),
        }
    }

    /// A key that somebody else has changed: who, when, and the difference.
    fn changed_by_others(&self, item: &Item, current: Option<&Stored>) -> Result<Json, Failure> {
        let stored = diff::stored(&self.api, &item.key)?;
        let by = current.map_or_else(|| "somebody".to_owned(), Stored::last_change);
        let change = stored.as_ref().map_or("deleted", |_| "changed");
        let key = &item.key;
        let error = format!(
            "{by} {change} {key} since; take that over with `ztp pull DIR --overwrite --only {key}`, or replace it \
             with `ztp push DIR --force --only {key}`"
        );
        Ok(json!({"key": key, "error": error, "diff": diff::of(item, stored)?}))
    }
}

/// Whether a file is uploaded in parts.
fn is_large(item: &Item, file: &FileDigest) -> bool {
    file.size >= MIN_UPLOAD_BYTES && store_of(&item.key) == Store::R2
}
