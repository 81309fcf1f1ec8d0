//! Keeps each account's budget at a vendor, in the database, so that all processes share it.

use async_trait::async_trait;
use chrono::Duration;
use portal_domain::IntegrationId;
use portal_interface::{App, Clock, Gate, GateClosed};
use portal_store::{Db, DbError, rate};
use std::sync::Arc;

/// Longest wait for a permit before a call is put off instead.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// The gate of the installation.
#[derive(Debug)]
pub struct StoreGate {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl StoreGate {
    /// A gate that keeps its budgets in `db`.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
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

#[async_trait]
impl Gate for StoreGate {
    async fn pass(&self, app: &'static App, integration: IntegrationId) -> Result<(), GateClosed> {
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
                Err(error) => {
                    // Without the database no budget is known: better no call than one too many.
                    tracing::warn!(
                        error = crate::job::chain(&error),
                        "no permit without the database"
                    );
                    return Err(GateClosed {
                        retry_after: PATIENCE,
                    });
                }
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
}
