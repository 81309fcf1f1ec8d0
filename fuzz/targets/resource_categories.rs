//! Fuzzes the reader of `resource-categories`.

#![cfg_attr(feature = "libfuzzer", no_main)]

portal_fuzz::target!("resource-categories");
