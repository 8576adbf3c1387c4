//! Each limit, at it and one beyond.

use pyregex::{
    Budget, Indeterminate, MAX_ALTERNATIVES, MAX_GROUP_DEPTH, MAX_MARKS, MAX_PATTERN, MAX_PROGRAM,
    MAX_SUBJECT, PyRegex,
};

fn error(pattern: &str) -> String {
    PyRegex::new(pattern)
        .expect_err("the expression is rejected")
        .to_string()
}

#[test]
fn the_length_of_an_expression_is_limited() {
    assert!(PyRegex::new(&"a".repeat(MAX_PATTERN)).is_ok());
    assert_eq!(
        error(&"a".repeat(MAX_PATTERN + 1)),
        "the expression has 2049 bytes; the limit is 2048 (at character 1 of the expression)"
    );
    // Bytes, not characters.
    assert!(PyRegex::new(&"ü".repeat(MAX_PATTERN / 2)).is_ok());
    assert!(PyRegex::new(&"ü".repeat(MAX_PATTERN / 2 + 1)).is_err());
}

#[test]
fn the_instructions_of_an_expression_are_limited() {
    // The last one is `Match`.
    assert!(PyRegex::new(&format!("a{{{}}}", MAX_PROGRAM - 1)).is_ok());
    assert_eq!(
        error(&format!("a{{{MAX_PROGRAM}}}")),
        "its repetitions expand to more than 4096 instructions; use smaller counts (at character 1 of the expression)"
    );
    assert!(PyRegex::new("((((((a{10}){10}){10}){10}){10}){10})").is_err());
}

#[test]
fn an_empty_body_is_not_repeated_four_billion_times() {
    for pattern in [
        "(?:){4294967295}",
        "(){4294967295}",
        "(?:a{0}(?:){4294967295}){4294967295}",
    ] {
        let regex = PyRegex::new(pattern).expect("the expression is valid");
        assert_eq!(
            regex.is_match("", &mut Budget::new(1000)),
            Ok(true),
            "{pattern}"
        );
    }
}

#[test]
fn the_nesting_of_groups_is_limited() {
    let nested = |depth: usize| format!("{}{}", "(".repeat(depth), ")".repeat(depth));
    assert!(PyRegex::new(&nested(MAX_GROUP_DEPTH)).is_ok());
    assert_eq!(
        error(&nested(MAX_GROUP_DEPTH + 1)),
        "groups are nested more than 50 levels deep (at character 51 of the expression)"
    );
    assert!(PyRegex::new(&"(".repeat(MAX_PATTERN)).is_err());
}

#[test]
fn the_length_of_a_text_is_limited() {
    let regex = PyRegex::new("a*$").unwrap();
    let result = |length: usize| regex.is_match(&"a".repeat(length), &mut Budget::new(1_000_000));
    assert_eq!(result(MAX_SUBJECT), Ok(true));
    assert_eq!(
        result(MAX_SUBJECT + 1),
        Err(Indeterminate::TooLong(MAX_SUBJECT + 1))
    );
    assert_eq!(
        Indeterminate::TooLong(MAX_SUBJECT + 1).to_string(),
        "the text has 4097 bytes; the limit is 4096"
    );
}

#[test]
fn the_steps_of_a_budget_are_limited() {
    // `a` and `Match`, and less than one step for the marks.
    let regex = PyRegex::new("a").unwrap();
    assert_eq!(regex.is_match("a", &mut Budget::new(2)), Ok(true));
    assert_eq!(
        regex.is_match("a", &mut Budget::new(1)),
        Err(Indeterminate::TooManySteps)
    );
    let mut shared = Budget::new(3);
    assert_eq!(regex.is_match("a", &mut shared), Ok(true));
    assert_eq!(
        regex.is_match("a", &mut shared),
        Err(Indeterminate::TooManySteps)
    );
}

#[test]
fn the_marks_of_a_search_are_limited() {
    // `(?=` and `a{4000})` are a program of 4,000 instructions, and `Look` and `Match` for each level. Each level keeps one
    // bit for each instruction and position.
    let result = |levels: usize| {
        let pattern = format!("{}a{{4000}}{}", "(?=".repeat(levels), ")".repeat(levels));
        let bytes = (levels + 1) * ((4001 + 2 * levels) * (MAX_SUBJECT + 1)).div_ceil(64) * 8;
        let regex = PyRegex::new(&pattern).unwrap();
        let result = regex.is_match(&"a".repeat(MAX_SUBJECT), &mut Budget::new(1_000_000));
        (bytes <= MAX_MARKS, result)
    };
    assert_eq!(result(1), (true, Ok(true)));
    assert_eq!(result(2), (false, Err(Indeterminate::TooMuchMemory)));
}

#[test]
fn the_alternatives_of_a_search_are_limited() {
    // Each repetition of the outer group leaves 1,000 inner alternatives and its own; so does the last, which fails.
    let repetitions = MAX_ALTERNATIVES / 1001;
    let regex = PyRegex::new("(?:(?:|x){1000}a)*").unwrap();
    let mut budget = Budget::new(10_000_000);
    let mut result = |length: usize| regex.is_match(&"a".repeat(length), &mut budget);
    assert_eq!(result(repetitions - 1), Ok(true));
    assert_eq!(result(repetitions), Err(Indeterminate::TooMuchMemory));
    // The memory is free again.
    assert_eq!(result(repetitions - 1), Ok(true));
}
