//! Errors a client may see. What has no code of ours is a bug, and masked.

use async_graphql::ErrorExtensionValues;
use portal_store::{DbError, QueryError};
use std::sync::Arc;

/// The codes of top-level errors. Clients need a default branch: codes may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// No GraphQL request.
    BadRequest,
    /// No, wrong, expired or revoked credential.
    Unauthenticated,
    /// A cookie without the header, or a foreign origin.
    CsrfBlocked,
    /// The document cannot be parsed.
    ParseFailed,
    /// The document does not fit the schema.
    ValidationFailed,
    /// The document is over a limit.
    OperationTooLarge,
    /// Which operation to run is not clear.
    OperationResolutionFailure,
    /// A variable or argument does not fit.
    BadUserInput,
    /// The caller may not do this.
    Forbidden,
    /// The password has to be given again first.
    FreshSignInRequired,
    /// Too many requests.
    Throttled,
    /// It took too long.
    ExecutionTimeout,
    /// The database is away.
    ServiceUnavailable,
    /// A bug.
    InternalServerError,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 14] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::CsrfBlocked,
        Self::ParseFailed,
        Self::ValidationFailed,
        Self::OperationTooLarge,
        Self::OperationResolutionFailure,
        Self::BadUserInput,
        Self::Forbidden,
        Self::FreshSignInRequired,
        Self::Throttled,
        Self::ExecutionTimeout,
        Self::ServiceUnavailable,
        Self::InternalServerError,
    ];

    /// The code as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::CsrfBlocked => "CSRF_BLOCKED",
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::OperationTooLarge => "OPERATION_TOO_LARGE",
            Self::OperationResolutionFailure => "OPERATION_RESOLUTION_FAILURE",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Forbidden => "FORBIDDEN",
            Self::FreshSignInRequired => "FRESH_SIGN_IN_REQUIRED",
            Self::Throttled => "THROTTLED",
            Self::ExecutionTimeout => "EXECUTION_TIMEOUT",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
        }
    }
}

/// An error with a code of ours. It has no `Display`: async-graphql would answer the text of any
/// error that has one.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The code.
    pub code: ErrorCode,
    /// What the client's developer reads. Holds no value of a variable.
    pub message: String,
}

impl ApiError {
    /// An error of this code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A bug. What it was stands in the log.
    pub fn internal() -> Self {
        Self::new(ErrorCode::InternalServerError, "Internal error")
    }

    /// The caller may not do this.
    pub fn forbidden() -> Self {
        Self::new(ErrorCode::Forbidden, "Not allowed")
    }

    /// An argument does not fit: its path and what was expected, never its value.
    pub fn bad_user_input(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadUserInput, message)
    }

    /// The password has to be given again first.
    pub fn fresh_sign_in_required() -> Self {
        Self::new(
            ErrorCode::FreshSignInRequired,
            "Sign in again: this needs a sign-in of the last five minutes",
        )
    }

    /// An error that several fields of one batch share.
    pub fn shared(error: Arc<DbError>) -> Self {
        Self::of_database(&error)
    }

    fn of_database(error: &DbError) -> Self {
        tracing::error!(
            error = chain(error),
            "a resolver met trouble with the database"
        );
        match error {
            DbError::Unavailable(_) => Self::new(
                ErrorCode::ServiceUnavailable,
                "The database cannot be reached; try again",
            ),
            _ => Self::internal(),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        Self::of_database(&error)
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        Self::of_database(&error.into())
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code.as_str());
        Self {
            message: error.message,
            source: None,
            extensions: Some(extensions),
        }
    }
}
