//! The schema as the API itself tells it, to walk every field there is: what a list written by hand
//! forgets is what is wrong one day.

use crate::harness::Caller;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

const ASK: &str = "{ __schema { types { name kind isOneOf
    fields { name args { ...of } type { ...named } }
    inputFields { ...of } enumValues { name } possibleTypes { name } } } }
  fragment of on __InputValue { name defaultValue type { ...named } }
  fragment named on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// See the module.
pub(super) struct Schema(BTreeMap<String, Value>);

/// The name of a type, whatever lists it stands in.
fn named(of: &Value) -> &str {
    match of["name"].as_str() {
        Some(name) => name,
        None => named(&of["ofType"]),
    }
}

/// A type as it is written in a document.
fn written(of: &Value) -> String {
    match of["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", written(&of["ofType"])),
        Some("LIST") => format!("[{}]", written(&of["ofType"])),
        _ => named(of).to_owned(),
    }
}

fn is_required(of: &Value) -> bool {
    of["type"]["kind"] == "NON_NULL" && of["defaultValue"].is_null()
}

fn all(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// A field that can be asked for, in one of the ways its arguments allow.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    /// The document, with a variable for each argument.
    pub(super) document: String,
    /// The arguments; each identifier is a [`Place`]'s path.
    pub(super) variables: Value,
    pub(super) places: Vec<Place>,
}

/// Where an identifier stands in the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// As a pointer into the variables.
    pub(super) path: String,
    /// The argument's or the member's name.
    pub(super) name: String,
}

impl Schema {
    /// Read by somebody who may.
    pub(super) async fn of(caller: &Caller) -> Self {
        let mut answer = caller.run(ASK, json!({})).await;
        let types = answer["__schema"]["types"].take();
        let types = all(&types).iter();
        Self(types.map(|of| (named(of).to_owned(), of.clone())).collect())
    }

    /// The fields of a type.
    pub(super) fn fields(&self, of: &str) -> &[Value] {
        self.0.get(of).map_or(&[], |found| all(&found["fields"]))
    }

    /// The types that are objects, but for those about the schema.
    pub(super) fn objects(&self) -> impl Iterator<Item = &str> {
        let objects = self.0.iter().filter(|(_, of)| of["kind"] == "OBJECT");
        objects
            .map(|(name, _)| name.as_str())
            .filter(|name| !name.starts_with("__"))
    }

    /// Whether some argument of a field carries an identifier.
    pub(super) fn takes_id(&self, field: &Value) -> bool {
        all(&field["args"])
            .iter()
            .any(|arg| self.has_id(&arg["type"]))
    }

    fn has_id(&self, of: &Value) -> bool {
        let members = self.0.get(named(of)).map(|found| &found["inputFields"]);
        named(of) == "ID"
            || members.is_some_and(|members| all(members).iter().any(|m| self.has_id(&m["type"])))
    }

    /// What to ask of a field's answer: everything that needs no argument, so deep.
    pub(super) fn selection(&self, of: &str, depth: usize) -> String {
        let mut text = String::from(" { __typename");
        let Some(found) = self.0.get(of) else {
            return String::new();
        };
        match found["kind"].as_str() {
            Some("OBJECT") => {}
            Some("INTERFACE" | "UNION") => return " { __typename }".to_owned(),
            _ => return String::new(),
        }
        for field in self.fields(of) {
            let name = field["name"].as_str().expect("a name");
            let inner = named(&field["type"]);
            let is_leaf = matches!(self.0[inner]["kind"].as_str(), Some("SCALAR" | "ENUM"));
            let needs = all(&field["args"]).iter().any(is_required);
            if !needs && (is_leaf || depth > 0) {
                let _ = write!(text, " {name}{}", self.selection(inner, depth.max(1) - 1));
            }
        }
        text + " }"
    }

    /// A field of a type in each of its ways. `around`: what has to stand around it, with `@` in
    /// its place; the first variables of the document may be set there.
    pub(super) fn operations(&self, kind: &str, around: &str, field: &Value) -> Vec<Operation> {
        let name = field["name"].as_str().expect("a name");
        let args = all(&field["args"]);
        let mut ways = vec![json!({})];
        for arg in args {
            if !is_required(arg) && !self.has_id(&arg["type"]) {
                continue;
            }
            let key = arg["name"].as_str().expect("a name");
            let values = self.values(&arg["type"], key);
            ways = with_each(&ways, key, &values);
        }
        let (mut heads, mut given) = (String::new(), String::new());
        for arg in args {
            let key = arg["name"].as_str().expect("a name");
            if !ways[0][key].is_null() {
                let _ = write!(heads, "${key}: {} ", written(&arg["type"]));
                let _ = write!(given, "{key}: ${key} ");
            }
        }
        let wrap = |text: &str, ends: [&str; 2]| match text {
            "" => String::new(),
            text => format!("{}{text}{}", ends[0], ends[1]),
        };
        let selection = self.selection(named(&field["type"]), 1);
        let asked = format!("{name}{}{selection}", wrap(&given, ["(", ")"]));
        let document = format!(
            "{kind}{} {{ {} }}",
            wrap(&heads, ["(", ")"]),
            around.replace('@', &asked)
        );
        ways.into_iter()
            .map(|variables| {
                let mut places = Vec::new();
                places_in(&variables, String::new(), "", &mut places);
                Operation {
                    document: document.clone(),
                    variables,
                    places,
                }
            })
            .collect()
    }

    /// A good value of a type, in each of the ways there are. Identifiers are left open.
    fn values(&self, of: &Value, name: &str) -> Vec<Value> {
        match of["kind"].as_str() {
            Some("NON_NULL") => return self.values(&of["ofType"], name),
            Some("LIST") => {
                let each = self.values(&of["ofType"], name).into_iter();
                return each.map(|value| json!([value])).collect();
            }
            Some("ENUM") => return vec![self.0[named(of)]["enumValues"][0]["name"].clone()],
            Some("INPUT_OBJECT") => {}
            _ => return vec![scalar(named(of), name)],
        }
        let members = all(&self.0[named(of)]["inputFields"]);
        let one_of = self.0[named(of)]["isOneOf"] == true;
        let mut ways = vec![json!({})];
        let mut each = Vec::new();
        for member in members {
            let key = member["name"].as_str().expect("a name");
            let takes = is_required(member) || self.has_id(&member["type"]);
            if one_of && takes {
                let values = self.values(&member["type"], key).into_iter();
                each.extend(values.map(|value| json!({ key: value })));
            } else if takes {
                let values = self.values(&member["type"], key);
                ways = with_each(&ways, key, &values);
            }
        }
        if one_of { each } else { ways }
    }
}

/// The document with one more variable.
pub(super) fn with_variable(document: &str, variable: &str) -> String {
    if document.starts_with("query(") {
        document.replacen("query(", &format!("query({variable} "), 1)
    } else {
        document.replacen("query", &format!("query({variable})"), 1)
    }
}

/// What stands for an identifier until one is chosen.
const OPEN: &str = "?";

fn scalar(of: &str, name: &str) -> Value {
    match (of, name) {
        ("ID", _) => json!(OPEN),
        ("Boolean", _) => json!(true),
        ("Int", _) => json!(6),
        ("DateTime", "endsAt") => json!("2027-01-03T10:00:00Z"),
        ("DateTime", _) => json!("2027-01-02T10:00:00Z"),
        ("String", "app" | "slug") => json!("mews"),
        ("String", "key") => json!("accessToken"),
        ("String", "number") => json!("31"),
        ("String", "code") => json!("274913"),
        ("String", _) => json!("for a reason"),
        _ => panic!("say what a {of} like {name} may be"),
    }
}

fn places_in(value: &Value, path: String, name: &str, places: &mut Vec<Place>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                places_in(member, format!("{path}/{key}"), key, places);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                places_in(item, format!("{path}/{n}"), name, places);
            }
        }
        Value::String(text) if text == OPEN => places.push(Place {
            path,
            name: name.to_owned(),
        }),
        _ => {}
    }
}

/// Each of the ways with each of the values.
fn with_each(ways: &[Value], key: &str, values: &[Value]) -> Vec<Value> {
    let with = |way: &Value, value: &Value| {
        let mut way = way.clone();
        way[key] = value.clone();
        way
    };
    ways.iter()
        .flat_map(|way| values.iter().map(move |value| with(way, value)))
        .collect()
}
