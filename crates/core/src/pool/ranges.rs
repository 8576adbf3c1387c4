//! The ranges of a pool, to be searched by value: a pool may have thousands.

use std::collections::HashMap;

use super::address_range::{AddressKind, AddressRange, address};

/// Ranges by the kind of their addresses, sorted by their first ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranges(HashMap<AddressKind, Vec<Span>>);

#[derive(Debug, Clone, PartialEq)]
struct Span {
    first: u128,
    /// The highest address in this range and those before it.
    last: u128,
    /// The range with that address, as written.
    text: String,
}

impl Ranges {
    /// Adds a range with its text. [`Ranges::sort`] comes after the last one.
    pub fn add(&mut self, range: &AddressRange, text: &str) {
        let (kind, first, last) = range.ends();
        let text = text.to_owned();
        let spans = self.0.entry(kind).or_default();
        spans.push(Span { first, last, text });
    }

    /// Sorts the ranges, so that they can be searched.
    pub fn sort(&mut self) {
        for spans in self.0.values_mut() {
            spans.sort_unstable_by_key(|span| span.first);
            let mut highest: Option<Span> = None;
            for span in spans {
                match &highest {
                    Some(highest) if highest.last > span.last => {
                        span.last = highest.last;
                        span.text.clone_from(&highest.text);
                    }
                    _ => highest = Some(span.clone()),
                }
            }
        }
    }

    /// A range that contains a value, as written.
    pub fn containing(&self, value: &str) -> Option<&str> {
        let (kind, number) = address(value)?;
        let spans = self.0.get(&kind)?;
        let after = spans.partition_point(|span| span.first <= number);
        let span = spans.get(after.checked_sub(1)?)?;
        (number <= span.last).then_some(span.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(texts: &[&str]) -> Ranges {
        let mut ranges = Ranges::default();
        for text in texts {
            ranges.add(&AddressRange::parse(text).unwrap().unwrap(), text);
        }
        ranges.sort();
        ranges
    }

    #[test]
    fn a_value_is_found_in_the_range_that_contains_it() {
        let ranges = ranges(&[
            "10.0.0.20-10.0.0.29/24",
            "10.0.0.1-10.0.0.9/24",
            "10.0.0.1-10.0.0.99",
            "10.0.0.3-10.0.0.5",
            "hosts(2001:db8::/64)",
        ]);
        for (value, wanted) in [
            ("10.0.0.1/24", Some("10.0.0.1-10.0.0.9/24")),
            ("10.0.0.9/24", Some("10.0.0.1-10.0.0.9/24")),
            ("10.0.0.10/24", None),
            ("10.0.0.0/24", None),
            ("10.0.0.29/24", Some("10.0.0.20-10.0.0.29/24")),
            ("10.0.0.30/24", None),
            ("10.0.0.4/25", None),
            ("10.0.0.4/024", None),
            // Within a smaller range, and after it.
            ("10.0.0.4", Some("10.0.0.1-10.0.0.99")),
            ("10.0.0.50", Some("10.0.0.1-10.0.0.99")),
            ("2001:db8::1/64", Some("hosts(2001:db8::/64)")),
            ("2001:db8:0::1/64", None),
            ("2001:db8::/64", None),
            ("leaf1", None),
        ] {
            assert_eq!(ranges.containing(value), wanted, "{value}");
        }
    }
}
