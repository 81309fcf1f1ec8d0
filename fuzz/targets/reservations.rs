//! Fuzzes the reader of `reservations`.

#![cfg_attr(feature = "libfuzzer", no_main)]

portal_fuzz::target!("reservations");
