//! Hears everything that is logged.

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps the names and values of all spans and events.
#[derive(Default)]
pub(super) struct Listener {
    heard: Arc<Mutex<String>>,
    spans: AtomicU64,
}

impl Listener {
    /// What was heard so far, now and later.
    pub(super) fn heard(&self) -> Arc<Mutex<String>> {
        self.heard.clone()
    }

    fn note(&self, record: impl FnOnce(&mut Note)) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        record(&mut Note(&mut heard));
        heard.push('\n');
    }
}

struct Note<'a>(&'a mut String);

impl Visit for Note<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // A text takes whatever is written to it.
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What the client's own libraries say is for whoever turns them up.
        metadata.target().starts_with("portal")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.note(|note| span.record(note));
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.note(|note| values.record(note));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.note(|note| event.record(note));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
