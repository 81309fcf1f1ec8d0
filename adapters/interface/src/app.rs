//! An entry of the catalogue: static data about a vendor.

use portal_domain::AppCategory;
use std::time::Duration;

/// An app. `slug` is stored and stands in addresses; it is never renamed.
#[derive(Debug)]
pub struct App {
    /// Short name that never changes, for example `mews`.
    pub slug: &'static str,
    /// Name to show.
    pub name: &'static str,
    /// What kind of app it is.
    pub category: AppCategory,
    /// Where to ask for help.
    pub support_url: &'static str,
    /// What staff should know about it.
    pub notes: &'static str,
    /// The form to fill in when connecting, in display order.
    pub form: &'static [Field],
    /// What the app can do.
    pub capabilities: Capabilities,
    /// How fast it may be called.
    pub budget: Budget,
}

/// What an app can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent fact about a vendor"
)]
pub struct Capabilities {
    /// PINs can be stored in it.
    pub stores_pins: bool,
    /// It shows stored PINs to guests or staff.
    pub shows_pins: bool,
    /// It tells Portal at once when something changed.
    pub hooks: bool,
    /// Its form offers a demo account.
    pub demo_account: bool,
}

/// Calls per account: at most `burst` at once, one more each `every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Calls at once.
    pub burst: u32,
    /// Time until one more is allowed.
    pub every: Duration,
}

/// One field of an app's form.
#[derive(Debug)]
pub struct Field {
    /// Name the value is sent under.
    pub key: &'static str,
    /// Label to show.
    pub label: &'static str,
    /// Where a person finds the value.
    pub help: &'static str,
    /// How it is drawn and cleaned.
    pub kind: FieldKind,
    /// Whether it must be filled in, while it is visible.
    pub required: bool,
    /// Shown, and asked for, only while this toggle has this value.
    pub visible_when: Option<(&'static str, &'static str)>,
}

/// How a form field is drawn and cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A password box. Write-only; every blank and zero-width character is dropped.
    Secret,
    /// A text box. Its ends are trimmed.
    Text,
    /// A switch, sent as `true` or `false`.
    Toggle,
}
