//! Signals of commits: who waits for jobs or events wakes at once. On `PostgreSQL` other processes
//! are told too; a poll stands behind both, so a lost signal costs time and nothing else.

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// The signals of one process.
#[derive(Debug)]
pub struct Bell {
    jobs: watch::Sender<u64>,
    events: watch::Sender<u64>,
    /// Whether other processes still have to be told.
    tell_jobs: AtomicBool,
    tell_events: AtomicBool,
    outbox: tokio::sync::Notify,
}

impl Default for Bell {
    fn default() -> Self {
        Self {
            jobs: watch::Sender::new(0),
            events: watch::Sender::new(0),
            tell_jobs: AtomicBool::new(false),
            tell_events: AtomicBool::new(false),
            outbox: tokio::sync::Notify::new(),
        }
    }
}

impl Bell {
    /// Changes whenever jobs were enqueued.
    pub fn jobs(&self) -> watch::Receiver<u64> {
        self.jobs.subscribe()
    }

    /// Changes whenever events were written.
    pub fn events(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }

    pub(crate) fn ring_jobs(&self) {
        self.jobs.send_modify(|n| *n += 1);
        self.tell_jobs.store(true, Ordering::Release);
        self.outbox.notify_one();
    }

    pub(crate) fn ring_events(&self) {
        self.events.send_modify(|n| *n += 1);
        self.tell_events.store(true, Ordering::Release);
        self.outbox.notify_one();
    }

    /// Another process rang.
    pub(crate) fn heard(&self, channel: &str) {
        match channel {
            JOBS => self.jobs.send_modify(|n| *n += 1),
            EVENTS => self.events.send_modify(|n| *n += 1),
            _ => {}
        }
    }

    /// Waits until other processes have to be told, and says of what.
    pub(crate) async fn outbox(&self) -> Vec<&'static str> {
        loop {
            let mut channels = Vec::new();
            if self.tell_jobs.swap(false, Ordering::AcqRel) {
                channels.push(JOBS);
            }
            if self.tell_events.swap(false, Ordering::AcqRel) {
                channels.push(EVENTS);
            }
            if !channels.is_empty() {
                return channels;
            }
            self.outbox.notified().await;
        }
    }
}

/// Channel of `LISTEN` and `NOTIFY` for jobs.
pub(crate) const JOBS: &str = "portal_jobs";
/// Channel of `LISTEN` and `NOTIFY` for events.
pub(crate) const EVENTS: &str = "portal_events";
