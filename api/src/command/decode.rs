//! `portal decode`: how Portal reads a payload of a vendor's. Needs no database, no settings and no
//! connection.

use crate::apps;
use clap::Args;
use portal_interface::{Decode, LARGEST_ANSWER, Undecoded};
use std::error::Error;
use std::fmt::Write;
use std::io::Read;

/// What to read.
#[derive(Args)]
#[command(after_help = kinds_of_all())]
pub(super) struct Options {
    /// The app whose payload it is, for example `mews`.
    #[arg(long)]
    app: String,
    /// What the payload is; see below.
    #[arg(long)]
    kind: String,
}

/// Why nothing was read. No text of the payload is in it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("--app: no app of this name has payloads to read. Give one of: {0}")]
    App(String),
    #[error("--kind: {app} has no such kind of payload. Give one of:\n{kinds}")]
    Kind { app: &'static str, kinds: String },
    #[error(
        "{0}. Check that --kind is right and that the payload is a whole answer or webhook as the vendor sent it"
    )]
    Payload(Undecoded),
}

/// Reads a payload and answers what to print. No more of it is held than Portal reads of any answer.
pub(super) fn run(options: &Options, payload: impl Read) -> Result<String, Box<dyn Error>> {
    let mut decoders = apps::DECODERS.iter();
    let (app, decoder) = decoders
        .find(|(app, _)| app.slug == options.app)
        .ok_or_else(|| {
            let names = apps::DECODERS.iter().map(|(app, _)| app.slug);
            Failure::App(names.collect::<Vec<_>>().join(", "))
        })?;
    // A wrong kind is told before anybody has to type a payload.
    if !decoder.kinds().iter().any(|kind| kind.name == options.kind) {
        let (app, kinds) = (app.slug, kinds(*decoder));
        return Err(Failure::Kind { app, kinds }.into());
    }
    let mut bytes = Vec::new();
    // One byte more than is read, so that what is too large can be told from what just fits.
    let most = u64::try_from(LARGEST_ANSWER)?.saturating_add(1);
    payload.take(most).read_to_end(&mut bytes)?;
    let told = decoder.decode(&options.kind, &bytes);
    let told = told.map_err(Failure::Payload)?;
    Ok(format!("{}\n", serde_json::to_string_pretty(&told)?))
}

/// The kinds of one app, one a line.
fn kinds(decoder: &dyn Decode) -> String {
    let lines = decoder.kinds().into_iter();
    let lines = lines.map(|kind| format!("  {:<30} {}", kind.name, kind.about));
    lines.collect::<Vec<_>>().join("\n")
}

fn kinds_of_all() -> String {
    let mut text = String::from("The payload is read from standard input, 10 MB at most.");
    for (app, decoder) in apps::DECODERS {
        // Writing to a text cannot fail.
        let _ = write!(text, "\n\nKinds of {}:\n{}", app.slug, kinds(*decoder));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(app: &str, kind: &str, payload: impl Read) -> Result<String, String> {
        let options = Options {
            app: app.to_owned(),
            kind: kind.to_owned(),
        };
        run(&options, payload).map_err(|error| error.to_string())
    }

    #[test]
    fn a_payload_is_told_and_its_secrets_are_not() {
        let webhook = br#"{"Action": "IntegrationApiKeyCreated", "Data": {"ApiKey": "SECRET-1",
            "Integration": {"Id": "9e5e84e9-974d-4f16-9662-ab2200f27cb1"}}}"#;
        let told = run_with("mews", "webhook", &webhook[..]).unwrap();
        assert!(told.contains(r#""Data.ApiKey": "<set>""#), "{told}");
        assert!(told.contains("CREDENTIALS"), "{told}");
        assert!(!told.contains("SECRET-1"), "{told}");
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_path() {
        let payload = br#"{"Enterprise": "SECRET-1"}"#;
        let error = run_with("mews", "configuration", &payload[..]).unwrap_err();
        assert!(error.starts_with("the payload cannot be read: Enterprise is no object."));
        assert!(!error.contains("SECRET"), "{error}");
        let error = run_with("mews", "configuration", &b"SECRET-1"[..]).unwrap_err();
        assert!(error.starts_with("the payload cannot be read: $ is no JSON, or is nested"));
        assert!(!error.contains("SECRET"), "{error}");
    }

    #[test]
    fn a_payload_is_read_to_its_limit_and_no_further() {
        // It never ends: reading must.
        let error = run_with("mews", "resources", std::io::repeat(b' ')).unwrap_err();
        assert!(error.contains("larger than 10 MB"), "{error}");
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        let error = run_with("opera", "webhook", std::io::repeat(b' ')).unwrap_err();
        assert!(error.ends_with("Give one of: mews"), "{error}");
        let error = run_with("mews", "invoices", std::io::repeat(b' ')).unwrap_err();
        assert!(error.starts_with("--kind: mews has no such kind of payload. Give one of:\n"));
        assert!(error.contains("  reservations                   answer of reservations/getAll"));
    }
}
