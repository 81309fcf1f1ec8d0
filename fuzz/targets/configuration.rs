//! Fuzzes the reader of `configuration`.

#![cfg_attr(feature = "libfuzzer", no_main)]

portal_fuzz::target!("configuration");
