//! FORM-1: the form in the catalogue, and what is made of values typed and pasted into it.

use super::run::{Checked, fail, must};
use super::subject::Subject;
use crate::{
    App, Credentials, Field, FieldKind, FormError, FormErrorKind, SecretString, read_form,
};
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};

/// Words in the key of a value that nobody may read.
const SECRET: [&str; 5] = ["token", "secret", "password", "accesskey", "apikey"];

/// Keys are unique, texts are there, secrets are secret; what is pasted comes out clean; each rule
/// has a value that passes and one that does not, and the error names the field.
pub(super) async fn form_1(scene: &impl Subject) -> Checked {
    let app = scene.app();
    entry(app)?;
    for (index, field) in app.form.iter().enumerate() {
        words(field)?;
        shown(field, &app.form[..index])?;
    }
    let keys: BTreeSet<&str> = app.form.iter().map(|field| field.key).collect();
    must!(keys.len() == app.form.len(), "two fields have the same key");
    demo(app)?;
    let good = filled(app);
    if let Err(errors) = read(app, &good) {
        fail!("a form filled in well is refused: {errors:?}");
    }
    for field in app.form {
        pasted(app, field)?;
        refused(app, field)?;
    }
    let mut unknown = good;
    unknown.insert("no such field", "1".to_owned());
    expect(app, &unknown, "no such field", FormErrorKind::Unknown)
}

fn entry(app: &App) -> Checked {
    let slug = app.slug;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    must!(
        !slug.is_empty() && slug.chars().all(plain),
        "the slug {slug:?} cannot stand in an address"
    );
    must!(!app.name.trim().is_empty(), "the app has no name");
    let budget = app.budget;
    must!(
        budget.burst > 0 && !budget.every.is_zero(),
        "the budget {budget:?} lets nothing through, or everything"
    );
    Ok(())
}

fn words(field: &Field) -> Checked {
    let Field {
        key, label, help, ..
    } = field;
    must!(!key.is_empty(), "a field has no key");
    must!(!label.trim().is_empty(), "{key} has no label");
    must!(!help.trim().is_empty(), "{key} has no help");
    let words = key.to_ascii_lowercase();
    let is_secret = SECRET.iter().any(|word| words.contains(word));
    must!(
        !is_secret || field.kind == FieldKind::Secret,
        "{key} is a secret, but not drawn as one"
    );
    Ok(())
}

/// Whether a field depends on a toggle that stands before it.
fn shown(field: &Field, before: &[Field]) -> Checked {
    let Some((toggle, value)) = field.visible_when else {
        return Ok(());
    };
    let known = before.iter().find(|other| other.key == toggle);
    must!(
        known.is_some_and(|known| known.kind == FieldKind::Toggle),
        "{} depends on {toggle}, which is no switch before it",
        field.key
    );
    must!(
        matches!(value, "true" | "false"),
        "{} waits for {toggle} to be {value}, which it never is",
        field.key
    );
    Ok(())
}

/// A demo switch is there exactly when declared, and with it nothing else has to be filled in.
fn demo(app: &App) -> Checked {
    let declared = app.capabilities.demo_account;
    let is_demo = |field: &&Field| {
        let words = format!("{} {}", field.key, field.label);
        field.kind == FieldKind::Toggle && words.to_ascii_lowercase().contains("demo")
    };
    let switch = app.form.iter().find(is_demo);
    must!(
        switch.is_some() == declared,
        "a demo account is declared: {declared}, a switch for it there: {}",
        switch.is_some()
    );
    if let Some(switch) = switch {
        let only = BTreeMap::from([(switch.key, "true".to_owned())]);
        must!(
            read(app, &only).is_ok(),
            "with {} on, something else must be filled in",
            switch.key
        );
    }
    Ok(())
}

/// Whatever is copied along with a value is dropped.
fn pasted(app: &App, field: &Field) -> Checked {
    if field.kind == FieldKind::Toggle {
        return Ok(());
    }
    let clean = "C66E-0a";
    let mut values = filled_for(app, field);
    let dirty = match field.kind {
        FieldKind::Secret => " \u{feff}C66E\r\n-\u{200b}0a\t ",
        _ => "\r\n \u{200b}C66E-0a \u{feff}",
    };
    values.insert(field.key, dirty.to_owned());
    let read = match read(app, &values) {
        Ok(read) => read,
        Err(errors) => fail!("a pasted {} is refused: {errors:?}", field.key),
    };
    let read = read.get(field.key).map(ExposeSecret::expose_secret);
    must!(
        read == Some(clean),
        "a pasted {} does not come out clean",
        field.key
    );
    Ok(())
}

/// What is missing or cannot be is refused, by the field's name.
fn refused(app: &App, field: &Field) -> Checked {
    let mut values = filled_for(app, field);
    if field.required {
        values.remove(field.key);
        expect(app, &values, field.key, FormErrorKind::Missing)?;
        values.insert(field.key, " \u{200b}\n".to_owned());
        expect(app, &values, field.key, FormErrorKind::Missing)?;
    }
    let bad = match field.kind {
        FieldKind::Secret => vec!["x".repeat(513), "pässword".to_owned()],
        FieldKind::Text => vec!["x".repeat(201), "a\u{7}b".to_owned()],
        FieldKind::Toggle => vec!["yes".to_owned()],
    };
    for bad in bad {
        values.insert(field.key, bad);
        expect(app, &values, field.key, FormErrorKind::Malformed)?;
    }
    Ok(())
}

fn expect(
    app: &App,
    values: &BTreeMap<&'static str, String>,
    field: &str,
    kind: FormErrorKind,
) -> Checked {
    let wanted = FormError {
        field: field.to_owned(),
        kind,
    };
    match read(app, values) {
        Ok(_) => fail!("nothing is said of {field}, which is {kind:?}"),
        Err(errors) if errors.contains(&wanted) => Ok(()),
        Err(errors) => fail!("{field} is {kind:?}, but what is said is {errors:?}"),
    }
}

fn read(app: &App, values: &BTreeMap<&'static str, String>) -> Result<Credentials, Vec<FormError>> {
    let values: Vec<(&str, SecretString)> = values
        .iter()
        .map(|(key, value)| (*key, value.as_str().into()))
        .collect();
    read_form(app, values.iter().map(|(key, value)| (*key, value)))
}

/// Every field that is shown, with a good value; switches off.
fn filled(app: &App) -> BTreeMap<&'static str, String> {
    let value = |field: &Field| match field.kind {
        FieldKind::Toggle => "false".to_owned(),
        FieldKind::Secret | FieldKind::Text => "C66E-0a".to_owned(),
    };
    app.form
        .iter()
        .map(|field| (field.key, value(field)))
        .collect()
}

/// The same, with the switches as they must be for a field to be shown.
fn filled_for(app: &App, field: &Field) -> BTreeMap<&'static str, String> {
    let mut values = filled(app);
    if let Some((toggle, value)) = field.visible_when {
        values.insert(toggle, value.to_owned());
    }
    values
}
