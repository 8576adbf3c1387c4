//! Retries: which errors may pass, and how long to wait.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::doctor::tls_sentence;
use crate::{Failure, terminal};

/// The number of retries after errors other than 429 and Retry-After. The first comes after one second, and each
/// delay is twice the one before.
const MAX_RETRIES: usize = 4;
/// The longest delay without Retry-After, in seconds.
const MAX_DELAY: u64 = 128;
/// The longest total wait of one request, in seconds.
const MAX_WAIT: u64 = 20 * 60;
/// The shortest delay or attempt that is reported, in seconds: nobody waits longer without knowing why.
const MIN_ANNOUNCED: u64 = 10;
/// The environment variable that scales all delays, from 0 to 1: for tests.
const WAIT_SCALE: &str = "ZTP_WAIT_SCALE";

/// Why a request has no final response.
pub enum Problem {
    /// A retry may succeed: no connection, a broken response, 408, 429 or 5xx. Retry-After, in seconds, if the server
    /// limits the rate of requests; 0 without that header.
    Transient(String, Option<u64>),
    /// A retry fails, too.
    Permanent(String),
}

impl Problem {
    /// A connection or a response that broke off.
    pub fn broken(problem: impl ToString) -> Self {
        Self::Transient(problem.to_string(), None)
    }

    /// No response of a server.
    pub fn of(url: &str, error: &ureq::Error) -> Self {
        if let ureq::Error::Io(error) = error
            && let Some(sentence) = tls_sentence(error, url)
        {
            let advice = format!("check the URL; `ztp doctor {url}/bootstrap` tells what is wrong");
            return Self::Permanent(format!("{sentence}; {advice}"));
        }
        let problem = format!("{url}: {error}; check the URL and the network");
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::HostNotFound => {
                Self::Permanent(problem)
            }
            _ => Self::broken(problem),
        }
    }
}

/// Of this machine: a retry fails, too.
impl From<String> for Problem {
    fn from(problem: String) -> Self {
        Self::Permanent(problem)
    }
}

/// Repeats an idempotent operation until it succeeds, fails for good, or has used all retries. `doing` names the
/// operation in messages.
pub fn retry<T>(doing: &str, attempt: impl FnMut() -> Result<T, Problem>) -> Result<T, Failure> {
    let scale = wait_scale()?;
    let mut began = Instant::now();
    let wait = |seconds: u64, problem: &str| {
        if is_announced(seconds, began.elapsed()) {
            terminal::warn(&format!("{doing}: waiting {seconds} seconds: {problem}"));
        }
        sleep(Duration::from_secs(seconds).mul_f64(scale));
        began = Instant::now();
    };
    retry_with(doing, wait, attempt)
}

/// Whether a retry is reported. `attempt`: the time of the failed attempt.
fn is_announced(delay: u64, attempt: Duration) -> bool {
    delay.max(attempt.as_secs()) >= MIN_ANNOUNCED
}

/// [`retry`] with an injected clock: `wait` receives the delay in seconds, and the reason.
fn retry_with<T>(
    doing: &str,
    mut wait: impl FnMut(u64, &str),
    mut attempt: impl FnMut() -> Result<T, Problem>,
) -> Result<T, Failure> {
    let (mut delay, mut waited, mut errors) = (1, 0, 0);
    loop {
        let (problem, limit) = match attempt() {
            Ok(done) => return Ok(done),
            Err(Problem::Permanent(problem)) => {
                return Err(format!("{doing} failed: {problem}").into());
            }
            Err(Problem::Transient(problem, limit)) => (problem, limit),
        };
        errors += usize::from(limit.is_none());
        let seconds = limit.unwrap_or_default().max(delay);
        if errors > MAX_RETRIES || seconds.saturating_add(waited) > MAX_WAIT {
            let advice = format!("run the command again in {seconds} seconds to resume");
            return Err(format!("{doing} failed, also after retries: {problem}; {advice}").into());
        }
        wait(seconds, &problem);
        waited += seconds;
        delay = MAX_DELAY.min(delay * 2);
    }
}

/// The scale of all delays.
pub fn wait_scale() -> Result<f64, Failure> {
    let scale = std::env::var(WAIT_SCALE).unwrap_or_else(|_| "1".to_owned());
    match scale.parse() {
        Ok(valid @ 0.0..=1.0) => Ok(valid),
        _ => Err(format!("{WAIT_SCALE} is '{scale}'; set it to a number from 0 to 1").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The delays of an operation whose attempts, counted from 1, fail with `problems`, and its result.
    fn delays(problems: impl Fn(usize) -> Option<Problem>) -> (Vec<u64>, Result<(), String>) {
        let (mut delays, mut attempts) = (Vec::new(), 0);
        let wait = |seconds: u64, _: &str| delays.push(seconds);
        let done = retry_with("storing x", wait, || {
            attempts += 1;
            problems(attempts).map_or(Ok(()), Err)
        });
        (delays, done.map_err(|failure| failure.to_string()))
    }

    #[test]
    fn retries_wait_longer_each_time_and_respect_retry_after() {
        let passing = |limit| Some(Problem::Transient("no".to_owned(), limit));
        let (waited, done) = delays(|_| passing(None));
        assert_eq!(waited, [1, 2, 4, 8]);
        assert!(done.unwrap_err().contains("again in 16 seconds"));
        let (waited, done) = delays(|_| Some(Problem::Permanent("no".to_owned())));
        assert_eq!(
            (waited, done),
            (vec![], Err("storing x failed: no".to_owned()))
        );
        let (waited, done) = delays(|attempt| passing(Some(300)).filter(|_| attempt < 4));
        assert_eq!((waited, done), (vec![300, 300, 300], Ok(())));
        // Without Retry-After, and with one shorter than the delay.
        let (waited, _) = delays(|attempt| passing(Some(0)).filter(|_| attempt < 11));
        assert_eq!(waited, [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]);
        let (waited, _) = delays(|attempt| passing(Some(3)).filter(|_| attempt < 5));
        assert_eq!(waited, [3, 3, 4, 8]);
    }

    #[test]
    fn an_error_of_tls_is_not_retried_and_says_what_to_do() {
        let url = "https://ztp.example.net";
        for (cause, sentence) in [
            (
                rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForName),
                "the certificate of https://ztp.example.net is not valid: ",
            ),
            (
                rustls::InvalidMessage::InvalidContentType.into(),
                "TLS with https://ztp.example.net failed: ",
            ),
        ] {
            let error = ureq::Error::Io(std::io::Error::other(cause));
            let Problem::Permanent(problem) = Problem::of(url, &error) else {
                panic!("it is retried")
            };
            assert!(problem.starts_with(sentence), "{problem}");
            let advice = "`ztp doctor https://ztp.example.net/bootstrap` tells what is wrong";
            assert!(problem.ends_with(advice), "{problem}");
        }
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let refused = Problem::of(url, &ureq::Error::Io(refused));
        assert!(matches!(refused, Problem::Transient(_, None)));
    }

    #[test]
    fn a_retry_after_a_long_attempt_or_before_a_long_delay_is_reported() {
        for (delay, attempt, reported) in
            [(1, 0, false), (8, 9, false), (1, 10, true), (10, 0, true)]
        {
            assert_eq!(is_announced(delay, Duration::from_secs(attempt)), reported);
        }
    }

    #[test]
    fn the_total_wait_is_bounded() {
        let limited =
            |seconds| delays(move |_| Some(Problem::Transient("no".to_owned(), Some(seconds)))).0;
        assert_eq!(limited(MAX_WAIT), [MAX_WAIT]);
        assert!(limited(u64::MAX).is_empty());
        assert!(limited(0).iter().sum::<u64>() <= MAX_WAIT);
    }
}
