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
fn refuses_what_python_refuses_or_means_otherwise() {
    for pattern in [
        "(",
        ")",
        "[",
        "*",
        "a**",
        "a{2}{3}",
        "(?P<1>a)",
        "(?P<a>x)(?P<a>y)",
        r"\1",
        r"(\1)",
        r"\q",
        "[z-a]",
        r"[\d-z]",
        "(?<=a*)b",
        "(?>a)",
        "a++",
        "(a)(?(1)b|c)",
        r"\N{DASH}",
        "a(?i)",
        "(?i)ü",
        "(?L)a",
        "(?-i)a",
        "a{3,2}",
        "x{99999999999}",
        r"\x1",
        "(?:a{1000}){1000}",
        "(?<n>a)",
    ] {
        assert!(PyRegex::new(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn a_catastrophic_expression_ends_indeterminate() {
    let regex = PyRegex::new(r"(a*)*(a*)*\1\2b").unwrap();
    let text = "a".repeat(200);
    assert_eq!(
        regex.is_match(&text, &mut Budget::new(100_000)),
        Err(Indeterminate::TooManySteps)
    );
}

#[test]
fn nested_repetitions_without_back_references_are_linear() {
    let regex = PyRegex::new(r"(((a+)+)+)+$").unwrap();
    let text = format!("{}b", "a".repeat(1000));
    assert_eq!(regex.is_match(&text, &mut Budget::new(100_000)), Ok(false));
}

#[test]
fn a_text_that_cannot_be_classified_is_indeterminate() {
    let regex = PyRegex::new(r"\d").unwrap();
    assert_eq!(
        regex.is_match("½", &mut Budget::new(100)),
        Err(Indeterminate::Character('½'))
    );
}
