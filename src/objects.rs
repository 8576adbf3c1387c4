//! The Durable Objects. Each has its protocol beside it: JSON over `fetch`.

mod call;
pub mod node;
pub mod pool;
pub mod site;
mod transaction;

use std::time::Duration;

use crate::storage::now;

/// The pause before an alarm at a time in milliseconds since 1970: at least a millisecond. The runtime takes an alarm
/// that is set for the very time of the one that is running as unchanged, and it never rings.
fn pause_until(time: u64) -> Duration {
    Duration::from_millis(time.saturating_sub(now()).max(1))
}
