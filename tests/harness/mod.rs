//! A whole Portal for a test: a real database, fake vendors over HTTP, a clock that stands still.

mod database;
