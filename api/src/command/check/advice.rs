//! What went wrong, in a sentence that says what to do.

use portal_interface::{AdapterError, Trouble};

/// What to do about an operation that failed. Mews refuses tokens and operations it has not granted
/// with the same status: which it was, only the trial of the tokens tells.
pub(super) fn advice(
    error: &AdapterError,
    status: Option<u16>,
    is_trial_of_tokens: bool,
    url: &str,
) -> String {
    match error {
        AdapterError::Unauthorized if is_trial_of_tokens => format!(
            "Mews refused the tokens. Check that the access token is whole and still valid, that MEWS_CLIENT_TOKEN is the one issued to you, and that both belong to {url}: tokens of Mews's demo do not work in production, nor the other way round."
        ),
        AdapterError::Unauthorized => {
            "Mews has not granted this operation to MEWS_CLIENT_TOKEN. Ask Mews to add it; a new access token does not help.".to_owned()
        }
        AdapterError::Declined { said: Some(said) } => {
            format!("Mews declined it and said: {said}")
        }
        AdapterError::Declined { said: None } if matches!(status, Some(404 | 405 | 410)) => {
            format!("There is no such operation at {url}. Check MEWS_API_URL.")
        }
        AdapterError::RateLimited { retry_after } => format!(
            "Too many requests were made with this access token. Run this again in {} seconds.",
            retry_after.map_or(30, |pause| pause.as_secs().max(1))
        ),
        AdapterError::TooHeavy => {
            "Mews found the request too heavy. Run this again when less is going on there."
                .to_owned()
        }
        AdapterError::Unreachable(Trouble::Connect) => format!(
            "No connection to {url}. Check MEWS_API_URL, and that the network lets this machine through without opening its TLS."
        ),
        AdapterError::Unreachable(Trouble::Deadline) => format!(
            "{url} did not answer in time. Run this again; if it stays so, check the network of this machine."
        ),
        AdapterError::Unreachable(Trouble::Cut) => format!(
            "The connection to {url} ended before the answer did. Run this again; if it stays so, check what lies between."
        ),
        AdapterError::Unreachable(Trouble::Status(status @ 300..=399)) => format!(
            "{url} sends elsewhere (status {status}), and Portal does not follow. Check MEWS_API_URL."
        ),
        AdapterError::Unreachable(Trouble::Status(status)) => format!(
            "Mews has trouble of its own (status {status}). Run this again later; if it stays so, give its support the request id."
        ),
        AdapterError::Unreadable { at } => format!(
            "The answer cannot be read at {at}. Check that {url} is Mews itself and no page in front of it; if it is, `portal decode --app mews` tells more of a saved answer."
        ),
        AdapterError::Declined { said: None } | AdapterError::StaleCursor => format!(
            "Mews declined the request{}. Give its support the request id.",
            status.map_or_else(String::new, |status| format!(" (status {status})"))
        ),
    }
}
