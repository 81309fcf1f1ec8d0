//! Every change of state that the design allows, through the whole stack: integrations, keychains,
//! PINs on locks, copies in the PMS, and what becomes of a stay in each situation.

mod integrations;
mod keychains;
mod locks;
mod pms_copies;
mod situations;

use crate::harness::{Hotel, text};
use chrono::{DateTime, Duration, Utc};
use portal_mews::fake::Booking;
use serde_json::{Value, json};

const STAY: &str = "query($id: ID!, $number: String!) { property(id: $id) {
    reservations(filter: {number: $number}, transfer: [TRANSFERRED, WITHHELD, ENDED]) { nodes {
      transfer withheld { code } keychains { nodes { id status provisioning startsAt endsAt generation
        mainSpace { name } pmsCopy { status waitingFor lastError }
        doors { space { name } devicePins { id status nextAttemptAt lastError } } } } } } } }";

impl Hotel<'_> {
    /// All keychains of a stay.
    async fn all_keychains(&self, number: &str) -> Vec<Value> {
        let variables = json!({ "id": self.id, "number": number });
        let mut answer = self.ask(STAY, variables).await;
        let stay = answer["property"]["reservations"]["nodes"][0].take();
        let nodes = stay["keychains"]["nodes"].as_array().cloned();
        nodes.unwrap_or_default()
    }

    /// The only keychain of a stay.
    async fn only_keychain(&self, number: &str) -> Value {
        let mut all = self.all_keychains(number).await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// How the only keychain of a stay stands and how far the locks have got.
    async fn stands(&self, number: &str) -> (String, String) {
        let keychain = self.only_keychain(number).await;
        (text(&keychain["status"]), text(&keychain["provisioning"]))
    }

    /// How the PIN of the only keychain stands on the lock of its main door.
    async fn on_lock(&self, number: &str) -> Value {
        self.only_keychain(number).await["doors"][0]["devicePins"][0].take()
    }

    /// How the copy in the PMS stands and what it waits for.
    async fn copy(&self, number: &str) -> (String, String) {
        let copy = self.only_keychain(number).await["pmsCopy"].take();
        (text(&copy["status"]), text(&copy["waitingFor"]))
    }

    /// Books a stay that begins and ends so many hours from now.
    fn book_in(&self, number: &str, room: &str, from: i64, until: i64) -> [DateTime<Utc>; 2] {
        let now = self.portal.env.now();
        let dates = [from, until].map(|hours| now + Duration::hours(hours));
        let stay = Booking::new(dates[0], dates[1]).number(number).room(room);
        self.portal.mews.book(&self.enterprise, &stay);
        dates
    }

    /// What asks for a person, as key and sentence.
    async fn asks_for_a_person(&self) -> Vec<String> {
        let query = "query($id: ID!) { property(id: $id) { problems { nodes { key message } } } }";
        let list = self.ask(query, json!({ "id": self.id })).await;
        let nodes = list["property"]["problems"]["nodes"].as_array();
        let nodes = nodes.expect("problems").iter();
        nodes
            .map(|problem| format!("{}: {}", text(&problem["key"]), text(&problem["message"])))
            .collect()
    }

    /// Mews refuses the token, and Portal finds out.
    async fn break_link(&self) {
        self.portal.mews.revoke_tokens(&self.enterprise);
        self.portal.next_look().await;
        self.portal.later(Duration::seconds(95)).await;
        assert_eq!(self.status().await, "BROKEN");
    }
}

fn is(one: &str, other: &str) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

fn instant(value: &Value) -> DateTime<Utc> {
    text(value).parse().expect("a time")
}
