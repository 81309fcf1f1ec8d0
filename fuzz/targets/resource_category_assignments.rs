//! Fuzzes the reader of `resource-category-assignments`.

#![cfg_attr(feature = "libfuzzer", no_main)]

portal_fuzz::target!("resource-category-assignments");
