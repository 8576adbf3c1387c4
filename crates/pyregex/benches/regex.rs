//! The cost of compiling an expression and of matching a name: `cargo bench -p pyregex`.

use divan::{Bencher, black_box};
use pyregex::{Budget, PyRegex};

const EXPRESSIONS: [&str; 4] = [
    r"spine\d+-row1$",
    r"leaf(?!1\d)\d+-row7",
    r"(?i)(?:core|edge)[0-9]{1,3}\.example\.(?:net|com)",
    r"(?P<rack>r\d+)-sw-(?P=rack)",
];

fn main() {
    divan::main();
}

#[divan::bench(args = EXPRESSIONS)]
fn compile(bencher: Bencher, pattern: &str) {
    bencher.bench(|| PyRegex::new(black_box(pattern)));
}

#[divan::bench(args = EXPRESSIONS)]
fn is_match(bencher: Bencher, pattern: &str) {
    let regex = PyRegex::new(pattern).expect("the expression is valid");
    let names = [
        "spine12-row1",
        "leaf21-row7",
        "core7.example.net",
        "r12-sw-r12",
    ];
    let mut budget = Budget::new(u64::MAX);
    bencher.bench_local(|| names.map(|name| regex.is_match(black_box(name), &mut budget)));
}

/// Linear: each takes about twice the time of the one before.
#[divan::bench(args = [256, 512, 1024, 2048])]
fn nested_repetitions(bencher: Bencher, length: usize) {
    let regex = PyRegex::new(r"(((a+)+)+)+$").expect("the expression is valid");
    let text = "a".repeat(length) + "b";
    let mut budget = Budget::new(u64::MAX);
    bencher.bench_local(|| regex.is_match(black_box(&text), &mut budget));
}
