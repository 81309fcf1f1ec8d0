//! Fuzzes the reader of `resource-access-token-added`.

#![cfg_attr(feature = "libfuzzer", no_main)]

portal_fuzz::target!("resource-access-token-added");
