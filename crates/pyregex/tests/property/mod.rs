//! The promises that hold for any expression and any text. `tests/properties.rs` and the fuzz target check them.

use pyregex::{Budget, MAX_SUBJECT, PyRegex};

/// Few enough that the slowest input takes milliseconds.
const STEPS: u64 = 100_000;

/// Compiles `pattern`, matches `text` and checks both results.
pub fn check(pattern: &str, text: &str) {
    let regex = match PyRegex::new(pattern) {
        Ok(regex) => regex,
        Err(error) => {
            assert!(
                error.at <= pattern.chars().count(),
                "{pattern:?} is rejected at {}, which is outside of it",
                error.at
            );
            return;
        }
    };
    assert_eq!(regex.as_str(), pattern);
    let result = regex.is_match(text, &mut Budget::new(STEPS));
    assert!(
        result.is_err() || text.len() <= MAX_SUBJECT,
        "a text of {} bytes was matched",
        text.len()
    );

    // A back-reference makes the search backtrack instead of trying each instruction and position once. In a branch that
    // never matches, it must not change the result. An expression that is too long with it is left out.
    let with_back_reference = format!("{pattern}|(?!)(?P<unused>)(?P=unused)");
    if let Ok(backtracking) = PyRegex::new(&with_back_reference) {
        let backtracked = backtracking.is_match(text, &mut Budget::new(STEPS));
        if let (Ok(once), Ok(backtracked)) = (&result, &backtracked) {
            assert_eq!(
                once, backtracked,
                "the two searches disagree: {pattern:?} on {text:?}"
            );
        }
    }
}
