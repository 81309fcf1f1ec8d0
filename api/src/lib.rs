//! Portal: turns a hotel booking into an opened door.

pub mod auth;
pub mod edge;
pub mod graphql;
