//! Bodies are searched for their model before anything is known about who sent them.
#![no_main]

use keyferry_protocol::{json, path, routing, usage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    drop(json::top_level(bytes, ["model", "stream", "max_tokens"]));
    if let Ok(field) = routing::find_model(bytes) {
        let spliced = routing::splice_model(bytes, field.span, "gpt-4o");
        assert!(routing::find_model(&spliced).is_ok_and(|found| found.name == "gpt-4o"));
    }
    drop(usage::ask_for_usage(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = path::check(text);
    }
});
