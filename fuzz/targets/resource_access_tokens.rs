//! Fuzzes the reader of `resource-access-tokens`.

#![cfg_attr(feature = "libfuzzer", no_main)]

portal_fuzz::target!("resource-access-tokens");
