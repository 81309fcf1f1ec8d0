//! Measures a document before anything else reads it, in time linear in its length.

use super::measure::{Measure, Size};
use super::{ApiError, ErrorCode};
use apollo_parser::cst::Definition;
use apollo_parser::{Lexer, Parser, TokenKind};
use serde_json::{Map, Value};

/// How large a document may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the request's body.
    pub body: usize,
    /// Tokens.
    pub tokens: usize,
    /// Brackets within brackets of any kind.
    pub nesting: usize,
    /// Fields within fields, fragments expanded.
    pub depth: u64,
    /// Fields, fragments expanded.
    pub fields: u64,
    /// Aliases, fragments expanded.
    pub aliases: u64,
    /// Directives, fragments expanded.
    pub directives: u64,
    /// Fields at the root of a mutation.
    pub mutation_fields: u64,
    /// Fields, each as often as the pages above it have items.
    pub cost: u64,
    /// Seconds an operation may take.
    pub seconds: u64,
}

impl Limits {
    /// For staff and programs.
    pub const USUAL: Self = Self {
        body: 131_072,
        tokens: 2_000,
        nesting: 64,
        depth: 12,
        fields: 400,
        aliases: 30,
        directives: 20,
        mutation_fields: 5,
        cost: 10_000,
        seconds: 10,
    };
    /// For owners and general managers, whose GraphiQL introspects.
    pub const ADMIN: Self = Self {
        body: 262_144,
        tokens: 5_000,
        nesting: 64,
        depth: 16,
        fields: 2_000,
        aliases: 100,
        directives: 40,
        mutation_fields: 5,
        cost: 20_000,
        seconds: 30,
    };
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Mutation,
    Subscription,
}

/// What a document contains, as far as limits are concerned.
#[derive(Debug)]
pub(super) struct Document {
    tokens: usize,
    operations: Vec<Operation>,
}

/// The operation to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen {
    pub(super) kind: Kind,
    pub(super) cost: u64,
}

#[derive(Debug)]
struct Operation {
    name: Option<String>,
    kind: Kind,
    size: Size,
}

pub(super) fn too_large(limit: &str, allowed: u64, found: u64) -> ApiError {
    ApiError::new(
        ErrorCode::OperationTooLarge,
        format!("The operation is too large: {limit} {found}, allowed {allowed}"),
    )
}

/// Reads a document within the limits of admins: all of it, as the library walks all of it,
/// whichever operation is chosen.
pub(super) fn read(
    text: &str,
    variables: Option<&Map<String, Value>>,
) -> Result<Document, ApiError> {
    let limits = Limits::ADMIN;
    let tokens = bound(text, &limits)?;
    // Here white space, commas and comments count as tokens; the bytes bound them.
    let tree = Parser::new(text)
        .token_limit(limits.body)
        .recursion_limit(limits.nesting * 4)
        .parse();
    if let Some(error) = tree.errors().next() {
        let (line, column) = place(text, error.index());
        return Err(ApiError::new(
            ErrorCode::ParseFailed,
            format!("Syntax error at line {line}, column {column}"),
        ));
    }
    let document = tree.document();
    let mut measure = Measure::new(variables);
    for definition in document.definitions() {
        match definition {
            Definition::FragmentDefinition(fragment) => {
                let name = fragment.fragment_name().and_then(|name| name.name());
                if let (Some(name), Some(set)) = (name, fragment.selection_set()) {
                    measure.fragment(name.text().to_string(), set);
                }
            }
            Definition::OperationDefinition(operation) => measure.variables_of(&operation),
            _ => {}
        }
    }
    let mut operations = Vec::new();
    let mut fields = 0_u64;
    for definition in document.definitions() {
        let Definition::OperationDefinition(operation) = definition else {
            continue;
        };
        let kind = match operation.operation_type() {
            Some(kind) if kind.mutation_token().is_some() => Kind::Mutation,
            Some(kind) if kind.subscription_token().is_some() => Kind::Subscription,
            _ => Kind::Query,
        };
        let Some(set) = operation.selection_set() else {
            continue;
        };
        let size = measure.set(&set)?.with(operation.directives());
        fields = fields.saturating_add(size.fields);
        if fields > limits.fields {
            return Err(too_large("fields", limits.fields, fields));
        }
        operations.push(Operation {
            name: operation.name().map(|name| name.text().to_string()),
            kind,
            size,
        });
    }
    measure.rest()?;
    Ok(Document { tokens, operations })
}

/// Counts tokens and nesting without building anything.
fn bound(text: &str, limits: &Limits) -> Result<usize, ApiError> {
    let (mut tokens, mut depth, mut deepest) = (0_usize, 0_usize, 0_usize);
    for token in Lexer::new(text) {
        let Ok(token) = token else {
            // The parser says where.
            continue;
        };
        match token.kind() {
            TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma | TokenKind::Eof => {
                continue;
            }
            TokenKind::LCurly | TokenKind::LParen | TokenKind::LBracket => depth += 1,
            TokenKind::RCurly | TokenKind::RParen | TokenKind::RBracket => {
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        deepest = deepest.max(depth);
        tokens += 1;
        if tokens > limits.tokens {
            return Err(too_large("tokens", limits.tokens as u64, tokens as u64));
        }
        if deepest > limits.nesting {
            return Err(too_large("nesting", limits.nesting as u64, deepest as u64));
        }
    }
    Ok(tokens)
}

fn place(text: &str, index: usize) -> (usize, usize) {
    let before = text.get(..index).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    (line, column)
}

impl Document {
    /// Chooses the operation to run and holds it against the limits of the caller.
    pub(super) fn choose(
        &self,
        name: Option<&str>,
        limits: &Limits,
        may_introspect: bool,
    ) -> Result<Chosen, ApiError> {
        let mut found = self
            .operations
            .iter()
            .filter(|operation| name.is_none() || operation.name.as_deref() == name);
        let (Some(operation), None) = (found.next(), found.next()) else {
            return Err(ApiError::new(
                ErrorCode::OperationResolutionFailure,
                "Give operationName: the document does not hold exactly one such operation",
            ));
        };
        let size = &operation.size;
        let root = match operation.kind {
            Kind::Mutation => size.level,
            Kind::Query | Kind::Subscription => 0,
        };
        for (what, allowed, found) in [
            ("tokens", limits.tokens as u64, self.tokens as u64),
            ("depth", limits.depth, size.depth),
            ("fields", limits.fields, size.fields),
            ("aliases", limits.aliases, size.aliases),
            ("directives", limits.directives, size.directives),
            ("mutation fields", limits.mutation_fields, root),
            ("cost", limits.cost, size.cost),
        ] {
            if found > allowed {
                return Err(too_large(what, allowed, found));
            }
        }
        if size.introspects && !may_introspect {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "Introspection is for owners and general managers; read the published schema",
            ));
        }
        Ok(Chosen {
            kind: operation.kind,
            cost: size.cost,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn judge(text: &str) -> Result<Kind, ErrorCode> {
        read(text, None)
            .and_then(|document| document.choose(None, &Limits::USUAL, false))
            .map(|chosen| chosen.kind)
            .map_err(|error| error.code)
    }

    #[test]
    fn usual_documents_pass() {
        assert_eq!(judge("{ viewer { name } }"), Ok(Kind::Query));
        assert_eq!(
            judge("mutation { a(b: {c: [1]}) { d } }"),
            Ok(Kind::Mutation)
        );
        assert_eq!(judge("subscription { e { seq } }"), Ok(Kind::Subscription));
        let deep = format!("{}x{}", "{ a ".repeat(11), "}".repeat(11));
        assert_eq!(judge(&deep), Ok(Kind::Query));
    }

    #[test]
    fn what_reads_a_lot_costs_a_lot() {
        let cost = |text: &str| {
            let document = read(text, None).ok()?;
            let chosen = document.choose(None, &Limits::USUAL, false).ok()?;
            Some(chosen.cost)
        };
        assert_eq!(cost("{ a { b } }"), Some(2));
        assert_eq!(cost("{ accessClosure { verdict } }"), Some(101));
        // Ten items of three fields.
        let page = "{ lockForecast(first: 10) { nodes { used peak } } }";
        assert_eq!(cost(page), Some(130));
        let board = "{ arrivals(first: 10) { totalCount nodes { verdict actBy } } }";
        assert_eq!(cost(board), Some(231));
        let each = "{ reservations(first: 100) { nodes { accessClosure { verdict } } } }";
        assert_eq!(cost(each), None, "too much");
    }

    #[test]
    fn hostile_documents_are_refused() {
        use ErrorCode::{
            Forbidden, OperationResolutionFailure, OperationTooLarge, ParseFailed, ValidationFailed,
        };
        let nested = |open: &str, close: &str, n: usize| {
            format!("{{ a(b: {}1{}) }}", open.repeat(n), close.repeat(n))
        };
        let mut doubling = String::from("{ ...f0 } ");
        for n in 0..30 {
            let next = n + 1;
            write!(
                doubling,
                "fragment f{n} on Query {{ ...f{next} ...f{next} }} "
            )
            .unwrap();
        }
        doubling.push_str("fragment f30 on Query { a }");
        let mut aliases = String::new();
        for n in 0..31 {
            write!(aliases, "a{n}: b ").unwrap();
        }
        for (what, text, code) in [
            ("lists", nested("[", "]", 6_000), OperationTooLarge),
            ("objects", nested("{c:", "}", 1_500), OperationTooLarge),
            ("selections", "{a".repeat(40_000), OperationTooLarge),
            ("doubling fragments", doubling, OperationTooLarge),
            ("aliases", format!("{{ {aliases} }}"), OperationTooLarge),
            (
                "fields",
                format!("{{ {} }}", "a ".repeat(401)),
                OperationTooLarge,
            ),
            (
                "depth",
                format!("{}x{}", "{ a ".repeat(13), "}".repeat(13)),
                OperationTooLarge,
            ),
            (
                "mutations",
                "mutation { a b c d e f }".into(),
                OperationTooLarge,
            ),
            ("braces", "{".repeat(200_000), OperationTooLarge),
            (
                "a cycle",
                "{ ...a } fragment a on Query { ...a }".into(),
                ValidationFailed,
            ),
            (
                "introspection",
                "{ __schema { types { name } } }".into(),
                Forbidden,
            ),
            (
                "two operations",
                "query a { b } query c { d }".into(),
                OperationResolutionFailure,
            ),
            ("nothing", String::new(), ParseFailed),
            ("garbage", "{ a".into(), ParseFailed),
        ] {
            assert_eq!(judge(&text), Err(code), "{what}");
        }
    }
}
