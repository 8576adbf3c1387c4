//! Work on many keys at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};

use crate::Failure;

/// The largest number of requests at a time.
pub const AT_ONCE: usize = 8;

/// The results of `work` for each item, in their order, by at most `threads` at a time.
///
/// # Errors
/// The first failure. No work begins after it; that under way is completed.
pub fn map<T: Send, R: Send>(
    items: Vec<T>,
    threads: usize,
    work: impl Fn(T) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    let threads = threads.min(items.len());
    let items = Mutex::new(items.into_iter().enumerate());
    let failed = AtomicBool::new(false);
    let next = || {
        let mut items = items.lock().ok()?;
        items.next().filter(|_| !failed.load(Ordering::Relaxed))
    };
    let (sender, results) = mpsc::channel();
    // A panic of a thread is one of the scope.
    std::thread::scope(|scope| {
        for sender in vec![sender; threads] {
            let (next, work, failed) = (&next, &work, &failed);
            scope.spawn(move || {
                while let Some((index, item)) = next() {
                    let result = work(item);
                    failed.fetch_or(result.is_err(), Ordering::Relaxed);
                    // The receiver outlives the scope.
                    let _ = sender.send((index, result));
                }
            });
        }
    });
    let mut results: Vec<_> = results.into_iter().collect();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let doubled = map((0..100).collect(), AT_ONCE, |n| Ok(2 * n)).unwrap();
        assert_eq!(doubled, (0..100).map(|n| 2 * n).collect::<Vec<_>>());
        assert!(map(Vec::<u8>::new(), AT_ONCE, Ok).unwrap().is_empty());
    }

    #[test]
    fn no_work_begins_after_a_failure() {
        let started = Mutex::new(0);
        let done = map((0..1000).collect(), 2, |n: usize| {
            *started.lock().unwrap() += 1;
            std::thread::sleep(std::time::Duration::from_millis(1));
            (n != 3).then_some(n).ok_or_else(|| Failure::new("3"))
        });
        assert_eq!(done.unwrap_err().to_string(), "3");
        assert!(*started.lock().unwrap() < 100);
    }
}
