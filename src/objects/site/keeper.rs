//! The alarm of a site's object: it deletes values that were kept for an undo, 30 days after they were replaced, and
//! uploads, 7 days after they began.

use std::time::Duration;

use worker::console_error;
use ztp_core::audit::UNDO_MS;
use ztp_core::key::kept_at;

use super::Site;
use crate::error::Error;
use crate::objects::pause_until;
use crate::storage::{Storage, Upload, expired as uploads_expired, now};

/// The time between two alarms, in milliseconds: a day.
const CLEAN_EVERY_MS: u64 = 24 * 60 * 60 * 1000;
/// How many lists of kept values one alarm reads at most.
const MAX_PAGES: usize = 10;

impl Site {
    /// Schedules the alarm, unless it is scheduled.
    pub(super) async fn arm(&self) -> worker::Result<()> {
        let storage = self.object.storage();
        let next = match storage.get_alarm().await? {
            None => now() + CLEAN_EVERY_MS,
            // The alarm is late, or failed too often.
            Some(time) if time.max(0) as u64 <= now() => now(),
            Some(_) => return Ok(()),
        };
        storage.set_alarm(pause_until(next)).await
    }

    /// Deletes what is not needed any more, and schedules the next alarm. A failure waits for that one.
    pub(super) async fn clean(&self) -> worker::Result<()> {
        let cleaned = self.clean_now().await;
        if let Err(error) = cleaned {
            console_error!("deleting kept values: {}", error.detail());
        }
        let storage = self.object.storage();
        storage
            .set_alarm(Duration::from_millis(CLEAN_EVERY_MS))
            .await
    }

    async fn clean_now(&self) -> Result<(), Error> {
        let failed = |cause| Error::storage("deleting kept values", cause);
        let storage = Storage::open(&self.env)?;
        let expired = now().saturating_sub(UNDO_MS);
        self.database.forget_key_states(now()).map_err(failed)?;
        for (name, text) in self.database.old_items(uploads_expired()).map_err(failed)? {
            // Not of a part, whose text is an ETag.
            if let Ok(upload) = serde_json::from_str::<Upload>(&text)
                && upload.done.is_none()
            {
                storage.discard_parts(&upload).await?;
            }
            self.database.remove_items(&name).map_err(failed)?;
        }
        let mut after = None;
        for _ in 0..MAX_PAGES {
            let (keys, more) = storage.kept_keys(after.as_deref()).await?;
            for key in &keys {
                // An upload in progress has another form of key.
                let Some(time) = kept_at(key) else { continue };
                if time >= expired {
                    return Ok(());
                }
                // It may have been kept as the new value of a change, and replaced much later.
                if !self.database.is_former(key, expired).map_err(failed)? {
                    storage.discard_kept(key).await?;
                }
            }
            after = keys.last().cloned().filter(|_| more);
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }
}
