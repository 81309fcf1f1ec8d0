//! Mews's published contract, to check requests and answers against.

use chrono::{DateTime, Months, Utc};
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Where every operation's path begins.
pub(super) const BASE: &str = "/api/connector/v1/";
/// The description, with the exceptions its own notes list.
const DOCUMENT: &str = include_str!("../../contract/openapi.json");
/// Longest account of one fault, in characters.
const LONGEST_FAULT: usize = 300;

/// The contract. Compiled once, when the first fake starts.
pub(super) static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::load);

/// Every operation by its path after [`BASE`].
pub(super) struct Contract {
    operations: BTreeMap<String, Operation>,
    webhook: Validator,
}

/// What an operation accepts and answers.
pub(super) struct Operation {
    /// Its path after [`BASE`].
    pub(super) name: String,
    request: Validator,
    answer: Validator,
    /// Time filters, and how many months they may span.
    intervals: Vec<(String, u32)>,
}

impl Contract {
    fn load() -> Self {
        let document: Value = serde_json::from_str(DOCUMENT).expect("the contract is JSON");
        let paths = document["paths"].as_object().expect("the contract's paths");
        let mut components = document["components"].clone();
        allow_null(&mut components);
        let operations = paths.iter().filter_map(|(path, item)| {
            let name = path.strip_prefix(BASE)?.to_owned();
            let post = &item["post"];
            let request = schema_of(&post["requestBody"]);
            let answer = schema_of(&post["responses"]["200"]);
            Some((
                name.clone(),
                Operation {
                    name,
                    request: compile(&components, request),
                    answer: compile(&components, answer),
                    intervals: intervals(&document, request),
                },
            ))
        });
        let operations = operations.collect();
        let kinds = ["GeneralWebhook", "IntegrationWebhook"];
        let kinds = kinds.map(|kind| json!({ "$ref": format!("#/components/schemas/{kind}") }));
        Self {
            operations,
            webhook: compile(&components, &json!({ "oneOf": kinds })),
        }
    }

    /// The operation at a path, which must be written exactly so.
    pub(super) fn at(&self, path: &str) -> Option<&Operation> {
        self.operations.get(path.strip_prefix(BASE)?)
    }

    /// What is wrong with a webhook of ours.
    pub(super) fn webhook_faults(&self, body: &Value) -> Vec<String> {
        told(&self.webhook, body)
    }
}

impl Operation {
    /// What is wrong with a request, without the values in it.
    pub(super) fn faults(&self, body: &Value) -> Vec<String> {
        let mut faults = told(&self.request, body);
        for (name, months) in &self.intervals {
            let fault = body.get(name).and_then(|filter| too_long(filter, *months));
            faults.extend(fault.map(|fault| format!("/{name}: {fault}")));
        }
        faults
    }

    /// What is wrong with an answer.
    pub(super) fn answer_faults(&self, body: &Value) -> Vec<String> {
        told(&self.answer, body)
    }
}

fn told(validator: &Validator, body: &Value) -> Vec<String> {
    let tell = |error: ValidationError<'_>| {
        let text = format!("{}: {}", error.instance_path(), error.masked());
        text.chars().take(LONGEST_FAULT).collect()
    };
    validator.iter_errors(body).map(tell).collect()
}

fn schema_of(part: &Value) -> &Value {
    &part["content"]["application/json"]["schema"]
}

fn compile(components: &Value, schema: &Value) -> Validator {
    let document = json!({ "allOf": [schema], "components": components });
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .build(&document)
        .expect("the contract's schemas are valid")
}

/// Writes the `nullable` of `OpenAPI` 3.0 as JSON Schema has it.
fn allow_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(allow_null),
        Value::Object(members) => {
            members.values_mut().for_each(allow_null);
            if members.remove("nullable") == Some(json!(true)) {
                let strict = Value::Object(std::mem::take(members));
                let either = json!([{ "type": "null" }, strict]);
                *members = Map::from_iter([("anyOf".to_owned(), either)]);
            }
        }
        _ => {}
    }
}

/// The time filters of a request that have a longest span.
fn intervals(document: &Value, request: &Value) -> Vec<(String, u32)> {
    let pointer = request["$ref"].as_str().unwrap_or_default();
    let schema = document.pointer(pointer.trim_start_matches('#'));
    let members = schema.and_then(|schema| schema["properties"].as_object());
    let limited = members.into_iter().flatten().filter_map(|(name, member)| {
        let months = member["x-max-interval-in-months"].as_u64()?;
        Some((name.clone(), u32::try_from(months).ok()?))
    });
    limited.collect()
}

fn too_long(filter: &Value, months: u32) -> Option<String> {
    let end = |name: &str| filter[name].as_str()?.parse::<DateTime<Utc>>().ok();
    let (from, to) = (end("StartUtc")?, end("EndUtc")?);
    if to < from {
        Some("ends before it starts".to_owned())
    } else if from.checked_add_months(Months::new(months))? < to {
        Some(format!("spans more than {months} months"))
    } else {
        None
    }
}
