//! Keeps each account's budget at a vendor, and the pauses of vendors that do not answer, in the
//! database, so that all processes share them.

use async_trait::async_trait;
use chrono::Duration;
use portal_domain::IntegrationId;
use portal_interface::{App, Clock, Gate, GateClosed, Reach};
use portal_store::{Db, DbError, breaker, rate};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Longest wait for a permit before a call is put off instead.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// The gate of the installation.
#[derive(Debug)]
pub struct StoreGate {
    db: Db,
    clock: Arc<dyn Clock>,
    /// What pauses of silent vendors are measured by.
    pauses: Arc<dyn Clock>,
    /// Integrations with trouble on record when this process last looked: only their answers have
    /// anything to clear.
    troubled: Mutex<HashSet<IntegrationId>>,
}

impl StoreGate {
    /// A gate that keeps its budgets in `db`.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self {
            db,
            pauses: clock.clone(),
            clock,
            troubled: Mutex::default(),
        }
    }

    /// Measures pauses of silent vendors by another clock than budgets: tests, whose time stands
    /// still, still wait for permits.
    #[must_use]
    pub fn with_pauses_by(mut self, clock: Arc<dyn Clock>) -> Self {
        self.pauses = clock;
        self
    }

    fn note(&self, integration: IntegrationId, troubled: bool) {
        let mut all = self.troubled.lock().unwrap_or_else(PoisonError::into_inner);
        if troubled {
            all.insert(integration);
        } else {
            all.remove(&integration);
        }
    }

    fn is_troubled(&self, integration: IntegrationId) -> bool {
        let all = self.troubled.lock().unwrap_or_else(PoisonError::into_inner);
        all.contains(&integration)
    }

    /// Leave to call although there may have been trouble. `Some`: not before so long.
    async fn past_trouble(
        &self,
        integration: IntegrationId,
    ) -> Result<Option<std::time::Duration>, DbError> {
        let now = self.pauses.now();
        // Nearly always there is none, and then nothing is written.
        let mut conn = self.db.read().await?;
        let known = breaker::of(&mut conn, integration).await?;
        drop(conn);
        self.note(integration, known.is_some());
        if known.is_none_or(|row| row.closed_until.is_none()) {
            return Ok(None);
        }
        let mut tx = self.db.begin().await?;
        let closed_until = breaker::pass(&mut tx, integration, now).await?;
        tx.commit().await?;
        Ok(closed_until.map(|until| (until - now).to_std().unwrap_or(PATIENCE)))
    }

    async fn keep(&self, integration: IntegrationId, reach: Reach) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        match reach {
            Reach::Answered => {
                breaker::answered(&mut tx, integration).await?;
            }
            Reach::Silent => breaker::failed(&mut tx, integration, self.pauses.now()).await?,
        }
        tx.commit().await?;
        self.note(integration, reach == Reach::Silent);
        Ok(())
    }

    async fn take(
        &self,
        app: &'static App,
        key: &str,
    ) -> Result<Option<std::time::Duration>, DbError> {
        let every = Duration::from_std(app.budget.every).unwrap_or(Duration::seconds(1));
        let mut tx = self.db.begin().await?;
        let now = self.clock.now();
        if rate::take(&mut tx, key, now, every, app.budget.burst).await? {
            tx.commit().await?;
            return Ok(None);
        }
        let next = rate::next_at(&mut tx, key).await?.unwrap_or(now);
        tx.rollback().await?;
        let slack = every * i32::try_from(app.budget.burst.max(1) - 1).unwrap_or(0);
        let wait = (next - slack - now).max(Duration::milliseconds(10));
        Ok(Some(wait.to_std().unwrap_or(PATIENCE)))
    }
}

fn key(app: &App, integration: IntegrationId) -> String {
    format!("vendor:{}:{integration}", app.slug)
}

/// Without the database no budget is known: better no call than one too many.
fn no_permit(error: &DbError) -> GateClosed {
    tracing::warn!(
        error = crate::job::chain(error),
        "no permit without the database"
    );
    GateClosed {
        retry_after: PATIENCE,
    }
}

#[async_trait]
impl Gate for StoreGate {
    async fn pass(&self, app: &'static App, integration: IntegrationId) -> Result<(), GateClosed> {
        match self.past_trouble(integration).await {
            Ok(None) => {}
            Ok(Some(retry_after)) => return Err(GateClosed { retry_after }),
            Err(error) => return Err(no_permit(&error)),
        }
        let key = key(app, integration);
        let mut waited = std::time::Duration::ZERO;
        loop {
            match self.take(app, &key).await {
                Ok(None) => return Ok(()),
                Ok(Some(wait)) if waited + wait <= PATIENCE => {
                    tokio::time::sleep(wait).await;
                    waited += wait;
                }
                Ok(Some(retry_after)) => return Err(GateClosed { retry_after }),
                Err(error) => return Err(no_permit(&error)),
            }
        }
    }

    async fn close(
        &self,
        app: &'static App,
        integration: IntegrationId,
        pause: std::time::Duration,
    ) {
        let until = self.clock.now() + Duration::from_std(pause).unwrap_or(Duration::minutes(15));
        let closed = async {
            let mut tx = self.db.begin().await?;
            // The whole burst is gone too: the first call after the pause is one, not thirty.
            rate::close(&mut tx, &key(app, integration), until).await?;
            tx.commit().await
        };
        if let Err(error) = closed.await {
            tracing::warn!(
                error = crate::job::chain(&error),
                "a vendor's pause could not be kept"
            );
        }
    }

    async fn report(&self, _: &'static App, integration: IntegrationId, reach: Reach) {
        if reach == Reach::Answered && !self.is_troubled(integration) {
            return;
        }
        if let Err(error) = self.keep(integration, reach).await {
            tracing::warn!(
                error = crate::job::chain(&error),
                "how a vendor answers could not be kept"
            );
        }
    }
}
