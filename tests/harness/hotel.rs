//! A property and what its staff do.

use super::{Caller, PASSWORD, Portal, shown};
use chrono::Duration;
use portal::admin::{NewOwner, create_owner};
use portal_domain::{DeviceRule, PropertyId};
use portal_interface::SecretString;
use portal_mews::fake::{Booking, NewRoom};
use portal_virtual::fake::NewSite;
use serde_json::{Value, json};
use std::sync::Mutex;

/// A property.
pub(crate) struct Hotel<'a> {
    pub(crate) portal: &'a Portal,
    pub(crate) property: PropertyId,
    /// Its identifier in the API.
    pub(crate) id: String,
    pub(crate) owner: Caller,
    /// The same person, signed in anew when it is time.
    session: Mutex<Caller>,
    pub(crate) email: String,
    /// Its account at the fake Mews, and the token that opens it.
    pub(crate) enterprise: String,
    pub(crate) token: SecretString,
    pub(crate) site: NewSite,
}

const CONNECT: &str = "mutation($property: ID!, $app: String!, $values: [AppFieldValue!]!) {
    integrationConnect(input: {property: $property, app: $app, values: $values}) {
      integration { id status statusReason statusMessage account { name } }
      userErrors { field code message } } }";

const INTEGRATION: &str = "query($id: ID!) { property(id: $id) { integrations(category: PMS) { nodes {
    id status statusReason statusMessage fix account { key name } credential { version setBy { name } }
    candidate { version } sync { state } } } } }";

const RESERVATION: &str = "query($id: ID!, $number: String!) { property(id: $id) {
    reservations(filter: {number: $number}, transfer: [TRANSFERRED, WITHHELD, ENDED]) { nodes {
      id transfer state guestName withheld { code message }
      keychain { id status provisioning startsAt endsAt mainSpace { name }
        doors { role space { name } devicePins { status lastError } }
        pmsCopy { status shownToGuest waitingFor } } } } } }";

impl<'a> Hotel<'a> {
    pub(super) async fn new(portal: &'a Portal, name: &str) -> Hotel<'a> {
        let email = format!("owner@{}.example", uuid::Uuid::now_v7().simple());
        let new = NewOwner {
            email: &email,
            name: "Olive Owner",
            password: PASSWORD.into(),
            organization: name,
            property: name,
        };
        let now = portal.env.now();
        let property = create_owner(&portal.env.db, new, now)
            .await
            .expect("an owner");
        let owner = Caller::sign_in(portal.address, &email).await;
        let answer = owner
            .run("{ properties { nodes { id name } } }", json!({}))
            .await;
        let id = text(&answer["properties"]["nodes"][0]["id"]);
        let account = portal.mews.add_enterprise(name, "Europe/Prague");
        for room in ["101", "102", "103"] {
            portal.mews.add_room(&account.id, &NewRoom::new(room));
        }
        let site = portal.locks.add_site(name);
        Hotel {
            portal,
            property,
            id,
            session: Mutex::new(owner.clone()),
            owner,
            email,
            enterprise: account.id,
            token: account.access_token,
            site,
        }
    }

    /// Connected to Mews, rooms read.
    pub(crate) async fn with_mews(self) -> Self {
        let answer = self.paste(&shown(&self.token)).await;
        assert_eq!(answer["userErrors"], json!([]));
        self.portal.settle().await;
        self
    }

    /// With a space and a lock for this room, mapped and installed.
    pub(crate) async fn with_door(self, room: &str) -> Self {
        self.door(room).await;
        self
    }

    /// A space and a lock for this room, mapped and installed. Returns the lock's name at its vendor.
    pub(crate) async fn door(&self, room: &str) -> String {
        let space = format!("Room {room}");
        self.map(room, &space).await;
        self.install(&space, &format!("Lock {room}")).await
    }

    /// Asks as the owner, who signs in again when the session has run out: few sign-ins a minute are
    /// allowed.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> Value {
        let session = self.session.lock().expect("a session").clone();
        let mut answer = session.answer(query, variables.clone()).await;
        let code = &answer["errors"][0]["extensions"]["code"];
        if code != "UNAUTHENTICATED" && code != "FRESH_SIGN_IN_REQUIRED" {
            assert_eq!(answer["errors"], Value::Null, "{query}");
            return answer["data"].take();
        }
        let owner = self.sign_in().await;
        let answer = owner.run(query, variables).await;
        *self.session.lock().expect("a session") = owner;
        answer
    }

    /// Signs in once more: what asks for a recent sign-in goes on.
    pub(crate) async fn sign_in(&self) -> Caller {
        Caller::sign_in(self.portal.address, &self.email).await
    }

    /// Pastes a token into the form of Mews and saves.
    pub(crate) async fn paste(&self, token: &str) -> Value {
        self.connect("mews", json!([{ "key": "accessToken", "value": token }]))
            .await
    }

    pub(crate) async fn connect(&self, app: &str, values: Value) -> Value {
        let variables = json!({ "property": self.id, "app": app, "values": values });
        let owner = self.sign_in().await;
        owner.run(CONNECT, variables).await["integrationConnect"].take()
    }

    /// The link to the PMS.
    pub(crate) async fn integration(&self) -> Value {
        let answer = self.ask(INTEGRATION, json!({ "id": self.id })).await;
        first(answer, "integrations")
    }

    pub(crate) async fn status(&self) -> String {
        text(&self.integration().await["status"])
    }

    pub(crate) async fn reconnect(&self, token: &str) -> Value {
        let integration = self.integration().await["id"].clone();
        let owner = self.sign_in().await;
        let mut answer = owner
            .run(
                "mutation($id: ID!, $value: String!) { integrationReconnect(input: {integration: $id,
                   values: [{key: \"accessToken\", value: $value}]}) {
                   integration { status candidate { version } } userErrors { field code message } } }",
                json!({ "id": integration, "value": token }),
            )
            .await;
        answer["integrationReconnect"].take()
    }

    /// Books a stay from this afternoon for two nights.
    pub(crate) fn book(&self, number: &str, room: Option<&str>) {
        let now = self.portal.env.now();
        let mut stay = Booking::new(now + Duration::hours(5), now + Duration::hours(50))
            .number(number)
            .guest("Ada Guest");
        if let Some(room) = room {
            stay = stay.room(room);
        }
        self.portal.mews.book(&self.enterprise, &stay);
    }

    /// The reservation as Portal has it. Null when it has none.
    pub(crate) async fn reservation(&self, number: &str) -> Value {
        let variables = json!({ "id": self.id, "number": number });
        let answer = self.ask(RESERVATION, variables).await;
        first(answer, "reservations")
    }

    /// Whether it has access, and why not.
    pub(crate) async fn access(&self, number: &str) -> (String, String) {
        let stay = self.reservation(number).await;
        (text(&stay["transfer"]), text(&stay["withheld"]["code"]))
    }

    pub(crate) async fn room(&self, name: &str) -> String {
        let query = "query($id: ID!) { property(id: $id) { rooms { nodes { id name } } } }";
        let answer = self.ask(query, json!({ "id": self.id })).await;
        find(&answer["property"]["rooms"]["nodes"], name)
    }

    pub(crate) async fn space(&self, name: &str) -> String {
        let query = "query($id: ID!) { property(id: $id) { spaces { nodes { id name } } } }";
        let answer = self.ask(query, json!({ "id": self.id })).await;
        find(&answer["property"]["spaces"]["nodes"], name)
    }

    /// Runs a mutation about one thing, which refuses nothing.
    pub(crate) async fn tell(&self, mutation: &str, input: Value) {
        let head = mutation.to_uppercase().remove(0).to_string() + &mutation[1..];
        let query = format!(
            "mutation($input: {head}Input!) {{ x: {mutation}(input: $input) {{ userErrors {{ code message }} }} }}"
        );
        let answer = self.ask(&query, json!({ "input": input })).await;
        assert_eq!(answer["x"]["userErrors"], json!([]), "{mutation}");
    }

    /// Makes a space of this kind.
    pub(crate) async fn add_space(&self, name: &str, kind: &str) {
        let create =
            "mutation($property: ID!, $name: String!, $kind: SpaceKind!) { spaceCreate(input: {
            property: $property, name: $name, kind: $kind}) { userErrors { code } } }";
        let variables = json!({ "property": self.id, "name": name, "kind": kind });
        let answer = self.ask(create, variables).await;
        assert_eq!(answer["spaceCreate"]["userErrors"], json!([]));
    }

    /// Makes a space and maps a room to it.
    pub(crate) async fn map(&self, room: &str, space: &str) {
        self.add_space(space, "ROOM").await;
        let map = "mutation($room: ID!, $space: ID!) { roomMap(input: {room: $room, space: $space})
            { room { space { name } } userErrors { code } } }";
        let variables = json!({ "room": self.room(room).await, "space": self.space(space).await });
        let answer = self.ask(map, variables).await;
        assert_eq!(answer["roomMap"]["userErrors"], json!([]));
        assert_eq!(answer["roomMap"]["room"]["space"]["name"], json!(space));
    }

    /// Installs a new lock in a space. Returns the lock's name at its vendor.
    pub(crate) async fn install(&self, space: &str, lock: &str) -> String {
        self.install_with(space, lock, &[]).await
    }

    /// The same with rules of its own.
    pub(crate) async fn install_with(
        &self,
        space: &str,
        lock: &str,
        rules: &[DeviceRule],
    ) -> String {
        let external = self.portal.locks.add_lock(&self.site.id, lock, rules);
        let key = json!([{ "key": "accessKey", "value": shown(&self.site.key) }]);
        self.portal.clock.advance(Duration::minutes(2));
        let answer = self.connect("virtual-locks", key).await;
        assert_eq!(answer["userErrors"], json!([]));
        self.portal.later(Duration::minutes(20)).await;
        let query = "query($id: ID!) { property(id: $id) { devices { nodes { id name } } } }";
        let answer = self.ask(query, json!({ "id": self.id })).await;
        let device = find(&answer["property"]["devices"]["nodes"], lock);
        let install = "mutation($device: ID!, $space: ID!) { deviceInstall(input: {device: $device, space: $space})
            { device { space { name } } userErrors { code } } }";
        let variables = json!({ "device": device, "space": self.space(space).await });
        let answer = self.ask(install, variables).await;
        assert_eq!(answer["deviceInstall"]["userErrors"], json!([]));
        external
    }

    /// Shows the PIN of a reservation.
    pub(crate) async fn reveal(&self, number: &str) -> String {
        let keychain = self.reservation(number).await["keychain"]["id"].clone();
        let owner = self.sign_in().await;
        let answer = owner
            .run(
                "mutation($id: ID!) { pinReveal(input: {keychain: $id, reason: \"asked at the desk\"})
                   { code userErrors { code } } }",
                json!({ "id": keychain }),
            )
            .await;
        text(&answer["pinReveal"]["code"])
    }

    /// The PINs Mews holds for a reservation.
    pub(crate) fn in_mews(&self, number: &str) -> Vec<String> {
        let held = self.portal.mews.pins(number);
        held.into_iter().map(|held| held.value).collect()
    }
}

/// The first of a list of the property. Null when there is none.
fn first(mut answer: Value, list: &str) -> Value {
    let first = answer.pointer_mut(&format!("/property/{list}/nodes/0"));
    first.map(Value::take).unwrap_or_default()
}

/// The identifier of the thing of this name.
pub(crate) fn find(nodes: &Value, name: &str) -> String {
    let found = nodes
        .as_array()
        .and_then(|nodes| nodes.iter().find(|node| node["name"] == name));
    text(&found.unwrap_or_else(|| panic!("{name} is not in {nodes}"))["id"])
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
