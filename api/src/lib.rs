//! Portal: turns a hotel booking into an opened door.

pub mod admin;
pub mod apps;
pub mod auth;
pub mod command;
pub mod config;
pub mod demo;
pub mod edge;
pub mod graphql;
pub mod logging;
pub mod serve;
