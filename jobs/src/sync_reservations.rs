//! Reads reservations: those hinted at, a window once, then what changes, one page a run. While a
//! window is read again, changes go on being read.

use crate::job::{Job, JobError, enqueue};
use crate::{Env, account, hook, trigger, validate_integration};
use chrono::{DateTime, Duration, Utc};
use portal_domain::{
    ActorKind, CredentialState, EventKind, IntegrationId, IntegrationStatus, PinPushWait,
    PropertyId, ReservationId, ReservationState, ReservationTransfer, RoomId, SubjectKind,
    SyncState, ValidationTrigger, Window,
};
use portal_interface::{Account, AdapterError, Cursor, Pms, Pull, Pulled, Unreadable, VendorId};
use portal_store::cursor::{self, Stream, SyncCursor};
use portal_store::event::{self, Actor, NewEvent};
use portal_store::hint::{self, Hint};
use portal_store::integration::Integration;
use portal_store::problem::{self, NewProblem};
use portal_store::reservation::{self, Reservation};
use portal_store::{DbError, Tx, erasure, integration, pin_push, property, room};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

mod beside;

use beside::Beside;

/// Reads the next page of one PMS link.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SyncReservations {
    /// Where.
    pub property: PropertyId,
    /// Which link.
    pub integration: IntegrationId,
}

/// Reservations a page, as many as any PMS gives at once; fewer where that is too much for it.
const PAGES: [u32; 3] = [1000, 250, 50];
/// Ids asked for at once.
const FETCH: usize = 500;
/// How long the PMS may take over what was hinted at: a page must fit beside it.
const HINTED: std::time::Duration = std::time::Duration::from_secs(25);
/// Pause between two reads while nothing hurries.
const EVERY: Duration = Duration::seconds(60);
/// Problem: an item of the PMS could not be read.
const UNREADABLE: &str = "reservation.unreadable";
/// Problem: more than half of the expected stays are missing in the PMS.
const HALF_GONE: &str = "integration.half_gone";

impl Job for SyncReservations {
    const KIND: &'static str = "sync-reservations";
    const DEADLINE: std::time::Duration = std::time::Duration::from_mins(1);
    const CONCURRENCY: usize = 8;

    fn coalesce_key(&self) -> Option<String> {
        Some(self.integration.to_string())
    }

    async fn run(self, env: &Env) -> Result<(), JobError> {
        let mut conn = env.db.read().await?;
        let link = integration::by_id(&mut conn, self.property, self.integration).await?;
        let Some(link) = link.filter(|link| link.status == IntegrationStatus::Connected) else {
            return Ok(());
        };
        let changes =
            cursor::get(&mut conn, self.property, self.integration, Stream::Changes).await?;
        let window =
            cursor::get(&mut conn, self.property, self.integration, Stream::Window).await?;
        let hints =
            hint::waiting(&mut conn, self.property, self.integration, hook::MOST + 1).await?;
        let account = account::open(&mut conn, env, &link, CredentialState::Active).await?;
        drop(conn);
        let (Some(account), Some(pms)) = (account, env.apps.pms(&link.app)) else {
            return Ok(());
        };
        let step = Step {
            job: &self,
            env,
            pms: &*pms,
            account: &account,
            link: &link,
            hints: &hints,
        };
        match step.take(changes, window).await {
            Ok(()) => Ok(()),
            Err(Stopped::Db(error)) => Err(error.into()),
            Err(Stopped::Vendor(error)) => Ok(step.put_off(&error).await?),
        }
    }
}

/// Why a step did not get through.
enum Stopped {
    Db(DbError),
    Vendor(AdapterError),
}

impl<E: Into<DbError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Db(error.into())
    }
}

struct Step<'a> {
    job: &'a SyncReservations,
    env: &'a Env,
    pms: &'a dyn Pms,
    account: &'a Account,
    link: &'a Integration,
    /// What waited when the run began.
    hints: &'a [Hint],
}

impl Step<'_> {
    async fn take(
        &self,
        changes: Option<SyncCursor>,
        window: Option<SyncCursor>,
    ) -> Result<(), Stopped> {
        let looked = self.hinted().await?;
        match (changes, window) {
            // "From now on" is taken first, so that nothing falls between the window and it.
            (None, _) => self.begin().await,
            // All changes are known while all stays are compared, and it shall stay so.
            (Some(changes), Some(_)) if self.is_current() && self.is_due() => {
                self.changes(changes, true).await
            }
            (Some(_), Some(window)) => self.window(window).await,
            (Some(_), None) if looked && !self.is_due() => Ok(()),
            (Some(changes), None) => self.changes(changes, false).await,
        }
    }

    /// Whether everything was read once.
    fn is_current(&self) -> bool {
        self.link.sync_state == Some(SyncState::Current)
    }

    /// Whether it is time to read what changed, hints or not: they may get lost.
    fn is_due(&self) -> bool {
        let at = self.link.next_sync_at;
        at.is_none_or(|at| *at <= self.env.now())
    }

    /// Looks at what was hinted at. `false`: nothing was, or it has to be found by reading what
    /// changed, which settles every hint that waited before.
    ///
    /// What the PMS does not know is left as it is: one answer that lacks it is too little to take a
    /// key away, and a hint may be anybody's invention.
    async fn hinted(&self) -> Result<bool, Stopped> {
        let few = i64::try_from(self.hints.len()).is_ok_and(|count| count <= hook::MOST);
        if self.hints.is_empty() || !few {
            return Ok(false);
        }
        let ids = self.hints.iter().map(|hint| &hint.external_id);
        let ids: Vec<VendorId> = ids.filter_map(|id| account::vendor_id(id)).collect();
        let fetching = self.pms.fetch(self.account, &ids);
        let fetched = match tokio::time::timeout(HINTED, fetching).await {
            Ok(Ok(fetched)) => fetched,
            // Every other call would meet the same.
            Ok(Err(error @ (AdapterError::Unauthorized | AdapterError::RateLimited { .. }))) => {
                return Err(Stopped::Vendor(error));
            }
            Ok(Err(error)) => {
                tracing::info!(integration.id = %self.job.integration, error = account::word(&error), "what was hinted at could not be read");
                return Ok(false);
            }
            Err(_) => return Ok(false),
        };
        let mut tx = self.env.db.begin_in(self.job.property).await?;
        store_page(&mut tx, self.env, self.link, &fetched.reservations).await?;
        self.set_aside(&mut tx, &fetched.unreadable).await?;
        hint::done(&mut tx, self.job.property, self.hints).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn pull(&self, ask: Pull) -> Result<Pulled, Stopped> {
        let mut pulled = Err(AdapterError::TooHeavy);
        for page in PAGES {
            pulled = self.pms.pull(self.account, ask.clone(), page).await;
            if pulled != Err(AdapterError::TooHeavy) {
                break;
            }
        }
        pulled.map_err(Stopped::Vendor)
    }

    async fn begin(&self) -> Result<(), Stopped> {
        let pulled = self.pull(Pull::Changes { since: None }).await?;
        let mut tx = self.env.db.begin_in(self.job.property).await?;
        self.put_cursor(&mut tx, Stream::Changes, pulled.cursor)
            .await?;
        crate::catch_up::begin(&mut tx, self.env, self.link).await?;
        enqueue(&mut tx, self.env.now(), self.job).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn window(&self, mut at: SyncCursor) -> Result<(), Stopped> {
        let (Some(from), Some(to)) = (at.window_from, at.window_to) else {
            return Ok(());
        };
        let ask = Pull::Window {
            from: *from,
            to: *to,
            at: at.body.clone().map(Cursor),
        };
        let pulled = self.pull(ask).await?;
        let more = pulled.more;
        let mut tx = self.env.db.begin_in(self.job.property).await?;
        store_page(&mut tx, self.env, self.link, &pulled.reservations).await?;
        self.set_aside(&mut tx, &pulled.unreadable).await?;
        let missing = if more {
            at.body = Some(pulled.cursor.0);
            cursor::put(&mut tx, &at).await?;
            Vec::new()
        } else {
            cursor::forget(
                &mut tx,
                self.job.property,
                self.job.integration,
                Stream::Window,
            )
            .await?;
            let window = Window {
                from: *from,
                until: *to,
            };
            self.missing(&mut tx, window, &at).await?
        };
        enqueue(&mut tx, self.env.now(), self.job).await?;
        tx.commit().await?;
        self.look_for(&missing).await
    }

    /// Stays that a complete read should have held and did not.
    async fn missing(
        &self,
        tx: &mut Tx,
        window: Window,
        at: &SyncCursor,
    ) -> Result<Vec<VendorId>, DbError> {
        let (property, integration) = (self.job.property, self.job.integration);
        let expected =
            reservation::expected(tx, property, integration, window, at.started_at).await?;
        let missing: Vec<VendorId> = expected
            .iter()
            .filter(|(_, seen)| !seen)
            .filter_map(|(id, _)| account::vendor_id(id))
            .collect();
        let subject = integration.to_string();
        if missing.len() > 3 && missing.len() * 2 > expected.len() {
            // More likely a wrong answer than a house whose guests all canceled.
            let new = NewProblem {
                key: HALF_GONE,
                subject_kind: SubjectKind::Integration,
                subject: &subject,
                detail: &format!("{} of {}", missing.len(), expected.len()),
                critical: true,
            };
            problem::raise(tx, property, &new, self.env.now()).await?;
            return Ok(Vec::new());
        }
        problem::resolve(tx, property, HALF_GONE, &subject, self.env.now()).await?;
        Ok(missing)
    }

    /// Asks for stays by id. What the PMS no longer knows counts as canceled, unless the guest is in
    /// the house.
    async fn look_for(&self, missing: &[VendorId]) -> Result<(), Stopped> {
        for ids in missing.chunks(FETCH) {
            let fetched = self
                .pms
                .fetch(self.account, ids)
                .await
                .map_err(Stopped::Vendor)?;
            let mut tx = self.env.db.begin_in(self.job.property).await?;
            store_page(&mut tx, self.env, self.link, &fetched.reservations).await?;
            self.set_aside(&mut tx, &fetched.unreadable).await?;
            let known = |id: &VendorId| {
                fetched.reservations.iter().any(|found| found.id == *id)
                    || fetched
                        .unreadable
                        .iter()
                        .any(|item| item.id.as_ref() == Some(id))
            };
            let gone: Vec<String> = ids
                .iter()
                .filter(|id| !known(id))
                .map(ToString::to_string)
                .collect();
            self.cancel_gone(&mut tx, &gone).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn cancel_gone(&self, tx: &mut Tx, gone: &[String]) -> Result<(), DbError> {
        let now = self.env.now();
        let (property, integration) = (self.job.property, self.job.integration);
        let mut changed = Vec::new();
        for mut row in reservation::lock_external(tx, property, integration, gone).await? {
            if row.in_house() {
                continue;
            }
            row.state = ReservationState::Canceled;
            "gone".clone_into(&mut row.raw_state);
            row.revision += 1;
            row.seen_at = now.into();
            row.decide_at = Some(now.into());
            reservation::save(tx, &row).await?;
            changed.push(row.id);
        }
        trigger::reservations(tx, self.env, property, &changed).await
    }

    /// `goes_on`: a window is being read, which comes next.
    async fn changes(&self, at: SyncCursor, goes_on: bool) -> Result<(), Stopped> {
        let since = at.body.map(Cursor);
        let pulled = match self.pull(Pull::Changes { since }).await {
            Err(Stopped::Vendor(AdapterError::StaleCursor)) => {
                let mut tx = self.env.db.begin_in(self.job.property).await?;
                let (property, integration) = (self.job.property, self.job.integration);
                cursor::forget(&mut tx, property, integration, Stream::Changes).await?;
                enqueue(&mut tx, self.env.now(), self.job).await?;
                tx.commit().await?;
                return Ok(());
            }
            other => other?,
        };
        let more = pulled.more;
        let mut tx = self.env.db.begin_in(self.job.property).await?;
        store_page(&mut tx, self.env, self.link, &pulled.reservations).await?;
        self.set_aside(&mut tx, &pulled.unreadable).await?;
        self.put_cursor(&mut tx, Stream::Changes, pulled.cursor)
            .await?;
        if more {
            enqueue(&mut tx, self.env.now(), self.job).await?;
        } else {
            self.up_to_date(&mut tx).await?;
            // Whatever they were about has been read.
            hint::done(&mut tx, self.job.property, self.hints).await?;
            if goes_on {
                enqueue(&mut tx, self.env.now(), self.job).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Everything is read: what waited for that goes on.
    async fn up_to_date(&self, tx: &mut Tx) -> Result<(), DbError> {
        let now = self.env.now();
        let property = self.job.property;
        let Some(mut link) = integration::lock(tx, property, self.job.integration).await? else {
            return Ok(());
        };
        link.last_synced_at = Some(now.into());
        link.next_sync_at = Some(self.env.about(EVERY).into());
        let was = link.sync_state.replace(SyncState::Current);
        integration::save(tx, &link).await?;
        if was == Some(SyncState::Current) {
            return Ok(());
        }
        pin_push::wake(tx, property, link.id, &[PinPushWait::Integration], now).await?;
        trigger::integration(tx, self.env, property, link.id).await?;
        let event = NewEvent::new(
            EventKind::IntegrationCaughtUp,
            SubjectKind::Integration,
            link.id,
        );
        let actor = Actor::named(ActorKind::Pms, self.env.apps.name(&link.app));
        event::publish(tx, property, &actor, now, vec![event]).await?;
        Ok(())
    }

    async fn put_cursor(&self, tx: &mut Tx, stream: Stream, at: Cursor) -> Result<(), DbError> {
        let now = self.env.now().into();
        let mut row = SyncCursor::new(self.job.property, self.job.integration, stream, now);
        row.body = Some(at.0);
        cursor::put(tx, &row).await?;
        Ok(())
    }

    async fn set_aside(&self, tx: &mut Tx, items: &[Unreadable]) -> Result<(), DbError> {
        for item in items {
            let id = item.id.as_ref().map_or(item.at.as_str(), VendorId::as_str);
            let new = NewProblem {
                key: UNREADABLE,
                subject_kind: SubjectKind::Reservation,
                subject: id,
                detail: &item.at,
                critical: true,
            };
            problem::raise(tx, self.job.property, &new, self.env.now()).await?;
        }
        Ok(())
    }

    async fn put_off(&self, error: &AdapterError) -> Result<(), DbError> {
        tracing::info!(integration.id = %self.job.integration, error = account::word(error), "reservations could not be read");
        let mut tx = self.env.db.begin_in(self.job.property).await?;
        if *error == AdapterError::Unauthorized {
            let trigger = ValidationTrigger::RefusedCall;
            validate_integration::ask(
                &mut tx,
                self.env,
                self.job.property,
                self.job.integration,
                trigger,
            )
            .await?;
        }
        let found = integration::lock(&mut tx, self.job.property, self.job.integration).await?;
        if let Some(mut link) = found {
            let asked = match error {
                AdapterError::RateLimited { retry_after } => *retry_after,
                _ => None,
            };
            let asked = asked.and_then(|pause| Duration::from_std(pause).ok());
            let at = self
                .env
                .about(EVERY)
                .max(self.env.now() + asked.unwrap_or_default());
            link.next_sync_at = Some(at.into());
            integration::save(&mut tx, &link).await?;
        }
        tx.commit().await
    }
}

/// Reads one reservation from the PMS now, and decides about it again. `false`: the PMS did not
/// answer; it is read in the background.
pub async fn refresh(env: &Env, property: PropertyId, id: ReservationId) -> Result<bool, DbError> {
    let mut conn = env.db.read().await?;
    let Some(row) = reservation::by_id(&mut conn, property, id).await? else {
        return Ok(true);
    };
    let link = integration::by_id(&mut conn, property, row.integration_id).await?;
    let Some(link) = link else {
        return Ok(true);
    };
    let account = account::open(&mut conn, env, &link, CredentialState::Active).await?;
    drop(conn);
    let external = account::vendor_id(&row.external_id);
    let (Some(account), Some(pms), Some(external)) = (account, env.apps.pms(&link.app), external)
    else {
        return Ok(false);
    };
    let ids = [external];
    let call = pms.fetch(&account, &ids);
    let answer = tokio::time::timeout(crate::integration::PATIENCE, call).await;
    let mut tx = env.db.begin_in(property).await?;
    let answered = matches!(&answer, Ok(Ok(_)));
    if let Ok(Ok(fetched)) = &answer {
        store_page(&mut tx, env, &link, &fetched.reservations).await?;
    }
    trigger::reservations(&mut tx, env, property, &[id]).await?;
    if !answered {
        let ids = [row.external_id.as_str()];
        hint::note(&mut tx, property, link.id, &ids, env.now()).await?;
        let job = SyncReservations {
            property,
            integration: link.id,
        };
        enqueue(&mut tx, env.now(), &job).await?;
    }
    tx.commit().await?;
    Ok(answered)
}

/// Stores what the PMS told, and asks for decisions about what changed. A reservation never moves
/// back: one older than what is stored is dropped, an equal one only noted as seen.
pub(crate) async fn store_page(
    tx: &mut Tx,
    env: &Env,
    link: &Integration,
    told: &[portal_interface::Reservation],
) -> Result<(), DbError> {
    let now = env.now();
    let property = link.property_id;
    if told.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = told.iter().map(|stay| stay.id.to_string()).collect();
    let known = reservation::lock_external(tx, property, link.id, &ids).await?;
    let mut known: HashMap<String, Reservation> = known
        .into_iter()
        .map(|row| (row.external_id.clone(), row))
        .collect();
    let rooms: HashMap<String, RoomId> = room::of_integration(tx, property, link.id)
        .await?
        .into_iter()
        .map(|room| (room.external_id, room.id))
        .collect();
    let kept_since = kept_since(tx, property, told, &known, now).await?;
    let mut changed = Vec::new();
    let mut same = Vec::new();
    let mut events = Vec::new();
    let mut beside = Beside::default();
    for stay in told {
        let room = stay
            .room
            .as_ref()
            .and_then(|id| rooms.get(id.as_str()).copied());
        let was = known.get(stay.id.as_str());
        let mut row = read(stay, was, link, room, now);
        if was.is_none() && kept_since.is_some_and(|since| *row.ends_at <= since) {
            row.erase_guest();
        }
        match was {
            Some(was) if is_older(stay, was) || *was == row => {
                same.push(was.id);
                continue;
            }
            Some(_) => reservation::save(tx, &row).await?,
            None => reservation::insert(tx, &row).await?,
        };
        let event = NewEvent::new(
            EventKind::ReservationChanged,
            SubjectKind::Reservation,
            row.id,
        );
        events.push(event.with("revision", row.revision));
        beside.note(was);
        beside.note(Some(&row));
        changed.push(row.id);
        problem::resolve(tx, property, UNREADABLE, stay.id.as_str(), now).await?;
        // The same reservation may stand twice in one page: the later one meets the earlier.
        known.insert(stay.id.to_string(), row);
    }
    reservation::touch(tx, property, &same, now).await?;
    reservation::touch(tx, property, &changed, now).await?;
    // What a stay becomes also depends on the one before and after of the same guest.
    changed.extend(beside.find(tx, property, link.id).await?);
    trigger::reservations(tx, env, property, &changed).await?;
    let actor = Actor::named(ActorKind::Pms, env.apps.name(&link.app));
    event::publish(tx, property, &actor, now, events).await?;
    Ok(())
}

/// Since when stays must have been over for their guests not to be stored, where stays that are new to
/// Portal may be that old: as far back as a link reads, guests are erased already.
async fn kept_since(
    tx: &mut Tx,
    property: PropertyId,
    told: &[portal_interface::Reservation],
    known: &HashMap<String, Reservation>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, DbError> {
    let is_past = |stay: &portal_interface::Reservation| {
        stay.ends_at <= now && !known.contains_key(stay.id.as_str())
    };
    if !told.iter().any(is_past) {
        return Ok(None);
    }
    let house = property::by_id(tx, property).await?;
    Ok(house.map(|house| erasure::before(now, house.retention_days)))
}

fn is_older(stay: &portal_interface::Reservation, was: &Reservation) -> bool {
    match (stay.updated_at, was.remote_updated_at) {
        (Some(told), Some(stored)) => told < *stored,
        _ => false,
    }
}

/// The row a reservation of the PMS becomes. What Portal decided is kept.
fn read(
    stay: &portal_interface::Reservation,
    was: Option<&Reservation>,
    link: &Integration,
    room: Option<RoomId>,
    now: DateTime<Utc>,
) -> Reservation {
    let mut row = was.cloned().unwrap_or_else(|| Reservation {
        id: ReservationId::new(),
        property_id: link.property_id,
        integration_id: link.id,
        external_id: stay.id.to_string(),
        number: String::new(),
        state: stay.state,
        raw_state: String::new(),
        room_id: None,
        room_external_id: None,
        starts_at: stay.starts_at.into(),
        ends_at: stay.ends_at.into(),
        actual_start: None,
        actual_end: None,
        checked_in_seen_at: None,
        guest_key: None,
        guest_name: None,
        remote_updated_at: None,
        seen_at: now.into(),
        revision: 0,
        decided_revision: 0,
        decided_at: None,
        decide_at: None,
        transfer: ReservationTransfer::Withheld,
        withheld_code: None,
        withheld_detail: None,
        withheld_since: None,
        transferred_at: None,
        blocked_by: None,
        blocked_at: None,
        blocked_reason: None,
        created_at: now.into(),
    });
    row.number.clone_from(&stay.number);
    // A state Portal does not know changes nothing.
    if stay.state != ReservationState::Unknown || was.is_none() {
        row.state = stay.state;
    }
    row.raw_state.clone_from(&stay.raw_state);
    row.room_id = room;
    row.room_external_id = stay.room.as_ref().map(ToString::to_string);
    row.starts_at = stay.starts_at.into();
    row.ends_at = stay.ends_at.into();
    row.actual_start = stay.actual_start.map(Into::into);
    row.actual_end = stay.actual_end.map(Into::into);
    // Who was erased stays so, unless the PMS expects the guest again.
    if !(row.is_erased() && row.is_over(now)) {
        let key = stay.guest.as_ref().map(ToString::to_string);
        row.set_guest(key, stay.guest_name.clone());
    }
    if row.in_house() {
        row.checked_in_seen_at.get_or_insert(now.into());
    } else {
        row.checked_in_seen_at = None;
    }
    let before = was.map(|was| (was.clone(), was.remote_updated_at));
    row.remote_updated_at = stay.updated_at.map(Into::into);
    let content_is_same = before.is_some_and(|(mut was, _)| {
        was.remote_updated_at = row.remote_updated_at;
        was == row
    });
    if !content_is_same {
        row.revision += 1;
        // The sweeper decides if the job should be lost.
        row.decide_at = Some(now.into());
    }
    row
}
