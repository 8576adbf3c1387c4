//! Checks the promises of `tests/property` for the expressions and texts that libFuzzer finds.
//!
//! The input is an expression, a byte 0xFF (which UTF-8 does not contain) and a text.
//!
//! ```sh
//! cargo +nightly fuzz run is_match -- -dict=fuzz/syntax.dict -max_total_time=300
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/property/mod.rs"]
mod property;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |&byte| byte == 0xff);
    let (Some(pattern), Some(text)) = (parts.next(), parts.next()) else {
        return;
    };
    if let (Ok(pattern), Ok(text)) = (std::str::from_utf8(pattern), std::str::from_utf8(text)) {
        property::check(pattern, text);
    }
});
