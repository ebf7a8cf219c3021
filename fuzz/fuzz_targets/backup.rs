//! A backup file comes from wherever a person kept it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vault_wasm::format::backup;

fuzz_target!(|bytes: &[u8]| {
    drop(backup::decode(bytes));
});
