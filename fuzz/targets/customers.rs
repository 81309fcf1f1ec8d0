//! Fuzzes the reader of `customers`.

#![cfg_attr(feature = "libfuzzer", no_main)]

portal_fuzz::target!("customers");
