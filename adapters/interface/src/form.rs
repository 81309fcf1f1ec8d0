//! Reads the values of an app's form: cleans them, then judges them. No network.

use crate::{App, Credentials, Field, FieldKind, SecretString};
use secrecy::ExposeSecret;

/// Longest secret in characters, after cleaning.
const LONGEST_SECRET: usize = 512;
/// Longest text in characters, after cleaning.
const LONGEST_TEXT: usize = 200;

/// One value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormError {
    /// Key of the field, as it was given.
    pub field: String,
    /// What is wrong.
    pub kind: FormErrorKind,
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormErrorKind {
    /// The form has no such field.
    Unknown,
    /// A required value is missing or blank.
    Missing,
    /// Too long, or with characters that no such value has.
    Malformed,
}

/// Cleans and judges the values given for an app's form. All that is wrong is told at once.
/// When a key is given twice, the later value counts.
pub fn read_form<'a>(
    app: &App,
    values: impl IntoIterator<Item = (&'a str, &'a SecretString)>,
) -> Result<Credentials, Vec<FormError>> {
    let mut credentials = Credentials::default();
    let mut errors = Vec::new();
    for (key, value) in values {
        match app.form.iter().find(|field| field.key == key) {
            Some(field) => credentials.set(field.key, clean(field.kind, value)),
            None => errors.push(FormError {
                // A person may paste a token into the wrong box: keep no long text.
                field: key.chars().take(40).collect(),
                kind: FormErrorKind::Unknown,
            }),
        }
    }
    for field in app.form {
        if let Some(kind) = judge(field, &credentials) {
            errors.push(FormError {
                field: field.key.to_owned(),
                kind,
            });
        }
    }
    if errors.is_empty() {
        Ok(credentials)
    } else {
        Err(errors)
    }
}

fn judge(field: &Field, credentials: &Credentials) -> Option<FormErrorKind> {
    let visible = field
        .visible_when
        .is_none_or(|(key, value)| credentials.is_on(key) == (value == "true"));
    let value = credentials
        .get(field.key)
        .map(ExposeSecret::expose_secret)
        .filter(|value| !value.is_empty());
    let Some(value) = value else {
        return (field.required && visible).then_some(FormErrorKind::Missing);
    };
    let good = match field.kind {
        FieldKind::Secret => {
            value.len() <= LONGEST_SECRET && value.chars().all(|c| c.is_ascii_graphic())
        }
        FieldKind::Text => {
            value.chars().count() <= LONGEST_TEXT && !value.chars().any(char::is_control)
        }
        FieldKind::Toggle => matches!(value, "true" | "false"),
    };
    (!good).then_some(FormErrorKind::Malformed)
}

/// Drops what comes along when a value is copied from a page or a mail.
fn clean(kind: FieldKind, value: &SecretString) -> SecretString {
    let value = value.expose_secret();
    match kind {
        FieldKind::Secret => value
            .chars()
            .filter(|&c| !c.is_whitespace() && !is_zero_width(c))
            .collect::<String>()
            .into(),
        FieldKind::Text | FieldKind::Toggle => value
            .trim_matches(|c: char| c.is_whitespace() || is_zero_width(c))
            .into(),
    }
}

/// Characters that take no room on a screen and come along when copying.
fn is_zero_width(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Budget, Capabilities};
    use portal_domain::AppCategory;

    static APP: App = App {
        slug: "test",
        name: "Test",
        category: AppCategory::Pms,
        support_url: "",
        notes: "",
        form: &[
            Field {
                key: "demo",
                label: "Demo",
                help: "",
                kind: FieldKind::Toggle,
                required: false,
                visible_when: None,
            },
            Field {
                key: "token",
                label: "Token",
                help: "",
                kind: FieldKind::Secret,
                required: true,
                visible_when: Some(("demo", "false")),
            },
        ],
        capabilities: Capabilities {
            stores_pins: false,
            shows_pins: false,
            hooks: false,
            demo_account: true,
        },
        budget: Budget {
            burst: 1,
            every: std::time::Duration::from_secs(1),
        },
    };

    fn read(values: &[(&str, &str)]) -> Result<Option<String>, Vec<(String, FormErrorKind)>> {
        let values: Vec<(&str, SecretString)> =
            values.iter().map(|(k, v)| (*k, (*v).into())).collect();
        read_form(&APP, values.iter().map(|(k, v)| (*k, v)))
            .map(|c| c.get("token").map(|v| v.expose_secret().to_owned()))
            .map_err(|errors| errors.into_iter().map(|e| (e.field, e.kind)).collect())
    }

    #[test]
    fn blanks_line_breaks_and_zero_width_characters_are_dropped_from_a_secret() {
        for pasted in [
            "AB-12",
            " AB-12 ",
            "AB\r\n-12\n",
            "\u{feff}AB\u{200b}-\u{2060}12\u{a0}",
            "\tA B - 1 2",
        ] {
            assert_eq!(
                read(&[("token", pasted)]),
                Ok(Some("AB-12".into())),
                "{pasted:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_the_key_of_its_field() {
        let missing = Err(vec![("token".into(), FormErrorKind::Missing)]);
        assert_eq!(read(&[]), missing);
        assert_eq!(read(&[("token", " \u{200b}\n")]), missing);
        assert_eq!(read(&[("demo", "false")]), missing);
        let malformed = Err(vec![("token".into(), FormErrorKind::Malformed)]);
        assert_eq!(read(&[("token", "schlüssel")]), malformed);
        assert_eq!(read(&[("token", &"a".repeat(513))]), malformed);
        assert_eq!(
            read(&[("token", &"a".repeat(512))]),
            Ok(Some("a".repeat(512)))
        );
        assert_eq!(
            read(&[("token", "a"), ("clientId", "x")]),
            Err(vec![("clientId".into(), FormErrorKind::Unknown)])
        );
        assert_eq!(
            read(&[("demo", "yes"), ("token", "a")]),
            Err(vec![("demo".into(), FormErrorKind::Malformed)])
        );
    }

    #[test]
    fn a_field_that_is_not_shown_is_not_asked_for() {
        assert_eq!(read(&[("demo", "true")]), Ok(None));
    }
}
