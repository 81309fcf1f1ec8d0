//! Fuzzes the reader of `companionships`.

#![cfg_attr(feature = "libfuzzer", no_main)]

portal_fuzz::target!("companionships");
