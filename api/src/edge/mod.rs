//! The API's edge: from HTTP and WebSocket to the schema and back.

mod error;

pub use error::{ApiError, ErrorCode};
