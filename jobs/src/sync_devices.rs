//! Reads every device of a lock vendor.

use crate::job::{Job, JobError};
use crate::{Env, account, trigger, validate_integration};
use chrono::Duration;
use portal_domain::{
    ActorKind, CredentialState, DeviceConnectivity, DeviceId, EventKind, IntegrationId,
    IntegrationStatus, PropertyId, SubjectKind, ValidationTrigger,
};
use portal_interface::AdapterError;
use portal_store::device::Device;
use portal_store::event::{self, Actor, NewEvent};
use portal_store::{DbError, device, integration};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Reads every device of one lock integration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SyncDevices {
    /// Where.
    pub property: PropertyId,
    /// Which link.
    pub integration: IntegrationId,
}

impl Job for SyncDevices {
    const KIND: &'static str = "sync-devices";
    const DEADLINE: std::time::Duration = std::time::Duration::from_mins(2);
    const CONCURRENCY: usize = 2;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.integration.to_string())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        let mut conn = env.db.read().await?;
        let link = integration::by_id(&mut conn, self.property, self.integration).await?;
        let Some(link) = link.filter(|link| link.status == IntegrationStatus::Connected) else {
            return Ok(());
        };
        let account = account::open(&mut conn, env, &link, CredentialState::Active).await?;
        drop(conn);
        let (Some(account), Some(locks)) = (account, env.apps.locks(&link.app)) else {
            return Ok(());
        };
        let told = locks.devices(&account).await;
        self.store(env, told).await?;
        Ok(())
    }
}

impl SyncDevices {
    async fn store(
        &self,
        env: &Env,
        told: Result<Vec<portal_interface::Device>, AdapterError>,
    ) -> Result<(), DbError> {
        let now = env.now();
        let mut tx = env.db.begin_in(self.property).await?;
        let found = integration::lock(&mut tx, self.property, self.integration).await?;
        let Some(mut link) = found else {
            return Ok(());
        };
        let told = match told {
            Ok(told) => told,
            Err(error) => {
                tracing::info!(integration.id = %self.integration, error = account::word(&error), "devices could not be read");
                link.next_rooms_at = Some(env.about(Duration::minutes(2)).into());
                integration::save(&mut tx, &link).await?;
                if error == AdapterError::Unauthorized {
                    let trigger = ValidationTrigger::RefusedCall;
                    validate_integration::ask(&mut tx, env, self.property, link.id, trigger)
                        .await?;
                }
                return tx.commit().await;
            }
        };
        let known = device::of_integration(&mut tx, self.property, self.integration).await?;
        let mut known: HashMap<String, Device> = known
            .into_iter()
            .map(|device| (device.external_id.clone(), device))
            .collect();
        let mut events = Vec::new();
        for device in told {
            let was = known.remove(device.id.as_str());
            let row = self.row(&device, was.as_ref(), now);
            if was.as_ref() == Some(&row) {
                continue;
            }
            device::put(&mut tx, &row).await?;
            let came_or_went = was
                .as_ref()
                .is_some_and(|was| was.connectivity != row.connectivity);
            if came_or_went {
                let kind = match row.connectivity {
                    DeviceConnectivity::Offline => EventKind::DeviceOffline,
                    _ => EventKind::DeviceOnline,
                };
                events.push(NewEvent::new(kind, SubjectKind::Device, row.id));
            }
            let rules_changed = was.is_some_and(|was| was.rules != row.rules);
            if let (true, Some(space)) = (rules_changed, row.space_id) {
                trigger::space(&mut tx, env, self.property, space).await?;
            }
        }
        for mut gone in known.into_values() {
            if gone.connectivity != DeviceConnectivity::Unknown {
                gone.connectivity = DeviceConnectivity::Unknown;
                device::put(&mut tx, &gone).await?;
            }
        }
        link.last_synced_at = Some(now.into());
        link.next_rooms_at = Some(env.about(Duration::minutes(15)).into());
        integration::save(&mut tx, &link).await?;
        let actor = Actor::named(ActorKind::Lock, env.apps.name(&link.app));
        event::publish(&mut tx, self.property, &actor, now, events).await?;
        tx.commit().await
    }

    fn row(
        &self,
        device: &portal_interface::Device,
        was: Option<&Device>,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Device {
        let connectivity = match device.online {
            Some(true) => DeviceConnectivity::Online,
            Some(false) => DeviceConnectivity::Offline,
            None => DeviceConnectivity::Unknown,
        };
        Device {
            id: was.map_or_else(DeviceId::new, |was| was.id),
            property_id: self.property,
            integration_id: self.integration,
            external_id: device.id.to_string(),
            name: device.name.clone(),
            space_id: was.and_then(|was| was.space_id),
            installed_at: was.and_then(|was| was.installed_at),
            installed_by: was.and_then(|was| was.installed_by.clone()),
            connectivity,
            last_seen_at: match connectivity {
                DeviceConnectivity::Online => Some(now.into()),
                _ => was.and_then(|was| was.last_seen_at),
            },
            rules: serde_json::to_string(&device.rules).unwrap_or_else(|_| "[]".to_owned()),
            compared_at: was.and_then(|was| was.compared_at),
            created_at: was.map_or(now.into(), |was| was.created_at),
        }
    }
}
