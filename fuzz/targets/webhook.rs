//! Fuzzes the reader of `webhook`.

#![cfg_attr(feature = "libfuzzer", no_main)]

portal_fuzz::target!("webhook");
