//! Fuzzes the reader of `resources`.

#![cfg_attr(feature = "libfuzzer", no_main)]

portal_fuzz::target!("resources");
