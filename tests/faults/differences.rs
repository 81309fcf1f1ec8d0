//! The comparison of the model of a house with what stands on the locks, in the PMS and in the
//! database.

use super::house::{Door, House, LUGGAGE, Stay};
use chrono::{DateTime, Utc};
use portal_domain::{KeychainStatus, PinId, PropertyId, ReservationTransfer};
use portal_mews::fake::HeldPin;
use portal_store::keychain::{self, Filter as KeychainFilter, Keychain};
use portal_store::page::Page;
use portal_store::reservation::{self, Filter};
use portal_store::{Db, Sealer, pin};
use portal_virtual::fake::LockCode;
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// From when until when.
type Span = (DateTime<Utc>, DateTime<Utc>);

/// What stays with the same PIN ask of one lock.
#[derive(Default)]
struct Wanted {
    stays: Vec<usize>,
    /// When each of their doors opens, as soon as it may end.
    spans: Vec<Span>,
    /// The latest end that can be right.
    latest: Option<DateTime<Utc>>,
}

impl Wanted {
    fn add(&mut self, stay: usize, door: &Door, now: DateTime<Utc>) {
        self.stays.push(stay);
        self.spans.push((door.from, door.until));
        let latest = match door.latest {
            Some(latest) => latest.min(now + LUGGAGE),
            None => door.until,
        };
        self.latest = self.latest.max(Some(latest));
    }

    /// From the first hour to the last. None: it is over.
    fn span(&self, now: DateTime<Utc>) -> Option<Span> {
        let from = self.spans.iter().map(|span| span.0).min()?;
        let until = self.spans.iter().map(|span| span.1).max()?;
        (until > now).then_some((from, until))
    }

    /// Whether a lock that holds it from its first hour to its last opens in between for nobody.
    fn has_break(&self) -> bool {
        has_break(self.spans.clone())
    }
}

fn has_break(mut spans: Vec<Span>) -> bool {
    spans.sort_unstable();
    let mut until = spans.first().map(|span| span.1);
    spans.iter().any(|span| {
        let gap = until.is_some_and(|until| span.0 > until);
        until = until.max(Some(span.1));
        gap
    })
}

impl House {
    /// What is not as it should be, now that everything is at rest. Empty: all is well.
    pub(crate) async fn differences(&mut self, db: &Db, sealer: &Sealer) -> Vec<String> {
        let now = self.now();
        let known = Known::read(db, sealer, self.property, &self.stays, now).await;
        for stay in &mut self.stays {
            stay.luggage
                .retain(|door| door.latest.unwrap_or(door.until) > now);
            if stay.main.as_ref().is_some_and(|door| door.until <= now) {
                stay.main = None;
            }
        }
        let mut wrong = self.on_locks(&known);
        for stay in &mut self.stays {
            let held = self.mews.pins(&stay.id);
            let all_over = held.iter().all(|pin| pin.until <= now);
            if self.broken {
                stay.ran_out = all_over;
            } else {
                stay.ran_out &= all_over && stay.main.is_none();
                if !stay.ran_out {
                    wrong.extend(in_pms(stay, known.digits_of(stay), &held));
                }
            }
            wrong.extend(in_portal(stay, &known));
        }
        wrong.extend(self.shared_by_strangers(&known));
        wrong.extend(self.of_pins(&known));
        wrong
    }

    /// What each lock should hold, by digits.
    fn wanted(&self, room: &str, known: &Known) -> (BTreeMap<String, Wanted>, Vec<String>) {
        let (mut wanted, mut wrong) = (BTreeMap::<String, Wanted>::new(), Vec::new());
        if !self.is_installed(room) {
            return (wanted, wrong);
        }
        for (index, stay) in self.stays.iter().enumerate() {
            let doors = stay.main.iter().chain(&stay.luggage);
            for door in doors.filter(|door| door.room == room) {
                let digits = door.pin.as_deref().or(known.digits_of(stay));
                match digits {
                    Some(digits) => wanted.entry(digits.to_owned()).or_default(),
                    None => {
                        wrong.push(format!("{}: has no PIN", stay.number));
                        continue;
                    }
                }
                .add(index, door, self.now());
            }
        }
        (wanted, wrong)
    }

    fn names(&self, stays: &[usize]) -> String {
        let names: BTreeSet<&str> = stays
            .iter()
            .map(|stay| self.stays[*stay].number.as_str())
            .collect();
        names.into_iter().collect::<Vec<_>>().join(" and ")
    }

    /// Each lock holds one code for each PIN, for as long as the stays with it go on, and no other.
    fn on_locks(&mut self, known: &Known) -> Vec<String> {
        let now = self.now();
        let mut wrong = Vec::new();
        let mut ends: Vec<(String, usize, DateTime<Utc>)> = Vec::new();
        for (room, lock) in &self.rooms {
            let mut codes: BTreeMap<String, LockCode> = BTreeMap::new();
            for code in self.locks.codes(lock) {
                if known.pins.get(&code.label) != Some(&code.pin) {
                    wrong.push(format!("lock {room}: a code of nobody's, {}", code.label));
                } else if let Some(other) = codes.insert(code.pin.clone(), code) {
                    wrong.push(format!("lock {room}: two codes, one is {}", other.label));
                }
            }
            let (wanted, without) = self.wanted(room, known);
            wrong.extend(without);
            for (digits, wanted) in wanted {
                let names = self.names(&wanted.stays);
                if wanted.stays.len() > 1 && wanted.has_break() {
                    wrong.push(format!("{names}: {room} opens between the stays"));
                }
                let (span, code) = (wanted.span(now), codes.remove(&digits));
                let (Some((from, until)), Some(code)) = (span, code.as_ref()) else {
                    if span.is_some() {
                        wrong.push(format!("{names}: does not open {room}"));
                    }
                    continue;
                };
                let latest = wanted.latest.unwrap_or(until);
                if code.from != from || !(until..=latest).contains(&code.until) {
                    let is = format!("{} to {}", code.from, code.until);
                    wrong.push(format!(
                        "{names}: opens {room} {is} instead of {from} to {until}"
                    ));
                    continue;
                }
                ends.extend(
                    wanted
                        .stays
                        .iter()
                        .map(|stay| (room.clone(), *stay, code.until)),
                );
            }
            for code in codes.values() {
                wrong.push(format!("{}: still opens {room}", known.whose(&code.label)));
            }
        }
        self.learn(&ends);
        wrong
    }

    /// Now that a code was seen, it is known when the luggage has to be gone.
    fn learn(&mut self, ends: &[(String, usize, DateTime<Utc>)]) {
        for (room, stay, until) in ends {
            let stay = &mut self.stays[*stay];
            if stay.main.as_ref().is_some_and(|door| door.room == *room) {
                continue;
            }
            for door in stay.luggage.iter_mut().filter(|door| door.room == *room) {
                if door.latest.take().is_some() {
                    door.until = *until;
                }
            }
        }
    }

    /// Two guests never have one PIN at the same time.
    fn shared_by_strangers(&self, known: &Known) -> Vec<String> {
        let uses: Vec<(&Stay, &str, &Door)> = self
            .stays
            .iter()
            .flat_map(|stay| {
                let doors = stay.main.iter().chain(&stay.luggage);
                doors.filter_map(move |door| {
                    let digits = door.pin.as_deref().or(known.digits_of(stay))?;
                    Some((stay, digits, door))
                })
            })
            .collect();
        let mut wrong = Vec::new();
        for (n, (a, digits, one)) in uses.iter().enumerate() {
            for (b, same, other) in &uses[n + 1..] {
                let at_once = one.from < other.until && other.from < one.until;
                if a.guest != b.guest && digits == same && at_once {
                    wrong.push(format!("{} and {} share a PIN", a.number, b.number));
                }
            }
        }
        wrong
    }

    /// A guest keeps the PIN, and has the one of the stay next to it. It changes only where the stay
    /// shares it with an earlier one of the guest and there is a time between the two by now.
    fn of_pins(&mut self, known: &Known) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut new = Vec::new();
        for (index, stay) in self.stays.iter().enumerate() {
            let (Some(main), Some(digits)) = (&stay.main, known.digits_of(stay)) else {
                continue;
            };
            match stay.pins.last() {
                Some(before) if before == digits => {
                    if stay.rotated {
                        wrong.push(format!(
                            "{}: still has the PIN that was replaced",
                            stay.number
                        ));
                    }
                    continue;
                }
                Some(before) => {
                    if stay.pins.iter().any(|old| old == digits) {
                        wrong.push(format!("{}: has an old PIN again", stay.number));
                    } else if !stay.rotated && !self.parts(index, main, before, known) {
                        wrong.push(format!("{}: has another PIN than before", stay.number));
                    }
                }
                None if !self.goes_on(index, main, digits, known) => {
                    let number = &stay.number;
                    wrong.push(format!(
                        "{number}: another PIN than for the stay next to it"
                    ));
                }
                None => {}
            }
            new.push((index, digits.to_owned()));
        }
        for (stay, digits) in new {
            self.stays[stay].pins.push(digits);
            self.stays[stay].rotated = false;
        }
        wrong
    }

    /// Whether the first PIN of a stay is that of one next to it, if there is one. Of several that are
    /// new at once it is left to chance which comes first, and whose PIN it has then.
    fn goes_on(&self, index: usize, main: &Door, digits: &str, known: &Known) -> bool {
        let mut next_to = self.next_to(index);
        next_to.retain(|other| {
            let door = self.stays[*other].main.as_ref();
            door.is_some_and(|door| door.room == main.room)
        });
        let is_old = |other: &usize| !self.stays[*other].pins.is_empty();
        let alone = |other: &usize| self.next_to(*other) == [index];
        if !next_to.iter().any(is_old) && !next_to.iter().all(alone) {
            return true;
        }
        let mut theirs = next_to
            .iter()
            .map(|other| known.digits_of(&self.stays[*other]));
        next_to.is_empty() || theirs.any(|other| other == Some(digits))
    }

    /// Whether a stay cannot keep its PIN, as an earlier one of the guest has it and the door would
    /// open between the two.
    fn parts(&self, index: usize, main: &Door, before: &str, known: &Known) -> bool {
        let mut spans = vec![(main.from, main.until)];
        for (other, stay) in self.stays.iter().enumerate() {
            let doors = stay.main.iter().chain(&stay.luggage);
            let same = doors.filter(|door| {
                let digits = door.pin.as_deref().or(known.digits_of(stay));
                other != index && door.room == main.room && digits == Some(before)
            });
            spans.extend(same.map(|door| (door.from, door.until)));
        }
        let first = spans.iter().all(|span| span.0 >= main.from);
        !first && has_break(spans)
    }
}

/// What is wrong with the copies in the PMS.
fn in_pms(stay: &Stay, digits: Option<&str>, held: &[HeldPin]) -> Vec<String> {
    let number = &stay.number;
    match (&stay.main, held) {
        (None, []) => Vec::new(),
        (None, _) => vec![format!("{number}: its PIN is still in the PMS")],
        (Some(_), []) => vec![format!("{number}: its PIN is not in the PMS")],
        (Some(_), [_, _, ..]) => vec![format!("{number}: has {} PINs in the PMS", held.len())],
        (Some(door), [pin]) => {
            let mut wrong = Vec::new();
            if digits.is_some_and(|digits| digits != pin.value) {
                wrong.push(format!("{number}: another PIN in the PMS than on the lock"));
            }
            // A guest who keeps the old room keeps the copy of it.
            if pin.room.as_ref() != Some(&door.room) {
                wrong.push(format!(
                    "{number}: {:?} in the PMS, not {}",
                    pin.room, door.room
                ));
            }
            if pin.from != door.from || pin.until != door.until {
                wrong.push(format!(
                    "{number}: {} to {} in the PMS, not {} to {}",
                    pin.from, pin.until, door.from, door.until
                ));
            }
            wrong
        }
    }
}

/// What is wrong with what Portal says of a stay.
fn in_portal(stay: &Stay, known: &Known) -> Option<String> {
    stay.seen.as_ref()?;
    let number = &stay.number;
    let transferred = ReservationTransfer::Transferred;
    match (&stay.main, known.transfer.get(number)) {
        (_, None) => Some(format!("{number}: not in Portal")),
        (Some(_), Some(is)) if *is != transferred => {
            Some(format!("{number}: {is} in Portal, not transferred"))
        }
        (None, Some(is)) if *is == transferred => Some(format!("{number}: transferred in Portal")),
        _ => None,
    }
}

/// What Portal knows.
struct Known {
    /// The digits of each PIN in use, by its label.
    pins: HashMap<String, String>,
    /// The PIN each stay has.
    has: HashMap<String, String>,
    /// Whose each is.
    users: HashMap<String, String>,
    transfer: HashMap<String, ReservationTransfer>,
}

impl Known {
    async fn read(
        db: &Db,
        sealer: &Sealer,
        property: PropertyId,
        stays: &[Stay],
        now: DateTime<Utc>,
    ) -> Self {
        let mut conn = db.read().await.expect("a connection");
        let all = Page::first(10_000);
        let mut reservations = reservation::page(&mut conn, property, &Filter::default(), &all)
            .await
            .expect("the reservations");
        reservations.retain(|known| stays.iter().any(|stay| stay.number == known.number));
        let live = KeychainFilter {
            status: vec![KeychainStatus::Upcoming, KeychainStatus::Current],
            reservation: None,
        };
        let keychains: Vec<Keychain> =
            keychain::page(&mut conn, property, &live, now, &Page::first(10_000))
                .await
                .expect("the keychains");
        let ids: Vec<PinId> = keychains.iter().map(|keychain| keychain.pin_id).collect();
        let digits = pin::open(&mut conn, sealer, property, &ids, now)
            .await
            .expect("their digits");
        let mut known = Self {
            pins: HashMap::new(),
            has: HashMap::new(),
            users: HashMap::new(),
            transfer: HashMap::new(),
        };
        for keychain in keychains {
            let stay = reservations
                .iter()
                .find(|stay| Some(stay.id) == keychain.reservation_id);
            let (Some(stay), Some(digits)) = (stay, digits.get(&keychain.pin_id)) else {
                continue;
            };
            let digits = digits.expose_secret().to_owned();
            let label = format!("portal:{}", keychain.pin_id);
            known.users.insert(label.clone(), stay.number.clone());
            known.pins.insert(label, digits.clone());
            if keychain.superseded_by.is_none() {
                known.has.insert(stay.number.clone(), digits);
            }
        }
        let transfer = reservations.into_iter();
        known.transfer = transfer.map(|stay| (stay.number, stay.transfer)).collect();
        known
    }

    fn digits_of(&self, stay: &Stay) -> Option<&str> {
        self.has.get(&stay.number).map(String::as_str)
    }

    fn whose(&self, label: &str) -> &str {
        self.users.get(label).map_or("somebody", String::as_str)
    }
}
