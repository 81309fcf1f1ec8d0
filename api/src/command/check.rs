//! `portal check`: tries a vendor's account and everything Portal reads there, once. Needs no
//! database and writes nothing.

mod advice;

use crate::apps;
use crate::config::Vendors;
use advice::advice;
use clap::Subcommand;
use portal_domain::IntegrationId;
use portal_interface::{
    Account, Check as _, Checked, Clock, Credentials, Http, NotAsked, OpenGate, Opens, Outcome,
    Probe, SecretString, read_form,
};
use std::error::Error;
use std::fmt::Write;
use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

/// Variable of the access token. It is no flag: others on the machine can read those.
const ACCESS_TOKEN: &str = "MEWS_ACCESS_TOKEN";
/// Most items set aside that are listed of one operation.
const LISTED: usize = 10;

/// What to check.
#[derive(Subcommand)]
pub(super) enum Check {
    /// Mews: tries the access token in `MEWS_ACCESS_TOKEN`, or else in the first line of standard
    /// input, and reads each operation once. Ends with 0 when all of them worked.
    Mews(Box<Vendors>),
}

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(
        "MEWS_CLIENT_TOKEN must be set: Mews answers no application without the client token it issued"
    )]
    NoClientToken,
    #[error("no access token: set MEWS_ACCESS_TOKEN, or write it to standard input")]
    NoAccessToken,
    #[error(
        "this is no access token: one has at most 512 characters, none of them accented. Copy it again from the page of the integration in Mews"
    )]
    Malformed,
}

/// Checks, prints what came of it and answers how the process ends.
pub(super) async fn run(check: Check, clock: Arc<dyn Clock>) -> Result<ExitCode, Box<dyn Error>> {
    let Check::Mews(vendors) = check;
    let token = match std::env::var(ACCESS_TOKEN) {
        Ok(token) => token.into(),
        Err(_) => first_line()?,
    };
    let (report, worked) = mews(&vendors, &token, clock).await?;
    super::print(&report)?;
    Ok(if worked {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn first_line() -> std::io::Result<SecretString> {
    let input = std::io::stdin();
    if input.is_terminal() {
        eprint!("Access token: ");
    }
    let mut line = String::new();
    // No token is as long; whatever else is there need not be held.
    std::io::Read::take(input.lock(), 4096).read_line(&mut line)?;
    Ok(line.into())
}

/// The report, and whether all of it worked.
async fn mews(
    vendors: &Vendors,
    token: &SecretString,
    clock: Arc<dyn Clock>,
) -> Result<(String, bool), Failure> {
    let credentials = credentials(token)?;
    let http = Http::new(Arc::new(OpenGate));
    let mews = apps::mews(vendors, &http, &clock).ok_or(Failure::NoClientToken)?;
    let account = Account::new(IntegrationId::new(), credentials, None);
    let checked = mews.check(&account).await;
    let url = &vendors.mews_api_url;
    let head = format!("Mews at {url}, asked by {}\n\n", vendors.mews_client_name);
    let worked = has_worked(&checked);
    Ok((head + &report(&checked, url), worked))
}

fn credentials(token: &SecretString) -> Result<Credentials, Failure> {
    use portal_interface::FormErrorKind::Missing;
    let fields = portal_mews::APP.form.iter();
    read_form(&portal_mews::APP, fields.map(|field| (field.key, token))).map_err(|errors| {
        if errors.iter().any(|error| error.kind == Missing) {
            Failure::NoAccessToken
        } else {
            Failure::Malformed
        }
    })
}

fn has_worked(checked: &Checked) -> bool {
    let failed = |probe: &Probe| matches!(probe.outcome, Outcome::Failed(_));
    matches!(checked.opens, Some(Opens::One(_))) && !checked.probes.iter().any(failed)
}

fn report(checked: &Checked, url: &str) -> String {
    let mut text = format!(
        "{:<38} {:<9} {:>6} {:>9} {:>6}  {}\n",
        "operation", "result", "items", "set aside", "ms", "request id"
    );
    for (index, probe) in checked.probes.iter().enumerate() {
        text.push_str(&row(probe));
        for line in remarks(probe, index == 0, url) {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "    {line}");
        }
    }
    let _ = writeln!(text, "\n{}", verdict(checked));
    text
}

fn row(probe: &Probe) -> String {
    let none = || "-".to_owned();
    let (result, items, aside) = match &probe.outcome {
        Outcome::Read {
            items,
            set_aside,
            more,
        } => {
            let more = if *more { "+" } else { "" };
            let items = format!("{items}{more}");
            ("worked", items, set_aside.len().to_string())
        }
        Outcome::Failed(_) => ("FAILED", none(), none()),
        Outcome::NotAsked(_) => ("not asked", none(), none()),
    };
    let took = match probe.outcome {
        Outcome::NotAsked(_) => none(),
        _ => probe.took.as_millis().to_string(),
    };
    let last = match &probe.outcome {
        Outcome::NotAsked(NotAsked::Needs(other)) => format!("needs {other}"),
        Outcome::NotAsked(NotAsked::Empty(other)) => format!("{other} found nothing to ask about"),
        _ => probe.request_id.as_deref().map_or_else(none, printable),
    };
    let operation = probe.operation;
    format!("{operation:<38} {result:<9} {items:>6} {aside:>9} {took:>6}  {last}\n")
}

/// The lines below a row: what to do, or what was set aside.
fn remarks(probe: &Probe, is_trial_of_tokens: bool, url: &str) -> Vec<String> {
    let set_aside = match &probe.outcome {
        Outcome::Read { set_aside, .. } => set_aside,
        Outcome::Failed(error) => {
            let advice = advice(error, probe.status, is_trial_of_tokens, url);
            return vec![printable(&advice)];
        }
        Outcome::NotAsked(_) => return Vec::new(),
    };
    let listed = set_aside.iter().take(LISTED);
    let mut lines: Vec<String> = listed
        .map(|aside| format!("set aside: {} {}", aside.at, aside.why))
        .collect();
    if set_aside.len() > LISTED {
        lines.push(format!("and {} more", set_aside.len() - LISTED));
    }
    lines
}

fn verdict(checked: &Checked) -> String {
    let count = |fits: fn(&Outcome) -> bool| {
        let probes = checked.probes.iter();
        probes.filter(|probe| fits(&probe.outcome)).count()
    };
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let left = count(|outcome| matches!(outcome, Outcome::NotAsked(_)));
    let opens = match &checked.opens {
        None => "No property was opened.".to_owned(),
        Some(Opens::Several) => "The access token opens several properties. Portal needs the \
                                 token of exactly one: have Mews issue it for that property."
            .to_owned(),
        Some(Opens::One(account)) => {
            let name = printable(&account.name);
            let zone = account.zone.map_or_else(
                || "with a time zone Portal does not know".to_owned(),
                |zone| format!("in the time zone {zone}"),
            );
            format!("The access token opens {name} ({}), {zone}.", account.key)
        }
    };
    let rest = match (failed, left) {
        (0, 0) => "All operations worked.".to_owned(),
        (0, left) => format!("No operation failed; {left} could not be asked."),
        (failed, 0) => format!("{failed} failed."),
        (failed, left) => format!("{failed} failed; {left} could not be asked."),
    };
    format!("{opens}\n{rest}")
}

/// A stranger's text as a terminal may show it.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests;
