//! JSON as it is written: the same member twice, numbers no machine holds, texts that are none.

/// A value as its text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// Anything but a list or an object, as it is written.
    Plain(String),
    List(Vec<Json>),
    /// Members in their order; a name may come twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn text(text: &str) -> Self {
        Self::Plain(serde_json::Value::from(text).to_string())
    }

    pub(crate) fn null() -> Self {
        Self::Plain("null".to_owned())
    }

    pub(crate) fn flag(is: bool) -> Self {
        Self::Plain(is.to_string())
    }

    pub(crate) fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        let members = members.into_iter();
        Self::Object(
            members
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// The whole text.
    pub(crate) fn write(&self) -> String {
        let mut text = String::new();
        self.write_to(&mut text);
        text
    }

    fn write_to(&self, text: &mut String) {
        match self {
            Self::Plain(plain) => text.push_str(plain),
            Self::List(items) => {
                text.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    item.write_to(text);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    text.push_str(&serde_json::Value::from(name.as_str()).to_string());
                    text.push(':');
                    value.write_to(text);
                }
                text.push('}');
            }
        }
    }
}
