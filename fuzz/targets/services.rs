//! Fuzzes the reader of `services`.

#![cfg_attr(feature = "libfuzzer", no_main)]

portal_fuzz::target!("services");
