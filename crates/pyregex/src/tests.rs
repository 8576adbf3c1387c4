use super::{Budget, Indeterminate, PyRegex};

fn is_match(pattern: &str, text: &str) -> bool {
    PyRegex::new(pattern)
        .unwrap()
        .is_match(text, &mut Budget::new(1_000_000))
        .unwrap()
}

#[test]
fn matches_as_python_does() {
    for (pattern, text, expected) in [
        ("spine", "spine1", true),
        ("spine", "my-spine", false),
        (r"spine\d+$", "spine12", true),
        (r"spine\d+\Z", "spine12\n", false),
        (r"spine\d+$", "spine12\n", true),
        (r"(?i)SPINE", "Spine1", true),
        (r"(?P<n>a|b)(?P=n)", "aa", true),
        (r"(?P<n>a|b)(?P=n)", "ab", false),
        (r"(a)?\1b", "b", false),
        (r"(?!core).*", "core1", false),
        (r".*(?<=core)1", "core1", true),
        (r"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false),
        (r"a{2,3}$", "aaaa", false),
        (r"a{,2}b", "aab", true),
        (r"a{b", "a{b", true),
        (r"[]a]+$", "]a", true),
        (r"[^\d-]+$", "ab-", false),
        (r"\141\x42\u0043", "aBC", true),
        (r"(?x) a  b # c", "ab", true),
        (r"(?s:.)a", "\na", true),
        (".a", "\na", false),
        (r"\bx\B", "xy", true),
        ("", "", true),
    ] {
        assert_eq!(is_match(pattern, text), expected, "{pattern} on {text:?}");
    }
}

#[test]
fn rejects_with_the_position_and_the_reason() {
    for (pattern, expected) in [
        ("(", "0: the group is not closed with ')'"),
        (")", "0: unbalanced ')'"),
        ("[", "0: the set is not closed with ']'"),
        ("*", "0: there is nothing to repeat"),
        (
            "a**",
            "2: a quantifier follows another one; enclose the first in '(?:…)'",
        ),
        (
            "a{2}{3}",
            "4: a quantifier follows another one; enclose the first in '(?:…)'",
        ),
        (
            "(?P<1>a)",
            "4: a group name must consist of letters, digits and underscores, and not start with a digit",
        ),
        ("(?P<a>x)(?P<a>y)", "8: the group name 'a' is used twice"),
        (r"\1", "0: group 1 is not defined before this reference"),
        (r"(\1)", "1: group 1 is referenced inside itself"),
        (r"\q", r"0: '\q' is not a valid escape"),
        ("[z-a]", "1: this is not a valid range of characters"),
        (r"[\d-z]", "1: this is not a valid range of characters"),
        ("(?<=a*)b", "0: a look-behind must have a fixed width"),
        ("(?>a)", "0: atomic groups are not supported"),
        ("a++", "1: possessive quantifiers are not supported"),
        ("(a)(?(1)b|c)", "3: conditional groups are not supported"),
        (
            r"\N{DASH}",
            r"0: '\N{…}' is not supported; write the character itself, or its code as '\uXXXX'",
        ),
        (
            "a(?i)",
            "1: global flags must be at the start of the expression",
        ),
        (
            "(?i)ü",
            "4: ignoring case is supported for ASCII letters only, not for 'ü'",
        ),
        (
            "(?L)a",
            "0: the flag 'L' is valid only for bytes, not for text",
        ),
        (
            "(?-i)a",
            "0: the characters after '(?' are not a valid group or flag",
        ),
        (
            "a{3,2}",
            "1: the minimum repetition count is greater than the maximum",
        ),
        ("x{99999999999}", "1: the repetition count is too large"),
        (r"\x1", "0: this is not a valid character code"),
        (
            "(?:a{1000}){1000}",
            "0: its repetitions expand to more than 4096 instructions; use smaller counts",
        ),
        (
            "(?<n>a)",
            "0: '(?<' must be followed by '=' or '!'; write a named group as '(?P<name>…)'",
        ),
        (
            "(?i)[ü]",
            "4: ignoring case is supported for ASCII letters only, and this set contains other characters",
        ),
        ("(?P<n>a", "0: the group is not closed with ')'"),
        (
            "(?P=n)",
            "0: group 'n' is not defined before this reference",
        ),
        ("(?P>n)", "0: '(?P' must be followed by '<name>' or '=name'"),
        ("(?#a", "0: the comment is not closed with ')'"),
        (
            "(?",
            "0: the characters after '(?' are not a valid group or flag",
        ),
        ("\\", "0: the expression ends with a backslash"),
        ("[\\", "1: the expression ends with a backslash"),
        (r"[\8]", r"1: '\8' is not a valid escape"),
        (
            r"(?<=(a)\1)",
            "7: group 1 is referenced inside the look-behind that defines it",
        ),
        ("(?:", "0: the group is not closed with ')'"),
        (r"\400", "0: this is not a valid character code"),
        ("[a", "0: the set is not closed with ']'"),
    ] {
        let error = PyRegex::new(pattern).expect_err(pattern);
        assert_eq!(
            format!("{}: {}", error.at, error.reason),
            expected,
            "{pattern}"
        );
    }
}

#[test]
fn the_budget_ends_a_catastrophic_match() {
    let regex = PyRegex::new(r"(a*)*(a*)*\1\2b").unwrap();
    let text = "a".repeat(200);
    assert_eq!(
        regex.is_match(&text, &mut Budget::new(100_000)),
        Err(Indeterminate::TooManySteps)
    );
}

#[test]
fn nested_repetitions_without_back_references_take_linear_time() {
    let regex = PyRegex::new(r"(((a+)+)+)+$").unwrap();
    let text = format!("{}b", "a".repeat(1000));
    assert_eq!(regex.is_match(&text, &mut Budget::new(100_000)), Ok(false));
}

#[test]
fn a_character_of_unknown_class_makes_the_result_indeterminate() {
    let regex = PyRegex::new(r"\d").unwrap();
    let why = regex.is_match("½", &mut Budget::new(100)).unwrap_err();
    assert_eq!(why, Indeterminate::Character('½'));
    assert_eq!(
        why.to_string(),
        "it is not known whether Python counts '\\u{bd}' as a letter or digit; write the character itself in the expression"
    );
}
