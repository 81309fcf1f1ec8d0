//! Who is calling, and what they may do.

mod viewer;

pub use viewer::{Caller, MembershipOf, Viewer};
