//! Generated expressions, valid and not. `PROPTEST_CASES` sets their number.

mod property;

use proptest::prelude::*;
use proptest::sample::select;

/// Pieces of expressions in any order.
fn expression() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "a", "b", ".", "(", ")", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?P<n>", "(?P=n)", "(?i)",
        "(?x)", "(?#", "[", "]", "[^", "-", "\\", "\\d", "\\W", "\\b", "\\1", "\\2", "\\Z", "\\x4",
        "{", "}", "{2}", "{,3}", "{99999}", "*", "+", "?", "|", "^", "$", "é", "\n",
    ]);
    prop::collection::vec(pieces, 0..20).prop_map(|pieces| pieces.concat())
}

/// Valid expressions: groups are closed, and quantifiers have something to repeat.
fn valid_expression() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "", "a", "b", "ab", ".", "[ab]", "[^a]", r"\w", r"\b", "^", "$", "(?!a)", "(?<=a)",
        "(?<!b)", "\n",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let quantifier = select(vec!["*", "+", "?", "*?", "+?", "{2}", "{1,3}", "{0,2}?"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|branches| format!("(?:{})", branches.join("|"))),
            (inner.clone(), quantifier)
                .prop_map(|(body, quantifier)| format!("({body}){quantifier}")),
            (select(vec!["(?=", "(?!", "(?i:"]), inner)
                .prop_map(|(open, body)| format!("{open}{body})")),
        ]
    })
}

proptest! {
    #[test]
    fn any_expression_keeps_the_promises(pattern in expression(), text in "[ab\n]{0,40}") {
        property::check(&pattern, &text);
    }

    #[test]
    fn a_valid_expression_keeps_the_promises(pattern in valid_expression(), text in "[ab\n]{0,12}") {
        prop_assert!(pyregex::PyRegex::new(&pattern).is_ok(), "{pattern}");
        property::check(&pattern, &text);
    }

    #[test]
    fn any_text_keeps_the_promises(pattern in any::<String>(), text in any::<String>()) {
        property::check(&pattern, &text);
    }
}
