//! Sizes of selections with fragments expanded, without expanding them: each fragment is measured
//! once, however often it is spread.

use super::document::{Limits, too_large};
use super::{ApiError, ErrorCode};
use apollo_parser::cst::{
    CstNode, Directives, Field, OperationDefinition, Selection, SelectionSet, Value,
    VariableDefinitions,
};
use serde_json::Map;
use std::collections::HashMap;

/// Items on a page unless asked otherwise.
const USUAL_PAGE: u64 = 20;
/// Most items on a page: more is refused where the page is read.
const LARGEST_PAGE: u64 = 100;
/// What counting a whole list costs.
const TOTAL_COUNT: u64 = 20;
/// What a field costs that reads many rows to answer with few.
const THOROUGH: u64 = 100;

/// Sizes with fragments expanded. Sums stop at the largest number instead of turning over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    /// Fields in the set itself.
    pub(super) level: u64,
    /// Fields within fields.
    pub(super) depth: u64,
    /// Fields at any depth.
    pub(super) fields: u64,
    /// Aliases at any depth.
    pub(super) aliases: u64,
    /// Directives at any depth.
    pub(super) directives: u64,
    /// One for each field, as often as pages above it have items.
    pub(super) cost: u64,
    /// Whether the schema itself is asked for.
    pub(super) introspects: bool,
    /// Whether the set is that of a page.
    page: bool,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.level = self.level.saturating_add(other.level);
        self.depth = self.depth.max(other.depth);
        self.fields = self.fields.saturating_add(other.fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.cost = self.cost.saturating_add(other.cost);
        self.introspects |= other.introspects;
        self.page |= other.page;
    }

    /// Adds the directives of the selection these are the sizes of.
    pub(super) fn with(mut self, directives: Option<Directives>) -> Self {
        let count = directives.map_or(0, |found| found.directives().count() as u64);
        self.directives = self.directives.saturating_add(count);
        self
    }
}

/// What measuring goes by: the fragments of a document, and the numbers its variables have.
pub(super) struct Measure<'a> {
    sets: HashMap<String, SelectionSet>,
    sizes: HashMap<String, Size>,
    open: Vec<String>,
    nesting: usize,
    variables: Option<&'a Map<String, serde_json::Value>>,
    defaults: HashMap<String, u64>,
}

impl<'a> Measure<'a> {
    pub(super) fn new(variables: Option<&'a Map<String, serde_json::Value>>) -> Self {
        Self {
            sets: HashMap::new(),
            sizes: HashMap::new(),
            open: Vec::new(),
            nesting: 0,
            variables,
            defaults: HashMap::new(),
        }
    }

    /// Notes a fragment.
    pub(super) fn fragment(&mut self, name: String, set: SelectionSet) {
        self.sets.insert(name, set);
    }

    /// Notes the default values of an operation's variables.
    pub(super) fn variables_of(&mut self, operation: &OperationDefinition) {
        let definitions = operation.variable_definitions();
        for variable in definitions
            .iter()
            .flat_map(VariableDefinitions::variable_definitions)
        {
            let name = variable.variable().and_then(|variable| variable.name());
            let value = variable.default_value().and_then(|default| default.value());
            if let (Some(name), Some(Value::IntValue(value))) = (name, value) {
                let number = number(&value.source_string());
                self.defaults.insert(name.text().to_string(), number);
            }
        }
    }

    /// The size of a set.
    pub(super) fn set(&mut self, set: &SelectionSet) -> Result<Size, ApiError> {
        let most = Limits::ADMIN;
        // Spreads nest without a bracket: they must not use up the stack, here or later.
        self.nesting += 1;
        if self.nesting > most.nesting {
            return Err(too_large(
                "nesting",
                most.nesting as u64,
                self.nesting as u64,
            ));
        }
        let mut size = Size::default();
        for selection in set.selections() {
            size.add(match selection {
                Selection::Field(field) => self.field(&field)?,
                Selection::InlineFragment(inline) => self
                    .inner(inline.selection_set())?
                    .with(inline.directives()),
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name().and_then(|name| name.name());
                    let name = name.map(|name| name.text().to_string());
                    let size = self.spread(&name.unwrap_or_default())?;
                    size.with(spread.directives())
                }
            });
            // Early, so that no sum grows beyond what one more document can add.
            if size.fields > most.fields {
                return Err(too_large("fields", most.fields, size.fields));
            }
        }
        self.nesting -= 1;
        Ok(size)
    }

    fn inner(&mut self, set: Option<SelectionSet>) -> Result<Size, ApiError> {
        set.map_or_else(|| Ok(Size::default()), |set| self.set(&set))
    }

    fn field(&mut self, field: &Field) -> Result<Size, ApiError> {
        let name = field.name().map(|name| name.text().to_string());
        let name = name.unwrap_or_default();
        let inner = self.inner(field.selection_set())?;
        let times = match self.page(field) {
            Some(items) => items,
            None if inner.page => USUAL_PAGE,
            None => 1,
        };
        let own = match name.as_str() {
            "totalCount" => TOTAL_COUNT,
            "accessClosure" | "explainAccess" | "lockForecast" => THOROUGH,
            _ => 1,
        };
        Ok(Size {
            level: 1,
            depth: inner.depth + 1,
            fields: inner.fields.saturating_add(1),
            aliases: inner
                .aliases
                .saturating_add(u64::from(field.alias().is_some())),
            directives: inner.directives,
            cost: inner.cost.saturating_mul(times).saturating_add(own),
            introspects: inner.introspects || name == "__schema" || name == "__type",
            page: name == "nodes" || name == "edges",
        }
        .with(field.directives()))
    }

    /// How many items a field asks for, where it says so.
    fn page(&self, field: &Field) -> Option<u64> {
        let arguments = field.arguments()?;
        let argument = arguments.arguments().find(|argument| {
            let name = argument.name().map(|name| name.text().to_string());
            matches!(name.as_deref(), Some("first" | "last"))
        })?;
        let asked = match argument.value()? {
            Value::IntValue(value) => number(&value.source_string()),
            Value::Variable(variable) => {
                let name = variable.name()?.text().to_string();
                let given = self.variables.and_then(|all| all.get(&name));
                match given.and_then(serde_json::Value::as_u64) {
                    Some(number) => number,
                    None => *self.defaults.get(&name)?,
                }
            }
            _ => return None,
        };
        Some(asked.clamp(1, LARGEST_PAGE))
    }

    fn spread(&mut self, name: &str) -> Result<Size, ApiError> {
        if let Some(size) = self.sizes.get(name) {
            return Ok(*size);
        }
        let wrong = |text: &str| Err(ApiError::new(ErrorCode::ValidationFailed, text));
        if self.open.iter().any(|open| open == name) {
            return wrong("A fragment spreads itself");
        }
        let Some(set) = self.sets.get(name).cloned() else {
            return wrong("A fragment is spread that the document does not define");
        };
        self.open.push(name.to_owned());
        let size = self.set(&set)?;
        self.open.pop();
        self.sizes.insert(name.to_owned(), size);
        Ok(size)
    }

    /// Measures the fragments nothing has spread: whatever walks the document walks them too.
    pub(super) fn rest(&mut self) -> Result<(), ApiError> {
        let names: Vec<String> = self.sets.keys().cloned().collect();
        for name in names {
            self.spread(&name)?;
        }
        Ok(())
    }
}

fn number(text: &str) -> u64 {
    // What is no such number is refused where the page is read.
    text.trim().parse().unwrap_or(LARGEST_PAGE)
}
